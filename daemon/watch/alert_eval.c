/*
 * Evaluation of rules
 *
 * An evaluation visits every isolate of every target a rule matches, and afterwards the alerts of
 * the group it has not come by: their isolate is gone or does not match any more, so their
 * condition does not hold.
 *
 * Of a group with a limit each rule is looked at twice: first it is counted how many alerts it
 * would have, from copies of what it remembers, so that nothing has begun when they are too many.
 */

#include "watch/alert_group.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/runtime.h"
#include "util/clock.h"
#include "util/fnv.h"
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
	size_t group_index;
	uint64_t rule_id, serial, now_ns;
	bool first; /* of the rule */
	bool over; /* it would have more alerts than the limit of its group, and so has none */
	uint64_t *counted; /* NULL: it is for real; else its alerts are counted, and nothing more */
};

/* The same of one isolate; what has happened to its target is found already. */
struct subject {
	struct target *target;
	const struct isolate *isolate; /* NULL: it has none */
	const char *name;
	struct condition_findings findings;
};

/* ---- changes of state ---- */

static void log_change(const struct alert *alert, const char *message_id, const char *what)
{
	char value[32];
	const struct log_field fields[] = {
		{ "alert", alert->rule->name },
		{ "target", alert->target },
		{ "isolate", alert->isolate },
		{ "step", condition_step_text(&alert->rule->condition, alert->step) },
		{ "value", value },
		{ "summary", labels_get(&alert->annotations, "summary") },
	};

	snprintf(value, sizeof(value), "%.6g", alert->value);
	log_event(message_id ? LEVEL_WARN : LEVEL_DEBUG, "alert", message_id, fields, 6, "alert %s",
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

/* superseded: a higher step of the rule fires too, and does what there is to do. */
static void act(struct alerts *alerts, struct alert *alert, struct target *target, bool superseded)
{
	bool asked = alert->asked, acted = alert->acted;
	uint32_t done = alert->done;

	alert->acted = superseded || alerts->on_firing == NULL ||
		       alerts->on_firing(alerts->owner, alert, target);
	alert->asked |= !superseded;
	if (asked != alert->asked || acted != alert->acted || done != alert->done)
		alerts_changed(alerts);
}

static void start_firing(struct alerts *alerts, struct alert *alert, struct target *target,
			 bool superseded)
{
	alert->firing_since_wall_ms = clock_wall_ms();
	log_change(alert, LOG_ID_ALERT_FIRING, "firing");
	alert->asked = alert->telling = alert->told = false;
	alert->sent_ns = 0;
	alert->done = 0;
	alert->series[0] = '\0';
	alert_drop_verdict(alert);
	alert_drop_capture(alert);
	alert->revision = 0;
	act(alerts, alert, target, superseded);
}

static struct alert_phase phase_of(const struct alert *alert)
{
	return (struct alert_phase){
		.state = alert->state,
		.keeping = alert->keeping,
		.active_since_ns = alert->active_since_ns,
		.firing_since_ns = alert->firing_since_ns,
		.keep_since_ns = alert->keep_since_ns,
	};
}

static void enter_phase(struct alert *alert, const struct alert_phase *phase)
{
	alert->state = phase->state;
	alert->keeping = phase->keeping;
	alert->active_since_ns = phase->active_since_ns;
	alert->firing_since_ns = phase->firing_since_ns;
	alert->keep_since_ns = phase->keep_since_ns;
}

/* What holds for one evaluation only is asked for as long as it is kept firing. */
static bool asks_again(const struct alert *alert, const struct target *target, bool holds)
{
	return holds || (target != NULL && condition_is_momentary(&alert->rule->condition));
}

/*
 * target may be NULL when the condition does not hold: then nothing begins to fire. False: the
 * alert has ended and is gone.
 */
static bool advance(struct alerts *alerts, struct alert *alert, struct target *target, bool holds,
		    bool superseded)
{
	enum alert_state before = alert->state;
	uint64_t now_ns = alerts->loop->now_ns;
	struct alert_phase phase = alert_step(phase_of(alert), alert->rule, holds, now_ns);

	if (phase.state == ALERT_INACTIVE) {
		alerts_end(alerts, alert);
		return false;
	}
	enter_phase(alert, &phase);
	if (holds)
		alert->last_true_ns = now_ns;
	if (before == ALERT_INACTIVE)
		alert->active_since_wall_ms = clock_wall_ms();
	if (before != ALERT_FIRING && phase.state == ALERT_FIRING)
		start_firing(alerts, alert, target, superseded);
	else if (phase.state == ALERT_FIRING && !alert->acted && asks_again(alert, target, holds))
		act(alerts, alert, target, superseded);
	else if (before != phase.state)
		log_change(alert, NULL, "pending");
	if (before != phase.state)
		alerts_changed(alerts);
	return true;
}

/* ---- the condition ---- */

static bool is_fresh(const struct target *target, uint64_t since_ns, uint64_t now_ns)
{
	uint64_t limit_ns = 3 * target->spec.poll.interval_ns;

	if (limit_ns < fresh_min_ns)
		limit_ns = fresh_min_ns;
	return now_ns <= since_ns || now_ns - since_ns <= limit_ns;
}

/*
 * It answered when it was asked last, which is long ago, and has not been asked since: it was us
 * who stood still, in a machine that was frozen or as a process that was stopped.
 */
static bool stood_still(const struct target *target, uint64_t now_ns)
{
	return target->up && !is_fresh(target, target->last_poll_mono_ns, now_ns) &&
	       (!target->polling || is_fresh(target, target->poll_started_ns, now_ns));
}

bool alerts_may_look(const struct target *target, const struct isolate *isolate, uint64_t now_ns)
{
	if (target->capturing || target->state == TARGET_CAPTURING || stood_still(target, now_ns))
		return false;
	/* Just back (from a capture above all), and not polled yet. */
	return isolate == NULL || is_fresh(target, isolate->last.mono_ns, now_ns) ||
	       target->state != TARGET_UP || !is_fresh(target, target->state_since_ns, now_ns);
}

static struct condition_input input_of(const struct target *target, const struct isolate *isolate,
				       uint64_t now_ns)
{
	return (struct condition_input){
		.target = target,
		.isolate = isolate,
		.fresh = isolate != NULL && is_fresh(target, isolate->last.mono_ns, now_ns),
		.now_ns = now_ns,
		.wall_ms = clock_wall_ms(),
	};
}

/* ---- their set ---- */

static void format_key(char key[ALERT_KEY_MAX], const struct evaluation *evaluation,
		       const struct target *target, const char *isolate, size_t step)
{
	snprintf(key, ALERT_KEY_MAX, "%" PRIu64 "/%" PRIu64 "/%zu/%s", evaluation->rule_id,
		 target->id, step, isolate);
}

static void drop(struct alerts *alerts, const char *why)
{
	alerts->dropped++;
	if (!alerts->full)
		log_error("alert", "conditions hold that raise no alert: %s", why);
	alerts->full = true;
}

static struct alert *add_alert(const struct evaluation *evaluation, const struct subject *subject,
			       size_t step, const struct condition_verdict *verdict)
{
	struct alerts *alerts = evaluation->alerts;
	struct alert *alert;

	if (alerts->count >= alerts->count_max) {
		drop(alerts, "there are too many");
		return NULL;
	}
	alert = alert_new(evaluation->group, evaluation->rule, subject->target, subject->name, step,
			  verdict);
	if (alert == NULL) {
		drop(alerts, "out of memory");
		return NULL;
	}
	format_key(alert->key, evaluation, subject->target, subject->name, step);
	if (map_put(&alerts->by_key, alert->key, alert) < 0) {
		drop(alerts, "out of memory");
		alert_free(alert);
		return NULL;
	}
	list_append(&alerts->list, &alert->link);
	alerts->count++;
	return alert;
}

static struct alert *find_alert(const struct evaluation *evaluation, const struct subject *subject,
				size_t step)
{
	char key[ALERT_KEY_MAX];

	if (evaluation->alerts->count == 0)
		return NULL;
	format_key(key, evaluation, subject->target, subject->name, step);
	return map_get(&evaluation->alerts->by_key, key);
}

/* What the condition remembers of the isolate (""): of the target. NULL: nothing. */
static struct condition_state *recall(const struct evaluation *evaluation,
				      const struct target *target, const char *isolate)
{
	struct memory *memory;
	char key[ALERT_KEY_MAX];

	format_key(key, evaluation, target, isolate, 0);
	memory = memory_need(evaluation->alerts, evaluation->rule, key, evaluation->rule_id,
			     target->id);
	if (memory == NULL) {
		drop(evaluation->alerts, "too much would have to be remembered");
		return NULL;
	}
	memory->group = evaluation->group_index;
	memory->seen = evaluation->serial;
	return memory->state;
}

/* A copy of what is remembered; NULL: nothing, or no memory. */
static struct condition_state *copy_memory(const struct alerts *alerts,
					   const struct evaluation *evaluation,
					   const struct target *target, const char *isolate)
{
	const struct memory *memory;
	char key[ALERT_KEY_MAX];

	format_key(key, evaluation, target, isolate, 0);
	memory = map_get(&alerts->memory_by_key, key);
	return memory != NULL ? condition_state_copy(memory->state) : NULL;
}

/* As recall(); for counting, which is to change nothing, a copy. To be let go by release(). */
static struct condition_state *need_state(const struct evaluation *evaluation,
					  const struct target *target, const char *isolate)
{
	struct condition_state *copy;

	if (evaluation->counted == NULL)
		return recall(evaluation, target, isolate);
	copy = copy_memory(evaluation->alerts, evaluation, target, isolate);
	return copy != NULL ? copy : condition_state_new(&evaluation->rule->condition);
}

static void release(const struct evaluation *evaluation, struct condition_state *state)
{
	if (evaluation->counted != NULL)
		condition_state_free(state);
}

/* What is remembered of isolates that are missing waits for them. */
static void remember_missing(const struct evaluation *evaluation, const struct target *target)
{
	list_each (at, &target->missing) {
		const struct isolate *isolate = container_of(at, struct isolate, link);
		struct memory *memory;
		char key[ALERT_KEY_MAX];

		format_key(key, evaluation, target, isolate->name, 0);
		memory = map_get(&evaluation->alerts->memory_by_key, key);
		if (memory != NULL)
			memory->seen = evaluation->serial;
	}
}

/* ---- alerts of before a restart ---- */

/* By names: ids are of one life only. A hash of the target's, for a key has no room for it. */
static void format_restored_key(char key[ALERT_KEY_MAX], uint64_t rule_id, const char *target,
				const char *isolate, size_t step)
{
	snprintf(key, ALERT_KEY_MAX, "r%" PRIu64 "/%016" PRIx64 "/%zu/%s", rule_id,
		 fnv1a_text(FNV1A_FIRST, target), step, isolate);
}

int alerts_add_restored(struct alerts *alerts, struct alert *alert, uint64_t rule_id)
{
	int r;

	if (alerts->count >= alerts->count_max)
		return -ENOSPC;
	format_restored_key(alert->key, rule_id, alert->target, alert->isolate, alert->step);
	r = map_put(&alerts->by_key, alert->key, alert);
	if (r < 0)
		return r;
	alert->restored = true;
	list_append(&alerts->list, &alert->link);
	alerts->count++;
	alerts->restored++;
	return 0;
}

/* While its isolate may still come, nothing is known of it. */
static bool still_waits(const struct alerts *alerts, const struct alert *alert)
{
	return alert->restored && alerts->loop->now_ns < alerts->restore_until_ns;
}

static struct alert *find_restored(const struct evaluation *evaluation,
				   const struct subject *subject, size_t step)
{
	const char *target = subject->target->spec.name;
	struct alert *alert;
	char key[ALERT_KEY_MAX];

	if (evaluation->alerts->restored == 0)
		return NULL;
	format_restored_key(key, evaluation->rule_id, target, subject->name, step);
	alert = map_get(&evaluation->alerts->by_key, key);
	return alert != NULL && strcmp(alert->target, target) == 0 ? alert : NULL;
}

/*
 * From now on it is an alert as any other, when its isolate has given a sample in this life or the
 * condition holds all the same: before, that it does not hold is not known.
 */
static struct alert *adopt(const struct evaluation *evaluation, const struct subject *subject,
			   size_t step, bool holds)
{
	bool seen = subject->isolate != NULL && subject->isolate->last.mono_ns != 0;
	struct alert *alert = find_restored(evaluation, subject, step);
	const struct target *target = subject->target;
	struct alerts *alerts = evaluation->alerts;

	if (alert == NULL || (!holds && !seen && still_waits(alerts, alert)))
		return NULL;
	map_remove(&alerts->by_key, alert->key);
	format_key(alert->key, evaluation, target, subject->name, step);
	alert->restored = false;
	alert->adopted_ns = evaluation->now_ns;
	alert->target_id = target->id;
	alerts->restored--;
	if (map_put(&alerts->by_key, alert->key, alert) == 0)
		return alert;
	drop(alerts, "out of memory");
	alerts_remove(alerts, alert);
	return NULL;
}

/*
 * What fires for a trend cannot be judged right after a restart of the daemon: the past of the
 * isolate begins anew. It stays as it is until as much is known as it was judged by before, while
 * the program is the same one.
 */
static bool is_yet_to_judge(const struct subject *subject, const struct alert *alert, size_t step,
			    uint64_t now_ns)
{
	const struct program program = program_of(&subject->target->identity);
	uint64_t seen_ns = now_ns - alert->adopted_ns;

	return alert->adopted_ns != 0 && alert->state == ALERT_FIRING && !alert->keeping &&
	       seen_ns < alert->span_ns && program_same(&alert->program, &program) &&
	       condition_may_hold(&alert->rule->condition, &subject->findings, step, seen_ns);
}

/* ---- evaluation ---- */

/* Also without an alert: a capture may be from before a restart. */
static void tell_rearmed(const struct evaluation *evaluation, const struct subject *subject)
{
	struct alerts *alerts = evaluation->alerts;
	int term = evaluation->rule->rearm_term;

	if (alerts->on_rearmed != NULL && term >= 0 && subject->isolate != NULL &&
	    subject->findings.terms[term].known &&
	    rule_rearms(evaluation->rule, subject->findings.terms[term].value))
		alerts->on_rearmed(alerts->owner, evaluation->rule, subject->target,
				   subject->isolate);
}

static enum alert_state state_of(const struct alert *alert)
{
	return alert != NULL ? alert->state : ALERT_INACTIVE;
}

/* alert: as it is now; NULL: there is none. */
static void tell_judged(const struct evaluation *evaluation, const struct subject *subject,
			struct judged *judged, const struct alert *alert)
{
	const struct alerts *alerts = evaluation->alerts;

	if (alerts->on_judged == NULL)
		return;
	judged->group = evaluation->group;
	judged->rule = evaluation->rule;
	judged->target = subject->target;
	judged->isolate = subject->name;
	judged->findings = &subject->findings;
	judged->alert = alert;
	judged->after = state_of(alert);
	alerts->on_judged(alerts->owner, judged);
}

/* Without memory the old texts stay: they are of this alert, if of an earlier value. */
static void update_alert(struct alerts *alerts, struct alert *alert, const struct subject *subject,
			 const struct condition_verdict *verdict)
{
	const struct program program = alert->program;
	uint64_t span_ns = alert->span_ns;

	(void)alert_update(alert, subject->target, verdict);
	if (span_ns != alert->span_ns || !program_same(&program, &alert->program))
		alerts_changed(alerts);
}

/* superseded: a higher step fires, and does what there is to do. Does this one? */
static bool evaluate_step(const struct evaluation *evaluation, const struct subject *subject,
			  size_t step, bool superseded)
{
	struct condition_verdict verdict =
		condition_verdict(&evaluation->rule->condition, &subject->findings, step);
	struct alert *alert = find_alert(evaluation, subject, step);
	struct judged judged = { .step = step, .verdict = verdict, .before = state_of(alert) };
	bool fires = false;

	if (evaluation->over) {
		judged.over = true;
		tell_judged(evaluation, subject, &judged, NULL);
		return false;
	}
	if (alert == NULL)
		alert = adopt(evaluation, subject, step, verdict.holds);
	if (alert == NULL && verdict.holds)
		alert = add_alert(evaluation, subject, step, &verdict);
	if (alert != NULL) {
		alert->seen = evaluation->serial;
		judged.unchanged =
			!verdict.holds && is_yet_to_judge(subject, alert, step, evaluation->now_ns);
		if (!judged.unchanged)
			alert->adopted_ns = 0;
		if (verdict.holds)
			update_alert(evaluation->alerts, alert, subject, &verdict);
		if (!judged.unchanged &&
		    !advance(evaluation->alerts, alert, subject->target, verdict.holds, superseded))
			alert = NULL;
		fires = verdict.holds && state_of(alert) == ALERT_FIRING;
	}
	tell_judged(evaluation, subject, &judged, alert);
	return fires;
}

/* Will there be an alert after evaluate_step()? Those of before a restart are counted as they are.
 */
static bool is_to_be(const struct evaluation *evaluation, const struct subject *subject,
		     size_t step)
{
	struct condition_verdict verdict =
		condition_verdict(&evaluation->rule->condition, &subject->findings, step);
	const struct alert *alert = find_alert(evaluation, subject, step);
	struct alert_phase phase = { .state = ALERT_INACTIVE };

	if (alert != NULL)
		phase = phase_of(alert);
	else if (find_restored(evaluation, subject, step) != NULL)
		return false;
	if (alert != NULL && !verdict.holds &&
	    is_yet_to_judge(subject, alert, step, evaluation->now_ns))
		return true;
	phase = alert_step(phase, evaluation->rule, verdict.holds, evaluation->now_ns);
	return phase.state != ALERT_INACTIVE;
}

static void count_isolate(const struct evaluation *evaluation, const struct subject *subject,
			  bool looked)
{
	for (size_t step = condition_steps(&evaluation->rule->condition); step-- > 0;)
		*evaluation->counted += looked ? is_to_be(evaluation, subject, step)
					       : find_alert(evaluation, subject, step) != NULL;
}

/* Nobody has looked: its alerts stay as they are. */
static void leave_isolate(const struct evaluation *evaluation, const struct subject *subject)
{
	for (size_t step = condition_steps(&evaluation->rule->condition); step-- > 0;) {
		struct alert *alert = find_alert(evaluation, subject, step);
		struct judged judged = { .step = step,
					 .unchanged = true,
					 .before = state_of(alert) };

		if (alert != NULL)
			alert->seen = evaluation->serial;
		tell_judged(evaluation, subject, &judged, alert);
	}
}

static void evaluate_isolate(const struct evaluation *evaluation, struct subject *subject)
{
	const struct condition *condition = &evaluation->rule->condition;
	struct condition_input input =
		input_of(subject->target, subject->isolate, evaluation->now_ns);
	bool may_look = alerts_may_look(subject->target, subject->isolate, evaluation->now_ns);
	struct condition_state *state = NULL;
	bool higher = false;

	if (condition_remembers(condition))
		state = need_state(evaluation, subject->target, subject->name);
	if (may_look)
		condition_look_values(condition, state, &input, &subject->findings);
	release(evaluation, state);
	if (evaluation->counted != NULL) {
		count_isolate(evaluation, subject, may_look);
		return;
	}
	if (!may_look) {
		leave_isolate(evaluation, subject);
		return;
	}
	tell_rearmed(evaluation, subject);
	for (size_t step = condition_steps(condition); step-- > 0;)
		higher |= evaluate_step(evaluation, subject, step, higher);
}

/* What has happened to the target, for all of its isolates; nothing before it may be looked at. */
static void look_at_target(const struct evaluation *evaluation, const struct target *target,
			   struct condition_findings *ret)
{
	const struct condition *condition = &evaluation->rule->condition;
	const struct isolate *isolate = target_main_isolate(target);
	struct condition_input input = input_of(target, isolate, evaluation->now_ns);
	bool may_look = alerts_may_look(target, isolate, evaluation->now_ns);
	struct condition_state *state = NULL;

	input.first = evaluation->first;
	if (condition_has_events(condition))
		state = need_state(evaluation, target, "");
	condition_look_events(condition, may_look ? state : NULL, &input, ret);
	release(evaluation, state);
}

/* ---- without alerts ---- */

/* The id of the loaded rule like this one; 0: there is none. */
static uint64_t loaded_id(const struct alerts *alerts, const struct rule *rule)
{
	const struct rules *rules = alerts->rules;

	for (size_t g = 0; rules != NULL && g < rules->groups_n; g++) {
		for (size_t i = 0; i < rules->groups[g].rules_n; i++) {
			if (strcmp(rules->groups[g].rules[i].name, rule->name) == 0 &&
			    rule_same_condition(&rules->groups[g].rules[i], rule))
				return alerts->statuses[alerts->timers[g].first + i].id;
		}
	}
	return 0;
}

void alerts_look(const struct alerts *alerts, const struct rule *rule, const struct target *target,
		 const struct isolate *isolate, struct condition_findings *ret)
{
	const struct evaluation evaluation = { .rule_id = loaded_id(alerts, rule) };
	struct condition_input input = input_of(target, isolate, alerts->loop->now_ns);
	struct condition_state *of_target = copy_memory(alerts, &evaluation, target, "");
	struct condition_state *of_isolate =
		isolate != NULL ? copy_memory(alerts, &evaluation, target, isolate->name) : NULL;

	condition_look_events(&rule->condition, of_target, &input, ret);
	condition_look_values(&rule->condition, of_isolate, &input, ret);
	condition_state_free(of_target);
	condition_state_free(of_isolate);
}

/* ---- what cannot hold ---- */

bool alerts_cannot_hold(const struct alerts *alerts, const struct rule *rule,
			const struct target *target, const struct isolate *isolate,
			char ret[ALERT_CANNOT_MAX])
{
	struct condition_input input = input_of(target, isolate, alerts->loop->now_ns);
	struct condition_findings findings;
	char who[RUNTIME_TITLE_MAX];
	int missing;

	if (target->state != TARGET_UP || target->session.runtime == NULL)
		return false;
	condition_look_events(&rule->condition, NULL, &input, &findings);
	condition_look_values(&rule->condition, NULL, &input, &findings);
	missing = condition_missing(&rule->condition, &findings);
	if (missing < 0)
		return false;
	snprintf(ret, ALERT_CANNOT_MAX, "%s is not told by %s", value_at(missing)->name,
		 runtime_title(who, target->session.runtime, target->identity.runtime_version));
	return true;
}

static bool is_told(const struct target *target, uint64_t rule_id)
{
	for (uint32_t i = 0; i < target->told_rules_n; i++) {
		if (target->told_rules[i] == rule_id)
			return true;
	}
	return false;
}

/* Once, and not while it may hold for one isolate of the target at least. */
static void tell_cannot_hold(const struct evaluation *evaluation, struct target *target)
{
	const struct rule *rule = evaluation->rule;
	char why[ALERT_CANNOT_MAX];
	const struct log_field fields[] = {
		{ "alert", rule->name },
		{ "target", target->spec.name },
		{ "reason", why },
	};

	if (evaluation->counted != NULL || list_empty(&target->isolates) ||
	    target->told_rules_n == TARGET_TOLD_RULES_MAX || is_told(target, evaluation->rule_id))
		return;
	list_each (i, &target->isolates) {
		const struct isolate *isolate = container_of(i, struct isolate, link);

		if (!alerts_cannot_hold(evaluation->alerts, rule, target, isolate, why))
			return;
	}
	target->told_rules[target->told_rules_n++] = evaluation->rule_id;
	log_event(LEVEL_WARN, "alert", NULL, fields, sizeof(fields) / sizeof(fields[0]),
		  "rule %s cannot hold for %s: %s", rule->name, target->spec.name, why);
}

/* ---- a whole group ---- */

static void evaluate_target(const struct evaluation *evaluation, struct target *target)
{
	const struct condition *condition = &evaluation->rule->condition;
	const struct isolate *main = target_main_isolate(target);
	bool of_target = condition_is_of_target(condition);
	struct condition_findings found;
	struct subject subject = { .target = target, .name = "main" };

	look_at_target(evaluation, target, &found);
	if (main == NULL && condition_has_events(condition)) {
		subject.findings = found;
		evaluate_isolate(evaluation, &subject);
	}
	list_each (i, &target->isolates) {
		subject.isolate = container_of(i, struct isolate, link);
		subject.name = subject.isolate->name;
		subject.findings = found;
		if (!of_target || subject.isolate == main)
			evaluate_isolate(evaluation, &subject);
	}
	if (condition_remembers(condition) && evaluation->counted == NULL)
		remember_missing(evaluation, target);
	tell_cannot_hold(evaluation, target);
}

static const char *get_label(const void *thing, const char *name)
{
	return target_label(thing, name);
}

static void evaluate_targets(const struct evaluation *evaluation)
{
	list_each (at, &evaluation->alerts->targets->list) {
		struct target *target = container_of(at, struct target, link);

		if (evaluation->alerts->match_all ||
		    matchers_match(evaluation->rule->matchers, get_label, target))
			evaluate_target(evaluation, target);
	}
}

/* How many alerts the rule will have, if nobody minds. */
static uint64_t count_alerts(const struct evaluation *evaluation)
{
	uint64_t n = 0;
	struct evaluation counting = *evaluation;

	list_each (at, &evaluation->alerts->list) {
		const struct alert *alert = container_of(at, struct alert, link);

		n += alert->restored && alert->rule == evaluation->rule;
	}
	counting.counted = &n;
	evaluate_targets(&counting);
	return n;
}

static void end_alerts(const struct evaluation *evaluation)
{
	list_each_safe (at, &evaluation->alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (alert->rule == evaluation->rule)
			alerts_end(evaluation->alerts, alert);
	}
}

/* As Prometheus: one that has more alerts than the limit has failed, and has none. */
static void judge_limit(struct evaluation *evaluation, struct rule_status *status)
{
	uint64_t limit = evaluation->group->limit, n = 0;

	if (limit > 0)
		n = count_alerts(evaluation);
	evaluation->over = limit > 0 && n > limit;
	if (!evaluation->over) {
		status->error[0] = '\0';
		return;
	}
	if (status->error[0] == '\0')
		log_warn("alert",
			 "rule %s of group %s has failed: it would have %" PRIu64
			 " alerts, and the limit is %" PRIu64,
			 evaluation->rule->name, evaluation->group->name, n, limit);
	snprintf(status->error, sizeof(status->error),
		 "exceeded limit of %" PRIu64 " with %" PRIu64 " alerts", limit, n);
	status->failures++;
}

static void evaluate_rule(struct evaluation *evaluation, struct rule_status *status)
{
	judge_limit(evaluation, status);
	evaluate_targets(evaluation);
	if (evaluation->over)
		end_alerts(evaluation);
	status->evaluations++;
}

/* What this evaluation has not come by does not exist any more. */
static void sweep(struct alerts *alerts, size_t index, uint64_t serial)
{
	const struct rule_group *group = &alerts->rules->groups[index];

	list_each_safe (at, &alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (alert->group == group && alert->seen != serial && !still_waits(alerts, alert))
			advance(alerts, alert, NULL, false, false);
	}
	list_each_safe (at, &alerts->memories) {
		struct memory *memory = container_of(at, struct memory, link);

		if (memory->group == index && memory->seen != serial)
			memory_free(alerts, memory);
	}
}

void alerts_evaluate(struct alerts *alerts, size_t group)
{
	struct group_timer *timer = &alerts->timers[group];
	uint64_t started_ns = clock_mono_ns();
	struct evaluation evaluation = {
		.alerts = alerts,
		.group = &alerts->rules->groups[group],
		.group_index = group,
		.serial = ++timer->evaluations,
		.now_ns = alerts->loop->now_ns,
	};

	for (size_t i = 0; i < evaluation.group->rules_n; i++) {
		struct rule_status *status = &alerts->statuses[timer->first + i];

		evaluation.rule = &evaluation.group->rules[i];
		evaluation.rule_id = status->id;
		evaluation.first = status->evaluations == 0;
		evaluate_rule(&evaluation, status);
	}
	sweep(alerts, group, evaluation.serial);
	timer->last_wall_ms = clock_wall_ms();
	timer->last_duration_ns = clock_mono_ns() - started_ns;
}
