/*
 * Heap snapshots of WebKit's pages, in JSC's own format
 *
 * Each step after the answer to the one before, all through Target.sendMessageToTarget, once the
 * browser has named the page's target:
 *
 *   Heap.gc               where it is asked for
 *   Memory.startTracking  what the heap has at this moment; Memory.stopTracking
 *   Heap.snapshot
 *
 * or of a tracking Heap.enable and Heap.startTracking in place of the last one, and after a while
 * the same with Heap.stopTracking (webkit_take.c).
 *
 * The snapshot comes as one message of the browser: in it, as a string, the message of the page,
 * and in that, as a string, the snapshot. Three scanners of constant memory stand one in the
 * other's events: download's, ours, and none for the snapshot itself, whose text is what is wanted.
 *
 * JSC must have the snapshot as one string of at most 2^31/6 characters, for quoting reserves six
 * times its length; beyond that the page's process dies without a word. ios-webkit-debug-proxy
 * drops what is over 64 MiB. How long it will be nobody can say before: a byte of the heap has made
 * up to 1.9 characters, and may make 3.4 (a slot of an array, 8 bytes, is an edge
 * "1234567,1234567,2,1234567,"). So heaps over a limit are not asked for at all, by what they have
 * right before (struct runtime, heap_max).
 *
 * What JSC keeps of a snapshot to number the next one by stays in the page; only a tracking, which
 * has Heap enabled, ends that when it leaves. WPE 2.38 crashes when a client leaves that an answer
 * is still on its way to: so the last words are one more request, whose answer comes after all
 * others.
 */

#include "inspect/webkit.h"

#include <errno.h>
#include <string.h>

#include "inspect/download.h"
#include "inspect/runtime.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/str.h"

enum { WRAPPED_MAX = 1024 };

static const char update_method[] = "Memory.trackingUpdate";
static const char stop_method[] = "Memory.stopTracking";
static const char dispatch_method[] = "Target.dispatchMessageFromTarget";

static int ask(struct download *download, const char *method, enum webkit_step step)
{
	struct webkit_snapshot *state = download->state;
	struct buf params;
	int r;

	state->step = step;
	state->asked_id = ++download->next_id;
	buf_init(&params, WRAPPED_MAX);
	r = webkit_wrap(&params, state->target, state->asked_id, method);
	if (r == 0)
		r = download_ask(download, "Target.sendMessageToTarget", buf_text(&params), NULL);
	buf_fini(&params);
	return r;
}

static int measure(struct download *download)
{
	return ask(download, "Memory.startTracking", WEBKIT_MEASURE);
}

static int take(struct download *download)
{
	struct webkit_snapshot *state = download->state;
	int r = ask(download, stop_method, WEBKIT_TAKE);

	/* That it is enabled already would be as well. */
	if (r == 0 && state->take.which == WEBKIT_FIRST) {
		state->take.enabled = true;
		r = ask(download, webkit_enable_method, WEBKIT_TAKE);
	}
	return r != 0 ? r : ask(download, webkit_take_begin(download, &state->take), WEBKIT_TAKE);
}

static int measured(struct download *download, uint64_t heap_bytes)
{
	const struct webkit_snapshot *state = download->state;
	int r;

	download_began(download);
	r = webkit_take_judge(download, &state->take, heap_bytes);
	return r != 0 ? r : take(download);
}

static int prepare(struct download *download)
{
	return download->request->collect_garbage ? ask(download, "Heap.gc", WEBKIT_COLLECT)
						  : measure(download);
}

/* ---- what the page says ---- */

static int page_message(struct download *download)
{
	struct webkit_snapshot *state = download->state;
	const struct webkit_message *message = &state->inner;

	webkit_take_message_end(&state->take);
	if (!message->has_id) {
		if (state->step == WEBKIT_MEASURE && !download->leaving &&
		    message->heap_bytes > 0 && strcmp(message->method, update_method) == 0)
			return measured(download, (uint64_t)message->heap_bytes);
		return 0;
	}
	if (message->id != state->asked_id || state->step == WEBKIT_GREET)
		return 0;
	if (download->leaving) {
		download->done = true;
		return 0;
	}
	if (message->failed)
		return err_set(download->err, DOWNLOAD_E_REFUSED, "the page refused: %s",
			       message->text);
	if (state->step == WEBKIT_COLLECT)
		return measure(download);
	return state->step == WEBKIT_TAKE ? webkit_take_answered(download, &state->take) : 0;
}

static int on_nested(void *owner, const struct json_event *event)
{
	struct download *download = owner;
	struct webkit_snapshot *state = download->state;

	if (webkit_begins_message(event))
		webkit_take_message(&state->take);
	if (webkit_hear(&state->inner, event) != WEBKIT_SNAPSHOT || !webkit_is_text(event))
		return 0;
	return webkit_take_piece(download, &state->take, state->inner.method, event);
}

/* A piece of a message from our page. */
static int nested(struct download *download, const struct json_event *event)
{
	struct webkit_snapshot *state = download->state;
	int r;

	if (strcmp(state->outer.method, dispatch_method) != 0 || state->target[0] == '\0')
		return 0;
	if (state->outer.target[0] == '\0')
		return err_set(download->err, -EPROTO, "a page's message comes before its target");
	if (strcmp(state->outer.target, state->target) != 0)
		return 0;
	r = json_scan_feed(&state->nested, event->text, event->size);
	if (r != 0 || event->kind != JSON_STRING)
		return r;
	r = json_scan_end(&state->nested);
	return r != 0 ? r : page_message(download);
}

int webkit_snapshot_event(struct download *download, const struct json_event *event)
{
	struct webkit_snapshot *state = download->state;

	if (webkit_begins_message(event))
		json_scan_reset(&state->nested);
	if (webkit_hear(&state->outer, event) != WEBKIT_NESTED || !webkit_is_text(event))
		return 0;
	return nested(download, event);
}

/* ---- what the browser says ---- */

static int created(struct download *download, const struct webkit_message *message)
{
	struct webkit_snapshot *state = download->state;

	if (strcmp(message->type, "page") != 0)
		return 0;
	/* Who closes while it is tracked takes other pages along (webkit.c). */
	if (message->provisional)
		return err_set(download->err, DOWNLOAD_E_LOST,
			       "the page is about to get another process");
	if (state->step != WEBKIT_GREET)
		return 0;
	str_copy(state->target, sizeof(state->target), message->target);
	return prepare(download);
}

int webkit_snapshot_message_end(struct download *download)
{
	const struct webkit_snapshot *state = download->state;
	const struct webkit_message *message = &state->outer;

	if (message->failed)
		return err_set(download->err, DOWNLOAD_E_REFUSED, "the browser refused: %s",
			       message->text);
	if (strcmp(message->method, "Target.targetCreated") == 0)
		return created(download, message);
	if (strcmp(message->method, "Target.targetDestroyed") == 0 &&
	    strcmp(message->target, state->target) == 0)
		return err_set(download->err, DOWNLOAD_E_LOST,
			       "the page has got another process, or is closed");
	return 0;
}

int webkit_snapshot_begin(struct download *download)
{
	struct webkit_snapshot *state = download->state;

	download->next_id = webkit_first_id();
	webkit_take_init(download, &state->take);
	json_scan_init(&state->nested, state->nested_buffer, sizeof(state->nested_buffer),
		       on_nested, download);
	download_expect(download);
	return 0;
}

int webkit_snapshot_woken(struct download *download)
{
	download_expect(download);
	return prepare(download);
}

/* Blocked, or its process has crashed: both answer nothing. */
int webkit_snapshot_overdue(struct download *download)
{
	return download_blocked(download);
}

int webkit_snapshot_finish(struct download *download)
{
	const struct webkit_snapshot *state = download->state;
	int r = 0;

	if (state->step == WEBKIT_GREET)
		return 0;
	download->done = false;
	if (state->take.enabled)
		r = ask(download, webkit_disable_method, state->step);
	return r != 0 ? r : ask(download, stop_method, state->step);
}
