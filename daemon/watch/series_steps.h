#pragma once

/*
 * What is wanted of a series of snapshots, as a rule's action and a person's request say it: how
 * many, and when the next one is due. By time it is due when `spacing` has passed since the last
 * one began; by growth when what the heap holds has grown by so much since then as well, and no
 * sooner. With exact ids an object has the same id in all of them, for which V8 has to track
 * objects from the first to the last.
 */

#include <stdbool.h>
#include <stdint.h>
#include "conf/option.h"

struct err;

enum series_late { SERIES_LATE_TAKE, SERIES_LATE_GIVE_UP };
enum series_ids { SERIES_IDS_ANY, SERIES_IDS_EXACT };

/* Plain values: may be copied. */
struct series_settings {
	uint64_t count; /* 0 and 1: no series */
	uint64_t spacing_ns; /* from one beginning to the next, by growth the least */
	double growth; /* a share of what the heap held after the last one; 0: by time */
	uint64_t deadline_ns; /* by growth: so long after the last one began, grown or not */
	int at_deadline; /* enum series_late */
	bool has_deadline, has_at_deadline; /* given */
	int ids; /* enum series_ids */
	bool gc_before;
};

extern const struct option_desc series_options[];

/*
 * Do the values go together? NULL; else the name of the option that does not, and why in err (a
 * constant, never NULL then).
 */
const char *series_settings_check(const struct series_settings *series, struct err *err);
