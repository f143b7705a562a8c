#pragma once

/*
 * A rule file as it is written: what the option tables fill, before rules are checked as a whole. A
 * part of loading rules; nobody else needs it.
 */

#include <stdbool.h>
#include <stdint.h>
#include "watch/place.h"
#include "watch/rule.h"

struct when_text {
	struct condition_text condition;
	uint64_t for_ns, keep_firing_for_ns;
};

struct guards_text {
	struct rule_guards guards;
	char *rearm_below, *rearm_above; /* in the unit of the threshold, hence texts */
};

struct rule_text {
	char *alert, *extends, *match; /* extends is done with before the tables read it */
	struct when_text when;
	struct labels labels, annotations;
	struct guards_text guards;
	bool dry_run;
	struct item_list actions;
};

struct group_text {
	char *name;
	uint64_t interval_ns, limit;
	bool has_interval;
	struct labels labels;
	struct item_list rules;
};

struct file_text {
	struct item_list groups, presets;
};

extern const struct option_desc rule_action_options[];

/*
 * Check a rule and move what it holds into *ret (zeroed), which is to be finished in any case. 0,
 * also with complaints; -ENOMEM.
 */
int rule_convert(struct place *place, struct rule_text *text, struct rule *ret);

/* Complains of names that are not for rules to set, and of templates. */
void rule_check_labels(struct place *place, const struct labels *labels, bool with_step);
