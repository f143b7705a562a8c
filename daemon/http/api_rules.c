/*
 * /api/v1/rules and /api/v1/alerts in Prometheus' shape. Beside its members a rule has ours: what
 * its guards allow, how many captures it took and how many were suppressed, by reason.
 *
 * A rule is firing when one of its alerts is, else pending when one is, else inactive.
 */

#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "http/server.h"
#include "http/view.h"
#include "util/clock.h"
#include "watch/alert.h"
#include "watch/target.h"

enum { QUERY_MAX = 1024, CANNOT_HOLD_MAX = 100 };

static void write_label_set(struct json_writer *w, const char *key, const struct labels *labels)
{
	json_write_key(w, key);
	json_write_object(w);
	for (size_t i = 0; i < labels->n; i++)
		json_member_string(w, labels->items[i].name, labels->items[i].value);
	json_write_object_end(w);
}

/* "8.3e-01": the shortest text that reads back as the same value. */
static void member_value(struct json_writer *w, const char *key, double value)
{
	char text[40];

	for (int digits = 0; digits < 17; digits++) {
		snprintf(text, sizeof(text), "%.*e", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	json_member_string(w, key, text);
}

static void write_alert(struct json_writer *w, const struct alert *alert)
{
	json_write_object(w);
	write_label_set(w, "labels", &alert->labels);
	write_label_set(w, "annotations", &alert->annotations);
	json_member_string(w, "state", alert_state_name(alert->state));
	api_member_time(w, "activeAt", alert->active_since_wall_ms, API_NEVER);
	member_value(w, "value", alert->value);
	json_write_object_end(w);
}

static enum alert_state rule_state(const struct alerts *alerts, const struct rule *rule)
{
	enum alert_state state = ALERT_INACTIVE;

	list_each (at, &alerts->list) {
		const struct alert *alert = container_of(at, struct alert, link);

		if (alert->rule == rule && alert->state > state)
			state = alert->state;
	}
	return state;
}

static void write_alerts_of(struct json_writer *w, const struct alerts *alerts,
			    const struct rule *rule)
{
	json_write_key(w, "alerts");
	json_write_array(w);
	list_each (at, &alerts->list) {
		const struct alert *alert = container_of(at, struct alert, link);

		if (alert->rule == rule)
			write_alert(w, alert);
	}
	json_write_array_end(w);
}

/* ---- our own members ---- */

static void write_suppressed(struct json_writer *w, const struct captures *captures,
			     const struct rule *rule)
{
	uint64_t by_reason[REFUSALS] = { 0 };

	list_each (at, &captures->counters) {
		const struct capture_counter *row = container_of(at, struct capture_counter, link);

		for (int i = REFUSAL_NONE + 1; i < REFUSALS; i++) {
			if (strcmp(row->rule, rule->name) == 0 &&
			    strcmp(row->reason, capture_refusal_name((enum capture_refusal)i)) == 0)
				by_reason[i] += row->refused;
		}
	}
	json_write_key(w, "capturesSuppressed");
	json_write_object(w);
	for (int i = REFUSAL_NONE + 1; i < REFUSALS; i++) {
		if (by_reason[i] > 0)
			json_member_uint(w, capture_refusal_name((enum capture_refusal)i),
					 by_reason[i]);
	}
	json_write_object_end(w);
}

static uint64_t captures_by(const struct captures *captures, const struct rule *rule)
{
	uint64_t n = 0;

	list_each (at, &captures->counters) {
		const struct capture_counter *row = container_of(at, struct capture_counter, link);

		if (strcmp(row->rule, rule->name) == 0)
			n += row->succeeded;
	}
	return n;
}

/* Those the rule gives itself; the others are as in capture.guards. */
static void write_safety(struct json_writer *w, const struct safety_guards *safety)
{
	char text[DAY_SPAN_TEXT_MAX];

	if (safety->has_headroom)
		json_member_double(w, "headroom", safety->headroom);
	if (safety->has_max_heap)
		json_member_uint(w, "maxHeapBytes", safety->max_heap_bytes);
	if (safety->has_max_cpu)
		json_member_double(w, "maxCpu", safety->max_cpu);
	if (safety->has_min_uptime)
		api_member_seconds(w, "minUptime", safety->min_uptime_ns);
	if (!safety->has_quiet)
		return;
	json_write_key(w, "quietHours");
	json_write_array(w);
	for (unsigned i = 0; i < safety->quiet.n; i++)
		json_write_string(w, day_span_format(text, &safety->quiet.items[i]));
	json_write_array_end(w);
}

static void write_guards(struct json_writer *w, const struct rule_guards *guards)
{
	json_write_key(w, "guards");
	json_write_object(w);
	api_member_seconds(w, "cooldown", guards->cooldown_ns);
	json_member_uint(w, "maxCaptures", guards->max_captures);
	api_member_seconds(w, "window", guards->window_ns);
	if (guards->has_rearm)
		json_member_double(w, "rearm", guards->rearm);
	write_safety(w, &guards->safety);
	json_write_object_end(w);
}

static const char *get_label(const void *thing, const char *name)
{
	return target_label(thing, name);
}

/* Returns how many more there may be. */
static unsigned write_cannot_of(struct json_writer *w, const struct alerts *alerts,
				const struct rule *rule, const struct target *target, unsigned more)
{
	char why[ALERT_CANNOT_MAX];

	list_each (at, &target->isolates) {
		const struct isolate *isolate = container_of(at, struct isolate, link);

		if (more == 0 || !alerts_cannot_hold(alerts, rule, target, isolate, why))
			continue;
		json_write_object(w);
		json_member_string(w, "target", target->spec.name);
		json_member_string(w, "isolate", isolate->name);
		json_member_string(w, "text", why);
		json_write_object_end(w);
		more--;
	}
	return more;
}

/* The isolates for which it cannot hold, as their runtimes are. */
static void write_cannot_hold(struct json_writer *w, const struct http_view *view,
			      const struct rule *rule)
{
	unsigned more = CANNOT_HOLD_MAX;

	json_write_key(w, "cannotHold");
	json_write_array(w);
	list_each (at, &view->targets->list) {
		const struct target *target = container_of(at, struct target, link);

		if (matchers_match(rule->matchers, get_label, target))
			more = write_cannot_of(w, view->alerts, rule, target, more);
	}
	json_write_array_end(w);
}

/* ---- rules ---- */

/* A rule that was not evaluated yet has Go's zero time, as in Prometheus. */
static void write_evaluation(struct json_writer *w, const struct alerts *alerts, size_t group)
{
	uint64_t duration_ns;
	int64_t wall_ms = alerts_last_evaluation(alerts, group, &duration_ns);

	api_member_time(w, "lastEvaluation", wall_ms, "0001-01-01T00:00:00Z");
	api_member_seconds(w, "evaluationTime", duration_ns);
}

static void write_rule(struct json_writer *w, const struct http_view *view, size_t g, size_t r)
{
	const struct rule *rule = &view->alerts->rules->groups[g].rules[r];
	const char *failed = alerts_error(view->alerts, g, r);
	struct buf query;

	buf_init(&query, QUERY_MAX);
	rule_describe(rule, &query);
	json_write_object(w);
	json_member_string(w, "state", alert_state_name(rule_state(view->alerts, rule)));
	json_member_string(w, "name", rule->name);
	json_member_string(w, "query", buf_text(&query));
	api_member_seconds(w, "duration", rule->for_ns);
	api_member_seconds(w, "keepFiringFor", rule->keep_firing_for_ns);
	write_label_set(w, "labels", &rule->labels);
	write_label_set(w, "annotations", &rule->annotations);
	write_alerts_of(w, view->alerts, rule);
	json_member_string(w, "health", failed[0] != '\0' ? "err" : "ok");
	if (failed[0] != '\0')
		json_member_string(w, "lastError", failed);
	json_member_string(w, "type", "alerting");
	write_evaluation(w, view->alerts, g);
	json_member_string(w, "match", rule->match_text);
	json_member_uint(w, "evaluations", alerts_evaluations(view->alerts, g, r));
	json_member_uint(w, "failures", alerts_failures(view->alerts, g, r));
	write_guards(w, &rule->guards);
	json_member_bool(w, "dryRun", rule->dry_run);
	json_member_uint(w, "captures", captures_by(view->captures, rule));
	write_suppressed(w, view->captures, rule);
	api_member_refused(w, "suppressed", view->captures, rule->name);
	write_cannot_hold(w, view, rule);
	json_write_object_end(w);
	buf_fini(&query);
}

static void write_group(struct json_writer *w, const struct http_view *view, size_t g)
{
	const struct rule_group *group = &view->alerts->rules->groups[g];

	json_write_object(w);
	json_member_string(w, "name", group->name);
	json_member_string(w, "file", group->file);
	json_write_key(w, "rules");
	json_write_array(w);
	for (size_t r = 0; r < group->rules_n; r++)
		write_rule(w, view, g, r);
	json_write_array_end(w);
	api_member_seconds(w, "interval", group->interval_ns);
	json_member_uint(w, "limit", group->limit);
	write_evaluation(w, view->alerts, g);
	json_write_object_end(w);
}

int api_rules(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const struct rules *rules = view->alerts->rules;
	struct api_answer answer;
	struct json_writer *w = &answer.json;

	api_begin(&answer);
	json_write_object(w);
	json_write_key(w, "groups");
	json_write_array(w);
	for (size_t g = 0; rules != NULL && g < rules->groups_n; g++)
		write_group(w, view, g);
	json_write_array_end(w);
	json_write_object_end(w);
	return api_finish(&answer, exchange, 200);
}

int api_alerts(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct api_answer answer;
	struct json_writer *w = &answer.json;

	api_begin(&answer);
	json_write_object(w);
	json_write_key(w, "alerts");
	json_write_array(w);
	list_each (at, &view->alerts->list)
		write_alert(w, container_of(at, struct alert, link));
	json_write_array_end(w);
	json_write_object_end(w);
	return api_finish(&answer, exchange, 200);
}
