#pragma once

/* What is wanted of a sampling profile, as a rule's action and a person's request say it. */

#include <stdbool.h>
#include <stdint.h>
#include "conf/option.h"

/* Files a profile is written as; a set of bits. */
enum sampling_format { SAMPLING_HEAPPROFILE = 1, SAMPLING_PPROF = 2 };

struct err;

enum sampling_objects { SAMPLING_LIVE, SAMPLING_ALL };

struct sampling_settings {
	uint64_t duration_ns;
	uint64_t interval_bytes;
	uint64_t stack_depth;
	int objects; /* enum sampling_objects */
	struct text_list format;
	bool given; /* any of them but the duration */
	bool timed; /* the duration, which timelines have too */
};

/* `duration interval stack_depth objects format`, to be included in an action. */
extern const struct option_desc sampling_options[];

/* Add a word to the formats. 0; -EINVAL with the reason in err; -ENOMEM. */
int sampling_add_format(struct sampling_settings *settings, const char *word, struct err *err);

/* How long one lasts of which nothing is said. */
#define SAMPLING_DURATION_NS (60 * UINT64_C(1000000000))

/* The bits; 0 never: without a word it is the first. */
unsigned sampling_formats(const struct sampling_settings *settings);
