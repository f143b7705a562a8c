#pragma once

/*
 * Collections of garbage out of V8's trace events, as NodeTracing and Chromium's Tracing give them
 * (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU). One thread's
 * events, in the order they came.
 */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/gc.h"

struct tree;

/* A collection that has begun, by kind. */
struct gc_trace {
	struct {
		bool open, has_before;
		int64_t ts_us;
		uint64_t before_bytes;
	} begun[GC_KINDS];
};

/* The process and thread an event is of. */
bool gc_trace_thread(const struct tree *event, int64_t *ret_pid, int64_t *ret_tid);

/* One event: true when it completes a pause, which *ret is then. What makes no sense does not. */
bool gc_trace_take(struct gc_trace *trace, const struct tree *event, struct gc_event *ret);
