/*
 * Metrics of a target. Points are of the time of the poll they are from, and sums begin where they
 * were zero: with the program, or where we first saw the isolate for what we count ourselves.
 */

#include "otlp/target.h"

#include <string.h>

#include "otlp/point.h"
#include "util/metric.h"
#include "watch/gc_stats.h"
#include "watch/leak.h"
#include "watch/target.h"
#include "watch/value.h"

/* Buckets of v8js.gc.duration, as the conventions want them; ours take the same. */
static const double gc_bounds[] = { .01, .1, 1, 10 };

enum { GC_BOUNDS = sizeof(gc_bounds) / sizeof(gc_bounds[0]) };

static bool is_v8(const struct target *target)
{
	return target->identified && strcmp(target->identity.engine, "v8") == 0;
}

/* When the isolate began, as far as it is known; the same at each export. */
static int64_t start_of(const struct target *target, const struct isolate *isolate)
{
	if (strcmp(isolate->name, "main") == 0 && target->identity.start_wall_ms > 0)
		return target->identity.start_wall_ms;
	return isolate->seen_wall_ms;
}

static struct otlp_point point_of(const struct otlp_part *part, uint32_t i)
{
	const struct isolate *isolate = part->isolates[i];

	return (struct otlp_point){
		.start_wall_ms = start_of(part->target, isolate),
		.wall_ms = isolate->last.wall_ms,
		.attributes = { { "heapwatch.isolate", isolate->name } },
	};
}

/* ---- heaps ---- */

static const struct {
	enum otlp_metric_id id;
	enum sample_field field;
} fields[] = {
	{ OTLP_HEAP_USED, SAMPLE_HEAP_USED },
	{ OTLP_HEAP_SIZE, SAMPLE_HEAP_SIZE },
	{ OTLP_HEAP_LIMIT, SAMPLE_HEAP_LIMIT },
	{ OTLP_EXTERNAL, SAMPLE_EXTERNAL },
	{ OTLP_ARRAY_BUFFERS, SAMPLE_ARRAY_BUFFERS },
	{ OTLP_EMBEDDER_USED, SAMPLE_EMBEDDER_USED },
	{ OTLP_MALLOCED, SAMPLE_MALLOCED },
	{ OTLP_UNIQUE, SAMPLE_UNIQUE },
	{ OTLP_ALLOCATED, SAMPLE_ALLOCATED },
	{ OTLP_NATIVE_CONTEXTS, SAMPLE_NATIVE_CONTEXTS },
	{ OTLP_DETACHED_CONTEXTS, SAMPLE_DETACHED_CONTEXTS },
	{ OTLP_DOM_NODES, SAMPLE_DOM_NODES },
	{ OTLP_DOM_DOCUMENTS, SAMPLE_DOM_DOCUMENTS },
	{ OTLP_DOM_LISTENERS, SAMPLE_DOM_LISTENERS },
};
_Static_assert(sizeof(fields) / sizeof(fields[0]) == SAMPLE_FIELDS - 1,
	       "a metric per field; the live set has more sources");

static void write_fields(struct otlp_writer *w, const struct otlp_part *part)
{
	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
		otlp_metric_begin(w, fields[f].id);
		for (uint32_t i = 0; i < part->isolates_n; i++) {
			struct otlp_point point = point_of(part, i);
			uint64_t value;

			if (isolate_value(part->isolates[i], fields[f].field, &value))
				otlp_point_uint(w, &point, value);
		}
		otlp_metric_end(w);
	}
}

/* False: not known. */
typedef bool read_fn(const struct target *target, const struct isolate *isolate, double *ret);

static bool read_live(const struct target *target, const struct isolate *isolate, double *ret)
{
	return value_read(value_find("heap_live"), target, isolate, ret);
}

static bool read_growth(const struct target *target, const struct isolate *isolate, double *ret)
{
	(void)target;
	return leak_slope(&isolate->leak, ret);
}

static bool read_confidence(const struct target *target, const struct isolate *isolate, double *ret)
{
	(void)target;
	*ret = leak_confidence(&isolate->leak);
	return isolate->leak.judged[WINDOW_FAST];
}

static bool read_suspected(const struct target *target, const struct isolate *isolate, double *ret)
{
	(void)target;
	*ret = leak_is_suspected(&isolate->leak);
	return isolate->leak.judged[WINDOW_FAST];
}

static void write_judged(struct otlp_writer *w, const struct otlp_part *part)
{
	static const struct {
		enum otlp_metric_id id;
		read_fn *read;
		bool whole; /* a number without fractions */
	} judged[] = {
		{ OTLP_HEAP_LIVE, read_live, true },
		{ OTLP_HEAP_GROWTH, read_growth, false },
		{ OTLP_LEAK_CONFIDENCE, read_confidence, false },
		{ OTLP_LEAK_SUSPECTED, read_suspected, true },
	};

	for (size_t j = 0; j < sizeof(judged) / sizeof(judged[0]); j++) {
		otlp_metric_begin(w, judged[j].id);
		for (uint32_t i = 0; i < part->isolates_n; i++) {
			const struct isolate *isolate = part->isolates[i];
			struct otlp_point point = point_of(part, i);
			double value;

			if (isolate->last.present == 0 ||
			    !judged[j].read(part->target, isolate, &value))
				continue;
			if (judged[j].whole)
				otlp_point_uint(w, &point, (uint64_t)value);
			else
				otlp_point_double(w, &point, value);
		}
		otlp_metric_end(w);
	}
}

/* ---- spaces ---- */

/* A sample has their names without the ending that each of V8's has. */
static void write_space(struct otlp_writer *w, struct otlp_point *point, const struct space *space,
			size_t offset)
{
	char name[SPACE_NAME_MAX + 8];
	uint64_t value;

	memcpy(&value, (const char *)space + offset, sizeof(value));
	strcpy(name, space->name);
	strcat(name, "_space");
	point->attributes[1] = (struct otlp_attribute){ "v8js.heap.space.name", name };
	otlp_point_uint(w, point, value);
}

static void write_spaces(struct otlp_writer *w, const struct otlp_part *part)
{
	static const struct {
		enum otlp_metric_id id;
		size_t offset;
	} sizes[] = {
		{ OTLP_V8_USED, offsetof(struct space, used) },
		{ OTLP_V8_SIZE, offsetof(struct space, size) },
		{ OTLP_V8_AVAILABLE, offsetof(struct space, available) },
		{ OTLP_V8_PHYSICAL, offsetof(struct space, physical) },
	};

	for (size_t s = 0; is_v8(part->target) && s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		otlp_metric_begin(w, sizes[s].id);
		for (uint32_t i = 0; i < part->isolates_n; i++) {
			const struct sample *last = &part->isolates[i]->last;
			struct otlp_point point = point_of(part, i);

			for (uint32_t n = 0; n < last->spaces_n; n++)
				write_space(w, &point, &last->spaces[n], sizes[s].offset);
		}
		otlp_metric_end(w);
	}
}

/* ---- collections ---- */

typedef void gc_write_fn(struct otlp_writer *w, const struct otlp_point *point,
			 const struct gc_stats *gc, enum gc_kind kind);

static void write_pauses(struct otlp_writer *w, const struct otlp_point *point,
			 const struct gc_stats *gc, enum gc_kind kind)
{
	if (gc->pauses_n[kind] > 0)
		otlp_point_histogram(w, point, &gc->pauses[kind], gc_bounds, GC_BOUNDS);
}

static void write_spans(struct otlp_writer *w, const struct otlp_point *point,
			const struct gc_stats *gc, enum gc_kind kind)
{
	if (gc->spans_n[kind] > 0)
		otlp_point_histogram(w, point, &gc->spans[kind], gc_bounds, GC_BOUNDS);
}

static void write_collections(struct otlp_writer *w, const struct otlp_point *point,
			      const struct gc_stats *gc, enum gc_kind kind)
{
	if (gc->collections[kind] > 0)
		otlp_point_uint(w, point, gc->collections[kind]);
}

static void write_freed(struct otlp_writer *w, const struct otlp_point *point,
			const struct gc_stats *gc, enum gc_kind kind)
{
	if (gc->has_sizes[kind])
		otlp_point_uint(w, point, gc->freed_bytes[kind]);
}

/* What has happened is counted from when we first saw the isolate. */
static void write_gc_family(struct otlp_writer *w, const struct otlp_part *part,
			    enum otlp_metric_id id, const char *type, gc_write_fn *write)
{
	otlp_metric_begin(w, id);
	for (uint32_t i = 0; i < part->isolates_n; i++) {
		const struct gc_stats *gc = target_gc_stats(part->target, part->isolates[i]);
		struct otlp_point point = point_of(part, i);

		point.start_wall_ms = part->isolates[i]->seen_wall_ms;
		for (int kind = 0; gc != NULL && kind < GC_KINDS; kind++) {
			point.attributes[1] =
				(struct otlp_attribute){ type, gc_kind_name((enum gc_kind)kind) };
			write(w, &point, gc, (enum gc_kind)kind);
		}
	}
	otlp_metric_end(w);
}

static void write_gc(struct otlp_writer *w, const struct otlp_part *part)
{
	static const char ours[] = "heapwatch.gc.type";

	if (is_v8(part->target))
		write_gc_family(w, part, OTLP_V8_GC, "v8js.gc.type", write_pauses);
	else
		write_gc_family(w, part, OTLP_GC_PAUSE, ours, write_pauses);
	write_gc_family(w, part, OTLP_GC_SPAN, ours, write_spans);
	write_gc_family(w, part, OTLP_GC_COLLECTIONS, ours, write_collections);
	write_gc_family(w, part, OTLP_GC_FREED, ours, write_freed);
}

/* ---- the process ---- */

static void write_one(struct otlp_writer *w, enum otlp_metric_id id, const struct otlp_point *point,
		      uint64_t value)
{
	otlp_metric_begin(w, id);
	otlp_point_uint(w, point, value);
	otlp_metric_end(w);
}

static void write_cpu(struct otlp_writer *w, struct otlp_point point,
		      const struct process_stats *process)
{
	otlp_metric_begin(w, OTLP_PROCESS_CPU);
	point.attributes[0] = (struct otlp_attribute){ "cpu.mode", "user" };
	otlp_point_double(w, &point, process->user_seconds);
	point.attributes[0].value = "system";
	otlp_point_double(w, &point, process->system_seconds);
	otlp_metric_end(w);
}

/* The kernel's word first; the runtime's own for a process that cannot be seen from here. */
static void write_process(struct otlp_writer *w, const struct target *target)
{
	const struct process_stats *process = &target->process;
	const struct otlp_point point = { .start_wall_ms = target->identity.start_wall_ms,
					  .wall_ms = target->last_poll_wall_ms };

	if (target->last_poll_wall_ms <= 0)
		return;
	if (!process->present) {
		if (target->up && target->rss_bytes > 0)
			write_one(w, OTLP_PROCESS_MEMORY, &point, target->rss_bytes);
		return;
	}
	write_one(w, OTLP_PROCESS_MEMORY, &point, process->resident_bytes);
	write_one(w, OTLP_PROCESS_VIRTUAL, &point, process->virtual_bytes);
	write_cpu(w, point, process);
	if (process->cgroup.has_usage)
		write_one(w, OTLP_CGROUP_USAGE, &point, process->cgroup.usage_bytes);
	if (process->cgroup.has_limit)
		write_one(w, OTLP_CGROUP_LIMIT, &point, process->cgroup.limit_bytes);
}

void otlp_write_target(struct otlp_writer *w, const struct otlp_part *part, int64_t wall_ms)
{
	if (part->is_first) {
		write_one(w, OTLP_UP, &(struct otlp_point){ .wall_ms = wall_ms }, part->target->up);
		write_process(w, part->target);
	}
	write_fields(w, part);
	write_judged(w, part);
	write_spaces(w, part);
	write_gc(w, part);
}
