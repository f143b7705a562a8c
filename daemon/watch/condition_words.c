/*
 * Conditions in words: one line each, in the order of the terms.
 *
 * A group writes "(" when it begins, "and" or "or" between its members, and ")" when what follows
 * is outside of it; the whole needs no brackets.
 */

#include "watch/condition.h"

#include <math.h>
#include <stdio.h>

#include "util/clock.h"
#include "watch/value.h"

static bool is_group(const struct term *term)
{
	return term->kind == TERM_ALL_OF || term->kind == TERM_ANY_OF;
}

/* ---- values ---- */

static bool is_ratio(const struct term *term)
{
	return term->relative_to >= 0;
}

static char *format_seconds(double seconds, char dst[STR_UNIT_MAX])
{
	if (seconds < 0 || !(seconds < 1e9))
		snprintf(dst, STR_UNIT_MAX, "never");
	else if (seconds < 10)
		snprintf(dst, STR_UNIT_MAX, "%.4gs", seconds);
	else
		str_format_duration(dst, (uint64_t)seconds * NS_PER_S);
	return dst;
}

static char *format_metric(const struct term *term, double value, char dst[STR_UNIT_MAX])
{
	if (is_ratio(term))
		snprintf(dst, STR_UNIT_MAX, "%.1f%%", value * 100);
	else if (value_at(term->metric)->unit == VALUE_BYTES && value >= 0 && value < 1e18)
		str_format_bytes(dst, (uint64_t)value);
	else
		snprintf(dst, STR_UNIT_MAX, "%.4g", value);
	return dst;
}

static char *format_of(const struct term *term, double value, char dst[STR_UNIT_MAX])
{
	if (isnan(value))
		snprintf(dst, STR_UNIT_MAX, "-");
	else if (term->kind == TERM_LEAK)
		leak_format_slope(dst, STR_UNIT_MAX, value);
	else if (term->kind == TERM_ETA)
		format_seconds(value, dst);
	else if (term->metric >= 0)
		format_metric(term, value, dst);
	else
		snprintf(dst, STR_UNIT_MAX, "-");
	return dst;
}

char *condition_format_value(const struct condition *condition, int term, double value,
			     char dst[STR_UNIT_MAX])
{
	if (term < 0 || (size_t)term >= condition->n)
		snprintf(dst, STR_UNIT_MAX, "-");
	else
		format_of(&condition->terms[term], value, dst);
	return dst;
}

/* ---- one term ---- */

static void put_metric(const struct term *term, struct buf *buf)
{
	buf_puts(buf, value_at(term->metric)->name);
	if (term->relative_to >= 0)
		buf_printf(buf, " / %s", value_at(term->relative_to)->name);
}

static void put_time(struct buf *buf, const char *before, uint64_t ns)
{
	char text[STR_UNIT_MAX];

	buf_printf(buf, "%s%s", before, str_format_duration(text, ns));
}

static void put_events(struct buf *buf, unsigned events)
{
	static const char *const names[EVENTS] = { "target_up", "target_down", "restart" };
	const char *between = "";

	for (unsigned i = 0; i < EVENTS; i++) {
		if ((events & 1u << i) == 0)
			continue;
		buf_printf(buf, "%s%s", between, names[i]);
		between = " or ";
	}
}

/* What stands behind the metric. */
static void put_bound(const struct term *term, struct buf *buf)
{
	switch (term->kind) {
	case TERM_COMPARE:
		buf_printf(buf, " %s %s", term->below ? "<" : ">", term->text);
		return;
	case TERM_STEPS:
		buf_printf(buf, " > %s", term->text);
		return;
	case TERM_GROWTH:
		buf_printf(buf, " grown by %s over its mean", term->text);
		put_time(buf, " of ", term->over_ns);
		return;
	case TERM_NEW_MAX:
		buf_puts(buf, " at a new maximum");
		if (term->text != NULL)
			buf_printf(buf, " by %s", term->text);
		if (term->over_ns > 0)
			put_time(buf, " of ", term->over_ns);
		return;
	default:
		return;
	}
}

static void describe_term(const struct term *term, struct buf *buf)
{
	if (term->metric >= 0) {
		put_metric(term, buf);
		put_bound(term, buf);
	} else if (term->kind == TERM_LEAK) {
		leak_when_describe(&term->leak, buf);
	} else if (term->kind == TERM_ETA) {
		put_time(buf, "limit reached within ", (uint64_t)(term->level * NS_PER_S));
	} else if (term->kind == TERM_ON) {
		buf_puts(buf, "on ");
		put_events(buf, term->events);
	} else if (term->kind == TERM_EVERY) {
		put_time(buf, "every ", term->every_ns);
	} else if (term->kind == TERM_CALENDAR) {
		buf_printf(buf, "at %s", term->text);
	}
}

/* ---- the tree ---- */

typedef void put_term_fn(const void *context, size_t i, struct buf *buf);

static size_t depth_of(const struct condition *condition, size_t i)
{
	size_t depth = 0;

	for (int at = condition->terms[i].parent; at >= 0; at = condition->terms[at].parent)
		depth++;
	return depth;
}

static void put_tree(const struct condition *condition, put_term_fn *put, const void *context,
		     struct buf *buf)
{
	bool begun[CONDITION_TERMS_MAX] = { false };
	size_t open = 0; /* brackets */

	for (size_t i = 0; i < condition->n; i++) {
		const struct term *term = &condition->terms[i];
		size_t depth = depth_of(condition, i);

		for (; open + 1 > depth && open > 0; open--)
			buf_puts(buf, ")");
		if (term->parent >= 0 && begun[term->parent])
			buf_puts(buf, condition->terms[term->parent].kind == TERM_ALL_OF ? " and "
											 : " or ");
		if (term->parent >= 0)
			begun[term->parent] = true;
		if (!is_group(term)) {
			put(context, i, buf);
		} else if (depth > 0) {
			buf_puts(buf, "(");
			open++;
		}
	}
	for (; open > 0; open--)
		buf_puts(buf, ")");
}

static void put_description(const void *context, size_t i, struct buf *buf)
{
	const struct condition *condition = context;

	describe_term(&condition->terms[i], buf);
}

void condition_describe(const struct condition *condition, struct buf *buf)
{
	put_tree(condition, put_description, condition, buf);
}

/* ---- with what was found ---- */

struct explained {
	const struct condition *condition;
	const struct condition_findings *findings;
	size_t step;
};

/* "heap_used = 120.0 MiB, mean 80.0 MiB of 10m" */
static void explain_value(const struct term *term, const struct finding *finding, size_t step,
			  struct buf *buf)
{
	char value[STR_UNIT_MAX], bound[STR_UNIT_MAX];

	put_metric(term, buf);
	buf_printf(buf, " = %s", format_of(term, finding->value, value));
	if (term->kind == TERM_COMPARE)
		buf_printf(buf, " %s %s", term->below ? "<" : ">", term->text);
	else if (term->kind == TERM_STEPS)
		buf_printf(buf, " > %s", term->step_texts.items[step]);
	else if (finding->young)
		buf_puts(buf, term->kind == TERM_GROWTH ? ", too young a mean" : ", the first one");
	else
		buf_printf(buf, ", %s %s%s%s", term->kind == TERM_GROWTH ? "mean" : "maximum",
			   format_of(term, finding->bound, bound),
			   term->text != NULL ? ", by " : "", term->text != NULL ? term->text : "");
}

/* "slope 12.0 MiB/h; heap in the fast window: the slope may be zero" */
static void explain_leak(const struct term *term, const struct finding *finding, struct buf *buf)
{
	char slope[STR_UNIT_MAX];

	buf_printf(buf, " (slope %s", format_of(term, finding->value, slope));
	if (!finding->holds) {
		buf_puts(buf, "; ");
		leak_looked_explain(&finding->leak, buf);
	}
	buf_puts(buf, ")");
}

static void explain_forecast(const struct term *term, const struct finding *finding,
			     struct buf *buf)
{
	char value[STR_UNIT_MAX];

	describe_term(term, buf);
	if (finding->young)
		buf_puts(buf, " (too young to be judged)");
	else if (term->kind == TERM_LEAK && !isnan(finding->value))
		explain_leak(term, finding, buf);
	else if (term->kind == TERM_LEAK)
		buf_puts(buf, " (no value)");
	else
		buf_printf(buf, " (in %s)",
			   finding->known ? format_of(term, finding->value, value) : "no time");
}

static void put_explanation(const void *context, size_t i, struct buf *buf)
{
	const struct explained *explained = context;
	const struct term *term = &explained->condition->terms[i];
	const struct finding *finding = &explained->findings->terms[i];
	bool holds = term->kind == TERM_STEPS ? finding->reached > explained->step : finding->holds;

	if (term->metric >= 0 && finding->known)
		explain_value(term, finding, explained->step, buf);
	else if ((term->kind == TERM_ETA || term->kind == TERM_LEAK) && finding->missing < 0)
		explain_forecast(term, finding, buf);
	else
		describe_term(term, buf);
	if (term->kind == TERM_ON && finding->holds && finding->events != term->events) {
		buf_puts(buf, " (");
		put_events(buf, finding->events);
		buf_puts(buf, ")");
	}
	if (finding->missing >= 0 && finding->missing != term->metric)
		buf_printf(buf, " (no %s)", value_at(finding->missing)->name);
	else if (term->metric >= 0 && !finding->known)
		buf_puts(buf, " (no value)");
	buf_puts(buf, holds ? ": yes" : ": no");
}

void condition_explain(const struct condition *condition, const struct condition_findings *findings,
		       size_t step, struct buf *buf)
{
	const struct explained explained = { condition, findings, step };

	put_tree(condition, put_explanation, &explained, buf);
}
