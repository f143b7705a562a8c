#pragma once

/* Where objects of a snapshot were allocated, for people and programs. */

#include "ctl/options.h"
#include "heap/places.h"
#include "heap/stacks.h"

struct buf;
struct json_writer;

struct stacks_view {
	const struct heap_stacks *stacks; /* borrowed */
	struct places *places; /* borrowed */
	struct heap_allocation *sums; /* owned */
	uint32_t sums_n;
};

/* 0, -ENOMEM; fini in any case. */
int stacks_view_init(struct stacks_view *ret, const struct heap_stacks *stacks,
		     struct places *places);
void stacks_view_fini(struct stacks_view *view); /* zeroed is fine */

/* A line for each call that was open when the node was allocated; none where it is not known. */
void stacks_put_node(struct buf *buf, const struct stacks_view *view, uint32_t node);

/* A line about all of it; the table of functions. 0, -ENOMEM; also buf's error. */
void stacks_put_summary(struct buf *buf, const struct stacks_view *view);
int stacks_put_table(struct buf *buf, const struct stacks_view *view,
		     const struct ctl_options *options);

/* Members "allocated_at" of a node, "allocations" (docs/ANALYSIS.md); top: so many rows, 0: all. */
void stacks_json_node(struct json_writer *w, const struct stacks_view *view, uint32_t node);
void stacks_json(struct json_writer *w, const struct stacks_view *view, uint64_t top);
