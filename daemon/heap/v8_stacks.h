#pragma once

/*
 * The stacks in a V8 timeline of allocations (V8: src/profiler/allocation-tracker.cc):
 * `"trace_function_infos":[...],"trace_tree":[id,function,count,size,[...]]`, and in each row of
 * "nodes" the id of a call of that tree.
 */

struct err;
struct heap_graph;
struct heap_stacks;
struct v8_text;

/* As heap_stacks_read(), into a zeroed one. */
int v8_stacks_read(struct heap_stacks *stacks, const struct heap_graph *graph,
		   const struct v8_text *text, struct err *err);
