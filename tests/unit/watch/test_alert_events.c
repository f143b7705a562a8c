/*
 * Alerts of what happens to targets, and what conditions remember from one evaluation to the next.
 */

#include "alert_scene.h"

#include <criterion/criterion.h>

#include "util/clock.h"

TestSuite(alert_events, .init = set_up, .fini = tear_down);

static const char on_restart[] = HEAD "    when: {on: [restart, target_up]}\n";

/* What was before the first evaluation is no event, and a reload in between loses none. */
Test(alert_events, events_over_a_reload)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	target->ups = 1;
	target->restarts = 3;
	set_rules(on_restart);
	tick(1000, main, 10);
	expect_events("");
	target->restarts++;
	set_rules(on_restart);
	tick(1015, main, 10);
	expect_events("F api/main ");
	tick(1030, main, 10);
	expect_events("R api/main ");
	set_rules(HEAD "    when: {on: [restart]}\n");
	target->restarts++; /* before the first evaluation of this one */
	tick(1045, main, 10);
	expect_events("");
}

/* A target that appears later is news; one known at the beginning is not, when it first answers. */
Test(alert_events, targets_that_come_up)
{
	struct target *target = add_target("early");
	struct isolate *main = add_isolate(target, "main"), *other;

	target->state = TARGET_CONNECTING;
	set_rules(on_restart);
	alerts_evaluate(&alerts, 0);
	target->state = TARGET_UP;
	target->ups = 1;
	tick(1015, main, 10);
	expect_events("");
	target = add_target("late");
	target->ups = 1;
	other = add_isolate(target, "main");
	sample(other, 10);
	tick(1030, main, 10);
	expect_events("F late/main ");
	target->capturing = true;
	target->restarts++;
	tick(1045, main, 10);
	expect_events("");
	target->capturing = false;
	sample(other, 10);
	tick(1060, main, 10);
	expect_events("");
	cr_assert_eq(only_alert()->last_true_ns, 1060 * NS_PER_S, "it was not lost meanwhile");
}

/* A restart holds once, but its capture may have to wait: min_uptime above all. */
Test(alert_events, events_ask_again_while_kept_firing)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	firing_is_done = false;
	set_rules(HEAD "    when: {on: [restart], keep_firing_for: 40s}\n");
	tick(1000, main, 10);
	target->restarts++;
	tick(1015, main, 10);
	expect_events("F api/main ");
	tick(1030, main, 10);
	expect_events("F api/main ");
	firing_is_done = true;
	tick(1045, main, 10);
	expect_events("F api/main ");
	tick(1060, main, 10);
	expect_events("");
	tick(1075, main, 10);
	expect_events("R api/main ");
}

/* Without an isolate there is still a target that can be gone. */
Test(alert_events, gone_without_an_isolate)
{
	struct target *target = add_target("api");

	set_rules(HEAD "    when: {on: [target_down]}\n");
	alerts_evaluate(&alerts, 0);
	target->state = TARGET_DOWN;
	target->downs = 1;
	set_time(1015);
	alerts_evaluate(&alerts, 0);
	expect_events("F api/main ");
	cr_assert_eq(alerts.memories_n, 1);
	alerts_forget_target(&alerts, target->id);
	cr_assert_eq(alerts.memories_n, 0);
	expect_events("R api/main ");
}

/* What is remembered of an isolate goes with it. */
Test(alert_events, memories_go_with_isolates)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main"),
		       *worker = add_isolate(target, "worker:1");

	set_rules(HEAD "    when: {metric: heap_used, new_max: {}}\n");
	sample(worker, 5);
	tick(1000, main, 10);
	cr_assert_eq(alerts.memories_n, 2);
	remove_isolate(worker);
	tick(1015, main, 11);
	cr_assert_eq(alerts.memories_n, 1);
	expect_events("F api/main ");
	set_rules(HEAD "    when: {metric: heap_used, above: 1TiB}\n");
	cr_assert_eq(alerts.memories_n, 0);
}

/* It waits as long as its past does: what was the maximum before still is. */
Test(alert_events, memories_wait_for_isolates_that_are_missing)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main"),
		       *worker = add_isolate(target, "worker:1");

	set_rules(HEAD "    when: {metric: heap_used, new_max: {}}\n");
	sample(worker, 5);
	tick(1000, main, 10);
	link_remove(&worker->link);
	list_append(&target->missing, &worker->link);
	tick(1015, main, 10);
	cr_assert_eq(alerts.memories_n, 2);
	link_remove(&worker->link);
	list_append(&target->isolates, &worker->link);
	set_time(1030);
	sample(worker, 6);
	tick(1030, main, 10);
	expect_events("F api/worker:1 ");
	link_remove(&worker->link);
	list_append(&target->missing, &worker->link);
	remove_isolate(worker);
	tick(1045, main, 10);
	cr_assert_eq(alerts.memories_n, 1);
}

/* ---- times that come ---- */

/* An evaluation at a monotonic time, and a wall clock that shows what it likes: did it fire? */
static bool fires_at(struct isolate *isolate, uint64_t seconds, int64_t wall_s)
{
	bool fired;

	clock_simulate(seconds * NS_PER_S, wall_s * 1000);
	loop.now_ns = seconds * NS_PER_S;
	sample(isolate, 1);
	alerts_evaluate(&alerts, 0);
	fired = strchr(events, 'F') != NULL;
	events[0] = '\0';
	return fired;
}

enum { WALL_S = 1700000000, YEAR_S = 31536000 }; /* 22:13:20 */

Test(alert_events, every_is_by_no_wall_clock)
{
	struct isolate *main = add_isolate(add_target("api"), "main");
	unsigned fired = 0;

	set_rules(HEAD "    when: {every: 1m}\n");
	for (uint64_t s = 1000; s <= 1600; s += 15)
		fired += fires_at(main, s, s % 2 == 0 ? WALL_S + YEAR_S : (int64_t)s);
	cr_expect_eq(fired, 10);
}

Test(alert_events, times_that_a_clock_jumps_over_have_not_come)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(HEAD "    when: {on_calendar: '*:*:30 UTC'}\n");
	cr_expect_not(fires_at(main, 1000, WALL_S));
	cr_expect(fires_at(main, 1010, WALL_S + 10));
	cr_expect_not(fires_at(main, 1011, WALL_S + 8), "put back by little");
	cr_expect_not(fires_at(main, 1013, WALL_S + 10), "it has come already");
	cr_expect(fires_at(main, 1073, WALL_S + 70));
	cr_expect_not(fires_at(main, 1083, WALL_S + 80 + YEAR_S));
	cr_expect(fires_at(main, 1133, WALL_S + 130 + YEAR_S));
	cr_expect_not(fires_at(main, 1143, WALL_S + 140 - YEAR_S));
	cr_expect(fires_at(main, 1193, WALL_S + 190 - YEAR_S));
}

/*
 * An hour of looks, 15 s apart, of a rule for each full and each half minute; at one of them the
 * clock is set by so much, for good. How often it fired, and when last, by the wall clock; never
 * twice within what lies between two times of the calendar.
 */
static unsigned fires_over(struct isolate *isolate, int64_t jump_ms, uint64_t at_s)
{
	static uint64_t mono_s = 100000;
	int64_t wall_ms = (int64_t)WALL_S * 1000, last_ms = 0;
	unsigned fired = 0;

	set_rules(HEAD "    when: {metric: heap_used, above: 1TiB}\n");
	set_rules(HEAD "    when: {on_calendar: '*:*:00,30 UTC'}\n");
	for (uint64_t s = 0; s <= 3600; s += 15, mono_s += 15, wall_ms += 15000) {
		if (s == at_s)
			wall_ms += jump_ms;
		clock_simulate(mono_s * NS_PER_S, wall_ms);
		loop.now_ns = mono_s * NS_PER_S;
		sample(isolate, 1);
		alerts_evaluate(&alerts, 0);
		if (strchr(events, 'F') != NULL) {
			cr_expect(last_ms == 0 || wall_ms / 30000 > last_ms / 30000,
				  "%+d ms at %d s: twice", (int)jump_ms, (int)at_s);
			last_ms = wall_ms;
			fired++;
		}
		events[0] = '\0';
	}
	cr_expect_geq(last_ms, wall_ms - 45000, "%+d ms at %d s: it has stopped", (int)jump_ms,
		      (int)at_s);
	return fired;
}

/*
 * A clock that is set by less than a minute, at any moment: each time of the calendar counts once,
 * those that were jumped over together as one, and none again that comes a second time.
 */
Test(alert_events, a_clock_that_is_set_by_little)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	cr_assert_eq(fires_over(main, 0, 0), 120);
	for (int64_t jump_ms = -59500; jump_ms <= 59500; jump_ms += 3500) {
		for (uint64_t at_s = 1800; at_s < 1860; at_s += 15) {
			unsigned fired = fires_over(main, jump_ms, at_s);

			/* Two half minutes at most lie within a jump. */
			cr_expect(fired >= 118 && fired <= 121, "%+d ms at %d s: %u", (int)jump_ms,
				  (int)at_s, fired);
		}
	}
}

/* One a day: it is there once, whatever the clock does around it. */
Test(alert_events, a_clock_that_is_set_by_little_around_the_time)
{
	static const int64_t jumps_ms[] = { -59000, -31000, -500, 500, 31000, 59000 };
	struct isolate *main = add_isolate(add_target("api"), "main");
	uint64_t mono_s = 100000;

	for (size_t i = 0; i < sizeof(jumps_ms) / sizeof(*jumps_ms); i++) {
		for (int at = -6; at <= 6; at++) {
			/* 22:13:20, and the time is 22:20:00. */
			int64_t wall_ms = (int64_t)WALL_S * 1000;
			unsigned fired = 0;

			set_rules(HEAD "    when: {metric: heap_used, above: 1TiB}\n");
			set_rules(HEAD "    when: {on_calendar: '22:20 UTC'}\n");
			for (int look = 0; look < 80; look++, mono_s += 15, wall_ms += 15000) {
				if (look == 27 + at)
					wall_ms += jumps_ms[i];
				fired += fires_at(main, mono_s, wall_ms / 1000);
			}
			cr_expect_eq(fired, 1, "%+d ms, %d looks from it: %u times",
				     (int)jumps_ms[i], at, fired);
		}
	}
}

/* `every` knows no wall clock, by little or by much. */
Test(alert_events, every_goes_on_while_the_clock_is_set_by_little)
{
	struct isolate *main = add_isolate(add_target("api"), "main");
	int64_t wall_s = WALL_S;
	unsigned fired = 0;

	set_rules(HEAD "    when: {every: 1m}\n");
	for (uint64_t s = 1000; s <= 4600; s += 15) {
		wall_s += 15 + (int64_t)(s % 7 * 19) - 57; /* by -57 to 57 s, each time */
		fired += fires_at(main, s, wall_s);
	}
	cr_expect_eq(fired, 60);
}
