#pragma once

/* Which captures a command is about: patterns, times and counts of the command line. */

#include "ctl/source.h"

/*
 * Sorted by time, oldest first (--reverse: newest first); the newest options->count of those that
 * fit every kind of pattern given (patterns of one key add up).
 */
int choose_matching(struct source *source, const struct ctl_options *options,
		    struct item_array *ret, struct err *err);

/* The one capture that is called so. CTL_FAILURE when there is none or several, with their ids. */
int choose_called(const struct item_array *all, const char *name, const struct item **ret,
		  struct err *err);

/* Each by its name, in the order of the command line. */
int choose_each(struct source *source, const struct ctl_options *options, struct item_array *ret,
		struct err *err);
