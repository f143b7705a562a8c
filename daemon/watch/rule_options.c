/*
 * The options of rule files, as tables: their reader, their defaults and their documentation.
 */

#include "watch/rule_text.h"

#include <stddef.h>

#include "util/clock.h"

/* A month: whoever waits longer does not mean an alert. */
#define WAIT_MAX_NS (30 * 24 * 3600 * NS_PER_S)

static const struct option_desc when_options[] = {
	{
		.name = "metric",
		.type = OPTION_TEXT,
		.flags = OPTION_REQUIRED,
		.offset = offsetof(struct when_text, metric),
		.help = "The value to look at, named as its metric without `heapwatch_` and the "
			"unit: `heap_used`, `cgroup_memory_usage`.",
	},
	{
		.name = "relative_to",
		.type = OPTION_TEXT,
		.offset = offsetof(struct when_text, relative_to),
		.help = "Compare the share of this value instead, for example `heap_limit`. While "
			"the target has none the condition does not hold.",
	},
	{
		.name = "above",
		.type = OPTION_TEXT,
		.offset = offsetof(struct when_text, above),
		.help = "The condition holds above this: a share with `relative_to` (`80%`), else "
			"a size, a time or a number. Either `above` or `below` must be given.",
	},
	{
		.name = "below",
		.type = OPTION_TEXT,
		.offset = offsetof(struct when_text, below),
		.help = "The condition holds below this.",
	},
	{
		.name = "for",
		.type = OPTION_TIME,
		.offset = offsetof(struct when_text, for_ns),
		.max = WAIT_MAX_NS,
		.def = "0",
		.help = "The alert fires when the condition has held for so long.",
	},
	{
		.name = "keep_firing_for",
		.type = OPTION_TIME,
		.offset = offsetof(struct when_text, keep_firing_for_ns),
		.max = WAIT_MAX_NS,
		.def = "0",
		.help = "The alert goes on firing for so long after the condition held last.",
	},
	{ 0 },
};

static const struct option_desc guard_options[] = {
	{
		.name = "cooldown",
		.type = OPTION_TIME,
		.offset = offsetof(struct rule_guards, cooldown_ns),
		.max = WAIT_MAX_NS,
		.def = "30m",
		.help = "Shortest time between two captures of one target by this rule.",
	},
	{
		.name = "max_captures",
		.type = OPTION_UINT,
		.offset = offsetof(struct rule_guards, max_captures),
		.max = 1000,
		.def = "3",
		.help = "At most so many captures of one target by this rule in a window; 0 is no "
			"limit.",
	},
	{
		.name = "window",
		.type = OPTION_TIME,
		.offset = offsetof(struct rule_guards, window_ns),
		.min = 60 * NS_PER_S,
		.max = WAIT_MAX_NS,
		.def = "24h",
		.help = "The window of `max_captures`.",
	},
	{ 0 },
};

static const char *const action_kinds[] = {
	[CAPTURE_KIND_SNAPSHOT] = "snapshot",
	[CAPTURE_KIND_DIAGNOSTICS] = "diagnostics",
	NULL,
};

static const struct option_desc action_options[] = {
	{
		.name = "capture",
		.type = OPTION_ENUM,
		.flags = OPTION_REQUIRED,
		.offset = offsetof(struct rule_action, kind),
		.choices = action_kinds,
		.help = "Take a capture of this kind when the alert begins to fire.",
	},
	{ 0 },
};

const struct option_desc rule_options[] = {
	{
		.name = "alert",
		.type = OPTION_TEXT,
		.flags = OPTION_REQUIRED,
		.offset = offsetof(struct rule_text, alert),
		.help = "The name of the alert, unique in its group.",
	},
	{
		.name = "match",
		.type = OPTION_TEXT,
		.offset = offsetof(struct rule_text, match),
		.help = "Prometheus label matchers that say which targets the rule is for: "
			"`{runtime=\"node\",name=~\"api-.*\"}`. All targets when absent.",
	},
	{
		.name = "when",
		.type = OPTION_TABLE,
		.flags = OPTION_REQUIRED,
		.offset = offsetof(struct rule_text, when),
		.table = when_options,
		.help = "The condition.",
	},
	{
		.name = "labels",
		.type = OPTION_LABELS,
		.offset = offsetof(struct rule_text, labels),
		.help = "Labels to add to the alert; may be templates.",
	},
	{
		.name = "annotations",
		.type = OPTION_LABELS,
		.offset = offsetof(struct rule_text, annotations),
		.help = "Texts for people; may be templates.",
	},
	{
		.name = "guards",
		.type = OPTION_TABLE,
		.offset = offsetof(struct rule_text, guards),
		.table = guard_options,
		.help = "What keeps the actions of this rule within bounds.",
	},
	{
		.name = "actions",
		.type = OPTION_LIST,
		.offset = offsetof(struct rule_text, actions),
		.table = action_options,
		.item_size = sizeof(struct rule_action),
		.help = "What to do when the alert begins to fire.",
	},
	{ 0 },
};

const struct option_desc rule_group_options[] = {
	{
		.name = "name",
		.type = OPTION_TEXT,
		.flags = OPTION_REQUIRED,
		.offset = offsetof(struct group_text, name),
		.help = "The name of the group, unique in its file.",
	},
	{
		.name = "interval",
		.type = OPTION_TIME,
		.offset = offsetof(struct group_text, interval_ns),
		.present = offsetof(struct group_text, has_interval),
		.min = NS_PER_S,
		.max = 24 * 3600 * NS_PER_S,
		.help = "How often the rules of the group are evaluated; `evaluation_interval` of "
			"the configuration when absent.",
	},
	{
		.name = "rules",
		.type = OPTION_LIST,
		.offset = offsetof(struct group_text, rules),
		.table = rule_options,
		.item_size = sizeof(struct rule_text),
		.help = "The rules, evaluated together.",
	},
	{ 0 },
};

const struct option_desc rule_file_options[] = {
	{
		.name = "groups",
		.type = OPTION_LIST,
		.offset = offsetof(struct file_text, groups),
		.table = rule_group_options,
		.item_size = sizeof(struct group_text),
		.help = "Groups of rules.",
	},
	{ 0 },
};
