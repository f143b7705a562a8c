#pragma once

/*
 * Sessions
 *
 * The conversation with one inspector on the control thread: find it over HTTP, connect, greet,
 * poll. It has a channel (inspect/channel.h) for each connection the runtime wants, and joins what
 * they say. The target owns it. Every change of state goes through one function, which arms the
 * deadline of the state it enters; a state without a deadline does not exist. Results go up by the
 * events below.
 *
 * A session dies once: after `closed` it is in SESSION_CLOSED and may be opened again.
 */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/gc.h"
#include "inspect/sample.h"
#include "loop/loop.h"
#include "net/address.h"
#include "util/list.h"

struct channel;
struct http_client;
struct http_fetch;
struct partings;
struct runtime;
struct tree;
struct ws_context;

enum session_state {
	SESSION_CLOSED,
	SESSION_FINDING, /* what runtime it is, and where it can be connected to */
	SESSION_CONNECTING, /* no channel is up yet */
	SESSION_GREETING, /* the dialect's first words on each channel */
	SESSION_IDLE, /* waits for session_poll() */
	SESSION_POLLING,
	SESSION_COLLECTING, /* for session_collect() */
	SESSION_STATES,
};

/* Why a session ended. The text beside it is for people. */
enum session_end {
	SESSION_END_CLOSED, /* we closed it, or the peer did in good order */
	SESSION_END_REFUSED, /* nothing listens there */
	SESSION_END_UNREACHABLE, /* no route, TCP time-out */
	SESSION_END_NOT_INSPECTOR, /* something answers that is no inspector */
	SESSION_END_SILENT, /* connected, but no answer to HTTP or the upgrade: stopped or swamped
			     */
	SESSION_END_BLOCKED, /* the inspector's thread answers, the program's does not */
	SESSION_END_EXITING, /* the program waits for us to leave so that it can exit */
	SESSION_END_LOST, /* the connection broke */
	SESSION_END_PROTOCOL, /* answers that make no sense, or over the limits */
	SESSION_END_TAKEN, /* another client has it, and no second one is borne */
	SESSION_ENDS,
};

/* Liveness of the program's own thread as the last poll saw it. */
enum session_activity {
	ACTIVITY_UNKNOWN,
	ACTIVITY_RUNNING,
	ACTIVITY_PAUSED, /* no turn of the event loop and no CPU since the last poll */
};

struct session_events {
	/* Greeted; IDLE follows at once. */
	void (*identified)(void *owner, const struct identity *identity);
	/* isolate: "main", "worker:3"; valid during the call. */
	void (*sample)(void *owner, const char *isolate, const struct sample *sample);
	/* The address of the page that the isolate shows, as of now; may be NULL: not of interest.
	 */
	void (*isolate_shows)(void *owner, const char *isolate, const char *page);
	void (*isolate_gone)(void *owner, const char *isolate);
	/* The connection to it alone is lost; it may be there still. May be NULL: as gone. */
	void (*isolate_lost)(void *owner, const char *isolate);
	/* The poll is complete; rss_bytes is 0 when the runtime did not say. */
	void (*polled)(void *owner, enum session_activity activity, uint64_t rss_bytes);
	/*
	 * What session_collect() came to: 0 and the time from the request to the answer, in which
	 * the program may have run before it began; or -errno and why. SESSION_IDLE again.
	 */
	void (*collected)(void *owner, int result, uint64_t duration_ns, const char *reason);
	/* Only with limits.gc_events. */
	void (*gc)(void *owner, const char *isolate, const struct gc_event *event);
	/*
	 * Nothing is told of collections from now on, and why; or NULL: they are told. Said as
	 * often as it is found so. May be NULL: not of interest.
	 */
	void (*gc_told)(void *owner, const char *why_not);
	/* The same of one isolate, for as long as none of its collections is told. why is static.
	 * May be NULL: not of interest. */
	void (*isolate_gc_untold)(void *owner, const char *isolate, const char *why);
	/*
	 * The greeting or the poll is overdue, and again at every look while it stays so:
	 * END_BLOCKED when the inspector's own thread still answers HTTP, END_SILENT when nothing
	 * does. The session waits on.
	 */
	void (*late)(void *owner, enum session_end why, const char *reason);
	void (*closed)(void *owner, enum session_end end, const char *reason);
};

struct session_limits {
	uint64_t connect_ns, poll_ns;
	bool evaluate;
	bool gc_events; /* have the runtime tell of its collections */
	uint32_t isolates_max;
};

struct session_context {
	struct loop *loop;
	struct http_client *http;
	struct ws_context *ws;
	struct partings *partings; /* NULL: every connection is left at once */
};

struct session {
	enum session_state state;
	const struct session_context *context; /* borrowed */
	const struct runtime *wanted; /* by configuration; NULL: whatever it is */
	const struct runtime *runtime; /* NULL until it is recognised, kept while closed */
	const struct session_events *events;
	void *owner;
	struct address address; /* holds its access */
	struct session_limits limits;
	struct identity identity;
	struct link channels; /* kept while closed */
	uint32_t channels_n;
	struct loop_timer deadline;
	struct loop_deferred ending;
	enum session_end end;
	char end_reason[160];
	struct http_fetch *fetch;
	uint64_t bytes_in, bytes_out; /* payload since init, all connections */
	struct tree *version; /* owned; /json/version while it is being found */
	long version_status; /* what /json/version answered, if it was not 200 */
	const struct runtime *const *candidate; /* the one without /json/version to be tried */
	enum session_activity activity; /* joined of the channels in this poll */
	uint64_t rss_bytes;
	unsigned answered; /* channels that have been polled in this poll */
	unsigned looks; /* at an overdue poll */
	bool late; /* the poll is overdue */
	bool guessed; /* the runtime is what the address may be, and has not said so yet */
	bool asking; /* the channels are being asked: the poll cannot be over yet */
	bool unsettled; /* session_settle() was asked and not yet done */
	uint64_t collect_asked_ns; /* monotonic */
	char collecting[64]; /* isolate of the forced collection */
	bool collecting_gone; /* it has gone meanwhile */
	bool patient; /* a capture holds the target: a poll may take as long as it wants */
	bool collects; /* a forced collection comes right after the poll */
};

int session_init(struct session *session, const struct session_context *context,
		 const struct session_events *events, void *owner);
void session_fini(struct session *session);

/*
 * Start to connect, to the runtime of that kind, or to whatever it is when NULL. Events follow
 * later, never before it returns. 0 or -errno.
 */
int session_open(struct session *session, const struct address *address,
		 const struct runtime *runtime, const struct session_limits *limits);

/* Ask for samples. Only in SESSION_IDLE (-EBUSY otherwise). */
int session_poll(struct session *session);

/*
 * Have the runtime collect all garbage of one isolate, which stops the program for as long as that
 * takes; `collected` follows. Only in SESSION_IDLE (-EBUSY otherwise). 0; -ENOTSUP: no runtime that
 * can; -ENOENT: no such isolate; -errno.
 */
int session_collect(struct session *session, const char *isolate);

/*
 * What a capture leaves on costs the target most of its speed: switch it off once, at the next
 * moment the session may speak (now, or after the next connect). For targets whose capture was cut
 * off by our own end, or that wrote a snapshot by themselves.
 */
void session_settle(struct session *session);

/*
 * In SESSION_IDLE: ask the runtime to close its inspector. The program stands still from a moment
 * after that (cdp_words.h) until its last client has left: close the session as soon as a poll that
 * was begun right after is over. 0, -ENOTSUP (no runtime that does), -errno.
 */
int session_shut(struct session *session);

/*
 * Another client has taken the connection of a capture, for which this session is closed: what
 * leads to the isolate is left to it as if it had been the session's.
 */
void session_taken(struct session *session, const char *isolate);

/* Leave without an event. */
void session_close(struct session *session);

/* While set, a poll that is not answered is no failure: the target is busy with a capture. */
void session_set_patient(struct session *session, bool patient);

/*
 * While set, a forced collection follows a poll at once: what would not tell of collections for a
 * moment waits for the poll after that.
 */
void session_set_collects(struct session *session, bool collects);

/* Would a forced collection not be told of now, but in a moment? Then another poll is due first. */
bool session_tells_soon(const struct session *session);

const char *session_state_name(enum session_state state);
const char *session_end_name(enum session_end end);

enum { SESSION_MISSED_MAX = 192 };

/*
 * Of a runtime with a connection for each isolate: one that is listed and cannot be polled, and
 * why, for people; "" when there is none. Returns dst.
 */
const char *session_missed(const struct session *session, char dst[SESSION_MISSED_MAX]);

/* The path to an isolate's WebSocket, also while closed; NULL when it was never found. */
const char *session_path(const struct session *session, const char *isolate);

/* ---- for dialects ---- */

/*
 * From dialect->found: here something can be connected to. isolate is what its isolates are named
 * by, "" when it leads to all of them. Over limits.isolates_max nothing is added. 0, -ENOMEM, or
 * -ENAMETOOLONG: such a path is no inspector's.
 */
int session_offer(struct session *session, const char *isolate, const char *path);
void session_sample(struct session *session, const char *isolate, const struct sample *sample);

/* After a sample: which page it is; without what may be a secret in its address (util/url.h). */
void session_isolate_shows(struct session *session, const char *isolate, const char *url);
void session_isolate_gone(struct session *session, const char *isolate);
void session_isolate_lost(struct session *session, const char *isolate);

/* Of an isolate that has been told of by a sample. */
void session_gc(struct session *session, const char *isolate, const struct gc_event *event);

/* What cannot be told for now, and for people why not; that it can be again. */
enum { SESSION_GC_REASON_MAX = 192 };
void session_gc_untold(struct session *session, const char *why_not);
void session_gc_told(struct session *session);

/* Of one that has been told of by a sample; why is static. */
void session_isolate_gc_untold(struct session *session, const char *isolate, const char *why);

/* Everything ends: the program goes, or nothing it says makes sense. */
void session_fail(struct session *session, enum session_end end, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- for channels ---- */

void session_channel_opened(struct session *session);
void session_channel_greeted(struct session *session);
void session_channel_polled(struct session *session, enum session_activity activity,
			    uint64_t rss_bytes);

/* The forced collection is over; why not, or NULL. */
void session_channel_collected(struct session *session, const char *failure);

/* The channel is closed. */
void session_channel_ended(struct channel *channel, enum session_end end, const char *reason);
