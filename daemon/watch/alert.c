/*
 * One alert: how its state goes on, and what it says
 *
 * alert_step() is Prometheus' AlertingRule.Eval for one element: pending begins with the first
 * evaluation that holds, firing comes once `for` has passed since then (in the same evaluation when
 * it is zero), and keep_firing_for counts from the first evaluation that did not hold. Only the
 * monotonic clock takes part, so that setting the wall clock neither fires nor resolves anything.
 */

#include "watch/alert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/str.h"
#include "watch/target.h"
#include "watch/template.h"

/* An annotation longer than this is not read by anybody. */
enum { EXPANDED_MAX_BYTES = 16 << 10 };

const char *alert_state_name(enum alert_state state)
{
	static const char *const names[] = {
		[ALERT_INACTIVE] = "inactive",
		[ALERT_PENDING] = "pending",
		[ALERT_FIRING] = "firing",
	};

	return names[state];
}

/* The condition does not hold: is the alert kept firing all the same? */
static bool keeps_firing(struct alert_phase *phase, const struct rule *rule, uint64_t now_ns)
{
	if (phase->state != ALERT_FIRING || rule->keep_firing_for_ns == 0)
		return false;
	if (!phase->keeping) {
		phase->keeping = true;
		phase->keep_since_ns = now_ns;
	}
	return now_ns - phase->keep_since_ns < rule->keep_firing_for_ns;
}

struct alert_phase alert_step(struct alert_phase phase, const struct rule *rule, bool holds,
			      uint64_t now_ns)
{
	bool waited;

	if (holds) {
		phase.keeping = false;
		if (phase.state == ALERT_INACTIVE) {
			phase.state = ALERT_PENDING;
			phase.active_since_ns = now_ns;
		}
	} else if (!keeps_firing(&phase, rule, now_ns)) {
		return (struct alert_phase){ .state = ALERT_INACTIVE };
	}
	waited = now_ns - phase.active_since_ns >= rule->for_ns;
	if (phase.state == ALERT_PENDING && waited) {
		phase.state = ALERT_FIRING;
		phase.firing_since_ns = now_ns;
	} else if (phase.state == ALERT_FIRING && !waited) {
		/* A reload has made `for` longer than the alert is old. */
		phase.state = ALERT_PENDING;
		phase.firing_since_ns = 0;
		phase.keeping = false;
	}
	return phase;
}

/* ---- what it says ---- */

/* Labels over LABELS_MAX are left out: those that name the alert come first. */
static int add_label(struct labels *labels, const char *name, const char *value)
{
	int r;

	r = labels_set(labels, name, value);
	return r == -ENOMEM ? r : 0;
}

static int add_target_labels(struct labels *labels, const struct target *target)
{
	const struct labels *own = &target->spec.labels;

	for (size_t i = 0; i < own->n; i++) {
		int r;

		if (labels_get(labels, own->items[i].name) != NULL)
			continue;
		r = add_label(labels, own->items[i].name, own->items[i].value);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Who the alert is about: alertname, target, isolate, step and the target's own labels. */
static int name_alert(const struct alert *alert, const struct target *target, struct labels *labels)
{
	const char *step = condition_step_text(&alert->rule->condition, alert->step);
	int r;

	r = add_label(labels, "alertname", alert->rule->name);
	if (r == 0)
		r = add_label(labels, "target", alert->target);
	if (r == 0)
		r = add_label(labels, "isolate", alert->isolate);
	if (r == 0 && step != NULL)
		r = add_label(labels, "step", step);
	return r < 0 ? r : add_target_labels(labels, target);
}

/* What the series that the alert asked for came to. */
static int add_verdict(const struct alert *alert, struct labels *labels)
{
	const struct {
		const char *name, *text;
	} notes[] = {
		{ "verdict", alert->verdict },
		{ "verdict_path", alert->verdict_path },
		{ "verdict_more", alert->verdict_more },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]) && r == 0; i++) {
		if (notes[i].text != NULL && labels_get(labels, notes[i].name) == NULL)
			r = add_label(labels, notes[i].name, notes[i].text);
	}
	return r;
}

/* What an action of the rule has come to. */
static int add_capture(const struct alert *alert, struct labels *labels)
{
	int r = 0;

	if (alert->capture[0] == '\0')
		return 0;
	if (labels_get(labels, "capture") == NULL)
		r = add_label(labels, "capture", alert->capture);
	if (r == 0 && labels_get(labels, "capture_path") == NULL)
		r = add_label(labels, "capture_path", alert->capture_path);
	return r;
}

/* The labels templates see: those of the alert, and what matchers can ask for. */
static int template_labels(const struct alert *alert, const struct target *target,
			   struct labels *labels)
{
	static const char *const asked[] = { "runtime", "runtime_version", "engine", "address",
					     "name" };
	int r;

	r = name_alert(alert, target, labels);
	if (r == 0)
		r = leak_labels(labels, &alert->leak);
	if (r == 0)
		r = add_verdict(alert, labels);
	if (r == 0)
		r = add_capture(alert, labels);
	for (size_t i = 0; r == 0 && i < sizeof(asked) / sizeof(asked[0]); i++) {
		const char *value = target_label(target, asked[i]);

		if (value != NULL && labels_get(labels, asked[i]) == NULL)
			r = add_label(labels, asked[i], value);
	}
	return r;
}

static int expand(const char *text, const struct labels *seen, double value, const char *name,
		  struct labels *ret)
{
	struct buf buf;
	int r;

	buf_init(&buf, EXPANDED_MAX_BYTES);
	r = template_expand(text, seen, value, &buf);
	if (r == 0)
		r = add_label(ret, name, buf_text(&buf));
	else if (r == -E2BIG)
		r = add_label(ret, name, "(too long)");
	buf_fini(&buf);
	return r;
}

/* Expand each of `templates` into *ret, which may hold others. */
static int expand_all(const struct alert *alert, const struct target *target,
		      const struct labels *templates, double value, struct labels *ret)
{
	struct labels seen = { 0 };
	int r;

	r = template_labels(alert, target, &seen);
	for (size_t i = 0; r == 0 && i < templates->n; i++)
		r = expand(templates->items[i].value, &seen, value, templates->items[i].name, ret);
	labels_fini(&seen);
	return r;
}

/* Of a rule `leak` what is known of the leak. */
static void learn_leak(struct alert *alert, const struct target *target,
		       const struct condition_verdict *verdict)
{
	const struct isolate *isolate = target_find_isolate(target, alert->isolate);
	const struct term *terms = alert->rule->condition.terms;

	if (rule_is_of_leak(alert->rule) && isolate != NULL)
		leak_facts_take(&alert->leak,
				verdict->leak >= 0 ? &terms[verdict->leak].leak : NULL, target,
				isolate);
}

static int expand_annotations(struct alert *alert, const struct target *target)
{
	struct labels fresh = { 0 };
	int r;

	if (alert->rule->annotations.n == 0 && !rule_is_of_leak(alert->rule) &&
	    alert->verdict == NULL)
		return 0;
	r = expand_all(alert, target, &alert->rule->annotations, alert->value, &fresh);
	if (r == 0)
		r = leak_labels(&fresh, &alert->leak);
	if (r == 0)
		r = add_verdict(alert, &fresh);
	if (r < 0) {
		labels_fini(&fresh);
		return r;
	}
	labels_fini(&alert->annotations);
	alert->annotations = fresh;
	return 0;
}

int alert_update(struct alert *alert, const struct target *target,
		 const struct condition_verdict *verdict)
{
	alert->term = verdict->term;
	alert->value = verdict->value;
	alert->program = program_of(&target->identity);
	alert->span_ns = verdict->span_ns;
	learn_leak(alert, target, verdict);
	return expand_annotations(alert, target);
}

static bool same_text(const char *kept, const char *text)
{
	return strcmp(kept != NULL ? kept : "", text) == 0;
}

bool alert_has_verdict(const struct alert *alert, const struct alert_verdict *verdict)
{
	return alert->verdict != NULL && same_text(alert->verdict, verdict->text) &&
	       same_text(alert->verdict_path, verdict->path) &&
	       same_text(alert->verdict_more, verdict->more);
}

void alert_drop_verdict(struct alert *alert)
{
	free(alert->verdict);
	free(alert->verdict_path);
	free(alert->verdict_more);
	alert->verdict = alert->verdict_path = alert->verdict_more = NULL;
}

/* NULL for "". */
static int copy_text(const char *text, char **ret)
{
	*ret = text[0] != '\0' ? strdup(text) : NULL;
	return text[0] != '\0' && *ret == NULL ? -ENOMEM : 0;
}

int alert_set_verdict(struct alert *alert, const struct target *target,
		      const struct alert_verdict *verdict)
{
	char *text = strdup(verdict->text), *path = NULL, *more = NULL;
	bool knows_all = alert->leak.known || !rule_is_of_leak(alert->rule);

	if (text == NULL || copy_text(verdict->path, &path) < 0 ||
	    copy_text(verdict->more, &more) < 0) {
		free(text);
		free(path);
		return -ENOMEM;
	}
	alert_drop_verdict(alert);
	alert->verdict = text;
	alert->verdict_path = path;
	alert->verdict_more = more;
	/* After a restart its target is still to come back, and what it says of a leak is kept. */
	if (target == NULL || !knows_all)
		return add_verdict(alert, &alert->annotations);
	return expand_annotations(alert, target);
}

void alert_drop_capture(struct alert *alert)
{
	free(alert->capture_path);
	alert->capture_path = NULL;
	alert->capture[0] = '\0';
}

int alert_set_capture(struct alert *alert, const struct target *target, const char *id,
		      const char *path)
{
	char *copy = strdup(path);

	if (copy == NULL)
		return -ENOMEM;
	free(alert->capture_path);
	alert->capture_path = copy;
	str_copy(alert->capture, sizeof(alert->capture), id);
	return expand_annotations(alert, target);
}

char *alert_format_value(const struct alert *alert, char dst[STR_UNIT_MAX])
{
	return condition_format_value(&alert->rule->condition, alert->term, alert->value, dst);
}

void alert_describe_cause(const struct alert *alert, struct buf *buf)
{
	const char *step = condition_step_text(&alert->rule->condition, alert->step);
	char value[STR_UNIT_MAX];

	rule_describe(alert->rule, buf);
	if (step != NULL)
		buf_printf(buf, ", step %s", step);
	if (alert->term >= 0)
		buf_printf(buf, " (now %s)", alert_format_value(alert, value));
}

struct alert *alert_new(const struct rule_group *group, const struct rule *rule,
			const struct target *target, const char *isolate, size_t step,
			const struct condition_verdict *verdict)
{
	struct alert *alert = calloc(1, sizeof(*alert));
	int r;

	if (alert == NULL)
		return NULL;
	link_init(&alert->link);
	alert->group = group;
	alert->rule = rule;
	alert->target_id = target->id;
	str_copy(alert->target, sizeof(alert->target), target->spec.name);
	str_copy(alert->isolate, sizeof(alert->isolate), isolate);
	alert->step = step;
	alert->term = verdict->term;
	learn_leak(alert, target, verdict);
	r = name_alert(alert, target, &alert->labels);
	if (r == 0)
		r = expand_all(alert, target, &rule->labels, verdict->value, &alert->labels);
	if (r < 0) {
		alert_free(alert);
		return NULL;
	}
	return alert;
}

void alert_free(struct alert *alert)
{
	if (alert == NULL)
		return;
	labels_fini(&alert->labels);
	labels_fini(&alert->annotations);
	alert_drop_verdict(alert);
	alert_drop_capture(alert);
	free(alert);
}
