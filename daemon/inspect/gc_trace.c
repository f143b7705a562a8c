/*
 * Node tells a collection in two events, Chromium in one with its duration. The steps of
 * incremental marking are events of their own, outside of these.
 */

#include "inspect/gc_trace.h"

#include <string.h>

#include "json/tree.h"

#define US_NS 1000ull

static bool kind_of(const char *name, enum gc_kind *ret)
{
	static const struct {
		const char *name;
		enum gc_kind kind;
	} names[] = {
		{ "MinorGC", GC_MINOR },
		{ "MajorGC", GC_MAJOR },
		{ "V8.GCIncrementalMarking", GC_INCREMENTAL },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i].name) != 0)
			continue;
		*ret = names[i].kind;
		return true;
	}
	return false;
}

bool gc_trace_thread(const struct tree *event, int64_t *ret_pid, int64_t *ret_tid)
{
	return tree_int(event, "pid", ret_pid) && tree_int(event, "tid", ret_tid);
}

static void begin(struct gc_trace *trace, const struct tree *event, enum gc_kind kind)
{
	trace->begun[kind].open = tree_int(event, "ts", &trace->begun[kind].ts_us);
	trace->begun[kind].has_before =
		tree_uint(event, "args.usedHeapSizeBefore", &trace->begun[kind].before_bytes);
}

/* False: it has no duration that can be. */
static bool set_duration(struct gc_event *gc, int64_t us)
{
	if (us < 0 || (uint64_t)us > GC_DURATION_MAX_NS / US_NS)
		return false;
	gc->duration_ns = (uint64_t)us * US_NS;
	return true;
}

static bool end(struct gc_trace *trace, const struct tree *event, struct gc_event *gc)
{
	int64_t ts_us, span_us;

	if (!trace->begun[gc->kind].open || !tree_int(event, "ts", &ts_us))
		return false;
	trace->begun[gc->kind].open = false;
	gc->before_bytes = trace->begun[gc->kind].before_bytes;
	gc->has_sizes = trace->begun[gc->kind].has_before &&
			tree_uint(event, "args.usedHeapSizeAfter", &gc->after_bytes);
	return !__builtin_sub_overflow(ts_us, trace->begun[gc->kind].ts_us, &span_us) &&
	       set_duration(gc, span_us);
}

static bool whole(const struct tree *event, struct gc_event *gc)
{
	int64_t dur_us;

	gc->has_sizes = tree_uint(event, "args.usedHeapSizeBefore", &gc->before_bytes) &&
			tree_uint(event, "args.usedHeapSizeAfter", &gc->after_bytes);
	return tree_int(event, "dur", &dur_us) && set_duration(gc, dur_us);
}

bool gc_trace_take(struct gc_trace *trace, const struct tree *event, struct gc_event *ret)
{
	const char *name, *phase;

	*ret = (struct gc_event){ .kind = GC_MINOR };
	if (!tree_string(event, "name", &name) || !tree_string(event, "ph", &phase) ||
	    !kind_of(name, &ret->kind))
		return false;
	ret->is_end = ret->kind != GC_INCREMENTAL;
	if (strcmp(phase, "B") == 0) {
		begin(trace, event, ret->kind);
		return false;
	}
	if (strcmp(phase, "E") == 0)
		return end(trace, event, ret);
	return strcmp(phase, "X") == 0 && whole(event, ret);
}
