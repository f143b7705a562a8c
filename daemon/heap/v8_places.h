#pragma once

/*
 * Where classes and functions of a V8 heap snapshot are defined: each place once, however many
 * objects have it, and the scripts they are in. A file does not tell beforehand how many there are:
 * room for as many as can be is made at the beginning, and is part of heap_graph_cost().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "heap/graph.h"
#include "heap/v8_array.h"
#include "heap/v8_head.h"

struct v8_places {
	const struct v8_head *head; /* borrowed, as is the graph */
	struct heap_graph *graph;
	uint32_t *slots; /* owned: of graph->places, + 1, by their hash; 0 is a free one */
	size_t slots_n; /* a power of two */
	uint64_t seed;
	bool scripts_full; /* no more of them are noted */
};

/* Makes the graph's columns of places. 0, -ENOMEM, -EIO (no random number); fini in any case. */
int v8_places_init(struct v8_places *places, const struct v8_head *head, struct heap_graph *graph);
void v8_places_fini(struct v8_places *places); /* zeroed is fine */

/* The owner is a struct v8_places. On one thread at a time. */
v8_rows_fn v8_location_rows;

/*
 * The scripts that locations named, in the order of their ids, each once, and their URLs, for which
 * names have to be in bounds. 0, -ENOMEM.
 */
int v8_places_scripts(struct heap_graph *graph);
