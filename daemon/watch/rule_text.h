#pragma once

/*
 * A rule file as it is written: what the option tables fill, before rules are checked as a whole. A
 * part of loading rules; nobody else needs it.
 */

#include <stdbool.h>
#include <stdint.h>
#include "watch/rule.h"

struct when_text {
	char *metric, *relative_to, *above, *below;
	uint64_t for_ns, keep_firing_for_ns;
	struct leak_when leak;
};

struct guards_text {
	struct rule_guards guards;
	char *rearm_below, *rearm_above; /* in the unit of the threshold, hence texts */
};

struct rule_text {
	char *alert, *match;
	struct when_text when;
	struct labels labels, annotations;
	struct guards_text guards;
	bool dry_run;
	struct item_list actions;
};

struct group_text {
	char *name;
	uint64_t interval_ns;
	bool has_interval;
	struct item_list rules;
};

struct file_text {
	struct item_list groups;
};

extern const struct option_desc rule_action_options[];

/* A rule or group being converted: where complaints point, and whether there were any. */
enum { PLACE_PATH_MAX = 192 };

struct place {
	const struct doc *doc;
	struct problems *problems;
	char path[PLACE_PATH_MAX];
	bool wrong;
};

/* A complaint about the member of the place: at its line, under its path. */
void place_complain(struct place *place, const char *member, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Check a rule and move what it holds into *ret (zeroed), which is to be finished in any case. 0,
 * also with complaints; -ENOMEM.
 */
int rule_convert(struct place *place, struct rule_text *text, struct rule *ret);
