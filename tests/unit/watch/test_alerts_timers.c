/* The timers of rule groups, in real time, seen through the private header. */

#include "watch/alert_group.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "watch/target.h"

static struct loop loop;
static struct targets targets;
static struct alerts alerts;

static void set_up(void)
{
	cr_assert_eq(loop_init(&loop), 0);
	link_init(&targets.list);
	cr_assert_eq(alerts_init(&alerts, &loop, &targets), 0);
}

static void tear_down(void)
{
	alerts_fini(&alerts);
	loop_fini(&loop);
}

TestSuite(alerts_timers, .init = set_up, .fini = tear_down);

static struct rules *parse(const char *text)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;

	cr_assert_not_null(rules);
	problems_init(&problems);
	cr_assert_eq(rules_parse(rules, text, strlen(text), "r.yaml", 15 * NS_PER_S, &problems), 0);
	problems_fini(&problems);
	return rules;
}

static struct rules *three_groups(void)
{
	return parse("groups:\n"
		     "- {name: a, rules: [{alert: A, when: {metric: heap_used, above: 1}}]}\n"
		     "- {name: b, rules: [{alert: A, when: {metric: heap_used, above: 1}}]}\n"
		     "- {name: c, rules: []}\n");
}

Test(alerts_timers, groups_are_evaluated_each_at_its_interval)
{
	struct rules *rules = three_groups();
	uint64_t end_ns = clock_mono_ns() + 30 * NS_PER_S, a, b;

	rules->groups[0].interval_ns = 10 * NS_PER_MS;
	rules->groups[1].interval_ns = 40 * NS_PER_MS;
	rules->groups[2].interval_ns = 10 * NS_PER_MS;
	cr_assert_eq(alerts_set_rules(&alerts, rules), 0);
	while (alerts_evaluations(&alerts, 1, 0) < 5 && clock_mono_ns() < end_ns)
		cr_assert_eq(loop_turn(&loop, 1000), 0);
	a = alerts_evaluations(&alerts, 0, 0);
	b = alerts_evaluations(&alerts, 1, 0);
	cr_assert_eq(b, 5);
	/* A busy machine may skip slots, but never adds any: between two of b there are four of a.
	 */
	cr_assert_geq(a, 5);
	cr_assert_leq(a, 4 * (b + 1));
	cr_assert_gt(alerts.timers[2].evaluations, 0);
}

Test(alerts_timers, groups_of_one_interval_are_spread)
{
	uint64_t due_ns[3];

	cr_assert_eq(alerts_set_rules(&alerts, three_groups()), 0);
	for (size_t i = 0; i < 3; i++) {
		cr_assert(alerts.timers[i].timer.armed);
		due_ns[i] = alerts.timers[i].timer.due_ns % (15 * NS_PER_S) / (100 * NS_PER_MS);
	}
	cr_assert_neq(due_ns[0], due_ns[1]);
	cr_assert_neq(due_ns[0], due_ns[2]);
	cr_assert_neq(due_ns[1], due_ns[2]);
}

/* A reload does not put the next evaluation off for ever: the slots stay where they are. */
Test(alerts_timers, phase_survives_a_reload)
{
	uint64_t before_ns, after_ns;

	cr_assert_eq(alerts_set_rules(&alerts, three_groups()), 0);
	before_ns = alerts.timers[0].timer.due_ns;
	cr_assert_eq(alerts_set_rules(&alerts, three_groups()), 0);
	after_ns = alerts.timers[0].timer.due_ns;
	cr_assert_lt((after_ns - before_ns + NS_PER_S) % (15 * NS_PER_S), 2 * NS_PER_S);
}
