/*
 * Rules, once loaded: the decision and the words for it. Reading them is rule_load.c's.
 */

#include "watch/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/str.h"
#include "watch/rule_text.h"
#include "watch/value.h"

/* The table knows what an action owns. */
static void fini_actions(struct item_list *list)
{
	struct rule_action *actions = list->items;

	for (size_t i = 0; i < list->n; i++)
		options_fini(rule_action_options, &actions[i]);
	free(actions);
}

void rule_fini(struct rule *rule)
{
	free(rule->name);
	free(rule->match_text);
	free(rule->threshold_text);
	matchers_free(rule->matchers);
	labels_fini(&rule->labels);
	labels_fini(&rule->annotations);
	fini_actions(&rule->actions);
	*rule = (struct rule){ 0 };
}

static void group_fini(struct rule_group *group)
{
	for (size_t i = 0; i < group->rules_n; i++)
		rule_fini(&group->rules[i]);
	free(group->rules);
	free(group->name);
	free(group->file);
}

void rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	for (size_t i = 0; i < rules->groups_n; i++)
		group_fini(&rules->groups[i]);
	free(rules->groups);
	free(rules);
}

bool rule_holds(const struct rule *rule, double value, double reference, double *ret_shown)
{
	if (rule->relative_to >= 0) {
		/* Nothing is a share of nothing. */
		if (!(reference > 0))
			return false;
		value /= reference;
	}
	*ret_shown = value;
	return (rule->has_above && value > rule->above) || (rule->has_below && value < rule->below);
}

bool rule_rearms(const struct rule *rule, double shown)
{
	if (!rule->guards.has_rearm)
		return false;
	return rule->has_above ? shown < rule->guards.rearm : shown > rule->guards.rearm;
}

struct safety_guards safety_choose(const struct safety_guards *defaults,
				   const struct safety_guards *own)
{
	struct safety_guards all = *defaults;

	if (own == NULL)
		return all;
	if (own->has_headroom)
		all.headroom = own->headroom;
	if (own->has_max_heap)
		all.max_heap_bytes = own->max_heap_bytes;
	if (own->has_max_cpu)
		all.max_cpu = own->max_cpu;
	if (own->has_min_uptime)
		all.min_uptime_ns = own->min_uptime_ns;
	if (own->has_quiet)
		all.quiet = own->quiet;
	all.has_headroom |= own->has_headroom;
	all.has_max_heap |= own->has_max_heap;
	all.has_max_cpu |= own->has_max_cpu;
	all.has_min_uptime |= own->has_min_uptime;
	all.has_quiet |= own->has_quiet;
	return all;
}

static bool equal_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool equal_bound(bool has_a, double a, bool has_b, double b)
{
	return has_a == has_b && (!has_a || (a <= b && a >= b));
}

bool rule_same_condition(const struct rule *a, const struct rule *b)
{
	return equal_text(a->match_text, b->match_text) && a->metric == b->metric &&
	       a->relative_to == b->relative_to && a->is_leak == b->is_leak &&
	       (!a->is_leak || leak_when_equal(&a->leak, &b->leak)) &&
	       equal_bound(a->has_above, a->above, b->has_above, b->above) &&
	       equal_bound(a->has_below, a->below, b->has_below, b->below) &&
	       labels_equal(&a->labels, &b->labels);
}

static void describe_comparison(const struct rule *rule, struct buf *buf)
{
	buf_puts(buf, value_at(rule->metric)->name);
	if (rule->relative_to >= 0)
		buf_printf(buf, " / %s", value_at(rule->relative_to)->name);
	buf_printf(buf, " %s %s", rule->has_above ? ">" : "<", rule->threshold_text);
}

int rule_describe(const struct rule *rule, struct buf *buf)
{
	char text[STR_UNIT_MAX];

	if (rule->is_leak)
		leak_when_describe(&rule->leak, buf);
	else
		describe_comparison(rule, buf);
	if (rule->for_ns > 0)
		buf_printf(buf, " for %s", str_format_duration(text, rule->for_ns));
	return buf->error;
}

char *rule_format_value(const struct rule *rule, double value, char dst[STR_UNIT_MAX])
{
	if (rule->is_leak)
		leak_format_slope(dst, STR_UNIT_MAX, value);
	else if (rule->relative_to >= 0)
		snprintf(dst, STR_UNIT_MAX, "%.1f%%", value * 100);
	else if (value_at(rule->metric)->unit == VALUE_BYTES && value >= 0)
		str_format_bytes(dst, (uint64_t)value);
	else
		snprintf(dst, STR_UNIT_MAX, "%.4g", value);
	return dst;
}
