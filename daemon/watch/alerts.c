/*
 * The set of alerts, its rules and their timers
 *
 * Each group of rules has a timer with its own phase, drawn from its name, so that groups do not
 * evaluate in step and a reload leaves the phase where it is. A rule keeps its id over reloads
 * while its condition stays the same; by that id an alert finds its rule again.
 */

#include "watch/alert_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loop/sched.h"
#include "util/fnv.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"

/* Ten rules at once on each of a thousand targets. */
enum { ALERTS_MAX = 10000 };

/* Of file and name: the phase of a group stays the same over reloads and restarts. */
static uint64_t group_hash(const struct rule_group *group)
{
	return fnv1a_text(fnv1a_text(FNV1A_FIRST, group->file), group->name);
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
			alerts_end(alerts, alert);
			continue;
		}
		alert->group = group;
		alert->rule = rule;
		alert->seen = 0;
	}
}

/* ---- what conditions remember ---- */

struct memory *memory_need(struct alerts *alerts, const struct rule *rule, const char *key,
			   uint64_t rule_id, uint64_t target_id)
{
	struct memory *memory = map_get(&alerts->memory_by_key, key);

	if (memory != NULL || alerts->memories_n == MEMORIES_MAX)
		return memory;
	memory = calloc(1, sizeof(*memory));
	if (memory == NULL)
		return NULL;
	memory->rule_id = rule_id;
	memory->target_id = target_id;
	str_copy(memory->key, sizeof(memory->key), key);
	memory->state = condition_state_new(&rule->condition);
	if (memory->state == NULL || map_put(&alerts->memory_by_key, memory->key, memory) < 0) {
		condition_state_free(memory->state);
		free(memory);
		return NULL;
	}
	list_append(&alerts->memories, &memory->link);
	alerts->memories_n++;
	return memory;
}

void memory_free(struct alerts *alerts, struct memory *memory)
{
	map_remove(&alerts->memory_by_key, memory->key);
	link_remove(&memory->link);
	alerts->memories_n--;
	condition_state_free(memory->state);
	free(memory);
}

static bool find_status(const struct rules *rules, const struct group_timer *timers,
			const struct rule_status *statuses, uint64_t id, size_t *ret_group)
{
	for (size_t g = 0; g < rules->groups_n; g++) {
		for (size_t i = 0; i < rules->groups[g].rules_n; i++) {
			*ret_group = g;
			if (statuses[timers[g].first + i].id == id)
				return true;
		}
	}
	return false;
}

/* Those of rules that stay the same go on; nothing is missed for it. */
static void move_memories(struct alerts *alerts, const struct rules *rules,
			  const struct group_timer *timers, const struct rule_status *statuses)
{
	list_each_safe (at, &alerts->memories) {
		struct memory *memory = container_of(at, struct memory, link);

		memory->seen = 0;
		if (!find_status(rules, timers, statuses, memory->rule_id, &memory->group))
			memory_free(alerts, memory);
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
	move_memories(alerts, rules, timers, statuses);
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

uint64_t alerts_failures(const struct alerts *alerts, size_t group, size_t rule)
{
	return alerts->statuses[alerts->timers[group].first + rule].failures;
}

const char *alerts_error(const struct alerts *alerts, size_t group, size_t rule)
{
	return alerts->statuses[alerts->timers[group].first + rule].error;
}

int64_t alerts_last_evaluation(const struct alerts *alerts, size_t group, uint64_t *ret_duration_ns)
{
	*ret_duration_ns = alerts->timers[group].last_duration_ns;
	return alerts->timers[group].last_wall_ms;
}

static bool is_of_step(const struct alert *alert, const char *step)
{
	const char *own = condition_step_text(&alert->rule->condition, alert->step);

	return strcmp(own != NULL ? own : "", step) == 0;
}

static bool is_about(const struct alert *alert, uint64_t target_id, const char *isolate,
		     const char *rule, const char *step)
{
	return alert->target_id == target_id && strcmp(alert->isolate, isolate) == 0 &&
	       strcmp(alert->rule->name, rule) == 0 && is_of_step(alert, step);
}

void alerts_ask_again(struct alerts *alerts, uint64_t target_id, const char *isolate,
		      const char *rule, const char *step, uint32_t done)
{
	list_each (at, &alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (is_about(alert, target_id, isolate, rule, step)) {
			alert->acted = false;
			alert->done &= ~done;
		}
	}
	alerts_changed(alerts);
}

/* Whoever was told before is told again. */
static void tell_again(struct alerts *alerts, struct alert *alert)
{
	alert->sent_ns = 0;
	alert->telling = alert->told = false;
	alert->revision++;
	alerts_changed(alerts);
}

static void take_verdict(struct alerts *alerts, struct alert *alert,
			 const struct alert_verdict *verdict)
{
	const struct target *target = targets_find(alerts->targets, alert->target_id);

	if (alert_set_verdict(alert, target, verdict) < 0) {
		log_error("alert", "out of memory: an alert of %s is without its verdict",
			  alert->target);
		return;
	}
	tell_again(alerts, alert);
}

void alerts_tell_verdict(struct alerts *alerts, const char *series,
			 const struct alert_verdict *verdict)
{
	list_each (at, &alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (alert->state == ALERT_FIRING && strcmp(alert->series, series) == 0 &&
		    !alert_has_verdict(alert, verdict))
			take_verdict(alerts, alert, verdict);
	}
}

/* The later ones of a series know the series only. */
static bool has_asked(const struct alert *alert, const struct alert_capture *capture)
{
	return (capture->series[0] != '\0' && strcmp(alert->series, capture->series) == 0) ||
	       is_about(alert, capture->target_id, capture->isolate, capture->rule, capture->step);
}

static void take_capture(struct alerts *alerts, struct alert *alert,
			 const struct alert_capture *capture)
{
	const struct target *target = targets_find(alerts->targets, alert->target_id);
	struct labels before = { 0 };
	int r = target != NULL ? labels_copy(&before, &alert->annotations) : -ESRCH;

	if (r == 0)
		r = alert_set_capture(alert, target, capture->id, capture->path);
	if (r < 0)
		log_error("alert", "an alert of %s is without its capture: %s", alert->target,
			  strerror(-r));
	else if (!labels_equal(&before, &alert->annotations))
		tell_again(alerts, alert);
	else
		alerts_changed(alerts);
	labels_fini(&before);
}

void alerts_tell_capture(struct alerts *alerts, const struct alert_capture *capture)
{
	list_each (at, &alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (alert->state == ALERT_FIRING && !alert->restored && has_asked(alert, capture) &&
		    (!capture->is_minor || alert->capture[0] == '\0'))
			take_capture(alerts, alert, capture);
	}
}

void alerts_forget_target(struct alerts *alerts, uint64_t target_id)
{
	list_each_safe (at, &alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (alert->target_id == target_id)
			alerts_end(alerts, alert);
	}
	list_each_safe (at, &alerts->memories) {
		struct memory *memory = container_of(at, struct memory, link);

		if (memory->target_id == target_id)
			memory_free(alerts, memory);
	}
}

int alerts_init(struct alerts *alerts, struct loop *loop, struct targets *targets)
{
	*alerts = (struct alerts){ .loop = loop, .targets = targets, .count_max = ALERTS_MAX };
	link_init(&alerts->list);
	link_init(&alerts->memories);
	map_init(&alerts->by_key);
	map_init(&alerts->memory_by_key);
	return 0;
}

void alerts_fini(struct alerts *alerts)
{
	if (alerts->loop == NULL)
		return;
	list_each_safe (at, &alerts->list)
		alerts_remove(alerts, container_of(at, struct alert, link));
	list_each_safe (at, &alerts->memories)
		memory_free(alerts, container_of(at, struct memory, link));
	map_fini(&alerts->by_key);
	map_fini(&alerts->memory_by_key);
	drop_rules(alerts);
	*alerts = (struct alerts){ 0 };
}
