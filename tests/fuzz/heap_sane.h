#pragma once

/* What holds of any heap that was read, whatever the bytes were: a finding where it does not. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct heap_analysis;
struct heap_graph;
struct heap_stacks;
struct v8_text;

/* The input is a finding if it does not hold. */
void must(bool holds);

/* What was refused has its reason; what is damaged its place: section, or node, and byte. */
void heap_sane_reason(int r, const struct err *err);

/* The root retains all there is. */
void heap_sane(const struct heap_analysis *analysis);

/* Whoever is above a call was there before it, and its sums are those of the nodes. */
void heap_sane_stacks(const struct heap_stacks *stacks, const struct heap_graph *graph);

/*
 * The bytes are read or refused with a reason, on one thread and on two alike. What was read is
 * sane; look, which is called once, sees the rest of it.
 */
typedef void heap_look_fn(const struct heap_analysis *analysis, const struct v8_text *text);
void heap_sane_bytes(const uint8_t *data, size_t size, heap_look_fn *look);
