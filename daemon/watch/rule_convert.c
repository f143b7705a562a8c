/*
 * From a rule as it is written to one that can be evaluated
 *
 * What one value cannot tell by itself is checked here: names of metrics, units that fit each
 * other, thresholds in the unit of what they bound, matchers and templates. Nothing stops at the
 * first mistake.
 */

#include "watch/rule_text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"
#include "watch/template.h"
#include "watch/threshold.h"
#include "watch/value.h"

enum { VALUES_MAX = 64 };

void place_complain(struct place *place, const char *member, const char *fmt, ...)
{
	char path[2 * PLACE_PATH_MAX], text[ERR_TEXT_MAX];
	const struct node *node;
	va_list args;

	place->wrong = true;
	snprintf(path, sizeof(path), "%s.%s", place->path, member);
	node = doc_find(place->doc, path);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	problems_add(place->problems, place->doc->file, node->line, node->column, path, "%s", text);
}

static const char *closest_value(const char *name)
{
	const char *names[VALUES_MAX];
	size_t n = 0;

	for (; n < VALUES_MAX && value_at((int)n) != NULL; n++)
		names[n] = value_at((int)n)->name;
	return str_closest(name, names, n);
}

static int find_value(struct place *place, const char *member, const char *name)
{
	int index = value_find(name);
	char shown[SHOWN_MAX];
	const char *meant;

	if (index >= 0)
		return index;
	meant = closest_value(name);
	problem_shown(shown, name);
	if (meant != NULL)
		place_complain(place, member, "'%s' is no metric (did you mean '%s'?)", shown,
			       meant);
	else
		place_complain(place, member, "'%s' is no metric a rule can look at", shown);
	return -1;
}

static void convert_reference(struct place *place, const struct when_text *when, struct rule *rule)
{
	rule->relative_to = -1;
	if (when->relative_to == NULL)
		return;
	rule->relative_to = find_value(place, "when.relative_to", when->relative_to);
	if (rule->relative_to < 0 || rule->metric < 0)
		return;
	if (rule->relative_to == rule->metric)
		place_complain(place, "when.relative_to", "'%s' relative to itself is always 100%%",
			       when->metric);
	else if (value_at(rule->relative_to)->unit != value_at(rule->metric)->unit)
		place_complain(place, "when.relative_to",
			       "'%s' has another unit than '%s', the two cannot be compared",
			       when->relative_to, when->metric);
}

/* Of the threshold; not without a metric. */
static enum value_unit threshold_unit(const struct when_text *when, const struct rule *rule)
{
	return when->relative_to != NULL ? VALUE_RATIO : value_at(rule->metric)->unit;
}

/* The unit is unknown when the metric is: then the threshold is not judged. */
static void convert_level(struct place *place, const struct when_text *when, const char *text,
			  struct rule *rule)
{
	struct err err = { 0 };
	double value = NAN; /* what did not pass is compared with nothing */

	if (rule->metric < 0)
		return;
	if (threshold_parse(text, threshold_unit(when, rule), &value, &err) < 0)
		place_complain(place, rule->has_above ? "when.above" : "when.below", "%s",
			       err.text);
	rule->above = rule->below = value;
}

/* A key that is given with a value that did not pass is not missing: hence the nodes. */
static void convert_threshold(struct place *place, const struct node *node, struct when_text *when,
			      struct rule *rule)
{
	char **text;

	rule->has_above = node_member(node, "above") != NULL;
	rule->has_below = node_member(node, "below") != NULL;
	if (rule->has_above && rule->has_below)
		place_complain(place, "when.below", "either above or below, not both");
	else if (!rule->has_above && !rule->has_below)
		place_complain(place, "when", "needs above or below");
	text = rule->has_above ? &when->above : &when->below;
	if (rule->has_above == rule->has_below || *text == NULL)
		return;
	convert_level(place, when, *text, rule);
	rule->threshold_text = *text;
	*text = NULL;
}

static void convert_comparison(struct place *place, const struct node *node, struct when_text *when,
			       struct rule *rule)
{
	if (node_member(node, "metric") == NULL)
		place_complain(place, "when", "missing required key 'metric'");
	rule->metric = when->metric ? find_value(place, "when.metric", when->metric) : -1;
	convert_reference(place, when, rule);
	convert_threshold(place, node, when, rule);
}

static void convert_leak(struct place *place, const struct node *node, struct when_text *when,
			 struct rule *rule)
{
	static const char *const others[] = { "metric", "relative_to", "above", "below" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char path[64];

		if (node_member(node, others[i]) == NULL)
			continue;
		snprintf(path, sizeof(path), "when.%s", others[i]);
		place_complain(place, path, "does not go with leak");
	}
	rule->is_leak = true;
	rule->leak = when->leak;
	rule->metric = value_find("heap_live");
	rule->relative_to = -1;
}

static void convert_when(struct place *place, struct when_text *when, struct rule *rule)
{
	const struct node *node = node_member(doc_find(place->doc, place->path), "when");

	if (node != NULL && node_is_null(node))
		place_complain(place, "when", "needs metric, and above or below");
	/* Anything else that is no table is a complaint already. */
	if (node == NULL || node->kind != NODE_TABLE)
		return;
	if (node_member(node, "leak") != NULL)
		convert_leak(place, node, when, rule);
	else
		convert_comparison(place, node, when, rule);
	rule->for_ns = when->for_ns;
	rule->keep_firing_for_ns = when->keep_firing_for_ns;
}

static int convert_match(struct place *place, struct rule_text *text, struct rule *rule)
{
	struct err err = { 0 };
	int r;

	r = matchers_parse(&rule->matchers, text->match, &err);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		place_complain(place, "match", "column %d: %s", err.column, err.text);
	rule->match_text = text->match;
	text->match = NULL;
	return 0;
}

static void check_templates(struct place *place, const char *member, const struct labels *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		struct err err = { 0 };
		char path[PLACE_PATH_MAX];

		if (template_check(labels->items[i].value, &err) == 0)
			continue;
		snprintf(path, sizeof(path), "%s.%s", member, labels->items[i].name);
		place_complain(place, path, "column %d: %s", err.column, err.text);
	}
}

/* What an alert is about is ours to say; __ is Prometheus' own. */
static void check_label_names(struct place *place, const struct labels *labels)
{
	static const char *const reserved[] = { "alertname", "target", "isolate" };

	for (size_t i = 0; i < labels->n; i++) {
		const char *name = labels->items[i].name;
		bool taken = str_has_prefix(name, "__");
		char path[PLACE_PATH_MAX];

		for (size_t k = 0; k < sizeof(reserved) / sizeof(reserved[0]); k++)
			taken |= strcmp(name, reserved[k]) == 0;
		if (!taken)
			continue;
		snprintf(path, sizeof(path), "labels.%s", name);
		place_complain(place, path, "the label '%s' is reserved", name);
	}
}

/* ---- guards and actions ---- */

/* rearm_* is written as the threshold is, and stands on the good side of it. */
static void convert_rearm(struct place *place, struct rule_text *text, struct rule *rule)
{
	const char *member = rule->has_above ? "guards.rearm_below" : "guards.rearm_above";
	const char *wrong = rule->has_above ? "guards.rearm_above" : "guards.rearm_below";
	const char *given = rule->has_above ? text->guards.rearm_below : text->guards.rearm_above;
	const char *other = rule->has_above ? text->guards.rearm_above : text->guards.rearm_below;
	double threshold = rule->has_above ? rule->above : rule->below, level = 0;
	struct err err = { 0 };

	if (rule->is_leak && (text->guards.rearm_below || text->guards.rearm_above))
		place_complain(place,
			       text->guards.rearm_below ? "guards.rearm_below"
							: "guards.rearm_above",
			       "does not go with leak");
	if (rule->threshold_text == NULL)
		return; /* a complaint already, or a leak */
	if (other != NULL)
		place_complain(place, wrong, "goes with %s; for a rule with %s say %s",
			       rule->has_above ? "below" : "above",
			       rule->has_above ? "above" : "below", member + strlen("guards."));
	if (given == NULL || rule->metric < 0)
		return;
	if (threshold_parse(given, threshold_unit(&text->when, rule), &level, &err) < 0)
		place_complain(place, member, "%s", err.text);
	else if (rule->has_above ? level > threshold : level < threshold)
		place_complain(place, member, "%s is %s the threshold (%s)", given,
			       rule->has_above ? "above" : "below", rule->threshold_text);
	rule->guards.has_rearm = true;
	rule->guards.rearm = level;
}

static void check_action(struct place *place, const struct rule_action *actions, size_t i)
{
	const struct rule_action *action = &actions[i];
	char path[64];

	for (size_t k = 0; k < i; k++) {
		if (actions[k].kind != action->kind)
			continue;
		snprintf(path, sizeof(path), "actions[%zu].capture", i);
		place_complain(place, path, "the rule takes this capture already");
		break;
	}
	if (action->kind == CAPTURE_KIND_DIAGNOSTICS && action->series.count > 0) {
		snprintf(path, sizeof(path), "actions[%zu].series", i);
		place_complain(place, path, "only snapshots come in series");
	}
	if (action->kind == CAPTURE_KIND_DIAGNOSTICS && action->recipe.has_redact) {
		snprintf(path, sizeof(path), "actions[%zu].redact", i);
		place_complain(place, path, "diagnostics hold nothing to redact");
	}
}

static void convert_guards(struct place *place, struct rule_text *text, struct rule *rule)
{
	rule->guards = text->guards.guards;
	rule->dry_run = text->dry_run;
	convert_rearm(place, text, rule);
}

static void convert_actions(struct place *place, struct rule_text *text, struct rule *rule)
{
	rule->actions = text->actions;
	text->actions = (struct item_list){ 0 };
	for (size_t i = 0; i < rule->actions.n; i++)
		check_action(place, rule->actions.items, i);
}

int rule_convert(struct place *place, struct rule_text *text, struct rule *rule)
{
	int r;

	if (text->alert != NULL && strlen(text->alert) > RULE_NAME_MAX_BYTES)
		place_complain(place, "alert", "longer than %d bytes", RULE_NAME_MAX_BYTES);
	r = convert_match(place, text, rule);
	if (r < 0)
		return r;
	convert_when(place, &text->when, rule);
	check_label_names(place, &text->labels);
	check_templates(place, "labels", &text->labels);
	check_templates(place, "annotations", &text->annotations);
	rule->name = text->alert;
	rule->labels = text->labels;
	rule->annotations = text->annotations;
	text->alert = NULL;
	text->labels = text->annotations = (struct labels){ 0 };
	convert_guards(place, text, rule);
	convert_actions(place, text, rule);
	return 0;
}
