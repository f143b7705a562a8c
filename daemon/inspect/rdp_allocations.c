/*
 * Firefox's log of allocations
 *
 * Said to the memoryActor, after what rdp_snapshot.c has said up to `attach`:
 *
 *   startRecordingAllocations {"options":{"probability":P,"maxLogLength":N}}
 *   getAllocations               every half second: it empties the log
 *   stopRecordingAllocations     which goes with the connection, too
 *
 * and the same once before and once after with a probability of 0, for half a second. Firefox takes
 * objects for all who record by the highest probability of them, and tells nobody of the others: of
 * a log that somebody else has filled each object would stand for too many. With 0 ours is empty,
 * unless somebody does.
 *
 * Firefox takes objects by chance, one as likely as the other whatever its size, and what becomes
 * of them is not told: this is of all that was allocated. P is chosen so that objects of a common
 * size are as rare as the interval wants it. A log that is full loses what is oldest without a
 * word, so one that came full is a failure.
 */

#include "inspect/rdp_allocations.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "inspect/download.h"
#include "inspect/rdp_snapshot.h"
#include "json/tree.h"
#include "util/clock.h"
#include "util/err.h"

enum {
	OBJECT_BYTES = 64, /* a common size */
	LOG_MAX = 20000, /* allocations: with the table of frames, some megabytes at the most */
};

#define DRAIN_NS (500 * NS_PER_MS)

static const char stop_type[] = "stopRecordingAllocations";

static struct rdp_allocations *state_of(const struct download *download)
{
	struct rdp_snapshot *snapshot = download->state;

	return &snapshot->allocations;
}

int rdp_allocations_begin(struct download *download)
{
	struct rdp_allocations *state = state_of(download);
	double wanted = (double)OBJECT_BYTES / (double)download->request->samples.interval_bytes;

	state->probability = wanted < 1 ? wanted : 1;
	return rdp_snapshot_record(download, 0, LOG_MAX);
}

static void sleep_on(struct download *download)
{
	uint64_t now = clock_mono_ns(), until = state_of(download)->until_ns;
	uint64_t left = until > now ? until - now : 0;

	download_sleep(download, left < DRAIN_NS ? left : DRAIN_NS);
}

int rdp_allocations_woken(struct download *download)
{
	state_of(download)->asked_ns = clock_mono_ns();
	return rdp_snapshot_step(download, "getAllocations");
}

/* ---- the log ---- */

static int32_t number(const struct tree *frame, const char *name, int32_t add)
{
	int64_t value = 0;

	if (!tree_int(frame, name, &value) || value < 0 || value >= INT32_MAX)
		return 0;
	return (int32_t)value + add;
}

static struct download_frame frame_of(const struct tree *frame)
{
	struct download_frame ret = { .name = "", .url = "" };

	tree_string(frame, "functionDisplayName", &ret.name);
	tree_string(frame, "source", &ret.url);
	ret.line = number(frame, "line", 0); /* from 1 */
	ret.column = number(frame, "column", 0);
	return ret;
}

/* The stack of a frame, its own at the end; at most max of the innermost. */
static size_t stack_of(const struct tree *frames, int64_t at, struct download_frame *stack,
		       size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < max && at > 0; i++) {
		const struct tree *frame = tree_at(frames, (size_t)at);

		if (!tree_is_object(frame))
			break;
		n++;
		stack[max - n] = frame_of(frame);
		if (!tree_int(frame, "parent", &at))
			break;
	}
	return n;
}

static int take_log(struct download *download, const struct tree *packet)
{
	const struct tree *log = tree_get(packet, "allocations"),
			  *frames = tree_get(packet, "frames");
	const struct tree *sizes = tree_get(packet, "allocationSizes");
	struct download_frame stack[SAMPLING_DEPTH_MAX];
	size_t max = download->request->samples.stack_depth, n = tree_size(log);
	double each = 1 / state_of(download)->probability;
	int r = 0;

	if (!tree_is_array(log) || !tree_is_array(sizes) || tree_size(sizes) != n)
		return err_set(download->err, -EPROTO, "getAllocations tells no allocations");
	if (n >= LOG_MAX)
		return err_set(download->err, DOWNLOAD_E_REFUSED,
			       "its log of allocations was full, and some are lost: choose a "
			       "larger interval");
	for (size_t i = 0; r == 0 && i < n; i++) {
		int64_t at = 0, size = 0;
		size_t depth;

		if (!tree_int(tree_at(log, i), NULL, &at) ||
		    !tree_int(tree_at(sizes, i), NULL, &size) || size < 0 || size > INT32_MAX)
			continue;
		depth = stack_of(frames, at, stack, max);
		r = download_allocation(download, stack + max - depth, depth,
					(uint64_t)llround((double)size * each),
					(uint64_t)llround(each));
	}
	return r;
}

/* ---- step by step ---- */

static int look(struct download *download, const struct tree *packet)
{
	if (tree_size(tree_get(packet, "allocations")) > 0)
		return err_set(download->err, DOWNLOAD_E_REFUSED,
			       "another client records the allocations of this page, too: what "
			       "Firefox takes for it would count as so many more of ours");
	return rdp_snapshot_step(download, stop_type);
}

static int fetched(struct download *download, const struct tree *packet)
{
	struct rdp_allocations *state = state_of(download);
	uint64_t now = clock_mono_ns();
	int r;

	if (now - state->asked_ns > download->stats->busy_ns)
		download->stats->busy_ns = now - state->asked_ns;
	if (state->phase != RDP_RECORD)
		return look(download, packet);
	r = take_log(download, packet);
	if (r != 0)
		return r;
	if (now >= state->until_ns)
		return rdp_snapshot_step(download, stop_type);
	sleep_on(download);
	return 0;
}

static int stopped(struct download *download)
{
	struct rdp_allocations *state = state_of(download);

	if (state->phase == RDP_LOOK_AFTER) {
		download->done = true;
		return 0;
	}
	state->phase++;
	return rdp_snapshot_record(download, state->phase == RDP_RECORD ? state->probability : 0,
				   LOG_MAX);
}

static void started(struct download *download)
{
	struct rdp_allocations *state = state_of(download);

	if (state->phase != RDP_RECORD) {
		download_sleep(download, DRAIN_NS);
		return;
	}
	state->until_ns = clock_mono_ns() + download->request->samples.duration_ns;
	sleep_on(download);
}

int rdp_allocations_answered(struct download *download, const char *type, const struct tree *packet)
{
	if (strcmp(type, stop_type) == 0)
		return stopped(download);
	if (strcmp(type, "getAllocations") == 0)
		return fetched(download, packet);
	started(download); /* startRecordingAllocations */
	return 0;
}
