#pragma once

/*
 * WebSocket client connections of the control thread: many, mostly idle, small text messages. ws.c
 * is the only file that includes libwebsockets; wss:// is net/wss.h.
 *
 * What the wire carries is bounded by facts about the peers: never a PING (Node drops the
 * connection), no Origin, no extensions, no redirects, no proxy, each message one masked text
 * frame, numeric addresses only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address;
struct loop;
struct uvloop;
struct ws;
struct ws_context;

struct ws_events {
	void (*open)(void *owner); /* the upgrade is done */

	/* A whole text message. data is NULL when it was over the cap and thrown away. */
	void (*message)(void *owner, const char *data, size_t size);

	/*
	 * The end, exactly once unless ws_close() was called first: -ECONNREFUSED, -ETIMEDOUT,
	 * -EPROTO (the peer is no WebSocket server or refused the upgrade), -EACCES (TLS: one of
	 * the two does not trust the other), -EINVAL (a file that is needed for it is no good),
	 * -ECONNRESET, -EBUSY (the peer closed with "try again later", or in a way that lws
	 * does not tell from that), 0 when it closed in good order otherwise. reason is for people,
	 * never NULL. The ws is gone afterwards.
	 */
	void (*closed)(void *owner, int r, const char *reason);
};

struct ws_limits {
	uint64_t connect_ns; /* TCP connect and upgrade, together */
	size_t message_max; /* bytes of a message; more is drained, not built */
	size_t send_queue_max; /* bytes waiting to be written; more is -ENOBUFS */
};

int ws_context_new(struct ws_context **ret, struct loop *loop, struct uvloop *uvloop);

/* All connections must have been closed; waits for the library to let go of them. NULL is fine. */
void ws_context_free(struct ws_context *context);

/* path is the resource, "/uuid". Never calls back before it returns. 0 or -errno. */
int ws_open(struct ws **ret, struct ws_context *context, const struct address *to, const char *path,
	    const struct ws_limits *limits, const struct ws_events *events, void *owner);

/* Queue one text message (copied). 0, -ENOBUFS, -ENOMEM, -ENOTCONN. */
int ws_send(struct ws *ws, const char *text, size_t size);

/* From now on its events go to another owner. */
void ws_hand_over(struct ws *ws, const struct ws_events *events, void *owner);

/* No event after this. The connection is closed at once; NULL is fine. */
void ws_close(struct ws *ws);

/* Wire bytes since open, without TCP/IP. */
uint64_t ws_bytes_in(const struct ws *ws);
uint64_t ws_bytes_out(const struct ws *ws);
