/*
 * Expanding on demand
 *
 * A stage pushes, a server pulls: what the stage makes of a small slice waits here until it is
 * asked for. The slice bounds what waits and how long a call takes, also for the most compressible
 * file there can be: each four bytes of zstd may stand for a block of 128 KiB.
 */

#include "http/expand.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/stage.h"
#include "pipeline/zstd.h"
#include "util/buf.h"
#include "util/list.h"

enum {
	BLOCK_BYTES = 64 * 1024, /* of the file, read at once */
	SLICE_BYTES = 256, /* of it, expanded at once */
	WAITING_MAX = 16 << 20, /* twice what a slice can stand for */
};

struct expand {
	struct stage end; /* gathers into waiting */
	struct stage *zstd; /* owned */
	struct buf waiting;
	size_t given; /* of waiting */
	char block[BLOCK_BYTES];
	size_t block_size, block_used;
	int fd; /* owned */
	bool finished;
	int error; /* sticky */
};

static int gather(struct stage *stage, const void *data, size_t size)
{
	return buf_append(&container_of(stage, struct expand, end)->waiting, data, size);
}

static int gathered(struct stage *stage)
{
	(void)stage;
	return 0;
}

int expand_open(struct expand **ret, int fd)
{
	static const struct stage_ops ops = { .name = "waiting",
					      .put = gather,
					      .finish = gathered };
	struct expand *expand = calloc(1, sizeof(*expand));

	if (expand == NULL) {
		close(fd);
		return -ENOMEM;
	}
	expand->fd = fd;
	expand->end.ops = &ops;
	buf_init(&expand->waiting, WAITING_MAX);
	if (zstd_expand_new(&expand->zstd, &expand->end) < 0) {
		expand_free(expand);
		return -ENOMEM;
	}
	*ret = expand;
	return 0;
}

void expand_free(struct expand *expand)
{
	if (expand == NULL)
		return;
	if (expand->zstd != NULL)
		expand->zstd->ops->free(expand->zstd);
	buf_fini(&expand->waiting);
	close(expand->fd);
	free(expand);
}

static int read_block(struct expand *expand)
{
	ssize_t n;

	do {
		n = read(expand->fd, expand->block, sizeof(expand->block));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	expand->block_size = (size_t)n;
	expand->block_used = 0;
	return 0;
}

/* One slice further, or the end. */
static int go_on(struct expand *expand)
{
	size_t size;
	int r;

	if (expand->block_used == expand->block_size) {
		r = read_block(expand);
		if (r < 0)
			return r;
		if (expand->block_size == 0) {
			expand->finished = true;
			return stage_finish(expand->zstd);
		}
	}
	size = expand->block_size - expand->block_used;
	if (size > SLICE_BYTES)
		size = SLICE_BYTES;
	r = stage_put(expand->zstd, expand->block + expand->block_used, size);
	expand->block_used += size;
	return r;
}

ssize_t expand_read(struct expand *expand, void *dst, size_t size)
{
	size_t left;

	if (expand->given == expand->waiting.size) {
		buf_clear(&expand->waiting);
		expand->given = 0;
	}
	while (expand->error == 0 && !expand->finished && expand->waiting.size == 0)
		expand->error = go_on(expand);
	if (expand->error != 0)
		return expand->error;
	left = expand->waiting.size - expand->given;
	if (left > size)
		left = size;
	if (left > 0)
		memcpy(dst, expand->waiting.data + expand->given, left);
	expand->given += left;
	return (ssize_t)left;
}
