#pragma once

/* heapwatch-analyze's half for profiles: those of V8's and of pprof's to one report. */

#include <stddef.h>

struct buf;
struct err;
struct profile;

/* Add the profile of a text to `to` (zeroed at first). 0; -EBADMSG, -ENODATA, -EFBIG, -ENOMEM with
 * the reason in err. */
int analyze_profile_add(struct profile *to, const char *text, size_t size, struct err *err);

/*
 * The report (profile/report.h) of at most the buffer's limit, with `name` as its "file" and the
 * number of profiles that were added as "profiles": one with fewer calls and functions when it
 * would be longer. As above.
 */
int analyze_profile_report(const struct profile *profile, size_t profiles, const char *name,
			   size_t top, struct buf *buf, struct err *err);
