/* The rings of an isolate: order, wrapping, buckets, gaps, limits, and how large all of it is. */

#include "watch/series.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "util/clock.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)
#define KIB       1024ull

static const uint64_t windows_ns[WINDOWS] = { 3 * HOUR_NS, 24 * HOUR_NS };

static void add(struct series *series, uint64_t mono_ns, uint64_t used_kib)
{
	struct reading reading = { .point = { .mono_ns = mono_ns, .heap_used = used_kib * KIB } };

	series_add(series, &reading);
}

Test(series, oldest_first_before_and_after_wrapping)
{
	struct series series;

	cr_assert_eq(series_init(&series, 3, windows_ns), 0);
	cr_assert_eq(series.count, 0);
	for (uint64_t number = 1; number <= 10; number++) {
		uint64_t oldest = number > 3 ? number - 2 : 1;

		add(&series, number, number * 10);
		cr_assert_eq(series.count, number < 3 ? number : 3);
		for (uint32_t i = 0; i < series.count; i++) {
			cr_assert_eq(series_at(&series, i)->mono_ns, oldest + i);
			cr_assert_eq(series_at(&series, i)->heap_used, (oldest + i) * 10 * KIB);
		}
	}
	series_fini(&series);
	series_fini(&series);
}

Test(series, of_one_point)
{
	struct series series;

	cr_assert_eq(series_init(&series, 1, windows_ns), 0);
	add(&series, 1, 1);
	add(&series, 2, 2);
	cr_assert_eq(series.count, 1);
	cr_assert_eq(series_at(&series, 0)->mono_ns, 2);
	series_fini(&series);
}

Test(series, of_none)
{
	const uint64_t short_ns[WINDOWS] = { FAST_BUCKETS - 1, 24 * HOUR_NS };
	struct series series;

	cr_assert_eq(series_init(&series, 0, windows_ns), -EINVAL);
	add(&series, 1, 1);
	cr_assert_eq(series.count, 0);
	cr_assert_eq(series_init(&series, 1, short_ns), -EINVAL);
	cr_assert_eq(series.capacity, 0);
}

/* The allocation is what SERIES_BYTES reckons with, to the byte. */
Test(series, takes_at_most_12_kib)
{
	struct series series;
	const char *end;

	cr_assert_eq(series_init(&series, SERIES_POINTS, windows_ns), 0);
	end = (const char *)(series.spans[WINDOW_SLOW].ring + series.spans[WINDOW_SLOW].capacity);
	cr_expect_eq(sizeof(series) + (size_t)(end - (const char *)series.ring),
		     SERIES_BYTES(SERIES_POINTS));
	cr_expect_leq(SERIES_BYTES(SERIES_POINTS), 12 * KIB);
	/* All of it is written to: the sanitizer tells when that is too much. */
	for (uint64_t i = 0; i < 2000; i++)
		add(&series, i * 15 * MINUTE_NS, i);
	cr_expect_eq(series_buckets(&series, WINDOW_FAST), FAST_BUCKETS);
	cr_expect_eq(series_buckets(&series, WINDOW_SLOW), SLOW_BUCKETS);
	cr_expect_eq(series_bucket(&series, WINDOW_SLOW, SLOW_BUCKETS - 1)->kib[SIGNAL_LIVE], 1998);
	cr_expect_eq(series_bucket(&series, WINDOW_SLOW, 0)->kib[SIGNAL_LIVE], 1999 - SLOW_BUCKETS);
	series_fini(&series);
}

Test(series, a_bucket_has_the_least_and_the_most)
{
	struct series series;
	const struct bucket *bucket;
	uint64_t live;

	cr_assert_eq(series_init(&series, 10, windows_ns), 0);
	add(&series, 0, 50);
	add(&series, 10 * NS_PER_S, 30);
	add(&series, 20 * NS_PER_S, 70);
	cr_expect_eq(series_buckets(&series, WINDOW_FAST), 0, "still being filled");
	cr_expect_not(series_live(&series, &live));
	add(&series, 2 * MINUTE_NS, 60);
	cr_assert_eq(series_buckets(&series, WINDOW_FAST), 1);
	cr_expect_eq(series_buckets(&series, WINDOW_SLOW), 0);
	bucket = series_bucket(&series, WINDOW_FAST, 0);
	cr_expect_eq(bucket->kib[SIGNAL_LIVE], 30);
	cr_expect_eq(bucket->kib[SIGNAL_PEAK], 70);
	cr_expect_eq(bucket->kib[SIGNAL_EXTERNAL], BUCKET_ABSENT);
	cr_expect_eq(bucket->kib[SIGNAL_NATIVE], BUCKET_ABSENT);
	cr_expect(series_live(&series, &live));
	cr_expect_eq(live, 30 * KIB);
	series_fini(&series);
}

Test(series, what_the_runtime_tells_is_the_live_set)
{
	struct series series;
	struct reading told = { .point = { .mono_ns = NS_PER_S, .heap_used = 90 * KIB },
				.live_bytes = 40 * KIB,
				.has_live = true };
	uint64_t live = 0;

	cr_assert_eq(series_init(&series, 10, windows_ns), 0);
	add(&series, 0, 30);
	series_add(&series, &told);
	add(&series, 2 * NS_PER_S, 20);
	add(&series, 2 * MINUTE_NS, 90);
	cr_expect(series_live(&series, &live));
	cr_expect_eq(live, 40 * KIB, "not the least in use");
	series_fini(&series);
}

/* A gap is a gap: nothing is filled in, and what lies on both sides keeps its time. */
Test(series, gaps_stay_gaps)
{
	struct series series;

	cr_assert_eq(series_init(&series, 10, windows_ns), 0);
	add(&series, 0, 1);
	add(&series, 60 * MINUTE_NS, 2);
	add(&series, 62 * MINUTE_NS, 3);
	cr_assert_eq(series_buckets(&series, WINDOW_FAST), 2);
	cr_expect_eq(series_bucket_ns(&series, WINDOW_FAST, series_bucket(&series, WINDOW_FAST, 1)),
		     60 * MINUTE_NS);
	series_fini(&series);
}

Test(series, what_comes_late_is_left_out)
{
	struct series series;

	cr_assert_eq(series_init(&series, 10, windows_ns), 0);
	add(&series, 5 * MINUTE_NS, 1);
	add(&series, 3 * MINUTE_NS, 2);
	cr_expect_eq(series.count, 1);
	series_fini(&series);
}

/* The wall clock takes part in what people are shown only, and there as it goes now. */
Test(series, wall_time_is_reckoned_from_now)
{
	cr_expect_eq(series_wall_ms(10 * NS_PER_S, 70 * NS_PER_S, 1700000060000), 1700000000000);
	cr_expect_eq(series_wall_ms(70 * NS_PER_S, 10 * NS_PER_S, 1700000000000), 1700000060000);
}

/* 4 TiB and more: as much as a bucket can hold, and never mistaken for none. */
Test(series, huge_values)
{
	struct series series;

	cr_assert_eq(series_init(&series, 1, windows_ns), 0);
	add(&series, 0, UINT64_MAX / KIB);
	add(&series, 2 * MINUTE_NS, 0);
	cr_expect_eq(series_bucket(&series, WINDOW_FAST, 0)->kib[SIGNAL_LIVE], BUCKET_ABSENT - 1);
	series_fini(&series);
}
