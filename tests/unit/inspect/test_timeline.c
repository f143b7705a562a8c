/*
 * Timelines over CDP against a scripted inspector: the snapshot comes when the time is over and not
 * before, what is told meanwhile is handed on, and whatever happens the tracking is switched off.
 */

#include "play.h"

#define EVENT(numbers)                                                                             \
	"{\"method\":\"HeapProfiler.heapStatsUpdate\",\"params\":{\"statsUpdate\":" numbers "}}\n"

static char told[256];
static int cancel_fd = -1; /* cancel when something is told */

static void interval(void *owner, uint64_t index, uint64_t bytes, uint64_t after_ns)
{
	size_t used = strlen(told);
	uint64_t one = 1;

	(void)owner;
	cr_expect(cancel_fd < 0 || write(cancel_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
	cr_expect_lt(after_ns, 10 * SECOND);
	snprintf(told + used, sizeof(told) - used, "%llu:%llu ", (unsigned long long)index,
		 (unsigned long long)bytes);
}

static struct result track(struct fake_inspector *fake, uint64_t duration_ns, bool stacks)
{
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	told[0] = '\0';
	request.task = DOWNLOAD_TAKE_TIMELINE;
	request.timeline = (struct download_timeline){ duration_ns, stacks };
	request.interval = interval;
	request.cancel_fd = cancel_fd;
	result_init(&result);
	run(&request, &result);
	check_requests(fake);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	return result;
}

static void finish(struct fake_inspector *fake, struct result *result)
{
	buf_fini(&result->bytes);
	buf_fini(&result->scripts);
	fake_stop(fake);
}

Test(timeline, whole)
{
	static const char events[] = EVENT("[0,10,1000]")
		EVENT("[0,9,900,1,2,33]") "{\"method\":\"HeapProfiler.lastSeenObjectId\","
					  "\"params\":{\"lastSeenObjectId\":7,\"timestamp\":1.5}}"
					  "\n" EVENT("[]") "{\"method\":\"Other.thing\",\"params\":"
							   "{\"statsUpdate\":[5,5,5]}}\n" EVENT(
								   "[1,1,-4]");
	const struct fake_script script = { .snapshot = small,
					    .snapshot_size = sizeof(small) - 1,
					    .tracking = events };
	struct fake_inspector *fake = fake_start(&script);
	uint64_t began_ns = clock_mono_ns();
	struct result result = track(fake, SECOND / 5, true);

	cr_expect_eq(result.r, 0, "%s", result.err.text);
	cr_expect_geq(clock_mono_ns() - began_ns, SECOND / 5);
	cr_expect(is_all(&result, small, sizeof(small) - 1));
	cr_expect_str_eq(told, "0:1000 0:900 1:33 1:0 ");
	cr_expect_eq(fake_heard(fake, "{\"trackAllocations\":true}"), 1);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.stopTrackingHeapObjects"), 1);
	cr_expect_eq(fake_heard(fake, "takeHeapSnapshot"), 0);
	cr_expect(result.stats.asked);
	cr_expect_eq(judged, 1);
	finish(fake, &result);
}

Test(timeline, whose_snapshot_the_guards_refuse)
{
	const struct fake_script script = { .snapshot = small,
					    .snapshot_size = sizeof(small) - 1,
					    .tracking = EVENT("[0,1,2]") };
	struct fake_inspector *fake = fake_start(&script);
	struct result result;

	verdict = -EPERM;
	result = track(fake, SECOND / 20, false);
	cr_expect_eq(result.r, -EPERM);
	cr_expect_str_eq(result.err.text, "no");
	cr_expect_eq(result.bytes.size, 0);
	cr_expect_eq(fake_heard(fake, "stopTrackingHeapObjects"), 0);
	finish(fake, &result);
}

Test(timeline, cancelled_while_it_waits)
{
	const struct fake_script script = { .snapshot = small,
					    .snapshot_size = sizeof(small) - 1,
					    .tracking = EVENT("[0,1,2]") };
	struct fake_inspector *fake = fake_start(&script);
	struct result result;

	cancel_fd = eventfd(0, EFD_CLOEXEC);
	result = track(fake, 300 * SECOND, false);
	cr_expect_eq(result.r, -ECANCELED);
	cr_expect_eq(result.bytes.size, 0);
	cr_expect_eq(fake_heard(fake, "stopTrackingHeapObjects"), 0);
	close(cancel_fd);
	finish(fake, &result);
}

Test(timeline, refused)
{
	const struct fake_script script = { .snapshot = small };
	struct fake_inspector *fake = fake_start(&script);
	struct result result = track(fake, SECOND, false);

	cr_expect_eq(result.r, DOWNLOAD_E_REFUSED);
	cr_expect_not_null(strstr(result.err.text, "startTrackingHeapObjects"));
	finish(fake, &result);
}

/* What has begun to come and breaks off is named for what it is. */
Test(timeline, lost)
{
	const struct fake_script script = { .snapshot = small,
					    .snapshot_size = sizeof(small) - 1,
					    .chunk = 5,
					    .tracking = "",
					    .cut = 600 };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	request.task = DOWNLOAD_TAKE_TIMELINE;
	request.timeline.duration_ns = SECOND / 20;
	request.interval = interval;
	result_init(&result);
	run(&request, &result);
	cr_expect_eq(result.r, DOWNLOAD_E_LOST);
	cr_expect_str_eq(result.err.text, "the connection ended before the end of the timeline");
	finish(fake, &result);
}
