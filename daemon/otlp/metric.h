#pragma once

/*
 * What is pushed, as data: the metrics by name, unit and kind. Names and attributes are those of
 * OpenTelemetry's semantic conventions where these have them: `process.*`, and `v8js.*` for what
 * they mean by it, the spaces and the collections of V8. All others are ours (docs/adr/0013).
 * docs/METRICS.md is made from this table.
 */

#include <stddef.h>
#include "inspect/sample.h"

struct buf;

enum otlp_kind {
	OTLP_GAUGE,
	OTLP_UP_DOWN, /* a sum that may fall: sizes, counts of what is there */
	OTLP_COUNTER, /* a sum that only grows */
	OTLP_HISTOGRAM,
};

struct otlp_metric {
	const char *name, *unit; /* UCUM */
	enum otlp_kind kind;
	const char *help;
};

enum otlp_metric_id {
	OTLP_UP,
	OTLP_HEAP_USED,
	OTLP_HEAP_SIZE,
	OTLP_HEAP_LIMIT,
	OTLP_HEAP_LIVE,
	OTLP_EXTERNAL,
	OTLP_ARRAY_BUFFERS,
	OTLP_EMBEDDER_USED,
	OTLP_MALLOCED,
	OTLP_UNIQUE,
	OTLP_ALLOCATED,
	OTLP_NATIVE_CONTEXTS,
	OTLP_DETACHED_CONTEXTS,
	OTLP_DOM_NODES,
	OTLP_DOM_DOCUMENTS,
	OTLP_DOM_LISTENERS,
	OTLP_HEAP_GROWTH,
	OTLP_LEAK_CONFIDENCE,
	OTLP_LEAK_SUSPECTED,
	OTLP_GC_PAUSE,
	OTLP_GC_SPAN,
	OTLP_GC_COLLECTIONS,
	OTLP_GC_FREED,
	OTLP_V8_USED,
	OTLP_V8_SIZE,
	OTLP_V8_AVAILABLE,
	OTLP_V8_PHYSICAL,
	OTLP_V8_GC,
	OTLP_PROCESS_MEMORY,
	OTLP_PROCESS_VIRTUAL,
	OTLP_PROCESS_CPU,
	OTLP_CGROUP_USAGE,
	OTLP_CGROUP_LIMIT,
	OTLP_METRICS,
};

extern const struct otlp_metric otlp_metrics[OTLP_METRICS];

/* The chapter of docs/METRICS.md. buf->error. */
int otlp_markdown(struct buf *buf);
