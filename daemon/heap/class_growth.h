#pragma once

/*
 * Classes of two snapshots whose objects cannot be told to be the same ones: of different
 * processes, whose ids and numbers of scripts have nothing to do with each other, or numbered anew.
 * A class is the same by its name and the line and column it is defined at.
 */

#include <stddef.h>
#include <stdint.h>
#include "heap/classes.h"
#include "heap/rows.h"

struct heap_class_growth {
	char *key; /* owned: "LINE,COLUMN,NAME" or "NAME" */
	const char *name; /* in key */
	uint64_t count[2], bytes[2]; /* of objects themselves: in the base, in the last */
};

/* The classes of a snapshot, and what each comes to, of which count and self are looked at. */
struct heap_class_rows {
	const struct heap_classes *classes; /* borrowed, as is what follows */
	const struct heap_row *rows;
};

/*
 * A row per class of either, those that grew most first; heap_class_growth_free(). Plain objects
 * of both are of the same shapes. 0, -ENOMEM.
 */
int heap_class_growth(const struct heap_class_rows *base, const struct heap_class_rows *last,
		      struct heap_class_growth **ret, size_t *ret_n);

/* Without those of which there is as much as before; how many these are. */
size_t heap_class_growth_changed(struct heap_class_growth *rows, size_t n);

/* Only those of this name; how many these are. */
size_t heap_class_growth_keep(struct heap_class_growth *rows, size_t n, const char *name);
void heap_class_growth_free(struct heap_class_growth *rows, size_t n);
