#pragma once

/*
 * Dialects
 *
 * A dialect knows how one family of runtimes speaks: how it is found, greeted, polled, captured. It
 * holds no descriptor and no timer and never blocks; it turns messages into session_*() calls and
 * back. To add a runtime, add one file and one line in dialect_all[].
 *
 * The polling half lives on the control thread and sees whole small messages. The capture half
 * lives on a capture thread and sees a stream of JSON events, because one message may be gigabytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct download;
struct err;
struct json_event;
struct session;
struct tree;

struct dialect {
	const char *name; /* "cdp"; the word in the configuration */
	size_t state_size; /* of the polling half, in the session */

	/*
	 * Is this inspector ours, by its /json/version and /json/list? Then fill session->path and
	 * ->identity: 0. -ENOENT: ours, but nothing to attach to, the reason is in err. -EPROTO:
	 * not ours.
	 */
	int (*found)(struct session *session, const struct tree *version, const struct tree *list,
		     struct err *err);
	int (*hello)(struct session *session); /* connected; ends with session_ready() */
	int (*poll)(struct session *session); /* ends with session_polled() */
	/* One message. Not 0 ends the session as a protocol error. */
	int (*message)(struct session *session, const struct tree *message);
	bool (*enough)(struct session *session); /* overdue: end the poll with what has come? */
	/* Switch off what a capture may have left on in any isolate; may be NULL. */
	int (*settle)(struct session *session);
	void (*bye)(struct session *session); /* last words before we close; may be NULL */
	void (*forget)(struct session *session); /* free what the state holds; may be NULL */

	/* Capture half; see inspect/download.h. snapshot_begin sends the first request. */
	size_t download_size;
	int (*snapshot_begin)(struct download *download);
	int (*snapshot_event)(struct download *download, const struct json_event *event);
	int (*snapshot_message_end)(struct download *download);
	/* A request is overdue: look whether the target is at work on it; 0 is to wait on. */
	int (*snapshot_overdue)(struct download *download);
	int (*snapshot_finish)(struct download *download); /* last words; also after a failure */
};

extern const struct dialect dialect_cdp;

/* NULL-terminated. */
extern const struct dialect *const dialect_all[];
const struct dialect *dialect_find(const char *name);
