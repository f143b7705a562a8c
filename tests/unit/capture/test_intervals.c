/* Charts of timelines: few points however much is told, and nothing of what was there before. */

#include "capture/intervals.h"

#include <criterion/criterion.h>

#include "spool/timeline_chart.h"
#include "util/clock.h"

#define DURATION_NS (60 * NS_PER_S)

static struct intervals *intervals;
static struct timeline_chart chart;

static void begin(void)
{
	cr_assert_eq(intervals_new(&intervals), 0);
}

static void end(void)
{
	intervals_free(intervals);
	intervals_free(NULL);
}

TestSuite(intervals, .init = begin, .fini = end);

static uint64_t sum(uint64_t (*of)(const struct timeline_point *point))
{
	uint64_t all = 0;

	for (uint64_t i = 0; i < chart.n; i++)
		all += of(&chart.points[i]);
	return all;
}

static uint64_t seen(const struct timeline_point *point)
{
	return point->seen_bytes;
}

static uint64_t live(const struct timeline_point *point)
{
	return point->live_bytes;
}

Test(intervals, nothing_is_no_chart)
{
	intervals_take(intervals, 0, 1000, NS_PER_S);
	intervals_chart(intervals, DURATION_NS, &chart);
	cr_expect_eq(chart.n, 0);
}

Test(intervals, what_dies_was_seen)
{
	intervals_take(intervals, 1, 100, NS_PER_S / 2);
	intervals_take(intervals, 1, 700, NS_PER_S);
	intervals_take(intervals, 2, 50, 30 * NS_PER_S);
	intervals_take(intervals, 1, 10, 40 * NS_PER_S);
	intervals_chart(intervals, DURATION_NS, &chart);
	cr_expect_eq(chart.n, TIMELINE_POINTS_MAX);
	cr_expect_eq(chart.points[0].at_ms, 1000);
	cr_expect_eq(chart.points[0].seen_bytes, 700);
	cr_expect_eq(chart.points[0].live_bytes, 10);
	cr_expect_eq(chart.points[29].live_bytes + chart.points[30].live_bytes, 50);
	cr_expect_eq(sum(seen), 750);
}

/* The last word comes after the end, and what is skipped had nothing alive. */
Test(intervals, late_and_skipped_ones)
{
	intervals_take(intervals, 5, 9, 2 * DURATION_NS);
	intervals_take(intervals, 3, 4, 2 * DURATION_NS);
	intervals_chart(intervals, DURATION_NS, &chart);
	cr_expect_eq(chart.points[TIMELINE_POINTS_MAX - 1].live_bytes, 13);
}

Test(intervals, what_a_liar_tells_has_an_end)
{
	for (uint64_t i = 1; i < 100000; i++)
		intervals_take(intervals, i, 1, i * NS_PER_MS);
	intervals_take(intervals, UINT64_MAX, UINT64_MAX, UINT64_MAX);
	intervals_chart(intervals, DURATION_NS, &chart);
	cr_expect_eq(sum(live), 8192);
	intervals_chart(intervals, 1, &chart);
	cr_expect_eq(sum(live), 8192);
}
