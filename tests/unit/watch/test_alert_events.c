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
