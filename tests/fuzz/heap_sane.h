#pragma once

/* What holds of any heap that was read, whatever the bytes were: a finding where it does not. */

#include <stdbool.h>

struct heap_analysis;
struct heap_graph;
struct heap_stacks;

/* The input is a finding if it does not hold. */
void must(bool holds);

/* The root retains all there is. */
void heap_sane(const struct heap_analysis *analysis);

/* Whoever is above a call was there before it, and its sums are those of the nodes. */
void heap_sane_stacks(const struct heap_stacks *stacks, const struct heap_graph *graph);
