/*
 * Taking a snapshot of JSC
 *
 * JSC forgets a tracking, and the snapshots it keeps to number objects by, when Heap is disabled,
 * and it is disabled for a client that leaves: only where it was enabled, though. So a tracking
 * enables it first, and whoever leaves in the middle leaves nothing behind, and no second snapshot
 * is made for that.
 */

#include "inspect/webkit_take.h"

#include <errno.h>
#include <string.h>

#include "inspect/download.h"
#include "inspect/runtime.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"

const char webkit_enable_method[] = "Heap.enable";
const char webkit_disable_method[] = "Heap.disable";

static const struct {
	const char *method, *in; /* the event that has it; "": the answer */
} words[] = {
	[WEBKIT_ALONE] = { "Heap.snapshot", "" },
	[WEBKIT_FIRST] = { "Heap.startTracking", "Heap.trackingStart" },
	[WEBKIT_SECOND] = { "Heap.stopTracking", "Heap.trackingComplete" },
};

void webkit_take_init(struct download *download, struct webkit_take *take)
{
	take->which =
		download->request->task == DOWNLOAD_TAKE_TRACKING ? WEBKIT_FIRST : WEBKIT_ALONE;
}

int webkit_take_judge(struct download *download, const struct webkit_take *take,
		      uint64_t heap_bytes)
{
	const char *why;
	uint64_t most =
		runtime_heap_max(download->request->runtime, take->which != WEBKIT_ALONE, &why);
	char used[STR_UNIT_MAX], max[STR_UNIT_MAX];

	if (take->which == WEBKIT_SECOND)
		return download_judge(download, heap_bytes);
	if (most == 0 || heap_bytes <= most)
		return 0;
	str_format_bytes(used, heap_bytes);
	str_format_bytes(max, most);
	return err_set(download->err, DOWNLOAD_E_REFUSED,
		       "the heap uses %s, at most %s can be captured: %s", used, max, why);
}

const char *webkit_take_begin(struct download *download, struct webkit_take *take)
{
	take->asked_ns = clock_mono_ns();
	take->whole = false;
	download->stats->asked = true;
	return words[take->which].method;
}

void webkit_take_message(struct webkit_take *take)
{
	take->streamed = false;
}

int webkit_take_piece(struct download *download, struct webkit_take *take, const char *method,
		      const struct json_event *event)
{
	if (take->asked_ns == 0 || strcmp(method, words[take->which].in) != 0)
		return 0;
	/* It is all there before the first byte comes: the program goes on meanwhile. */
	if (!take->streamed)
		download->stats->busy_ns = clock_mono_ns() - take->asked_ns;
	take->streamed = true;
	if (event->size > 0)
		take->last = event->text[event->size - 1];
	return download_piece(download, DOWNLOAD_SNAPSHOT, event->text, event->size);
}

void webkit_take_message_end(struct webkit_take *take)
{
	if (take->streamed || take->which == WEBKIT_ALONE)
		take->whole = take->streamed && take->last == '}';
}

int webkit_take_answered(struct download *download, struct webkit_take *take)
{
	if (!take->whole)
		return err_set(download->err, -EPROTO, "%s was answered without a whole snapshot%s",
			       words[take->which].method,
			       take->which != WEBKIT_ALONE
				       ? ": another client tracks the heap, or has "
					 "ended what we began"
				       : "");
	take->asked_ns = 0;
	if (take->which == WEBKIT_FIRST)
		take->which = WEBKIT_SECOND;
	download->done = true;
	return 0;
}
