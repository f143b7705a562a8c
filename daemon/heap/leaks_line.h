#pragma once

/*
 * A verdict on what was compared, in one line that a person understands:
 *
 *   +12,034 Session (3.2 MiB) held by Map "cache" in server.js:12
 */

#include "heap/leaks_answer.h"

struct buf;

enum leaks_verdict {
	LEAKS_VERDICT_NONE, /* objects could not be compared */
	LEAKS_VERDICT_NOTHING, /* nothing accumulates */
	LEAKS_VERDICT_LEAK,
};

enum leaks_verdict leaks_verdict(const struct leaks_answer *answer);
const char *leaks_verdict_name(enum leaks_verdict verdict); /* "leak", "nothing", "none" */

/* A line without its end, also of "nothing" and "none". Names are cut. 0, -ENOMEM. */
int leaks_put_line(struct buf *buf, const struct leaks_answer *answer);
