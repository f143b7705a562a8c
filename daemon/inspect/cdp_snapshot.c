/*
 * Heap snapshots over CDP
 *
 * All that is ever said to a target here:
 *
 *   NodeRuntime.enable
 *   NodeRuntime.notifyWhenWaitingForDisconnect {"enabled":true}
 *   HeapProfiler.takeHeapSnapshot {"reportProgress":true}
 *   HeapProfiler.disable
 *   NodeWorker.enable {"waitForDebuggerOnStart":false}
 *   NodeWorker.sendMessageToWorker {"sessionId":...,"message":"one of the two HeapProfiler ones"}
 *
 * The first two ask to be told when the program wants to exit, which it cannot while we stay;
 * runtimes that do not know them answer with an error that means nothing. Taking a snapshot leaves
 * V8 tracking object ids, which costs the program most of its allocation speed: disable ends that.
 * It needs no enable before it.
 *
 * What a piece of text belongs to is told by its path in the message, as it comes: the members that
 * matter are few, short and known, and everything else passes unseen. The answer that ends a
 * snapshot is told by its id alone, because runtimes disagree about what else is in it.
 *
 * A worker thread speaks through the main one: each of its messages is a string inside a message.
 * A second scanner reads those strings in pieces, so that this costs memory only once more.
 */

#include "inspect/cdp_snapshot.h"

#include <errno.h>
#include <string.h>

#include "inspect/download.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/str.h"

enum { RELAY_MAX_BYTES = 1024 };

enum field {
	FIELD_NONE,
	FIELD_ROOT,
	FIELD_ID,
	FIELD_METHOD,
	FIELD_ERROR,
	FIELD_ERROR_TEXT,
	FIELD_PARAMS,
	FIELD_CHUNK,
	FIELD_DONE,
	FIELD_TOTAL,
	FIELD_SESSION,
	FIELD_NESTED,
	FIELD_WORKER,
	FIELD_TITLE,
};

static const struct {
	enum field in, field;
	const char *name;
} members[] = {
	{ FIELD_ROOT, FIELD_ID, "id" },
	{ FIELD_ROOT, FIELD_METHOD, "method" },
	{ FIELD_ROOT, FIELD_ERROR, "error" },
	{ FIELD_ROOT, FIELD_PARAMS, "params" },
	{ FIELD_ERROR, FIELD_ERROR_TEXT, "message" },
	{ FIELD_PARAMS, FIELD_CHUNK, "chunk" },
	{ FIELD_PARAMS, FIELD_DONE, "done" },
	{ FIELD_PARAMS, FIELD_TOTAL, "total" },
	{ FIELD_PARAMS, FIELD_SESSION, "sessionId" },
	{ FIELD_PARAMS, FIELD_NESTED, "message" },
	{ FIELD_PARAMS, FIELD_WORKER, "workerInfo" },
	{ FIELD_WORKER, FIELD_TITLE, "title" },
};

static const char chunk_method[] = "HeapProfiler.addHeapSnapshotChunk";
static const char progress_method[] = "HeapProfiler.reportHeapSnapshotProgress";
static const char take_method[] = "HeapProfiler.takeHeapSnapshot";
static const char take_params[] = "{\"reportProgress\":true}";
static const char disable_method[] = "HeapProfiler.disable";
static const char attached_method[] = "NodeWorker.attachedToWorker";
static const char detached_method[] = "NodeWorker.detachedFromWorker";
static const char relayed_method[] = "NodeWorker.receivedMessageFromWorker";
static const char exiting_method[] = "NodeRuntime.waitingForDisconnect";

static enum field member_find(enum field in, const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (members[i].in == in && strlen(members[i].name) == size &&
		    memcmp(members[i].name, name, size) == 0)
			return members[i].field;
	}
	return FIELD_NONE;
}

static bool is_text(const struct json_event *event)
{
	return event->kind == JSON_STRING || event->kind == JSON_STRING_PART;
}

/* A text may come in pieces; what does not fit is dropped. */
static void gather(char *dst, size_t size, const struct json_event *event)
{
	size_t used = strlen(dst), more = event->size;

	if (more > size - 1 - used)
		more = size - 1 - used;
	memcpy(dst + used, event->text, more);
	dst[used + more] = '\0';
}

static void hear_text(struct cdp_message *message, enum field field, const struct json_event *event)
{
	if (field == FIELD_METHOD)
		gather(message->method, sizeof(message->method), event);
	else if (field == FIELD_ERROR_TEXT)
		gather(message->text, sizeof(message->text), event);
	else if (field == FIELD_SESSION)
		gather(message->session, sizeof(message->session), event);
	else if (field == FIELD_TITLE)
		gather(message->title, sizeof(message->title), event);
}

static void hear_integer(struct cdp_message *message, enum field field, int64_t value)
{
	if (field == FIELD_ID) {
		message->has_id = true;
		message->id = value;
	} else if (field == FIELD_DONE) {
		message->done = value;
	} else if (field == FIELD_TOTAL) {
		message->total = value;
	}
}

/* What a message begins with makes it a new one, whatever the one before it was. */
static bool begins_message(const struct json_event *event)
{
	return event->depth == 0 && event->kind != JSON_OBJECT_END && event->kind != JSON_ARRAY_END;
}

/* Keep what matters of one event; the member it is the value of, or FIELD_NONE. */
static enum field hear(struct cdp_message *message, const struct json_event *event)
{
	unsigned depth = event->depth;
	enum field field;

	if (begins_message(event))
		*message = (struct cdp_message){ 0 };
	if (depth >= CDP_PATH_MAX)
		return FIELD_NONE;
	if (event->kind == JSON_KEY) {
		message->at[depth] =
			(uint8_t)member_find(message->at[depth - 1], event->text, event->size);
		return FIELD_NONE;
	}
	if (depth == 0 && event->kind == JSON_OBJECT)
		message->at[0] = FIELD_ROOT;
	field = message->at[depth];
	if ((event->kind == JSON_OBJECT || event->kind == JSON_ARRAY) && depth + 1 < CDP_PATH_MAX)
		message->at[depth + 1] = FIELD_NONE; /* the items of an array have no names */
	if (event->kind == JSON_OBJECT && field == FIELD_ERROR)
		message->failed = true;
	if (is_text(event))
		hear_text(message, field, event);
	else if (event->kind == JSON_INTEGER)
		hear_integer(message, field, event->integer);
	return field;
}

static int chunk(struct download *download, const struct cdp_message *message,
		 const struct json_event *event)
{
	struct cdp_snapshot *state = download->state;

	if (message->method[0] == '\0')
		return err_set(download->err, -EPROTO,
			       "a message has its params before its method");
	if (strcmp(message->method, chunk_method) != 0)
		return 0;
	if (event->size > 0)
		state->last = event->text[event->size - 1];
	return download_piece(download, DOWNLOAD_SNAPSHOT, event->text, event->size);
}

static int refused(struct download *download, const char *method, const struct cdp_message *message)
{
	return err_set(download->err, DOWNLOAD_E_REFUSED, "%s: %s", method,
		       message->text[0] != '\0' ? message->text : "refused without a reason");
}

static int relay(struct download *download, const char *method, const char *params, int32_t *ret_id)
{
	struct cdp_snapshot *state = download->state;
	struct buf inner, outer;
	int r;

	buf_init(&inner, RELAY_MAX_BYTES);
	buf_init(&outer, RELAY_MAX_BYTES);
	r = download_compose(download, &inner, method, params, ret_id);
	if (r == 0) {
		buf_puts(&outer, "{\"sessionId\":");
		json_quote(&outer, state->session, strlen(state->session));
		buf_puts(&outer, ",\"message\":");
		json_quote(&outer, inner.data, inner.size);
		r = buf_puts(&outer, "}");
	}
	if (r == 0)
		r = download_ask(download, "NodeWorker.sendMessageToWorker", buf_text(&outer),
				 &state->relay_id);
	buf_fini(&inner);
	buf_fini(&outer);
	return r;
}

static int ask_isolate(struct download *download, const char *method, const char *params,
		       int32_t *ret_id)
{
	const struct cdp_snapshot *state = download->state;

	if (state->worker[0] != '\0')
		return relay(download, method, params, ret_id);
	return download_ask(download, method, params, ret_id);
}

static int ask_snapshot(struct download *download)
{
	struct cdp_snapshot *state = download->state;

	state->asked_ns = clock_mono_ns();
	return ask_isolate(download, take_method, take_params, &state->snapshot_id);
}

/* The answer to takeHeapSnapshot: all chunks came before it. */
static int snapshot_answered(struct download *download, const struct cdp_message *message)
{
	const struct cdp_snapshot *state = download->state;

	if (message->failed)
		return refused(download, take_method, message);
	if (state->last != '}')
		return err_set(download->err, -EPROTO, "%s was answered without a whole snapshot",
			       take_method);
	download->stats->busy_ns = clock_mono_ns() - state->asked_ns;
	download->done = true;
	return 0;
}

static void progress(const struct download *download, const struct cdp_message *message)
{
	if (download->request->progress == NULL || message->total <= 0 || message->done < 0)
		return;
	download->request->progress(download->request->owner,
				    (double)message->done / (double)message->total);
}

/* A whole message of the isolate itself, relayed or not. */
static int isolate_message(struct download *download, const struct cdp_message *message)
{
	const struct cdp_snapshot *state = download->state;

	if (download->leaving) {
		if (message->has_id && message->id == state->disable_id)
			download->done = true;
		return 0;
	}
	if (message->has_id)
		return message->id == state->snapshot_id ? snapshot_answered(download, message) : 0;
	if (strcmp(message->method, progress_method) == 0)
		progress(download, message);
	return 0;
}

static int on_nested(void *owner, const struct json_event *event)
{
	struct download *download = owner;
	struct cdp_snapshot *state = download->state;

	if (hear(&state->inner, event) == FIELD_CHUNK && is_text(event))
		return chunk(download, &state->inner, event);
	return 0;
}

/* A piece of a message from our worker. */
static int nested(struct download *download, const struct json_event *event)
{
	struct cdp_snapshot *state = download->state;
	int r;

	if (strcmp(state->outer.method, relayed_method) != 0)
		return 0;
	if (state->outer.session[0] == '\0')
		return err_set(download->err, -EPROTO,
			       "a worker's message comes before its session");
	if (strcmp(state->outer.session, state->session) != 0)
		return 0;
	r = json_scan_feed(&state->nested, event->text, event->size);
	if (r != 0 || event->kind != JSON_STRING)
		return r;
	r = json_scan_end(&state->nested);
	return r != 0 ? r : isolate_message(download, &state->inner);
}

/* "[worker 3] name" is the title of thread 3. */
static bool is_our_worker(const struct cdp_snapshot *state, const char *title)
{
	static const char prefix[] = "[worker ";
	size_t n = strlen(state->worker);

	if (!str_has_prefix(title, prefix))
		return false;
	title += sizeof(prefix) - 1;
	return strncmp(title, state->worker, n) == 0 && title[n] == ']';
}

/* All workers there are have been announced before enable is answered. */
static int workers_enabled(struct download *download, const struct cdp_message *message)
{
	struct cdp_snapshot *state = download->state;

	if (message->failed)
		return refused(download, "NodeWorker.enable", message);
	if (state->session[0] == '\0')
		return err_set(download->err, DOWNLOAD_E_REFUSED, "there is no worker thread %s",
			       state->worker);
	return ask_snapshot(download);
}

/* What the main thread says about its workers. */
static int worker_message(struct download *download, const struct cdp_message *message)
{
	struct cdp_snapshot *state = download->state;

	if (message->has_id && message->id == state->workers_id && !download->leaving)
		return workers_enabled(download, message);
	if (message->has_id)
		return message->failed && message->id == state->relay_id
			       ? refused(download, "NodeWorker.sendMessageToWorker", message)
			       : 0;
	if (strcmp(message->method, attached_method) == 0 && state->session[0] == '\0' &&
	    is_our_worker(state, message->title))
		str_copy(state->session, sizeof(state->session), message->session);
	if (strcmp(message->method, detached_method) == 0 && state->session[0] != '\0' &&
	    strcmp(message->session, state->session) == 0)
		return err_set(download->err, DOWNLOAD_E_LOST, "the worker thread ended");
	return 0;
}

int cdp_snapshot_message_end(struct download *download)
{
	const struct cdp_snapshot *state = download->state;
	const struct cdp_message *message = &state->outer;

	if (!message->has_id && strcmp(message->method, exiting_method) == 0)
		return err_set(download->err, DOWNLOAD_E_EXITING,
			       "the program is exiting and waits for us to leave");
	if (state->worker[0] != '\0')
		return worker_message(download, message);
	return isolate_message(download, message);
}

int cdp_snapshot_event(struct download *download, const struct json_event *event)
{
	struct cdp_snapshot *state = download->state;
	bool worker = state->worker[0] != '\0';
	enum field field;

	if (begins_message(event))
		json_scan_reset(&state->nested);
	field = hear(&state->outer, event);
	if (!is_text(event))
		return 0;
	if (field == FIELD_CHUNK && !worker)
		return chunk(download, &state->outer, event);
	if (field == FIELD_NESTED && worker)
		return nested(download, event);
	return 0;
}

/* "worker:3" is thread 3; -EINVAL when it is no isolate of ours. */
static int isolate_parse(const char *isolate, struct cdp_snapshot *state)
{
	static const char prefix[] = "worker:";
	const char *digits;
	size_t n;

	if (strcmp(isolate, "main") == 0)
		return 0;
	if (!str_has_prefix(isolate, prefix))
		return -EINVAL;
	digits = isolate + sizeof(prefix) - 1;
	n = strspn(digits, "0123456789");
	if (n == 0 || digits[n] != '\0' || !str_copy(state->worker, sizeof(state->worker), digits))
		return -EINVAL;
	return 0;
}

int cdp_snapshot_begin(struct download *download)
{
	struct cdp_snapshot *state = download->state;
	int r;

	json_scan_init(&state->nested, state->nested_buffer, sizeof(state->nested_buffer),
		       on_nested, download);
	if (isolate_parse(download->request->isolate, state) < 0)
		return err_set(download->err, DOWNLOAD_E_REFUSED, "there is no isolate \"%s\"",
			       download->request->isolate);
	r = download_ask(download, "NodeRuntime.enable", NULL, NULL);
	if (r == 0)
		r = download_ask(download, "NodeRuntime.notifyWhenWaitingForDisconnect",
				 "{\"enabled\":true}", NULL);
	if (r != 0)
		return r;
	if (state->worker[0] != '\0')
		return download_ask(download, "NodeWorker.enable",
				    "{\"waitForDebuggerOnStart\":false}", &state->workers_id);
	return ask_snapshot(download);
}

int cdp_snapshot_finish(struct download *download)
{
	struct cdp_snapshot *state = download->state;

	if (state->snapshot_id == 0)
		return 0;
	download->done = false;
	return ask_isolate(download, disable_method, NULL, &state->disable_id);
}
