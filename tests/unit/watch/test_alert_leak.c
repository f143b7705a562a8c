/*
 * What an alert for a leak says: the cause, the slope and the confidence of the trend by which its
 * rule holds, whatever the default limits make of the rest.
 */

#include "alert_scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "watch/alert_restore.h"
#include "watch/target.h"

TestSuite(alert_leak, .init = set_up, .fini = tear_down);

#define RULE(when)                                                                                 \
	HEAD "    when: {" when ", keep_firing_for: 1h}\n"                                         \
	     "    labels: {what: \"{{ $labels.cause }}\"}\n"                                       \
	     "    annotations: {summary: \"{{ $labels.cause }} {{ $labels.slope }} "               \
	     "{{ $labels.verdict }}\"}\n"

/* Grows by so many MiB in three hours, on a level of a thousand. */
static void grow(struct isolate *isolate, enum series_signal signal, double mib)
{
	struct trend *trend = &isolate->leak.trends[WINDOW_FAST][signal];
	double needed = LEAK_GROWTH_SHARE * 1000 * MIB;

	*trend = (struct trend){
		.points = FAST_BUCKETS,
		.slope = mib * MIB / (3 * 3600),
		.z = 9,
		.level = 1000 * MIB,
		.growth = mib * MIB,
		.others = 1,
	};
	trend->against = trend->growth >= needed ? 0 : TREND_SMALL;
	trend->confidence = trend_confidence(trend, needed);
}

/* Heap by 60 MiB, which is what the default limits find, buffers by 30 and native by 300. */
static struct isolate *add_leaky(void)
{
	struct isolate *isolate = add_isolate(add_target("api"), "main");

	grow(isolate, SIGNAL_LIVE, 60);
	grow(isolate, SIGNAL_EXTERNAL, 30);
	grow(isolate, SIGNAL_NATIVE, 300);
	isolate->leak.cause = LEAK_HEAP;
	return isolate;
}

static const struct alert_verdict session = {
	.text = "+5 Session",
	.path = "app > cache",
	.more = "+3 Ticket (1.0 MiB)",
};

static void expect_note(const char *name, const char *expected)
{
	const char *text = labels_get(&only_alert()->annotations, name);

	cr_expect_str_eq(text ? text : "(none)", expected, "%s is %s instead of %s", name, text,
			 expected);
}

static void expect_leak(const char *cause, const char *slope, const char *confidence)
{
	char summary[64];

	expect_note("cause", cause);
	expect_note("slope", slope);
	expect_note("confidence", confidence);
	snprintf(summary, sizeof(summary), "%s %s ", cause, slope);
	expect_note("summary", summary);
	cr_expect_str_eq(labels_get(&only_alert()->labels, "what"), cause);
}

static void expect_says(const char *rule, const char *cause, const char *slope,
			const char *confidence)
{
	struct isolate *isolate = add_leaky();

	set_rules(rule);
	tick(1015, isolate, 50);
	expect_state(ALERT_FIRING);
	expect_leak(cause, slope, confidence);
}

Test(alert_leak, of_any_cause_the_first)
{
	expect_says(RULE("leak: {}"), "heap", "20 MiB/h", "0.92");
}

Test(alert_leak, of_one_cause_that_one)
{
	expect_says(RULE("leak: {cause: native}"), "native", "100 MiB/h", "1.00");
}

Test(alert_leak, by_a_higher_limit_what_reaches_it)
{
	expect_says(RULE("leak: {min_growth: 20%}"), "native", "100 MiB/h", "0.95");
}

/* By the default limits the buffers do not grow at all. */
Test(alert_leak, by_a_lower_limit_what_reaches_it)
{
	expect_says(RULE("leak: {cause: buffers, min_growth: 3%}"), "buffers", "10 MiB/h", "0.89");
}

Test(alert_leak, of_several_the_one_in_what_holds)
{
	expect_says(RULE("any_of: [{all_of: [{leak: {cause: heap}}, {metric: heap_used, above: "
			 "100MiB}]}, {all_of: [{metric: heap_used, above: 10MiB}, {leak: {cause: "
			 "native}}]}]"),
		    "native", "100 MiB/h", "1.00");
}

/* It did not fire for a leak: what is known of one all the same. */
Test(alert_leak, of_none_that_holds_what_is_known)
{
	expect_says(RULE("any_of: [{leak: {cause: buffers}}, {metric: heap_used, above: 10MiB}]"),
		    "heap", "20 MiB/h", "0.92");
}

Test(alert_leak, a_verdict_changes_nothing_else)
{
	struct isolate *isolate = add_leaky();
	struct alert *alert;

	set_rules(RULE("leak: {cause: native}"));
	tick(1015, isolate, 50);
	alert = container_of(alerts.list.next, struct alert, link);
	strcpy(alert->series, "0123");
	grow(isolate, SIGNAL_NATIVE, 0);
	tick(1030, isolate, 50);
	cr_expect(only_alert()->keeping);
	alerts_tell_verdict(&alerts, "0123", &session);
	expect_note("cause", "native");
	expect_note("slope", "100 MiB/h");
	expect_note("verdict", "+5 Session");
	expect_note("verdict_path", "app > cache");
	expect_note("verdict_more", "+3 Ticket (1.0 MiB)");
	expect_note("summary", "native 100 MiB/h +5 Session");
}

/* Nothing is judged after a restart: it goes on to say what it said. */
Test(alert_leak, a_verdict_after_a_restart_changes_nothing_else)
{
	struct isolate *isolate = add_leaky();
	struct err err = { 0 };
	char *text;
	size_t size;
	uint32_t n;

	set_rules(RULE("leak: {cause: native}"));
	tick(1015, isolate, 50);
	strcpy(container_of(alerts.list.next, struct alert, link)->series, "0123");
	cr_assert_eq(alerts_text(&alerts, &text, &size), 0);
	alerts_fini(&alerts);
	isolate->leak = (struct leak){ 0 };
	cr_assert_eq(alerts_init(&alerts, &loop, &targets), 0);
	set_rules(RULE("leak: {cause: native}"));
	cr_assert_eq(alerts_restore(&alerts, text, size, &n, &err), 0, "%s", err.text);
	free(text);
	tick(1030, isolate, 50);
	cr_expect(only_alert()->keeping && !only_alert()->restored);
	alerts_tell_verdict(&alerts, "0123", &session);
	expect_leak("native", "100 MiB/h", "1.00");
	expect_note("verdict", "+5 Session");
}
