#pragma once

/*
 * Packings
 *
 * The compressions a file may come in, each known by its first bytes: ours (zstd), and that of
 * Firefox and of people (gzip).
 */

#include <stddef.h>

struct stage;

struct packing {
	const char *magic;
	size_t magic_bytes;
	/* A stage that expands into the next; -EBADMSG from it: damaged. 0, -ENOMEM. */
	int (*expand_new)(struct stage **ret, struct stage *next);
};

/* Of what begins with these bytes; NULL: it is not packed. */
const struct packing *packing_of(const void *head, size_t size);
