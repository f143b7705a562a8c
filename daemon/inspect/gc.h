#pragma once

/*
 * Collections of garbage as a runtime tells of them. Which of them stopped the program, and for how
 * long, is told apart here: a pause is time in which the program did not run; a span is the time
 * from the beginning of a collection to its end, in which a concurrent collector lets it run.
 */

#include <stdbool.h>
#include <stdint.h>

/* Named as in Node's own metrics, whatever the engine calls them. */
enum gc_kind {
	GC_MINOR, /* of what is young: V8's scavenges, JavaScriptCore's eden collections */
	GC_MAJOR, /* of the whole heap */
	GC_INCREMENTAL, /* a step of a collection of the whole heap, between two of the program */
	GC_KINDS,
};

/* One collection, or one pause of a collection that has several. */
struct gc_event {
	enum gc_kind kind;
	bool is_span; /* duration_ns is no pause */
	bool is_end; /* with it a collection has ended: it is counted */
	uint64_t duration_ns;
	bool has_sizes;
	uint64_t before_bytes, after_bytes; /* of the heap in use */
};

/* Longer ones are no collections, but clocks that were set or answers that make no sense. */
#define GC_DURATION_MAX_NS (3600ull * 1000000000ull)

const char *gc_kind_name(enum gc_kind kind); /* "minor": the kind label */
