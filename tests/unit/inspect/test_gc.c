/* Collections as the runtimes tell them: what is a pause, what a span, and what makes no sense. */

#include <criterion/criterion.h>
#include <string.h>

#include "inspect/gc_trace.h"
#include "inspect/rdp_gc.h"
#include "inspect/trace_threads.h"
#include "inspect/webkit_gc.h"
#include "json/tree.h"

TestSuite(gc, .timeout = 60);

static struct gc_event told[16];
static unsigned told_n;

static struct tree *parse(const char *text)
{
	struct tree *tree;

	cr_assert_eq(tree_parse(text, strlen(text), &tree, NULL), 0, "%s", text);
	return tree;
}

static void take(struct gc_trace *trace, const char *text)
{
	struct tree *tree = parse(text);

	cr_assert_lt(told_n, sizeof(told) / sizeof(told[0]));
	told_n += gc_trace_take(trace, tree, &told[told_n]);
	tree_free(tree);
}

#define EVENT(name, ph, more) "{\"name\":\"" name "\",\"ph\":\"" ph "\"" more "}"
#define BEFORE                ",\"args\":{\"usedHeapSizeBefore\":35109960,\"type\":\"task\"}"
#define AFTER                 ",\"args\":{\"usedHeapSizeAfter\":29890424}"

Test(gc, two_events_make_a_pause)
{
	struct gc_trace trace = { 0 };

	take(&trace, EVENT("MinorGC", "B", ",\"ts\":1000" BEFORE));
	take(&trace, EVENT("MajorGC", "B", ",\"ts\":1100" BEFORE));
	take(&trace, EVENT("V8.GCScavenger", "X", ",\"ts\":1010,\"dur\":4"));
	take(&trace, EVENT("MinorGC", "E", ",\"ts\":1290" AFTER));
	take(&trace, EVENT("MajorGC", "E", ",\"ts\":9100" AFTER));
	cr_assert_eq(told_n, 2);
	cr_expect_eq(told[0].kind, GC_MINOR);
	cr_expect_eq(told[0].duration_ns, 290000);
	cr_expect(told[0].is_end && !told[0].is_span && told[0].has_sizes);
	cr_expect_eq(told[0].before_bytes, 35109960);
	cr_expect_eq(told[0].after_bytes, 29890424);
	cr_expect_eq(told[1].kind, GC_MAJOR);
	cr_expect_eq(told[1].duration_ns, 8000000);
}

Test(gc, one_event_with_its_duration_is_a_pause_too)
{
	struct gc_trace trace = { 0 };

	take(&trace, EVENT("MinorGC", "X",
			   ",\"ts\":7,\"dur\":191,\"args\":{\"usedHeapSizeAfter\":3,"
			   "\"usedHeapSizeBefore\":7}"));
	take(&trace, EVENT("V8.GCIncrementalMarking", "X", ",\"ts\":7,\"dur\":70"));
	cr_assert_eq(told_n, 2);
	cr_expect(told[0].has_sizes && told[0].duration_ns == 191000);
	cr_expect_eq(told[1].kind, GC_INCREMENTAL);
	cr_expect(!told[1].is_end && !told[1].has_sizes);
}

Test(gc, what_makes_no_sense_is_passed_over)
{
	static const char *const events[] = {
		"{}",
		"[]",
		EVENT("MinorGC", "E", ",\"ts\":5" AFTER), /* its begin was in no trace of ours */
		EVENT("MinorGC", "B", ""),
		EVENT("MinorGC", "E", ",\"ts\":5"),
		EVENT("MajorGC", "B", ",\"ts\":100"),
		EVENT("MajorGC", "E", ",\"ts\":99"), /* backwards */
		EVENT("MajorGC", "B", ",\"ts\":-9223372036854775808"),
		EVENT("MajorGC", "E", ",\"ts\":9223372036854775807"),
		EVENT("MajorGC", "B", ",\"ts\":0"),
		EVENT("MajorGC", "E", ",\"ts\":3600000001"), /* longer than an hour */
		EVENT("MinorGC", "X", ""),
		EVENT("MinorGC", "X", ",\"dur\":-1"),
		EVENT("MinorGC", "X", ",\"dur\":\"9\""),
		EVENT("MinorGC", "X", ",\"dur\":1e300"),
		EVENT("MinorGC", "Q", ",\"dur\":9"),
		EVENT("minorgc", "X", ",\"dur\":9"),
		"{\"name\":7,\"ph\":\"X\",\"dur\":9}",
		"{\"name\":\"MinorGC\",\"ph\":[],\"dur\":9}",
	};
	struct gc_trace trace = { 0 };

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		take(&trace, events[i]);
		cr_expect_eq(told_n, 0, "%s", events[i]);
		told_n = 0;
	}
}

Test(gc, sizes_that_make_no_sense_are_none)
{
	struct gc_trace trace = { 0 };

	take(&trace, EVENT("MajorGC", "B", ",\"ts\":1,\"args\":{\"usedHeapSizeBefore\":-5}"));
	take(&trace, EVENT("MajorGC", "E", ",\"ts\":2" AFTER));
	take(&trace, EVENT("MajorGC", "B", ",\"ts\":3" BEFORE));
	take(&trace, EVENT("MajorGC", "E", ",\"ts\":4,\"args\":7"));
	cr_assert_eq(told_n, 2);
	cr_expect(!told[0].has_sizes && !told[1].has_sizes);
}

Test(gc, a_thread_is_two_numbers)
{
	struct tree *good = parse("{\"pid\":7690,\"tid\":7755}"), *bad = parse("{\"pid\":\"7\"}");
	int64_t pid, tid;

	cr_expect(gc_trace_thread(good, &pid, &tid) && pid == 7690 && tid == 7755);
	cr_expect_not(gc_trace_thread(bad, &pid, &tid));
	tree_free(good);
	tree_free(bad);
}

#define WORKER(more)                                                                               \
	"{\"name\":\"TracingSessionIdForWorker\",\"pid\":7,\"tid\":13,\"args\":{\"data\":{" more   \
	"}}}"
#define FRAMES(frames)                                                                             \
	"{\"name\":\"TracingStartedInBrowser\",\"pid\":2,\"tid\":2,\"args\":{\"data\":"            \
	"{\"frames\":" frames "}}}"

Test(gc, a_browser_tells_which_thread_runs_what)
{
	struct tree *main = parse("{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":15916,\"tid\":1,"
				  "\"args\":{\"name\":\"CrRendererMain\"}}");
	struct tree *worker = parse(WORKER("\"workerId\":\"8F93\",\"workerThreadId\":13"));
	struct tree *frames = parse(FRAMES("[{\"frame\":\"42BF\",\"processId\":15916},"
					   "{\"frame\":\"42BF\",\"processId\":8}]"));
	const char *target;
	int64_t pid, tid;

	cr_expect(trace_main_thread(main, &pid, &tid) && pid == 15916 && tid == 1);
	cr_expect(trace_worker(worker, &target, &pid, &tid) && pid == 7 && tid == 13);
	cr_expect_str_eq(target, "8F93");
	cr_expect_eq(trace_frames(frames), 2);
	cr_expect(trace_frame(frames, 0, &target, &pid) && pid == 15916);
	cr_expect_str_eq(target, "42BF");
	cr_expect_not(trace_frame(frames, 2, &target, &pid));
	tree_free(main);
	tree_free(worker);
	tree_free(frames);
}

Test(gc, threads_that_make_no_sense_are_none)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"name\":\"thread_name\",\"pid\":5,\"tid\":5,\"args\":{\"name\":\"Compositor\"}}",
		"{\"name\":\"thread_name\",\"pid\":5,\"tid\":0,\"args\":{\"name\":"
		"\"CrRendererMain\"}}",
		"{\"name\":\"thread_name\",\"pid\":-5,\"tid\":5,\"args\":{\"name\":"
		"\"CrRendererMain\"}}",
		"{\"name\":\"thread_name\",\"pid\":5,\"tid\":5,\"args\":{\"name\":[]}}",
		WORKER(""),
		WORKER("\"workerId\":4,\"workerThreadId\":13"),
		WORKER("\"workerId\":\"8F93\",\"workerThreadId\":\"13\""),
		WORKER("\"workerId\":\"8F93\",\"workerThreadId\":1e300"),
		FRAMES("{\"frame\":\"42BF\"}"),
		FRAMES("[7]"),
		FRAMES("[{\"frame\":\"42BF\"}]"), /* it has crashed */
		FRAMES("[{\"frame\":7,\"processId\":5}]"),
		FRAMES("[{\"frame\":\"42BF\",\"processId\":0}]"),
		FRAMES("[{\"frame\":\"42BF\",\"processId\":99999999999999999999}]"),
	};
	const char *target;
	int64_t pid, tid;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tree *tree = parse(bad[i]);

		cr_expect_not(trace_main_thread(tree, &pid, &tid), "%s", bad[i]);
		cr_expect_not(trace_worker(tree, &target, &pid, &tid), "%s", bad[i]);
		cr_expect_not(trace_frame(tree, 0, &target, &pid), "%s", bad[i]);
		tree_free(tree);
	}
}

static bool reads_webkit(const char *text, struct gc_event *ret)
{
	struct tree *tree = parse(text);
	bool is = webkit_gc_read(tree, ret);

	tree_free(tree);
	return is;
}

#define COLLECTION(type, start, end)                                                               \
	"{\"collection\":{\"type\":\"" type "\",\"startTime\":" start ",\"endTime\":" end "}}"

Test(gc, javascriptcore_tells_spans)
{
	static const char *const bad[] = {
		"{}",
		"{\"collection\":[]}",
		COLLECTION("full", "0", "0"), /* its clock has not been started */
		COLLECTION("full", "2", "1"),
		COLLECTION("full", "1", "3602"),
		COLLECTION("full", "\"1\"", "2"),
		COLLECTION("full", "-1e308", "1e308"),
	};
	struct gc_event gc;

	cr_assert(reads_webkit(COLLECTION("full", "34.5", "34.75"), &gc));
	cr_expect(gc.is_span && gc.is_end && gc.kind == GC_MAJOR && !gc.has_sizes);
	cr_expect_eq(gc.duration_ns, 250000000);
	cr_assert(reads_webkit(COLLECTION("partial", "1", "1"), &gc));
	cr_expect(gc.kind == GC_MINOR && gc.duration_ns == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(reads_webkit(bad[i], &gc), "%s", bad[i]);
}

#define PACKET(reason, slices)                                                                     \
	"{\"type\":\"garbage-collection\",\"from\":\"m\",\"data\":{\"nonincrementalReason\":"      \
	"\"" reason "\",\"collections\":[" slices "]}}"

Test(gc, each_slice_of_firefox_is_a_pause)
{
	struct tree *tree = parse(PACKET("None", "{\"startTimestamp\":1,\"endTimestamp\":1.5},"
						 "{\"startTimestamp\":9,\"endTimestamp\":11}"));
	struct gc_event gc;

	cr_assert_eq(rdp_gc_slices(tree), 2);
	cr_assert(rdp_gc_read(tree, 0, &gc));
	cr_expect(gc.kind == GC_INCREMENTAL && !gc.is_end && !gc.is_span);
	cr_expect_eq(gc.duration_ns, 500000);
	cr_assert(rdp_gc_read(tree, 1, &gc));
	cr_expect(gc.is_end && gc.duration_ns == 2000000);
	cr_expect_not(rdp_gc_read(tree, 2, &gc));
	tree_free(tree);
	tree = parse(
		PACKET("NonIncrementalRequested", "{\"startTimestamp\":1,\"endTimestamp\":2}"));
	cr_assert(rdp_gc_read(tree, 0, &gc));
	cr_expect(gc.kind == GC_MAJOR && gc.is_end);
	tree_free(tree);
}

Test(gc, slices_that_make_no_sense_are_none)
{
	static const char *const bad[] = { PACKET("None", "{}"), PACKET("None", "7"),
					   PACKET("None",
						  "{\"startTimestamp\":2,\"endTimestamp\":1}") };
	static const char *const none[] = {
		"{}", "{\"type\":\"garbage-collection\"}",
		"{\"type\":\"garbage-collection\",\"data\":{\"collections\":{\"a\":1}}}",
		"{\"type\":\"attached\",\"data\":{\"collections\":[{}]}}"
	};
	struct gc_event gc;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tree *tree = parse(bad[i]);

		cr_expect_not(rdp_gc_read(tree, 0, &gc), "%s", bad[i]);
		tree_free(tree);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct tree *tree = parse(none[i]);

		cr_expect_eq(rdp_gc_slices(tree), 0, "%s", none[i]);
		tree_free(tree);
	}
}
