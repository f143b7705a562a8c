/* Alerts over a restart: steps, events and groups of conditions go on where they were. */

#include "watch/alert_restore.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "alert_scene.h"
#include "util/clock.h"
#include "util/err.h"

TestSuite(alert_restore, .init = set_up, .fini = tear_down);

#define STEPS                                                                                      \
	HEAD "    when: {metric: heap_used, relative_to: heap_limit, steps: [50%, 80%], "          \
	     "for: 30s}\n"
#define EVENT_OR                                                                                   \
	HEAD "    when: {any_of: [{metric: heap_used, above: 50000000}, {on: [restart]}], "        \
	     "keep_firing_for: 1m}\n"

/* What is written then is what another daemon begins with. */
static void restart(uint64_t seconds, const char *rules, uint32_t expected)
{
	const struct alerts before = alerts;
	struct err err = { 0 };
	char *text;
	size_t size;
	uint32_t n;

	cr_assert_eq(alerts_text(&alerts, &text, &size), 0);
	alerts_fini(&alerts);
	set_time(seconds);
	cr_assert_eq(alerts_init(&alerts, &loop, &targets), 0);
	alerts.on_firing = before.on_firing;
	alerts.on_resolved = before.on_resolved;
	alerts.on_rearmed = before.on_rearmed;
	alerts.owner = before.owner;
	set_rules(rules);
	cr_assert_eq(alerts_restore(&alerts, text, size, &n, &err), 0, "%s", err.text);
	cr_assert_eq(n, expected);
	free(text);
}

static const struct alert *of_step(uint64_t step)
{
	list_each (at, &alerts.list) {
		const struct alert *alert = container_of(at, struct alert, link);

		if (alert->step == step)
			return alert;
	}
	return NULL;
}

/* As in Prometheus, the time in which nobody looked counts for nothing. */
Test(alert_restore, each_step_goes_on_by_itself)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(STEPS);
	tick(1000, main, 60);
	tick(1030, main, 90);
	expect_events("F api/main ");
	tick(1045, main, 90);
	restart(1100, STEPS, 2);
	cr_assert_eq(of_step(0)->state, ALERT_FIRING);
	cr_assert(of_step(0)->acted);
	cr_assert_eq(of_step(1)->state, ALERT_PENDING);
	cr_assert_eq(of_step(1)->active_since_ns, 1085 * NS_PER_S);
	tick(1110, main, 90);
	expect_events("");
	tick(1115, main, 90);
	expect_events("F api/main ");
	restart(1200, STEPS, 2);
	tick(1205, main, 60);
	expect_events("R api/main ");
	cr_assert_null(of_step(1));
	cr_assert_eq(of_step(0)->state, ALERT_FIRING);
}

/* With other steps it is another condition, and what fired for the old one ends. */
Test(alert_restore, steps_that_are_others_end)
{
	struct isolate *main = add_isolate(add_target("api"), "main");

	set_rules(STEPS);
	tick(1000, main, 90);
	tick(1030, main, 90);
	expect_events("F api/main ");
	restart(1040,
		HEAD "    when: {metric: heap_used, relative_to: heap_limit, steps: [50%, 85%], "
		     "for: 30s}\n",
		0);
	expect_events("R api/main R api/main ");
	cr_assert_eq(alerts.count, 0);
}

/* The event is over and does not come again: what is left is the time it is kept firing for. */
Test(alert_restore, what_an_event_raised_is_kept_for_as_long_as_before)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");
	int term;

	set_rules(EVENT_OR);
	tick(1000, main, 10);
	target->restarts++;
	tick(1015, main, 10);
	expect_events("F api/main ");
	term = only_alert()->term;
	tick(1030, main, 10);
	tick(1045, main, 10);
	restart(1100, EVENT_OR, 1);
	cr_assert_eq(only_alert()->term, term, "which of the two held");
	cr_assert_eq(only_alert()->keep_since_ns, 1085 * NS_PER_S);
	tick(1144, main, 10);
	expect_events("");
	cr_assert_eq(only_alert()->state, ALERT_FIRING);
	tick(1146, main, 10);
	expect_events("R api/main ");
	cr_assert_eq(alerts.count, 0);
}

/* The counts of events begin anew with the daemon: what came before it is no event. */
Test(alert_restore, an_event_is_not_seen_twice)
{
	struct target *target = add_target("api");
	struct isolate *main = add_isolate(target, "main");

	set_rules(EVENT_OR);
	tick(1000, main, 10);
	target->restarts++;
	tick(1015, main, 60);
	expect_events("F api/main ");
	restart(1040, EVENT_OR, 1);
	tick(1045, main, 60);
	tick(1060, main, 10);
	tick(1119, main, 10);
	expect_events("");
	tick(1121, main, 10);
	expect_events("R api/main ");
}
