/*
 * The life of one conversation: CLOSED -> FINDING -> CONNECTING -> GREETING -> IDLE <-> POLLING,
 * COLLECTING.
 *
 * Most runtimes have one channel, and what becomes of it becomes of the session. Of a runtime that
 * has many, a channel that ends is only gone until the list names it again, and a poll is over when
 * those have answered that can.
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

#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/runtime.h"
#include "inspect/session_find.h"
#include "json/tree.h"
#include "net/access.h"
#include "net/http_call.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "util/url.h"

/* An overdue poll is looked at again after a poll time-out, then ever more rarely up to this. */
#define LOOK_MAX_NS (30 * NS_PER_S)

/* After so many looks that were answered, an inspector that says nothing else has lost us. */
enum { LOST_LOOKS = 3 };

/*
 * What another client has taken is left to it for a minute, and for twice as long each time that it
 * is taken again, up to 16 minutes: we would take it from a person as often as we come back. What
 * we have had for as long as the longest of these is nobody's, and the next rest is short.
 */
#define YIELD_NS (60 * NS_PER_S)
enum { YIELD_DOUBLINGS = 4 };
#define YIELD_MAX_NS (YIELD_NS << YIELD_DOUBLINGS)

/* What we have left ourselves is not gone at once, and nobody has taken it who ends us meanwhile.
 */
#define SETTLE_NS (1 * NS_PER_S)
#define LEFT_NS   (5 * NS_PER_S)

/*
 * A collection takes a second for some gigabytes, but begins only when the event loop turns, and
 * there is no polling meanwhile.
 */
#define COLLECT_NS (10 * NS_PER_S)

static const char taken_text[] = "another client has its one connection";

static const char *const state_names[] = {
	[SESSION_CLOSED] = "closed",
	[SESSION_FINDING] = "finding",
	[SESSION_CONNECTING] = "connecting",
	[SESSION_GREETING] = "greeting",
	[SESSION_IDLE] = "idle",
	[SESSION_POLLING] = "polling",
	[SESSION_COLLECTING] = "collecting",
};
_Static_assert(sizeof(state_names) / sizeof(*state_names) == SESSION_STATES, "a name per state");

static const char *const end_names[] = {
	[SESSION_END_CLOSED] = "closed",           [SESSION_END_REFUSED] = "refused",
	[SESSION_END_UNREACHABLE] = "unreachable", [SESSION_END_NOT_INSPECTOR] = "not_inspector",
	[SESSION_END_SILENT] = "silent",           [SESSION_END_BLOCKED] = "blocked",
	[SESSION_END_EXITING] = "exiting",         [SESSION_END_LOST] = "lost",
	[SESSION_END_PROTOCOL] = "protocol",       [SESSION_END_TAKEN] = "taken",
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
		return session->limits.connect_ns;
	case SESSION_GREETING:
		return session->limits.connect_ns + session->runtime->quiet_ns;
	case SESSION_IDLE:
		return 2 * 3600 * NS_PER_S;
	case SESSION_POLLING:
		return session->limits.poll_ns;
	case SESSION_COLLECTING:
		return COLLECT_NS;
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

static struct channel *channel_of(struct link *link)
{
	return container_of(link, struct channel, link);
}

static void session_drop(struct session *session)
{
	if (session->fetch != NULL)
		http_cancel(session->fetch);
	session->fetch = NULL;
	list_each (link, &session->channels)
		channel_close(channel_of(link));
	tree_free(session->version);
	session->version = NULL;
	session_enter(session, SESSION_CLOSED);
}

static void session_ended(void *owner)
{
	struct session *session = owner;

	session->events->closed(session->owner, session->end, session->end_reason);
}

/* What comes there next is another program, which nobody has taken from us or left. */
static void forget_rests(struct session *session)
{
	list_each (link, &session->channels) {
		struct channel *channel = channel_of(link);

		channel->rest_until_ns = channel->left_ns = channel->had_ns = 0;
		channel->yields = 0;
		channel->ended[0] = '\0';
	}
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
	if (end == SESSION_END_REFUSED || end == SESSION_END_UNREACHABLE)
		forget_rests(session);
	session_drop(session);
	loop_defer(session->context->loop, &session->ending);
}

void session_close(struct session *session)
{
	loop_deferred_cancel(&session->ending);
	if (session->state != SESSION_CLOSED)
		session_drop(session);
}

/* ---- channels ---- */

static unsigned channels_in(const struct session *session, enum channel_state state)
{
	unsigned n = 0;

	list_each (link, &session->channels)
		n += channel_of(link)->state == state;
	return n;
}

/* Those of the list that are not connected. */
static void open_channels(struct session *session)
{
	list_each (link, &session->channels) {
		struct channel *channel = channel_of(link);
		bool wanted = channel->state == CHANNEL_CLOSED &&
			      clock_mono_ns() >= channel->rest_until_ns;
		int r = wanted ? channel_open(channel) : 0;

		if (r < 0)
			session_channel_ended(channel, SESSION_END_LOST, strerror(-r));
		if (session->state == SESSION_CLOSED)
			return;
	}
}

static void poll_channels(struct session *session);

void session_found(struct session *session)
{
	if (session->state == SESSION_POLLING) {
		poll_channels(session);
		return;
	}
	tree_free(session->version);
	session->version = NULL;
	session_enter(session, SESSION_CONNECTING);
	open_channels(session);
	/* There is nothing to connect to, or all of it is left to others for a while. */
	if (session->state == SESSION_CONNECTING && channels_in(session, CHANNEL_CONNECTING) == 0)
		session_enter(session, SESSION_GREETING);
	session_channel_greeted(session);
}

static void end_look(struct session *session)
{
	if (session->fetch != NULL)
		http_cancel(session->fetch);
	session->fetch = NULL;
}

/*
 * Workers are known once the session is greeted. What another client has is settled when we have it
 * again, and with it all else once more, which changes nothing there.
 */
static void settle(struct session *session)
{
	const struct dialect *dialect;

	if (!session->unsettled ||
	    (session->state != SESSION_IDLE && session->state != SESSION_POLLING))
		return;
	session->unsettled = false;
	dialect = session->runtime->dialect;
	if (dialect->settle == NULL)
		return;
	list_each (link, &session->channels) {
		struct channel *channel = channel_of(link);
		int r = 0;

		channel->settled = channel_is_greeted(channel);
		if (channel->settled)
			r = dialect->settle(channel);
		else
			session->unsettled = true;
		if (r < 0)
			channel_cannot_send(channel, r);
	}
}

static void session_ready(struct session *session)
{
	end_look(session);
	session->guessed = false;
	session_enter(session, SESSION_IDLE);
	settle(session);
	if (session->state == SESSION_IDLE)
		session->events->identified(session->owner, &session->identity);
}

void session_channel_opened(struct session *session)
{
	if (session->state == SESSION_CONNECTING)
		session_enter(session, SESSION_GREETING);
}

void session_channel_greeted(struct session *session)
{
	if (session->state == SESSION_GREETING && channels_in(session, CHANNEL_CONNECTING) == 0 &&
	    channels_in(session, CHANNEL_GREETING) == 0)
		session_ready(session);
}

/* The owner may close the session in `polled`. */
static void finish_poll(struct session *session)
{
	end_look(session);
	list_each (link, &session->channels)
		channel_of(link)->overdue = channel_of(link)->state == CHANNEL_POLLING;
	session_enter(session, SESSION_IDLE);
	session->events->polled(session->owner, session->activity, session->rss_bytes);
	settle(session);
}

static void finish_if_answered(struct session *session)
{
	if (session->state != SESSION_POLLING || session->asking)
		return;
	list_each (link, &session->channels) {
		const struct channel *channel = channel_of(link);

		if (channel->state == CHANNEL_POLLING && !channel->overdue && !session->late)
			return;
	}
	finish_poll(session);
}

void session_channel_polled(struct session *session, enum session_activity activity,
			    uint64_t rss_bytes)
{
	if (session->state != SESSION_POLLING)
		return;
	session->answered++;
	if (session->activity != ACTIVITY_RUNNING)
		session->activity = activity;
	session->rss_bytes += rss_bytes;
	if (session->late)
		end_look(session);
	finish_if_answered(session);
}

/* A browser that ends the connection that we have left may take the next one for it. */
static bool is_left_lately(const struct channel *channel)
{
	return channel->left_ns != 0 && clock_mono_ns() - channel->left_ns < LEFT_NS;
}

static uint64_t next_yield_ns(struct channel *channel)
{
	uint64_t yield_ns;

	if (channel->had_ns != 0 && clock_mono_ns() - channel->had_ns >= YIELD_MAX_NS)
		channel->yields = 0;
	channel->had_ns = 0;
	yield_ns = YIELD_NS << channel->yields;
	if (channel->yields < YIELD_DOUBLINGS)
		channel->yields++;
	return yield_ns;
}

static void rest(struct channel *channel, enum session_end end)
{
	uint64_t now_ns = clock_mono_ns();
	bool yields = channel->session->runtime->yields;

	if (end == SESSION_END_SILENT)
		channel->left_ns = now_ns;
	/* What will make no sense the next time either would be taken from a person for nothing. */
	if (yields && (end == SESSION_END_TAKEN || end == SESSION_END_PROTOCOL))
		channel->rest_until_ns = now_ns + next_yield_ns(channel);
	else if (end == SESSION_END_TAKEN ||
		 (yields && (end == SESSION_END_SILENT || end == SESSION_END_LOST)))
		channel->rest_until_ns = now_ns + SETTLE_NS;
}

void session_channel_ended(struct channel *channel, enum session_end end, const char *reason)
{
	struct session *session = channel->session;

	if (session->state == SESSION_CLOSED)
		return;
	if (end == SESSION_END_TAKEN && session->runtime->yields && is_left_lately(channel))
		end = SESSION_END_LOST;
	if (session->guessed) {
		session_fail(session, SESSION_END_NOT_INSPECTOR,
			     "the answer is not HTTP, and as a Firefox: %s", reason);
		return;
	}
	if (!session->runtime->many) {
		session_fail(session, end, "%s", reason);
		return;
	}
	session_isolate_lost(session, channel->isolate);
	if (end == SESSION_END_TAKEN && channel->settled)
		session->unsettled = true; /* it was not heard */
	str_copy(channel->ended, sizeof(channel->ended),
		 end == SESSION_END_TAKEN ? taken_text : reason);
	rest(channel, end);
	if (session->state == SESSION_CONNECTING && channels_in(session, CHANNEL_CONNECTING) == 0)
		session_fail(session, end, "%s", reason);
	else if (session->state == SESSION_GREETING)
		session_channel_greeted(session);
	else if (session->state == SESSION_COLLECTING &&
		 channels_in(session, CHANNEL_COLLECTING) == 0)
		session_channel_collected(session, reason);
	else
		finish_if_answered(session);
}

void session_taken(struct session *session, const char *isolate)
{
	list_each (link, &session->channels) {
		struct channel *channel = channel_of(link);

		if (channel->state != CHANNEL_CLOSED || !channel_leads_to(channel, isolate) ||
		    is_left_lately(channel))
			continue;
		session_isolate_lost(session, channel->isolate);
		str_copy(channel->ended, sizeof(channel->ended), taken_text);
		rest(channel, SESSION_END_TAKEN);
	}
}

/* ---- forced collections ---- */

static void finish_collection(struct session *session, int result, const char *reason)
{
	uint64_t duration_ns = clock_mono_ns() - session->collect_asked_ns;

	session_enter(session, SESSION_IDLE);
	session->events->collected(session->owner, result, duration_ns, reason);
}

void session_channel_collected(struct session *session, const char *failure)
{
	if (session->state == SESSION_COLLECTING)
		finish_collection(session, failure != NULL ? -EIO : 0, failure);
}

/* Nothing takes the request back: it collects when it can. */
static void give_up_collection(struct session *session)
{
	const char *why = session->runtime->collects_late;
	struct err text = { .text = "" };

	list_each (link, &session->channels)
		channel_give_up_collecting(channel_of(link));
	if (session->collecting_gone) {
		finish_collection(session, -ENOENT, "the isolate is gone");
		return;
	}
	err_set(&text, 0, "it has not begun to collect within 10s: %s",
		why != NULL ? why : "its event loop is blocked, and it collects when that ends");
	finish_collection(session, -ETIMEDOUT, text.text);
}

int session_collect(struct session *session, const char *isolate)
{
	int r = -ENOENT;

	if (session->state != SESSION_IDLE)
		return -EBUSY;
	if (session->runtime->dialect->collect == NULL)
		return -ENOTSUP;
	session->collect_asked_ns = clock_mono_ns();
	session->collecting_gone = false;
	str_copy(session->collecting, sizeof(session->collecting), isolate);
	list_each (link, &session->channels) {
		struct channel *channel = channel_of(link);

		if (r == -ENOENT && channel->state == CHANNEL_IDLE &&
		    channel_leads_to(channel, isolate))
			r = channel_collect(channel, isolate);
	}
	if (r == 0)
		session_enter(session, SESSION_COLLECTING);
	return r;
}

/* ---- deadlines ---- */

static bool is_lost(const struct channel *channel)
{
	const struct dialect *dialect = channel->session->runtime->dialect;

	return channel->session->looks >= LOST_LOOKS && dialect->lost != NULL &&
	       dialect->lost(channel);
}

static bool is_unlisted(const struct channel *channel, const struct http_answer *answer)
{
	const struct dialect *dialect = channel->session->runtime->dialect;

	return answer->status == 200 && dialect->unlisted != NULL &&
	       dialect->unlisted(answer->body, answer->size, channel->path);
}

/* The list names them again. False: that was the end of the poll, or of the session. */
static bool leave_lost(struct session *session, const struct http_answer *answer)
{
	enum session_state state = session->state;

	list_each_safe (link, &session->channels) {
		struct channel *channel = channel_of(link);

		if (channel->state != CHANNEL_GREETING && channel->state != CHANNEL_POLLING)
			continue;
		if (is_lost(channel))
			channel_fail(channel, SESSION_END_SILENT,
				     "the inspector has forgotten the connection");
		else if (is_unlisted(channel, answer))
			channel_fail(channel, SESSION_END_LOST,
				     "another program answers there now; what this connection "
				     "led to is gone, and a proxy has kept it");
		if (session->state != state)
			return false;
	}
	return true;
}

static void got_look(void *owner, const struct http_answer *answer)
{
	struct session *session = owner;

	session->fetch = NULL;
	if (answer->r == 0 && !leave_lost(session, answer))
		return;
	if (answer->r == 0)
		session->events->late(session->owner, SESSION_END_BLOCKED,
				      "the main thread does not answer; the inspector does");
	else
		session->events->late(session->owner, SESSION_END_SILENT,
				      "accepts connections but does not answer");
}

/* One that does not speak HTTP has said so itself, or not. */
static void tell_late(struct session *session)
{
	const struct dialect *dialect = session->runtime->dialect;
	bool alive = false;

	list_each (link, &session->channels)
		alive |= channel_of(link)->dialect_state != NULL && dialect->alive != NULL &&
			 dialect->alive(channel_of(link));
	if (alive)
		session->events->late(session->owner, SESSION_END_BLOCKED,
				      "the program itself does not answer; its debugger does");
	else
		session->events->late(session->owner, SESSION_END_SILENT,
				      "accepts connections but does not answer");
}

/* Those whose greeting has been awaited for so long. */
static void probe(struct session *session)
{
	const struct dialect *dialect = session->runtime->dialect;
	uint64_t now_ns = clock_mono_ns();

	list_each (link, &session->channels) {
		struct channel *channel = channel_of(link);

		if (dialect->probe != NULL && channel->state == CHANNEL_GREETING &&
		    now_ns - channel->since_ns >= session->limits.connect_ns)
			dialect->probe(channel);
	}
}

/* First whether the inspector's thread is alive; then also whether it is the one we connected to.
 */
static const char *look_path(const struct session *session)
{
	const struct runtime *runtime = session->runtime;

	return runtime->versioned && (session->looks < 2 || runtime->list_path == NULL)
		       ? "/json/version"
		       : runtime->list_path;
}

/* Ask whether it is alive, and arm the next look. */
static void session_look(struct session *session)
{
	uint64_t delay = session->limits.poll_ns << (session->looks < 8 ? session->looks : 8);

	session->looks++;
	loop_timer_set(&session->deadline, delay < LOOK_MAX_NS ? delay : LOOK_MAX_NS);
	if (session->runtime->dialect->packets) {
		if (!session->patient)
			tell_late(session);
		return;
	}
	if (!session->patient && session->fetch == NULL)
		(void)find_get(session, look_path(session), got_look);
}

/* Some answer and some do not: those that do are the poll. */
static bool enough(struct session *session)
{
	const struct dialect *dialect = session->runtime->dialect;

	list_each_safe (link, &session->channels) {
		if (channel_of(link)->state == CHANNEL_POLLING && dialect->enough != NULL &&
		    dialect->enough(channel_of(link)) && session->state != SESSION_POLLING)
			return true;
	}
	if (session->answered == 0)
		return false;
	finish_poll(session);
	return true;
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
		if (session->patient || !enough(session))
			session_look(session);
		break;
	case SESSION_COLLECTING:
		give_up_collection(session);
		break;
	case SESSION_GREETING:
		session->late = true;
		probe(session);
		if (channels_in(session, CHANNEL_IDLE) > 0)
			session_ready(session);
		else if (session->guessed)
			session_fail(session, SESSION_END_NOT_INSPECTOR,
				     "the answer is not HTTP, and it does not greet as a Firefox "
				     "does");
		else
			session_look(session);
		break;
	default:
		break;
	}
}

/* ---- for the owner ---- */

int session_init(struct session *session, const struct session_context *context,
		 const struct session_events *events, void *owner)
{
	*session = (struct session){
		.context = context,
		.events = events,
		.owner = owner,
	};
	link_init(&session->channels);
	loop_deferred_init(&session->ending, session_ended, session);
	return loop_timer_init(&session->deadline, context->loop, on_deadline, session);
}

static void forget_channels(struct session *session)
{
	list_each_safe (link, &session->channels)
		channel_free(channel_of(link));
}

void session_fini(struct session *session)
{
	if (session->context == NULL)
		return;
	session_close(session);
	forget_channels(session);
	loop_timer_fini(&session->deadline);
	access_unref(session->address.access);
	session->address.access = NULL;
	session->context = NULL;
}

int session_open(struct session *session, const struct address *address,
		 const struct runtime *runtime, const struct session_limits *limits)
{
	int r;

	if (session->state != SESSION_CLOSED)
		return -EBUSY;
	access_ref(address->access);
	access_unref(session->address.access);
	session->address = *address;
	session->limits = *limits;
	session->identity = (struct identity){ 0 };
	session->guessed = false;
	session->wanted = runtime;
	session_enter(session, SESSION_FINDING);
	r = find_begin(session);
	if (r < 0)
		session_enter(session, SESSION_CLOSED);
	return r;
}

/* Those that have been too long about it are left; the next list may name them again. */
static void drop_stuck(struct session *session)
{
	uint64_t now_ns = clock_mono_ns();

	list_each (link, &session->channels) {
		struct channel *channel = channel_of(link);

		if ((channel->state == CHANNEL_CONNECTING || channel->state == CHANNEL_GREETING ||
		     channel->overdue) &&
		    now_ns - channel->since_ns > LOOK_MAX_NS)
			channel_fail(channel, SESSION_END_SILENT, "no answer");
	}
}

static void poll_channels(struct session *session)
{
	int r;

	session->asking = true;
	open_channels(session);
	list_each (link, &session->channels) {
		struct channel *channel = channel_of(link);

		r = channel->state == CHANNEL_IDLE ? channel_poll(channel) : 0;
		if (r < 0)
			channel_cannot_send(channel, r);
		if (session->state != SESSION_POLLING)
			break;
	}
	session->asking = false;
	finish_if_answered(session);
}

int session_poll(struct session *session)
{
	if (session->state != SESSION_IDLE)
		return -EBUSY;
	probe(session);
	if (session->runtime->many)
		drop_stuck(session);
	session_enter(session, SESSION_POLLING);
	session->activity = ACTIVITY_UNKNOWN;
	session->rss_bytes = 0;
	session->answered = 0;
	if (session->runtime->many && session->runtime->list_path != NULL)
		find_again(session);
	else
		poll_channels(session);
	return 0;
}

void session_set_patient(struct session *session, bool patient)
{
	session->patient = patient;
}

void session_set_collects(struct session *session, bool collects)
{
	session->collects = collects;
}

bool session_tells_soon(const struct session *session)
{
	bool soon = false;

	if (!session->limits.gc_events || session->runtime == NULL ||
	    session->runtime->dialect->tells_soon == NULL)
		return false;
	list_each (link, &session->channels) {
		const struct channel *channel = channel_of(link);

		soon |= channel_is_greeted(channel) &&
			session->runtime->dialect->tells_soon(channel);
	}
	return soon;
}

const char *session_path(const struct session *session, const char *isolate)
{
	list_each (link, &session->channels) {
		if (channel_leads_to(channel_of(link), isolate))
			return channel_of(link)->path;
	}
	return NULL;
}

const char *session_missed(const struct session *session, char dst[SESSION_MISSED_MAX])
{
	dst[0] = '\0';
	list_each (link, &session->channels) {
		const struct channel *channel = channel_of(link);

		if (channel->ended[0] == '\0')
			continue;
		snprintf(dst, SESSION_MISSED_MAX, "%s is not polled: %s",
			 channel->isolate[0] != '\0' ? channel->isolate : "main", channel->ended);
		break;
	}
	return dst;
}

void session_settle(struct session *session)
{
	session->unsettled = true;
	settle(session);
}

int session_shut(struct session *session)
{
	int r = -ENOTSUP;

	if (session->state != SESSION_IDLE)
		return -EBUSY;
	list_each (link, &session->channels) {
		struct channel *channel = channel_of(link);

		if (session->runtime->dialect->shut != NULL && channel->state == CHANNEL_IDLE)
			r = session->runtime->dialect->shut(channel);
	}
	return r;
}

void session_sample(struct session *session, const char *isolate, const struct sample *sample)
{
	session->events->sample(session->owner, isolate, sample);
}

void session_isolate_shows(struct session *session, const char *isolate, const char *url)
{
	char page[ISOLATE_PAGE_MAX];

	if (session->events->isolate_shows == NULL)
		return;
	page[url_strip(page, url, strnlen(url, sizeof(page) - 1), true)] = '\0';
	session->events->isolate_shows(session->owner, isolate, page);
}

/* What is being collected there does not come to an end. */
static void end_collection(struct session *session, const char *isolate)
{
	if (session->state != SESSION_COLLECTING || strcmp(session->collecting, isolate) != 0)
		return;
	/* The dialect is in the middle of forgetting it. */
	session->collecting_gone = true;
	loop_timer_set(&session->deadline, 0);
}

void session_isolate_gone(struct session *session, const char *isolate)
{
	session->events->isolate_gone(session->owner, isolate);
	end_collection(session, isolate);
}

void session_isolate_lost(struct session *session, const char *isolate)
{
	if (session->events->isolate_lost != NULL)
		session->events->isolate_lost(session->owner, isolate);
	else
		session->events->isolate_gone(session->owner, isolate);
	end_collection(session, isolate);
}

void session_gc(struct session *session, const char *isolate, const struct gc_event *event)
{
	if (session->limits.gc_events && event->duration_ns <= GC_DURATION_MAX_NS)
		session->events->gc(session->owner, isolate, event);
}

void session_gc_untold(struct session *session, const char *why_not)
{
	if (session->events->gc_told != NULL)
		session->events->gc_told(session->owner, why_not);
}

void session_gc_told(struct session *session)
{
	session_gc_untold(session, NULL);
}

void session_isolate_gc_untold(struct session *session, const char *isolate, const char *why)
{
	if (session->limits.gc_events && session->events->isolate_gc_untold != NULL)
		session->events->isolate_gc_untold(session->owner, isolate, why);
}
