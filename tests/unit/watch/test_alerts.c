/*
 * Alerts of many targets: who is judged by what, when a value counts, what the hooks are told, what
 * a reload keeps. Time is simulated; targets are made by hand.
 */

#include "alert_scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"

TestSuite(alerts, .init = set_up, .fini = tear_down);

Test(alerts, life_of_one)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");
	const struct alert *alert;

	set_rules(HEAD NEAR ", for: 30s}\n");
	tick(1000, main, 80);
	expect_state(ALERT_INACTIVE);
	tick(1015, main, 81);
	alert = only_alert();
	cr_assert_eq(alert->state, ALERT_PENDING);
	cr_assert_eq(alert->active_since_ns, 1015 * NS_PER_S);
	cr_assert_eq(alert->active_since_wall_ms, 1700001015000);
	cr_assert_eq(alert->target_id, target->id);
	cr_assert_str_eq(alert->target, "api");
	cr_assert_str_eq(alert->isolate, "main");
	cr_assert_eq(alert->rule, &alerts.rules->groups[0].rules[0]);
	tick(1030, main, 85);
	expect_state(ALERT_PENDING);
	expect_events("");
	tick(1045, main, 90);
	cr_assert_eq(alert->state, ALERT_FIRING);
	cr_assert_float_eq(alert->value, 0.9, 1e-9);
	cr_assert_eq(alert->firing_since_ns, 1045 * NS_PER_S);
	cr_assert_eq(alert->firing_since_wall_ms, 1700001045000);
	expect_events("F api/main ");
	tick(1060, main, 95);
	expect_events("");
	cr_assert_eq(alert->last_true_ns, 1060 * NS_PER_S);
	tick(1075, main, 10);
	expect_state(ALERT_INACTIVE);
	expect_events("R api/main ");
	tick(1090, main, 10);
	expect_events("");
	cr_assert_eq(alerts_evaluations(&alerts, 0, 0), 7);
}

Test(alerts, firing_asks_again_until_it_is_done)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	firing_is_done = false;
	set_rules(HEAD NEAR ", keep_firing_for: 1m}\n");
	tick(1000, main, 90);
	expect_events("F api/main ");
	cr_assert(only_alert()->asked);
	tick(1015, main, 90);
	expect_events("F api/main ");
	tick(1030, main, 10);
	expect_events(""); /* kept firing, but the condition does not hold now */
	firing_is_done = true;
	tick(1045, main, 90);
	expect_events("F api/main ");
	tick(1060, main, 90);
	expect_events("");
	alerts_ask_again(&alerts, only_alert()->target_id, "main", "of another rule", "", ~0u);
	tick(1075, main, 90);
	expect_events("");
	alerts_ask_again(&alerts, only_alert()->target_id, "main", only_alert()->rule->name, "",
			 ~0u);
	tick(1090, main, 90);
	expect_events("F api/main ");
}

/* A step that is only pending takes nothing away from the one that fires: its peak may end. */
Test(alerts, the_highest_step_that_fires_acts)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(HEAD "    when: {metric: heap_used, relative_to: heap_limit, steps: [50%, 80%], "
		       "for: 30s}\n");
	tick(1000, main, 60);
	tick(1015, main, 60);
	tick(1030, main, 90);
	expect_events("F api/main ");
	tick(1045, main, 60);
	tick(1060, main, 90);
	tick(1075, main, 90);
	expect_events("");
	tick(1090, main, 90);
	expect_events("F api/main ");
	/* Both at once: only the highest has anything to do. */
	tick(1105, main, 10);
	expect_events("R api/main R api/main ");
	tick(1120, main, 90);
	tick(1135, main, 90);
	tick(1150, main, 90);
	expect_events("F api/main ");
}

Test(alerts, pending_that_ends_tells_nobody)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(HEAD NEAR ", for: 30s}\n");
	tick(1000, main, 90);
	expect_state(ALERT_PENDING);
	tick(1015, main, 10);
	expect_state(ALERT_INACTIVE);
	expect_events("");
}

Test(alerts, keep_firing_for)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(HEAD NEAR ", keep_firing_for: 30s}\n");
	tick(1000, main, 90);
	tick(1015, main, 10);
	expect_state(ALERT_FIRING);
	/* The value is that of the last evaluation that held. */
	cr_assert_float_eq(only_alert()->value, 0.9, 1e-9);
	tick(1030, main, 85);
	tick(1045, main, 10);
	tick(1060, main, 10);
	expect_state(ALERT_FIRING);
	expect_events("F api/main ");
	tick(1075, main, 10);
	expect_state(ALERT_INACTIVE);
	expect_events("R api/main ");
}

/* Setting the wall clock, forth or back, neither fires nor resolves. */
Test(alerts, wall_clock_jumps)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(HEAD NEAR ", for: 30s, keep_firing_for: 30s}\n");
	tick(1000, main, 90);
	clock_simulate(1015 * NS_PER_S, 4000000000000);
	loop.now_ns = 1015 * NS_PER_S;
	sample(main, 90);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_PENDING);
	clock_simulate(1030 * NS_PER_S, 1000);
	loop.now_ns = 1030 * NS_PER_S;
	sample(main, 90);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
	cr_assert_eq(only_alert()->active_since_wall_ms, 1700001000000);
	cr_assert_eq(only_alert()->firing_since_wall_ms, 1000);
	clock_simulate(1045 * NS_PER_S, 9000000000000);
	loop.now_ns = 1045 * NS_PER_S;
	sample(main, 10);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
}

/* ---- labels and annotations ---- */

static void expect_label(const struct labels *labels, const char *name, const char *value)
{
	const char *got = labels_get(labels, name);

	cr_assert_not_null(got, "%s is absent", name);
	cr_assert_str_eq(got, value);
}

Test(alerts, labels_and_annotations)
{
	struct target *target = add_target("api");
	struct isolate *worker = add_isolate(target, "worker:3");
	const struct alert *alert;

	cr_assert_eq(labels_set(&target->spec.labels, "env", "prod"), 0);
	cr_assert_eq(labels_set(&target->spec.labels, "severity", "of the target"), 0);
	cr_assert_eq(labels_set(&target->spec.labels, "isolate", "of the target"), 0);
	set_rules(HEAD NEAR
		  "}\n"
		  "    labels: {severity: page, on: '{{ $labels.runtime }}/{{ $labels.env }}'}\n"
		  "    annotations: {summary: '{{ $labels.alertname }} {{ $labels.target }} "
		  "{{ $labels.isolate }} {{ $value | humanizePercentage }}"
		  "{{ $labels.nothing }}'}\n");
	tick(1000, worker, 90);
	alert = only_alert();
	cr_assert_eq(alert->labels.n, 6);
	expect_label(&alert->labels, "alertname", "A");
	expect_label(&alert->labels, "target", "api");
	expect_label(&alert->labels, "isolate", "worker:3");
	expect_label(&alert->labels, "env", "prod");
	expect_label(&alert->labels, "severity", "page");
	expect_label(&alert->labels, "on", "node/prod");
	expect_label(&alert->annotations, "summary", "A api worker:3 90%");
	tick(1015, worker, 95.5);
	expect_label(&alert->annotations, "summary", "A api worker:3 95.5%");
}

Test(alerts, texts_without_end)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");
	char value[16001];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	cr_assert_eq(labels_set(&target->spec.labels, "long", value), 0);
	set_rules(HEAD NEAR "}\n"
			    "    annotations: {one: '{{ $labels.long }}',\n"
			    "      two: '{{ $labels.long }}{{ $labels.long }}'}\n");
	tick(1000, main, 90);
	expect_label(&only_alert()->annotations, "one", value);
	expect_label(&only_alert()->annotations, "two", "(too long)");
}

Test(alerts, more_labels_than_there_may_be)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	for (int i = 0; i < LABELS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "l%d", i);
		cr_assert_eq(labels_set(&target->spec.labels, name, "v"), 0);
	}
	set_rules(HEAD NEAR "}\n    annotations: {s: '{{ $labels.target }}'}\n");
	tick(1000, main, 90);
	cr_assert_eq(only_alert()->labels.n, LABELS_MAX);
	expect_label(&only_alert()->labels, "alertname", "A");
	expect_label(&only_alert()->labels, "target", "api");
	expect_label(&only_alert()->labels, "isolate", "main");
	expect_label(&only_alert()->annotations, "s", "api");
}

/* ---- when a value counts ---- */

Test(alerts, stale_sample_is_no_value)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(HEAD NEAR "}\n");
	tick(1000, main, 90);
	set_time(1015);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
	loop.now_ns++;
	container_of(targets.list.next, struct target, link)->state = TARGET_BLOCKED;
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_INACTIVE);
	expect_events("F api/main R api/main ");
}

/* One late answer of a target that is polled every second is no reason to resolve. */
/* The machine was frozen: what is due at once afterwards comes in any order. */
Test(alerts, while_we_stood_still_nothing_has_ended)
{
	struct target *target = add_target("api");
	struct isolate *isolate = add_isolate(target, "main");

	set_rules(HEAD NEAR "}\n");
	target->up = true;
	target->last_poll_mono_ns = 1000 * NS_PER_S;
	tick(1000, isolate, 90);
	expect_events("F api/main ");
	set_time(5000);
	alerts_evaluate(&alerts, 0);
	target->polling = true;
	target->poll_started_ns = loop.now_ns;
	alerts_evaluate(&alerts, 0);
	set_time(5005);
	alerts_evaluate(&alerts, 0);
	expect_events("");
	/* The answer does not come. */
	set_time(5016);
	alerts_evaluate(&alerts, 0);
	expect_events("R api/main ");
}

Test(alerts, what_has_changed_while_we_stood_still_is_seen_with_the_next_poll)
{
	struct target *target = add_target("api");
	struct isolate *isolate = add_isolate(target, "main");

	set_rules(HEAD NEAR "}\n");
	target->up = true;
	target->last_poll_mono_ns = 1000 * NS_PER_S;
	tick(1000, isolate, 90);
	expect_events("F api/main ");
	set_time(5000);
	alerts_evaluate(&alerts, 0);
	expect_events("");
	target->last_poll_mono_ns = 5001 * NS_PER_S;
	tick(5001, isolate, 10);
	expect_events("R api/main ");
}

Test(alerts, not_stale_for_fifteen_seconds_when_polls_are_frequent)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	target->spec.poll.interval_ns = NS_PER_S;
	target->state = TARGET_BLOCKED;
	set_rules(HEAD NEAR "}\n");
	tick(1000, main, 90);
	set_time(1015);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
	set_time(1016);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_INACTIVE);
}

Test(alerts, stale_after_three_polls_when_they_are_rare)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	target->spec.poll.interval_ns = 60 * NS_PER_S;
	set_rules(HEAD NEAR "}\n");
	tick(1000, main, 90);
	set_time(1180);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
	loop.now_ns++;
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_INACTIVE);
}

Test(alerts, what_the_runtime_does_not_give_does_not_hold)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(HEAD NEAR "}\n");
	tick(1000, main, 90);
	expect_state(ALERT_FIRING);
	main->last.present &= ~(1u << SAMPLE_HEAP_LIMIT);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_INACTIVE);
	tick(1015, main, 90);
	expect_state(ALERT_FIRING);
	main->last.value[SAMPLE_HEAP_LIMIT] = 0;
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_INACTIVE);
	tick(1030, main, 90);
	main->last.present &= ~(1u << SAMPLE_HEAP_USED);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_INACTIVE);
}

Test(alerts, below)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(HEAD "    when: {metric: heap_used, below: 20MiB}\n");
	tick(1000, main, 20);
	expect_state(ALERT_INACTIVE);
	tick(1015, main, 19);
	expect_state(ALERT_FIRING);
	cr_assert_float_eq(only_alert()->value, 19 * MIB, 1);
}

/* Told at each evaluation that sees the value beyond rearm_below, with and without an alert. */
Test(alerts, rearm)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	set_rules(HEAD NEAR "}\n    guards: {rearm_below: 70%}\n");
	tick(1000, main, 75);
	expect_events("");
	tick(1015, main, 70);
	expect_events("");
	tick(1030, main, 69);
	expect_events("A api/main ");
	tick(1045, main, 90);
	expect_events("F api/main ");
	tick(1060, main, 75);
	expect_events("R api/main ");
	tick(1075, main, 10);
	expect_events("A api/main ");
	/* What is not known, is stale, or is being captured is not on the good side. */
	main->last.present &= ~(1u << SAMPLE_HEAP_USED);
	alerts_evaluate(&alerts, 0);
	sample(main, 10);
	main->last.value[SAMPLE_HEAP_LIMIT] = 0;
	alerts_evaluate(&alerts, 0);
	sample(main, 10);
	target->capturing = true;
	alerts_evaluate(&alerts, 0);
	target->capturing = false;
	set_time(2000);
	alerts_evaluate(&alerts, 0);
	expect_events("");
}

/* The shipped ladder: each step by itself, and no other series before it was below 55 %. */
Test(alerts, rearm_of_the_preset_ladder)
{
	static const char rule[] = "\ngroups:\n- name: g\n  rules:\n  - {alert: Ladder, extends: "
				   "HeapLadder}\n";
	struct isolate *main = add_isolate(add_target("api"), "main");
	char *presets, text[32 << 10];
	size_t size;

	cr_assert_eq(file_read(PRESETS, sizeof(text) / 2, &presets, &size), 0);
	snprintf(text, sizeof(text), "%s%s", presets, rule);
	free(presets);
	set_rules(text);
	tick(1000, main, 60);
	tick(1030, main, 61);
	tick(1059, main, 61);
	expect_events("");
	tick(1060, main, 76);
	expect_events("F api/main ");
	tick(1090, main, 91);
	tick(1120, main, 91);
	expect_events("F api/main F api/main ");
	tick(1135, main, 58);
	tick(1150, main, 55);
	expect_events("R api/main R api/main R api/main ");
	tick(1165, main, 54);
	expect_events("A api/main ");
}

Test(alerts, rearm_of_rules_with_below)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(HEAD "    when: {metric: heap_used, below: 20MiB}\n"
		       "    guards: {rearm_above: 30MiB}\n");
	tick(1000, main, 25);
	tick(1015, main, 30);
	expect_events("");
	tick(1030, main, 31);
	expect_events("A api/main ");
}

/* ---- captures ---- */

Test(alerts, capture_changes_nothing)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	set_rules(HEAD NEAR ", for: 30s}\n");
	tick(1000, main, 90);
	target->capturing = true;
	target->state = TARGET_CAPTURING;
	target->state_since_ns = loop.now_ns;
	for (uint64_t seconds = 1015; seconds <= 1300; seconds += 15) {
		set_time(seconds);
		alerts_evaluate(&alerts, 0);
		expect_state(ALERT_PENDING);
	}
	expect_events("");
	target->capturing = false;
	target->state = TARGET_UP;
	target->state_since_ns = loop.now_ns;
	/* Not polled since: still no reason to change. */
	set_time(1305);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_PENDING);
	tick(1310, main, 90);
	expect_state(ALERT_FIRING);
	expect_events("F api/main ");
}

Test(alerts, capture_while_firing)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	set_rules(HEAD NEAR "}\n");
	tick(1000, main, 90);
	target->capturing = true;
	set_time(1200);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
	target->capturing = false;
	target->state_since_ns = loop.now_ns;
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
	tick(1201, main, 10);
	expect_state(ALERT_INACTIVE);
	expect_events("F api/main R api/main ");
}

/* The state alone says it too. */
Test(alerts, capture_by_state)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	set_rules(HEAD NEAR "}\n");
	tick(1000, main, 90);
	target->state = TARGET_CAPTURING;
	set_time(1200);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
}

/* After a capture no sample comes any more: the wait for it ends. */
Test(alerts, capture_that_leaves_silence)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	set_rules(HEAD NEAR "}\n");
	tick(1000, main, 90);
	target->state_since_ns = 1100 * NS_PER_S;
	set_time(1115);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
	set_time(1116);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_INACTIVE);
}

/* Nothing new begins on what is not known. */
Test(alerts, capture_starts_no_alert)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	set_rules(HEAD NEAR "}\n");
	target->capturing = true;
	tick(1000, main, 90);
	expect_state(ALERT_INACTIVE);
}

/* ---- who is judged ---- */

Test(alerts, each_isolate_by_itself)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");
	struct isolate *worker = add_isolate(target, "worker:1");

	set_rules(HEAD NEAR "}\n");
	sample(worker, 90);
	tick(1000, main, 10);
	cr_assert_str_eq(only_alert()->isolate, "worker:1");
	tick(1001, main, 90);
	cr_assert_eq(alerts.count, 2);
	/* The worker ends: so does its alert. */
	remove_isolate(worker);
	tick(1002, main, 90);
	cr_assert_str_eq(only_alert()->isolate, "main");
	expect_events("F api/worker:1 F api/main R api/worker:1 ");
}

Test(alerts, isolate_that_ends_is_kept_firing)
{
	struct target *target = add_target("api");
	struct isolate *worker = add_isolate(target, "worker:1");

	set_rules(HEAD NEAR ", keep_firing_for: 30s}\n");
	tick(1000, worker, 90);
	remove_isolate(worker);
	set_time(1015);
	alerts_evaluate(&alerts, 0);
	set_time(1044);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_FIRING);
	set_time(1045);
	alerts_evaluate(&alerts, 0);
	expect_state(ALERT_INACTIVE);
	expect_events("F api/worker:1 R api/worker:1 ");
}

Test(alerts, values_of_the_process_on_main_only)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	sample(add_isolate(target, "worker:1"), 10);
	target->process = (struct process_stats){
		.present = true,
		.cgroup.has_usage = true,
		.cgroup.has_limit = true,
		.cgroup.usage_bytes = 95,
		.cgroup.limit_bytes = 100,
	};
	set_rules(HEAD "    when: {metric: cgroup_memory_usage, relative_to: cgroup_memory_limit,"
		       " above: 90%}\n");
	tick(1000, main, 10);
	cr_assert_str_eq(only_alert()->isolate, "main");
	target->process.cgroup.has_limit = false;
	tick(1015, main, 10);
	expect_state(ALERT_INACTIVE);
}

/* The limit may be the process's when the metric is the isolate's. */
Test(alerts, isolate_relative_to_process)
{
	struct target *target = add_target("api");
	struct isolate *worker = add_isolate(target, "worker:1");

	target->process = (struct process_stats){
		.present = true,
		.cgroup.has_limit = true,
		.cgroup.limit_bytes = (uint64_t)(50 * MIB),
	};
	set_rules(HEAD "    when: {metric: heap_used, relative_to: cgroup_memory_limit,"
		       " above: 50%}\n");
	tick(1000, worker, 30);
	cr_assert_str_eq(only_alert()->isolate, "worker:1");
	cr_assert_float_eq(only_alert()->value, 0.6, 1e-9);
}

Test(alerts, targets_that_match)
{
	static const char *const names[] = { "api-1", "api-2", "web-1" };
	struct target *made[3];

	for (size_t i = 0; i < 3; i++) {
		made[i] = add_target(names[i]);
		sample(add_isolate(made[i], "main"), 90);
	}
	cr_assert_eq(labels_set(&made[1]->spec.labels, "env", "dev"), 0);
	set_rules(HEAD "    match: '{runtime=\"node\",name=~\"api-.*\",env!=\"dev\"}'\n" NEAR
		       "}\n");
	alerts_evaluate(&alerts, 0);
	expect_events("F api-1/main ");
	/* A change of labels counts from the next evaluation. */
	cr_assert_eq(labels_set(&made[0]->spec.labels, "env", "dev"), 0);
	cr_assert_eq(labels_set(&made[1]->spec.labels, "env", "prod"), 0);
	alerts_evaluate(&alerts, 0);
	expect_events("F api-2/main R api-1/main ");
}

Test(alerts, groups_do_not_disturb_each_other)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules("groups:\n"
		  "- name: g\n  rules:\n  - alert: A\n" NEAR "}\n"
		  "- name: h\n  rules:\n"
		  "  - alert: B\n    when: {metric: heap_used, above: 1TiB}\n"
		  "  - alert: A\n    when: {metric: heap_used, above: 1MiB}\n");
	sample(main, 90);
	alerts_evaluate(&alerts, 0);
	alerts_evaluate(&alerts, 1);
	alerts_evaluate(&alerts, 1);
	cr_assert_eq(alerts.count, 2);
	expect_events("F api/main F api/main ");
	cr_assert_eq(alerts_evaluations(&alerts, 0, 0), 1);
	cr_assert_eq(alerts_evaluations(&alerts, 1, 0), 2);
	cr_assert_eq(alerts_evaluations(&alerts, 1, 1), 2);
	tick(1015, main, 10);
	cr_assert_eq(alerts.count, 1);
	cr_assert_eq(only_alert()->group, &alerts.rules->groups[1]);
}

Test(alerts, target_that_goes_away)
{
	struct target *firing = add_target("api"), *other = add_target("web");
	struct isolate *main = add_isolate(firing, "main");

	sample(add_isolate(other, "main"), 90);
	set_rules("groups:\n- name: g\n  rules:\n"
		  "  - alert: A\n" NEAR "}\n"
		  "  - alert: B\n" NEAR ", for: 1h}\n");
	tick(1000, main, 90);
	cr_assert_eq(alerts.count, 4);
	expect_events("F api/main F web/main ");
	alerts_forget_target(&alerts, firing->id);
	cr_assert_eq(alerts.count, 2);
	expect_events("R api/main ");
	remove_target(firing);
	alerts_evaluate(&alerts, 0);
	expect_events("");
}

/* ---- limits ---- */

static unsigned errors_logged;

static void count_errors(const struct log_record *record)
{
	errors_logged += record->level == LEVEL_ERROR;
}

Test(alerts, not_more_than_there_may_be)
{
	struct isolate *mains[4];

	for (size_t i = 0; i < 4; i++) {
		char name[8] = { (char)('a' + i) };

		mains[i] = add_isolate(add_target(name), "main");
		sample(mains[i], 90);
	}
	set_rules(HEAD NEAR "}\n");
	alerts.count_max = 2;
	log_set_sink(count_errors);
	alerts_evaluate(&alerts, 0);
	alerts_evaluate(&alerts, 0);
	log_set_sink(NULL);
	cr_assert_eq(alerts.count, 2);
	cr_assert_eq(alerts.dropped, 4);
	cr_assert_eq(errors_logged, 1);
	expect_events("F a/main F b/main ");
	/* Room again, at once. */
	sample(mains[0], 10);
	alerts_evaluate(&alerts, 0);
	expect_events("R a/main F c/main ");
}

/* ---- reload ---- */

static const char one_rule[] = HEAD NEAR "}\n    annotations: {s: one}\n";

Test(alerts, reload_of_the_same_rules)
{
	struct isolate *main = add_isolate(add_target("api"), "main");
	const struct alert *alert;

	set_rules(one_rule);
	tick(1000, main, 90);
	alert = only_alert();
	expect_events("F api/main ");
	set_rules("groups:\n"
		  "- name: f\n  rules:\n  - alert: A\n    when: {metric: heap_used, above: 1TiB}\n"
		  "- name: g\n  interval: 1m\n  rules:\n"
		  "  - alert: B\n    when: {metric: heap_used, above: 1TiB}\n"
		  "  - alert: A\n" NEAR "}\n    annotations: {s: two}\n");
	cr_assert_eq(only_alert(), alert);
	cr_assert_eq(alert->rule, &alerts.rules->groups[1].rules[1]);
	cr_assert_eq(alert->firing_since_ns, 1000 * NS_PER_S);
	cr_assert_eq(alerts_evaluations(&alerts, 1, 1), 1);
	cr_assert_eq(alerts_evaluations(&alerts, 1, 0), 0);
	cr_assert_eq(alerts_evaluations(&alerts, 0, 0), 0);
	set_time(1005);
	alerts_evaluate(&alerts, 1);
	cr_assert_eq(only_alert(), alert);
	expect_label(&alert->annotations, "s", "two");
	expect_events("");
}

static void expect_end_by(const char *rules)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	set_rules(one_rule);
	tick(1000, main, 90);
	expect_events("F api/main ");
	set_rules(rules);
	cr_expect_eq(alerts.count, 0, "%s", rules);
	cr_expect_str_eq(events, "R api/main ");
	events[0] = '\0';
	remove_target(target);
}

Test(alerts, reload_of_other_rules)
{
	expect_end_by("groups: []\n");
	expect_end_by(HEAD "    when: {metric: heap_used, relative_to: heap_limit, above: 70%}\n");
	expect_end_by(HEAD "    when: {metric: heap_used, relative_to: heap_limit, below: 80%}\n");
	expect_end_by(HEAD "    when: {metric: heap_used, above: 1MiB}\n");
	expect_end_by(HEAD "    when: {metric: heap_size, relative_to: heap_limit, above: 80%}\n");
	expect_end_by(HEAD "    match: '{name=\"api\"}'\n" NEAR "}\n");
	expect_end_by(HEAD NEAR "}\n    labels: {severity: page}\n");
	expect_end_by("groups:\n- name: g\n  rules:\n  - alert: B\n" NEAR "}\n");
	expect_end_by("groups:\n- name: h\n  rules:\n  - alert: A\n" NEAR "}\n");
}

Test(alerts, reload_with_a_longer_wait)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(one_rule);
	tick(1000, main, 90);
	tick(1010, main, 90);
	set_rules(HEAD NEAR ", for: 20s}\n");
	expect_state(ALERT_FIRING);
	tick(1015, main, 90);
	expect_state(ALERT_PENDING);
	tick(1020, main, 90);
	expect_state(ALERT_FIRING);
	expect_events("F api/main F api/main ");
}

/* A rule that went and came again is a new one: no alert of the old is mistaken for its own. */
Test(alerts, rule_that_comes_again)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(one_rule);
	tick(1000, main, 90);
	set_rules("groups: []\n");
	set_rules(one_rule);
	cr_assert_eq(alerts.count, 0);
	cr_assert_eq(alerts_evaluations(&alerts, 0, 0), 0);
	tick(1001, main, 90);
	expect_events("F api/main R api/main F api/main ");
}

Test(alerts, names_of_states)
{
	cr_assert_str_eq(alert_state_name(ALERT_INACTIVE), "inactive");
	cr_assert_str_eq(alert_state_name(ALERT_PENDING), "pending");
	cr_assert_str_eq(alert_state_name(ALERT_FIRING), "firing");
}
