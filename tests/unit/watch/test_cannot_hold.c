/*
 * Rules that cannot hold for a target, for its runtime does not tell what they look at: of which
 * that is said, and how often.
 */

#include "alert_scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "inspect/runtime.h"
#include "util/log.h"
#include "util/str.h"

TestSuite(cannot_hold, .init = set_up, .fini = tear_down);

static unsigned told;

static void count_told(const struct log_record *record)
{
	told += strstr(record->message, "rule A cannot hold for ") != NULL;
}

/* Evaluated twice with what is known now. */
static void expect_told(unsigned n)
{
	told = 0;
	log_setup(LEVEL_WARN, LOG_LOGFMT);
	log_set_sink(count_told);
	alerts_evaluate(&alerts, 0);
	alerts_evaluate(&alerts, 0);
	log_set_sink(NULL);
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	cr_expect_eq(told, n, "%u", told);
}

static struct isolate *limitless(const char *name)
{
	struct target *target = add_target(name);
	struct isolate *main = add_isolate(target, "main");

	target->session.runtime = runtime_named("bun");
	str_copy(target->identity.runtime_version, sizeof(target->identity.runtime_version),
		 "1.4.5");
	main->last = (struct sample){ .mono_ns = loop.now_ns };
	sample_set(&main->last, SAMPLE_HEAP_USED, (uint64_t)(90 * MIB));
	return main;
}

static bool cannot_hold(const struct isolate *isolate, const char *why)
{
	const struct target *target = container_of(targets.list.next, struct target, link);
	char text[ALERT_CANNOT_MAX] = "";
	bool cannot = alerts_cannot_hold(&alerts, &alerts.rules->groups[0].rules[0], target,
					 isolate, text);

	cr_expect_str_eq(text, why);
	return cannot;
}

#define UNTOLD "heap_limit is not told by bun 1.4.5"

Test(cannot_hold, what_no_runtime_tells_is_said_once)
{
	struct isolate *main = limitless("a");

	limitless("b");
	set_rules(HEAD NEAR "}\n");
	cr_expect(cannot_hold(main, UNTOLD));
	expect_told(2);
	expect_told(0);
	set_rules(HEAD "    when: {metric: heap_used, relative_to: heap_limit, steps: [70%]}\n");
	cr_expect(cannot_hold(main, UNTOLD));
	expect_told(2);
	cr_expect_eq(alerts.count, 0);
}

Test(cannot_hold, what_holds_for_one_isolate_may_hold)
{
	struct isolate *main = limitless("a");
	struct isolate *worker =
		add_isolate(container_of(targets.list.next, struct target, link), "worker:1");

	worker->last = main->last;
	sample(main, 50);
	set_rules(HEAD NEAR "}\n");
	cr_expect_not(cannot_hold(main, ""));
	cr_expect(cannot_hold(worker, UNTOLD));
	expect_told(0);
}

Test(cannot_hold, what_may_hold_otherwise)
{
	static const struct {
		const char *when, *why;
	} table[] = {
		{ "any_of: [{metric: heap_used, relative_to: heap_limit, above: 80%}, {metric: "
		  "heap_used, above: 1GiB}]",
		  "" },
		{ "all_of: [{metric: heap_used, relative_to: heap_limit, above: 80%}, {metric: "
		  "heap_used, above: 1GiB}]",
		  UNTOLD },
		{ "any_of: [{metric: heap_used, relative_to: heap_limit, above: 80%}, {all_of: "
		  "[{metric: heap_used, above: 1GiB}, {metric: heap_limit, above: 1}]}]",
		  UNTOLD },
		{ "eta_below: 4h", UNTOLD },
		{ "metric: heap_live, above: 1GiB", "" },
		{ "metric: cgroup_memory_usage, relative_to: cgroup_memory_limit, above: 80%", "" },
		{ "'on': [restart]", "" },
	};
	struct isolate *main = limitless("a");
	struct target *target = container_of(targets.list.next, struct target, link);
	char text[512];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(text, sizeof(text), HEAD "    when: {%s}\n", table[i].when);
		set_rules(text);
		cr_expect_eq(cannot_hold(main, table[i].why), table[i].why[0] != '\0', "%s", text);
	}
	/* The process has a limit of its own, there is no sample of now, or it cannot tell any. */
	set_rules(HEAD "    when: {eta_below: 4h}\n");
	target->process.present = target->process.cgroup.has_limit = true;
	cr_expect_not(cannot_hold(main, ""));
	set_rules(HEAD NEAR "}\n");
	set_time(1060);
	cr_expect_not(cannot_hold(main, ""));
	main->last.mono_ns = loop.now_ns;
	cr_expect(cannot_hold(main, UNTOLD));
	target->state = TARGET_PAUSED;
	cr_expect_not(cannot_hold(main, ""));
	expect_told(0);
}
