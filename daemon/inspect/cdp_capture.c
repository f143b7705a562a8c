/*
 * The connection of a capture over CDP
 *
 * Said here, before the task says anything of its own:
 *
 *   NodeRuntime.enable
 *   NodeRuntime.notifyWhenWaitingForDisconnect {"enabled":true}
 *   NodeWorker.enable {"waitForDebuggerOnStart":false}           of a worker only
 *   Target.setDiscoverTargets, attachToTarget, setAutoAttach     of a browser only
 *
 * and NodeWorker.sendMessageToWorker, which carries what is said to a worker: there each message is
 * a string inside a message, which a second scanner reads in pieces, so that this costs memory only
 * once more.
 *
 * The first two ask to be told when the program wants to exit, which it cannot while we stay; they
 * and the third are said to Node and Deno only.
 */

#include "inspect/cdp_capture.h"

#include <errno.h>
#include <string.h>

#include "inspect/cdp_words.h"
#include "inspect/download.h"
#include "inspect/runtime.h"

static const char relayed_method[] = "NodeWorker.receivedMessageFromWorker";
static const char exiting_method[] = "NodeRuntime.waitingForDisconnect";

static const struct cdp_task *const tasks[] = {
	[DOWNLOAD_TAKE_SNAPSHOT] = &cdp_task_snapshot,
	[DOWNLOAD_TAKE_SAMPLES] = &cdp_task_sampling,
	[DOWNLOAD_TAKE_TIMELINE] = &cdp_task_snapshot,
};

static const struct cdp_task *task_of(const struct download *download)
{
	return tasks[download->request->task];
}

static const struct cdp_words *words_of(const struct download *download)
{
	return download->request->runtime->words;
}

int cdp_capture_ask(struct download *download, const char *method, const char *params,
		    int32_t *ret_id)
{
	struct cdp_capture *state = download->state;

	download_expect(download);
	return cdp_isolate_ask(download, &state->isolate, method, params, ret_id);
}

/* A whole message of the isolate itself, relayed or not. */
static int isolate_message(struct download *download, const struct cdp_message *message)
{
	struct cdp_capture *state = download->state;

	if (!download->leaving || !message->has_id)
		return task_of(download)->message(download, message);
	if (message->id == state->last_id)
		download->done = true;
	return 0;
}

/* ---- what the connection brings ---- */

static int on_nested(void *owner, const struct json_event *event)
{
	struct download *download = owner;
	struct cdp_capture *state = download->state;

	enum cdp_field field = cdp_hear(&state->inner, event);

	return task_of(download)->event(download, &state->inner, field, event);
}

/* A piece of a message from our worker. */
static int nested(struct download *download, const struct json_event *event)
{
	struct cdp_capture *state = download->state;
	int r;

	if (strcmp(state->outer.method, relayed_method) != 0)
		return 0;
	if (state->outer.session[0] == '\0')
		return err_set(download->err, -EPROTO,
			       "a worker's message comes before its session");
	if (strcmp(state->outer.session, state->isolate.session) != 0)
		return 0;
	r = json_scan_feed(&state->nested, event->text, event->size);
	if (r != 0 || event->kind != JSON_STRING)
		return r;
	r = json_scan_end(&state->nested);
	return r != 0 ? r : isolate_message(download, &state->inner);
}

static int attach_message(struct download *download, const struct cdp_message *message)
{
	struct cdp_capture *state = download->state;
	int r = cdp_isolate_message(download, &state->isolate, message);

	return r == CDP_ATTACHED ? task_of(download)->ready(download) : r;
}

int cdp_capture_message_end(struct download *download)
{
	const struct cdp_capture *state = download->state;
	const struct cdp_message *message = &state->outer;

	if (!message->has_id && strcmp(message->method, exiting_method) == 0)
		return err_set(download->err, DOWNLOAD_E_EXITING,
			       "the program is exiting and waits for us to leave");
	if (state->isolate.worker[0] != '\0')
		return attach_message(download, message);
	if (!state->isolate.in_browser)
		return isolate_message(download, message);
	/* The browser speaks, or what is above the isolate, or one of its neighbours; or it does.
	 */
	return cdp_flat_is_isolate(&state->isolate.flat, message)
		       ? isolate_message(download, message)
		       : attach_message(download, message);
}

int cdp_capture_event(struct download *download, const struct json_event *event)
{
	struct cdp_capture *state = download->state;
	bool worker = state->isolate.worker[0] != '\0';
	enum cdp_field field;

	if (cdp_begins_message(event))
		json_scan_reset(&state->nested);
	field = cdp_hear(&state->outer, event);
	if (!worker)
		return task_of(download)->event(download, &state->outer, field, event);
	return field == CDP_NESTED && cdp_is_text(event) ? nested(download, event) : 0;
}

int cdp_capture_begin(struct download *download)
{
	struct cdp_capture *state = download->state;
	int r;

	json_scan_init(&state->nested, state->nested_buffer, sizeof(state->nested_buffer),
		       on_nested, download);
	state->isolate.in_browser = words_of(download)->browser;
	if (state->isolate.in_browser)
		return cdp_isolate_attach(download, &state->isolate);
	if (!words_of(download)->node) {
		download_expect(download);
		return task_of(download)->ready(download);
	}
	if (cdp_isolate_parse(&state->isolate, download->request->isolate) < 0)
		return err_set(download->err, DOWNLOAD_E_REFUSED, "there is no isolate \"%s\"",
			       download->request->isolate);
	r = download_ask(download, "NodeRuntime.enable", NULL, NULL);
	if (r == 0)
		r = download_ask(download, "NodeRuntime.notifyWhenWaitingForDisconnect",
				 "{\"enabled\":true}", NULL);
	if (r != 0)
		return r;
	download_expect(download);
	if (state->isolate.worker[0] != '\0')
		return cdp_isolate_attach(download, &state->isolate);
	return task_of(download)->ready(download);
}

int cdp_capture_overdue(struct download *download)
{
	return task_of(download)->overdue(download);
}

int cdp_capture_woken(struct download *download)
{
	return task_of(download)->woken(download);
}

int cdp_capture_peek(struct download *download)
{
	return task_of(download)->peek(download);
}

int cdp_capture_finish(struct download *download)
{
	struct cdp_capture *state = download->state;
	int r;

	state->last_id = 0;
	r = task_of(download)->finish(download);
	download->done = state->last_id == 0;
	return r;
}
