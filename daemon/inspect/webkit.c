/*
 * WebKit, polling half: pages of WebKitGTK and WPE by WEBKIT_INSPECTOR_HTTP_SERVER, and of iOS by
 * ios-webkit-debug-proxy. What is said to a page is the closed list of requests here and in
 * webkit_snapshot.c.
 *
 * A connection is to a page, but first to its browser: it says which target the page is
 * (Target.targetCreated), and carries the page's messages as strings in its own. When a navigation
 * swaps the page's process, another target takes over, which has none of our state; a poll under
 * way is asked anew there.
 *
 * The answer of the browser says only that it has passed a request on. The process of a page that
 * has crashed answers nothing, and nothing tells of it: it is a poll that stays overdue.
 *
 * A page is tracked for the one update that comes at once, then no more: each further one, twice a
 * second, would be work for the page. And a page that closes while it is tracked takes its process
 * along, with all other pages of that: the page that a navigation leaves behind closes, so that one
 * that another target is about to take over from is tracked no more, nor anew.
 *
 * A poll is over when the page has said that it tracks no more, for WPE 2.38 crashes when a client
 * leaves that something is still on its way to. For that reason the connection is parted from
 * (inspect/parting.h) once the page has confirmed that it tells nothing by itself any more.
 */

#include "inspect/webkit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/runtime.h"
#include "inspect/session.h"
#include "inspect/webkit_gc.h"
#include "json/tree.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/str.h"

enum { WRAPPED_MAX = 1024 };

struct webkit {
	char target[64]; /* "": the browser has named none */
	char provisional[64]; /* what may take over from it; "": nothing */
	int32_t next_id; /* of the page's stream of messages */
	int32_t track_id, stop_id; /* 0: nothing outstanding */
	bool probed;
	unsigned unpassed; /* requests of which the browser has not said that it passed them on */
	uint64_t asked_ns;
	struct sample sample; /* of the poll under way */
};

static struct webkit *webkit_of(struct channel *channel)
{
	return channel->dialect_state;
}

int webkit_wrap(struct buf *params, const char *target, int32_t id, const char *method)
{
	char message[160];
	int size = snprintf(message, sizeof(message), "{\"id\":%d,\"method\":\"%s\"}", (int)id,
			    method);

	buf_puts(params, "{\"targetId\":");
	json_quote(params, target, strlen(target));
	buf_puts(params, ",\"message\":");
	json_quote(params, message, (size_t)size);
	return buf_puts(params, "}");
}

static int ask_page(struct channel *channel, const char *method, int32_t *ret_id)
{
	struct webkit *webkit = webkit_of(channel);
	struct buf params;
	int r;

	buf_init(&params, WRAPPED_MAX);
	webkit->next_id = webkit->next_id < INT32_MAX ? webkit->next_id + 1 : 1;
	*ret_id = webkit->next_id;
	r = webkit_wrap(&params, webkit->target, *ret_id, method);
	if (r == 0)
		r = channel_ask(channel, "Target.sendMessageToTarget", buf_text(&params), NULL);
	if (r == 0) {
		channel->owed++; /* the page's own answer, besides the browser's */
		webkit->unpassed++;
	}
	buf_fini(&params);
	return r;
}

/* The browser speaks first. */
static int webkit_hello(struct channel *channel)
{
	webkit_of(channel)->next_id = webkit_first_id();
	return 0;
}

/* In each poll: a navigation may have swapped the process. The clock of the events is the page's.
 */
static int hear_of_collections(struct channel *channel)
{
	int32_t unused;
	int r = ask_page(channel, "Page.enable", &unused);

	return r == 0 ? ask_page(channel, "Heap.enable", &unused) : r;
}

/* Its answer ends the poll. */
static int stop_tracking(struct channel *channel)
{
	struct webkit *webkit = webkit_of(channel);

	webkit->track_id = 0;
	return ask_page(channel, "Memory.stopTracking", &webkit->stop_id);
}

static int track(struct channel *channel)
{
	struct webkit *webkit = webkit_of(channel);

	if (webkit->provisional[0] != '\0')
		return stop_tracking(channel);
	return ask_page(channel, "Memory.startTracking", &webkit->track_id);
}

static int webkit_poll(struct channel *channel)
{
	struct webkit *webkit = webkit_of(channel);
	int r = 0;

	webkit->asked_ns = clock_mono_ns();
	webkit->track_id = webkit->stop_id = 0;
	webkit->sample = (struct sample){ 0 };
	if (webkit->target[0] == '\0')
		return 0;
	if (channel->session->limits.gc_events)
		r = hear_of_collections(channel);
	return r == 0 ? track(channel) : r;
}

static void webkit_bye(struct channel *channel)
{
	struct webkit *webkit = webkit_of(channel);
	int32_t unused;

	if (webkit->target[0] == '\0')
		return;
	if (webkit->track_id != 0)
		(void)ask_page(channel, "Memory.stopTracking", &unused);
	if (!channel->session->limits.gc_events)
		return;
	(void)ask_page(channel, "Heap.disable", &unused);
	(void)ask_page(channel, "Page.disable", &unused);
}

static int webkit_collect(struct channel *channel, const char *isolate)
{
	struct webkit *webkit = webkit_of(channel);

	if (webkit->target[0] == '\0' || strcmp(isolate, channel->isolate) != 0)
		return -ENOENT;
	return ask_page(channel, "Heap.gc", &channel->collect_id);
}

/* ---- what the page says ---- */

/* The heap of its whole process, garbage included. */
static bool javascript_bytes(const struct tree *categories, uint64_t *ret)
{
	for (size_t i = 0; i < tree_size(categories); i++) {
		const struct tree *category = tree_at(categories, i);
		const char *type;

		if (tree_string(category, "type", &type) && strcmp(type, "javascript") == 0)
			return tree_uint(category, "size", ret);
	}
	return false;
}

static int updated(struct channel *channel, const struct tree *message)
{
	struct webkit *webkit = webkit_of(channel);
	uint64_t used;
	int r;

	if (channel->state != CHANNEL_POLLING || webkit->track_id == 0 ||
	    !javascript_bytes(tree_get(message, "params.event.categories"), &used))
		return 0;
	r = stop_tracking(channel);
	if (r < 0) {
		channel_cannot_send(channel, r);
		return 0;
	}
	webkit->sample = (struct sample){
		.wall_ms = clock_wall_ms(),
		.mono_ns = clock_mono_ns(),
		.round_trip_ns = clock_mono_ns() - webkit->asked_ns,
	};
	sample_set(&webkit->sample, SAMPLE_HEAP_USED, used);
	return 0;
}

static int page_said(struct channel *channel, const struct tree *message)
{
	struct webkit *webkit = webkit_of(channel);
	const char *method, *text;
	struct gc_event gc;
	int64_t id;

	if (tree_string(message, "method", &method)) {
		if (strcmp(method, "Heap.garbageCollected") == 0 &&
		    webkit_gc_read(tree_get(message, "params"), &gc))
			session_gc(channel->session, channel->isolate, &gc);
		return strcmp(method, "Memory.trackingUpdate") == 0 ? updated(channel, message) : 0;
	}
	if (!tree_int(message, "id", &id) || id <= 0 ||
	    channel_answers_collection(channel, id, message))
		return 0;
	if (id == webkit->stop_id) {
		webkit->stop_id = 0;
		if (webkit->sample.mono_ns != 0)
			session_sample(channel->session, channel->isolate, &webkit->sample);
		channel_polled(channel, ACTIVITY_UNKNOWN, 0);
	} else if (id == webkit->track_id && tree_string(message, "error.message", &text)) {
		channel_fail(channel, SESSION_END_PROTOCOL, "it does not tell its memory: %.80s",
			     text);
	}
	return 0;
}

static int dispatched(struct channel *channel, const struct tree *params)
{
	const char *target, *text;
	struct tree *message;
	int r;

	if (!tree_string(params, "targetId", &target) || !tree_string(params, "message", &text) ||
	    strcmp(target, webkit_of(channel)->target) != 0 ||
	    tree_parse(text, strlen(text), &message, NULL) < 0)
		return 0;
	r = page_said(channel, message);
	tree_free(message);
	return r;
}

/* ---- what the browser says ---- */

static int set_target(struct channel *channel, const char *target)
{
	struct webkit *webkit = webkit_of(channel);

	if (!str_copy(webkit->target, sizeof(webkit->target), target))
		return -EPROTO;
	if (channel->state == CHANNEL_POLLING)
		return webkit_poll(channel);
	channel_ready(channel);
	return 0;
}

static int created_provisional(struct channel *channel, const char *by)
{
	struct webkit *webkit = webkit_of(channel);

	if (!str_copy(webkit->provisional, sizeof(webkit->provisional), by))
		return -EPROTO;
	return webkit->track_id != 0 ? stop_tracking(channel) : 0;
}

static int committed(struct channel *channel, const char *target)
{
	webkit_of(channel)->provisional[0] = '\0';
	return set_target(channel, target);
}

static void destroyed(struct webkit *webkit, const char *target)
{
	if (strcmp(target, webkit->target) == 0)
		webkit->target[0] = '\0';
	if (strcmp(target, webkit->provisional) == 0)
		webkit->provisional[0] = '\0';
}

/* A provisional one counts when it is committed. Which of the two is told first is not said. */
static int created(struct channel *channel, const struct tree *params)
{
	const char *target, *type = "";
	bool provisional = false;

	tree_string(params, "targetInfo.type", &type);
	tree_bool(params, "targetInfo.isProvisional", &provisional);
	if (strcmp(type, "page") != 0 || !tree_string(params, "targetInfo.targetId", &target))
		return 0;
	return provisional ? created_provisional(channel, target) : set_target(channel, target);
}

static bool has_no_targets(const struct tree *message)
{
	const char *text;

	return tree_string(message, "error.message", &text) &&
	       strstr(text, "'Target' domain was not found") != NULL;
}

static int webkit_message(struct channel *channel, const struct tree *message)
{
	const struct tree *params = tree_get(message, "params");
	const char *method, *target;

	if (!tree_string(message, "method", &method)) {
		webkit_of(channel)->unpassed = 0;
		if (has_no_targets(message))
			channel_fail(channel, SESSION_END_PROTOCOL,
				     "not supported by %s: it speaks the protocol of before iOS "
				     "12.2",
				     channel->session->runtime->name);
		return 0;
	}
	if (strcmp(method, "Target.dispatchMessageFromTarget") == 0)
		return dispatched(channel, params);
	if (strcmp(method, "Target.targetCreated") == 0)
		return created(channel, params);
	if (strcmp(method, "Target.didCommitProvisionalTarget") == 0)
		return tree_string(params, "newTargetId", &target) ? committed(channel, target) : 0;
	if (strcmp(method, "Target.targetDestroyed") == 0 &&
	    tree_string(params, "targetId", &target))
		destroyed(webkit_of(channel), target);
	return 0;
}

/* Of the browser, or of the page. */
static bool webkit_answers(const struct tree *message)
{
	struct tree *inner;
	const char *text;
	bool answers;
	int64_t id;

	if (tree_int(message, "id", &id))
		return true;
	if (!tree_string(message, "params.message", &text) ||
	    tree_parse(text, strlen(text), &inner, NULL) < 0)
		return false;
	answers = tree_int(inner, "id", &id);
	tree_free(inner);
	return answers;
}

/*
 * A browser that greets by a Target that is there already knows this domain, if no such method; a
 * page that is spoken to without a browser in between knows neither.
 */
static void webkit_probe(struct channel *channel)
{
	struct webkit *webkit = webkit_of(channel);

	if (!webkit->probed)
		(void)channel_ask(channel, "Target.exists", NULL, NULL);
	webkit->probed = true;
}

/* It greets by itself, whatever the page does. */
static bool webkit_lost(const struct channel *channel)
{
	const struct webkit *webkit = channel->dialect_state;

	return channel->state == CHANNEL_GREETING || webkit->unpassed > 0;
}

const struct dialect dialect_webkit = {
	.name = "webkit",
	.state_size = sizeof(struct webkit),
	.found = webkit_found,
	.listed = webkit_listed,
	.hello = webkit_hello,
	.poll = webkit_poll,
	.message = webkit_message,
	.answers = webkit_answers,
	.probe = webkit_probe,
	.lost = webkit_lost,
	.bye = webkit_bye,
	.collect = webkit_collect,
	.download_size = sizeof(struct webkit_snapshot),
	.snapshot_begin = webkit_snapshot_begin,
	.snapshot_event = webkit_snapshot_event,
	.snapshot_message_end = webkit_snapshot_message_end,
	.snapshot_overdue = webkit_snapshot_overdue,
	.snapshot_woken = webkit_snapshot_woken,
	.snapshot_finish = webkit_snapshot_finish,
};
