/*
 * The way back: what comes in on stdin goes through the opening half to stdout.
 *
 * Usage: open_through [-z] IDENTITY_FILE...
 * -z expands as well. Exits 1 with the reason on stderr; what was written until then counts for
 * nothing.
 */

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/unseal.h"
#include "pipeline/stage.h"
#include "pipeline/zstd.h"
#include "util/err.h"

enum { PIECE_BYTES = 256 << 10 };

static int write_all(struct stage *stage, const void *data, size_t size)
{
	const char *from = data;

	(void)stage;
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, from, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			from += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

static const struct stage_ops out_ops = { .name = "file", .put = write_all, .finish = finish };

static int pump(struct stage *first)
{
	char *buffer = malloc(PIECE_BYTES);
	ssize_t n = 0;
	int r = buffer == NULL ? -ENOMEM : 0;

	while (r == 0 && (n = read(STDIN_FILENO, buffer, PIECE_BYTES)) > 0)
		r = stage_put(first, buffer, (size_t)n);
	if (n < 0)
		err(1, "stdin");
	free(buffer);
	return r == 0 ? stage_finish(first) : r;
}

int main(int argc, char **argv)
{
	bool expands = argc > 1 && strcmp(argv[1], "-z") == 0;
	struct stage out = { .ops = &out_ops }, *expand = NULL, *unseal = NULL;
	struct identities identities = { 0 };
	struct err reason = { 0 };
	int r = 0;

	for (int i = expands ? 2 : 1; i < argc && r == 0; i++)
		r = identities_read(&identities, argv[i], &reason);
	if (r == 0 && expands)
		r = zstd_expand_new(&expand, &out);
	if (r == 0)
		r = unseal_new(&unseal, &identities, expands ? expand : &out, &reason);
	if (r != 0)
		errx(1, "%s: %s", reason.text, strerror(-r));
	r = pump(unseal);
	if (r != 0)
		errx(1, "%s%s: %s", unseal->error, expands ? expand->error : "", strerror(-r));
	unseal->ops->free(unseal);
	if (expands)
		expand->ops->free(expand);
	identities_fini(&identities);
	return 0;
}
