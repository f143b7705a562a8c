/*
 * Values by name
 *
 * One table row per value: where it lives is data, so that reading one is a look-up and a value
 * cannot exist without its unit. Counters (CPU seconds, bytes allocated since the start) are left
 * out: a level they cross once and for ever says nothing about the state of a program.
 */

#include "watch/value.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "inspect/sample.h"
#include "util/clock.h"
#include "watch/target.h"

enum value_source {
	FROM_SAMPLE,
	FROM_LIVE,
	FROM_ROUND_TRIP,
	FROM_RESIDENT,
	FROM_VIRTUAL,
	FROM_CGROUP_USAGE,
	FROM_CGROUP_LIMIT,
};

struct value_row {
	struct value_desc desc;
	enum value_source source;
	enum sample_field field; /* FROM_SAMPLE */
};

static const struct value_row rows[] = {
	{ { "heap_used", VALUE_BYTES, false }, FROM_SAMPLE, SAMPLE_HEAP_USED },
	{ { "heap_size", VALUE_BYTES, false }, FROM_SAMPLE, SAMPLE_HEAP_SIZE },
	{ { "heap_limit", VALUE_BYTES, false }, FROM_SAMPLE, SAMPLE_HEAP_LIMIT },
	{ { "heap_live", VALUE_BYTES, false }, FROM_LIVE, SAMPLE_HEAP_LIVE },
	{ { "external_memory", VALUE_BYTES, false }, FROM_SAMPLE, SAMPLE_EXTERNAL },
	{ { "array_buffers", VALUE_BYTES, false }, FROM_SAMPLE, SAMPLE_ARRAY_BUFFERS },
	{ { "embedder_heap_used", VALUE_BYTES, false }, FROM_SAMPLE, SAMPLE_EMBEDDER_USED },
	{ { "malloced_memory", VALUE_BYTES, false }, FROM_SAMPLE, SAMPLE_MALLOCED },
	{ { "native_contexts", VALUE_COUNT, false }, FROM_SAMPLE, SAMPLE_NATIVE_CONTEXTS },
	{ { "detached_contexts", VALUE_COUNT, false }, FROM_SAMPLE, SAMPLE_DETACHED_CONTEXTS },
	{ { "dom_nodes", VALUE_COUNT, false }, FROM_SAMPLE, SAMPLE_DOM_NODES },
	{ { "dom_documents", VALUE_COUNT, false }, FROM_SAMPLE, SAMPLE_DOM_DOCUMENTS },
	{ { "dom_event_listeners", VALUE_COUNT, false }, FROM_SAMPLE, SAMPLE_DOM_LISTENERS },
	{ { "unique_memory", VALUE_BYTES, false }, FROM_SAMPLE, SAMPLE_UNIQUE },
	{ { "inspector_round_trip", VALUE_SECONDS, false }, FROM_ROUND_TRIP, 0 },
	{ { "process_resident_memory", VALUE_BYTES, true }, FROM_RESIDENT, 0 },
	{ { "process_virtual_memory", VALUE_BYTES, true }, FROM_VIRTUAL, 0 },
	{ { "cgroup_memory_usage", VALUE_BYTES, true }, FROM_CGROUP_USAGE, 0 },
	{ { "cgroup_memory_limit", VALUE_BYTES, true }, FROM_CGROUP_LIMIT, 0 },
};

enum { ROWS_N = sizeof(rows) / sizeof(rows[0]) };

int value_find(const char *name)
{
	for (int i = 0; i < ROWS_N; i++) {
		if (strcmp(rows[i].desc.name, name) == 0)
			return i;
	}
	return -1;
}

const struct value_desc *value_at(int index)
{
	return index >= 0 && index < ROWS_N ? &rows[index].desc : NULL;
}

bool value_is_told(int index)
{
	return index >= 0 && index < ROWS_N && rows[index].source == FROM_SAMPLE;
}

static bool give(bool present, uint64_t value, double *ret)
{
	if (present)
		*ret = (double)value;
	return present;
}

/* What the kernel says comes first; the runtime's own word is for processes we cannot see. */
static bool read_resident(const struct target *target, double *ret)
{
	if (target->process.present)
		return give(true, target->process.resident_bytes, ret);
	return give(target->rss_bytes > 0, target->rss_bytes, ret);
}

/* What the runtime says, else the least in use for a while; a target that is down has neither. */
static bool read_live(const struct isolate *isolate, double *ret)
{
	uint64_t live;

	if (sample_has(&isolate->last, SAMPLE_HEAP_LIVE))
		return give(true, isolate->last.value[SAMPLE_HEAP_LIVE], ret);
	return isolate->last.present != 0 && series_live(&isolate->series, &live) &&
	       give(true, live, ret);
}

static bool read_round_trip(const struct sample *sample, double *ret)
{
	if (sample->round_trip_ns == 0)
		return false;
	*ret = (double)sample->round_trip_ns / (double)NS_PER_S;
	return true;
}

static bool read_process(enum value_source source, const struct process_stats *process, double *ret)
{
	if (!process->present)
		return false;
	if (source == FROM_VIRTUAL)
		return give(true, process->virtual_bytes, ret);
	if (source == FROM_CGROUP_USAGE)
		return give(process->cgroup.has_usage, process->cgroup.usage_bytes, ret);
	return give(process->cgroup.has_limit, process->cgroup.limit_bytes, ret);
}

bool value_read(int index, const struct target *target, const struct isolate *isolate, double *ret)
{
	const struct value_row *row;

	if (index < 0 || index >= ROWS_N)
		return false;
	row = &rows[index];
	switch (row->source) {
	case FROM_SAMPLE:
		return give(sample_has(&isolate->last, row->field), isolate->last.value[row->field],
			    ret);
	case FROM_LIVE:
		return read_live(isolate, ret);
	case FROM_ROUND_TRIP:
		return read_round_trip(&isolate->last, ret);
	case FROM_RESIDENT:
		return read_resident(target, ret);
	case FROM_VIRTUAL:
	case FROM_CGROUP_USAGE:
	case FROM_CGROUP_LIMIT:
		return read_process(row->source, &target->process, ret);
	}
	return false;
}

void value_write(int index, struct target *target, struct sample *sample, double value)
{
	struct process_stats *process = &target->process;
	uint64_t whole = value > 0 ? (uint64_t)value : 0;

	switch (rows[index].source) {
	case FROM_SAMPLE:
	case FROM_LIVE:
		sample_set(sample, rows[index].field, whole);
		return;
	case FROM_ROUND_TRIP:
		sample->round_trip_ns = (uint64_t)(value * (double)NS_PER_S);
		return;
	case FROM_RESIDENT:
		process->present = true;
		process->resident_bytes = whole;
		return;
	case FROM_VIRTUAL:
		process->present = true;
		process->virtual_bytes = whole;
		return;
	case FROM_CGROUP_USAGE:
		process->present = process->cgroup.has_usage = true;
		process->cgroup.usage_bytes = whole;
		return;
	case FROM_CGROUP_LIMIT:
		process->present = process->cgroup.has_limit = true;
		process->cgroup.limit_bytes = whole;
		return;
	}
}
