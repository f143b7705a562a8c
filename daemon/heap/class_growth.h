#pragma once

/*
 * Classes of two snapshots whose objects cannot be told to be the same ones: of different
 * processes, whose ids and numbers of scripts have nothing to do with each other. A class is the
 * same by its name and the line and column it is defined at.
 */

#include <stddef.h>
#include <stdint.h>
#include "heap/analysis.h"

struct heap_class_growth {
	char *key; /* owned: "LINE,COLUMN,NAME" or "NAME" */
	const char *name; /* in key */
	uint64_t count[2], bytes[2]; /* of objects themselves: in the base, in the last */
};

/*
 * A row per class of either, those that grew most first; heap_class_growth_free(). Plain objects
 * of both are of the same shapes. 0, -ENOMEM.
 */
int heap_class_growth(const struct heap_analysis *base, const struct heap_analysis *last,
		      struct heap_class_growth **ret, size_t *ret_n);

/* Only those of this name; how many these are. */
size_t heap_class_growth_keep(struct heap_class_growth *rows, size_t n, const char *name);
void heap_class_growth_free(struct heap_class_growth *rows, size_t n);
