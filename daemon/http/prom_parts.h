#pragma once

/* What prom.c puts together: each part writes its own families. */

#include <stdbool.h>
#include <stddef.h>
#include "http/exposition.h"

struct capture_counter;
struct captures;
struct http_view;
struct isolate;
struct space;
struct target;
struct targets;

struct target_row {
	const struct target *target;
	struct label_text labels;
	bool up;
};

struct isolate_row {
	const struct target *target;
	const struct isolate *isolate;
	struct label_text labels;
};

struct space_row {
	const struct space *space;
	struct label_text labels;
};

/* Every target, isolate and heap space with its labels, made once and used by many families. */
struct prom_rows {
	struct target_row *targets; /* owned */
	struct isolate_row *isolates; /* owned */
	struct space_row *spaces; /* owned */
	size_t targets_n, isolates_n, spaces_n;
	struct buf labels; /* what the label texts point into */
	bool with_target; /* has the labels `target` */
};

/* 0 or -ENOMEM; fini in both cases. */
int prom_rows_init(struct prom_rows *rows, const struct targets *targets);
int prom_rows_init_one(struct prom_rows *rows, const struct target *target, bool up);
void prom_rows_fini(struct prom_rows *rows);

void prom_write_targets(struct exposition_writer *w, const struct prom_rows *rows);
void prom_write_leaks(struct exposition_writer *w, const struct prom_rows *rows);
void prom_write_gc(struct exposition_writer *w, const struct prom_rows *rows);
void prom_write_inspector(struct exposition_writer *w, const struct prom_rows *rows);
void prom_write_captures(struct exposition_writer *w, const struct http_view *view);
void prom_write_forced_gc(struct exposition_writer *w, const struct http_view *view);
void prom_write_analyses(struct exposition_writer *w, const struct http_view *view);
void prom_write_verdicts(struct exposition_writer *w, const struct http_view *view);
void prom_write_spool(struct exposition_writer *w, const struct http_view *view);
void prom_write_rules(struct exposition_writer *w, const struct http_view *view);
void prom_write_notify(struct exposition_writer *w, const struct http_view *view);
void prom_write_otlp(struct exposition_writer *w, const struct http_view *view);
void prom_write_self(struct exposition_writer *w, const struct http_view *view);
void prom_write_http(struct exposition_writer *w, const struct http_view *view);
void prom_write_process(struct exposition_writer *w);

/* Is it of a target there is, or of none: counted when there were too many rows? */
bool prom_shows_counter(const struct http_view *view, const struct capture_counter *row);

/*
 * Sums by labels, for counters that are kept by more labels than a family has: a series must not
 * appear twice in one scrape.
 */
struct prom_sums {
	struct prom_sum *items; /* owned */
	size_t n, capacity;
	struct buf *failed; /* whose sticky error says that memory ran out */
};

struct prom_label {
	const char *name, *value; /* the last has a NULL name */
};

void prom_sums_init(struct prom_sums *sums, struct buf *failed);
void prom_sums_add(struct prom_sums *sums, const struct prom_label *labels, uint64_t value);

/* Write what was gathered and start anew. */
void prom_sums_write(struct prom_sums *sums, struct exposition_writer *w);
void prom_sums_fini(struct prom_sums *sums);
