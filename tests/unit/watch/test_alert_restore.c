/* Alerts over a restart: steps, events and groups of conditions go on where they were. */

#include "watch/alert_restore.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "alert_scene.h"
#include "util/clock.h"
#include "util/err.h"
#include "watch/target.h"

TestSuite(alert_restore, .init = set_up, .fini = tear_down);

#define STEPS                                                                                      \
	HEAD "    when: {metric: heap_used, relative_to: heap_limit, steps: [50%, 80%], "          \
	     "for: 30s}\n"
#define EVENT_OR                                                                                   \
	HEAD "    when: {any_of: [{metric: heap_used, above: 50000000}, {on: [restart]}], "        \
	     "keep_firing_for: 1m}\n"

/* What is written then is what another daemon begins with. */
static void restart(uint64_t seconds, const char *rules, uint32_t expected)
{
	const struct alerts before = alerts;
	struct err err = { 0 };
	char *text;
	size_t size;
	uint32_t n;

	cr_assert_eq(alerts_text(&alerts, &text, &size), 0);
	alerts_fini(&alerts);
	set_time(seconds);
	cr_assert_eq(alerts_init(&alerts, &loop, &targets), 0);
	alerts.on_firing = before.on_firing;
	alerts.on_resolved = before.on_resolved;
	alerts.on_rearmed = before.on_rearmed;
	alerts.owner = before.owner;
	set_rules(rules);
	cr_assert_eq(alerts_restore(&alerts, text, size, &n, &err), 0, "%s", err.text);
	cr_assert_eq(n, expected);
	free(text);
}

static const struct alert *of_step(uint64_t step)
{
	list_each (at, &alerts.list) {
		const struct alert *alert = container_of(at, struct alert, link);

		if (alert->step == step)
			return alert;
	}
	return NULL;
}

/* As in Prometheus, the time in which nobody looked counts for nothing. */
Test(alert_restore, each_step_goes_on_by_itself)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(STEPS);
	tick(1000, main, 60);
	tick(1030, main, 90);
	expect_events("F api/main ");
	tick(1045, main, 90);
	restart(1100, STEPS, 2);
	cr_assert_eq(of_step(0)->state, ALERT_FIRING);
	cr_assert(of_step(0)->acted);
	cr_assert_eq(of_step(1)->state, ALERT_PENDING);
	cr_assert_eq(of_step(1)->active_since_ns, 1085 * NS_PER_S);
	tick(1110, main, 90);
	expect_events("");
	tick(1115, main, 90);
	expect_events("F api/main ");
	restart(1200, STEPS, 2);
	tick(1205, main, 60);
	expect_events("R api/main ");
	cr_assert_null(of_step(1));
	cr_assert_eq(of_step(0)->state, ALERT_FIRING);
}

/* With other steps it is another condition, and what fired for the old one ends. */
Test(alert_restore, steps_that_are_others_end)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(STEPS);
	tick(1000, main, 90);
	tick(1030, main, 90);
	expect_events("F api/main ");
	restart(1040,
		HEAD "    when: {metric: heap_used, relative_to: heap_limit, steps: [50%, 85%], "
		     "for: 30s}\n",
		0);
	expect_events("R api/main R api/main ");
	cr_assert_eq(alerts.count, 0);
}

/* The event is over and does not come again: what is left is the time it is kept firing for. */
Test(alert_restore, what_an_event_raised_is_kept_for_as_long_as_before)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");
	int term;

	set_rules(EVENT_OR);
	tick(1000, main, 10);
	target->restarts++;
	tick(1015, main, 10);
	expect_events("F api/main ");
	term = only_alert()->term;
	tick(1030, main, 10);
	tick(1045, main, 10);
	restart(1100, EVENT_OR, 1);
	cr_assert_eq(only_alert()->term, term, "which of the two held");
	cr_assert_eq(only_alert()->keep_since_ns, 1085 * NS_PER_S);
	tick(1144, main, 10);
	expect_events("");
	cr_assert_eq(only_alert()->state, ALERT_FIRING);
	tick(1146, main, 10);
	expect_events("R api/main ");
	cr_assert_eq(alerts.count, 0);
}

/* The counts of events begin anew with the daemon: what came before it is no event. */
Test(alert_restore, an_event_is_not_seen_twice)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	set_rules(EVENT_OR);
	tick(1000, main, 10);
	target->restarts++;
	tick(1015, main, 60);
	expect_events("F api/main ");
	restart(1040, EVENT_OR, 1);
	tick(1045, main, 60);
	tick(1060, main, 10);
	tick(1119, main, 10);
	expect_events("");
	tick(1121, main, 10);
	expect_events("R api/main ");
}

/* ---- what is judged by a past ---- */

#define HOUR      3600
#define LEAK(how) HEAD "    when: {leak: {" how "}}\n"

/* An isolate with windows of three hours and of a day, and nothing in them. */
static struct isolate *add_watched(struct target *target)
{
	const uint64_t windows_ns[WINDOWS] = { 3 * HOUR * NS_PER_S, 24 * HOUR * NS_PER_S };
	struct isolate *isolate = add_isolate(target, "main");

	cr_assert_eq(series_init(&isolate->series, SERIES_POINTS, windows_ns), 0);
	return isolate;
}

static void drop_watched(struct isolate *isolate)
{
	series_fini(&isolate->series);
	remove_isolate(isolate);
}

/* Its heap is found to grow, by 60 MiB on a level of 1000, or (against) not to. */
static void find_trend(struct isolate *isolate, enum series_window window, unsigned against)
{
	isolate->leak.trends[window][SIGNAL_LIVE] = (struct trend){
		.points = TREND_POINTS_MIN,
		.slope = 60 * MIB / (3 * HOUR),
		.z = 9,
		.level = 1000 * MIB,
		.growth = 60 * MIB,
		.against = against,
		.others = 1,
		.confidence = 0.9,
	};
}

/* What the daemon has not seen itself it does not know. */
static void forget_past(struct isolate *isolate)
{
	isolate->leak = (struct leak){ 0 };
}

static struct isolate *fire_leak(const char *rules, enum series_window window)
{
	struct target *target = add_target("api");
	struct isolate *main = add_watched(target);

	target->identity.pid = 4711;
	target->identity.start_ticks = 99;
	find_trend(main, window, 0);
	set_rules(rules);
	tick(1000, main, 60);
	expect_events("F api/main ");
	forget_past(main);
	return main;
}

/* The window is judged long before it is full: by an hour too little may have grown to matter. */
Test(alert_restore, a_leak_goes_on_until_its_window_is_full)
{
	struct isolate *main = fire_leak(LEAK(""), WINDOW_FAST);
	int64_t since = only_alert()->firing_since_wall_ms;

	restart(1100, LEAK(""), 1);
	tick(1110, main, 60);
	tick(1110 + HOUR, main, 60);
	find_trend(main, WINDOW_FAST, TREND_FLAT);
	tick(1109 + 3 * HOUR, main, 60);
	expect_events("");
	cr_expect_eq(only_alert()->firing_since_wall_ms, since);
	cr_expect_eq(only_alert()->value, 60 * MIB / (3 * HOUR));
	tick(1110 + 3 * HOUR, main, 60);
	expect_events("R api/main ");
	drop_watched(main);
}

Test(alert_restore, a_leak_of_the_slow_window_goes_on_until_that_is_full)
{
	struct isolate *main = fire_leak(LEAK(""), WINDOW_SLOW);

	restart(1100, LEAK(""), 1);
	tick(1110, main, 60);
	tick(1109 + 24 * HOUR, main, 60);
	expect_events("");
	tick(1110 + 24 * HOUR, main, 60);
	expect_events("R api/main ");
	drop_watched(main);
}

/* Once it was found in this life, it ends as any other. */
Test(alert_restore, a_leak_that_is_found_again_is_judged_as_any)
{
	struct isolate *main = fire_leak(LEAK("window: fast"), WINDOW_FAST);

	restart(1100, LEAK("window: fast"), 1);
	tick(1110, main, 60);
	find_trend(main, WINDOW_FAST, 0);
	tick(1110 + HOUR, main, 60);
	expect_events("");
	find_trend(main, WINDOW_FAST, TREND_FLAT);
	tick(1125 + HOUR, main, 60);
	expect_events("R api/main ");
	drop_watched(main);
}

/* Each restart of the daemon takes the past away anew. */
Test(alert_restore, a_leak_goes_on_over_two_restarts)
{
	struct isolate *main = fire_leak(LEAK(""), WINDOW_FAST);

	restart(1100, LEAK(""), 1);
	tick(1110, main, 60);
	tick(1110 + 2 * HOUR, main, 60);
	restart(1115 + 2 * HOUR, LEAK(""), 1);
	tick(1120 + 2 * HOUR, main, 60);
	tick(1119 + 5 * HOUR, main, 60);
	expect_events("");
	tick(1120 + 5 * HOUR, main, 60);
	expect_events("R api/main ");
	drop_watched(main);
}

Test(alert_restore, a_leak_ends_with_its_program)
{
	struct isolate *main = fire_leak(LEAK(""), WINDOW_FAST);
	struct target *target = container_of(targets.list.next, struct target, link);

	target->identity.start_ticks = 100;
	restart(1100, LEAK(""), 1);
	tick(1110, main, 60);
	expect_events("R api/main ");
	drop_watched(main);
}

Test(alert_restore, a_leak_ends_with_its_program_later_too)
{
	struct isolate *main = fire_leak(LEAK(""), WINDOW_FAST);
	struct target *target = container_of(targets.list.next, struct target, link);

	restart(1100, LEAK(""), 1);
	tick(1110, main, 60);
	expect_events("");
	target->identity.pid = 4712;
	tick(1125, main, 60);
	expect_events("R api/main ");
	drop_watched(main);
}

/* What is known for sure decides. */
Test(alert_restore, a_leak_and_a_level_ends_with_the_level)
{
	static const char rules[] = HEAD "    when: {all_of: [{leak: {}}, {metric: heap_used, "
					 "above: 50MiB}]}\n";
	struct isolate *main = fire_leak(rules, WINDOW_FAST);

	restart(1100, rules, 1);
	tick(1110, main, 60);
	expect_events("");
	tick(1125, main, 40);
	expect_events("R api/main ");
	drop_watched(main);
}

/* What was only kept firing was judged already. */
Test(alert_restore, a_leak_that_was_over_is_kept_for_as_long_as_before)
{
	static const char rules[] = HEAD "    when: {leak: {}, keep_firing_for: 1m}\n";
	struct isolate *main = fire_leak(rules, WINDOW_FAST);

	find_trend(main, WINDOW_FAST, TREND_FLAT);
	tick(1015, main, 60);
	cr_assert(only_alert()->keeping);
	forget_past(main);
	restart(1020, rules, 1);
	tick(1079, main, 60);
	expect_events("");
	tick(1081, main, 60);
	expect_events("R api/main ");
	drop_watched(main);
}

/* Whoever was told of the verdict is not told anew. */
Test(alert_restore, a_verdict_is_kept_whole)
{
	const struct alert_verdict verdict = { "+5 Session", "app > cache", "+3 Ticket (1 MiB)" };
	struct isolate *main = fire_leak(LEAK(""), WINDOW_FAST);
	struct alert *alert = container_of(alerts.list.next, struct alert, link);

	strcpy(alert->series, "0123");
	alerts_tell_verdict(&alerts, "0123", &verdict);
	alert->told = true;
	restart(1100, LEAK(""), 1);
	tick(1110, main, 60);
	cr_assert(alert_has_verdict(only_alert(), &verdict));
	cr_expect_str_eq(labels_get(&only_alert()->annotations, "verdict_path"), "app > cache");
	alerts_tell_verdict(&alerts, "0123", &verdict);
	cr_expect(only_alert()->told);
	drop_watched(main);
}

Test(alert_restore, a_limit_that_is_near_stays_so_until_it_is_known)
{
	static const char rules[] = HEAD "    when: {eta_below: 4h}\n";
	struct isolate *main = add_watched(add_target("api"));

	for (uint64_t s = 0; s < 600; s += 60)
		series_add(&main->series,
			   &(struct reading){ .point = { .mono_ns = (400 + s) * NS_PER_S,
							 .heap_used = 60 << 20 } });
	find_trend(main, WINDOW_FAST, 0);
	set_rules(rules);
	tick(1000, main, 60);
	expect_events("F api/main ");
	forget_past(main);
	restart(1100, rules, 1);
	tick(1110, main, 60);
	tick(1109 + 3 * HOUR, main, 60);
	expect_events("");
	find_trend(main, WINDOW_FAST, TREND_FLAT);
	tick(1110 + 3 * HOUR, main, 60);
	expect_events("R api/main ");
	drop_watched(main);
}

Test(alert_restore, growth_stays_until_there_is_a_mean)
{
	static const char rules[] =
		HEAD "    when: {metric: heap_used, growth: 50%, mean_over: 100s}\n";
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(rules);
	for (uint64_t s = 0; s <= 60; s += 10)
		tick(1000 + s, main, 20);
	tick(1070, main, 60);
	expect_events("F api/main ");
	restart(1080, rules, 1);
	for (uint64_t s = 0; s < 50; s += 10)
		tick(1090 + s, main, 60);
	expect_events("");
	expect_state(ALERT_FIRING);
	tick(1140, main, 60);
	expect_events("R api/main ");
}
