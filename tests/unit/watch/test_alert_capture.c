/*
 * What an alert says of the captures that it has asked for: a template has the id and the file of
 * the last one, and who was told before is told again only if the alert says anything else.
 */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "alert_scene.h"
#include "watch/alert_restore.h"

#define NAMED "    annotations: {file: '{{ $labels.capture_path }}', id: '{{ $labels.capture }}'}\n"
#define MUTE  "    annotations: {summary: '{{ $labels.target }}'}\n"

static struct isolate *isolate;

static void set_up_capture(void)
{
	set_up();
	isolate = add_isolate(add_target("api"), "main");
}

TestSuite(alert_capture, .init = set_up_capture, .fini = tear_down);

static struct alert *fire(const char *rules)
{
	set_rules(rules);
	tick(1000, isolate, 95);
	return container_of(alerts.list.next, struct alert, link);
}

static struct alert_capture capture_of(const char *id, const char *path)
{
	return (struct alert_capture){
		.target_id = only_alert()->target_id,
		.isolate = "main",
		.rule = "A",
		.step = "",
		.series = "",
		.id = id,
		.path = path,
	};
}

static void expect_said(const char *id, const char *path)
{
	cr_expect_str_eq(labels_get(&only_alert()->annotations, "id"), id);
	cr_expect_str_eq(labels_get(&only_alert()->annotations, "file"), path);
}

/* Everybody has heard of it as it is. */
static void tell_all(struct alert *alert)
{
	alert->sent_ns = loop.now_ns;
	alert->told = true;
}

Test(alert_capture, is_said_and_told_again)
{
	struct alert *alert = fire(HEAD NEAR "}\n" NAMED);
	struct alert_capture capture = capture_of("0123", "/spool/ready/a.heapsnapshot");
	uint32_t revision = alert->revision;

	expect_said("", "");
	tell_all(alert);
	alerts_tell_capture(&alerts, &capture);
	expect_said("0123", "/spool/ready/a.heapsnapshot");
	cr_expect_eq(alert->sent_ns, 0);
	cr_expect_not(alert->told);
	cr_expect_neq(alert->revision, revision);
	tick(1015, isolate, 96);
	expect_said("0123", "/spool/ready/a.heapsnapshot");
	tell_all(alert);
	alerts_tell_capture(&alerts, &capture);
	cr_expect(alert->told, "it is nothing new");
}

Test(alert_capture, nobody_hears_of_what_is_not_said)
{
	struct alert *alert = fire(HEAD NEAR "}\n" MUTE);
	struct alert_capture capture = capture_of("0123", "/a");

	tell_all(alert);
	alerts_tell_capture(&alerts, &capture);
	cr_expect(alert->told);
	cr_expect_neq(alert->sent_ns, 0);
	cr_expect_str_eq(alert->capture, "0123");
}

Test(alert_capture, diagnostics_count_while_there_is_nothing_else)
{
	struct alert_capture small, large, later;

	fire(HEAD NEAR "}\n" NAMED);
	small = capture_of("1", "/small");
	small.is_minor = true;
	large = capture_of("2", "/large");
	later = capture_of("3", "/later");
	alerts_tell_capture(&alerts, &small);
	expect_said("1", "/small");
	alerts_tell_capture(&alerts, &large);
	expect_said("2", "/large");
	alerts_tell_capture(&alerts, &small);
	expect_said("2", "/large");
	alerts_tell_capture(&alerts, &later);
	expect_said("3", "/later");
}

Test(alert_capture, only_its_own)
{
	const struct alert *alert = fire(HEAD NEAR "}\n" NAMED);
	struct alert_capture others[5];

	for (size_t i = 0; i < 5; i++)
		others[i] = capture_of("9", "/other");
	others[0].target_id++;
	others[1].isolate = "worker:1";
	others[2].rule = "B";
	others[3].step = "75%";
	others[4].isolate = "worker:1";
	others[4].series = "4711";
	for (size_t i = 0; i < 5; i++)
		alerts_tell_capture(&alerts, &others[i]);
	expect_said("", "");
	cr_expect_str_eq(alert->capture, "");
}

/* The later ones of a series do not know the step. */
Test(alert_capture, of_a_series)
{
	struct alert *alert = fire(HEAD "    when: {metric: heap_used, relative_to: heap_limit, "
					"steps: [60%]}\n" NAMED);
	struct alert_capture capture = capture_of("5", "/fifth");

	alerts_tell_capture(&alerts, &capture);
	expect_said("", "");
	strcpy(alert->series, "0815");
	capture.series = "0815";
	alerts_tell_capture(&alerts, &capture);
	expect_said("5", "/fifth");
}

Test(alert_capture, is_over_with_the_alert)
{
	struct alert_capture capture;

	fire(HEAD NEAR "}\n" NAMED);
	capture = capture_of("6", "/sixth");
	alerts_tell_capture(&alerts, &capture);
	tick(1015, isolate, 10);
	tick(1030, isolate, 95);
	expect_said("", "");
	alerts_tell_capture(&alerts, &capture);
	alerts_tell_capture(&alerts, &capture);
	expect_said("6", "/sixth");
}

static void restart(const char *rules, char *text, size_t size)
{
	struct err err = { 0 };
	uint32_t n;

	alerts_fini(&alerts);
	cr_assert_eq(alerts_init(&alerts, &loop, &targets), 0);
	set_rules(rules);
	cr_assert_eq(alerts_restore(&alerts, text, size, &n, &err), 0, "%s", err.text);
	cr_assert_eq(n, 1);
	free(text);
}

Test(alert_capture, is_kept_over_a_restart)
{
	struct alert_capture capture;
	char *text;
	size_t size;

	fire(HEAD NEAR "}\n" NAMED);
	capture = capture_of("7", "/seventh");
	alerts_tell_capture(&alerts, &capture);
	cr_assert_eq(alerts_text(&alerts, &text, &size), 0);
	restart(HEAD NEAR "}\n" NAMED, text, size);
	expect_said("7", "/seventh");
	tick(1015, isolate, 95);
	expect_said("7", "/seventh");
}
