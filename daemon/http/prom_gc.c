/*
 * The families of collections of garbage: those a runtime tells of, and those that were forced.
 * What a runtime does not tell, or was not asked to, is absent.
 */

#include "http/prom_parts.h"

#include <stdio.h>

#include "capture/capture.h"
#include "http/view.h"
#include "watch/gc_stats.h"
#include "watch/target.h"

enum { ROW_LABELS_MAX = 16 * 1024 };

static const struct label_text no_labels = { "", 0 };

typedef void gc_put_fn(struct exposition_writer *w, struct label_text labels,
		       const struct gc_stats *stats, enum gc_kind kind);

static void put_pauses(struct exposition_writer *w, struct label_text labels,
		       const struct gc_stats *stats, enum gc_kind kind)
{
	if (stats->pauses_n[kind] > 0)
		sample_histogram(w, labels, &stats->pauses[kind]);
}

static void put_spans(struct exposition_writer *w, struct label_text labels,
		      const struct gc_stats *stats, enum gc_kind kind)
{
	if (stats->spans_n[kind] > 0)
		sample_histogram(w, labels, &stats->spans[kind]);
}

static void put_collections(struct exposition_writer *w, struct label_text labels,
			    const struct gc_stats *stats, enum gc_kind kind)
{
	if (stats->collections[kind] > 0)
		sample_uint(w, labels, NULL, stats->collections[kind]);
}

static void put_freed(struct exposition_writer *w, struct label_text labels,
		      const struct gc_stats *stats, enum gc_kind kind)
{
	if (stats->has_sizes[kind])
		sample_uint(w, labels, NULL, stats->freed_bytes[kind]);
}

/* The labels of the isolate, and the kind. */
static void put_kinds(struct exposition_writer *w, const struct isolate_row *row, gc_put_fn *put)
{
	const struct gc_stats *stats = target_gc_stats(row->target, row->isolate);
	struct buf labels;

	buf_init(&labels, ROW_LABELS_MAX);
	for (int kind = 0; stats != NULL && kind < GC_KINDS; kind++) {
		buf_clear(&labels);
		buf_append(&labels, row->labels.text, row->labels.size);
		label_append(&labels, 0, "kind", gc_kind_name((enum gc_kind)kind));
		if (labels.error == 0)
			put(w, (struct label_text){ labels.data, labels.size }, stats,
			    (enum gc_kind)kind);
		else
			w->buf->error = labels.error;
	}
	buf_fini(&labels);
}

void prom_write_gc(struct exposition_writer *w, const struct prom_rows *rows)
{
	static const struct {
		enum metric_id id;
		gc_put_fn *put;
	} families[] = {
		{ METRIC_GC_PAUSE, put_pauses },
		{ METRIC_GC_SPAN, put_spans },
		{ METRIC_GC_COLLECTIONS, put_collections },
		{ METRIC_GC_FREED, put_freed },
	};

	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		exposition_family(w, families[f].id);
		for (size_t i = 0; i < rows->isolates_n; i++)
			put_kinds(w, &rows->isolates[i], families[f].put);
	}
}

/* ---- forced ones ---- */

static bool is_shown(const struct http_view *view, const struct capture_counter *row)
{
	return row->kind == CAPTURE_KIND_GC && prom_shows_counter(view, row);
}

void prom_write_forced_gc(struct exposition_writer *w, const struct http_view *view)
{
	const struct captures *captures = view->captures;
	struct prom_sums sums;

	prom_sums_init(&sums, w->buf);
	exposition_family(w, METRIC_FORCED_GCS);
	list_each (at, &captures->counters) {
		const struct capture_counter *row = container_of(at, struct capture_counter, link);
		const struct prom_label labels[] = { { "target", row->target },
						     { "rule", row->rule },
						     { NULL } };

		if (row->succeeded > 0 && is_shown(view, row))
			prom_sums_add(&sums, labels, row->succeeded);
	}
	prom_sums_write(&sums, w);
	exposition_family(w, METRIC_FORCED_GC_FAILURES);
	list_each (at, &captures->counters) {
		const struct capture_counter *row = container_of(at, struct capture_counter, link);
		const struct prom_label labels[] = { { "target", row->target },
						     { "reason", row->reason },
						     { NULL } };

		if (row->failed > 0 && is_shown(view, row))
			prom_sums_add(&sums, labels, row->failed);
	}
	prom_sums_write(&sums, w);
	prom_sums_fini(&sums);
	exposition_family(w, METRIC_FORCED_GC_DURATION);
	sample_histogram(w, no_labels, &captures->gc_duration);
}
