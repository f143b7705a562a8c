#pragma once

/* Memory that may be taken for what is read or looked for beside a graph. */

#include <stdint.h>

struct err;

struct heap_allowance {
	const char *what; /* borrowed: for words */
	uint64_t max; /* bytes; 0: no limit */
	uint64_t taken; /* bytes */
};

/* Whether so many bytes more may be taken. 0; -EFBIG, with err set. */
int heap_allowance_check(const struct heap_allowance *allowance, uint64_t bytes, struct err *err);
