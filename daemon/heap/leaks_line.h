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

/*
 * Of a leak, what the line has no room for; nothing of others, and where there is none. 0, -ENOMEM.
 * - path: the names along a shortest way to the holder of the first: "globalThis > app > cache". A
 *   long way begins with "...".
 * - more: the second and the third as the line has the first, with "; " between them.
 * - place: where in the program the first is held, "server.js:12".
 */
int leaks_put_path(struct buf *buf, const struct leaks_answer *answer);
int leaks_put_more(struct buf *buf, const struct leaks_answer *answer);
int leaks_put_place(struct buf *buf, const struct leaks_answer *answer);
