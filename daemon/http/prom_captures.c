/*
 * The families of captures and the spool. The account keeps rows by target, rule and reason; a
 * family has two or three of the three labels. Rows of a target that was removed are left out: its
 * series end with it.
 */

#include "http/prom_parts.h"

#include <stdio.h>

#include "capture/analysis.h"
#include "capture/capture.h"
#include "capture/tracking.h"
#include "http/view.h"
#include "watch/target.h"

/* Pauses and sizes are of snapshots: nothing else takes long or much. */
#define KIND "snapshot"

static const struct label_text no_labels = { "", 0 };
static const struct label_text kind_label = { "kind=\"" KIND "\"",
					      sizeof("kind=\"" KIND "\"") - 1 };

bool prom_shows_counter(const struct http_view *view, const struct capture_counter *row)
{
	return row->target[0] == '\0' || targets_find_name(view->targets, row->target) != NULL;
}

/* Forced collections have their own families; what refuses them is in that of captures. */
static bool is_capture(const struct capture_counter *row)
{
	return row->kind != CAPTURE_KIND_GC;
}

static void write_done(struct exposition_writer *w, const struct http_view *view,
		       struct prom_sums *sums)
{
	exposition_family(w, METRIC_CAPTURES);
	list_each (at, &view->captures->counters) {
		const struct capture_counter *row = container_of(at, struct capture_counter, link);
		const struct prom_label labels[] = {
			{ "target", row->target },
			{ "kind", capture_kind_name(row->kind) },
			{ "rule", row->rule },
			{ NULL },
		};

		if (row->succeeded > 0 && is_capture(row) && prom_shows_counter(view, row))
			prom_sums_add(sums, labels, row->succeeded);
	}
	prom_sums_write(sums, w);
}

static void write_failed(struct exposition_writer *w, const struct http_view *view,
			 struct prom_sums *sums)
{
	exposition_family(w, METRIC_CAPTURE_FAILURES);
	list_each (at, &view->captures->counters) {
		const struct capture_counter *row = container_of(at, struct capture_counter, link);
		const struct prom_label labels[] = { { "target", row->target },
						     { "kind", capture_kind_name(row->kind) },
						     { "reason", row->reason },
						     { NULL } };

		if (row->failed > 0 && is_capture(row) && prom_shows_counter(view, row))
			prom_sums_add(sums, labels, row->failed);
	}
	prom_sums_write(sums, w);
}

static void write_refused(struct exposition_writer *w, const struct http_view *view,
			  struct prom_sums *sums)
{
	exposition_family(w, METRIC_CAPTURES_SUPPRESSED);
	list_each (at, &view->captures->counters) {
		const struct capture_counter *row = container_of(at, struct capture_counter, link);
		const struct prom_label labels[] = { { "target", row->target },
						     { "rule", row->rule },
						     { "reason", row->reason },
						     { NULL } };

		if (row->refused > 0 && prom_shows_counter(view, row))
			prom_sums_add(sums, labels, row->refused);
	}
	prom_sums_write(sums, w);
}

/* The account has the time of a target's last success in the row without rule and reason. */
static void write_last(struct exposition_writer *w, const struct http_view *view)
{
	struct buf labels;

	exposition_family(w, METRIC_LAST_CAPTURE);
	buf_init(&labels, 4 * 1024);
	list_each (at, &view->captures->counters) {
		const struct capture_counter *row = container_of(at, struct capture_counter, link);

		if (row->last_wall_ms == 0 || row->target[0] == '\0' ||
		    !prom_shows_counter(view, row))
			continue;
		buf_clear(&labels);
		label_append(&labels, 0, "target", row->target);
		label_append(&labels, 0, "kind", capture_kind_name(row->kind));
		if (labels.error == 0)
			sample_ms(w, (struct label_text){ labels.data, labels.size }, NULL,
				  row->last_wall_ms);
	}
	buf_fini(&labels);
}

static void write_tracked(struct exposition_writer *w, const struct http_view *view)
{
	struct buf labels;

	exposition_family(w, METRIC_OBJECTS_TRACKED);
	if (tracking_n(view->captures) == 0)
		return;
	buf_init(&labels, 4 * 1024);
	list_each (at, &view->targets->list) {
		const struct target *target = container_of(at, struct target, link);

		if (tracking_series(view->captures, target->id) == NULL)
			continue;
		buf_clear(&labels);
		label_append(&labels, 0, "target", target->spec.name);
		if (labels.error == 0)
			sample_uint(w, (struct label_text){ labels.data, labels.size }, NULL, 1);
	}
	buf_fini(&labels);
}

static void write_histogram(struct exposition_writer *w, enum metric_id id,
			    const struct histogram *histogram)
{
	exposition_family(w, id);
	sample_histogram(w, kind_label, histogram);
}

static void write_bytes(struct exposition_writer *w, enum metric_id id,
			const uint64_t bytes[CAPTURE_KINDS])
{
	exposition_family(w, id);
	for (int kind = 0; kind < CAPTURE_KINDS; kind++) {
		char label[32];

		snprintf(label, sizeof(label), "kind=\"%s\"", capture_kind_name(kind));
		sample_uint(w, no_labels, label, bytes[kind]);
	}
}

void prom_write_captures(struct exposition_writer *w, const struct http_view *view)
{
	const struct captures *captures = view->captures;
	struct prom_sums sums;

	prom_sums_init(&sums, w->buf);
	write_done(w, view, &sums);
	write_failed(w, view, &sums);
	write_refused(w, view, &sums);
	prom_sums_fini(&sums);
	exposition_family(w, METRIC_CAPTURES_IN_PROGRESS);
	sample_uint(w, no_labels, NULL, captures->running_n);
	write_tracked(w, view);
	write_histogram(w, METRIC_CAPTURE_DURATION, &captures->duration);
	write_histogram(w, METRIC_CAPTURE_PAUSE, &captures->pause);
	write_histogram(w, METRIC_CAPTURE_SIZE, &captures->size);
	write_bytes(w, METRIC_CAPTURE_INPUT, captures->input_bytes);
	write_bytes(w, METRIC_CAPTURE_OUTPUT, captures->output_bytes);
	exposition_family(w, METRIC_CAPTURES_ADOPTED);
	sample_uint(w, no_labels, NULL, captures->adopted_n);
	write_last(w, view);
	prom_write_forced_gc(w, view);
}

void prom_write_analyses(struct exposition_writer *w, const struct http_view *view)
{
	const struct analyses *analyses = view->analyses;

	if (analyses == NULL)
		return;
	exposition_family(w, METRIC_ANALYSES);
	for (enum analysis_result i = 0; i < ANALYSIS_RESULTS; i++) {
		char label[32];

		snprintf(label, sizeof(label), "result=\"%s\"", analysis_result_name(i));
		sample_uint(w, no_labels, label, analyses->results[i]);
	}
	exposition_family(w, METRIC_ANALYSES_PENDING);
	sample_uint(w, no_labels, NULL, analyses->queue_n + (analyses->job != NULL));
	exposition_family(w, METRIC_ANALYSIS_DURATION);
	sample_histogram(w, no_labels, &analyses->duration);
	exposition_family(w, METRIC_ANALYSIS_PEAK);
	if (analyses->peak_resident_bytes > 0)
		sample_uint(w, no_labels, NULL, analyses->peak_resident_bytes);
}

/* Captures in the spool by kind; files of another version of the daemon may be of another kind. */
static void write_files(struct exposition_writer *w, const struct spool *spool)
{
	const struct prom_label none[] = { { "kind", KIND }, { NULL } };
	struct prom_sums sums;

	exposition_family(w, METRIC_SPOOL_FILES);
	prom_sums_init(&sums, w->buf);
	prom_sums_add(&sums, none, 0);
	list_each (at, &spool->ready) {
		const struct spool_entry *entry = container_of(at, struct spool_entry, link);
		const struct prom_label labels[] = { { "kind", entry->manifest.kind }, { NULL } };

		prom_sums_add(&sums, labels, 1);
	}
	prom_sums_write(&sums, w);
	prom_sums_fini(&sums);
}

void prom_write_spool(struct exposition_writer *w, const struct http_view *view)
{
	const struct spool *spool = view->spool;
	uint64_t available = spool_available_bytes(spool);

	exposition_family(w, METRIC_SPOOL_SIZE);
	sample_uint(w, no_labels, NULL, spool->bytes);
	exposition_family(w, METRIC_SPOOL_LIMIT);
	if (spool->limits.max_use_bytes > 0)
		sample_uint(w, no_labels, NULL, spool->limits.max_use_bytes);
	exposition_family(w, METRIC_SPOOL_AVAILABLE);
	if (available > 0)
		sample_uint(w, no_labels, NULL, available);
	write_files(w, spool);
	exposition_family(w, METRIC_SPOOL_REMOVED);
	for (enum spool_reason i = SPOOL_MAX_AGE; i < SPOOL_REASONS; i++) {
		char label[32];

		snprintf(label, sizeof(label), "reason=\"%s\"", spool_reason_name(i));
		sample_uint(w, no_labels, label, spool->removed[i]);
	}
}
