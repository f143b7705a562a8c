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

void place_complain(struct place *place, const char *member, const char *fmt, ...)
{
	char path[2 * PLACE_PATH_MAX], text[ERR_TEXT_MAX];
	const struct node *node;
	va_list args;

	place->wrong = true;
	snprintf(path, sizeof(path), "%s%s%s", place->path, member[0] ? "." : "", member);
	node = doc_find(place->doc, path);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	problems_add(place->problems, place->doc->file, node->line, node->column, path, "%s", text);
}

const struct node *place_node(const struct place *place, const char *member)
{
	char path[2 * PLACE_PATH_MAX];

	snprintf(path, sizeof(path), "%s%s%s", place->path, member[0] ? "." : "", member);
	return doc_find(place->doc, path);
}

static int convert_when(struct place *place, struct when_text *when, struct rule *rule)
{
	const struct node *node = node_member(doc_find(place->doc, place->path), "when");
	int r;

	rule->rearm_term = -1;
	if (node != NULL && node_is_null(node))
		place_complain(place, "when", "needs a condition");
	/* Anything else that is no table is a complaint already. */
	if (node == NULL || node->kind != NODE_TABLE)
		return 0;
	r = condition_read(place, "when", &when->condition, &rule->condition);
	rule->for_ns = when->for_ns;
	rule->keep_firing_for_ns = when->keep_firing_for_ns;
	if (r == 0 && rule->for_ns > 0 && condition_is_momentary(&rule->condition))
		place_complain(place, "when.for",
			       "the condition holds for one evaluation only, never for so long");
	return r;
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
static void check_label_names(struct place *place, const struct labels *labels, bool with_step)
{
	static const char *const reserved[] = { "alertname", "target", "isolate" };

	for (size_t i = 0; i < labels->n; i++) {
		const char *name = labels->items[i].name;
		bool taken = str_has_prefix(name, "__") || (with_step && strcmp(name, "step") == 0);
		char path[PLACE_PATH_MAX];

		for (size_t k = 0; k < sizeof(reserved) / sizeof(reserved[0]); k++)
			taken |= strcmp(name, reserved[k]) == 0;
		if (!taken)
			continue;
		snprintf(path, sizeof(path), "labels.%s", name);
		place_complain(place, path, "the label '%s' is reserved", name);
	}
}

void rule_check_labels(struct place *place, const struct labels *labels, bool with_step)
{
	check_label_names(place, labels, with_step);
	check_templates(place, "labels", labels);
}

/* ---- guards and actions ---- */

/* The one threshold of the rule; -1: there is none, or several. */
static int find_threshold(const struct condition *condition)
{
	int found = -1;

	for (size_t i = 0; i < condition->n; i++) {
		const struct term *term = &condition->terms[i];

		if (term->kind != TERM_COMPARE && term->kind != TERM_STEPS)
			continue;
		if (found >= 0)
			return -1;
		found = (int)i;
	}
	return found;
}

static double threshold_of(const struct term *term)
{
	return term->kind == TERM_STEPS ? term->steps[0] : term->level;
}

/* What the threshold is called, where there is none what is there in its place. */
static void refuse_rearm(struct place *place, struct rule_text *text, const struct rule *rule)
{
	const char *member = text->guards.rearm_below ? "guards.rearm_below" : "guards.rearm_above";

	if (rule->condition.n == 1 && rule->condition.terms[0].kind == TERM_LEAK)
		place_complain(place, member, "does not go with leak");
	else
		place_complain(place, member, "goes with one above, below or steps");
}

static void convert_level(struct place *place, const char *member, const char *given,
			  const struct term *term, struct rule *rule)
{
	enum value_unit unit = term->relative_to >= 0 ? VALUE_RATIO : value_at(term->metric)->unit;
	double level = 0, threshold = threshold_of(term);
	struct err err = { 0 };

	if (threshold_parse(given, unit, &level, &err) < 0)
		place_complain(place, member, "%s", err.text);
	else if (term->below ? level < threshold : level > threshold)
		place_complain(place, member, "%s is %s the threshold (%s)", given,
			       term->below ? "below" : "above",
			       term->kind == TERM_STEPS ? term->step_texts.items[0] : term->text);
	rule->guards.has_rearm = true;
	rule->guards.rearm = level;
	snprintf(rule->guards.rearm_text, sizeof(rule->guards.rearm_text), "%s %.24s",
		 term->below ? "above" : "below", given);
}

/* rearm_* is written as the threshold is, and stands on the good side of it. */
static void convert_rearm(struct place *place, struct rule_text *text, struct rule *rule)
{
	const struct guards_text *guards = &text->guards;
	int index = find_threshold(&rule->condition);
	const struct term *term;
	const char *member, *given;

	if (guards->rearm_below == NULL && guards->rearm_above == NULL)
		return;
	if (index < 0) {
		if (rule->condition.n > 0)
			refuse_rearm(place, text, rule);
		return;
	}
	term = &rule->condition.terms[index];
	if (term->text == NULL)
		return; /* a complaint already */
	member = term->below ? "guards.rearm_above" : "guards.rearm_below";
	given = term->below ? guards->rearm_above : guards->rearm_below;
	if ((term->below ? guards->rearm_below : guards->rearm_above) != NULL)
		place_complain(place, term->below ? "guards.rearm_below" : "guards.rearm_above",
			       "goes with %s; for a rule with %s say %s",
			       term->below ? "above" : "below", term->below ? "below" : "above",
			       member + strlen("guards."));
	rule->rearm_term = index;
	if (given != NULL && term->metric >= 0)
		convert_level(place, member, given, term, rule);
}

/* What is taken over a while. */
static void check_while(struct place *place, const struct rule_action *action, size_t i)
{
	bool samples = action->kind == CAPTURE_KIND_SAMPLING;
	bool timeline = action->kind == CAPTURE_KIND_TIMELINE;
	bool tracks = timeline || action->kind == CAPTURE_KIND_TRACKING;
	struct err err = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "actions[%zu].capture", i);
	if (!samples && action->sampling.given)
		place_complain(place, path,
			       "interval, stack_depth, objects and format go with capture: "
			       "sampling");
	if (!samples && !tracks && action->sampling.timed)
		place_complain(place, path,
			       "duration goes with capture: sampling, capture: timeline and "
			       "capture: tracking");
	if (!timeline && action->timeline.given)
		place_complain(place, path, "stacks goes with capture: timeline");
	snprintf(path, sizeof(path), "actions[%zu].duration", i);
	if (tracks && timeline_check_duration(action->kind, &action->sampling, &err) < 0)
		place_complain(place, path, "%s", err.text);
}

static void check_series(struct place *place, const struct rule_action *action, size_t i)
{
	struct err err = { 0 };
	const char *member = series_settings_check(&action->series, &err);
	char path[64];

	if (action->kind != CAPTURE_KIND_SNAPSHOT && action->series.count > 0) {
		snprintf(path, sizeof(path), "actions[%zu].series", i);
		place_complain(place, path, "only snapshots come in series");
	} else if (member != NULL) {
		snprintf(path, sizeof(path), "actions[%zu].series.%s", i, member);
		place_complain(place, path, "%s", err.text);
	}
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
	if (action->kind == CAPTURE_KIND_GC)
		return; /* judged by convert_gc() */
	check_while(place, action, i);
	check_series(place, action, i);
	if (action->kind != CAPTURE_KIND_SNAPSHOT && action->kind != CAPTURE_KIND_TIMELINE &&
	    action->kind != CAPTURE_KIND_TRACKING && action->recipe.has_redact) {
		snprintf(path, sizeof(path), "actions[%zu].redact", i);
		place_complain(place, path,
			       action->kind == CAPTURE_KIND_DIAGNOSTICS
				       ? "diagnostics hold nothing to redact"
				       : "a profile has names of functions and files, and nothing "
					 "to redact");
	}
}

static void convert_guards(struct place *place, struct rule_text *text, struct rule *rule)
{
	rule->guards = text->guards.guards;
	rule->dry_run = text->dry_run;
	convert_rearm(place, text, rule);
}

static void convert_gc(struct place *place, struct rule_action *action, size_t i)
{
	char path[64];

	snprintf(path, sizeof(path), "actions[%zu]", i);
	if (action->gc == action->has_capture)
		place_complain(place, path, "give either capture or gc: true");
	if (!action->gc)
		return;
	action->kind = CAPTURE_KIND_GC;
	if (action->series.count > 0 || action->recipe.has_redact || action->recipe.has_compress ||
	    action->recipe.has_encrypt || action->sampling.given || action->sampling.timed ||
	    action->timeline.given)
		place_complain(place, path, "nothing is kept of gc: it goes alone");
}

static void convert_actions(struct place *place, struct rule_text *text, struct rule *rule)
{
	rule->actions = text->actions;
	text->actions = (struct item_list){ 0 };
	for (size_t i = 0; i < rule->actions.n; i++)
		convert_gc(place, (struct rule_action *)rule->actions.items + i, i);
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
	r = convert_when(place, &text->when, rule);
	if (r < 0)
		return r;
	rule_check_labels(place, &text->labels, condition_steps_term(&rule->condition) >= 0);
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
