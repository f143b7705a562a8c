/*
 * The life of one conversation: CLOSED -> FINDING -> CONNECTING -> GREETING -> IDLE <-> POLLING.
 *
 * session_enter() is the only place where the state changes, and it arms the deadline of the state
 * it enters. Whatever ends a session goes through session_fail(), which lets go of everything at
 * once but tells the owner at the end of the turn, when no callback of ours is on the stack.
 *
 * An overdue greeting or poll does not end the session: a target whose main thread is blocked would
 * only be burdened by another connection. The session looks over HTTP whether the inspector's own
 * thread still answers, says which of the two it is, and waits on.
 */

#include "inspect/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "inspect/dialect.h"
#include "json/tree.h"
#include "net/http_call.h"
#include "net/ws.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"

enum {
	/* A list of a hundred pages is some 60 KB; more than this is no inspector. */
	LIST_BYTES_MAX = 1 << 20,
	/* Heap statistics are under 8 KB; events we did not ask for are drained beyond this. */
	MESSAGE_BYTES_MAX = 1 << 20,
	SEND_QUEUE_MAX = 256 << 10,
	/* Ids must be int32 (workerd drops the connection otherwise) and stay below the 1e8 that
	 * wrangler's own requests begin with. */
	ID_MAX = 90000000,
};

/* An overdue poll is looked at again after a poll time-out, then ever more rarely up to this. */
#define LOOK_MAX_NS (30 * NS_PER_S)

static const char *const state_names[] = {
	[SESSION_CLOSED] = "closed",
	[SESSION_FINDING] = "finding",
	[SESSION_CONNECTING] = "connecting",
	[SESSION_GREETING] = "greeting",
	[SESSION_IDLE] = "idle",
	[SESSION_POLLING] = "polling",
};
_Static_assert(sizeof(state_names) / sizeof(*state_names) == SESSION_STATES, "a name per state");

static const char *const end_names[] = {
	[SESSION_END_CLOSED] = "closed",           [SESSION_END_REFUSED] = "refused",
	[SESSION_END_UNREACHABLE] = "unreachable", [SESSION_END_NOT_INSPECTOR] = "not_inspector",
	[SESSION_END_SILENT] = "silent",           [SESSION_END_BLOCKED] = "blocked",
	[SESSION_END_EXITING] = "exiting",         [SESSION_END_LOST] = "lost",
	[SESSION_END_PROTOCOL] = "protocol",
};
_Static_assert(sizeof(end_names) / sizeof(*end_names) == SESSION_ENDS, "a name per end");

const char *session_state_name(enum session_state state)
{
	return state_names[state];
}

const char *session_end_name(enum session_end end)
{
	return end_names[end];
}

/*
 * The deadline of a state. IDLE waits for the owner's poll timer; an hour is far beyond any poll
 * interval, so it only catches an owner that forgot us.
 */
static uint64_t state_deadline_ns(const struct session *session, enum session_state state)
{
	switch (state) {
	case SESSION_FINDING:
	case SESSION_CONNECTING:
	case SESSION_GREETING:
		return session->limits.connect_ns;
	case SESSION_IDLE:
		return 2 * 3600 * NS_PER_S;
	case SESSION_POLLING:
		return session->limits.poll_ns;
	default:
		return 0;
	}
}

static void session_enter(struct session *session, enum session_state state)
{
	session->state = state;
	session->late = false;
	session->looks = 0;
	if (state == SESSION_CLOSED)
		loop_timer_clear(&session->deadline);
	else
		loop_timer_set(&session->deadline, state_deadline_ns(session, state));
}

static void session_drop(struct session *session)
{
	if (session->fetch != NULL)
		http_cancel(session->fetch);
	session->fetch = NULL;
	ws_close(session->ws);
	session->ws = NULL;
	tree_free(session->version);
	session->version = NULL;
	if (session->dialect != NULL && session->dialect->forget != NULL &&
	    session->dialect_state != NULL)
		session->dialect->forget(session);
	free(session->dialect_state);
	session->dialect_state = NULL;
	session_enter(session, SESSION_CLOSED);
}

static void session_ended(void *owner)
{
	struct session *session = owner;

	session->events->closed(session->owner, session->end, session->end_reason);
}

void session_fail(struct session *session, enum session_end end, const char *fmt, ...)
{
	va_list args;

	if (session->state == SESSION_CLOSED)
		return;
	va_start(args, fmt);
	vsnprintf(session->end_reason, sizeof(session->end_reason), fmt, args);
	va_end(args);
	session->end = end;
	session_drop(session);
	loop_defer(session->context->loop, &session->ending);
}

void session_close(struct session *session)
{
	loop_deferred_cancel(&session->ending);
	if (session->state == SESSION_CLOSED)
		return;
	if (session->ws != NULL && session->state >= SESSION_GREETING &&
	    session->dialect->bye != NULL)
		session->dialect->bye(session);
	session_drop(session);
}

/* ---- finding ---- */

static enum session_end end_of_answer(const struct http_answer *answer)
{
	switch (answer->r) {
	case -ECONNREFUSED:
	case -ENOENT: /* of a unix socket */
		return SESSION_END_REFUSED;
	case -ETIMEDOUT:
		return answer->connected ? SESSION_END_SILENT : SESSION_END_UNREACHABLE;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return SESSION_END_UNREACHABLE;
	default:
		return SESSION_END_NOT_INSPECTOR;
	}
}

static int session_get(struct session *session, const char *path, http_done_fn *fn)
{
	char host[ADDRESS_TEXT_MAX], url[ADDRESS_TEXT_MAX + 64];
	bool is_unix = session->address.family == ADDRESS_UNIX;
	struct http_request request = {
		.url = url,
		.unix_socket = is_unix ? session->address.host : NULL,
		.timeout_ns = session->limits.connect_ns,
		.body_max = LIST_BYTES_MAX,
	};

	address_format(host, &session->address);
	snprintf(url, sizeof(url), "http://%s%s", is_unix ? "localhost" : host, path);
	return http_call(&session->fetch, session->context->http, &request, fn, session);
}

static void found(struct session *session, const struct tree *list)
{
	struct err err = { 0 };
	int r = session->dialect->found(session, session->version, list, &err);
	if (r == -ENOENT) {
		session_fail(session, SESSION_END_NOT_INSPECTOR, "%s", err.text);
		return;
	}
	if (r < 0)
		session_fail(session, SESSION_END_NOT_INSPECTOR,
			     "/json/list is not that of a known runtime");
}

static void session_connect(struct session *session);

/* NULL (and the session has failed) unless the answer is a JSON document. */
static struct tree *answer_document(struct session *session, const struct http_answer *answer,
				    const char *path)
{
	struct tree *document = NULL;

	session->fetch = NULL;
	session->bytes_in += answer->size;
	if (answer->r < 0) {
		enum session_end end = end_of_answer(answer);

		session_fail(session, end, "%s",
			     end == SESSION_END_REFUSED ? "connection refused" : answer->reason);
		return NULL;
	}
	if (answer->status != 200) {
		session_fail(session, SESSION_END_NOT_INSPECTOR, "%s answered HTTP status %ld",
			     path, answer->status);
		return NULL;
	}
	if (tree_parse(answer->body, answer->size, &document, NULL) < 0)
		session_fail(session, SESSION_END_NOT_INSPECTOR, "%s is not JSON", path);
	return document;
}

static void got_list(void *owner, const struct http_answer *answer)
{
	struct session *session = owner;
	struct tree *list = answer_document(session, answer, "/json/list");

	if (list == NULL)
		return;
	found(session, list);
	tree_free(list);
	if (session->state == SESSION_FINDING)
		session_connect(session);
}

static void got_version(void *owner, const struct http_answer *answer)
{
	struct session *session = owner;
	int r;

	session->version = answer_document(session, answer, "/json/version");
	if (session->version == NULL)
		return;
	r = session_get(session, "/json/list", got_list);
	if (r < 0)
		session_fail(session, SESSION_END_LOST, "cannot ask for /json/list: %s",
			     strerror(-r));
}

/* ---- the connection ---- */

static void on_ws_open(void *owner)
{
	struct session *session = owner;
	int r;

	session_enter(session, SESSION_GREETING);
	r = session->dialect->hello(session);
	if (r < 0)
		session_fail(session, SESSION_END_LOST, "cannot send: %s", strerror(-r));
}

static void on_ws_message(void *owner, const char *data, size_t size)
{
	struct session *session = owner;
	struct tree *message;

	session->bytes_in += size;
	/* What is too large or not JSON is nothing we asked for; it must not end the session. */
	if (data == NULL || tree_parse(data, size, &message, NULL) < 0)
		return;
	if (session->dialect->message(session, message) < 0)
		session_fail(session, SESSION_END_PROTOCOL, "an answer that makes no sense");
	tree_free(message);
}

static void on_ws_closed(void *owner, int r, const char *reason)
{
	struct session *session = owner;
	enum session_end end = SESSION_END_LOST;

	session->ws = NULL;
	if (session->state == SESSION_CONNECTING) {
		if (r == -ECONNREFUSED)
			end = SESSION_END_REFUSED;
		else if (r == -EPROTO)
			end = SESSION_END_NOT_INSPECTOR;
		else if (r == -ETIMEDOUT)
			end = SESSION_END_SILENT;
	}
	session_fail(session, end, "%s", reason);
}

static const struct ws_events ws_events = {
	.open = on_ws_open,
	.message = on_ws_message,
	.closed = on_ws_closed,
};

static void session_connect(struct session *session)
{
	struct ws_limits limits = {
		.connect_ns = session->limits.connect_ns,
		.message_max = MESSAGE_BYTES_MAX,
		.send_queue_max = SEND_QUEUE_MAX,
	};
	int r;

	tree_free(session->version);
	session->version = NULL;
	session_enter(session, SESSION_CONNECTING);
	r = ws_open(&session->ws, session->context->ws, &session->address, session->path, &limits,
		    &ws_events, session);
	if (r < 0)
		session_fail(session, SESSION_END_LOST, "cannot connect: %s", strerror(-r));
}

/* ---- deadlines ---- */

static void got_look(void *owner, const struct http_answer *answer)
{
	struct session *session = owner;

	session->fetch = NULL;
	if (answer->r == 0)
		session->events->late(session->owner, SESSION_END_BLOCKED,
				      "the main thread does not answer; the inspector does");
	else
		session->events->late(session->owner, SESSION_END_SILENT,
				      "accepts connections but does not answer");
}

/* Ask the inspector's thread whether it is alive, and arm the next look. */
static void session_look(struct session *session)
{
	uint64_t delay = session->limits.poll_ns << (session->looks < 8 ? session->looks : 8);

	session->looks++;
	loop_timer_set(&session->deadline, delay < LOOK_MAX_NS ? delay : LOOK_MAX_NS);
	if (!session->patient && session->fetch == NULL)
		(void)session_get(session, "/json/version", got_look);
}

static void on_deadline(void *owner)
{
	struct session *session = owner;

	switch (session->state) {
	case SESSION_FINDING:
	case SESSION_CONNECTING:
		session_fail(session, SESSION_END_SILENT, "no answer within the time-out");
		break;
	case SESSION_IDLE:
		session_fail(session, SESSION_END_CLOSED, "not polled for hours");
		break;
	case SESSION_POLLING:
		session->late = true;
		if (!session->patient && session->dialect->enough(session))
			break;
		session_look(session);
		break;
	case SESSION_GREETING:
		session->late = true;
		session_look(session);
		break;
	default:
		break;
	}
}

/* ---- for the owner ---- */

int session_init(struct session *session, const struct session_context *context,
		 const struct dialect *dialect, const struct session_events *events, void *owner)
{
	*session = (struct session){
		.context = context,
		.dialect = dialect,
		.events = events,
		.owner = owner,
	};
	loop_deferred_init(&session->ending, session_ended, session);
	return loop_timer_init(&session->deadline, context->loop, on_deadline, session);
}

void session_fini(struct session *session)
{
	if (session->context == NULL)
		return;
	session_close(session);
	loop_timer_fini(&session->deadline);
	session->context = NULL;
}

int session_open(struct session *session, const struct address *address,
		 const struct session_limits *limits)
{
	int r;

	if (session->state != SESSION_CLOSED)
		return -EBUSY;
	session->address = *address;
	session->limits = *limits;
	session->identity = (struct identity){ 0 };
	session->path[0] = '\0';
	session->next_id = 0;
	session->dialect_state = calloc(1, session->dialect->state_size);
	if (session->dialect_state == NULL)
		return -ENOMEM;
	r = session_get(session, "/json/version", got_version);
	if (r < 0) {
		free(session->dialect_state);
		session->dialect_state = NULL;
		return r;
	}
	session_enter(session, SESSION_FINDING);
	return 0;
}

int session_poll(struct session *session)
{
	int r;

	if (session->state != SESSION_IDLE)
		return -EBUSY;
	session_enter(session, SESSION_POLLING);
	r = session->dialect->poll(session);
	if (r < 0)
		session_fail(session, SESSION_END_LOST, "cannot send: %s", strerror(-r));
	return 0;
}

void session_set_patient(struct session *session, bool patient)
{
	session->patient = patient;
}

/* Workers are known once the session is greeted. */
static void settle(struct session *session)
{
	int r;

	if (!session->unsettled ||
	    (session->state != SESSION_IDLE && session->state != SESSION_POLLING))
		return;
	session->unsettled = false;
	if (session->dialect->settle == NULL)
		return;
	r = session->dialect->settle(session);
	if (r < 0)
		session_fail(session, SESSION_END_LOST, "cannot send: %s", strerror(-r));
}

void session_settle(struct session *session)
{
	session->unsettled = true;
	settle(session);
}

/* ---- for dialects ---- */

int session_ask(struct session *session, const char *method, const char *params, int32_t *ret_id)
{
	struct buf text;
	int r;

	if (session->ws == NULL)
		return -ENOTCONN;
	session->next_id = session->next_id < ID_MAX ? session->next_id + 1 : 1;
	if (ret_id != NULL)
		*ret_id = session->next_id;
	buf_init(&text, SEND_QUEUE_MAX);
	buf_printf(&text, "{\"id\":%d,\"method\":\"%s\"", session->next_id, method);
	if (params != NULL)
		buf_printf(&text, ",\"params\":%s", params);
	r = buf_puts(&text, "}");
	if (r == 0)
		r = ws_send(session->ws, text.data, text.size);
	if (r == 0)
		session->bytes_out += text.size;
	buf_fini(&text);
	return r;
}

static void end_look(struct session *session)
{
	if (session->fetch != NULL)
		http_cancel(session->fetch);
	session->fetch = NULL;
}

void session_ready(struct session *session)
{
	if (session->state != SESSION_GREETING)
		return;
	end_look(session);
	session_enter(session, SESSION_IDLE);
	settle(session);
	if (session->state == SESSION_IDLE)
		session->events->identified(session->owner, &session->identity);
}

void session_sample(struct session *session, const char *isolate, const struct sample *sample)
{
	session->events->sample(session->owner, isolate, sample);
}

void session_isolate_gone(struct session *session, const char *isolate)
{
	session->events->isolate_gone(session->owner, isolate);
}

void session_polled(struct session *session, enum session_activity activity, uint64_t rss_bytes)
{
	if (session->state != SESSION_POLLING)
		return;
	end_look(session);
	session_enter(session, SESSION_IDLE);
	session->events->polled(session->owner, activity, rss_bytes);
}
