/* What collections come to: pauses and spans apart, steps counted with what they are steps of. */

#include "watch/gc_stats.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(gc_stats, pauses_and_spans_are_kept_apart)
{
	struct gc_stats *stats = gc_stats_new();
	const struct gc_event pause = { .kind = GC_MINOR, .is_end = true, .duration_ns = 2000000 };
	const struct gc_event span = {
		.kind = GC_MAJOR, .is_span = true, .is_end = true, .duration_ns = 500000000
	};

	cr_assert_not_null(stats);
	gc_stats_take(stats, &pause);
	gc_stats_take(stats, &pause);
	gc_stats_take(stats, &span);
	cr_expect_eq(stats->pauses_n[GC_MINOR], 2);
	cr_expect_float_eq(stats->pauses[GC_MINOR].sum, 0.004, 1e-9);
	cr_expect_eq(stats->pauses[GC_MINOR].counts[1], 2); /* up to 5 ms */
	cr_expect_eq(stats->pauses_n[GC_MAJOR], 0);
	cr_expect_eq(stats->spans_n[GC_MAJOR], 1);
	cr_expect_eq(stats->collections[GC_MINOR], 2);
	cr_expect_eq(stats->collections[GC_MAJOR], 1);
	cr_expect_not(stats->has_live || stats->has_sizes[GC_MAJOR]);
	free(stats);
}

Test(gc_stats, a_collection_in_steps_is_one)
{
	struct gc_stats *stats = gc_stats_new();
	struct gc_event step = { .kind = GC_INCREMENTAL, .duration_ns = 1 };

	cr_assert_not_null(stats);
	gc_stats_take(stats, &step);
	step.is_end = true;
	gc_stats_take(stats, &step);
	cr_expect_eq(stats->pauses_n[GC_INCREMENTAL], 2);
	cr_expect_eq(stats->collections[GC_INCREMENTAL], 0);
	cr_expect_eq(stats->collections[GC_MAJOR], 1);
	free(stats);
}

Test(gc_stats, only_a_collection_of_the_whole_heap_tells_the_live_set)
{
	struct gc_stats *stats = gc_stats_new();
	struct gc_event gc = {
		.kind = GC_MINOR, .has_sizes = true, .before_bytes = 100, .after_bytes = 60
	};

	cr_assert_not_null(stats);
	gc_stats_take(stats, &gc);
	cr_expect_not(stats->has_live);
	cr_expect_eq(stats->freed_bytes[GC_MINOR], 40);
	gc.kind = GC_MAJOR;
	gc.after_bytes =
		110; /* what came meanwhile: nothing was freed, and nothing less than that */
	gc_stats_take(stats, &gc);
	cr_expect(stats->has_live && stats->live_bytes == 110);
	cr_expect_eq(stats->freed_bytes[GC_MAJOR], 0);
	cr_expect(stats->has_sizes[GC_MAJOR]);
	free(stats);
}
