/*
 * All alerts
 *
 * Each group of rules has a timer with its own phase. An evaluation visits every isolate of every
 * target a rule matches, and afterwards the alerts of the group it has not come by: their isolate
 * is gone or does not match any more, so their condition does not hold. A rule keeps its id over
 * reloads while its condition stays the same; by that id an alert finds its rule again.
 */

#include "watch/alert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/sched.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"
#include "watch/value.h"

/* Ten rules at once on each of a thousand targets. */
enum { ALERTS_MAX = 10000 };

/* A sample counts for three polls, and for so long when polls are frequent. */
static const uint64_t fresh_min_ns = 15 * NS_PER_S;

struct group_timer {
	struct loop_timer timer;
	struct alerts *alerts;
	size_t group;
	size_t first; /* status of its first rule */
	uint64_t evaluations;
};

struct rule_status {
	uint64_t id;
	uint64_t evaluations;
};

/* One evaluation of one rule. */
struct evaluation {
	struct alerts *alerts;
	const struct rule_group *group;
	const struct rule *rule;
	uint64_t rule_id, serial, now_ns;
};

enum verdict { VERDICT_UNCHANGED, VERDICT_FALSE, VERDICT_TRUE };

/* ---- changes of state ---- */

static void log_change(const struct alert *alert, const char *message_id, const char *what)
{
	char value[32];
	const struct log_field fields[] = {
		{ "alert", alert->rule->name },
		{ "target", alert->target },
		{ "isolate", alert->isolate },
		{ "value", value },
		{ "summary", labels_get(&alert->annotations, "summary") },
	};

	snprintf(value, sizeof(value), "%.6g", alert->value);
	log_event(message_id ? LEVEL_WARN : LEVEL_DEBUG, "alert", message_id, fields, 5, "alert %s",
		  what);
}

static void remove_alert(struct alerts *alerts, struct alert *alert)
{
	map_remove(&alerts->by_key, alert->key);
	link_remove(&alert->link);
	alerts->count--;
	alert_free(alert);
}

static void end_alert(struct alerts *alerts, struct alert *alert)
{
	bool firing = alert->state == ALERT_FIRING;

	alert->state = ALERT_INACTIVE;
	log_change(alert, firing ? LOG_ID_ALERT_RESOLVED : NULL, "resolved");
	if (firing && alerts->on_resolved != NULL)
		alerts->on_resolved(alerts->owner, alert);
	remove_alert(alerts, alert);
}

static void start_firing(struct alerts *alerts, struct alert *alert, struct target *target)
{
	alert->firing_since_wall_ms = clock_wall_ms();
	log_change(alert, LOG_ID_ALERT_FIRING, "firing");
	if (alerts->on_firing != NULL)
		alerts->on_firing(alerts->owner, alert, target);
}

static void enter_phase(struct alert *alert, const struct alert_phase *phase)
{
	alert->state = phase->state;
	alert->keeping = phase->keeping;
	alert->active_since_ns = phase->active_since_ns;
	alert->firing_since_ns = phase->firing_since_ns;
	alert->keep_since_ns = phase->keep_since_ns;
}

/* target may be NULL when the condition does not hold: then nothing begins to fire. */
static void advance(struct alerts *alerts, struct alert *alert, struct target *target, bool holds)
{
	enum alert_state before = alert->state;
	uint64_t now_ns = alerts->loop->now_ns;
	struct alert_phase phase = {
		.state = alert->state,
		.keeping = alert->keeping,
		.active_since_ns = alert->active_since_ns,
		.firing_since_ns = alert->firing_since_ns,
		.keep_since_ns = alert->keep_since_ns,
	};

	phase = alert_step(phase, alert->rule, holds, now_ns);
	if (phase.state == ALERT_INACTIVE) {
		end_alert(alerts, alert);
		return;
	}
	enter_phase(alert, &phase);
	if (holds)
		alert->last_true_ns = now_ns;
	if (before == ALERT_INACTIVE)
		alert->active_since_wall_ms = clock_wall_ms();
	if (before != ALERT_FIRING && phase.state == ALERT_FIRING)
		start_firing(alerts, alert, target);
	else if (before != phase.state)
		log_change(alert, NULL, "pending");
}

/* ---- the condition ---- */

static bool is_fresh(const struct target *target, uint64_t since_ns, uint64_t now_ns)
{
	uint64_t limit_ns = 3 * target->spec.poll.interval_ns;

	if (limit_ns < fresh_min_ns)
		limit_ns = fresh_min_ns;
	return now_ns <= since_ns || now_ns - since_ns <= limit_ns;
}

/* Just back (from a capture above all), and not polled yet. */
static bool is_awaited(const struct target *target, uint64_t now_ns)
{
	return target->state == TARGET_UP && is_fresh(target, target->state_since_ns, now_ns);
}

static enum verdict judge(const struct evaluation *evaluation, const struct target *target,
			  const struct isolate *isolate, double *ret_shown)
{
	const struct rule *rule = evaluation->rule;
	double value, reference = 0;

	if (target->capturing || target->state == TARGET_CAPTURING)
		return VERDICT_UNCHANGED;
	if (!is_fresh(target, isolate->last.mono_ns, evaluation->now_ns))
		return is_awaited(target, evaluation->now_ns) ? VERDICT_UNCHANGED : VERDICT_FALSE;
	if (!value_read(rule->metric, target, isolate, &value))
		return VERDICT_FALSE;
	if (rule->relative_to >= 0 && !value_read(rule->relative_to, target, isolate, &reference))
		return VERDICT_FALSE;
	return rule_holds(rule, value, reference, ret_shown) ? VERDICT_TRUE : VERDICT_FALSE;
}

/* ---- evaluation ---- */

static void format_key(char key[ALERT_KEY_MAX], const struct evaluation *evaluation,
		       const struct target *target, const struct isolate *isolate)
{
	snprintf(key, ALERT_KEY_MAX, "%" PRIu64 "/%" PRIu64 "/%s", evaluation->rule_id, target->id,
		 isolate->name);
}

static void drop(struct alerts *alerts, const char *why)
{
	alerts->dropped++;
	if (!alerts->full)
		log_error("alert", "conditions hold that raise no alert: %s", why);
	alerts->full = true;
}

static struct alert *add_alert(const struct evaluation *evaluation, const struct target *target,
			       const struct isolate *isolate, double value)
{
	struct alerts *alerts = evaluation->alerts;
	struct alert *alert;

	if (alerts->count >= alerts->count_max) {
		drop(alerts, "there are too many");
		return NULL;
	}
	alert = alert_new(evaluation->group, evaluation->rule, target, isolate, value);
	if (alert == NULL) {
		drop(alerts, "out of memory");
		return NULL;
	}
	format_key(alert->key, evaluation, target, isolate);
	if (map_put(&alerts->by_key, alert->key, alert) < 0) {
		drop(alerts, "out of memory");
		alert_free(alert);
		return NULL;
	}
	list_append(&alerts->list, &alert->link);
	alerts->count++;
	return alert;
}

static struct alert *find_alert(const struct evaluation *evaluation, const struct target *target,
				const struct isolate *isolate)
{
	char key[ALERT_KEY_MAX];

	if (evaluation->alerts->count == 0)
		return NULL;
	format_key(key, evaluation, target, isolate);
	return map_get(&evaluation->alerts->by_key, key);
}

static void evaluate_isolate(const struct evaluation *evaluation, struct target *target,
			     const struct isolate *isolate)
{
	double shown = 0;
	enum verdict verdict = judge(evaluation, target, isolate, &shown);
	struct alert *alert = find_alert(evaluation, target, isolate);

	if (alert == NULL && verdict == VERDICT_TRUE)
		alert = add_alert(evaluation, target, isolate, shown);
	if (alert == NULL)
		return;
	alert->seen = evaluation->serial;
	if (verdict == VERDICT_UNCHANGED)
		return;
	/* Without memory the old texts stay: they are of this alert, if of an earlier value. */
	if (verdict == VERDICT_TRUE)
		(void)alert_update(alert, target, shown);
	advance(evaluation->alerts, alert, target, verdict == VERDICT_TRUE);
}

static const char *get_label(const void *thing, const char *name)
{
	return target_label(thing, name);
}

static void evaluate_rule(const struct evaluation *evaluation)
{
	bool of_target = value_at(evaluation->rule->metric)->of_target;

	list_each (at, &evaluation->alerts->targets->list) {
		struct target *target = container_of(at, struct target, link);

		if (!matchers_match(evaluation->rule->matchers, get_label, target))
			continue;
		list_each (i, &target->isolates) {
			const struct isolate *isolate = container_of(i, struct isolate, link);

			if (!of_target || strcmp(isolate->name, "main") == 0)
				evaluate_isolate(evaluation, target, isolate);
		}
	}
}

/* What this evaluation has not come by does not exist any more. */
static void sweep(struct alerts *alerts, const struct rule_group *group, uint64_t serial)
{
	list_each_safe (at, &alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (alert->group == group && alert->seen != serial)
			advance(alerts, alert, NULL, false);
	}
}

void alerts_evaluate(struct alerts *alerts, size_t group)
{
	struct group_timer *timer = &alerts->timers[group];
	struct evaluation evaluation = {
		.alerts = alerts,
		.group = &alerts->rules->groups[group],
		.serial = ++timer->evaluations,
		.now_ns = alerts->loop->now_ns,
	};

	for (size_t i = 0; i < evaluation.group->rules_n; i++) {
		struct rule_status *status = &alerts->statuses[timer->first + i];

		evaluation.rule = &evaluation.group->rules[i];
		evaluation.rule_id = status->id;
		evaluate_rule(&evaluation);
		status->evaluations++;
	}
	sweep(alerts, evaluation.group, evaluation.serial);
}

/* ---- the set of rules ---- */

/* FNV-1a of file and name: the phase of a group stays the same over reloads and restarts. */
static uint64_t group_hash(const struct rule_group *group)
{
	const char *parts[] = { group->file, group->name };
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < 2; i++) {
		for (const char *at = parts[i]; *at != '\0'; at++)
			hash = (hash ^ (unsigned char)*at) * 0x100000001b3ull;
	}
	return hash;
}

static void arm(struct group_timer *timer)
{
	const struct rule_group *group = &timer->alerts->rules->groups[timer->group];
	uint64_t delay_ns =
		sched_next(timer->alerts->loop->now_ns, group->interval_ns, group_hash(group));

	if (loop_timer_set(&timer->timer, delay_ns) < 0)
		log_error("alert", "the rules of group %s are not evaluated any more", group->name);
}

static void on_timer(void *owner)
{
	struct group_timer *timer = owner;

	alerts_evaluate(timer->alerts, timer->group);
	arm(timer);
}

static void free_timers(struct group_timer *timers, size_t n)
{
	for (size_t i = 0; timers != NULL && i < n; i++)
		loop_timer_fini(&timers[i].timer);
	free(timers);
}

static size_t groups_n(const struct rules *rules)
{
	return rules ? rules->groups_n : 0;
}

static size_t rules_n(const struct rules *rules)
{
	size_t n = 0;

	for (size_t i = 0; i < groups_n(rules); i++)
		n += rules->groups[i].rules_n;
	return n;
}

static int new_timers(struct alerts *alerts, const struct rules *rules, struct group_timer **ret)
{
	/* One more than needed, so that no groups are not mistaken for no memory. */
	struct group_timer *timers = calloc(rules->groups_n + 1, sizeof(*timers));
	size_t first = 0;

	if (timers == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rules->groups_n; i++) {
		timers[i].alerts = alerts;
		timers[i].group = i;
		timers[i].first = first;
		first += rules->groups[i].rules_n;
		if (loop_timer_init(&timers[i].timer, alerts->loop, on_timer, &timers[i]) < 0) {
			free_timers(timers, rules->groups_n);
			return -ENOMEM;
		}
	}
	*ret = timers;
	return 0;
}

static const struct rule_group *find_group(const struct rules *rules, const struct rule_group *like,
					   size_t *ret_index)
{
	for (size_t i = 0; i < groups_n(rules); i++) {
		const struct rule_group *group = &rules->groups[i];

		if (strcmp(group->file, like->file) == 0 && strcmp(group->name, like->name) == 0) {
			*ret_index = i;
			return group;
		}
	}
	return NULL;
}

static const struct rule *find_rule(const struct rule_group *group, const struct rule *like,
				    size_t *ret_index)
{
	for (size_t i = 0; i < group->rules_n; i++) {
		if (strcmp(group->rules[i].name, like->name) == 0 &&
		    rule_same_condition(&group->rules[i], like)) {
			*ret_index = i;
			return &group->rules[i];
		}
	}
	return NULL;
}

/* Ids and counts of a new group: those of the same rules before, else fresh ones. */
static void inherit_group(struct alerts *alerts, const struct rule_group *group,
			  struct rule_status *statuses)
{
	size_t g = 0, r = 0;
	const struct rule_group *old = find_group(alerts->rules, group, &g);

	for (size_t i = 0; i < group->rules_n; i++) {
		if (old != NULL && find_rule(old, &group->rules[i], &r) != NULL)
			statuses[i] = alerts->statuses[alerts->timers[g].first + r];
		else
			statuses[i].id = ++alerts->next_rule_id;
	}
}

/* Alerts point into the new rules, or end. */
static void move_alerts(struct alerts *alerts, const struct rules *rules)
{
	list_each_safe (at, &alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);
		size_t g, r;
		const struct rule_group *group = find_group(rules, alert->group, &g);
		const struct rule *rule = group ? find_rule(group, alert->rule, &r) : NULL;

		if (rule == NULL) {
			end_alert(alerts, alert);
			continue;
		}
		alert->group = group;
		alert->rule = rule;
		alert->seen = 0;
	}
}

static void drop_rules(struct alerts *alerts)
{
	free_timers(alerts->timers, groups_n(alerts->rules));
	free(alerts->statuses);
	rules_free(alerts->rules);
}

int alerts_set_rules(struct alerts *alerts, struct rules *rules)
{
	struct rule_status *statuses = calloc(rules_n(rules) + 1, sizeof(*statuses));
	struct group_timer *timers;
	int r;

	if (statuses == NULL)
		return -ENOMEM;
	r = new_timers(alerts, rules, &timers);
	if (r < 0) {
		free(statuses);
		return r;
	}
	for (size_t i = 0; i < rules->groups_n; i++)
		inherit_group(alerts, &rules->groups[i], statuses + timers[i].first);
	move_alerts(alerts, rules);
	drop_rules(alerts);
	alerts->rules = rules;
	alerts->timers = timers;
	alerts->statuses = statuses;
	alerts->full = false;
	for (size_t i = 0; i < rules->groups_n; i++)
		arm(&timers[i]);
	return 0;
}

uint64_t alerts_evaluations(const struct alerts *alerts, size_t group, size_t rule)
{
	return alerts->statuses[alerts->timers[group].first + rule].evaluations;
}

void alerts_forget_target(struct alerts *alerts, uint64_t target_id)
{
	list_each_safe (at, &alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (alert->target_id == target_id)
			end_alert(alerts, alert);
	}
}

int alerts_init(struct alerts *alerts, struct loop *loop, struct targets *targets)
{
	*alerts = (struct alerts){ .loop = loop, .targets = targets, .count_max = ALERTS_MAX };
	link_init(&alerts->list);
	map_init(&alerts->by_key);
	return 0;
}

void alerts_fini(struct alerts *alerts)
{
	if (alerts->loop == NULL)
		return;
	list_each_safe (at, &alerts->list)
		remove_alert(alerts, container_of(at, struct alert, link));
	map_fini(&alerts->by_key);
	drop_rules(alerts);
	*alerts = (struct alerts){ 0 };
}
