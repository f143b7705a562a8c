#pragma once

/*
 * Channels
 *
 * One connection of a session: most runtimes have one, those that list their pages or workers have
 * one for each. A channel connects, greets and polls; the session joins what they say. Where a
 * channel leads outlives its connection, so that a capture can go the same way.
 */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/session.h"
#include "util/list.h"

struct packet_link;
struct tree;
struct ws;

enum channel_state {
	CHANNEL_CLOSED,
	CHANNEL_CONNECTING, /* TCP, and the WebSocket upgrade where there is one */
	CHANNEL_GREETING, /* the dialect's first words */
	CHANNEL_IDLE, /* waits for the next poll */
	CHANNEL_POLLING,
	CHANNEL_COLLECTING, /* owes the answer to a forced collection */
};

struct channel {
	struct link link; /* of session->channels */
	struct session *session;
	enum channel_state state;
	char isolate[64]; /* what it leads to: all isolates of that name and below; "" for all */
	char path[256]; /* of the WebSocket */
	struct ws *ws; /* or, for a dialect of packets: */
	struct packet_link *packets;
	struct parting *parting; /* owned: for when ws is left; NULL: it may be left at any time */
	int32_t next_id;
	uint64_t since_ns; /* monotonic, of this state */
	bool offered; /* by the list that came last */
	uint64_t rest_until_ns; /* monotonic: we or another client let it rest; not before */
	uint64_t left_ns; /* monotonic: we left a connection that said nothing; 0: never */
	unsigned yields; /* how often another client has taken it, and again soon after */
	uint64_t had_ns; /* monotonic: since when nobody has, and we could; 0: not since the last */
	struct loop_timer quiet; /* armed while it may not be spoken on yet */
	bool settled; /* on this connection, see session_settle() */
	char ended[96]; /* why the connection ended, until a poll is answered; "": it did not */
	unsigned owed; /* answers that are still to come, where the dialect counts them */
	bool overdue; /* owes the answer to an earlier poll: nobody waits for it */
	int32_t collect_id; /* of the forced collection; 0: nobody waits for its answer */
	void *dialect_state; /* owned, dialect->state_size bytes, zeroed at each connect */
};

/* ---- for dialects ---- */

/* Send {"id":N,"method":METHOD,"params":PARAMS}; params is JSON text or NULL. *ret_id may be NULL.
 */
int channel_ask(struct channel *channel, const char *method, const char *params, int32_t *ret_id);

/* The same with "sessionId", which is free of what JSON would quote; NULL is none. */
int channel_ask_session(struct channel *channel, const char *session_id, const char *method,
			const char *params, int32_t *ret_id);

/* Send one packet of text as it is; of a dialect of packets. */
int channel_send_packet(struct channel *channel, const char *text, size_t size);

/* Greeted. */
void channel_ready(struct channel *channel);

/*
 * The poll is complete; rss_bytes of the process behind it, 0 when the runtime did not say. The
 * owner may close the session in this call: the dialect's state may be gone when it returns.
 */
void channel_polled(struct channel *channel, enum session_activity activity, uint64_t rss_bytes);

/* The forced collection is over; why it failed, or NULL. */
void channel_collected(struct channel *channel, const char *failure);

/* Is it the answer to the request that was sent as collect_id? The collection is over then. */
bool channel_answers_collection(struct channel *channel, int64_t id, const struct tree *answer);

/* It ends: the session with it, unless the runtime has many. Its state is gone afterwards. */
void channel_fail(struct channel *channel, enum session_end end, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for what could not be sent, unless the connection has ended: then it says why. */
void channel_cannot_send(struct channel *channel, int r);

/* ---- for sessions ---- */

/* NULL without memory. */
struct channel *channel_new(struct session *session, const char *isolate, const char *path);

/* Closes it, once it owes no answers where that matters. NULL is fine. */
void channel_close(struct channel *channel);
void channel_free(struct channel *channel);

/* 0 or -errno. */
int channel_open(struct channel *channel);

/* Only when idle. 0 or -errno. */
int channel_poll(struct channel *channel);

/* As dialect->collect; only when idle. */
int channel_collect(struct channel *channel, const char *isolate);

/* The answer is waited for no longer. */
void channel_give_up_collecting(struct channel *channel);

/* Is the isolate one of those it leads to? */
bool channel_leads_to(const struct channel *channel, const char *isolate);

/* Is it spoken to? */
bool channel_is_greeted(const struct channel *channel);
