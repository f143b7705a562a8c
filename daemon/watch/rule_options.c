/*
 * The options of rule files, as tables: their reader, their defaults and their documentation.
 */

#include "watch/rule_text.h"

#include <stddef.h>

#include <errno.h>

#include "util/clock.h"
#include "util/err.h"

/* A month: whoever waits longer does not mean an alert. */
#define WAIT_MAX_NS (30 * 24 * 3600 * NS_PER_S)

#define TIB (1ull << 40)

static const struct option_desc when_options[] = {
	{
		.name = "condition",
		.type = OPTION_INCLUDE,
		.offset = offsetof(struct when_text, condition),
		.table = condition_options,
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
		.help = "The alert goes on firing for so long after the condition held last. What "
			"holds for one evaluation only (`on`, schedules, `new_max`) asks for a "
			"capture that a guard refused for the moment again that long.",
	},
	{ 0 },
};

static int check_factor(const void *value, struct err *err)
{
	const double *number = value;

	if (*number >= 0 && *number <= 1000)
		return 0;
	return err_set(err, -EINVAL, "%g is out of range (0 to 1000)", *number);
}

const struct option_desc safety_guard_options[] = {
	{
		.name = "headroom",
		.type = OPTION_NUMBER,
		.offset = offsetof(struct safety_guards, headroom),
		.present = offsetof(struct safety_guards, has_headroom),
		.check = check_factor,
		.help = "Take a snapshot only while so many times the used heap are free, in the "
			"target's control group and on the host: a snapshot takes 2 to 215 times "
			"the heap in memory, most with long arrays, and the kernel kills what "
			"goes over its limit. When absent: 45 on Node, 110 on Deno, 220 on other "
			"V8, 12 on Bun, 22 on WebKit, 18 on Firefox. 0 is no guard; a "
			"process that heapwatchd cannot see is captured with 0 only.",
	},
	{
		.name = "max_heap",
		.type = OPTION_BYTES,
		.offset = offsetof(struct safety_guards, max_heap_bytes),
		.present = offsetof(struct safety_guards, has_max_heap),
		.max = 16 * TIB,
		.help = "No snapshot of a heap that uses more: the target stands still for as long "
			"as it takes, about 10 to 20 seconds for each gigabyte. Nor a forced "
			"collection of garbage, or what makes V8 collect: a sampling profile, and "
			"the end of continuous ones, which are given up instead. 0 is no guard.",
	},
	{
		.name = "max_cpu",
		.type = OPTION_NUMBER,
		.offset = offsetof(struct safety_guards, max_cpu),
		.present = offsetof(struct safety_guards, has_max_cpu),
		.check = check_factor,
		.help = "No snapshot while the process uses more CPU than so many cores (0.8, 2). "
			"0 is no guard.",
	},
	{
		.name = "min_uptime",
		.type = OPTION_TIME,
		.offset = offsetof(struct safety_guards, min_uptime_ns),
		.present = offsetof(struct safety_guards, has_min_uptime),
		.max = WAIT_MAX_NS,
		.help = "No snapshot of a process that has not run for so long: what grows while a "
			"program starts is no leak.",
	},
	{
		.name = "quiet_hours",
		.type = OPTION_DAY_TIMES,
		.offset = offsetof(struct safety_guards, quiet),
		.present = offsetof(struct safety_guards, has_quiet),
		.help = "No snapshot at these times of the day, in local time: `08:00-09:00`, or a "
			"list of such; `22:00-06:00` passes midnight. An empty list is no guard.",
	},
	{ 0 },
};

static const struct option_desc guard_options[] = {
	{
		.name = "cooldown",
		.type = OPTION_TIME,
		.offset = offsetof(struct guards_text, guards.cooldown_ns),
		.max = WAIT_MAX_NS,
		.def = "30m",
		.help = "Shortest time between two captures of one target by this rule, over "
			"restarts of the target and of heapwatchd. A series counts as one.",
	},
	{
		.name = "max_captures",
		.type = OPTION_UINT,
		.offset = offsetof(struct guards_text, guards.max_captures),
		.max = 1000,
		.def = "3",
		.help = "At most so many captures of one target by this rule in a window; 0 is no "
			"limit.",
	},
	{
		.name = "window",
		.type = OPTION_TIME,
		.offset = offsetof(struct guards_text, guards.window_ns),
		.min = 60 * NS_PER_S,
		.max = WAIT_MAX_NS,
		.def = "24h",
		.help = "The window of `max_captures`.",
	},
	{
		.name = "rearm_below",
		.type = OPTION_TEXT,
		.offset = offsetof(struct guards_text, rearm_below),
		.help = "For a rule with one `above` or `steps`: after a capture of an isolate, no "
			"other by this rule (of that step) before its value has been below this. "
			"Written as `above` is.",
	},
	{
		.name = "rearm_above",
		.type = OPTION_TEXT,
		.offset = offsetof(struct guards_text, rearm_above),
		.help = "The same for a rule with one `below`.",
	},
	{
		.name = "safety",
		.type = OPTION_INCLUDE,
		.offset = offsetof(struct guards_text, guards.safety),
		.table = safety_guard_options,
	},
	{ 0 },
};

static const char *const action_kinds[] = {
	[CAPTURE_KIND_SNAPSHOT] = "snapshot", [CAPTURE_KIND_DIAGNOSTICS] = "diagnostics",
	[CAPTURE_KIND_SAMPLING] = "sampling", [CAPTURE_KIND_TIMELINE] = "timeline",
	[CAPTURE_KIND_TRACKING] = "tracking", NULL,
};

const struct option_desc rule_action_options[] = {
	{
		.name = "capture",
		.type = OPTION_ENUM,
		.offset = offsetof(struct rule_action, kind),
		.present = offsetof(struct rule_action, has_capture),
		.choices = action_kinds,
		.help = "Take a capture of this kind when the alert begins to fire: `snapshot` is "
			"the heap, `diagnostics` a few kilobytes of what is known of the target, "
			"which cost it nothing, `sampling` a profile of what is allocated from "
			"now on, by call stack, which with the default `interval` costs a program "
			"that does nothing but allocate 7 to 14 % of its speed while it lasts, "
			"`timeline` "
			"a snapshot at the end of a while in which V8 notes when each object was "
			"allocated, which makes it several times slower for as long, "
			"`tracking` two snapshots of JavaScriptCore (Bun, WebKit) with a while "
			"between, in which what is new is told object by object.",
	},
	{
		.name = "wait",
		.type = OPTION_BOOL,
		.offset = offsetof(struct rule_action, wait),
		.def = "false",
		.help = "The actions behind this one begin when it has ended, however it ended; "
			"of a series, when its first has. Else all begin at once, as far as the "
			"target can bear it.",
	},
	{
		.name = "gc",
		.type = OPTION_BOOL,
		.offset = offsetof(struct rule_action, gc),
		.def = "false",
		.help = "Instead of `capture`: have the target collect its garbage once when the "
			"alert begins to fire, before the captures that stand below it and after "
			"those above. It is judged by the guards but for `headroom`, and by "
			"`capture.gc_interval`.",
	},
	{
		.name = "series",
		.type = OPTION_TABLE,
		.offset = offsetof(struct rule_action, series),
		.table = series_options,
		.help = "Take several snapshots, so that what grows can be told from what is "
			"large. Each is judged by the guards that protect the target. With "
			"`analysis.enabled` the last one is compared with the earlier ones, and "
			"what "
			"accumulates is told as the annotations `verdict`, `verdict_path` and "
			"`verdict_more` of the alert "
			"(docs/ANALYSIS.md).",
	},
	{
		.name = "sampling",
		.type = OPTION_INCLUDE,
		.offset = offsetof(struct rule_action, sampling),
		.table = sampling_options,
	},
	{
		.name = "timeline",
		.type = OPTION_INCLUDE,
		.offset = offsetof(struct rule_action, timeline),
		.table = timeline_options,
	},
	{
		.name = "recipe",
		.type = OPTION_INCLUDE,
		.offset = offsetof(struct rule_action, recipe),
		.table = recipe_choice_options,
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
		.name = "extends",
		.type = OPTION_TEXT,
		.offset = offsetof(struct rule_text, extends),
		.help = "The name of a preset or of another rule, of this file or of one that is "
			"loaded with it: what is not said here is as there. Of `labels`, "
			"`annotations` and `guards` that holds for each member, `when` and "
			"`actions` are taken whole.",
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
		.help = "Texts for people; may be templates: `{{ $labels.target }}`, "
			"`{{ $value | humanize1024 }}`. Of the captures that the alert has asked "
			"for, `$labels.capture` is the id of the last one that succeeded, and "
			"`$labels.capture_path` its file; they are empty before, and diagnostics "
			"give way to any other.",
	},
	{
		.name = "guards",
		.type = OPTION_TABLE,
		.offset = offsetof(struct rule_text, guards),
		.table = guard_options,
		.help = "What keeps the actions of this rule within bounds. What protects the "
			"target is as in `capture.guards` when absent.",
	},
	{
		.name = "dry_run",
		.type = OPTION_BOOL,
		.offset = offsetof(struct rule_text, dry_run),
		.def = "false",
		.help = "Judge all guards and tell in the log, the metrics and the API what would "
			"have been captured, but capture nothing.",
	},
	{
		.name = "actions",
		.type = OPTION_LIST,
		.offset = offsetof(struct rule_text, actions),
		.table = rule_action_options,
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
		.name = "limit",
		.type = OPTION_UINT,
		.offset = offsetof(struct group_text, limit),
		.def = "0",
		.max = 1000000,
		.help = "At most so many alerts of each rule at once, pending ones with them. A "
			"rule that would have more has failed and has none, nor does it capture "
			"anything: better no alert than one for each of a thousand targets. 0 is "
			"no limit.",
	},
	{
		.name = "labels",
		.type = OPTION_LABELS,
		.offset = offsetof(struct group_text, labels),
		.help = "Labels of all rules of the group that have none of that name, as in "
			"`rules`.",
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
	{
		.name = "presets",
		.type = OPTION_LIST,
		.flags = OPTION_ELSEWHERE,
		.offset = offsetof(struct file_text, presets),
		.table = rule_options,
		.item_size = sizeof(struct rule_text),
		.help = "Rules, written as those of groups are, that do nothing by themselves: "
			"for others to extend. `conf/rules.d/presets.yaml` has some.",
	},
	{ 0 },
};

const char *rule_action_name(const struct rule_action *action)
{
	return action->kind == CAPTURE_KIND_GC ? "gc" : action_kinds[action->kind];
}
