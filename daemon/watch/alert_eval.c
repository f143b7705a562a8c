/*
 * Evaluation of rules
 *
 * An evaluation visits every isolate of every target a rule matches, and afterwards the alerts of
 * the group it has not come by: their isolate is gone or does not match any more, so their
 * condition does not hold.
 */

#include "watch/alert_group.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"
#include "watch/target.h"
#include "watch/value.h"

/* A sample counts for three polls, and for so long when polls are frequent. */
static const uint64_t fresh_min_ns = 15 * NS_PER_S;

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

void alerts_changed(struct alerts *alerts)
{
	if (alerts->on_changed != NULL)
		alerts->on_changed(alerts->owner);
}

void alerts_remove(struct alerts *alerts, struct alert *alert)
{
	map_remove(&alerts->by_key, alert->key);
	link_remove(&alert->link);
	alerts->count--;
	alerts->restored -= alert->restored;
	alert_free(alert);
}

void alerts_end(struct alerts *alerts, struct alert *alert)
{
	bool firing = alert->state == ALERT_FIRING;

	alert->state = ALERT_INACTIVE;
	log_change(alert, firing ? LOG_ID_ALERT_RESOLVED : NULL,
		   firing ? "resolved" : "no longer pending");
	if (firing && alerts->on_resolved != NULL)
		alerts->on_resolved(alerts->owner, alert);
	alerts_remove(alerts, alert);
	alerts_changed(alerts);
}

static void act(struct alerts *alerts, struct alert *alert, struct target *target)
{
	bool asked = alert->asked, acted = alert->acted;

	alert->acted = alerts->on_firing == NULL || alerts->on_firing(alerts->owner, alert, target);
	alert->asked = true;
	if (!asked || acted != alert->acted)
		alerts_changed(alerts);
}

static void start_firing(struct alerts *alerts, struct alert *alert, struct target *target)
{
	alert->firing_since_wall_ms = clock_wall_ms();
	log_change(alert, LOG_ID_ALERT_FIRING, "firing");
	alert->asked = alert->telling = alert->told = false;
	alert->sent_ns = 0;
	act(alerts, alert, target);
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
		alerts_end(alerts, alert);
		return;
	}
	enter_phase(alert, &phase);
	if (holds)
		alert->last_true_ns = now_ns;
	if (before == ALERT_INACTIVE)
		alert->active_since_wall_ms = clock_wall_ms();
	if (before != ALERT_FIRING && phase.state == ALERT_FIRING)
		start_firing(alerts, alert, target);
	else if (phase.state == ALERT_FIRING && holds && !alert->acted)
		act(alerts, alert, target);
	else if (before != phase.state)
		log_change(alert, NULL, "pending");
	if (before != phase.state)
		alerts_changed(alerts);
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
	if (rule->is_leak)
		return leak_when_holds(&rule->leak, target, isolate, ret_shown) ? VERDICT_TRUE
										: VERDICT_FALSE;
	if (!value_read(rule->metric, target, isolate, &value))
		return VERDICT_FALSE;
	if (rule->relative_to >= 0 && !value_read(rule->relative_to, target, isolate, &reference))
		return VERDICT_FALSE;
	return rule_holds(rule, value, reference, ret_shown) ? VERDICT_TRUE : VERDICT_FALSE;
}

/* ---- their set ---- */

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

/* Also without an alert: a capture may be from before a restart. */
static void tell_rearmed(const struct evaluation *evaluation, const struct target *target,
			 const struct isolate *isolate, double shown)
{
	struct alerts *alerts = evaluation->alerts;

	if (alerts->on_rearmed != NULL && rule_rearms(evaluation->rule, shown))
		alerts->on_rearmed(alerts->owner, evaluation->rule, target, isolate);
}

/* ---- alerts of before a restart ---- */

/* By names: ids are of one life only. FNV-1a of the target's, for a key has no room for it. */
static void format_restored_key(char key[ALERT_KEY_MAX], uint64_t rule_id, const char *target,
				const char *isolate)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (const char *at = target; *at != '\0'; at++)
		hash = (hash ^ (unsigned char)*at) * 0x100000001b3ull;
	snprintf(key, ALERT_KEY_MAX, "r%" PRIu64 "/%016" PRIx64 "/%s", rule_id, hash, isolate);
}

int alerts_add_restored(struct alerts *alerts, struct alert *alert, uint64_t rule_id)
{
	int r;

	if (alerts->count >= alerts->count_max)
		return -ENOSPC;
	format_restored_key(alert->key, rule_id, alert->target, alert->isolate);
	r = map_put(&alerts->by_key, alert->key, alert);
	if (r < 0)
		return r;
	alert->restored = true;
	list_append(&alerts->list, &alert->link);
	alerts->count++;
	alerts->restored++;
	return 0;
}

/* Its isolate has given a sample in this life: from now on it is an alert as any other. */
static struct alert *adopt(const struct evaluation *evaluation, const struct target *target,
			   const struct isolate *isolate)
{
	struct alerts *alerts = evaluation->alerts;
	char key[ALERT_KEY_MAX];
	struct alert *alert;

	if (alerts->restored == 0 || isolate->last.mono_ns == 0)
		return NULL;
	format_restored_key(key, evaluation->rule_id, target->spec.name, isolate->name);
	alert = map_get(&alerts->by_key, key);
	if (alert == NULL || strcmp(alert->target, target->spec.name) != 0)
		return NULL;
	map_remove(&alerts->by_key, alert->key);
	format_key(alert->key, evaluation, target, isolate);
	alert->restored = false;
	alert->target_id = target->id;
	alerts->restored--;
	if (map_put(&alerts->by_key, alert->key, alert) == 0)
		return alert;
	drop(alerts, "out of memory");
	alerts_remove(alerts, alert);
	return NULL;
}

/* While its isolate may still come, nothing is known of it. */
static bool still_waits(const struct alerts *alerts, const struct alert *alert)
{
	return alert->restored && alerts->loop->now_ns < alerts->restore_until_ns;
}

/* ---- evaluation ---- */

static void evaluate_isolate(const struct evaluation *evaluation, struct target *target,
			     const struct isolate *isolate)
{
	double shown = NAN; /* compares with nothing while there is no value */
	enum verdict verdict = judge(evaluation, target, isolate, &shown);
	struct alert *alert = find_alert(evaluation, target, isolate);

	if (verdict != VERDICT_UNCHANGED)
		tell_rearmed(evaluation, target, isolate, shown);
	if (alert == NULL)
		alert = adopt(evaluation, target, isolate);
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

			if (!of_target || isolate == target_main_isolate(target))
				evaluate_isolate(evaluation, target, isolate);
		}
	}
}

/* What this evaluation has not come by does not exist any more. */
static void sweep(struct alerts *alerts, const struct rule_group *group, uint64_t serial)
{
	list_each_safe (at, &alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (alert->group == group && alert->seen != serial && !still_waits(alerts, alert))
			advance(alerts, alert, NULL, false);
	}
}

void alerts_evaluate(struct alerts *alerts, size_t group)
{
	struct group_timer *timer = &alerts->timers[group];
	uint64_t started_ns = clock_mono_ns();
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
	timer->last_wall_ms = clock_wall_ms();
	timer->last_duration_ns = clock_mono_ns() - started_ns;
}
