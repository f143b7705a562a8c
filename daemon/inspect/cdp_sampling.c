/*
 * Sampling profiles over CDP
 *
 * Said to the isolate, after what cdp_capture.c has said:
 *
 *   HeapProfiler.getSamplingProfile                             is somebody else at it?
 *   HeapProfiler.startSampling {"samplingInterval":N, ...}
 *   HeapProfiler.getSamplingProfile                             the profile so far, if it is wished
 *   HeapProfiler.stopSampling                                    which answers with the profile
 *
 * There is one sampling profiler in an isolate. A second startSampling is answered as if it had
 * begun, its parameters are ignored, and whoever stops or leaves first ends it for both. Hence the
 * question before: it is refused while nobody samples, and then nobody's profile can be lost by us
 * (`node --heap-prof` is one who samples). An interval below 1 kills the program: ours is an
 * integer from the configuration, never below SAMPLING_INTERVAL_MIN.
 *
 * Leaving ends the sampling too, so a program is not left with it whatever becomes of us; what is
 * cancelled is ended so, unless an answer is owed, and a continuous profile whose end the guards
 * forbid: V8 collects all garbage for stopSampling, and none for one who leaves. It does not track
 * object ids, so HeapProfiler.disable, which would take those of others, is not said, but where
 * leaving ends nothing, for a proxy stays there: nobody else has any ids then, and it collects
 * nothing.
 */

#include "inspect/cdp_sampling.h"

#include <errno.h>
#include <stdio.h>

#include "inspect/cdp_capture.h"
#include "inspect/download.h"
#include "inspect/runtime.h"
#include "util/clock.h"
#include "util/err.h"

static const char probe_method[] = "HeapProfiler.getSamplingProfile";
static const char start_method[] = "HeapProfiler.startSampling";
static const char stop_method[] = "HeapProfiler.stopSampling";
static const char disable_method[] = "HeapProfiler.disable";

static struct cdp_sampling *state_of(const struct download *download)
{
	struct cdp_capture *capture = download->state;

	return &capture->sampling;
}

static int ready(struct download *download)
{
	return cdp_capture_ask(download, probe_method, NULL, &state_of(download)->probe_id);
}

static int start(struct download *download)
{
	struct cdp_sampling *state = state_of(download);
	const struct download_samples *wish = &download->request->samples;
	const char *dead = wish->collected ? "true" : "false";
	char params[192];

	snprintf(params, sizeof(params),
		 "{\"samplingInterval\":%llu,\"stackDepth\":%u,"
		 "\"includeObjectsCollectedByMajorGC\":%s,"
		 "\"includeObjectsCollectedByMinorGC\":%s}",
		 (unsigned long long)wish->interval_bytes, wish->stack_depth, dead, dead);
	state->started = true; /* from here on it may have */
	return cdp_capture_ask(download, start_method, params, &state->start_id);
}

/* Nobody samples where this is refused. */
static int probed(struct download *download, const struct cdp_message *message)
{
	if (!message->failed)
		return err_set(download->err, DOWNLOAD_E_REFUSED,
			       "another client of its inspector, or --heap-prof, is sampling "
			       "already, and there is one sampling profiler for all");
	return start(download);
}

static void peek_answered(struct download *download, const struct cdp_message *message)
{
	struct cdp_sampling *state = state_of(download);

	state->peek_id = 0;
	if (state->stop_id == 0) /* else that is what is to begin in time */
		download_began(download);
	download_peeked(download,
			message->failed || !state->peeked ? "it is no longer sampled" : NULL);
}

static int answered(struct download *download, const struct cdp_message *message)
{
	struct cdp_sampling *state = state_of(download);

	if (message->id == state->peek_id) {
		peek_answered(download, message);
		return 0;
	}
	if (message->id == state->probe_id) {
		state->probe_id = 0;
		return probed(download, message);
	}
	if (message->id == state->start_id) {
		state->start_id = 0;
		if (message->failed) {
			state->started = false;
			return cdp_refused(download, start_method, message);
		}
		download_began(download);
		download_sleep(download, download->request->samples.duration_ns);
		return 0;
	}
	if (message->id != state->stop_id)
		return 0;
	state->started = false;
	if (message->failed) /* somebody else has stopped it, and has the profile */
		return cdp_refused(download, stop_method, message);
	if (!state->told)
		return err_set(download->err, -EPROTO, "%s was answered without a profile",
			       stop_method);
	download->stats->busy_ns = clock_mono_ns() - state->asked_ns;
	download->done = true;
	return 0;
}

static int message_of_isolate(struct download *download, const struct cdp_message *message)
{
	return message->has_id && message->id > 0 ? answered(download, message) : 0;
}

/* What is under result.profile of the answer. */
static int event_of_isolate(struct download *download, const struct cdp_message *message,
			    enum cdp_field field, const struct json_event *event)
{
	struct cdp_sampling *state = state_of(download);
	struct json_event inner = *event;

	(void)field;
	if ((state->stop_id == 0 && state->peek_id == 0) || !cdp_in_profile(message, event))
		return 0;
	if (!message->has_id)
		return err_set(download->err, -EPROTO, "an answer has its result before its id");
	if (download->leaving)
		return 0;
	inner.depth -= CDP_PROFILE_DEPTH;
	if (message->id == state->peek_id) {
		state->peeked = true;
		download_peek_profile(download, &inner);
	}
	if (message->id != state->stop_id)
		return 0;
	state->told = true;
	return download_profile(download, &inner);
}

static int woken(struct download *download)
{
	struct cdp_sampling *state = state_of(download);
	int r = download->request->samples.continuous ? download_judge(download, 0) : 0;

	if (r != 0)
		return r;
	state->asked_ns = clock_mono_ns();
	download->stats->collected = true;
	return cdp_capture_ask(download, stop_method, NULL, &state->stop_id);
}

static int peek(struct download *download)
{
	struct cdp_sampling *state = state_of(download);
	int r;

	state->peeked = false;
	r = cdp_capture_ask(download, probe_method, NULL, &state->peek_id);
	if (r < 0)
		state->peek_id = 0; /* nothing is owed */
	return r;
}

static int overdue(struct download *download)
{
	return download_blocked(download);
}

/* To be asked to stop would make it collect its garbage, for a profile that nobody wants. */
static int finish(struct download *download)
{
	struct cdp_capture *capture = download->state;
	const struct cdp_sampling *state = &capture->sampling;
	bool owes = state->start_id != 0 || state->peek_id != 0 || state->stop_id != 0;

	if (state->started && download->request->runtime->lingers)
		return cdp_capture_ask(download, disable_method, NULL, &capture->last_id);
	if (!state->started || !owes)
		return 0;
	download->stats->collected = true;
	return cdp_capture_ask(download, stop_method, NULL, &capture->last_id);
}

const struct cdp_task cdp_task_sampling = {
	.ready = ready,
	.message = message_of_isolate,
	.event = event_of_isolate,
	.overdue = overdue,
	.woken = woken,
	.peek = peek,
	.finish = finish,
};
