/* Slots in a period and delays of a back-off: properties over many values. */

#include <criterion/criterion.h>
#include <stdint.h>

#include "loop/sched.h"
#include "util/clock.h"

enum { IDS = 1000, BUCKETS = 10 };

Test(sched, the_slot_is_within_the_period_and_stays)
{
	const uint64_t period_ns = 5 * NS_PER_S;

	for (uint64_t id = 0; id < IDS; id++) {
		uint64_t now_ns = 1234567890123 + id * 7919 * NS_PER_MS;
		uint64_t delay_ns = sched_next(now_ns, period_ns, id);
		uint64_t slot_ns = now_ns + delay_ns;

		cr_assert(delay_ns > 0 && delay_ns <= period_ns);
		cr_assert_eq(sched_next(slot_ns, period_ns, id), period_ns, "even distances");
		cr_assert_eq(sched_next(slot_ns - 1, period_ns, id), 1);
		/* A late poll does not move the slot after it. */
		cr_assert_eq(slot_ns + 3 * NS_PER_S +
				     sched_next(slot_ns + 3 * NS_PER_S, period_ns, id),
			     slot_ns + period_ns);
	}
}

/* Consecutive ids, as a registry hands them out, must not poll in step. */
Test(sched, ids_are_spread_over_the_period)
{
	const uint64_t period_ns = 10 * NS_PER_S;
	int buckets[BUCKETS] = { 0 };

	for (uint64_t id = 0; id < IDS; id++)
		buckets[(sched_next(0, period_ns, id) - 1) / (period_ns / BUCKETS)]++;
	for (int i = 0; i < BUCKETS; i++)
		cr_assert(buckets[i] > IDS / BUCKETS / 2 && buckets[i] < IDS / BUCKETS * 2,
			  "bucket %d has %d", i, buckets[i]);
}

Test(sched, odd_periods)
{
	cr_assert_eq(sched_next(5, 0, 1), 1);
	cr_assert_eq(sched_next(5, 1, 1), 1);
	cr_assert_leq(sched_next(UINT64_MAX, NS_PER_S, 1), NS_PER_S);
}

Test(sched, back_off_doubles_with_jitter_up_to_the_cap)
{
	for (int round = 0; round < 100; round++) {
		struct backoff b = { .min_ns = NS_PER_S, .max_ns = 60 * NS_PER_S };
		double base = 1e9;

		for (int i = 0; i < 200; i++) {
			uint64_t delay_ns = backoff_next(&b);

			cr_assert_leq(delay_ns, b.max_ns);
			cr_assert_geq((double)delay_ns, base * 0.75 - 1);
			cr_assert_leq((double)delay_ns, base * 1.25 + 1);
			base = base * 2 > 60e9 ? 60e9 : base * 2;
		}
		backoff_reset(&b);
		cr_assert_leq(backoff_next(&b), 1250 * NS_PER_MS);
	}
}

/* Cut off at the cap, half of all targets that are down would return in the same instant. */
Test(sched, back_off_is_spread_at_the_cap_too)
{
	struct backoff b = { .min_ns = NS_PER_S, .max_ns = NS_PER_S, .failures = 50 };
	int at_cap = 0;

	for (int i = 0; i < IDS; i++)
		at_cap += backoff_next(&b) == b.max_ns;
	cr_assert_lt(at_cap, IDS / 100);
}

Test(sched, back_off_does_not_overflow)
{
	struct backoff b = { .min_ns = NS_PER_S, .max_ns = UINT64_MAX / 4, .failures = 1000000 };

	cr_assert_geq(backoff_next(&b), b.max_ns / 2);
	b.failures = UINT32_MAX;
	cr_assert_geq(backoff_next(&b), b.max_ns / 2);
	cr_assert_eq(b.failures, UINT32_MAX);
}
