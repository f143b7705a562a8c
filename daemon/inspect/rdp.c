/*
 * Firefox's Remote Debugging Protocol: greeting and polling
 *
 * All that is ever said to a Firefox here:
 *
 *   root               getRoot, listTabs, listProcesses
 *   deviceActor        getDescription
 *   a tab or process   getTarget
 *   memoryActor        measure                  of a tab
 *                      attach                   of a tab, to be told of its collections
 *                      residentUnique           of a content process
 *                      forceGarbageCollection   when asked to
 *
 * Firefox speaks first. Tabs and content processes are listed anew at each poll. The target of one
 * is got once and kept, for each getTarget makes a new set of actors in the content process; it is
 * got anew when Firefox says that it is gone, when the tab has another browsing context, or when
 * it has not answered for long. A tab is named by its browserId, which stays the same when the tab
 * goes to another process.
 *
 * The process of the browser itself is not looked at: its target would watch the whole window, and
 * to measure it stops the browser for a tenth of a second.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/rdp_calls.h"
#include "inspect/rdp_gc.h"
#include "inspect/rdp_snapshot.h"
#include "json/tree.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"

enum {
	CALLS_MAX = 1024,
	REQUEST_MAX = 512,
	ABOUT_ROOT = 0, /* the places count from 1 */
};

/* After this a target that does not answer is believed to be gone without a word. */
#define SILENCE_MAX_NS (30 * NS_PER_S)

/* The descriptor, in the browser itself, does not go: what it was asked may still be answered. */
#define GETTING_MAX_NS (300 * NS_PER_S)

static const char collect_type[] = "forceGarbageCollection";

/* A tab or a content process. */
struct place {
	struct link link;
	uint64_t id; /* of the calls about it */
	bool is_tab, listed;
	char isolate[64];
	char url[ISOLATE_PAGE_MAX]; /* cut; "" of a process */
	char descriptor[RDP_ACTOR_MAX];
	char memory[RDP_ACTOR_MAX]; /* "" before its target is got */
	int64_t context; /* browsing context of a tab */
	int64_t pid;
	uint64_t asked_ns;
	bool waited_for; /* in this poll */
	bool sampled; /* in this poll */
	struct sample sample;
};

struct rdp {
	bool greeted, has_places; /* has_places: the list below is initialised */
	struct rdp_calls calls;
	struct rdp_call *call; /* owned */
	struct link places;
	uint64_t next_id;
	bool alive; /* root has answered in this poll */
};

static struct rdp *rdp_of(struct channel *channel)
{
	return channel->dialect_state;
}

static struct place *place_of(struct link *link)
{
	return container_of(link, struct place, link);
}

static int ask(struct channel *channel, const char *actor, const char *type, uint64_t about)
{
	struct rdp *rdp = rdp_of(channel);
	struct buf buf;
	int r = rdp_calls_add(&rdp->calls, actor, type, about);

	if (r < 0)
		return r;
	buf_init(&buf, REQUEST_MAX);
	r = rdp_compose(&buf, actor, type, NULL, NULL);
	if (r == 0)
		r = channel_send_packet(channel, buf.data, buf.size);
	buf_fini(&buf);
	return r;
}

/* ---- greeting ---- */

static int rdp_found(struct session *session, const char *list, size_t size, struct err *err)
{
	(void)list, (void)size, (void)err;
	return session_offer(session, "", "");
}

static int rdp_hello(struct channel *channel)
{
	struct rdp *rdp = rdp_of(channel);

	rdp->call = calloc(CALLS_MAX, sizeof(*rdp->call));
	if (rdp->call == NULL)
		return -ENOMEM;
	rdp_calls_init(&rdp->calls, rdp->call, CALLS_MAX);
	link_init(&rdp->places);
	rdp->has_places = true;
	return 0;
}

static int greeted(struct channel *channel, const struct tree *packet)
{
	struct rdp *rdp = rdp_of(channel);

	if (!rdp_is_hello(packet)) {
		channel_fail(channel, SESSION_END_NOT_INSPECTOR,
			     "it does not greet as a Firefox does");
		return 0;
	}
	rdp->greeted = true;
	return ask(channel, "root", "getRoot", ABOUT_ROOT);
}

static int take_root(struct channel *channel, const struct tree *packet)
{
	char device[RDP_ACTOR_MAX];

	if (!rdp_actor(packet, "deviceActor", device))
		return -EPROTO;
	return ask(channel, device, "getDescription", ABOUT_ROOT);
}

static void take_description(struct channel *channel, const struct tree *packet)
{
	struct identity *identity = &channel->session->identity;
	const char *text;

	str_copy(identity->runtime, sizeof(identity->runtime), "firefox");
	str_copy(identity->engine, sizeof(identity->engine), "spidermonkey");
	if (tree_string(packet, "value.version", &text))
		str_copy(identity->runtime_version, sizeof(identity->runtime_version), text);
	if (tree_string(packet, "value.platformversion", &text))
		str_copy(identity->engine_version, sizeof(identity->engine_version), text);
	channel_ready(channel);
}

/* ---- places ---- */

static struct place *find_place(struct rdp *rdp, uint64_t id)
{
	list_each (link, &rdp->places)
		if (place_of(link)->id == id)
			return place_of(link);
	return NULL;
}

static void forget_target(struct rdp *rdp, struct place *place)
{
	rdp_calls_drop_actor(&rdp->calls, place->memory);
	place->memory[0] = '\0';
	place->waited_for = false;
}

static void drop_place(struct channel *channel, struct place *place)
{
	rdp_calls_drop(&rdp_of(channel)->calls, place->id);
	session_isolate_gone(channel->session, place->isolate);
	link_remove(&place->link);
	free(place);
}

static struct place *need_place(struct channel *channel, const char *isolate, bool is_tab)
{
	struct rdp *rdp = rdp_of(channel);
	struct place *place;
	unsigned n = 0;

	list_each (link, &rdp->places) {
		if (strcmp(place_of(link)->isolate, isolate) == 0)
			return place_of(link);
		n++;
	}
	if (n >= channel->session->limits.isolates_max)
		return NULL;
	place = calloc(1, sizeof(*place));
	if (place == NULL)
		return NULL;
	place->id = ++rdp->next_id;
	place->is_tab = is_tab;
	str_copy(place->isolate, sizeof(place->isolate), isolate);
	list_append(&rdp->places, &place->link);
	return place;
}

static void take_entry(struct channel *channel, const struct tree *entry, bool is_tab)
{
	struct rdp *rdp = rdp_of(channel);
	char isolate[RDP_ISOLATE_MAX], descriptor[RDP_ACTOR_MAX];
	struct place *place;
	const char *url = "";
	int64_t context = 0;

	if (!(is_tab ? rdp_tab_name(entry, isolate) : rdp_process_name(entry, isolate)) ||
	    !rdp_actor(entry, "actor", descriptor))
		return;
	place = need_place(channel, isolate, is_tab);
	if (place == NULL)
		return;
	tree_string(entry, "url", &url);
	snprintf(place->url, sizeof(place->url), "%s", url);
	tree_int(entry, "browsingContextID", &context);
	/* The tab is somewhere else now, and what the old target was asked may stay unanswered. */
	if (context != place->context)
		forget_target(rdp, place);
	if (strcmp(place->descriptor, descriptor) != 0) {
		rdp_calls_drop(&rdp->calls, place->id);
		str_copy(place->descriptor, sizeof(place->descriptor), descriptor);
		place->memory[0] = '\0';
	}
	place->context = context;
	place->listed = true;
}

static int poll_place(struct channel *channel, struct place *place)
{
	struct rdp *rdp = rdp_of(channel);
	uint64_t now_ns = clock_mono_ns();

	if (rdp_calls_of(&rdp->calls, place->id) > 0) {
		/* Asking again would only fill its queue, until it cannot be there any more. */
		if (now_ns - place->asked_ns <
		    (place->memory[0] == '\0' ? GETTING_MAX_NS : SILENCE_MAX_NS))
			return 0;
		rdp_calls_drop(&rdp->calls, place->id);
		place->memory[0] = '\0';
	}
	place->asked_ns = now_ns;
	place->waited_for = true;
	if (place->memory[0] == '\0')
		return ask(channel, place->descriptor, "getTarget", place->id);
	return ask(channel, place->memory, place->is_tab ? "measure" : "residentUnique", place->id);
}

static int take_list(struct channel *channel, const struct tree *list, bool is_tab)
{
	struct rdp *rdp = rdp_of(channel);
	int r = 0;

	rdp->alive = true;
	if (!tree_is_array(list))
		return -EPROTO;
	list_each (link, &rdp->places)
		place_of(link)->listed &= place_of(link)->is_tab != is_tab;
	for (size_t i = 0; i < tree_size(list); i++)
		take_entry(channel, tree_at(list, i), is_tab);
	list_each_safe (link, &rdp->places) {
		struct place *place = place_of(link);

		if (place->is_tab != is_tab)
			continue;
		if (!place->listed)
			drop_place(channel, place);
		else if (r == 0)
			r = poll_place(channel, place);
	}
	return r;
}

/* ---- what a place says ---- */

static int take_target(struct channel *channel, struct place *place, const struct tree *packet)
{
	const struct tree *form = tree_get(packet, place->is_tab ? "frame" : "process");

	if (!rdp_actor(form, "memoryActor", place->memory)) {
		place->memory[0] = '\0';
		place->waited_for = false;
		return 0;
	}
	tree_int(form, "processID", &place->pid);
	if (place->is_tab && channel->session->limits.gc_events)
		return ask(channel, place->memory, "attach", place->id);
	return poll_place(channel, place);
}

static void take_measures(struct place *place, const struct tree *packet)
{
	struct sample *sample = &place->sample;
	uint64_t objects, strings, dom, style, other, value;

	*sample = (struct sample){
		.mono_ns = clock_mono_ns(),
		.wall_ms = clock_wall_ms(),
		.pid = place->pid,
	};
	sample->round_trip_ns = sample->mono_ns - place->asked_ns;
	if (tree_uint(packet, "jsObjectsSize", &objects) &&
	    tree_uint(packet, "jsStringsSize", &strings) &&
	    tree_uint(packet, "jsOtherSize", &other))
		sample_set(sample, SAMPLE_HEAP_USED, objects + strings + other);
	if (tree_uint(packet, "domSize", &dom) && tree_uint(packet, "styleSize", &style) &&
	    tree_uint(packet, "otherSize", &other))
		sample_set(sample, SAMPLE_EMBEDDER_USED, dom + style + other);
	if (tree_uint(packet, "value", &value))
		sample_set(sample, SAMPLE_UNIQUE, value);
	place->sampled = sample->present != 0;
	place->waited_for = false;
}

static void collected(struct channel *channel, const struct tree *packet)
{
	const char *failure = NULL;

	tree_string(packet, "error", &failure);
	tree_string(packet, "message", &failure);
	channel_collected(channel, failure);
}

static int place_said(struct channel *channel, struct place *place, const struct rdp_call *call,
		      const struct tree *packet)
{
	if (strcmp(call->type, collect_type) == 0) {
		collected(channel, packet);
		return 0;
	}
	if (tree_get(packet, "error") != NULL) {
		/* Most likely noSuchActor: its process has ended, or the tab has left it. */
		forget_target(rdp_of(channel), place);
		return 0;
	}
	if (strcmp(call->type, "getTarget") == 0)
		return take_target(channel, place, packet);
	if (strcmp(call->type, "attach") == 0)
		return poll_place(channel, place);
	take_measures(place, packet);
	return 0;
}

/* ---- polling ---- */

static int rdp_poll(struct channel *channel)
{
	struct rdp *rdp = rdp_of(channel);
	int r;

	rdp->alive = false;
	list_each (link, &rdp->places) {
		place_of(link)->sampled = false;
		place_of(link)->waited_for = false;
	}
	r = ask(channel, "root", "listTabs", ABOUT_ROOT);
	return r < 0 ? r : ask(channel, "root", "listProcesses", ABOUT_ROOT);
}

static bool publish(struct channel *channel, bool tabs)
{
	bool any = false;

	list_each (link, &rdp_of(channel)->places) {
		struct place *place = place_of(link);

		if (!place->sampled || place->is_tab != tabs)
			continue;
		session_sample(channel->session, place->isolate, &place->sample);
		if (place->url[0] != '\0')
			session_isolate_shows(channel->session, place->isolate, place->url);
		place->sampled = false;
		any = true;
	}
	return any;
}

/* Tabs first: where no isolate is named, the first that appeared is meant. */
static void complete(struct channel *channel)
{
	publish(channel, true);
	publish(channel, false);
	channel_polled(channel, ACTIVITY_UNKNOWN, 0);
}

static unsigned places_waited_for(const struct rdp *rdp)
{
	unsigned n = 0;

	list_each (link, &rdp->places)
		n += place_of(link)->waited_for;
	return n;
}

static bool any_sampled(const struct rdp *rdp)
{
	list_each (link, &rdp->places)
		if (place_of(link)->sampled)
			return true;
	return false;
}

/* The state may be gone when this returns. */
static void complete_if_answered(struct channel *channel)
{
	const struct rdp *rdp = rdp_of(channel);

	if (channel->state != CHANNEL_POLLING || rdp_calls_of(&rdp->calls, ABOUT_ROOT) > 0)
		return;
	if (places_waited_for(rdp) == 0 || (channel->session->late && any_sampled(rdp)))
		complete(channel);
}

static bool rdp_enough(struct channel *channel)
{
	const struct rdp *rdp = rdp_of(channel);

	if (rdp_calls_of(&rdp->calls, ABOUT_ROOT) > 0 || !any_sampled(rdp))
		return false;
	complete(channel);
	return true;
}

static bool rdp_alive(struct channel *channel)
{
	return rdp_of(channel)->alive;
}

static int rdp_collect(struct channel *channel, const char *isolate)
{
	struct rdp *rdp = rdp_of(channel);

	list_each (link, &rdp->places) {
		struct place *place = place_of(link);

		if (strcmp(place->isolate, isolate) == 0 && place->memory[0] != '\0')
			return ask(channel, place->memory, collect_type, place->id);
	}
	return -ENOENT;
}

/* ---- packets ---- */

/* All below the prefix is gone with its process, and answers nothing any more. */
static void forwarding_cancelled(struct rdp *rdp, const char *prefix)
{
	rdp_calls_cancel(&rdp->calls, prefix);
	list_each (link, &rdp->places)
		if (rdp_is_below(place_of(link)->memory, prefix))
			forget_target(rdp, place_of(link));
}

static int answered(struct channel *channel, const struct rdp_call *call, const struct tree *packet)
{
	struct rdp *rdp = rdp_of(channel);
	struct place *place = find_place(rdp, call->about);

	if (place != NULL)
		return place_said(channel, place, call, packet);
	if (strcmp(call->type, "getRoot") == 0)
		return take_root(channel, packet);
	if (strcmp(call->type, "listTabs") == 0)
		return take_list(channel, tree_get(packet, "tabs"), true);
	if (strcmp(call->type, "listProcesses") == 0)
		return take_list(channel, tree_get(packet, "processes"), false);
	if (strcmp(call->type, "getDescription") == 0)
		take_description(channel, packet);
	return 0;
}

static void take_gc(struct channel *channel, const struct tree *packet)
{
	size_t slices = rdp_gc_slices(packet);
	const char *from = "";
	struct gc_event gc;

	tree_string(packet, "from", &from);
	list_each (link, &rdp_of(channel)->places) {
		const struct place *place = place_of(link);

		for (size_t i = 0;
		     from[0] != '\0' && strcmp(place->memory, from) == 0 && i < slices; i++)
			if (rdp_gc_read(packet, i, &gc))
				session_gc(channel->session, place->isolate, &gc);
	}
}

static int rdp_message(struct channel *channel, const struct tree *packet)
{
	struct rdp *rdp = rdp_of(channel);
	struct rdp_call call;
	const char *prefix;
	int r = 0;

	if (!rdp->greeted)
		return greeted(channel, packet);
	if (rdp_calls_take(&rdp->calls, packet, &call))
		r = answered(channel, &call, packet);
	else if (rdp_is_cancelled(packet, &prefix))
		forwarding_cancelled(rdp, prefix);
	else
		take_gc(channel, packet);
	if (r == 0)
		complete_if_answered(channel);
	return r;
}

static void rdp_forget(struct channel *channel)
{
	struct rdp *rdp = rdp_of(channel);

	if (rdp->has_places)
		list_each_safe (link, &rdp->places)
			free(place_of(link));
	free(rdp->call);
}

const struct dialect dialect_rdp = {
	.name = "rdp",
	.packets = true,
	.state_size = sizeof(struct rdp),
	.found = rdp_found,
	.hello = rdp_hello,
	.poll = rdp_poll,
	.message = rdp_message,
	.enough = rdp_enough,
	.alive = rdp_alive,
	.collect = rdp_collect,
	.forget = rdp_forget,
	.download_size = sizeof(struct rdp_snapshot),
	.snapshot_begin = rdp_snapshot_begin,
	.snapshot_packet = rdp_snapshot_packet,
	.snapshot_bulk = rdp_snapshot_bulk,
	.snapshot_data = rdp_snapshot_data,
	.snapshot_overdue = rdp_snapshot_overdue,
	.snapshot_woken = rdp_snapshot_woken,
	.snapshot_finish = rdp_snapshot_finish,
};
