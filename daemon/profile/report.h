#pragma once

/*
 * Reports of profiles, as JSON: small enough for a page, whatever the profile's size.
 *
 *   {"file", "what", "counted", "interval_bytes", "duration_seconds", "bytes", "count",
 *    "functions": [{"function", "url", "line", "column", "self_bytes", "self_count",
 *                   "total_bytes"}],
 *    "functions_in_all",
 *    "calls": [[parent, function, self_bytes]]}
 *
 * functions are those that allocated most, and whatever else stands in calls, most of its own
 * first. calls is the tree as far as a flame graph shows it, parents first: parent and function
 * are indexes, null for the root's parent, and for what stands for all calls too small to be
 * seen.
 */

#include <stddef.h>
#include <stdint.h>

struct json_writer;
struct profile;
struct profile_row;
struct tree;

/* Calls that are looked through for the graph; each may have one more for its small ones. */
enum { PROFILE_REPORT_CALLS = 1000 };

/* "what" to "count". */
void profile_report_facts(const struct profile *profile, struct json_writer *w);

/* One of "functions". Of texts so many bytes; 0: all. */
void profile_report_row(const struct profile *profile, const struct profile_row *row,
			size_t text_max, struct json_writer *w);

/*
 * All members but "file", into an object; top functions at least, at most `calls` calls. 0,
 * -ENOMEM; the buffer has its own error.
 */
int profile_report_write(const struct profile *profile, size_t top, size_t calls,
			 struct json_writer *w);

/*
 * A profile that gives the same flame graph, from a report that may be anything. 0; -EBADMSG: it
 * is no report of a profile; -ENOMEM. fini in any case.
 */
int profile_report_read(struct profile *ret, const struct tree *report);
