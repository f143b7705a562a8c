/* What times a receiver is told while its clock and ours agree, differ, and are set. */

#include "notify/peer_clock.h"

#include <criterion/criterion.h>

#include "notify/notice.h"
#include "util/clock.h"

#define HOUR_MS (3600 * INT64_C(1000))
#define YEAR_MS (365 * 24 * HOUR_MS)

static const int64_t epoch_ms = 1700000000000; /* of monotonic time, by a clock that is right */

static uint64_t at(int64_t seconds)
{
	return (uint64_t)seconds * NS_PER_S;
}

static int64_t wall(int64_t seconds)
{
	return epoch_ms + seconds * 1000;
}

/* Of an alert that began at 100 s, made at `seconds` by a clock that is off. */
static struct notice notice_of(bool resolved, int64_t seconds, int64_t off_ms)
{
	int64_t end = resolved ? seconds : seconds + 240;

	return (struct notice){ .resolved = resolved,
				.starts_wall_ms = wall(100),
				.starts_ns = (int64_t)at(100),
				.ends_wall_ms = wall(end) + off_ms,
				.ends_ns = (int64_t)at(end) };
}

static const int64_t steps_ms[] = { -YEAR_MS, -HOUR_MS, -10000, 10000, HOUR_MS, YEAR_MS };
enum { STEPS = sizeof(steps_ms) / sizeof(steps_ms[0]) };

static void expect_times(struct peer_times times, int64_t starts_ms, int64_t ends_ms, int64_t step)
{
	cr_expect_not(times.untold, "%ld", (long)step);
	cr_expect_eq(times.starts_ms, starts_ms, "%ld: it begins %ld", (long)step,
		     (long)(times.starts_ms - starts_ms));
	cr_expect_eq(times.ends_ms, ends_ms, "%ld: it ends %ld", (long)step,
		     (long)(times.ends_ms - ends_ms));
}

Test(peer_clock, before_an_answer_ours_counts)
{
	const struct peer_clock unknown = { .known = false };
	struct notice firing = notice_of(false, 200, 0), resolved = notice_of(true, 200, 0);

	expect_times(peer_clock_times(&unknown, &firing, at(200), wall(200)), wall(100), wall(440),
		     0);
	expect_times(peer_clock_times(&unknown, &resolved, at(300), wall(300)), wall(100),
		     wall(200), 0);
}

/* A Date is of whole seconds, and its answer was under way. */
Test(peer_clock, a_clock_that_agrees_changes_nothing)
{
	struct notice firing = notice_of(false, 200, 0);

	for (int64_t off_ms = -2000; off_ms <= 2000; off_ms += 500) {
		struct peer_clock clock = { 0 };

		peer_clock_take(&clock, wall(150) + off_ms, at(150), wall(150));
		expect_times(peer_clock_times(&clock, &firing, at(200), wall(200)), wall(100),
			     wall(440), off_ms);
	}
}

Test(peer_clock, a_receiver_with_another_clock_is_told_by_its_own)
{
	for (int i = 0; i < STEPS; i++) {
		int64_t off_ms = steps_ms[i];
		struct notice firing = notice_of(false, 200, 0), resolved = notice_of(true, 200, 0);
		int64_t starts_ms = off_ms < -150000 ? wall(100) + off_ms : wall(100);
		struct peer_clock clock = { 0 };

		peer_clock_take(&clock, wall(150) + off_ms, at(150), wall(150));
		expect_times(peer_clock_times(&clock, &firing, at(200), wall(200)), starts_ms,
			     wall(440) + off_ms, off_ms);
		expect_times(peer_clock_times(&clock, &resolved, at(300), wall(300)), starts_ms,
			     wall(200) + off_ms, off_ms);
	}
}

/* Ours was set; whether theirs was, is not known before the next answer. */
Test(peer_clock, after_a_step_what_fires_has_no_times)
{
	for (int i = 0; i < STEPS; i++) {
		int64_t off_ms = steps_ms[i];
		struct notice firing = notice_of(false, 200, off_ms);
		struct peer_clock clock = { 0 };
		struct peer_times times;

		peer_clock_take(&clock, wall(150), at(150), wall(150));
		times = peer_clock_times(&clock, &firing, at(200), wall(200) + off_ms);
		cr_expect(times.untold);
		/* It was not. */
		peer_clock_take(&clock, wall(200), at(200), wall(200) + off_ms);
		times = peer_clock_times(&clock, &firing, at(200), wall(200) + off_ms);
		expect_times(times, wall(100), wall(440), off_ms);
		/* It was. */
		peer_clock_take(&clock, wall(200) + off_ms, at(200), wall(200) + off_ms);
		times = peer_clock_times(&clock, &firing, at(200), wall(200) + off_ms);
		cr_expect_not(times.untold);
		cr_expect_eq(times.ends_ms, wall(440) + off_ms);
		cr_expect_leq(times.starts_ms, wall(202) + off_ms);
	}
}

Test(peer_clock, after_a_step_what_is_resolved_has_ended_by_either_clock)
{
	for (int i = 0; i < STEPS; i++) {
		int64_t off_ms = steps_ms[i];
		/* Made before the step, and made after it. */
		const struct notice notices[] = { notice_of(true, 200, 0),
						  notice_of(true, 200, off_ms) };
		struct peer_clock clock = { 0 };

		peer_clock_take(&clock, wall(150), at(150), wall(150));
		for (int k = 0; k < 2; k++) {
			struct peer_times times =
				peer_clock_times(&clock, &notices[k], at(210), wall(210) + off_ms);

			cr_expect_not(times.untold);
			cr_expect_leq(times.starts_ms, times.ends_ms);
			cr_expect_leq(times.ends_ms, wall(210), "%ld", (long)off_ms);
			cr_expect_leq(times.ends_ms, wall(210) + off_ms, "%ld", (long)off_ms);
		}
	}
}

/* No answer has ever come, and nothing says when it began but a clock that was wrong. */
Test(peer_clock, a_clock_that_was_put_back_ends_nothing_before_it_began)
{
	const struct peer_clock unknown = { .known = false };
	struct notice firing = notice_of(false, 200, -YEAR_MS);
	struct peer_times times = peer_clock_times(&unknown, &firing, at(200), wall(200) - YEAR_MS);

	expect_times(times, wall(100) - YEAR_MS, wall(440) - YEAR_MS, 0);
}

/* ---- one address, several receivers ---- */

/* The clock of each of n in turn, so many answers in all; by ours it is right. */
static struct peer_clock answered(const int64_t *offs_ms, int n, int answers)
{
	struct peer_clock clock = { 0 };

	for (int i = 0; i < answers; i++)
		peer_clock_take(&clock, wall(150 + i) + offs_ms[i % n], at(150 + i), wall(150 + i));
	return clock;
}

/* Whoever of them it comes to: what fires has not ended by then, what is resolved has, and neither
 * ends before it began. */
static void expect_true_for_all(const struct peer_clock *clock, const int64_t *offs_ms, int n)
{
	struct notice firing = notice_of(false, 200, 0), resolved = notice_of(true, 200, 0);
	struct peer_times fires = peer_clock_times(clock, &firing, at(200), wall(200));
	struct peer_times ended = peer_clock_times(clock, &resolved, at(210), wall(210));

	for (int i = 0; i < n; i++) {
		cr_expect_geq(fires.ends_ms, wall(440) + offs_ms[i], "%d", i);
		cr_expect_leq(fires.starts_ms, wall(202) + offs_ms[i], "%d", i);
		cr_expect_leq(ended.ends_ms, wall(210) + offs_ms[i], "%d", i);
	}
	cr_expect_leq(fires.starts_ms, fires.ends_ms);
	cr_expect_leq(ended.starts_ms, ended.ends_ms);
	cr_expect_not(fires.untold || ended.untold);
}

Test(peer_clock, of_several_receivers_it_is_true_for_all)
{
	static const int64_t two[] = { 0, HOUR_MS }, three[] = { -HOUR_MS, 10000, YEAR_MS },
			     four[] = { HOUR_MS, -10000, 0, -YEAR_MS };
	struct peer_clock clock;

	for (int answers = 3; answers < 40; answers++) {
		clock = answered(two, 2, answers);
		expect_true_for_all(&clock, two, 2);
	}
	for (int answers = 4; answers < 40; answers++) {
		clock = answered(three, 3, answers);
		expect_true_for_all(&clock, three, 3);
	}
	for (int answers = 5; answers < 40; answers++) {
		clock = answered(four, 4, answers);
		expect_true_for_all(&clock, four, 4);
	}
}

/* One that is set is one, whichever way; nothing of before counts. */
Test(peer_clock, a_clock_that_was_set_is_no_second_receiver)
{
	for (int i = 0; i < STEPS; i++) {
		struct notice firing = notice_of(false, 200, 0);
		struct peer_clock clock = { 0 };

		for (int k = 0; k < 10; k++)
			peer_clock_take(&clock, wall(150 + k) + (k < 5 ? 0 : steps_ms[i]),
					at(150 + k), wall(150 + k));
		cr_expect_not(clock.several);
		cr_expect_eq(peer_clock_times(&clock, &firing, at(200), wall(200)).ends_ms,
			     wall(440) + steps_ms[i]);
	}
}

/* The other is gone for good: it is forgotten, and the one that is left is told by its own. */
Test(peer_clock, who_does_not_answer_any_more_is_forgotten)
{
	static const int64_t two[] = { 0, YEAR_MS };
	struct notice firing = notice_of(false, 200, 0);
	struct peer_clock clock = answered(two, 2, 10);

	cr_expect(clock.several);
	for (int i = 0; i < 20; i++)
		peer_clock_take(&clock, wall(160 + i), at(160 + i), wall(160 + i));
	cr_expect_not(clock.several);
	expect_times(peer_clock_times(&clock, &firing, at(200), wall(200)), wall(100), wall(440),
		     0);
}

/* More than are kept: those that answered last count, and nothing is written beyond them. */
Test(peer_clock, of_very_many_some_are_known)
{
	int64_t offs_ms[12];
	struct peer_clock clock;

	for (int i = 0; i < 12; i++)
		offs_ms[i] = i * HOUR_MS;
	clock = answered(offs_ms, 12, 100);
	cr_expect(clock.known);
	cr_expect_lt(clock.last, PEER_CLOCKS);
}
