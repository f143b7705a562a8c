/*
 * The options of conditions, as tables: their reader, their defaults and their documentation. A
 * group holds conditions, so the table names itself.
 */

#include "watch/condition.h"

#include <stddef.h>

#include "util/clock.h"

#define TEXT(member) offsetof(struct condition_text, member)

static const struct option_desc new_max_options[] = {
	{ .name = "by",
	  .type = OPTION_TEXT,
	  .offset = offsetof(struct new_max_text, by),
	  .help = "Only when it is so much above the maximum before: a share of it (`5%`), or "
		  "written as `above` is." },
	{ .name = "reset_after",
	  .type = OPTION_TIME,
	  .offset = offsetof(struct new_max_text, reset_after_ns),
	  .max = 30 * 24 * 3600 * NS_PER_S,
	  .def = "1h",
	  .help = "A maximum that has stood for so long is forgotten: the value of then is the new "
		  "one, without the condition holding. 0: never." },
	{ 0 },
};

const struct option_desc condition_options[] = {
	{ .name = "metric",
	  .type = OPTION_TEXT,
	  .offset = TEXT(metric),
	  .help = "The value to look at, named as its metric without `heapwatch_` and the unit: "
		  "`heap_used`, `cgroup_memory_usage`. With it goes one of `above`, `below`, "
		  "`steps`, `growth` and `new_max`." },
	{ .name = "relative_to",
	  .type = OPTION_TEXT,
	  .offset = TEXT(relative_to),
	  .help = "Look at the share of this value instead, for example `heap_limit`. While the "
		  "target has none the condition does not hold. Of a runtime that tells no "
		  "`heap_limit` (docs/RUNTIMES.md) that is always: the journal says so once for "
		  "each rule and target, and `/api/v1/rules` as `cannotHold`." },
	{ .name = "above",
	  .type = OPTION_TEXT,
	  .offset = TEXT(above),
	  .help = "The condition holds above this: a share with `relative_to` (`80%`), else a "
		  "size, a time or a number." },
	{ .name = "below",
	  .type = OPTION_TEXT,
	  .offset = TEXT(below),
	  .help = "The condition holds below this." },
	{ .name = "steps",
	  .type = OPTION_TEXT_LIST,
	  .offset = TEXT(steps),
	  .max = CONDITION_STEPS_MAX,
	  .help = "Several levels in rising order, as `[60%, 75%, 90%]`: each makes an alert of "
		  "its own, with the label `step`, that fires and captures by itself. Of several "
		  "that are reached at once only the highest captures." },
	{ .name = "growth",
	  .type = OPTION_TEXT,
	  .offset = TEXT(growth),
	  .help = "The condition holds while the value is so much above the mean of its recent "
		  "past: a share of the mean (`20%`), or written as `above` is." },
	{ .name = "mean_over",
	  .type = OPTION_TIME,
	  .offset = TEXT(mean_over_ns),
	  .min = 10 * NS_PER_S,
	  .max = 7 * 24 * 3600 * NS_PER_S,
	  .def = "10m",
	  .help = "The recent past of `growth`. It is judged once half of it has passed since the "
		  "program was first seen." },
	{ .name = "new_max",
	  .type = OPTION_TABLE,
	  .offset = TEXT(new_max),
	  .table = new_max_options,
	  .help = "The condition holds when the value is higher than it ever was since the "
		  "program was first seen, or the maximum was reset; `{}` is as good as it gets. "
		  "It holds for one evaluation." },
	{ .name = "eta_below",
	  .type = OPTION_TIME,
	  .offset = TEXT(eta_below_ns),
	  .max = 100 * 24 * 3600 * NS_PER_S,
	  .help = "The condition holds while the limit of the heap or of the control group will "
		  "be reached within this time, whether by a leak or not. The value is that time "
		  "in seconds." },
	{ .name = "leak",
	  .type = OPTION_TABLE,
	  .offset = TEXT(leak),
	  .table = leak_when_options,
	  .help = "The condition holds while memory of the isolate grows without end; `{}` is as "
		  "good as it gets. The value of the alert is the slope in bytes per second; "
		  "`cause`, `slope` and `confidence` of what grows, and `eta`, are annotations, "
		  "and labels to templates." },
	{ .name = "on",
	  .type = OPTION_TEXT_LIST,
	  .offset = TEXT(on),
	  .help = "The condition holds for one evaluation when one of these has happened: "
		  "`target_up` (it answers and did not before), `target_down` (nothing answers "
		  "there any more), `restart` (it is another process). What was before the rule's "
		  "first evaluation is not counted, nor the first connection to a target known by "
		  "then." },
	{ .name = "every",
	  .type = OPTION_TIME,
	  .offset = TEXT(every_ns),
	  .min = 60 * NS_PER_S,
	  .max = 30 * 24 * 3600 * NS_PER_S,
	  .help = "The condition holds for one evaluation in each such time, for each target at "
		  "its own moment, which stays the same over restarts of heapwatchd." },
	{ .name = "on_calendar",
	  .type = OPTION_TEXT,
	  .offset = TEXT(on_calendar),
	  .help = "The condition holds for one evaluation when a time of the calendar has come, "
		  "after `OnCalendar=` of systemd.time(7): `Mon..Fri 08:00`, `*-*-01 04:00 UTC`, "
		  "`daily`. Local time unless `UTC` stands behind it; other time zones, `~` and "
		  "fractions of seconds are not understood. What came while heapwatchd did not run "
		  "is left out." },
	{ .name = "all_of",
	  .type = OPTION_LIST,
	  .flags = OPTION_ELSEWHERE,
	  .offset = TEXT(all_of),
	  .table = condition_options,
	  .item_size = sizeof(struct condition_text),
	  .help = "A list of conditions, each written as `when` is but without `for` and "
		  "`keep_firing_for`: holds while all of them do. At most 16 conditions in all, in "
		  "groups that lie 4 deep." },
	{ .name = "any_of",
	  .type = OPTION_LIST,
	  .flags = OPTION_ELSEWHERE,
	  .offset = TEXT(any_of),
	  .table = condition_options,
	  .item_size = sizeof(struct condition_text),
	  .help = "The same: holds while at least one of them does. The value is that of the first "
		  "that holds." },
	{ 0 },
};
