/*
 * The families of targets: polls, heaps, processes. A family is a row of a table: what it is called
 * and the function that gives its samples for one target, isolate or space.
 *
 * What the registry no longer holds true (a target that is down has no heap) is absent there and so
 * here.
 */

#include "http/prom_parts.h"

#include <stdio.h>
#include <string.h>

#include "watch/target.h"

enum { MORE_MAX = 48 };

/* ---- per target ---- */

typedef void target_put_fn(struct exposition_writer *w, const struct target_row *row);

static void put_up(struct exposition_writer *w, const struct target_row *row)
{
	sample_uint(w, row->labels, NULL, row->up);
}

static void put_info(struct exposition_writer *w, const struct target_row *row)
{
	const struct identity *identity = &row->target->identity;
	const char *protocol = target_label(row->target, "protocol");
	char address[ADDRESS_TEXT_MAX];
	struct buf more;

	if (!row->target->identified)
		return;
	buf_init(&more, 8 * 1024);
	label_append(&more, 0, "runtime", identity->runtime);
	label_append(&more, 0, "runtime_version", identity->runtime_version);
	label_append(&more, 0, "engine", identity->engine);
	label_append(&more, 0, "engine_version", identity->engine_version);
	label_append(&more, 0, "protocol", protocol);
	label_append(&more, 0, "address", address_format(address, &row->target->spec.address));
	if (buf_text(&more) != NULL)
		sample_uint(w, row->labels, buf_text(&more), 1);
	else
		w->buf->error = more.error;
	buf_fini(&more);
}

static void put_state(struct exposition_writer *w, const struct target_row *row)
{
	static char more[TARGET_STATES][MORE_MAX];

	for (int state = 0; state < TARGET_STATES; state++) {
		if (more[state][0] == '\0')
			snprintf(more[state], MORE_MAX, "state=\"%s\"",
				 target_state_name((enum target_state)state));
		sample_uint(w, row->labels, more[state], (int)row->target->state == state);
	}
}

static void put_isolates(struct exposition_writer *w, const struct target_row *row)
{
	if (row->up)
		sample_uint(w, row->labels, NULL, row->target->isolates_n);
}

static void put_restarts(struct exposition_writer *w, const struct target_row *row)
{
	sample_uint(w, row->labels, NULL, row->target->restarts);
}

static void put_scrape_duration(struct exposition_writer *w, const struct target_row *row)
{
	if (row->target->last_poll_wall_ms > 0)
		sample_ns(w, row->labels, NULL, row->target->last_poll_duration_ns);
}

static void put_last_poll(struct exposition_writer *w, const struct target_row *row)
{
	if (row->target->last_poll_wall_ms > 0)
		sample_ms(w, row->labels, NULL, row->target->last_poll_wall_ms);
}

static void put_polls(struct exposition_writer *w, const struct target_row *row)
{
	sample_uint(w, row->labels, NULL, row->target->polls);
}

static void put_failures(struct exposition_writer *w, const struct target_row *row)
{
	static char more[TARGET_FAILURES][MORE_MAX];

	for (int failure = 0; failure < TARGET_FAILURES; failure++) {
		if (more[failure][0] == '\0')
			snprintf(more[failure], MORE_MAX, "reason=\"%s\"",
				 target_failure_name((enum target_failure)failure));
		sample_uint(w, row->labels, more[failure], row->target->failures[failure]);
	}
}

/* The kernel's word first; the runtime's own for a process that cannot be seen from here. */
static void put_resident(struct exposition_writer *w, const struct target_row *row)
{
	const struct target *target = row->target;

	if (target->process.present)
		sample_uint(w, row->labels, NULL, target->process.resident_bytes);
	else if (row->up && target->rss_bytes > 0)
		sample_uint(w, row->labels, NULL, target->rss_bytes);
}

static void put_virtual(struct exposition_writer *w, const struct target_row *row)
{
	if (row->target->process.present)
		sample_uint(w, row->labels, NULL, row->target->process.virtual_bytes);
}

static void put_cpu(struct exposition_writer *w, const struct target_row *row)
{
	if (row->target->process.present)
		sample_double(w, row->labels, NULL, row->target->process.cpu_seconds);
}

static void put_start(struct exposition_writer *w, const struct target_row *row)
{
	if (row->target->process.present)
		sample_double(w, row->labels, NULL, row->target->process.start_seconds);
}

static void put_cgroup_usage(struct exposition_writer *w, const struct target_row *row)
{
	if (row->target->process.present && row->target->process.cgroup.has_usage)
		sample_uint(w, row->labels, NULL, row->target->process.cgroup.usage_bytes);
}

static void put_cgroup_limit(struct exposition_writer *w, const struct target_row *row)
{
	if (row->target->process.present && row->target->process.cgroup.has_limit)
		sample_uint(w, row->labels, NULL, row->target->process.cgroup.limit_bytes);
}

static void put_received(struct exposition_writer *w, const struct target_row *row)
{
	sample_uint(w, row->labels, NULL, row->target->session.bytes_in);
}

static void put_sent(struct exposition_writer *w, const struct target_row *row)
{
	sample_uint(w, row->labels, NULL, row->target->session.bytes_out);
}

struct target_family {
	enum metric_id id;
	target_put_fn *put;
};

static const struct target_family poll_families[] = {
	{ METRIC_UP, put_up },
	{ METRIC_TARGET_INFO, put_info },
	{ METRIC_TARGET_STATE, put_state },
	{ METRIC_TARGET_ISOLATES, put_isolates },
	{ METRIC_TARGET_RESTARTS, put_restarts },
	{ METRIC_SCRAPE_DURATION, put_scrape_duration },
	{ METRIC_LAST_POLL, put_last_poll },
	{ METRIC_POLLS, put_polls },
	{ METRIC_POLL_FAILURES, put_failures },
	{ METRICS, NULL },
};

static const struct target_family process_families[] = {
	{ METRIC_PROCESS_RESIDENT, put_resident },
	{ METRIC_PROCESS_VIRTUAL, put_virtual },
	{ METRIC_PROCESS_CPU, put_cpu },
	{ METRIC_PROCESS_START, put_start },
	{ METRIC_CGROUP_USAGE, put_cgroup_usage },
	{ METRIC_CGROUP_LIMIT, put_cgroup_limit },
	{ METRICS, NULL },
};

static const struct target_family inspector_families[] = {
	{ METRIC_INSPECTOR_RECEIVED, put_received },
	{ METRIC_INSPECTOR_SENT, put_sent },
	{ METRICS, NULL },
};

static void write_families(struct exposition_writer *w, const struct prom_rows *rows,
			   const struct target_family *families)
{
	for (; families->put != NULL; families++) {
		exposition_family(w, families->id);
		for (size_t i = 0; i < rows->targets_n; i++)
			families->put(w, &rows->targets[i]);
	}
}

/* ---- per isolate and space ---- */

static const struct {
	enum metric_id id;
	enum sample_field field;
} heap_families[] = {
	{ METRIC_HEAP_USED, SAMPLE_HEAP_USED },
	{ METRIC_HEAP_SIZE, SAMPLE_HEAP_SIZE },
	{ METRIC_HEAP_LIMIT, SAMPLE_HEAP_LIMIT },
	{ METRIC_EXTERNAL, SAMPLE_EXTERNAL },
	{ METRIC_ARRAY_BUFFERS, SAMPLE_ARRAY_BUFFERS },
	{ METRIC_EMBEDDER_USED, SAMPLE_EMBEDDER_USED },
	{ METRIC_MALLOCED, SAMPLE_MALLOCED },
	{ METRIC_NATIVE_CONTEXTS, SAMPLE_NATIVE_CONTEXTS },
	{ METRIC_DETACHED_CONTEXTS, SAMPLE_DETACHED_CONTEXTS },
	{ METRIC_DOM_NODES, SAMPLE_DOM_NODES },
	{ METRIC_DOM_DOCUMENTS, SAMPLE_DOM_DOCUMENTS },
	{ METRIC_DOM_LISTENERS, SAMPLE_DOM_LISTENERS },
	{ METRIC_ALLOCATED, SAMPLE_ALLOCATED },
	{ METRIC_UNIQUE, SAMPLE_UNIQUE },
};
_Static_assert(sizeof(heap_families) / sizeof(heap_families[0]) == SAMPLE_FIELDS - 1,
	       "a family per field; the live set has more sources (http/prom_leak.c)");

static const struct {
	enum metric_id id;
	size_t offset;
} space_families[] = {
	{ METRIC_SPACE_SIZE, offsetof(struct space, size) },
	{ METRIC_SPACE_USED, offsetof(struct space, used) },
	{ METRIC_SPACE_AVAILABLE, offsetof(struct space, available) },
	{ METRIC_SPACE_PHYSICAL, offsetof(struct space, physical) },
};

static void write_round_trips(struct exposition_writer *w, const struct prom_rows *rows)
{
	exposition_family(w, METRIC_ROUND_TRIP);
	for (size_t i = 0; i < rows->isolates_n; i++) {
		const struct sample *last = &rows->isolates[i].isolate->last;

		if (last->present != 0 && last->round_trip_ns > 0)
			sample_ns(w, rows->isolates[i].labels, NULL, last->round_trip_ns);
	}
}

static void write_heaps(struct exposition_writer *w, const struct prom_rows *rows)
{
	for (size_t f = 0; f < sizeof(heap_families) / sizeof(heap_families[0]); f++) {
		enum sample_field field = heap_families[f].field;

		exposition_family(w, heap_families[f].id);
		for (size_t i = 0; i < rows->isolates_n; i++) {
			uint64_t value;

			if (isolate_value(rows->isolates[i].isolate, field, &value))
				sample_uint(w, rows->isolates[i].labels, NULL, value);
		}
	}
}

static void write_spaces(struct exposition_writer *w, const struct prom_rows *rows)
{
	for (size_t f = 0; f < sizeof(space_families) / sizeof(space_families[0]); f++) {
		exposition_family(w, space_families[f].id);
		for (size_t i = 0; i < rows->spaces_n; i++) {
			const char *at = (const char *)rows->spaces[i].space;
			uint64_t value;

			memcpy(&value, at + space_families[f].offset, sizeof(value));
			sample_uint(w, rows->spaces[i].labels, NULL, value);
		}
	}
}

void prom_write_targets(struct exposition_writer *w, const struct prom_rows *rows)
{
	write_families(w, rows, poll_families);
	write_round_trips(w, rows);
	write_heaps(w, rows);
	write_spaces(w, rows);
	prom_write_gc(w, rows);
	prom_write_leaks(w, rows);
	write_families(w, rows, process_families);
}

void prom_write_inspector(struct exposition_writer *w, const struct prom_rows *rows)
{
	write_families(w, rows, inspector_families);
}
