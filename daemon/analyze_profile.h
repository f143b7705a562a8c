#pragma once

/* heapwatch-analyze's half for profiles: the text of a .heapprofile to its report. */

#include <stddef.h>

struct buf;
struct err;

/*
 * The report (profile/report.h) of at most the buffer's limit, with `name` as its "file": one with
 * fewer calls and functions when it would be longer. 0; -EBADMSG, -EFBIG, -ENOMEM with the
 * reason in err.
 */
int analyze_profile(const char *text, size_t size, const char *name, size_t top, struct buf *buf,
		    struct err *err);
