#pragma once

/*
 * What is wanted of a timeline of allocations, as a rule's action and a person's request say it.
 * Its `duration` is that of watch/sampling.h, with a default and a limit of its own: the program is
 * several times slower all the while. So is that of a tracking, for which it keeps the first of two
 * snapshots.
 */

#include <stdbool.h>
#include <stdint.h>
#include "conf/option.h"
#include "util/clock.h"

struct err;
struct sampling_settings;

/* For how long an engine may be made to track objects, for any of these or the ids of a series. */
#define TRACKING_MAX_NS (300 * NS_PER_S)

struct timeline_settings {
	bool stacks;
	bool given;
};

/* `stacks`, to be included in an action. */
extern const struct option_desc timeline_options[];

uint64_t timeline_duration_ns(const struct sampling_settings *sampling);

/* kind: CAPTURE_KIND_TIMELINE or _TRACKING. 0; -EINVAL with the reason in err. */
int timeline_check_duration(int kind, const struct sampling_settings *sampling, struct err *err);
