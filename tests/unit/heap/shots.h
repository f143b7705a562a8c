#pragma once

/* Snapshots that a test composes, and what leaks are found over some of them. */

#include <criterion/criterion.h>

#include "heap/leaks.h"
#include "util/buf.h"
#include "util/err.h"

struct shot {
	struct buf text, nodes, edges; /* composed; the last two for who needs them */
	struct heap_analysis analysis;
	struct heap_side side;
};

/* Writes the i-th of these scenes, which are the test's own, into shot->text. */
typedef void compose_fn(struct shot *shot, const void *scenes, size_t i);

static void shot_init(struct shot *shot, compose_fn *compose, const void *scenes, size_t i)
{
	struct heap_load_options options = { .threads = 1 };
	struct v8_text text;
	struct err err = { .text = "" };

	buf_init(&shot->text, SIZE_MAX / 2);
	buf_init(&shot->nodes, SIZE_MAX / 2);
	buf_init(&shot->edges, SIZE_MAX / 2);
	compose(shot, scenes, i);
	text = (struct v8_text){ .data = buf_text(&shot->text), .size = shot->text.size };
	cr_assert_eq(heap_analyse(&shot->analysis, &text, &options, &err), 0, "%s", err.text);
	cr_assert_eq(heap_side_init(&shot->side, &shot->analysis), 0);
}

static void shot_fini(struct shot *shot)
{
	heap_side_fini(&shot->side);
	heap_analysis_fini(&shot->analysis);
	buf_fini(&shot->text);
	buf_fini(&shot->nodes);
	buf_fini(&shot->edges);
}

/* The suspects of n scenes, the last one of which stays in `last`. */
static void shots_find(struct heap_leaks *ret, struct shot *last, compose_fn *compose,
		       const void *scenes, size_t n, enum heap_match_by wish,
		       enum heap_match_by expected)
{
	struct heap_past pasts[HEAP_PASTS_MAX];

	shot_init(last, compose, scenes, n - 1);
	for (size_t i = 0; i + 1 < n; i++) {
		enum heap_match_by by = wish;
		struct heap_match match;
		struct shot base;

		shot_init(&base, compose, scenes, i);
		cr_assert_eq(heap_match_init(&match, &base.side, &last->side, &by), 0);
		cr_assert_eq(by, expected);
		cr_assert_eq(heap_past_init(&pasts[i], &match, &base.side, &last->analysis.shapes),
			     0);
		heap_match_fini(&match);
		shot_fini(&base);
	}
	cr_assert_eq(heap_leaks_find(ret, &last->side, pasts, n - 1), 0);
	for (size_t i = 0; i + 1 < n; i++)
		heap_past_fini(&pasts[i]);
}
