/*
 * Taps
 */

#include "ctl/tap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/list.h"

static int nothing_to_finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

/* They are embedded in what their owners hold. */
static void nothing_to_free(struct stage *stage)
{
	(void)stage;
}

static int tap_put(struct stage *stage, const void *data, size_t size)
{
	digest_update(container_of(stage, struct tap, stage)->digest, data, size);
	return stage_put(stage->next, data, size);
}

int tap_init(struct tap *tap, struct stage *next)
{
	static const struct stage_ops ops = { "sum", tap_put, nothing_to_finish, nothing_to_free };

	*tap = (struct tap){ .stage = { .ops = &ops, .next = next } };
	return digest_new(&tap->digest);
}

void tap_fini(struct tap *tap)
{
	digest_free(tap->digest);
	tap->digest = NULL;
}

int tap_sum(struct tap *tap, char dst[DIGEST_HEX_MAX])
{
	return digest_final(tap->digest, dst);
}

static int drain_put(struct stage *stage, const void *data, size_t size)
{
	(void)stage;
	(void)data;
	(void)size;
	return 0;
}

void drain_init(struct stage *stage)
{
	static const struct stage_ops ops = { "drain", drain_put, nothing_to_finish,
					      nothing_to_free };

	*stage = (struct stage){ .ops = &ops };
}

static int outlet_put(struct stage *stage, const void *data, size_t size)
{
	struct outlet *outlet = container_of(stage, struct outlet, stage);
	const char *at = data;

	if (size > outlet->room) {
		outlet->is_full = true;
		return -EFBIG;
	}
	outlet->room -= size;
	while (size > 0) {
		ssize_t n = write(outlet->fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;

			snprintf(stage->error, sizeof(stage->error), "cannot write: %s",
				 strerror(error));
			return -error;
		}
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

void outlet_init(struct outlet *outlet, int fd)
{
	static const struct stage_ops ops = { "outlet", outlet_put, nothing_to_finish,
					      nothing_to_free };

	*outlet = (struct outlet){ .stage = { .ops = &ops }, .fd = fd, .room = UINT64_MAX };
}

const char *chain_error(const struct stage *first)
{
	for (; first != NULL; first = first->next) {
		if (first->error[0] != '\0')
			return first->error;
	}
	return "cannot go on";
}
