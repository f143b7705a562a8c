/*
 * Heap snapshots of Bun
 *
 * Heap.snapshot would answer with the whole snapshot as one string, and JSC aborts the process when
 * that gets longer than 357.9 million characters (a heap of some 200 MB), so it is never asked for.
 * Bun itself can write a snapshot in V8's format into a buffer, and says null where that would be
 * too large. Hence, each step after the answer to the one before:
 *
 *   Runtime.evaluate  free what an earlier capture may have left; tells that the program answers
 *   Heap.gc           where it is asked for
 *   Runtime.evaluate  make the snapshot in a buffer that the program holds for us; its size
 *   Runtime.evaluate  a slice of it in base64, and again until all of it is here
 *   Runtime.evaluate  free it, and collect
 *
 * The buffer hangs on a symbol of the global object that no program uses. A capture that ends early
 * frees it with its last words, or the next session does; and if neither comes, a timer in the
 * program, which each slice sets anew, frees it after ten minutes.
 *
 * A tracking cannot go this way (bun_tracking.c).
 *
 * The answers to other clients come here too and may look like ours until their id is seen, which
 * stands at the end: a slice is gathered before it counts.
 */

#include "inspect/bun.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inspect/download.h"
#include "util/base64.h"
#include "util/clock.h"

#define HOLD "globalThis[Symbol.for('heapwatch.snapshot')]"

/* bun_evaluate() puts them into JSON as they are: no double quote, no backslash. */
const char bun_free_expression[] = "(()=>{const h=" HOLD ";if(!h)return 0;delete " HOLD
				   ";clearTimeout(h.t);h.b=null;Bun.gc(true);return 1})()";

static const char ready_expression[] =
	"(()=>{const h=" HOLD ";if(h){delete " HOLD ";clearTimeout(h.t);h.b=null}"
	"return typeof Bun.generateHeapSnapshot==='function'?1:0})()";

static const char make_expression[] =
	"(()=>{const b=Bun.generateHeapSnapshot('v8','arraybuffer');if(!b)return 0;"
	"const h={b,t:setTimeout(()=>{h.b=null;delete " HOLD "},600000)};h.t.unref();"
	"Object.defineProperty(globalThis,Symbol.for('heapwatch.snapshot'),"
	"{value:h,configurable:true});return b.byteLength})()";

static const char read_expression[] =
	"(()=>{const h=" HOLD ";h.t.refresh();"
	"return Buffer.from(h.b,%" PRIu64 ",%" PRIu64 ").toString('base64')})()";

static bool is_tracking(const struct download *download)
{
	return download->request->task == DOWNLOAD_TAKE_TRACKING;
}

static int evaluate(struct download *download, const char *expression)
{
	struct bun_snapshot *state = download->state;
	char params[1024];

	bun_evaluate(params, sizeof(params), expression);
	return download_ask(download, "Runtime.evaluate", params, &state->asked_id);
}

/* ---- the steps ---- */

static int make(struct download *download)
{
	struct bun_snapshot *state = download->state;

	state->step = BUN_MAKE;
	state->asked_ns = clock_mono_ns();
	state->held = true;
	download->stats->asked = true;
	return evaluate(download, make_expression);
}

static int collect(struct download *download)
{
	struct bun_snapshot *state = download->state;

	if (!download->request->collect_garbage)
		return make(download);
	state->step = BUN_COLLECT;
	return download_ask(download, "Heap.gc", NULL, &state->asked_id);
}

static uint64_t slice_size(const struct bun_snapshot *state)
{
	uint64_t left = state->size - state->read;

	return left < BUN_SLICE_BYTES ? left : BUN_SLICE_BYTES;
}

static int read_on(struct download *download)
{
	struct bun_snapshot *state = download->state;
	char expression[256];

	if (download->request->progress != NULL)
		download->request->progress(download->request->owner,
					    (double)state->read / (double)state->size);
	if (state->read == state->size) {
		download->done = true;
		return state->last == '}'
			       ? 0
			       : err_set(download->err, -EPROTO, "the snapshot ends in the middle");
	}
	state->step = BUN_READ;
	snprintf(expression, sizeof(expression), read_expression, state->read, slice_size(state));
	return evaluate(download, expression);
}

/* ---- what comes ---- */

/* In place, into the beginning of text; the size, or -EPROTO. */
static int64_t decode(char *text, size_t size)
{
	size_t n = 0;

	if (size % 4 != 0)
		return -EPROTO;
	for (size_t i = 0; i < size; i += 4) {
		size_t digits = 4;
		uint32_t bits = 0;

		while (i + 4 == size && digits > 2 && text[i + digits - 1] == '=')
			digits--;
		for (size_t k = 0; k < 4; k++) {
			int digit = k < digits ? base64_digit(text[i + k]) : 0;

			if (digit < 0)
				return -EPROTO;
			bits = bits << 6 | (uint32_t)digit;
		}
		for (size_t k = 0; k + 1 < digits; k++)
			text[n++] = (char)(bits >> (16 - 8 * k));
	}
	return (int64_t)n;
}

static void note_last(struct bun_snapshot *state, size_t size)
{
	while (size > 0 && strchr(" \n\r\t", state->text[size - 1]) != NULL &&
	       state->text[size - 1] != '\0')
		size--;
	if (size > 0)
		state->last = state->text[size - 1];
}

static int take_slice(struct download *download)
{
	struct bun_snapshot *state = download->state;
	int64_t n = state->text_size <= BUN_SLICE_TEXT ? decode(state->text, state->text_size)
						       : -EPROTO;
	int r;

	if (n < 0 || (uint64_t)n != slice_size(state))
		return err_set(download->err, -EPROTO,
			       "a slice of the snapshot is not as asked for");
	note_last(state, (size_t)n);
	state->read += (uint64_t)n;
	r = download_piece(download, DOWNLOAD_SNAPSHOT, state->text, (size_t)n);
	return r != 0 ? r : read_on(download);
}

int bun_refused(struct download *download)
{
	const struct bun_snapshot *state = download->state;

	return err_set(download->err, DOWNLOAD_E_REFUSED, "Bun refused: %s",
		       state->message.text[0] != '\0' ? state->message.text : "it gave no reason");
}

static int ready(struct download *download)
{
	const struct bun_snapshot *state = download->state;

	download_began(download);
	if (!state->message.has_number || state->message.number != 1)
		return err_set(download->err, DOWNLOAD_E_REFUSED,
			       "not supported by this Bun: it has no Bun.generateHeapSnapshot");
	return collect(download);
}

static int made(struct download *download)
{
	struct bun_snapshot *state = download->state;

	download->stats->busy_ns = clock_mono_ns() - state->asked_ns;
	if (!state->message.has_number || state->message.number <= 0)
		return err_set(download->err, DOWNLOAD_E_REFUSED,
			       "Bun made no snapshot: one over 2 GiB it cannot make");
	state->size = (uint64_t)state->message.number;
	return read_on(download);
}

static int answered(struct download *download)
{
	struct bun_snapshot *state = download->state;

	state->asked_id = 0; /* an answer counts once */
	if (state->step == BUN_FREE) {
		download->done = true;
		return 0;
	}
	if (state->message.failed || state->message.thrown)
		return bun_refused(download);
	switch (state->step) {
	case BUN_READY:
		return ready(download);
	case BUN_COLLECT:
		return make(download);
	case BUN_MAKE:
		return made(download);
	default:
		return take_slice(download);
	}
}

int bun_snapshot_message_end(struct download *download)
{
	struct bun_snapshot *state = download->state;

	if (is_tracking(download))
		return bun_tracking_message_end(download);
	if (!state->message.has_id || state->message.id != state->asked_id || state->asked_id == 0)
		return 0;
	return answered(download);
}

int bun_snapshot_event(struct download *download, const struct json_event *event)
{
	struct bun_snapshot *state = download->state;

	if (is_tracking(download))
		return bun_tracking_event(download, event);
	if (webkit_begins_message(event))
		state->text_size = 0;
	if (webkit_hear(&state->message, event) != WEBKIT_VALUE || !webkit_is_text(event))
		return 0;
	if (state->text_size + event->size <= BUN_SLICE_TEXT)
		memcpy(state->text + state->text_size, event->text, event->size);
	state->text_size += event->size;
	return 0;
}

int bun_snapshot_begin(struct download *download)
{
	struct bun_snapshot *state = download->state;

	download->next_id = webkit_first_id();
	if (is_tracking(download))
		return bun_tracking_begin(download);
	state->step = BUN_READY;
	download_expect(download);
	return evaluate(download, ready_expression);
}

/* Only the first step is expected to begin: whoever answered that is at work. */
int bun_snapshot_overdue(struct download *download)
{
	return download_blocked(download);
}

int bun_snapshot_finish(struct download *download)
{
	struct bun_snapshot *state = download->state;

	if (is_tracking(download))
		return bun_tracking_finish(download);
	if (!state->held)
		return 0;
	download->done = false;
	state->step = BUN_FREE;
	return evaluate(download, bun_free_expression);
}
