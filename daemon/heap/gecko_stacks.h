#pragma once

/*
 * The stacks in a Gecko heap snapshot (Firefox), which nodes have that were allocated while it
 * recorded allocations. Each call of a stack is told once, with the id of its frame, and from then
 * on by that. Objects that are gone are not in it.
 */

struct err;
struct heap_graph;
struct heap_stacks;
struct v8_text;

/* As heap_stacks_read(), into a zeroed one. */
int gecko_stacks_read(struct heap_stacks *stacks, const struct heap_graph *graph,
		      const struct v8_text *text, struct err *err);
