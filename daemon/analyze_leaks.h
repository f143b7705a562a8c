#pragma once

/* The worker's comparison of a snapshot with earlier ones of its series. */

#include <stdint.h>
#include "heap/analysis.h"
#include "heap/leaks.h"

struct json_writer;

struct leaks_input {
	struct v8_text *earlier; /* borrowed, the oldest first; given back one by one */
	const char *const *earlier_names; /* borrowed, one for each; NULL: not known */
	unsigned earlier_n; /* 0: nothing is compared; at most HEAP_PASTS_MAX */
	struct v8_text *scripts; /* borrowed: the list of scripts; empty: there is none */
	bool same_process; /* all are known to be of one */
	bool tracked; /* by one connection to JSC: what came is told too, of so many classes */
	size_t top;
	const char *refused; /* why nothing is compared, though it should be; or NULL */
	uint64_t memory_bytes; /* that may be taken besides the snapshot and its analysis */
};

/*
 * A member `leaks` of the report, if there is anything to say, and `arrived` of a tracking whose
 * ids have lasted. What hinders the comparison is in it
 * as text: the report is one in any case. 0, -ENOMEM.
 */
int leaks_write(struct json_writer *w, struct heap_analysis *last, const struct leaks_input *input);
