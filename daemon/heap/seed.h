#pragma once

/*
 * Whether two snapshots of V8 are of one process, as far as they tell
 *
 * V8 keeps the texts that it shares in a table, by hashes from a seed that Node draws anew at each
 * start, and a root refers to them in the order of the table. The engine's own texts among them are
 * known by the names of other roots, also where a capture is redacted. In one process they stand
 * in one order, whatever has become of ids: where the table has doubled, in each part of it. In two
 * they stand in orders that have nothing to do with each other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "heap/graph.h"

struct heap_seed_text;

struct heap_seed {
	struct heap_seed_text *texts; /* owned: each once, by their names */
	size_t n;
	uint32_t table; /* texts in the table */
	bool drawn; /* it is of Node */
};

/* Looks at the references of roots; none of another engine. 0, -ENOMEM; fini in any case. */
int heap_seed_init(struct heap_seed *ret, const struct heap_graph *graph);
void heap_seed_fini(struct heap_seed *seed); /* zeroed is fine */

/*
 * 1: they are of different processes for certain; 0: of one, or it cannot be told: of two that
 * have one seed (Deno, Chromium), of few texts, or where one table is a lot larger; -ENOMEM.
 */
int heap_seeds_differ(const struct heap_seed *a, const struct heap_seed *b);

/* That they do not differ means that they are of one process. */
bool heap_seeds_tell(const struct heap_seed *a, const struct heap_seed *b);
