#pragma once

/* What tests of the other engines' loaders have in common. */

#include "heap/load.h"

struct err;

int foreign_load(struct heap_graph *graph, const void *data, size_t size, struct err *err);

/* The name of a node, and of the reference from one to another; fails the test where there is none.
 */
void foreign_check_name(const struct heap_graph *graph, uint32_t node, const char *wanted);
void foreign_check_edge(const struct heap_graph *graph, uint32_t from, uint32_t to,
			enum heap_edge_kind kind, const char *wanted);

/* Each beginning of it is refused with a reason. */
void foreign_check_cuts(const void *data, size_t size);
