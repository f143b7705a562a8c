#pragma once

/*
 * What V8's snapshots mean besides what they say: rules that Chrome DevTools' heap worker applies
 * and that have to be the same here for its numbers to come out (HeapSnapshot.ts).
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/graph.h"

/*
 * Names and states: entries of WeakMaps are found by the names of their edges; the state of DOM
 * nodes is passed on to what belongs to them. 0, -ENOMEM.
 */
int v8_rules_names(struct heap_graph *graph, bool has_detachedness);

/*
 * Bits by node: reachable from the page's own roots. What else refers to those (a debugger, the
 * embedder) does not count as a holder. NULL on ENOMEM; free with heap_bits_free().
 */
uint64_t *v8_rules_page_owned(const struct heap_graph *graph);

/* A node that the program itself knows, and not only the engine. */
bool v8_rules_user_root(const struct heap_graph *graph, uint32_t node);

/*
 * Give the sizes of internal parts (hash tables, elements of arrays) to the one object that they
 * belong to. Nothing is changed where no root is the program's. 0, -ENOMEM.
 */
int v8_rules_transfer(struct heap_graph *graph);

/*
 * The length of the number before the part of the name of a WeakMap's entry that its two edges
 * have in common, 0 when the name is of no such entry; *ret_table is the id of the map's table.
 */
uint32_t v8_rules_ephemeron(const struct heap_strings *strings, uint32_t name, uint64_t *ret_table);
