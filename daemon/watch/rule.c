/*
 * Rules, once loaded: the decision and the words for it. Reading them is rule_load.c's.
 */

#include "watch/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/fnv.h"
#include "util/str.h"
#include "watch/rule_text.h"

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
	condition_fini(&rule->condition);
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

bool rule_rearms(const struct rule *rule, double shown)
{
	if (!rule->guards.has_rearm)
		return false;
	return rule->condition.terms[rule->rearm_term].below ? shown > rule->guards.rearm
							     : shown < rule->guards.rearm;
}

bool rule_is_of_leak(const struct rule *rule)
{
	for (size_t i = 0; i < rule->condition.n; i++) {
		if (rule->condition.terms[i].kind == TERM_LEAK)
			return true;
	}
	return false;
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

bool rule_same_condition(const struct rule *a, const struct rule *b)
{
	return equal_text(a->match_text, b->match_text) &&
	       condition_equal(&a->condition, &b->condition) &&
	       labels_equal(&a->labels, &b->labels);
}

uint64_t rule_condition_hash(const struct rule *rule)
{
	uint64_t hash = condition_hash(&rule->condition);

	hash = fnv1a_text(hash, rule->match_text != NULL ? rule->match_text : "");
	for (size_t i = 0; i < rule->labels.n; i++) {
		/* With its zero: where one ends and the next begins. */
		const struct label *label = &rule->labels.items[i];

		hash = fnv1a(hash, label->name, strlen(label->name) + 1);
		hash = fnv1a(hash, label->value, strlen(label->value) + 1);
	}
	return hash;
}

int rule_describe(const struct rule *rule, struct buf *buf)
{
	char text[STR_UNIT_MAX];

	condition_describe(&rule->condition, buf);
	if (rule->for_ns > 0)
		buf_printf(buf, " for %s", str_format_duration(text, rule->for_ns));
	return buf->error;
}
