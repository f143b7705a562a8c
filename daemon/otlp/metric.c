/*
 * The table of metrics
 *
 * `v8js.memory.heap.limit` is not among them: the conventions mean by it the size of a space, call
 * that `v8js.memory.heap.space.size` since, and have no name for the size at which V8 aborts.
 * https://opentelemetry.io/docs/specs/semconv/runtime/v8js-metrics/
 */

#include "otlp/metric.h"

#include "util/buf.h"

const struct otlp_metric otlp_metrics[OTLP_METRICS] = {
	[OTLP_UP] = { "heapwatch.up", "1", OTLP_GAUGE,
		      "Whether the last poll of the target succeeded (1) or not (0)." },
	[OTLP_HEAP_USED] = { "heapwatch.heap.used", "By", OTLP_UP_DOWN,
			     "Heap in use, garbage included." },
	[OTLP_HEAP_SIZE] = { "heapwatch.heap.size", "By", OTLP_UP_DOWN, "Heap reserved." },
	[OTLP_HEAP_LIMIT] = { "heapwatch.heap.limit", "By", OTLP_UP_DOWN,
			      "Size the heap may grow to before the runtime aborts." },
	[OTLP_HEAP_LIVE] = { "heapwatch.heap.live", "By", OTLP_UP_DOWN,
			     "Live set, as heapwatch_heap_live_bytes." },
	[OTLP_EXTERNAL] = { "heapwatch.memory.external", "By", OTLP_UP_DOWN,
			    "Memory outside the heap that heap objects keep alive." },
	[OTLP_ARRAY_BUFFERS] = { "heapwatch.memory.array_buffers", "By", OTLP_UP_DOWN,
				 "Memory of ArrayBuffers; part of external memory." },
	[OTLP_EMBEDDER_USED] = { "heapwatch.memory.embedder", "By", OTLP_UP_DOWN,
				 "Heap of the embedder (C++) in use." },
	[OTLP_MALLOCED] = { "heapwatch.memory.malloced", "By", OTLP_UP_DOWN,
			    "Memory the engine itself got from malloc." },
	[OTLP_UNIQUE] = { "heapwatch.memory.unique", "By", OTLP_UP_DOWN,
			  "Memory of a content process that it shares with no other." },
	[OTLP_ALLOCATED] = { "heapwatch.allocated", "By", OTLP_COUNTER,
			     "Bytes allocated, as heapwatch_allocated_bytes_total." },
	[OTLP_NATIVE_CONTEXTS] = { "heapwatch.contexts.native", "{context}", OTLP_UP_DOWN,
				   "Native contexts alive." },
	[OTLP_DETACHED_CONTEXTS] = { "heapwatch.contexts.detached", "{context}", OTLP_UP_DOWN,
				     "Contexts detached but not collected." },
	[OTLP_DOM_NODES] = { "heapwatch.dom.nodes", "{node}", OTLP_UP_DOWN, "DOM nodes alive." },
	[OTLP_DOM_DOCUMENTS] = { "heapwatch.dom.documents", "{document}", OTLP_UP_DOWN,
				 "Documents alive." },
	[OTLP_DOM_LISTENERS] = { "heapwatch.dom.event_listeners", "{listener}", OTLP_UP_DOWN,
				 "JavaScript event listeners alive." },
	[OTLP_HEAP_GROWTH] = { "heapwatch.heap.growth", "By/s", OTLP_GAUGE,
			       "Robust slope of the live set." },
	[OTLP_LEAK_CONFIDENCE] = { "heapwatch.leak.confidence", "1", OTLP_GAUGE,
				   "Confidence that memory grows without end, 0 to 1." },
	[OTLP_LEAK_SUSPECTED] = { "heapwatch.leak.suspected", "1", OTLP_GAUGE,
				  "Whether a leak is suspected (1) or not (0)." },
	[OTLP_GC_PAUSE] = { "heapwatch.gc.pause", "s", OTLP_HISTOGRAM,
			    "Pauses by collections of garbage, of engines other than V8." },
	[OTLP_GC_SPAN] = { "heapwatch.gc.span", "s", OTLP_HISTOGRAM,
			   "Times from the beginning of a collection to its end, where the program "
			   "may run meanwhile." },
	[OTLP_GC_COLLECTIONS] = { "heapwatch.gc.collections", "{collection}", OTLP_COUNTER,
				  "Collections of garbage told by the runtime." },
	[OTLP_GC_FREED] = { "heapwatch.gc.freed", "By", OTLP_COUNTER,
			    "Bytes freed by collections of garbage." },
	[OTLP_V8_USED] = { "v8js.memory.heap.used", "By", OTLP_UP_DOWN, "Used size of a space." },
	[OTLP_V8_SIZE] = { "v8js.memory.heap.space.size", "By", OTLP_UP_DOWN,
			   "Reserved size of a space." },
	[OTLP_V8_AVAILABLE] = { "v8js.memory.heap.space.available_size", "By", OTLP_UP_DOWN,
				"Available size of a space." },
	[OTLP_V8_PHYSICAL] = { "v8js.memory.heap.space.physical_size", "By", OTLP_UP_DOWN,
			       "Committed size of a space." },
	[OTLP_V8_GC] = { "v8js.gc.duration", "s", OTLP_HISTOGRAM,
			 "Pauses by collections of garbage." },
	[OTLP_PROCESS_MEMORY] = { "process.memory.usage", "By", OTLP_UP_DOWN,
				  "Physical memory in use." },
	[OTLP_PROCESS_VIRTUAL] = { "process.memory.virtual", "By", OTLP_UP_DOWN,
				   "Virtual memory." },
	[OTLP_PROCESS_CPU] = { "process.cpu.time", "s", OTLP_COUNTER,
			       "CPU time by mode, `user` and `system`." },
	[OTLP_CGROUP_USAGE] = { "heapwatch.cgroup.memory.usage", "By", OTLP_UP_DOWN,
				"Memory of the control group." },
	[OTLP_CGROUP_LIMIT] = { "heapwatch.cgroup.memory.limit", "By", OTLP_UP_DOWN, "Its limit." },
};

/* What a point is told apart by, from the first metric it holds for. */
static const struct group {
	enum otlp_metric_id first;
	const char *attributes;
} groups[] = {
	{ OTLP_UP, "" },
	{ OTLP_HEAP_USED, "`heapwatch.isolate`" },
	{ OTLP_GC_PAUSE, "`heapwatch.isolate`, `heapwatch.gc.type`" },
	{ OTLP_V8_USED, "`heapwatch.isolate`, `v8js.heap.space.name`" },
	{ OTLP_V8_GC, "`heapwatch.isolate`, `v8js.gc.type`" },
	{ OTLP_PROCESS_MEMORY, "" },
	{ OTLP_PROCESS_CPU, "`cpu.mode`" },
	{ OTLP_CGROUP_USAGE, "" },
};

static const char *attributes_of(size_t id)
{
	const char *found = "";

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (groups[i].first <= id)
			found = groups[i].attributes;
	}
	return found;
}

static const char *const kind_names[] = {
	[OTLP_GAUGE] = "gauge",
	[OTLP_UP_DOWN] = "sum",
	[OTLP_COUNTER] = "monotonic sum",
	[OTLP_HISTOGRAM] = "histogram",
};

int otlp_markdown(struct buf *buf)
{
	buf_puts(buf,
		 "\n## Pushed by OTLP\n\n"
		 "With `otlp.endpoint` (CONFIG.md) the same values of targets are pushed under "
		 "these "
		 "names, one resource per\ntarget. Its attributes: `service.name` (the label "
		 "`service` of the target, else `job`, else its name),\n`service.instance.id` (the "
		 "label `instance`, else NAME@HOST of the daemon), `heapwatch.target` (its name), "
		 "and,\nonce they are known, `process.pid`, `process.runtime.name`, "
		 "`process.runtime.version` and\n`process.runtime.description`; and the other "
		 "labels of the target, by their own names. Sums and\nhistograms are cumulative. "
		 "The time of a point is that of the poll\nit is "
		 "from.\n\n"
		 "| name | unit | kind | attributes | what it is |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < OTLP_METRICS; i++)
		buf_printf(buf, "| `%s` | `%s` | %s | %s | %s |\n", otlp_metrics[i].name,
			   otlp_metrics[i].unit, kind_names[otlp_metrics[i].kind], attributes_of(i),
			   otlp_metrics[i].help);
	return buf->error;
}
