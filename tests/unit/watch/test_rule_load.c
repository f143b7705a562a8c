/* Rule files: what is understood, and the exact words for what is not. */

#include "watch/rule.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"
#include "watch/value.h"

/* An age recipient: the one the specification shows. */
#define KEY "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

#define DEFAULT_INTERVAL_NS (15 * NS_PER_S)

/* 0 or -EINVAL; the complaints, a line each, into *messages (of buf). */
static int parse(const char *text, struct rules **ret, struct buf *messages)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;
	int r;

	cr_assert_not_null(rules);
	problems_init(&problems);
	buf_init(messages, 1 << 16);
	r = rules_parse(rules, text, strlen(text), "r.yaml", DEFAULT_INTERVAL_NS, &problems);
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
	cr_assert_str_eq(buf_text(&messages), "");
	buf_fini(&messages);
	return rules;
}

Test(rule_load, every_key)
{
	struct rules *rules = parse_good(
		"groups:\n"
		"- name: memory\n"
		"  interval: 20s\n"
		"  rules:\n"
		"  - alert: HeapNearLimit\n"
		"    match: '{runtime=\"node\",name=~\"api-.*\"}'\n"
		"    when: {metric: heap_used, relative_to: heap_limit, above: 80%,\n"
		"           for: 30s, keep_firing_for: 5m}\n"
		"    labels: {severity: page, of: '{{ $labels.runtime }}'}\n"
		"    annotations: {summary: '{{ $value | humanizePercentage }}'}\n"
		"    guards: {cooldown: 1h, max_captures: 5, window: 2h, rearm_below: 70%,\n"
		"             headroom: 3.5, max_heap: 4GiB, max_cpu: 1.5, min_uptime: 10m,\n"
		"             quiet_hours: ['08:00-09:00', 22:30-06:00]}\n"
		"    dry_run: true\n"
		"    actions:\n"
		"    - {capture: snapshot, redact: all, compress: none, encrypt: [" KEY "],\n"
		"       series: {count: 3, spacing: 5m, gc_before: true}}\n"
		"    - capture: diagnostics\n");
	const struct rule_group *group = &rules->groups[0];
	const struct rule *rule = &group->rules[0];
	const struct rule_action *actions = rule->actions.items;
	const struct safety_guards *safety = &rule->guards.safety;

	cr_assert_eq(rules->groups_n, 1);
	cr_assert_str_eq(group->name, "memory");
	cr_assert_str_eq(group->file, "r.yaml");
	cr_assert_eq(group->interval_ns, 20 * NS_PER_S);
	cr_assert_eq(group->rules_n, 1);
	cr_assert_str_eq(rule->name, "HeapNearLimit");
	cr_assert_str_eq(rule->match_text, "{runtime=\"node\",name=~\"api-.*\"}");
	cr_assert_eq(rule->condition.n, 1);
	cr_assert_eq(rule->condition.terms[0].metric, value_find("heap_used"));
	cr_assert_eq(rule->condition.terms[0].relative_to, value_find("heap_limit"));
	cr_assert_eq(rule->condition.terms[0].kind, TERM_COMPARE);
	cr_assert_not(rule->condition.terms[0].below);
	cr_assert_float_eq(rule->condition.terms[0].level, 0.8, 1e-12);
	cr_assert_str_eq(rule->condition.terms[0].text, "80%");
	cr_assert_eq(rule->for_ns, 30 * NS_PER_S);
	cr_assert_eq(rule->keep_firing_for_ns, 300 * NS_PER_S);
	cr_assert_str_eq(labels_get(&rule->labels, "severity"), "page");
	cr_assert_str_eq(labels_get(&rule->labels, "of"), "{{ $labels.runtime }}");
	cr_assert_str_eq(labels_get(&rule->annotations, "summary"),
			 "{{ $value | humanizePercentage }}");
	cr_assert_eq(rule->guards.cooldown_ns, 3600 * NS_PER_S);
	cr_assert_eq(rule->guards.max_captures, 5);
	cr_assert_eq(rule->guards.window_ns, 7200 * NS_PER_S);
	cr_assert(rule->guards.has_rearm && rule->dry_run);
	cr_assert_float_eq(rule->guards.rearm, 0.7, 1e-12);
	cr_assert(safety->has_headroom && safety->has_max_heap && safety->has_max_cpu);
	cr_assert(safety->has_min_uptime && safety->has_quiet);
	cr_assert_float_eq(safety->headroom, 3.5, 1e-12);
	cr_assert_eq(safety->max_heap_bytes, 4ull << 30);
	cr_assert_float_eq(safety->max_cpu, 1.5, 1e-12);
	cr_assert_eq(safety->min_uptime_ns, 600 * NS_PER_S);
	cr_assert_eq(safety->quiet.n, 2);
	cr_assert_eq(safety->quiet.items[0].from_min, 8 * 60);
	cr_assert_eq(safety->quiet.items[1].to_min, 6 * 60);
	cr_assert_eq(rule->actions.n, 2);
	cr_assert_eq(actions[0].kind, CAPTURE_KIND_SNAPSHOT);
	cr_assert_eq(actions[0].series.count, 3);
	cr_assert_eq(actions[0].series.spacing_ns, 300 * NS_PER_S);
	cr_assert(actions[0].series.gc_before);
	cr_assert(actions[0].recipe.has_redact && actions[0].recipe.has_compress);
	cr_assert_eq(actions[0].recipe.redact, REDACT_ALL);
	cr_assert_eq(actions[0].recipe.compress, COMPRESS_NONE);
	cr_assert(actions[0].recipe.has_encrypt && actions[0].recipe.encrypt.n == 1);
	cr_assert_str_eq(actions[0].recipe.encrypt.items[0], KEY);
	cr_assert_eq(actions[1].kind, CAPTURE_KIND_DIAGNOSTICS);
	cr_assert_eq(actions[1].series.count, 0);
	cr_assert_not(actions[1].recipe.has_redact || actions[1].recipe.has_encrypt);
	rules_free(rules);
}

Test(rule_load, defaults)
{
	struct rules *rules = parse_good("groups:\n"
					 "- name: g\n"
					 "  rules:\n"
					 "  - alert: A\n"
					 "    when: {metric: detached_contexts, above: 3}\n");
	const struct rule *rule = &rules->groups[0].rules[0];

	cr_assert_eq(rules->groups[0].interval_ns, DEFAULT_INTERVAL_NS);
	cr_assert_null(rule->match_text);
	cr_assert_eq(rule->condition.terms[0].relative_to, -1);
	cr_assert_eq(rule->for_ns, 0);
	cr_assert_eq(rule->keep_firing_for_ns, 0);
	cr_assert_eq(rule->labels.n, 0);
	cr_assert_eq(rule->actions.n, 0);
	cr_assert_eq(rule->guards.cooldown_ns, 30 * 60 * NS_PER_S);
	cr_assert_eq(rule->guards.max_captures, 3);
	cr_assert_eq(rule->guards.window_ns, 24 * 3600 * NS_PER_S);
	cr_assert_not(rule->guards.has_rearm || rule->dry_run);
	cr_assert_not(rule->guards.safety.has_headroom || rule->guards.safety.has_max_heap);
	cr_assert_not(rule->guards.safety.has_max_cpu || rule->guards.safety.has_min_uptime);
	cr_assert_not(rule->guards.safety.has_quiet);
	rules_free(rules);
}

Test(rule_load, leak)
{
	static const struct {
		const char *when, *described;
	} cases[] = {
		{ "leak: {}", "leak by 5%" },
		{ "leak: {window: slow, cause: buffers, min_growth: 10%, eta_below: 4h}, for: 1m",
		  "leak of buffers in the slow window by 10% with eta < 4h for 1m" },
		{ "leak: {window: fast}", "leak in the fast window by 5%" },
	};
	struct rules *rules, *first = NULL;
	char text[512];
	struct buf buf;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rule *rule;

		snprintf(text, sizeof(text),
			 "groups:\n- name: g\n  rules:\n  - alert: A\n    when: {%s}\n",
			 cases[i].when);
		rules = parse_good(text);
		rule = &rules->groups[0].rules[0];
		buf_init(&buf, 1024);
		cr_assert_eq(rule_describe(rule, &buf), 0);
		cr_expect_str_eq(buf_text(&buf), cases[i].described);
		buf_fini(&buf);
		cr_expect(rule_is_of_leak(rule) && rule->condition.n == 1);
		cr_expect_eq(first == NULL || rule_same_condition(rule, &first->groups[0].rules[0]),
			     first == NULL);
		if (first == NULL)
			first = rules;
		else
			rules_free(rules);
	}
	rules_free(first);
}

/* What is not said is of the configuration; what is said as "none" is not. */
Test(rule_load, own_guards_win)
{
	struct safety_guards all = { .headroom = 5,
				     .has_headroom = true,
				     .max_cpu = 2,
				     .has_max_cpu = true,
				     .quiet = { .n = 1 },
				     .has_quiet = true };
	struct rules *rules =
		parse_good("groups:\n"
			   "- name: g\n"
			   "  rules:\n"
			   "  - alert: A\n"
			   "    when: {metric: heap_used, above: 1GiB}\n"
			   "    guards: {headroom: 0, max_heap: 1GiB, quiet_hours: []}\n"
			   "  - alert: B\n"
			   "    when: {metric: heap_used, above: 1GiB}\n"
			   "    guards: {quiet_hours: 23:00-24:00}\n");
	struct safety_guards a = safety_choose(&all, &rules->groups[0].rules[0].guards.safety);
	struct safety_guards b = safety_choose(&all, &rules->groups[0].rules[1].guards.safety);

	cr_assert(a.has_headroom && a.has_max_heap && a.has_max_cpu && a.has_quiet);
	cr_assert_float_eq(a.headroom, 0, 0);
	cr_assert_eq(a.max_heap_bytes, 1 << 30);
	cr_assert_float_eq(a.max_cpu, 2, 0);
	cr_assert_eq(a.quiet.n, 0);
	cr_assert_float_eq(b.headroom, 5, 0);
	cr_assert(!b.has_max_heap && b.quiet.n == 1);
	cr_assert_eq(b.quiet.items[0].to_min, 24 * 60);
	a = safety_choose(&all, NULL);
	cr_assert_float_eq(a.headroom, 5, 0);
	rules_free(rules);
}

Test(rule_load, rearm)
{
	struct rules *rules = parse_good("groups:\n"
					 "- name: g\n"
					 "  rules:\n"
					 "  - alert: A\n"
					 "    when: {metric: heap_used, above: 1GiB}\n"
					 "    guards: {rearm_below: 512MiB}\n"
					 "  - alert: B\n"
					 "    when: {metric: heap_used, below: 1MiB}\n"
					 "    guards: {rearm_above: 1MiB}\n"
					 "  - alert: C\n"
					 "    when: {metric: heap_used, below: 1MiB}\n");
	const struct rule *rule = rules->groups[0].rules;

	cr_expect(rule_rearms(&rule[0], (512 << 20) - 1) && !rule_rearms(&rule[0], 512 << 20));
	cr_expect(rule_rearms(&rule[1], (1 << 20) + 1) && !rule_rearms(&rule[1], 1 << 20));
	cr_expect(!rule_rearms(&rule[0], NAN) && !rule_rearms(&rule[1], NAN));
	cr_expect(!rule_rearms(&rule[2], 1e9) && !rule_rearms(&rule[2], 0));
	rules_free(rules);
}

Test(rule_load, files_without_rules)
{
	static const char *const texts[] = { "", "groups:\n", "groups: []\n", "{\"groups\":[]}" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct rules *rules = parse_good(texts[i]);

		cr_assert_eq(rules->groups_n, 0);
		rules_free(rules);
	}
}

Test(rule_load, thresholds_and_their_description)
{
	static const struct {
		const char *when;
		bool above;
		double value;
		const char *description;
	} cases[] = {
		{ "metric: heap_used, relative_to: heap_limit, above: 80%", true, 0.8,
		  "heap_used / heap_limit > 80%" },
		{ "metric: heap_used, relative_to: heap_limit, above: 0.8, for: 30s", true, 0.8,
		  "heap_used / heap_limit > 0.8 for 30s" },
		{ "metric: heap_used, relative_to: heap_limit, above: 1", true, 1,
		  "heap_used / heap_limit > 1" },
		{ "metric: process_resident_memory, relative_to: heap_limit, above: 150%", true,
		  1.5, "process_resident_memory / heap_limit > 150%" },
		{ "metric: heap_used, relative_to: heap_limit, below: 12.5%, for: 90m", false,
		  0.125, "heap_used / heap_limit < 12.5% for 1h30m" },
		{ "metric: heap_used, above: 1GiB", true, 1073741824.0, "heap_used > 1GiB" },
		{ "metric: heap_used, above: 1048576", true, 1048576, "heap_used > 1048576" },
		{ "metric: heap_used, below: 0", false, 0, "heap_used < 0" },
		{ "metric: native_contexts, above: 12", true, 12, "native_contexts > 12" },
		{ "metric: inspector_round_trip, above: 250ms", true, 0.25,
		  "inspector_round_trip > 250ms" },
		{ "metric: inspector_round_trip, above: 0.5", true, 0.5,
		  "inspector_round_trip > 0.5" },
		{ "metric: \"heap_used\", above: \"2GB\"", true, 2e9, "heap_used > 2GB" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		struct rules *rules;
		const struct rule *rule;
		struct buf described;

		snprintf(text, sizeof(text), "groups: [{name: g, rules: [{alert: A, when: {%s}}]}]",
			 cases[i].when);
		rules = parse_good(text);
		rule = &rules->groups[0].rules[0];
		cr_assert_eq(rule->condition.terms[0].below, !cases[i].above, "%s", cases[i].when);
		cr_assert_float_eq(rule->condition.terms[0].level, cases[i].value, 1e-12, "%s",
				   cases[i].when);
		buf_init(&described, 1024);
		cr_assert_eq(rule_describe(rule, &described), 0);
		cr_assert_str_eq(buf_text(&described), cases[i].description);
		buf_fini(&described);
		rules_free(rules);
	}
}

/* A rule with one mistake in a file that is good otherwise. The rule begins at line 4. */
static void expect(const char *rule, const char *messages)
{
	char text[8192];
	struct rules *rules;
	struct buf got;

	snprintf(text, sizeof(text), "groups:\n- name: g\n  rules:\n%s", rule);
	cr_assert_eq(parse(text, &rules, &got), -EINVAL, "accepted: %s", rule);
	cr_expect_str_eq(buf_text(&got), messages);
	buf_fini(&got);
	rules_free(rules);
}

struct bad {
	const char *rule, *messages;
};

static void expect_all(const struct bad *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect(cases[i].rule, cases[i].messages);
}

#define EXPECT_ALL(cases) expect_all(cases, sizeof(cases) / sizeof((cases)[0]))

#define RULE "  - alert: A\n"
#define WHEN "    when: {metric: heap_used, above: 1GiB}\n"
#define AT   "groups[0].rules[0]"

Test(rule_load, bad_conditions)
{
	static const struct bad cases[] = {
		{ RULE "    when: {metric: heap_usde, above: 1GiB}\n",
		  "r.yaml:5:20: " AT ".when.metric: 'heap_usde' is no metric (did you mean "
		  "'heap_used'?)\n" },
		{ RULE "    when: {metric: load_average, above: 1}\n",
		  "r.yaml:5:20: " AT
		  ".when.metric: 'load_average' is no metric a rule can look at\n" },
		{ RULE "    when: {metric: heap_used, relative_to: heap_limits, above: 80%}\n",
		  "r.yaml:5:44: " AT ".when.relative_to: 'heap_limits' is no metric (did you mean "
		  "'heap_limit'?)\n" },
		{ RULE "    when: {metric: heap_used, relative_to: native_contexts, above: 80%}\n",
		  "r.yaml:5:44: " AT
		  ".when.relative_to: 'native_contexts' has another unit than 'heap_used', the two "
		  "cannot be compared\n" },
		{ RULE "    when: {metric: heap_used, relative_to: heap_used, above: 80%}\n",
		  "r.yaml:5:44: " AT
		  ".when.relative_to: 'heap_used' relative to itself is always 100%\n" },
		{ RULE "    when: {leak: {}, metric: heap_used, above: 5}\n",
		  "r.yaml:5:30: " AT ".when.metric: does not go with leak\n"
		  "r.yaml:5:48: " AT ".when.above: does not go with leak\n" },
		{ RULE "    when: {leak: {window: 3h}}\n",
		  "r.yaml:5:27: " AT ".when.leak.window: '3h' is not one of any, fast, slow\n" },
		{ RULE "    when: {leak: {}}\n    guards: {rearm_below: 5}\n",
		  "r.yaml:6:27: " AT ".guards.rearm_below: does not go with leak\n" },
		{ RULE "    when: {metric: heap_used}\n",
		  "r.yaml:5:11: " AT ".when: needs above or below, steps, growth or new_max\n" },
		{ RULE "    when: {metric: heap_used, above: 1GiB, below: 2GiB}\n",
		  "r.yaml:5:51: " AT ".when.below: either above or below, not both\n" },
		{ RULE "    when: {above: 1GiB}\n",
		  "r.yaml:5:11: " AT ".when: missing required key 'metric'\n" },
		{ RULE, "r.yaml:4:5: " AT ": missing required key 'when'\n" },
		{ RULE "    when:\n", "r.yaml:5:10: " AT ".when: needs a condition\n" },
		{ RULE "    when: heap_used > 1GiB\n",
		  "r.yaml:5:11: " AT ".when: expected a table (key: value), got a single value\n" },
		{ RULE "    when: {metric: heap_used, above: 1GiB, fro: 30s}\n",
		  "r.yaml:5:44: " AT ".when: unknown key 'fro' (did you mean 'for'?)\n" },
		{ RULE "    when: {metric: heap_used, above: 1GiB, for: 30}\n",
		  "r.yaml:5:49: " AT
		  ".when.for: '30' is not a duration (examples: 500ms, 10s, 1h30m) "
		  "(which unit? did you mean '30s'?)\n" },
		{ RULE "    when: {metric: heap_used, above: 1GiB, keep_firing_for: 60d}\n",
		  "r.yaml:5:61: " AT ".when.keep_firing_for: '60d' is out of range (0s to 30d)\n" },
		{ RULE "    when: {metric: heap_used, above: }\n",
		  "r.yaml:5:31: " AT
		  ".when.above: has no value (give one, or leave the key out)\n" },
	};

	EXPECT_ALL(cases);
}

Test(rule_load, bad_thresholds)
{
	static const struct bad cases[] = {
		{ RULE "    when: {metric: heap_used, relative_to: heap_limit, above: 80}\n",
		  "r.yaml:5:63: " AT
		  ".when.above: '80' is more than the whole (did you mean '80%'?)\n" },
		{ RULE "    when: {metric: heap_used, relative_to: heap_limit, above: 1GiB}\n",
		  "r.yaml:5:63: " AT ".when.above: '1GiB' is not a share (examples: 80%, 0.8)\n" },
		{ RULE "    when: {metric: heap_used, relative_to: heap_limit, above: -5%}\n",
		  "r.yaml:5:63: " AT ".when.above: '-5%' is not a share (examples: 80%, 0.8)\n" },
		{ RULE "    when: {metric: heap_used, relative_to: heap_limit, above: 5000%}\n",
		  "r.yaml:5:63: " AT ".when.above: '5000%' is out of range (at most 1000%)\n" },
		{ RULE "    when: {metric: heap_used, relative_to: heap_limit, below: nan}\n",
		  "r.yaml:5:63: " AT ".when.below: 'nan' is not a share (examples: 80%, 0.8)\n" },
		{ RULE "    when: {metric: heap_used, above: 80%}\n",
		  "r.yaml:5:38: " AT ".when.above: '80%' of what? a share needs relative_to\n" },
		{ RULE "    when: {metric: heap_used, above: 1.5GiB}\n",
		  "r.yaml:5:38: " AT
		  ".when.above: '1.5GiB' is not a size (examples: 512MiB, 2GiB, 1048576)\n" },
		{ RULE "    when: {metric: heap_used, above: 99999999999GiB}\n",
		  "r.yaml:5:38: " AT ".when.above: '99999999999GiB' is too large\n" },
		{ RULE "    when: {metric: native_contexts, above: 1KiB}\n",
		  "r.yaml:5:44: " AT ".when.above: '1KiB' is not a number\n" },
		{ RULE "    when: {metric: native_contexts, above: 0x10}\n",
		  "r.yaml:5:44: " AT ".when.above: '0x10' is not a number\n" },
		{ RULE "    when: {metric: inspector_round_trip, above: soon}\n",
		  "r.yaml:5:49: " AT
		  ".when.above: 'soon' is not a time (examples: 500ms, 2s, 0.5)\n" },
	};

	EXPECT_ALL(cases);
}

Test(rule_load, bad_matchers)
{
	static const struct bad cases[] = {
		{ RULE "    match: runtime=node\n" WHEN,
		  "r.yaml:5:12: " AT ".match: column 1: expected { before the first matcher\n" },
		{ RULE "    match: '{runtime=node}'\n" WHEN,
		  "r.yaml:5:12: " AT ".match: column 10: expected a quoted value\n" },
		{ RULE "    match: '{runtime==\"node\"}'\n" WHEN,
		  "r.yaml:5:12: " AT ".match: column 10: expected a quoted value\n" },
		{ RULE "    match: '{runtime~\"node\"}'\n" WHEN,
		  "r.yaml:5:12: " AT ".match: column 9: expected =, !=, =~ or !~\n" },
		{ RULE "    match: '{name=~\"api-(.*\"}'\n" WHEN,
		  "r.yaml:5:12: " AT ".match: column 8: missing ) in the pattern\n" },
		{ RULE "    match: '{name=\"x\"'\n" WHEN,
		  "r.yaml:5:12: " AT ".match: column 10: expected , or }\n" },
	};

	EXPECT_ALL(cases);
}

Test(rule_load, bad_labels_and_templates)
{
	static const struct bad cases[] = {
		{ RULE WHEN "    labels: {target: x}\n",
		  "r.yaml:6:22: " AT ".labels.target: the label 'target' is reserved\n" },
		{ RULE WHEN "    labels: {alertname: x, isolate: y}\n",
		  "r.yaml:6:25: " AT ".labels.alertname: the label 'alertname' is reserved\n"
		  "r.yaml:6:37: " AT ".labels.isolate: the label 'isolate' is reserved\n" },
		{ RULE WHEN "    labels: {__name__: x}\n",
		  "r.yaml:6:24: " AT ".labels.__name__: the label '__name__' is reserved\n" },
		{ RULE WHEN "    labels: {a-b: x}\n",
		  "r.yaml:6:14: " AT
		  ".labels: 'a-b' is not a label name (letters, digits and _, no digit first)\n" },
		{ RULE WHEN "    labels: {s: '{{ $value'}\n",
		  "r.yaml:6:17: " AT ".labels.s: column 10: missing }}\n" },
		{ RULE WHEN "    annotations: {s: 'x {{ humanize $value }}'}\n",
		  "r.yaml:6:22: " AT
		  ".annotations.s: column 6: expected $labels.NAME or $value\n" },
		{ RULE WHEN "    annotations: {s: '{{ $value | humanise }}'}\n",
		  "r.yaml:6:22: " AT
		  ".annotations.s: column 13: unknown filter \"humanise\" (did you "
		  "mean \"humanize\"?)\n" },
	};

	EXPECT_ALL(cases);
}

Test(rule_load, bad_actions_and_guards)
{
	static const struct bad cases[] = {
		{ RULE WHEN "    actions: [{capture: snapshots}]\n",
		  "r.yaml:6:25: " AT ".actions[0].capture: 'snapshots' is not one of snapshot, "
		  "diagnostics, sampling, timeline, tracking (did you mean 'snapshot'?)\n" },
		{ RULE WHEN "    actions: [{}]\n",
		  "r.yaml:6:15: " AT ".actions[0]: give either capture or gc: true\n" },
		{ RULE WHEN "    actions: {capture: snapshot}\n",
		  "r.yaml:6:14: " AT ".actions: expected a list of tables (- key: value), got a "
		  "table\n" },
		{ RULE WHEN "    guards: {cooldown: soon}\n",
		  "r.yaml:6:24: " AT
		  ".guards.cooldown: 'soon' is not a duration (examples: 500ms, 10s, 1h30m)\n" },
		{ RULE WHEN "    guards: {max_captures: 2000}\n",
		  "r.yaml:6:28: " AT ".guards.max_captures: '2000' is out of range (0 to 1000)\n" },
		{ RULE WHEN "    guards: {window: 1s}\n",
		  "r.yaml:6:22: " AT ".guards.window: '1s' is out of range (1m to 30d)\n" },
	};

	EXPECT_ALL(cases);
}

Test(rule_load, bad_rearm)
{
	static const struct bad cases[] = {
		{ RULE WHEN "    guards: {rearm_above: 1GiB}\n",
		  "r.yaml:6:27: " AT ".guards.rearm_above: goes with below; for a rule with above "
		  "say rearm_below\n" },
		{ RULE "    when: {metric: heap_used, below: 1GiB}\n"
		       "    guards: {rearm_below: 2GiB}\n",
		  "r.yaml:6:27: " AT ".guards.rearm_below: goes with above; for a rule with below "
		  "say rearm_above\n" },
		{ RULE WHEN "    guards: {rearm_below: 2GiB}\n",
		  "r.yaml:6:27: " AT ".guards.rearm_below: 2GiB is above the threshold (1GiB)\n" },
		{ RULE "    when: {metric: heap_used, below: 1GiB}\n"
		       "    guards: {rearm_above: 1MiB}\n",
		  "r.yaml:6:27: " AT ".guards.rearm_above: 1MiB is below the threshold (1GiB)\n" },
		{ RULE WHEN "    guards: {rearm_below: 70%}\n",
		  "r.yaml:6:27: " AT
		  ".guards.rearm_below: '70%' of what? a share needs relative_to\n" },
		{ RULE "    when: {metric: heap_used, relative_to: heap_limit, above: 80%}\n"
		       "    guards: {rearm_below: 70}\n",
		  "r.yaml:6:27: " AT
		  ".guards.rearm_below: '70' is more than the whole (did you mean '70%'?)\n" },
		{ RULE "    when: {metric: heap_used, relative_to: heap_limit, above: 80}\n"
		       "    guards: {rearm_below: 70%}\n",
		  "r.yaml:5:63: " AT
		  ".when.above: '80' is more than the whole (did you mean '80%'?)\n" },
	};

	EXPECT_ALL(cases);
}

Test(rule_load, bad_safety_guards)
{
	static const struct bad cases[] = {
		{ RULE WHEN "    guards: {headroom: much}\n",
		  "r.yaml:6:24: " AT ".guards.headroom: 'much' is not a number\n" },
		{ RULE WHEN "    guards: {headroom: -1}\n",
		  "r.yaml:6:24: " AT ".guards.headroom: -1 is out of range (0 to 1000)\n" },
		{ RULE WHEN "    guards: {max_heap: 4 GiB}\n",
		  "r.yaml:6:24: " AT
		  ".guards.max_heap: '4 GiB' is not a size (examples: 64KiB, 512MiB, 2GiB)\n" },
		{ RULE WHEN "    guards: {max_cpu: 5000}\n",
		  "r.yaml:6:23: " AT ".guards.max_cpu: 5000 is out of range (0 to 1000)\n" },
		{ RULE WHEN "    guards: {min_uptime: 10}\n",
		  "r.yaml:6:26: " AT ".guards.min_uptime: '10' is not a duration (examples: "
		  "500ms, 10s, 1h30m) (which unit? did you mean '10s'?)\n" },
		{ RULE WHEN "    guards: {quiet_hours: 8-9}\n",
		  "r.yaml:6:27: " AT ".guards.quiet_hours: '8-9' is not a time of day (examples: "
		  "08:00-09:00, 22:30-06:00) (HH:MM-HH:MM, local time)\n" },
		{ RULE WHEN "    guards: {quiet_hours: ['08:00-09:00', '10:00-10:00']}\n",
		  "r.yaml:6:43: " AT ".guards.quiet_hours[1]: '10:00-10:00' is not a time of day "
		  "(examples: 08:00-09:00, 22:30-06:00) (HH:MM-HH:MM, local time)\n" },
		{ RULE WHEN "    guards: {quiet_hours: {from: 8}}\n",
		  "r.yaml:6:27: " AT ".guards.quiet_hours: expected a time of day, got a table\n" },
		{ RULE WHEN "    guards: {quiet_hours: [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n",
		  "r.yaml:6:27: " AT ".guards.quiet_hours: 9 times are too many (at most 8)\n" },
		{ RULE WHEN "    guards: {quiet_hours: }\n",
		  "r.yaml:6:14: " AT
		  ".guards.quiet_hours: has no value (give one, or leave the key out)\n" },
		{ RULE WHEN "    dry_run: yes\n",
		  "r.yaml:6:14: " AT
		  ".dry_run: 'yes' is not true or false (did you mean 'true'?)\n" },
		{ RULE WHEN "    guards: {dry_run: true}\n",
		  "r.yaml:6:14: " AT ".guards: unknown key 'dry_run'\n" },
	};

	EXPECT_ALL(cases);
}

#define ACTION RULE WHEN "    actions:\n    - "

Test(rule_load, bad_actions)
{
	static const struct bad cases[] = {
		{ ACTION "{capture: snapshot, series: {spacing: 10m}}\n",
		  "r.yaml:7:35: " AT ".actions[0].series: missing required key 'count'\n" },
		{ ACTION "{capture: snapshot, series: {count: 0}}\n",
		  "r.yaml:7:43: " AT ".actions[0].series.count: '0' is out of range (1 to 20)\n" },
		{ ACTION "{capture: snapshot, series: {count: 21}}\n",
		  "r.yaml:7:43: " AT ".actions[0].series.count: '21' is out of range (1 to 20)\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, spacing: 9s}}\n",
		  "r.yaml:7:55: " AT
		  ".actions[0].series.spacing: '9s' is out of range (10s to 7d)\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, growth: some}}\n",
		  "r.yaml:7:54: " AT ".actions[0].series.growth: 'some' is not a share of one "
		  "(examples: 80%, 0.8)\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, growth: 0.5%}}\n",
		  "r.yaml:7:54: " AT
		  ".actions[0].series.growth: 0.5% is out of range (1% to 100%)\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, deadline: 1h}}\n",
		  "r.yaml:7:56: " AT ".actions[0].series.deadline: goes with growth\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, at_deadline: take}}\n",
		  "r.yaml:7:59: " AT ".actions[0].series.at_deadline: goes with growth\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, growth: 20%, deadline: 5m}}\n",
		  "r.yaml:7:69: " AT
		  ".actions[0].series.deadline: 5m is shorter than the spacing (10m)\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, growth: 20%, spacing: 25h}}\n",
		  "r.yaml:7:68: " AT
		  ".actions[0].series.spacing: 1d is shorter than the spacing (1d1h)\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, growth: 20%, at_deadline: no}}\n",
		  "r.yaml:7:72: " AT
		  ".actions[0].series.at_deadline: 'no' is not one of take, give_up\n" },
		{ ACTION "{capture: snapshot, series: {count: 3, ids: exact}}\n",
		  "r.yaml:7:51: " AT
		  ".actions[0].series.ids: exact ids are kept for at most 5m, and 3 snapshots 10m "
		  "apart take 20m: the program is several times slower meanwhile\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, spacing: 301s, ids: exact}}\n",
		  "r.yaml:7:66: " AT
		  ".actions[0].series.ids: exact ids are kept for at most 5m, and 2 snapshots 5m1s "
		  "apart take 5m1s: the program is several times slower meanwhile\n" },
		{ ACTION "{capture: snapshot, series: {count: 1, spacing: 10s, ids: exact}}\n",
		  "r.yaml:7:65: " AT
		  ".actions[0].series.ids: exact ids go with a count of 2 or more\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, growth: 20%, ids: exact}}\n",
		  "r.yaml:7:64: " AT
		  ".actions[0].series.ids: exact ids do not go with growth, which takes as long as "
		  "it takes: the program is several times slower meanwhile\n" },
		{ ACTION "{capture: snapshot, series: {count: 2, ids: some}}\n",
		  "r.yaml:7:51: " AT ".actions[0].series.ids: 'some' is not one of any, exact\n" },
		{ ACTION "{capture: snapshot, redact: some}\n",
		  "r.yaml:7:35: " AT ".actions[0].redact: 'some' is not one of none, strings, all "
		  "(did you mean 'none'?)\n" },
		{ ACTION "{capture: snapshot, encrypt: [" KEY ", ops]}\n",
		  "r.yaml:7:101: " AT
		  ".actions[0].encrypt[1]: not an age recipient: it begins with \"age1\"\n" },
		{ ACTION "capture: snapshot\n    - {capture: snapshot, redact: all}\n",
		  "r.yaml:8:17: " AT ".actions[1].capture: the rule takes this capture already\n" },
		{ ACTION "{capture: diagnostics, series: {count: 2}}\n",
		  "r.yaml:7:38: " AT ".actions[0].series: only snapshots come in series\n" },
		{ ACTION "{capture: diagnostics, redact: all}\n",
		  "r.yaml:7:38: " AT ".actions[0].redact: diagnostics hold nothing to redact\n" },
		{ ACTION "{gc: false}\n",
		  "r.yaml:7:7: " AT ".actions[0]: give either capture or gc: true\n" },
		{ ACTION "{gc: true, capture: snapshot}\n",
		  "r.yaml:7:7: " AT ".actions[0]: give either capture or gc: true\n" },
		{ ACTION "{gc: true, redact: all}\n",
		  "r.yaml:7:7: " AT ".actions[0]: nothing is kept of gc: it goes alone\n" },
		{ ACTION "{gc: true, series: {count: 2}}\n",
		  "r.yaml:7:7: " AT ".actions[0]: nothing is kept of gc: it goes alone\n" },
	};

	EXPECT_ALL(cases);
}

/* Half-read rules own lists in lists: this is for the leak sanitizer. */
Test(rule_load, recipients_are_freed_with_what_is_wrong)
{
	char text[2048] = RULE WHEN "    actions: [{capture: snapshot, encrypt: [" KEY;

	for (int i = 1; i < 21; i++)
		strcat(text, "," KEY);
	strcat(text, "]}]\n");
	expect(text, "r.yaml:6:44: " AT ".actions[0].encrypt: 21 are too many, at most 20\n");
}

Test(rule_load, bad_names_and_shapes)
{
	static const struct bad cases[] = {
		{ "  - " WHEN, "r.yaml:4:9: " AT ": missing required key 'alert'\n" },
		{ "  - alert: ''\n" WHEN,
		  "r.yaml:4:12: " AT ".alert: '' is not a text (not empty)\n" },
		{ "  - rule: A\n" WHEN, "r.yaml:4:5: " AT ": unknown key 'rule'\n"
					"r.yaml:4:5: " AT ": missing required key 'alert'\n" },
		{ "  - A\n",
		  "r.yaml:4:5: " AT ": expected a table (key: value), got a single value\n" },
		{ RULE WHEN RULE WHEN,
		  "r.yaml:6:12: groups[0].rules[1].alert: 'A' is there twice in this group\n" },
		{ RULE WHEN "- name: g\n",
		  "r.yaml:6:9: groups[1].name: 'g' is there twice in this file\n" },
		{ RULE WHEN "- name: h\n  interval: 10ms\n",
		  "r.yaml:7:13: groups[1].interval: '10ms' is out of range (1s to 1d)\n" },
		{ RULE WHEN "- rules: []\n",
		  "r.yaml:6:3: groups[1]: missing required key 'name'\n" },
		{ RULE WHEN "    expr: x > 1\n", "r.yaml:6:5: " AT ": unknown key 'expr'\n" },
	};

	EXPECT_ALL(cases);
}

Test(rule_load, name_that_does_not_fit)
{
	char rule[1024], name[RULE_NAME_MAX_BYTES + 2];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(rule, sizeof(rule), "  - alert: %s\n" WHEN, name);
	expect(rule, "r.yaml:4:12: " AT ".alert: longer than 127 bytes\n");
}

/* One run names all mistakes: those of the tables first, then those of whole rules. */
Test(rule_load, several_at_once)
{
	expect("  - alert: A\n"
	       "    match: '{x}'\n"
	       "    when: {metric: heap_usde, above: 80%, fro: 1s}\n"
	       "  - alert: A\n"
	       "    when: {metric: heap_used}\n"
	       "    labels: {isolate: x}\n",
	       "r.yaml:6:43: " AT ".when: unknown key 'fro' (did you mean 'for'?)\n"
	       "r.yaml:5:12: " AT ".match: column 3: expected =, !=, =~ or !~\n"
	       "r.yaml:6:20: " AT
	       ".when.metric: 'heap_usde' is no metric (did you mean 'heap_used'?)\n"
	       "r.yaml:8:11: groups[0].rules[1].when: needs above or below, steps, growth or "
	       "new_max\n"
	       "r.yaml:9:23: groups[0].rules[1].labels.isolate: the label 'isolate' is reserved\n"
	       "r.yaml:7:12: groups[0].rules[1].alert: 'A' is there twice in this group\n");
}

/* ---- files and patterns ---- */

struct folder {
	char path[64];
};

static void folder_init(struct folder *folder)
{
	snprintf(folder->path, sizeof(folder->path), "%s/test_rule_load.XXXXXX", P_tmpdir);
	cr_assert_not_null(mkdtemp(folder->path));
}

static char *in_folder(const struct folder *folder, const char *name)
{
	static char paths[4][128];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder->path, name);
	return path;
}

static void write_file(const struct folder *folder, const char *name, const char *text)
{
	FILE *file = fopen(in_folder(folder, name), "w");

	cr_assert_not_null(file);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
}

static void folder_fini(struct folder *folder, const char *const *names)
{
	for (; *names != NULL; names++)
		cr_assert_eq(unlink(in_folder(folder, *names)), 0);
	cr_assert_eq(rmdir(folder->path), 0);
}

static const char good_file[] = "groups: [{name: g, rules: [{alert: A, when: {metric: heap_used, "
				"above: 1}}]}]\n";

Test(rule_load, each_file_once_in_order)
{
	static const char *const names[] = { "b.yaml", "a.yaml", NULL };
	struct folder folder;
	struct problems problems;
	struct rules *rules = NULL;

	folder_init(&folder);
	write_file(&folder, "b.yaml", good_file);
	write_file(&folder, "a.yaml", good_file);
	char *items[] = { in_folder(&folder, "b.yaml"), in_folder(&folder, "*.yaml"),
			  in_folder(&folder, "none-*.yaml") };
	struct text_list patterns = { .items = items, .n = 3 };
	problems_init(&problems);
	cr_assert_eq(rules_load(&rules, &patterns, DEFAULT_INTERVAL_NS, &problems), 0);
	cr_assert_eq(problems.n, 0);
	cr_assert_eq(rules->groups_n, 2);
	cr_assert_str_eq(rules->groups[0].file, in_folder(&folder, "b.yaml"));
	cr_assert_str_eq(rules->groups[1].file, in_folder(&folder, "a.yaml"));
	rules_free(rules);
	problems_fini(&problems);
	folder_fini(&folder, names);
}

Test(rule_load, no_patterns_no_rules)
{
	struct text_list patterns = { 0 };
	struct problems problems;
	struct rules *rules = NULL;

	problems_init(&problems);
	cr_assert_eq(rules_load(&rules, &patterns, DEFAULT_INTERVAL_NS, &problems), 0);
	cr_assert_eq(rules->groups_n, 0);
	rules_free(rules);
	problems_fini(&problems);
}

Test(rule_load, missing_and_broken_files_are_all_named)
{
	static const char *const names[] = { "bad.yaml", "broken.yaml", "good.yaml", NULL };
	struct folder folder;
	struct problems problems;
	struct rules *rules = NULL;
	char expected[256];

	folder_init(&folder);
	write_file(&folder, "good.yaml", good_file);
	write_file(&folder, "bad.yaml", "groups: [{name: g, rule: []}]\n");
	write_file(&folder, "broken.yaml", "groups: [\n");
	char *items[] = { in_folder(&folder, "absent.yaml"), in_folder(&folder, "*.yaml") };
	struct text_list patterns = { .items = items, .n = 2 };
	problems_init(&problems);
	cr_assert_eq(rules_load(&rules, &patterns, DEFAULT_INTERVAL_NS, &problems), -EINVAL);
	cr_assert_null(rules);
	cr_assert_eq(problems.n, 3);
	snprintf(expected, sizeof(expected),
		 "%s/absent.yaml: cannot be read: No such file or "
		 "directory",
		 folder.path);
	cr_assert_str_eq(problems.items[0].text, expected);
	snprintf(expected, sizeof(expected),
		 "%s/bad.yaml:1:20: groups[0]: unknown key 'rule' (did you mean 'rules'?)",
		 folder.path);
	cr_assert_str_eq(problems.items[2].text, expected);
	/* What is no document is told first: the others are read together, for they may extend
	 * each other. */
	snprintf(expected, sizeof(expected), "%s/broken.yaml:", folder.path);
	cr_assert_eq(strncmp(problems.items[1].text, expected, strlen(expected)), 0, "%s",
		     problems.items[1].text);
	problems_fini(&problems);
	folder_fini(&folder, names);
}

/* What is shipped is what the documentation says of it. */
Test(rule_load, preset_memory)
{
	char *items[] = { (char *)PRESET_RULES };
	struct text_list patterns = { .items = items, .n = 1 };
	struct problems problems;
	struct rules *rules = NULL;
	const struct rule *heap, *container;

	problems_init(&problems);
	cr_assert_eq(rules_load(&rules, &patterns, DEFAULT_INTERVAL_NS, &problems), 0, "%s",
		     problems.n > 0 ? problems.items[0].text : "");
	cr_assert_eq(rules->groups_n, 1);
	cr_assert_eq(rules->groups[0].rules_n, 2);
	heap = &rules->groups[0].rules[0];
	cr_assert_str_eq(heap->name, "HeapNearLimit");
	cr_assert_eq(heap->condition.terms[0].metric, value_find("heap_used"));
	cr_assert_eq(heap->condition.terms[0].relative_to, value_find("heap_limit"));
	cr_assert_float_eq(heap->condition.terms[0].level, 0.8, 1e-12);
	cr_assert_eq(heap->for_ns, 30 * NS_PER_S);
	cr_assert_eq(heap->guards.cooldown_ns, 30 * 60 * NS_PER_S);
	cr_assert_eq(heap->guards.max_captures, 3);
	cr_assert_eq(heap->guards.window_ns, 24 * 3600 * NS_PER_S);
	cr_assert_eq(heap->actions.n, 1);
	container = &rules->groups[0].rules[1];
	cr_assert_str_eq(container->name, "ContainerNearOOM");
	cr_assert_eq(container->condition.terms[0].metric, value_find("cgroup_memory_usage"));
	cr_assert_eq(container->condition.terms[0].relative_to, value_find("cgroup_memory_limit"));
	cr_assert_float_eq(container->condition.terms[0].level, 0.9, 1e-12);
	cr_assert_eq(container->actions.n, 0);
	for (const struct rule *rule = heap; rule <= container; rule++) {
		cr_assert_not_null(labels_get(&rule->labels, "severity"));
		cr_assert_not_null(labels_get(&rule->annotations, "summary"));
		cr_assert_not_null(labels_get(&rule->annotations, "description"));
	}
	rules_free(rules);
	problems_fini(&problems);
}
