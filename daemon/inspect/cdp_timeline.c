/*
 * Allocation timelines over CDP
 *
 * Said to the isolate, in the place of HeapProfiler.takeHeapSnapshot (cdp_snapshot.c):
 *
 *   HeapProfiler.startTrackingHeapObjects {"trackAllocations":B}
 *   HeapProfiler.stopTrackingHeapObjects {"reportProgress":true}     which brings the snapshot
 *
 * While it tracks, the program allocates several times slower, with the stack of each allocation
 * some fifteen times; HeapProfiler.disable, said in any case, ends that, as does the end of the
 * connection. About each 50 ms Node.js and Chromium tell what is alive of each interval
 * (heapStatsUpdate: index, objects, bytes, ...); Deno and workerd do not.
 *
 * Tracking is one per isolate, and V8 tells nobody that it is on: whoever tracks in DevTools at the
 * same time loses what was gathered when ours begins, and whoever leaves the inspector meanwhile
 * ends ours, after which the file tells no stacks and no times from there on.
 */

#include "inspect/cdp_timeline.h"

#include <string.h>

#include "inspect/cdp_capture.h"
#include "inspect/cdp_message.h"
#include "inspect/download.h"
#include "util/clock.h"

const char cdp_timeline_stop_method[] = "HeapProfiler.stopTrackingHeapObjects";
static const char start_method[] = "HeapProfiler.startTrackingHeapObjects";
static const char stats_method[] = "HeapProfiler.heapStatsUpdate";

int cdp_timeline_start(struct download *download, struct cdp_timeline *timeline)
{
	const char *params = download->request->timeline.stacks ? "{\"trackAllocations\":true}"
								: "{\"trackAllocations\":false}";

	timeline->on = true; /* from here on it may be */
	timeline->started_ns = clock_mono_ns();
	download->stats->asked = true;
	return cdp_capture_ask(download, start_method, params, &timeline->start_id);
}

int cdp_timeline_started(struct download *download, struct cdp_timeline *timeline,
			 const struct cdp_message *message)
{
	timeline->start_id = 0;
	if (message->failed)
		return cdp_refused(download, start_method, message);
	download_began(download);
	download_sleep(download, download->request->timeline.duration_ns);
	return 0;
}

/* The method comes before the params, or the triples are nobody's. */
void cdp_timeline_stat(struct download *download, struct cdp_timeline *timeline,
		       const struct cdp_message *message, const struct json_event *event)
{
	uint64_t value = event->integer > 0 ? (uint64_t)event->integer : 0;

	if (download->leaving || strcmp(message->method, stats_method) != 0)
		return;
	if (timeline->place == 0)
		timeline->index = value;
	if (timeline->place == 2)
		download->request->interval(download->request->owner, timeline->index, value,
					    clock_mono_ns() - timeline->started_ns);
	timeline->place = (timeline->place + 1) % 3;
}
