/*
 * One connection: CLOSED -> CONNECTING -> GREETING -> IDLE <-> POLLING. The session keeps the
 * deadlines, for it is the session that knows whether the others have answered.
 */

#include "inspect/channel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/dialect.h"
#include "inspect/parting.h"
#include "inspect/runtime.h"
#include "json/tree.h"
#include "net/packet_link.h"
#include "net/ws.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/str.h"

enum {
	/* Heap statistics are under 8 KB; events we did not ask for are drained beyond this. */
	MESSAGE_BYTES_MAX = 1 << 20,
	SEND_QUEUE_MAX = 256 << 10,
	/* Ids must be int32 (workerd drops the connection otherwise) and stay below the 1e8 that
	 * wrangler's own requests begin with. */
	ID_MAX = 90000000,
};

static const struct dialect *dialect_of(const struct channel *channel)
{
	return channel->session->runtime->dialect;
}

bool channel_is_greeted(const struct channel *channel)
{
	return channel->state == CHANNEL_IDLE || channel->state == CHANNEL_POLLING ||
	       channel->state == CHANNEL_COLLECTING;
}

bool channel_leads_to(const struct channel *channel, const char *isolate)
{
	size_t size = strlen(channel->isolate);

	return size == 0 || (strncmp(isolate, channel->isolate, size) == 0 &&
			     (isolate[size] == '\0' || isolate[size] == '/'));
}

static void channel_enter(struct channel *channel, enum channel_state state)
{
	channel->state = state;
	channel->since_ns = clock_mono_ns();
}

struct channel *channel_new(struct session *session, const char *isolate, const char *path)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (channel == NULL)
		return NULL;
	channel->session = session;
	str_copy(channel->isolate, sizeof(channel->isolate), isolate);
	str_copy(channel->path, sizeof(channel->path), path);
	list_append(&session->channels, &channel->link);
	session->channels_n++;
	return channel;
}

static void leave(struct channel *channel)
{
	struct parting *parting = channel->parting;

	channel->parting = NULL;
	if (parting != NULL && channel_is_greeted(channel) && channel->ws != NULL &&
	    dialect_of(channel)->bye != NULL)
		dialect_of(channel)->bye(channel);
	if (parting == NULL || channel->ws == NULL) {
		ws_close(channel->ws);
		parting_free(parting);
	} else if (channel->quiet.armed) {
		parting_hold(parting, channel->ws, channel->session->runtime->quiet_ns);
	} else {
		parting_add(parting, channel->ws, channel->owed, dialect_of(channel)->answers,
			    channel->session->runtime->alone);
	}
	loop_timer_clear(&channel->quiet);
	channel->ws = NULL;
	channel->owed = 0;
}

void channel_close(struct channel *channel)
{
	if (channel == NULL || channel->state == CHANNEL_CLOSED)
		return;
	leave(channel);
	packet_link_close(channel->packets);
	channel->packets = NULL;
	if (dialect_of(channel)->forget != NULL && channel->dialect_state != NULL)
		dialect_of(channel)->forget(channel);
	free(channel->dialect_state);
	channel->dialect_state = NULL;
	channel->overdue = false;
	channel_enter(channel, CHANNEL_CLOSED);
}

void channel_free(struct channel *channel)
{
	if (channel == NULL)
		return;
	channel_close(channel);
	loop_timer_fini(&channel->quiet);
	link_remove(&channel->link);
	channel->session->channels_n--;
	free(channel);
}

void channel_fail(struct channel *channel, enum session_end end, const char *fmt, ...)
{
	char reason[160];
	va_list args;

	if (channel->state == CHANNEL_CLOSED)
		return;
	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	channel_close(channel);
	session_channel_ended(channel, end, reason);
}

void channel_cannot_send(struct channel *channel, int r)
{
	bool ended = r == -ENOTCONN && (channel->ws != NULL || channel->packets != NULL);

	if (!ended)
		channel_fail(channel, SESSION_END_LOST, "cannot send: %s", strerror(-r));
}

/* ---- the connection ---- */

static void say_hello(struct channel *channel)
{
	int r = dialect_of(channel)->hello(channel);

	if (r < 0)
		channel_cannot_send(channel, r);
}

static void on_quiet(void *owner)
{
	say_hello(owner);
}

/* Most channels never need the timer. */
static int be_quiet(struct channel *channel, uint64_t quiet_ns)
{
	struct loop_timer *quiet = &channel->quiet;
	int r = quiet->event != NULL ? 0
				     : loop_timer_init(quiet, channel->session->context->loop,
						       on_quiet, channel);

	return r < 0 ? r : loop_timer_set(quiet, quiet_ns);
}

static void on_open(void *owner)
{
	struct channel *channel = owner;
	uint64_t quiet_ns = channel->session->runtime->quiet_ns;

	channel_enter(channel, CHANNEL_GREETING);
	if (channel->had_ns == 0)
		channel->had_ns = channel->since_ns;
	session_channel_opened(channel->session);
	if (quiet_ns == 0)
		say_hello(channel);
	else if (be_quiet(channel, quiet_ns) < 0)
		channel_fail(channel, SESSION_END_LOST, "out of memory");
}

static void on_message(void *owner, const char *data, size_t size)
{
	struct channel *channel = owner;
	struct tree *message;

	channel->session->bytes_in += size;
	/* What is too large or not JSON is nothing we asked for; it must not end the channel. */
	if (data == NULL || tree_parse(data, size, &message, NULL) < 0)
		return;
	if (channel->owed > 0 && dialect_of(channel)->answers(message))
		channel->owed--;
	if (dialect_of(channel)->message(channel, message) < 0)
		channel_fail(channel, SESSION_END_PROTOCOL, "an answer that makes no sense");
	tree_free(message);
}

/* Who comes second is turned away, or takes it from the first, whose connection ends then. */
static bool is_taken(const struct channel *channel, int r, const char *reason)
{
	const struct runtime *runtime = channel->session->runtime;

	if (!runtime->yields)
		return r == -EBUSY;
	if (channel->state == CHANNEL_CONNECTING)
		return false;
	if (runtime->yields_to != NULL)
		return r == 0 && strstr(reason, runtime->yields_to) != NULL;
	return r == 0 || r == -EBUSY || r == -ECONNRESET;
}

static void on_closed(void *owner, int r, const char *reason)
{
	struct channel *channel = owner;
	enum session_end end = SESSION_END_LOST;

	channel->ws = NULL;
	channel->owed = 0;
	channel->packets = NULL;
	if (channel->state == CHANNEL_GREETING && dialect_of(channel)->packets && r == -EPROTO)
		end = SESSION_END_NOT_INSPECTOR;
	if (is_taken(channel, r, reason))
		end = SESSION_END_TAKEN;
	if (channel->state == CHANNEL_CONNECTING) {
		if (r == -ECONNREFUSED)
			end = SESSION_END_REFUSED;
		else if (r == -EPROTO || r == -EACCES || r == -EINVAL)
			end = SESSION_END_NOT_INSPECTOR;
		else if (r == -ETIMEDOUT)
			end = SESSION_END_SILENT;
	}
	channel_fail(channel, end, "%s", reason);
}

static const struct ws_events ws_events = {
	.open = on_open,
	.message = on_message,
	.closed = on_closed,
};

static int open_ws(struct channel *channel)
{
	struct session *session = channel->session;
	const struct ws_limits limits = {
		.connect_ns = session->limits.connect_ns,
		.message_max = MESSAGE_BYTES_MAX,
		.send_queue_max = SEND_QUEUE_MAX,
	};

	return ws_open(&channel->ws, session->context->ws, &session->address, channel->path,
		       &limits, &ws_events, channel);
}

static const struct packet_link_events packet_events = {
	.open = on_open,
	.message = on_message,
	.closed = on_closed,
};

static int open_packets(struct channel *channel)
{
	struct session *session = channel->session;
	const struct packet_link_limits limits = {
		.connect_ns = session->limits.connect_ns,
		.message_max = MESSAGE_BYTES_MAX,
		.send_queue_max = SEND_QUEUE_MAX,
	};

	return packet_link_open(&channel->packets, session->context->loop, &session->address,
				&limits, &packet_events, channel);
}

static int open_link(struct channel *channel)
{
	struct partings *partings = channel->session->context->partings;
	int r = 0;

	if (dialect_of(channel)->packets)
		return open_packets(channel);
	if (partings != NULL)
		r = parting_new(&channel->parting, partings);
	return r == 0 ? open_ws(channel) : r;
}

int channel_open(struct channel *channel)
{
	int r;

	channel->next_id = 0;
	channel->collect_id = 0;
	channel->settled = false;
	channel->dialect_state = calloc(1, dialect_of(channel)->state_size);
	if (channel->dialect_state == NULL)
		return -ENOMEM;
	r = open_link(channel);
	if (r < 0) {
		parting_free(channel->parting);
		channel->parting = NULL;
		free(channel->dialect_state);
		channel->dialect_state = NULL;
		return r;
	}
	channel_enter(channel, CHANNEL_CONNECTING);
	return 0;
}

int channel_poll(struct channel *channel)
{
	channel->overdue = false;
	channel_enter(channel, CHANNEL_POLLING);
	return dialect_of(channel)->poll(channel);
}

int channel_collect(struct channel *channel, const char *isolate)
{
	int r = dialect_of(channel)->collect(channel, isolate);

	if (r == 0)
		channel_enter(channel, CHANNEL_COLLECTING);
	return r;
}

void channel_give_up_collecting(struct channel *channel)
{
	channel->collect_id = 0;
	if (channel->state == CHANNEL_COLLECTING)
		channel_enter(channel, CHANNEL_IDLE);
}

/* ---- for dialects ---- */

int channel_ask(struct channel *channel, const char *method, const char *params, int32_t *ret_id)
{
	return channel_ask_session(channel, NULL, method, params, ret_id);
}

int channel_ask_session(struct channel *channel, const char *session_id, const char *method,
			const char *params, int32_t *ret_id)
{
	struct buf text;
	int r;

	if (channel->ws == NULL)
		return -ENOTCONN;
	channel->next_id = channel->next_id < ID_MAX ? channel->next_id + 1 : 1;
	if (ret_id != NULL)
		*ret_id = channel->next_id;
	buf_init(&text, SEND_QUEUE_MAX);
	buf_printf(&text, "{\"id\":%d,\"method\":\"%s\"", channel->next_id, method);
	if (params != NULL)
		buf_printf(&text, ",\"params\":%s", params);
	if (session_id != NULL)
		buf_printf(&text, ",\"sessionId\":\"%s\"", session_id);
	r = buf_puts(&text, "}");
	if (r == 0)
		r = ws_send(channel->ws, text.data, text.size);
	if (r == 0)
		channel->session->bytes_out += text.size;
	if (r == 0 && channel->session->runtime->parts)
		channel->owed++;
	buf_fini(&text);
	return r;
}

int channel_send_packet(struct channel *channel, const char *text, size_t size)
{
	int r;

	if (channel->packets == NULL)
		return -ENOTCONN;
	r = packet_link_send(channel->packets, text, size);
	if (r == 0)
		channel->session->bytes_out += size;
	return r;
}

void channel_ready(struct channel *channel)
{
	if (channel->state != CHANNEL_GREETING)
		return;
	channel_enter(channel, CHANNEL_IDLE);
	session_channel_greeted(channel->session);
}

void channel_polled(struct channel *channel, enum session_activity activity, uint64_t rss_bytes)
{
	if (channel->state != CHANNEL_POLLING)
		return;
	channel->overdue = false;
	channel->ended[0] = '\0';
	channel_enter(channel, CHANNEL_IDLE);
	session_channel_polled(channel->session, activity, rss_bytes);
}

void channel_collected(struct channel *channel, const char *failure)
{
	if (channel->state != CHANNEL_COLLECTING)
		return;
	channel_enter(channel, CHANNEL_IDLE);
	session_channel_collected(channel->session, failure);
}

bool channel_answers_collection(struct channel *channel, int64_t id, const struct tree *answer)
{
	const char *failure = NULL;

	if (channel->collect_id == 0 || id != channel->collect_id)
		return false;
	channel->collect_id = 0;
	tree_string(answer, "error.message", &failure);
	channel_collected(channel, failure);
	return true;
}
