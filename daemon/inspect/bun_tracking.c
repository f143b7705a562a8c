/*
 * Tracking of Bun's heap: two snapshots in JSC's own format
 *
 * Bun's own way to a snapshot (bun_snapshot.c) numbers all objects anew, so each comes as JSC has
 * it: as one string, of which the program dies when it gets too long. Hence right before each the
 * heap is measured, and one over a limit is not asked for (struct runtime, tracking_max):
 *
 *   Heap.gc             where it is asked for
 *   Runtime.evaluate    what the heap has at this moment; tells that the program answers
 *   Heap.enable         before the first
 *   Heap.startTracking  the first; after a while, from the top again, Heap.stopTracking the second
 *   Heap.disable        the last words, however it ended
 *
 * Bun disables for all when any client leaves, so nobody polls meanwhile; where another one leaves,
 * the second does not come.
 */

#include "inspect/bun.h"

#include <errno.h>

#include "inspect/download.h"

static const char measure_expression[] =
	"(()=>{try{return globalThis.process.memoryUsage().heapUsed}catch(e){return null}})()";

static int ask(struct download *download, const char *method, const char *params,
	       enum bun_step step)
{
	struct bun_snapshot *state = download->state;

	state->step = step;
	return download_ask(download, method, params, &state->asked_id);
}

static int measure(struct download *download)
{
	char params[256];

	bun_evaluate(params, sizeof(params), measure_expression);
	return ask(download, "Runtime.evaluate", params, BUN_MEASURE);
}

static int prepare(struct download *download)
{
	download_expect(download);
	return download->request->collect_garbage ? ask(download, "Heap.gc", NULL, BUN_COLLECT)
						  : measure(download);
}

static int take(struct download *download)
{
	struct bun_snapshot *state = download->state;
	int r = 0;

	/* That it is enabled already would be as well. */
	if (state->take.which == WEBKIT_FIRST) {
		state->take.enabled = true;
		r = download_ask(download, webkit_enable_method, NULL, NULL);
	}
	return r != 0 ? r
		      : ask(download, webkit_take_begin(download, &state->take), NULL, BUN_TAKE);
}

static int measured(struct download *download)
{
	const struct bun_snapshot *state = download->state;
	int r;

	if (!state->message.has_number || state->message.number <= 0)
		return err_set(
			download->err, DOWNLOAD_E_REFUSED,
			"Bun does not tell what its heap has, and a snapshot too large would "
			"be its end");
	r = webkit_take_judge(download, &state->take, (uint64_t)state->message.number);
	return r != 0 ? r : take(download);
}

static int answered(struct download *download)
{
	struct bun_snapshot *state = download->state;

	state->asked_id = 0; /* an answer counts once */
	if (download->leaving) {
		download->done = true;
		return 0;
	}
	download_began(download);
	if (state->message.failed || state->message.thrown)
		return bun_refused(download);
	if (state->step == BUN_COLLECT)
		return measure(download);
	return state->step == BUN_MEASURE ? measured(download)
					  : webkit_take_answered(download, &state->take);
}

int bun_tracking_message_end(struct download *download)
{
	struct bun_snapshot *state = download->state;

	webkit_take_message_end(&state->take);
	if (!state->message.has_id || state->message.id != state->asked_id || state->asked_id == 0)
		return 0;
	return answered(download);
}

int bun_tracking_event(struct download *download, const struct json_event *event)
{
	struct bun_snapshot *state = download->state;

	if (webkit_begins_message(event))
		webkit_take_message(&state->take);
	if (webkit_hear(&state->message, event) != WEBKIT_SNAPSHOT || !webkit_is_text(event))
		return 0;
	return webkit_take_piece(download, &state->take, state->message.method, event);
}

int bun_tracking_begin(struct download *download)
{
	struct bun_snapshot *state = download->state;

	webkit_take_init(download, &state->take);
	return prepare(download);
}

int bun_tracking_woken(struct download *download)
{
	return prepare(download);
}

int bun_tracking_finish(struct download *download)
{
	const struct bun_snapshot *state = download->state;

	if (!state->take.enabled)
		return 0;
	download->done = false;
	return ask(download, webkit_disable_method, NULL, BUN_FREE);
}
