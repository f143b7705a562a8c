/*
 * Heap snapshots over CDP
 *
 * Said to the isolate, after what cdp_capture.c has said, in this order:
 *
 *   Debugger.setSkipAllPauses {"skip":true}
 *   Debugger.enable
 *   Debugger.resume                                              if it ran out of memory meanwhile
 *   Debugger.disable
 *   Runtime.getHeapUsage                                         where Debugger.enable is not
 *   HeapProfiler.collectGarbage                                  where it is asked for
 *   HeapProfiler.takeHeapSnapshot {"reportProgress":true}       of a timeline, see cdp_timeline.c
 *   Runtime.getHeapUsage                                         if it does not seem to begin
 *   HeapProfiler.disable
 *
 * workerd is not asked to collect garbage first: it begins with its next request, which may never
 * come, and a snapshot collects anyway. Taking a snapshot
 * leaves V8 tracking object ids, which costs the program most of its allocation speed:
 * HeapProfiler.disable ends that. It needs no enable before it.
 *
 * Debugger.enable tells the scripts. It slows promises while it is on, so it is switched off before
 * the snapshot. It also makes V8 before 11.5 keep a table of where the lines of each script begin,
 * for good: without, a snapshot searches the script's text anew for every function, which takes
 * minutes where large scripts are loaded.
 *
 * Skipping all pauses is said first, so that there is no moment in which a `debugger` statement
 * stops the program. What V8 still tells us then is a pause that somebody else has made, which
 * stays, and the one it makes when memory runs out, which is resumed.
 *
 * A program whose event loop is blocked by its own JavaScript does not begin a snapshot from
 * V8 11.5 on, and one with a large heap is long silent before it says that it has begun. Leaving
 * helps the first; the second would only pay for nothing. The first answers a question meanwhile,
 * the second answers nothing. Nor does one that waits in native code, so a question comes before:
 * that for the scripts, or else one that costs nothing.
 *
 * The answer that ends a step is told by its id alone, because runtimes disagree about what else is
 * in it.
 */

#include "inspect/cdp_snapshot.h"

#include <errno.h>
#include <string.h>

#include "inspect/cdp_capture.h"
#include "inspect/cdp_words.h"
#include "inspect/download.h"
#include "inspect/runtime.h"
#include "inspect/v8_version.h"
#include "util/clock.h"

static const char take_method[] = "HeapProfiler.takeHeapSnapshot";
static const char chunk_method[] = "HeapProfiler.addHeapSnapshotChunk";
static const char progress_method[] = "HeapProfiler.reportHeapSnapshotProgress";
static const char script_method[] = "Debugger.scriptParsed";
static const char paused_method[] = "Debugger.paused";

static const struct cdp_words *words_of(const struct download *download)
{
	return download->request->runtime->words;
}

static struct cdp_snapshot *state_of(const struct download *download)
{
	struct cdp_capture *capture = download->state;

	return &capture->snapshot;
}

static int ask(struct download *download, const char *method, const char *params, int32_t *ret_id)
{
	return cdp_capture_ask(download, method, params, ret_id);
}

/* ---- the steps ---- */

/* V8 before 11.5, or one that we do not know: see above. */
static bool needs_debugger(const struct download *download)
{
	return v8_before(download->request->engine_version, 11, 5);
}

static int debugger_off(struct download *download, int32_t *ret_id)
{
	struct cdp_snapshot *state = state_of(download);

	state->debugger_on = false;
	return ask(download, "Debugger.disable", NULL, ret_id);
}

static bool is_timeline(const struct download *download)
{
	return download->request->task == DOWNLOAD_TAKE_TIMELINE;
}

/* Both end in a snapshot. */
static const char *method_of(const struct download *download)
{
	return is_timeline(download) ? cdp_timeline_stop_method : take_method;
}

static int ask_snapshot(struct download *download)
{
	struct cdp_snapshot *state = state_of(download);

	state->asked_ns = clock_mono_ns();
	state->look_id = 0;
	download->stats->asked = true;
	download_hold(download);
	return ask(download, method_of(download), "{\"reportProgress\":true}", &state->snapshot_id);
}

/* Its heap may have outgrown what it was judged by. */
static int end_timeline(struct download *download)
{
	int r = download_judge(download, 0);

	return r != 0 ? r : ask_snapshot(download);
}

static int ask_heap(struct download *download)
{
	return is_timeline(download) ? cdp_timeline_start(download, &state_of(download)->timeline)
				     : ask_snapshot(download);
}

static int ask_garbage(struct download *download)
{
	struct cdp_snapshot *state = state_of(download);

	if (!download->request->collect_garbage || !words_of(download)->collects_idle)
		return ask_heap(download);
	return ask(download, "HeapProfiler.collectGarbage", NULL, &state->collect_id);
}

/* Unless there is no limit to how long it may take to begin. */
static int ask_anything(struct download *download)
{
	if (download->request->start_ns == 0)
		return ask_garbage(download);
	return ask(download, "Runtime.getHeapUsage", NULL, &state_of(download)->anything_id);
}

static int ask_scripts(struct download *download)
{
	struct cdp_snapshot *state = state_of(download);
	int r;

	if (!download->request->scripts && !needs_debugger(download))
		return ask_anything(download);
	r = ask(download, "Debugger.setSkipAllPauses", "{\"skip\":true}", NULL);
	if (r != 0)
		return r;
	state->debugger_on = true;
	return ask(download, "Debugger.enable", NULL, &state->debugger_id);
}

/* ---- what the isolate says ---- */

/* The answer to Debugger.enable: all scripts came before it. A runtime that has no debugger has no
 * scripts to tell. */
static int scripts_answered(struct download *download)
{
	struct cdp_snapshot *state = state_of(download);
	int r = 0;

	if (download->request->scripts)
		r = cdp_scripts_end(download, &state->scripts);
	if (r == 0)
		r = debugger_off(download, NULL);
	return r != 0 ? r : ask_garbage(download);
}

/* The answer to the request for it: all chunks came before it. */
static int snapshot_answered(struct download *download, const struct cdp_message *message)
{
	const struct cdp_snapshot *state = state_of(download);

	if (message->failed)
		return cdp_refused(download, method_of(download), message);
	if (state->last != '}')
		return err_set(download->err, -EPROTO, "%s was answered without a whole snapshot",
			       method_of(download));
	download->stats->busy_ns = clock_mono_ns() - state->asked_ns;
	download->done = true;
	return 0;
}

static int answered(struct download *download, const struct cdp_message *message)
{
	struct cdp_snapshot *state = state_of(download);

	if (message->id <= 0)
		return 0;
	if (message->id == state->snapshot_id)
		return snapshot_answered(download, message);
	if (message->id == state->look_id)
		return download_blocked(download);
	if (message->id == state->anything_id) {
		state->anything_id = 0;
		return ask_garbage(download);
	}
	if (message->id == state->debugger_id) {
		state->debugger_id = 0; /* an answer counts once */
		return scripts_answered(download);
	}
	if (message->id == state->timeline.start_id)
		return cdp_timeline_started(download, &state->timeline, message);
	if (message->id != state->collect_id)
		return 0;
	state->collect_id = 0;
	if (message->failed)
		return cdp_refused(download, "HeapProfiler.collectGarbage", message);
	return ask_heap(download);
}

static void began(struct download *download)
{
	struct cdp_snapshot *state = state_of(download);

	state->look_id = 0;
	download_began(download);
}

static void progress(struct download *download, const struct cdp_message *message)
{
	began(download);
	if (download->request->progress == NULL || message->total <= 0 || message->done < 0)
		return;
	download->request->progress(download->request->owner,
				    (double)message->done / (double)message->total);
}

static int message_of_isolate(struct download *download, const struct cdp_message *message)
{
	struct cdp_snapshot *state = state_of(download);

	if (!message->has_id && strcmp(message->method, paused_method) == 0)
		return strcmp(message->reason, "OOM") == 0
			       ? ask(download, "Debugger.resume", NULL, NULL)
			       : 0;
	if (download->leaving)
		return 0;
	if (message->has_id)
		return answered(download, message);
	if (strcmp(message->method, progress_method) == 0)
		progress(download, message);
	else if (strcmp(message->method, script_method) == 0 && download->request->scripts)
		return cdp_scripts_add(download, &state->scripts, message);
	return 0;
}

static int chunk(struct download *download, const struct cdp_message *message, enum cdp_field field,
		 const struct json_event *event)
{
	struct cdp_snapshot *state = state_of(download);

	if (is_timeline(download) && cdp_in_stats(message, event))
		cdp_timeline_stat(download, &state->timeline, message, event);
	if (field != CDP_CHUNK || !cdp_is_text(event))
		return 0;
	if (message->method[0] == '\0')
		return err_set(download->err, -EPROTO,
			       "a message has its params before its method");
	if (strcmp(message->method, chunk_method) != 0)
		return 0;
	began(download);
	if (event->size > 0)
		state->last = event->text[event->size - 1];
	return download_piece(download, DOWNLOAD_SNAPSHOT, event->text, event->size);
}

/* Whoever does not even tell its scripts, or answer anything, waits in native code. */
static int overdue(struct download *download)
{
	const struct cdp_capture *capture = download->state;
	struct cdp_snapshot *state = state_of(download);

	if (state->collect_id == 0 && state->snapshot_id == 0)
		return download_blocked(download);
	return cdp_isolate_ask(download, &capture->isolate, "Runtime.getHeapUsage", NULL,
			       &state->look_id);
}

static int finish(struct download *download)
{
	struct cdp_capture *capture = download->state;
	int r = 0;

	if (capture->snapshot.snapshot_id != 0 || capture->snapshot.timeline.on)
		r = ask(download, "HeapProfiler.disable", NULL, &capture->last_id);
	if (r == 0 && capture->snapshot.debugger_on)
		r = debugger_off(download, &capture->last_id);
	return r;
}

const struct cdp_task cdp_task_snapshot = {
	.ready = ask_scripts,
	.message = message_of_isolate,
	.event = chunk,
	.overdue = overdue,
	.woken = end_timeline,
	.finish = finish,
};
