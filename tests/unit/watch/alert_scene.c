/* The scene of the tests of alerts. */

#include "alert_scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"

struct loop loop;
struct targets targets;
struct alerts alerts;
char events[1024]; /* what the hooks were told: "F name/isolate ", "R name/isolate " */

static void note(char what, const struct alert *alert)
{
	size_t used = strlen(events);

	snprintf(events + used, sizeof(events) - used, "%c %s/%s ", what, alert->target,
		 alert->isolate);
}

bool firing_is_done;

static bool on_firing(void *owner, struct alert *alert, struct target *target)
{
	cr_assert_eq(owner, &events);
	cr_assert_eq(alert->state, ALERT_FIRING);
	cr_assert_eq(alert->target_id, target->id);
	note('F', alert);
	return firing_is_done;
}

static void on_resolved(void *owner, const struct alert *alert)
{
	cr_assert_eq(owner, &events);
	cr_assert_eq(alert->state, ALERT_INACTIVE);
	note('R', alert);
}

static void on_rearmed(void *owner, const struct rule *rule, const struct target *target,
		       const struct isolate *isolate)
{
	size_t used = strlen(events);

	cr_assert_eq(owner, &events);
	cr_assert(rule->guards.has_rearm);
	snprintf(events + used, sizeof(events) - used, "A %s/%s ", target->spec.name,
		 isolate->name);
}

void expect_events(const char *expected)
{
	cr_assert_str_eq(events, expected);
	events[0] = '\0';
}

void set_time(uint64_t seconds)
{
	clock_simulate(seconds * NS_PER_S, (int64_t)seconds * 1000 + 1700000000000);
	loop.now_ns = seconds * NS_PER_S;
}

struct rules *parse(const char *text)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;

	cr_assert_not_null(rules);
	problems_init(&problems);
	cr_assert_eq(rules_parse(rules, text, strlen(text), "r.yaml", 15 * NS_PER_S, &problems), 0,
		     "%s", problems.n > 0 ? problems.items[0].text : "");
	problems_fini(&problems);
	return rules;
}

void set_rules(const char *text)
{
	cr_assert_eq(alerts_set_rules(&alerts, parse(text)), 0);
}

struct target *add_target(const char *name)
{
	struct target *target = calloc(1, sizeof(*target));

	cr_assert_not_null(target);
	target->id = ++targets.next_id;
	target->targets = &targets;
	target->spec.name = strdup(name);
	target->spec.poll.interval_ns = 5 * NS_PER_S;
	target->state = TARGET_UP;
	target->state_since_ns = loop.now_ns;
	target->identified = true;
	str_copy(target->identity.runtime, sizeof(target->identity.runtime), "node");
	link_init(&target->isolates);
	link_init(&target->missing);
	list_append(&targets.list, &target->link);
	return target;
}

struct isolate *add_isolate(struct target *target, const char *name)
{
	struct isolate *isolate = calloc(1, sizeof(*isolate));

	cr_assert_not_null(isolate);
	str_copy(isolate->name, sizeof(isolate->name), name);
	list_append(&target->isolates, &isolate->link);
	return isolate;
}

void remove_isolate(struct isolate *isolate)
{
	link_remove(&isolate->link);
	free(isolate);
}

void remove_target(struct target *target)
{
	list_each_safe (at, &target->isolates)
		remove_isolate(container_of(at, struct isolate, link));
	link_remove(&target->link);
	target_spec_fini(&target->spec);
	free(target);
}

/* A sample of now: megabytes used of a limit of a hundred. */
void sample(struct isolate *isolate, double used_mib)
{
	isolate->last = (struct sample){ .mono_ns = loop.now_ns };
	sample_set(&isolate->last, SAMPLE_HEAP_USED, (uint64_t)(used_mib * MIB));
	sample_set(&isolate->last, SAMPLE_HEAP_LIMIT, (uint64_t)(100 * MIB));
}

/* Time, a sample, an evaluation of the first group. */
void tick(uint64_t seconds, struct isolate *isolate, double used_mib)
{
	set_time(seconds);
	sample(isolate, used_mib);
	alerts_evaluate(&alerts, 0);
}

const struct alert *only_alert(void)
{
	cr_assert_eq(alerts.count, 1);
	cr_assert_not(list_empty(&alerts.list));
	return container_of(alerts.list.next, struct alert, link);
}

void expect_state(enum alert_state state)
{
	if (state == ALERT_INACTIVE)
		cr_assert_eq(alerts.count, 0);
	else
		cr_assert_eq(only_alert()->state, state);
}

void set_up(void)
{
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	set_time(1000);
	cr_assert_eq(loop_init(&loop), 0);
	link_init(&targets.list);
	cr_assert_eq(alerts_init(&alerts, &loop, &targets), 0);
	alerts.on_firing = on_firing;
	firing_is_done = true;
	alerts.on_resolved = on_resolved;
	alerts.on_rearmed = on_rearmed;
	alerts.owner = &events;
}

void tear_down(void)
{
	alerts_fini(&alerts);
	alerts_fini(&alerts);
	list_each_safe (at, &targets.list)
		remove_target(container_of(at, struct target, link));
	loop_fini(&loop);
	clock_real();
}
