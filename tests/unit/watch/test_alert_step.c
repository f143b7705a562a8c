/*
 * The state of one alert as a pure step: written-out courses, and all courses of twelve evaluations
 * against Prometheus' algorithm (rules/alerting.go, AlertingRule.Eval) transcribed.
 */

#include "watch/alert.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "util/clock.h"

static const uint64_t start_ns = 1000 * NS_PER_S;

static char letter(enum alert_state state)
{
	return "-PF"[state];
}

/* One evaluation a second; holds is a text of 1 and 0. The states into got. */
static void run(const struct rule *rule, const char *holds, char *got)
{
	struct alert_phase phase = { .state = ALERT_INACTIVE };
	uint64_t now_ns = start_ns;

	for (; *holds != '\0'; holds++, now_ns += NS_PER_S) {
		phase = alert_step(phase, rule, *holds == '1', now_ns);
		*got++ = letter(phase.state);
	}
	*got = '\0';
}

Test(alert_step, courses)
{
	static const struct {
		unsigned for_s, keep_s;
		const char *holds, *states;
	} cases[] = {
		/* Without `for` it fires in the evaluation that first holds. */
		{ 0, 0, "0010100", "--F-F--" },
		{ 1, 0, "0111000", "-PFF---" },
		{ 3, 0, "1111100", "PPPFF--" },
		/* A gap starts the wait anew. */
		{ 3, 0, "1110111110", "PPP-PPPFF-" },
		{ 3, 0, "10101010", "P-P-P-P-" },
		/* Kept for three seconds from the first evaluation that does not hold. */
		{ 0, 3, "1000000", "FFFF---" },
		{ 0, 3, "1001000000", "FFFFFFF---" },
		{ 2, 3, "111000000", "PPFFFF---" },
		/* What is only pending is not kept. */
		{ 2, 3, "110000", "PP----" },
		/* Over, it waits again. */
		{ 2, 2, "1110000111", "PPFFF--PPF" },
		{ 2, 1, "11100111", "PPFF-PPF" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rule rule = { .for_ns = cases[i].for_s * NS_PER_S,
				     .keep_firing_for_ns = cases[i].keep_s * NS_PER_S };
		char got[32];

		run(&rule, cases[i].holds, got);
		cr_expect_str_eq(got, cases[i].states);
	}
}

Test(alert_step, times)
{
	struct rule rule = { .for_ns = 10 * NS_PER_S, .keep_firing_for_ns = 10 * NS_PER_S };
	struct alert_phase phase = { .state = ALERT_INACTIVE };

	phase = alert_step(phase, &rule, true, 100 * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_PENDING);
	cr_assert_eq(phase.active_since_ns, 100 * NS_PER_S);
	cr_assert_eq(phase.firing_since_ns, 0);
	phase = alert_step(phase, &rule, true, 110 * NS_PER_S - 1);
	cr_assert_eq(phase.state, ALERT_PENDING);
	phase = alert_step(phase, &rule, true, 110 * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_FIRING);
	cr_assert_eq(phase.active_since_ns, 100 * NS_PER_S);
	cr_assert_eq(phase.firing_since_ns, 110 * NS_PER_S);
	cr_assert_not(phase.keeping);
	phase = alert_step(phase, &rule, false, 120 * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_FIRING);
	cr_assert(phase.keeping);
	cr_assert_eq(phase.keep_since_ns, 120 * NS_PER_S);
	phase = alert_step(phase, &rule, false, 130 * NS_PER_S - 1);
	cr_assert_eq(phase.state, ALERT_FIRING);
	cr_assert_eq(phase.keep_since_ns, 120 * NS_PER_S);
	phase = alert_step(phase, &rule, true, 130 * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_FIRING);
	cr_assert_not(phase.keeping);
	cr_assert_eq(phase.firing_since_ns, 110 * NS_PER_S);
	phase = alert_step(phase, &rule, false, 140 * NS_PER_S);
	phase = alert_step(phase, &rule, false, 150 * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_INACTIVE);
	cr_assert_eq(phase.active_since_ns, 0);
	cr_assert_eq(phase.firing_since_ns, 0);
}

/* As in Prometheus, an alert that fires goes back to pending when a reload asks for more. */
Test(alert_step, longer_for_while_firing)
{
	struct rule rule = { .for_ns = 2 * NS_PER_S };
	struct alert_phase phase = { .state = ALERT_INACTIVE };

	for (uint64_t s = 0; s <= 3; s++)
		phase = alert_step(phase, &rule, true, start_ns + s * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_FIRING);
	rule.for_ns = 6 * NS_PER_S;
	phase = alert_step(phase, &rule, true, start_ns + 4 * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_PENDING);
	cr_assert_eq(phase.active_since_ns, start_ns);
	phase = alert_step(phase, &rule, true, start_ns + 6 * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_FIRING);
	cr_assert_eq(phase.firing_since_ns, start_ns + 6 * NS_PER_S);
	/* And shorter: what was pending fires. */
	rule.for_ns = 60 * NS_PER_S;
	phase = alert_step(phase, &rule, true, start_ns + 7 * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_PENDING);
	rule.for_ns = 0;
	phase = alert_step(phase, &rule, true, start_ns + 8 * NS_PER_S);
	cr_assert_eq(phase.state, ALERT_FIRING);
}

/* ---- Prometheus' algorithm, seconds and -1 for its zero time ---- */

struct reference {
	enum alert_state state;
	int active_at, keep_firing_since;
};

static void reference_eval(struct reference *a, int hold, int keep_firing_for, bool result, int ts)
{
	if (result && a->state == ALERT_INACTIVE)
		*a = (struct reference){ ALERT_PENDING, ts, -1 };
	if (a->state == ALERT_INACTIVE)
		return;
	if (!result) {
		bool keep_firing = false;

		if (a->state == ALERT_FIRING && keep_firing_for > 0) {
			if (a->keep_firing_since < 0)
				a->keep_firing_since = ts;
			if (ts - a->keep_firing_since < keep_firing_for)
				keep_firing = true;
		}
		if (!keep_firing) {
			a->state = ALERT_INACTIVE;
			return;
		}
	} else {
		a->keep_firing_since = -1;
	}
	if (a->state == ALERT_PENDING && ts - a->active_at >= hold)
		a->state = ALERT_FIRING;
}

enum { STEPS = 12 };

/* One course: a bit per evaluation. Evaluations come late now and then, by a second. */
static void compare(int hold, int keep, unsigned course)
{
	const uint64_t second = NS_PER_S;
	struct rule rule = { .for_ns = (unsigned)hold * second,
			     .keep_firing_for_ns = (unsigned)keep * second };
	struct reference reference = { ALERT_INACTIVE, 0, -1 };
	struct alert_phase phase = { .state = ALERT_INACTIVE };
	int ts = 0;

	for (int i = 0; i < STEPS; i++) {
		bool result = course >> i & 1;

		ts += 1 + (i * 7 + (int)course) % 3 / 2;
		reference_eval(&reference, hold, keep, result, ts);
		phase = alert_step(phase, &rule, result, start_ns + (unsigned)ts * second);
		cr_assert_eq(phase.state, reference.state, "for %d keep %d course %x step %d", hold,
			     keep, course, i);
	}
}

Test(alert_step, every_course_as_prometheus)
{
	for (int hold = 0; hold <= 5; hold++) {
		for (int keep = 0; keep <= 5; keep++) {
			for (unsigned course = 0; course < 1u << STEPS; course++)
				compare(hold, keep, course);
		}
	}
}
