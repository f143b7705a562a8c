/*
 * Bun, polling half: the WebKit inspector protocol without its domains of memory, so that all that
 * is known is what an expression tells. What is said to it is the closed list of requests here and
 * in bun_snapshot.c.
 *
 * Three things make an attached client harmless. The upgrade has `Ref-Event-Loop: 0`
 * (net/upgrade.h), or a program that is done would wait for us to leave. The answers to other
 * clients come to us too, and ours to them: so ids begin at a random number and what is not ours is
 * ignored. And no domain is enabled but, where it is asked for, Heap for its collections, because
 * when any client leaves, those of all are disabled.
 */

#include "inspect/bun.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/session.h"
#include "inspect/webkit_gc.h"
#include "json/tree.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"

static const char identity_expression[] =
	"(()=>{try{const p=globalThis.process;return{pid:p.pid,version:p.versions.bun,"
	"webkit:p.versions.webkit,start:performance.timeOrigin,age:performance.now()}}"
	"catch(e){return null}})()";

static const char values_expression[] =
	"(()=>{try{return globalThis.process.memoryUsage()}catch(e){return null}})()";

struct bun {
	int32_t identity_id, values_id; /* 0: nothing outstanding */
	uint64_t asked_ns;
};

static struct bun *bun_of(struct channel *channel)
{
	return channel->dialect_state;
}

void bun_evaluate(char *dst, size_t size, const char *expression)
{
	snprintf(dst, size, "{\"expression\":\"%s\",\"returnByValue\":true}", expression);
}

static int ask_evaluate(struct channel *channel, const char *expression, int32_t *ret_id)
{
	char params[1024];

	bun_evaluate(params, sizeof(params), expression);
	return channel_ask(channel, "Runtime.evaluate", params, ret_id);
}

/* The path cannot be found out, except that of a unix socket, where any will do. */
static int bun_found(struct session *session, const char *list, size_t size, struct err *err)
{
	const struct address *address = &session->address;

	(void)list;
	(void)size;
	if (!session->limits.evaluate)
		return err_set(err, -ENOENT,
			       "not supported by bun %s: evaluate: never, for it tells its memory "
			       "to an expression only",
			       session->identity.runtime_version);
	if (address->family == ADDRESS_UNIX)
		return session_offer(session, "", "/");
	if (address->path[0] == '\0')
		return err_set(err, -ENOENT,
			       "Bun does not tell the path of its inspector: give the address as "
			       "ws://host:port/path, with a path of your own in --inspect");
	return session_offer(session, "", address->path);
}

static int bun_hello(struct channel *channel)
{
	channel->next_id = webkit_first_id();
	return ask_evaluate(channel, identity_expression, &bun_of(channel)->identity_id);
}

static int bun_poll(struct channel *channel)
{
	struct bun *bun = bun_of(channel);

	/* Any client that leaves switches it off for all, and again it does no harm. */
	int r = channel->session->limits.gc_events ? channel_ask(channel, "Heap.enable", NULL, NULL)
						   : 0;

	if (r < 0)
		return r;
	bun->asked_ns = clock_mono_ns();
	return ask_evaluate(channel, values_expression, &bun->values_id);
}

static void take_identity(struct identity *identity, const struct tree *value)
{
	const char *text;

	tree_int(value, "pid", &identity->pid);
	identity_take_start(identity, value);
	if (tree_string(value, "version", &text))
		str_copy(identity->runtime_version, sizeof(identity->runtime_version), text);
	if (tree_string(value, "webkit", &text))
		str_copy(identity->engine_version, sizeof(identity->engine_version), text);
}

/*
 * heapUsed holds what is external, heapTotal does not: the two sizes of one heap are heapUsed, and
 * heapTotal with external (JSC's own heapCapacity to 0.03 %). Until the next collection external
 * may not be counted in heapUsed yet.
 */
static void take_values(struct sample *sample, const struct tree *value)
{
	uint64_t used, total, external, buffers;

	if (!tree_uint(value, "heapUsed", &used))
		return;
	sample_set(sample, SAMPLE_HEAP_USED, used);
	if (tree_uint(value, "external", &external))
		sample_set(sample, SAMPLE_EXTERNAL, external);
	if (sample_has(sample, SAMPLE_EXTERNAL) && tree_uint(value, "heapTotal", &total))
		sample_set(sample, SAMPLE_HEAP_SIZE, total + external);
	if (tree_uint(value, "arrayBuffers", &buffers))
		sample_set(sample, SAMPLE_ARRAY_BUFFERS, buffers);
}

static int values_answered(struct channel *channel, const struct tree *value)
{
	struct bun *bun = bun_of(channel);
	struct sample sample = {
		.mono_ns = clock_mono_ns(),
		.wall_ms = clock_wall_ms(),
		.round_trip_ns = clock_mono_ns() - bun->asked_ns,
	};
	uint64_t rss_bytes = 0;

	take_values(&sample, value);
	if (!sample_has(&sample, SAMPLE_HEAP_USED))
		return -EPROTO;
	tree_uint(value, "rss", &rss_bytes);
	session_sample(channel->session, "main", &sample);
	channel_polled(channel, ACTIVITY_UNKNOWN, rss_bytes);
	return 0;
}

/* Only what was asked for, once: an answer to another client may have any id. */
static int bun_message(struct channel *channel, const struct tree *message)
{
	const struct tree *value = tree_get(message, "result.result.value");
	struct bun *bun = bun_of(channel);
	const char *method;
	struct gc_event gc;
	int64_t id;

	if (tree_string(message, "method", &method)) {
		if (strcmp(method, "Heap.garbageCollected") == 0 &&
		    webkit_gc_read(tree_get(message, "params"), &gc))
			session_gc(channel->session, "main", &gc);
		return 0;
	}
	if (!tree_int(message, "id", &id) || id <= 0 ||
	    channel_answers_collection(channel, id, message))
		return 0;
	if (id == bun->identity_id) {
		bun->identity_id = 0;
		take_identity(&channel->session->identity, value);
		channel_ready(channel);
	} else if (id == bun->values_id) {
		bun->values_id = 0;
		return values_answered(channel, value);
	}
	return 0;
}

static int bun_collect(struct channel *channel, const char *isolate)
{
	if (strcmp(isolate, "main") != 0)
		return -ENOENT;
	return channel_ask(channel, "Heap.gc", NULL, &channel->collect_id);
}

static int bun_settle(struct channel *channel)
{
	return ask_evaluate(channel, bun_free_expression, NULL);
}

const struct dialect dialect_bun = {
	.name = "webkit",
	.state_size = sizeof(struct bun),
	.found = bun_found,
	.hello = bun_hello,
	.poll = bun_poll,
	.message = bun_message,
	.settle = bun_settle,
	.collect = bun_collect,
	.download_size = sizeof(struct bun_snapshot),
	.snapshot_begin = bun_snapshot_begin,
	.snapshot_event = bun_snapshot_event,
	.snapshot_message_end = bun_snapshot_message_end,
	.snapshot_overdue = bun_snapshot_overdue,
	.snapshot_woken = bun_tracking_woken,
	.snapshot_finish = bun_snapshot_finish,
};
