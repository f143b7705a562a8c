#pragma once

/*
 * Dialects
 *
 * A dialect knows how one family of runtimes speaks: how it is found, greeted, polled, captured. It
 * holds no descriptor and no timer and never blocks; it turns messages into session_*() and
 * channel_*() calls and back. Which runtime speaks which is in inspect/runtime.c.
 *
 * The polling half lives on the control thread and sees whole small messages. The capture half
 * lives on a capture thread and sees a stream of JSON events, because one message may be gigabytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel;
struct download;
struct err;
struct json_event;
struct session;
struct tree;

struct dialect {
	const char *name; /* "cdp"; the `protocol` label */
	bool packets; /* over net/packet.h on the bare socket, not over WebSocket */
	size_t state_size; /* of the polling half, in each channel */

	/*
	 * What can be connected to, by the runtime's list: text as it came, zero-terminated, NULL
	 * for a runtime without one. Call session_offer() for each and fill session->identity: 0.
	 * -ENOENT: nothing to connect to, the reason is in err. -EPROTO: not ours.
	 */
	int (*found)(struct session *session, const char *list, size_t size, struct err *err);
	/*
	 * Does the list (zero-terminated) still name the path? Asked right before a capture
	 * connects, of inspectors that must not be asked for what is gone; may be NULL.
	 */
	bool (*listed)(const void *words, const char *list, size_t size, const char *path);
	int (*hello)(struct channel *channel); /* connected; ends with channel_ready() */
	int (*poll)(struct channel *channel); /* ends with channel_polled() */
	/* One message. Not 0 ends the channel as a protocol error. */
	int (*message)(struct channel *channel, const struct tree *message);
	/*
	 * Is the message the answer to something that was asked? Of a runtime that parts
	 * (inspect/parting.h); channel->owed counts them.
	 */
	bool (*answers)(const struct tree *message);
	/* Of such a runtime: ask for an end to what is told unasked; may be NULL. */
	void (*bye)(struct channel *channel);
	/* Overdue: end the poll with what has come? May be NULL: no. */
	bool (*enough)(struct channel *channel);
	/* Overdue, where HTTP cannot tell: has the runtime itself spoken in this poll? */
	bool (*alive)(struct channel *channel);
	/*
	 * A greeting is overdue: ask, once, what tells whether it speaks this at all. May be NULL.
	 */
	void (*probe)(struct channel *channel);
	/*
	 * Overdue, and HTTP has answered again and again: has the inspector itself, not the
	 * program, never answered on this connection? It has lost it then. May be NULL: no.
	 */
	bool (*lost)(const struct channel *channel);
	/*
	 * Overdue: does what HTTP has answered (zero-terminated) name what can be connected to, and
	 * not this path? What the connection led to is gone then, whoever keeps it. May be NULL:
	 * no.
	 */
	bool (*unlisted)(const char *list, size_t size, const char *path);
	/* Switch off what a capture may have left on in any isolate; may be NULL. */
	int (*settle)(struct channel *channel);
	/*
	 * Have it collect all garbage of an isolate; ends with channel_collected(). 0; -ENOENT: no
	 * such isolate; -ENOTSUP; -errno. May be NULL: no.
	 */
	int (*collect)(struct channel *channel, const char *isolate);
	/* Does it tell nothing of collections now, but will in a moment? May be NULL: no. */
	bool (*tells_soon)(const struct channel *channel);
	/* Have the runtime close its inspector, a moment after we have left; may be NULL: no. */
	int (*shut)(struct channel *channel);
	void (*forget)(struct channel *channel); /* free what the state holds; may be NULL */

	/*
	 * Capture half, for each task of inspect/download.h that the runtime can be asked for.
	 * snapshot_begin sends the first request.
	 */
	size_t download_size;
	int (*snapshot_begin)(struct download *download);
	int (*snapshot_event)(struct download *download, const struct json_event *event);
	int (*snapshot_message_end)(struct download *download);
	/* Instead of these two, with packets: a whole small text, the head of a bulk packet, its
	 * pieces. */
	int (*snapshot_packet)(struct download *download, const struct tree *packet);
	int (*snapshot_bulk)(struct download *download, const char *actor, uint64_t size);
	int (*snapshot_data)(struct download *download, const char *data, size_t size, bool last);
	/* A request is overdue: look whether the target is at work on it; 0 is to wait on. */
	int (*snapshot_overdue)(struct download *download);
	/* The time that download_sleep() was called for has passed; NULL: it never is. */
	int (*snapshot_woken)(struct download *download);
	/* Ask for the profile as it is so far, while it sleeps; NULL: it cannot. */
	int (*snapshot_peek)(struct download *download);
	int (*snapshot_finish)(struct download *download); /* last words; also after a failure */
};

extern const struct dialect dialect_cdp, dialect_cdp_browser, dialect_bun, dialect_webkit,
	dialect_rdp;
