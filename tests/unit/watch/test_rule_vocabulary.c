/* What conditions and `extends` may say in a rule file, and the exact words for what they may not.
 */

#include "watch/rule.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"

static int parse(const char *text, struct rules **ret, struct buf *messages)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;
	int r;

	problems_init(&problems);
	buf_init(messages, 1 << 16);
	r = rules_parse(rules, text, strlen(text), "r.yaml", NS_PER_S, &problems);
	cr_assert_eq(problems_print(&problems, messages), 0);
	problems_fini(&problems);
	*ret = rules;
	return r;
}

static struct rules *parse_good(const char *text)
{
	struct rules *rules;
	struct buf messages;

	cr_assert_eq(parse(text, &rules, &messages), 0, "%s", buf_text(&messages));
	buf_fini(&messages);
	return rules;
}

static void expect_bad(const char *text, const char *messages)
{
	struct rules *rules;
	struct buf got;

	cr_expect_eq(parse(text, &rules, &got), -EINVAL, "accepted: %s", text);
	cr_expect_str_eq(buf_text(&got), messages);
	buf_fini(&got);
	rules_free(rules);
}

#define HEAD "groups:\n- name: g\n  rules:\n  - alert: A\n"
#define WHEN "    when: "
#define AT   "groups[0].rules[0]"

Test(vocabulary, described)
{
	static const struct {
		const char *when, *described;
	} cases[] = {
		{ "{metric: heap_used, relative_to: heap_limit, steps: [60%, 75%, 90%], for: 1m}",
		  "heap_used / heap_limit > [60%, 75%, 90%] for 1m" },
		{ "{metric: heap_used, growth: 20%, mean_over: 30m}",
		  "heap_used grown by 20% over its mean of 30m" },
		{ "{metric: heap_used, new_max: {}}", "heap_used at a new maximum of 1h" },
		{ "{metric: heap_used, new_max: {by: 64MiB, reset_after: 0s}}",
		  "heap_used at a new maximum by 64MiB" },
		{ "{eta_below: 4h}", "limit reached within 4h" },
		{ "{on: [restart, target_up]}", "on target_up or restart" },
		{ "{every: 6h}", "every 6h" },
		{ "{on_calendar: 'Mon..Fri 08:00'}", "at Mon..Fri 08:00" },
		{ "{all_of: [{on: [restart]}, {any_of: [{leak: {}}, {eta_below: 1h}]}, {every: "
		  "1h}]}",
		  "on restart and (leak by 5% or limit reached within 1h) and every 1h" },
		{ "{any_of: [{all_of: [{all_of: [{every: 1m}, {every: 2m}]}]}, {every: 3m}]}",
		  "((every 1m and every 2m)) or every 3m" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rules *rules, *again;
		char text[1024];
		struct buf buf;

		snprintf(text, sizeof(text), HEAD WHEN "%s\n", cases[i].when);
		rules = parse_good(text);
		again = parse_good(text);
		buf_init(&buf, 4096);
		rule_describe(&rules->groups[0].rules[0], &buf);
		cr_expect_str_eq(buf_text(&buf), cases[i].described);
		cr_expect(rule_same_condition(&rules->groups[0].rules[0],
					      &again->groups[0].rules[0]));
		buf_fini(&buf);
		rules_free(rules);
		rules_free(again);
	}
}

/* Alerts are known again over a restart by a number: of two conditions it is one only if they are.
 */
Test(vocabulary, a_number_for_each_condition)
{
	static const char *const whens[] = {
		"{metric: heap_used, above: 80%, relative_to: heap_limit}",
		"{metric: heap_used, above: 81%, relative_to: heap_limit}",
		"{metric: heap_used, below: 80%, relative_to: heap_limit}",
		"{metric: heap_used, above: 80%, relative_to: heap_size}",
		"{metric: heap_used, above: 1GiB}",
		"{metric: heap_size, above: 1GiB}",
		/* For people these two are one. */
		"{metric: heap_used, above: 1073741825}",
		"{metric: heap_used, steps: [1GiB, 2GiB]}",
		"{metric: heap_used, steps: [1GiB, 3GiB]}",
		"{metric: heap_used, growth: 20%, mean_over: 30m}",
		"{metric: heap_used, growth: 20%, mean_over: 31m}",
		"{metric: heap_used, growth: 20MiB, mean_over: 30m}",
		"{metric: heap_used, new_max: {}}",
		"{metric: heap_used, new_max: {by: 1MiB}}",
		"{metric: heap_used, new_max: {reset_after: 0s}}",
		"{eta_below: 4h}",
		"{on: [restart]}",
		"{on: [restart, target_up]}",
		"{every: 6h}",
		"{on_calendar: 'Mon..Fri 08:00'}",
		"{on_calendar: 'Mon..Fri 08:00 UTC'}",
		"{leak: {}}",
		"{leak: {window: fast}}",
		"{leak: {cause: native}}",
		"{leak: {min_growth: 6%}}",
		"{leak: {eta_below: 4h}}",
		"{all_of: [{every: 1m}, {every: 2m}]}",
		"{any_of: [{every: 1m}, {every: 2m}]}",
		"{any_of: [{all_of: [{every: 1m}, {every: 2m}]}, {every: 3m}]}",
		"{any_of: [{all_of: [{every: 1m}]}, {every: 2m}, {every: 3m}]}",
	};
	enum { N = sizeof(whens) / sizeof(whens[0]) };
	struct rules *rules[N];
	char text[1024];

	for (size_t i = 0; i < N; i++) {
		snprintf(text, sizeof(text), HEAD WHEN "%s\n", whens[i]);
		rules[i] = parse_good(text);
	}
	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < N; k++) {
			const struct rule *a = &rules[i]->groups[0].rules[0];
			const struct rule *b = &rules[k]->groups[0].rules[0];

			cr_expect_eq(rule_same_condition(a, b), i == k, "%s, %s", whens[i],
				     whens[k]);
			cr_expect_eq(rule_condition_hash(a) == rule_condition_hash(b), i == k,
				     "%s, %s", whens[i], whens[k]);
		}
	}
	for (size_t i = 0; i < N; i++)
		rules_free(rules[i]);
}

Test(vocabulary, mistakes_in_conditions)
{
	static const struct {
		const char *rule, *messages;
	} cases[] = {
		{ WHEN "{metric: heap_used, steps: []}\n",
		  "r.yaml:5:38: " AT ".when.steps: needs a level\n" },
		{ WHEN "{metric: heap_used, steps: [2GiB, 1GiB]}\n",
		  "r.yaml:5:45: " AT ".when.steps[1]: 1GiB is not above 2GiB, the step before "
		  "it\n" },
		{ WHEN "{metric: heap_used, steps: [60%]}\n",
		  "r.yaml:5:39: " AT ".when.steps[0]: '60%' of what? a share needs relative_to\n" },
		{ WHEN "{metric: heap_used, relative_to: heap_limit, steps: [60%], above: 1}\n",
		  "r.yaml:5:63: " AT ".when.steps: either above or steps, not both\n" },
		{ WHEN "{metric: heap_used, growth: lots}\n",
		  "r.yaml:5:39: " AT ".when.growth: 'lots' is not a size (examples: 512MiB, 2GiB, "
		  "1048576)\n" },
		{ WHEN "{metric: heap_used, growth: x%}\n",
		  "r.yaml:5:39: " AT ".when.growth: 'x%' is not a share (examples: 80%, 0.8)\n" },
		{ WHEN "{metric: heap_used, above: 1, mean_over: 1m}\n",
		  "r.yaml:5:52: " AT ".when.mean_over: goes with growth\n" },
		{ WHEN "{metric: heap_used, growth: 5%, mean_over: 1s}\n",
		  "r.yaml:5:54: " AT ".when.mean_over: '1s' is out of range (10s to 7d)\n" },
		{ WHEN "{metric: heap_used, new_max: {by: -1}}\n",
		  "r.yaml:5:45: " AT ".when.new_max.by: '-1' is not a size (examples: 512MiB, "
		  "2GiB, 1048576)\n" },
		{ WHEN "{on: [restarts]}\n",
		  "r.yaml:5:17: " AT ".when.on[0]: 'restarts' is not one of target_up, "
		  "target_down, restart (did you mean 'restart'?)\n" },
		{ WHEN "{on: []}\n", "r.yaml:5:16: " AT ".when.on: needs an event\n" },
		{ WHEN "{on: restart}\n",
		  "r.yaml:5:16: " AT ".when.on: expected a list of texts ([a, b], or - a), got a "
		  "single value\n" },
		{ WHEN "{on: [restart], metric: heap_used, above: 1}\n",
		  "r.yaml:5:35: " AT ".when.metric: does not go with on\n"
		  "r.yaml:5:53: " AT ".when.above: does not go with on\n" },
		{ WHEN "{on: [restart], for: 1m}\n",
		  "r.yaml:5:32: " AT ".when.for: the condition holds for one evaluation only, "
		  "never for so long\n" },
		{ WHEN "{every: 1s}\n",
		  "r.yaml:5:19: " AT ".when.every: '1s' is out of range (1m to 30d)\n" },
		{ WHEN "{on_calendar: '25:00'}\n",
		  "r.yaml:5:25: " AT
		  ".when.on_calendar: column 1: 25 is out of range (0 to 23)\n" },
		{ WHEN "{on_calendar: 'Mon 08:00 CET'}\n",
		  "r.yaml:5:25: " AT ".when.on_calendar: column 11: expected the end, or UTC\n" },
		{ WHEN "{all_of: []}\n", "r.yaml:5:20: " AT ".when.all_of: needs a condition\n" },
		{ WHEN "{all_of: [{metric: heap_usde, above: 1}]}\n",
		  "r.yaml:5:30: " AT ".when.all_of[0].metric: 'heap_usde' is no metric (did you "
		  "mean 'heap_used'?)\n" },
		{ WHEN "{any_of: [{every: 1h, for: 1m}]}\n",
		  "r.yaml:5:33: " AT ".when.any_of[0]: unknown key 'for'\n" },
		{ WHEN "{any_of: [{every: 1h}], all_of: [{every: 1h}]}\n",
		  "r.yaml:5:20: " AT ".when.any_of: does not go with all_of\n" },
		{ WHEN "{any_of: [{metric: heap_used, steps: [1]}, {metric: heap_used, steps: "
		       "[2]}]}\n",
		  "r.yaml:5:11: " AT ".when: one list of steps in a rule is enough\n" },
		{ WHEN "{metric: heap_used, steps: [5, 6]}\n    labels: {step: x}\n",
		  "r.yaml:6:20: " AT ".labels.step: the label 'step' is reserved\n" },
		{ WHEN "{metric: heap_used, steps: [5, 6]}\n    guards: {rearm_below: 6}\n",
		  "r.yaml:6:27: " AT ".guards.rearm_below: 6 is above the threshold (5)\n" },
		{ WHEN "{on: [restart]}\n    guards: {rearm_below: 6}\n",
		  "r.yaml:6:27: " AT ".guards.rearm_below: goes with one above, below or "
		  "steps\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1024];

		snprintf(text, sizeof(text), HEAD "%s", cases[i].rule);
		expect_bad(text, cases[i].messages);
	}
}

Test(vocabulary, trees_have_limits)
{
	expect_bad(
		HEAD WHEN "{all_of: [{any_of: [{all_of: [{any_of: [{all_of: [{every: 1h}]}]}]}]}]"
			  "}\n",
		"r.yaml:5:60: " AT ".when.all_of[0].any_of[0].all_of[0].any_of[0].all_of: groups "
		"in groups, more than 4 deep\n");
	char text[1024] = HEAD WHEN "{all_of: [{every: 1h}";

	for (int i = 0; i < 15; i++)
		strcat(text, ", {every: 1h}");
	strcat(text, "]}\n");
	expect_bad(text, "r.yaml:5:216: " AT ".when.all_of[15]: more than 16 conditions in one "
			 "rule\n");
}

/* ---- extends ---- */

#define BASE                                                                                       \
	"presets:\n- alert: Base\n  match: '{runtime=\"node\"}'\n"                                 \
	"  when: {metric: heap_used, above: 1GiB, for: 1m}\n"                                      \
	"  labels: {severity: page, team: a}\n  annotations: {summary: s}\n"                       \
	"  guards: {cooldown: 1h, max_captures: 7}\n  actions: [{capture: snapshot, wait: "        \
	"true}]\n"

Test(vocabulary, extends)
{
	struct rules *rules = parse_good(BASE HEAD "    extends: Base\n"
						   "    labels: {severity: ticket}\n"
						   "    guards: {cooldown: 2h}\n"
						   "  - alert: B\n    extends: A\n"
						   "    when: {eta_below: 1h}\n    actions: []\n");
	const struct rule *a = &rules->groups[0].rules[0], *b = a + 1;
	const struct rule_action *actions = a->actions.items;

	cr_assert_eq(rules->groups_n, 1);
	cr_assert_eq(rules->groups[0].rules_n, 2);
	cr_expect_str_eq(a->name, "A");
	cr_expect_str_eq(a->match_text, "{runtime=\"node\"}");
	cr_expect_eq(a->for_ns, 60 * NS_PER_S);
	cr_expect_str_eq(labels_get(&a->labels, "severity"), "ticket");
	cr_expect_str_eq(labels_get(&a->labels, "team"), "a");
	cr_expect_eq(a->guards.cooldown_ns, 7200 * NS_PER_S);
	cr_expect_eq(a->guards.max_captures, 7);
	cr_assert_eq(a->actions.n, 1);
	cr_expect(actions[0].wait);
	cr_expect_eq(b->for_ns, 0);
	cr_expect_eq(b->condition.terms[0].kind, TERM_ETA);
	cr_expect_eq(b->guards.cooldown_ns, 7200 * NS_PER_S);
	cr_expect_eq(b->actions.n, 0);
	rules_free(rules);
}

/* A rule may have the name of the preset it extends. */
Test(vocabulary, extends_its_namesake)
{
	struct rules *rules =
		parse_good(BASE "groups: [{name: g, rules: [{alert: Base, extends: Base}]}]\n");

	cr_expect_eq(rules->groups[0].rules[0].for_ns, 60 * NS_PER_S);
	rules_free(rules);
}

Test(vocabulary, mistakes_in_extends)
{
	expect_bad(BASE HEAD "    extends: Bose\n",
		   "r.yaml:13:14: " AT
		   ".extends: no other rule or preset is called 'Bose' (did you "
		   "mean 'Base'?)\n"
		   "r.yaml:12:5: " AT ": missing required key 'when'\n");
	expect_bad(HEAD "    extends: A\n" WHEN "{every: 1h}\n",
		   "r.yaml:5:14: " AT
		   ".extends: no other rule or preset is called 'A' (did you mean "
		   "'A'?)\n");
	expect_bad(HEAD "    extends: B\n" WHEN "{every: 1h}\n  - alert: B\n    extends: A\n" WHEN
			"{every: 1h}\n",
		   "r.yaml:5:14: " AT ".extends: it extends itself, in a circle\n"
		   "r.yaml:8:14: groups[0].rules[1].extends: it extends itself, in a circle\n");
	expect_bad(BASE HEAD "    extends: Base\n" WHEN
			     "{eta_below: 1h}\n    guards: {rearm_below: "
			     "1}\n",
		   "r.yaml:15:27: " AT ".guards.rearm_below: goes with one above, below or "
		   "steps\n");
	/* What came from the other rule is complained of where it came in. */
	expect_bad("presets:\n- alert: Base\n  when: {metric: heap_used, above: 1GiB}\n"
		   "  guards: {rearm_below: 1}\n" HEAD "    extends: Base\n" WHEN
		   "{eta_below: 1h}\n",
		   "r.yaml:9:14: " AT ".guards.rearm_below: goes with one above, below or "
		   "steps\n");
	expect_bad("presets:\n- alert: Base\n",
		   "r.yaml:2:3: presets[0]: missing required key 'when'\n");
	expect_bad("presets:\n- {alert: B, when: {every: 1h}}\n- {alert: B, when: {every: 1h}}\n",
		   "r.yaml:3:11: presets[1].alert: 'B' is there twice in this file\n");
}

/* ---- what is shipped ---- */

/* A leak that is seen may wait until the morning; one of a day, or one soon at its limit, not. */
static void expect_of_leak(const struct rule *rule, const char *severity, int window)
{
	const struct term *last = &rule->condition.terms[rule->condition.n - 1];
	const struct term *first = rule->condition.n > 1 ? last - 1 : last; /* of any_of */

	cr_expect_str_eq(labels_get(&rule->labels, "severity"), severity);
	cr_expect_eq(first->leak.window, window);
	cr_expect(rule_is_of_leak(rule) && !first->leak.has_eta_below);
	if (rule->condition.n > 1)
		cr_expect(last->leak.window == 1 + WINDOW_FAST && last->leak.has_eta_below &&
			  last->leak.eta_below_ns == 4 * 3600 * NS_PER_S);
}

Test(vocabulary, shipped_presets)
{
	static const char *const names[] = { "HeapLadder",       "Leak",      "LeakLasting",
					     "LimitNear",        "HeapSurge", "HeapMaximum",
					     "DetachedContexts", "Restarted", "NightlyBaseline" };
	char user[] = "/tmp/vocabulary.XXXXXX";
	char *files[] = { user, (char *)PRESETS };
	struct text_list patterns = { .items = files, .n = 2 };
	struct problems problems;
	struct rules *rules = NULL;
	FILE *file = fdopen(mkstemp(user), "w");

	cr_assert_not_null(file);
	fputs("groups:\n- name: g\n  rules:\n", file);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fprintf(file, "  - {alert: My%s, extends: %s}\n", names[i], names[i]);
	fclose(file);
	problems_init(&problems);
	cr_assert_eq(rules_load(&rules, &patterns, NS_PER_S, &problems), 0, "%s",
		     problems.n > 0 ? problems.items[0].text : "");
	unlink(user);
	cr_assert_eq(rules->groups_n, 1, "presets do nothing by themselves");
	cr_assert_eq(rules->groups[0].rules_n, sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < rules->groups[0].rules_n; i++) {
		const struct rule *rule = &rules->groups[0].rules[i];

		cr_expect(rule->condition.n > 0 && rule->actions.n > 0, "%s", rule->name);
		cr_expect_not_null(labels_get(&rule->labels, "severity"), "%s", rule->name);
	}
	cr_expect_eq(condition_steps(&rules->groups[0].rules[0].condition), 3);
	expect_of_leak(&rules->groups[0].rules[1], "ticket", 0);
	expect_of_leak(&rules->groups[0].rules[2], "page", 1 + WINDOW_SLOW);
	problems_fini(&problems);
	rules_free(rules);
}
