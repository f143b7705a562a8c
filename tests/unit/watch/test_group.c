/*
 * Groups of rules: their labels, and the limit of alerts of each rule, as Prometheus has them. A
 * rule that goes over it has failed: it has no alert, begins nothing, and is whole again when the
 * alerts are few enough.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alert_scene.h"
#include "util/buf.h"
#include "util/clock.h"

#define GROUP(more) "groups:\n- name: g\n" more "  rules:\n  - alert: A\n"
#define HIGH        "    when: {metric: heap_used, above: 50MiB"

enum { SHOPS = 4 };

static struct isolate *shops[SHOPS];

static void open_shops(void)
{
	static const char *const names[SHOPS] = { "a", "b", "c", "d" };

	for (int i = 0; i < SHOPS; i++)
		shops[i] = add_isolate(add_target(names[i]), "main");
}

static void set_up_group(void)
{
	set_up();
	open_shops();
}

TestSuite(group, .init = set_up_group, .fini = tear_down);

/* The heaps of the four in megabytes; then an evaluation. */
static void look(uint64_t seconds, double a, double b, double c, double d)
{
	const double used[SHOPS] = { a, b, c, d };

	set_time(seconds);
	for (int i = 0; i < SHOPS; i++)
		sample(shops[i], used[i]);
	alerts_evaluate(&alerts, 0);
}

static void expect_failures(uint64_t n, const char *error)
{
	cr_expect_eq(alerts_failures(&alerts, 0, 0), n, "%d", (int)alerts_failures(&alerts, 0, 0));
	cr_expect_str_eq(alerts_error(&alerts, 0, 0), error);
}

Test(group, more_than_the_limit_is_none)
{
	set_rules(GROUP("  limit: 2\n") HIGH "}\n");
	look(1000, 90, 90, 10, 10);
	expect_events("F a/main F b/main ");
	expect_failures(0, "");
	look(1015, 90, 90, 90, 10);
	expect_events("R a/main R b/main ");
	cr_expect_eq(alerts.count, 0);
	expect_failures(1, "exceeded limit of 2 with 3 alerts");
	look(1030, 90, 90, 90, 90);
	expect_events("");
	expect_failures(2, "exceeded limit of 2 with 4 alerts");
	cr_expect_eq(alerts_evaluations(&alerts, 0, 0), 3, "those that failed with them");
	look(1045, 90, 10, 90, 10);
	expect_events("F a/main F c/main ");
	expect_failures(2, "");
}

Test(group, no_limit_is_none)
{
	set_rules(GROUP("  limit: 0\n") HIGH "}\n");
	look(1000, 90, 90, 90, 90);
	cr_expect_eq(alerts.count, 4);
	expect_failures(0, "");
}

/* Those that wait and those that are kept firing are alerts too. */
Test(group, what_counts)
{
	set_rules(GROUP("  limit: 2\n") HIGH ", for: 1m, keep_firing_for: 1m}\n");
	look(1000, 90, 90, 10, 10);
	cr_expect_eq(alerts.count, 2);
	look(1015, 90, 90, 90, 10);
	cr_expect_eq(alerts.count, 0);
	expect_failures(1, "exceeded limit of 2 with 3 alerts");
	look(1030, 90, 90, 10, 10);
	look(1090, 90, 90, 10, 10);
	expect_events("F a/main F b/main ");
	look(1105, 90, 10, 90, 10);
	expect_failures(2, "exceeded limit of 2 with 3 alerts");
	expect_events("R a/main R b/main ");
}

Test(group, each_step_is_an_alert)
{
	set_rules(GROUP("  limit: 2\n") "    when: {metric: heap_used, relative_to: heap_limit, "
					"steps: [60%, 75%, 90%]}\n");
	look(1000, 80, 10, 10, 10);
	cr_expect_eq(alerts.count, 2);
	look(1015, 95, 10, 10, 10);
	cr_expect_eq(alerts.count, 0);
	expect_failures(1, "exceeded limit of 2 with 3 alerts");
}

/* Nobody looks at one that is being captured; its alert is one all the same. */
Test(group, who_is_captured_counts)
{
	set_rules(GROUP("  limit: 2\n") HIGH "}\n");
	look(1000, 90, 90, 10, 10);
	container_of(targets.list.next, struct target, link)->capturing = true;
	look(1015, 10, 90, 90, 10);
	expect_failures(1, "exceeded limit of 2 with 3 alerts");
	cr_expect_eq(alerts.count, 0);
}

/* What happened while the rule failed has happened: it is not asked about for ever. */
Test(group, events_are_over)
{
	set_rules(GROUP("  limit: 2\n") "    when: {on: [target_down]}\n");
	look(1000, 10, 10, 10, 10);
	list_each (at, &targets.list)
		container_of(at, struct target, link)->downs++;
	look(1015, 10, 10, 10, 10);
	expect_failures(1, "exceeded limit of 2 with 4 alerts");
	look(1030, 10, 10, 10, 10);
	expect_failures(1, "");
	container_of(targets.list.next, struct target, link)->downs++;
	look(1045, 10, 10, 10, 10);
	expect_failures(1, "");
	expect_events("F a/main ");
}

/* A maximum that was seen while counting is still news to the look that is for real. */
Test(group, counting_changes_nothing)
{
	set_rules(GROUP("  limit: 2\n") "    when: {metric: heap_used, new_max: {}}\n");
	look(1000, 10, 10, 10, 10);
	look(1015, 20, 20, 10, 10);
	expect_events("F a/main F b/main ");
	look(1030, 20, 20, 10, 10);
	expect_events("R a/main R b/main ");
	expect_failures(0, "");
}

/* A limit is no other rule's. */
Test(group, each_rule_has_its_own)
{
	set_rules(GROUP("  limit: 2\n") HIGH
		  "}\n"
		  "  - alert: B\n    when: {metric: heap_used, above: 80MiB}\n");
	look(1000, 90, 60, 60, 10);
	expect_events("F a/main ");
	expect_failures(1, "exceeded limit of 2 with 3 alerts");
	cr_expect_eq(alerts_failures(&alerts, 0, 1), 0);
	cr_expect_str_eq(only_alert()->rule->name, "B");
}

/* A reload that changes nothing forgets nothing; one that lifts the limit lets them come. */
Test(group, over_a_reload)
{
	set_rules(GROUP("  limit: 2\n") HIGH "}\n");
	look(1000, 90, 90, 90, 10);
	set_rules(GROUP("  limit: 2\n") HIGH "}\n");
	expect_failures(1, "exceeded limit of 2 with 3 alerts");
	set_rules(GROUP("  limit: 3\n") HIGH "}\n");
	look(1015, 90, 90, 90, 10);
	expect_failures(1, "");
	expect_events("F a/main F b/main F c/main ");
}

/* ---- labels ---- */

Test(group, labels_are_those_of_its_rules)
{
	set_rules(GROUP("  labels: {team: 'of {{ $labels.target }}', severity: page}\n") HIGH
		  "}\n"
		  "    labels: {severity: info}\n");
	look(1000, 90, 10, 10, 10);
	cr_expect_str_eq(labels_get(&only_alert()->labels, "team"), "of a");
	cr_expect_str_eq(labels_get(&only_alert()->labels, "severity"), "info",
			 "the rule's own counts");
}

Test(group, labels_and_limit_of_a_group)
{
	struct rules *rules = parse("groups:\n"
				    "- name: g\n"
				    "  limit: 20\n"
				    "  labels: {team: shop, severity: page, of: '{{ $value }}'}\n"
				    "  rules:\n"
				    "  - alert: A\n"
				    "    when: {metric: heap_used, above: 1GiB}\n"
				    "    labels: {severity: info}\n"
				    "  - alert: B\n"
				    "    when: {metric: heap_used, above: 2GiB}\n"
				    "- name: h\n"
				    "  rules:\n"
				    "  - alert: A\n"
				    "    extends: B\n");
	const struct rule *a = &rules->groups[0].rules[0], *b = &rules->groups[0].rules[1],
			  *c = &rules->groups[1].rules[0];

	cr_expect_eq(rules->groups[0].limit, 20);
	cr_expect_eq(rules->groups[1].limit, 0);
	cr_expect_str_eq(labels_get(&a->labels, "team"), "shop");
	cr_expect_str_eq(labels_get(&a->labels, "severity"), "info");
	cr_expect_str_eq(labels_get(&b->labels, "severity"), "page");
	cr_expect_str_eq(labels_get(&b->labels, "of"), "{{ $value }}");
	cr_expect_eq(c->labels.n, 0, "who extends a rule is in a group of its own");
	rules_free(rules);
}

static void expect_complaints(const char *text, const char *complaints)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;
	struct buf messages;

	cr_assert_not_null(rules);
	problems_init(&problems);
	buf_init(&messages, 4096);
	cr_expect_eq(rules_parse(rules, text, strlen(text), "r.yaml", NS_PER_S, &problems),
		     -EINVAL);
	cr_assert_eq(problems_print(&problems, &messages), 0);
	cr_expect_str_eq(buf_text(&messages), complaints);
	problems_fini(&problems);
	buf_fini(&messages);
	rules_free(rules);
}

/* Told once, where they stand, and not for each of the rules. */
Test(group, labels_of_a_group_that_are_wrong)
{
	expect_complaints("groups:\n"
			  "- name: g\n"
			  "  limit: -1\n"
			  "  labels: {target: x, team: '{{ $labels }}'}\n"
			  "  rules:\n"
			  "  - {alert: A, when: {metric: heap_used, above: 1GiB}}\n"
			  "  - {alert: B, when: {metric: heap_used, above: 2GiB}}\n",
			  "r.yaml:3:10: groups[0].limit: '-1' is not a whole number\n"
			  "r.yaml:4:20: groups[0].labels.target: the label 'target' is reserved\n"
			  "r.yaml:4:29: groups[0].labels.team: column 11: expected .NAME after "
			  "$labels\n");
	expect_complaints("groups:\n"
			  "- name: g\n"
			  "  labels: {step: x}\n"
			  "  rules:\n"
			  "  - alert: A\n"
			  "    when: {metric: heap_used, relative_to: heap_limit, steps: [60%]}\n",
			  "r.yaml:5:5: groups[0].rules[0].labels.step: the label 'step' is "
			  "reserved\n");
}

/* What several rules have in common may be written once, as YAML has it. */
Test(group, anchors)
{
	struct rules *rules =
		parse("groups:\n"
		      "- name: g\n"
		      "  rules:\n"
		      "  - alert: A\n"
		      "    when: {metric: heap_used, above: &much 1GiB}\n"
		      "    guards: &rare {cooldown: 2h, max_captures: 1}\n"
		      "    actions: &all [{capture: diagnostics}, {capture: snapshot}]\n"
		      "  - alert: B\n"
		      "    when: {metric: external_memory, above: *much}\n"
		      "    guards: *rare\n"
		      "    actions: *all\n");
	const struct rule *a = &rules->groups[0].rules[0], *b = &rules->groups[0].rules[1];

	cr_expect_eq(b->guards.cooldown_ns, 2 * 3600 * NS_PER_S);
	cr_expect_eq(b->guards.max_captures, 1);
	cr_expect_eq(b->actions.n, 2);
	cr_expect_float_eq(b->condition.terms[0].level, a->condition.terms[0].level, 1e-9);
	rules_free(rules);
}
