/*
 * Downloads over CDP against a scripted inspector: whatever happens on the wire, the bytes that
 * reach the sink are the beginning of the snapshot, success means all of it, and a target that can
 * still hear is told to stop tracking.
 */

#include "inspect/download.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_inspector.h"
#include "inspect/dialect.h"
#include "json/tree.h"
#include "util/buf.h"
#include "util/clock.h"

#define SECOND NS_PER_S

static const char small[] =
	"{\"snapshot\":{\"meta\":{}},\"nodes\":[1,2\n,3],\"strings\":[\"a\\\"\\\\b\","
	"\"\\u00E9\\n\",\"\t{}[],:\"]}";

/* What one download yields. */
struct result {
	int r;
	struct err err;
	struct download_stats stats;
	struct buf bytes, scripts;
	double progress; /* the last */
	/* For the sink. */
	size_t full_at; /* refuse to take more */
	int cancel_fd; /* cancel at the first piece */
	struct fake_inspector *release; /* and let it go on */
};

static int sink(void *owner, enum download_part part, const char *data, size_t size)
{
	struct result *result = owner;
	uint64_t one = 1;

	if (part == DOWNLOAD_SCRIPTS) {
		cr_expect_eq(result->bytes.size, 0, "the scripts come whole before the snapshot");
		return buf_append(&result->scripts, data, size);
	}
	if (result->cancel_fd >= 0 &&
	    write(result->cancel_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		return -EIO;
	if (result->release != NULL)
		fake_release(result->release);
	if (result->full_at > 0 && result->bytes.size + size > result->full_at)
		return -ENOSPC;
	return buf_append(&result->bytes, data, size);
}

static void progress(void *owner, double share)
{
	((struct result *)owner)->progress = share;
}

static struct download_request request_to(uint16_t port, const char *isolate)
{
	struct download_request request = {
		.dialect = &dialect_cdp,
		.address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = port },
		.engine_version = "13.6.233.17-node.28",
		.connect_ns = 5 * SECOND,
		.idle_ns = 10 * SECOND,
		.total_ns = 60 * SECOND,
		.cancel_fd = -1,
		.sink = sink,
		.progress = progress,
	};

	snprintf(request.path, sizeof(request.path), "%s", fake_path);
	snprintf(request.isolate, sizeof(request.isolate), "%s", isolate);
	return request;
}

static void result_init(struct result *result)
{
	*result = (struct result){ .cancel_fd = -1 };
	buf_init(&result->bytes, 64 * 1024 * 1024);
	buf_init(&result->scripts, 128 * 1024 * 1024);
}

static void run(struct download_request *request, struct result *result)
{
	request->owner = result;
	result->r = download_run(request, &result->stats, &result->err);
}

/* One download of "main", or of the script's worker 3. */
static struct result download(struct fake_inspector *fake, const struct fake_script *script)
{
	struct download_request request =
		request_to(fake_port(fake), script->worker != NULL ? "worker:3" : "main");
	struct result result;

	result_init(&result);
	run(&request, &result);
	return result;
}

static bool is_all(const struct result *result, const char *text, size_t size)
{
	return result->bytes.size == size && memcmp(result->bytes.data, text, size) == 0;
}

static bool is_beginning(const struct result *result, const char *text)
{
	return result->bytes.size == 0 || memcmp(result->bytes.data, text, result->bytes.size) == 0;
}

/* Every request is JSON, has an int32 id, and is one of those the essay of cdp_snapshot.c lists. */
static void check_requests(struct fake_inspector *fake)
{
	static const char *const known[] = {
		"NodeRuntime.enable",
		"NodeRuntime.notifyWhenWaitingForDisconnect",
		"HeapProfiler.collectGarbage",
		"HeapProfiler.takeHeapSnapshot",
		"HeapProfiler.disable",
		"Debugger.setSkipAllPauses",
		"Debugger.enable",
		"Debugger.resume",
		"Debugger.disable",
		"Runtime.getHeapUsage",
		"NodeWorker.enable",
		"NodeWorker.sendMessageToWorker",
	};
	const char *text;

	for (unsigned i = 0; (text = fake_message(fake, i)) != NULL; i++) {
		const char *method = "";
		struct tree *root = NULL;
		bool found = false;
		int64_t id = 0;

		cr_assert_eq(tree_parse(text, strlen(text), &root, NULL), 0, "%s", text);
		cr_expect(tree_string(root, "method", &method), "%s", text);
		cr_expect(tree_int(root, "id", &id) && id > 0 && id <= INT32_MAX, "%s", text);
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			found |= strcmp(known[k], method) == 0;
		cr_expect(found, "%s is not on the list", method);
		tree_free(root);
	}
}

/* Runs the script once and checks what must always hold. */
static struct result play(const struct fake_script *script, unsigned disables)
{
	struct fake_inspector *fake = fake_start(script);
	struct result result;

	cr_assert_not_null(fake);
	result = download(fake, script);
	if (disables > 0)
		cr_expect(fake_await(fake, "HeapProfiler.disable", disables));
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), disables);
	check_requests(fake);
	fake_stop(fake);
	return result;
}

static void expect_whole(const struct fake_script *script)
{
	struct result result = play(script, 1);

	cr_expect_eq(result.r, 0, "%s", result.err.text);
	cr_expect(is_all(&result, script->snapshot, script->snapshot_size));
	cr_expect_eq(result.stats.bytes, script->snapshot_size);
	cr_expect_gt(result.stats.wire_bytes, result.stats.bytes);
	cr_expect_gt(result.stats.busy_ns, 0);
	cr_expect_leq(result.stats.busy_ns, result.stats.duration_ns);
	cr_expect_leq(result.stats.first_byte_ns, result.stats.duration_ns);
	buf_fini(&result.bytes);
}

static void expect_failure(const struct fake_script *script, int r, const char *text,
			   unsigned disables)
{
	struct result result = play(script, disables);

	cr_expect_eq(result.r, r, "%s", result.err.text);
	cr_expect_not_null(strstr(result.err.text, text), "'%s' is not in '%s'", text,
			   result.err.text);
	cr_expect(is_beginning(&result, script->snapshot));
	buf_fini(&result.bytes);
}

#define SMALL .snapshot = small, .snapshot_size = sizeof(small) - 1

/* ---- what arrives ---- */

Test(download, whole)
{
	expect_whole(&(struct fake_script){ SMALL });
}

Test(download, chunks_of_every_size)
{
	for (size_t chunk = 1; chunk <= 20; chunk++)
		expect_whole(&(struct fake_script){ SMALL, .chunk = chunk });
}

Test(download, escapes)
{
	expect_whole(&(struct fake_script){ SMALL, .chunk = 7, .escape_all = true });
}

Test(download, frames_in_fragments)
{
	static const size_t sizes[] = { 1, 2, 7, 60, 125, 126 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		expect_whole(&(struct fake_script){ SMALL, .chunk = 50, .fragment = sizes[i] });
}

Test(download, writes_in_drops)
{
	expect_whole(&(struct fake_script){ SMALL, .chunk = 50, .dribble = 1 });
	expect_whole(&(struct fake_script){ SMALL, .chunk = 50, .dribble = 3, .fragment = 10 });
}

/* A chunk many times the scanner's buffer, with something to escape at every distance from its
 * border. */
static char *make_large(size_t size)
{
	char *text = malloc(size + 1);

	cr_assert_not_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = i % 97 == 0 ? '"' : i % 89 == 0 ? '\\' : i % 83 == 0 ? '\n' : 'x';
	text[0] = '{';
	text[size - 1] = '}';
	text[size] = '\0';
	return text;
}

Test(download, large)
{
	enum { SIZE = 5 * 1024 * 1024 };
	char *text = make_large(SIZE);

	expect_whole(&(struct fake_script){
		.snapshot = text, .snapshot_size = SIZE, .chunk = 1024 * 1024 + 1 });
	expect_whole(&(struct fake_script){ .snapshot = text,
					    .snapshot_size = SIZE,
					    .chunk = 1024 * 1024,
					    .worker = "[worker 3]" });
	free(text);
}

Test(download, reply_like_workerd)
{
	expect_whole(&(struct fake_script){ SMALL, .odd_reply = true });
}

Test(download, what_others_say_is_ignored)
{
	static const char *const others[] = {
		"{\"id\":100000008,\"result\":{}}",
		"{\"id\":99,\"error\":{\"code\":-32601,\"message\":\"no\"}}",
		"{\"method\":\"Other.event\",\"params\":{\"chunk\":\"not ours\"}}",
		"{\"method\":\"Other.event\",\"params\":{\"a\":{\"chunk\":\"deeper\"}}}",
		"{\"method\":\"Other.event\",\"params\":[\"chunk\",{\"chunk\":\"x\"},\"y\"]}",
		"{\"chunk\":\"at the top\",\"id\":null}",
		"{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"params\":{\"no\":[\"x\",["
		"\"y\"]]}}",
		"{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{\"sessionId\":"
		"\"\","
		"\"message\":\"{\"}}",
		"{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"params\":{\"chunk\":\"\"},"
		"\"more\":[\"not ours\",[\"x\"],{\"chunk\":\"x\"}]}",
		"{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"params\":{\"chunk\":\"\","
		"\"more\":[\"not ours\",{\"chunk\":\"x\"},[\"x\"]]}}",
		"{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"more\":{\"chunk\":\"x\"}}",
		"{}",
		"null",
		"[1,\"chunk\",{\"params\":{\"chunk\":\"x\"}}]",
		"\"text\"",
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		expect_whole(&(struct fake_script){ SMALL, .chunk = 30, .middle = others[i] });
		expect_whole(&(struct fake_script){ SMALL, .chunk = 30, .middle = others[i],
						    .fragment = 3, .dribble = 1 });
	}
}

Test(download, progress_is_told)
{
	struct result result = play(&(struct fake_script){ SMALL }, 1);

	cr_expect_float_eq(result.progress, 0.25, 1e-9);
	buf_fini(&result.bytes);
}

/* ---- what goes wrong ---- */

Test(download, refused)
{
	expect_failure(&(struct fake_script){ SMALL, .refuse = "not today" }, DOWNLOAD_E_REFUSED,
		       "not today", 1);
}

Test(download, refused_over_several_pieces)
{
	expect_failure(&(struct fake_script){ SMALL, .refuse = "not today", .dribble = 1 },
		       DOWNLOAD_E_REFUSED, "HeapProfiler.takeHeapSnapshot: not today", 1);
}

Test(download, exiting_is_left_at_once)
{
	static const char event[] =
		"{\"method\":\"NodeRuntime.waitingForDisconnect\",\"params\":{}}";
	uint64_t before_ns = clock_mono_ns();

	expect_failure(&(struct fake_script){ SMALL, .before = event, .silent = true },
		       DOWNLOAD_E_EXITING, "exiting", 0);
	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = event },
		       DOWNLOAD_E_EXITING, "exiting", 0);
	cr_expect_lt(clock_mono_ns() - before_ns, SECOND);
}

/* Told to exit before we asked to be told: no event comes, no snapshot, but its port is closed. */
Test(download, exiting_before_the_snapshot_is_noticed)
{
	uint64_t before_ns = clock_mono_ns();

	expect_failure(&(struct fake_script){ SMALL, .exiting = true }, DOWNLOAD_E_EXITING,
		       "closed its inspector", 0);
	cr_expect_lt(clock_mono_ns() - before_ns, SECOND);
}

Test(download, silence)
{
	const struct fake_script script = { SMALL, .silent = true };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	request.idle_ns = SECOND / 5;
	run(&request, &result);
	cr_expect_eq(result.r, -ETIMEDOUT);
	cr_expect_str_eq(result.err.text, "the target fell silent");
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	fake_stop(fake);
}

Test(download, endless_is_ended_by_the_clock)
{
	const struct fake_script script = { SMALL, .endless = true };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	request.total_ns = SECOND / 5;
	run(&request, &result);
	cr_expect_eq(result.r, -ETIMEDOUT);
	cr_expect_str_eq(result.err.text, "it took longer than allowed");
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	buf_fini(&result.bytes);
	fake_stop(fake);
}

Test(download, endless_is_ended_by_the_sink)
{
	const struct fake_script script = { SMALL, .endless = true, .chunk = 10 };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	result.full_at = 5000;
	run(&request, &result);
	cr_expect_eq(result.r, -ENOSPC);
	cr_expect_leq(result.bytes.size, 5000);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	buf_fini(&result.bytes);
	fake_stop(fake);
}

Test(download, cancelled_in_the_middle)
{
	const struct fake_script script = { SMALL, .chunk = 10, .hold = true };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	result.cancel_fd = request.cancel_fd = eventfd(0, EFD_CLOEXEC);
	result.release = fake;
	run(&request, &result);
	cr_expect_eq(result.r, -ECANCELED);
	cr_expect_str_eq(result.err.text, "cancelled");
	cr_expect(is_beginning(&result, small));
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	close(request.cancel_fd);
	buf_fini(&result.bytes);
	fake_stop(fake);
}

Test(download, cancelled_before_it_began)
{
	const struct fake_script script = { SMALL };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	request.cancel_fd = eventfd(1, EFD_CLOEXEC);
	run(&request, &result);
	cr_expect_eq(result.r, -ECANCELED);
	cr_expect_eq(fake_heard(fake, "takeHeapSnapshot"), 0);
	close(request.cancel_fd);
	fake_stop(fake);
}

Test(download, nobody_listens)
{
	const struct fake_script script = { SMALL };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	fake_stop(fake);
	result_init(&result);
	run(&request, &result);
	cr_expect_eq(result.r, -ECONNREFUSED);
	cr_expect_gt(strlen(result.err.text), 0);
}

Test(download, closed_in_good_order)
{
	expect_failure(&(struct fake_script){ SMALL, .chunk = 10, .gone = true }, DOWNLOAD_E_LOST,
		       "closed", 0);
}

/* The bytes of a whole conversation, to know where it can be cut. */
static size_t conversation_bytes(const struct fake_script *script)
{
	struct fake_inspector *fake = fake_start(script);
	struct result result = download(fake, script);
	size_t sent = (size_t)fake_sent(fake);

	cr_assert_eq(result.r, 0);
	buf_fini(&result.bytes);
	fake_stop(fake);
	return sent;
}

static void cut_everywhere(struct fake_script script, size_t step)
{
	size_t end = conversation_bytes(&script);
	struct result result;
	size_t whole = 0;

	for (size_t cut = 1; cut < end; cut += step) {
		struct fake_inspector *fake;

		script.cut = cut;
		fake = fake_start(&script);
		result = download(fake, &script);
		if (result.r == 0) { /* only the answer to the last words was lost */
			cr_expect(is_all(&result, small, sizeof(small) - 1));
			whole++;
		} else {
			cr_expect_eq(result.r, DOWNLOAD_E_LOST, "cut at %zu: %s", cut,
				     result.err.text);
			cr_expect(is_beginning(&result, small));
		}
		buf_fini(&result.bytes);
		fake_stop(fake);
	}
	cr_expect_leq(whole, 200 / step);
}

Test(download, cut_at_every_byte)
{
	cut_everywhere((struct fake_script){ SMALL, .chunk = 40 }, 1);
}

Test(download, cut_in_a_worker)
{
	cut_everywhere((struct fake_script){ SMALL, .chunk = 40, .worker = "[worker 3] x" }, 5);
}

Test(download, answer_without_a_whole_snapshot)
{
	expect_failure(&(struct fake_script){ .snapshot = "" }, -EPROTO, "without a whole", 1);
	expect_failure(&(struct fake_script){ .snapshot = "{\"a\":1", .snapshot_size = 6 }, -EPROTO,
		       "without a whole", 1);
}

/* The answer to the last words is still understood after a message that was not. */
Test(download, no_json)
{
	uint64_t before_ns = clock_mono_ns();

	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = "{\"method\":}" },
		       -EPROTO, "not JSON", 1);
	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = "{\"method\":\"x\"" },
		       -EPROTO, "not JSON", 1);
	expect_failure(
		&(struct fake_script){ SMALL, .chunk = 20, .middle = "{]{]{]{]", .fragment = 1 },
		-EPROTO, "not JSON", 1);
	cr_expect_lt(clock_mono_ns() - before_ns, SECOND);
}

Test(download, params_before_method)
{
	static const char text[] = "{\"params\":{\"chunk\":\"x\"},\"method\":"
				   "\"HeapProfiler.addHeapSnapshotChunk\"}";

	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = text }, -EPROTO,
		       "before its method", 1);
}

Test(download, nested_too_deep)
{
	char text[200];

	memset(text, '[', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = text }, -EPROTO,
		       "too deep", 1);
}

Test(download, last_words_are_not_waited_for_for_ever)
{
	uint64_t before_ns = clock_mono_ns();

	expect_whole(&(struct fake_script){ SMALL, .deaf = true });
	cr_expect_lt(clock_mono_ns() - before_ns, 4 * SECOND);
}

/* ---- workers ---- */

Test(worker, whole)
{
	expect_whole(&(struct fake_script){ SMALL, .chunk = 9, .worker = "[worker 3]" });
	expect_whole(&(struct fake_script){ SMALL, .worker = "[worker 3] na]me [worker 1]" });
}

Test(worker, in_fragments)
{
	expect_whole(
		&(struct fake_script){ SMALL, .chunk = 9, .worker = "[worker 3]", .fragment = 1 });
	expect_whole(&(struct fake_script){ SMALL, .chunk = 50, .worker = "[worker 3]",
					    .dribble = 1, .escape_all = true });
}

Test(worker, there_is_none)
{
	static const char *const titles[] = { "[worker 1]", "[worker 33]", "[worker 3", "worker 3",
					      "" };

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		expect_failure(&(struct fake_script){ SMALL, .worker = titles[i] },
			       DOWNLOAD_E_REFUSED, "no worker thread 3", 0);
}

Test(worker, refused)
{
	expect_failure(&(struct fake_script){ SMALL, .worker = "[worker 3]", .refuse = "busy" },
		       DOWNLOAD_E_REFUSED, "busy", 1);
}

Test(worker, ended)
{
	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .worker = "[worker 3]",
					      .worker_ends = true },
		       DOWNLOAD_E_LOST, "worker thread ended", 1);
}

Test(worker, sends_no_json)
{
	static const char text[] =
		"{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{"
		"\"sessionId\":\"7\",\"message\":\"{\\\"a\\\":\"}}";

	expect_failure(
		&(struct fake_script){ SMALL, .chunk = 20, .worker = "[worker 3]", .middle = text },
		-EPROTO, "not JSON", 1);
}

Test(worker, another_session_is_ignored)
{
	static const char text[] =
		"{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{"
		"\"sessionId\":\"8\",\"message\":\"{\\\"a\\\":\"}}";

	expect_whole(&(struct fake_script){ SMALL, .chunk = 20, .worker = "[worker 3]",
					    .middle = text });
}

Test(worker, isolates_that_cannot_be)
{
	static const char *const names[] = { "",
					     "worker",
					     "worker:",
					     "worker:x",
					     "worker:3x",
					     "worker:-1",
					     "worker:12345678901234567890" };
	const struct fake_script script = { SMALL };
	struct fake_inspector *fake = fake_start(&script);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct download_request request = request_to(fake_port(fake), names[i]);
		struct result result;

		result_init(&result);
		run(&request, &result);
		cr_expect_eq(result.r, DOWNLOAD_E_REFUSED, "%s", names[i]);
		cr_expect_eq(fake_heard(fake, "Heap"), 0);
	}
	fake_stop(fake);
}

/* ---- scripts ---- */

#define SCRIPT(fields) "{\"method\":\"Debugger.scriptParsed\",\"params\":{" fields "}}"

static const char two_scripts[] = SCRIPT(
	"\"scriptId\":\"7\",\"url\":\"file:///a \\\"b\\\".js\",\"startLine\":1,\"startColumn\":2,"
	"\"endLine\":3,\"endColumn\":4,\"executionContextId\":1,\"hash\":\"c0ffee\","
	"\"executionContextAuxData\":{\"isDefault\":true,\"url\":\"not this\"},\"isModule\":true,"
	"\"length\":90,\"sourceMapURL\":\"a.js.map\",\"stackTrace\":{\"callFrames\":[{"
	"\"url\":\"nor this\"}]}") "\n" SCRIPT("\"scriptId\":\"8\",\"url\":\"\",\"sourceMapURL\":"
					       "\"data:application/json;base64,e30=\"");

static const char two_listed[] =
	"[\n{\"scriptId\":\"7\",\"url\":\"file:///a "
	"\\\"b\\\".js\",\"startLine\":1,\"startColumn\":2,"
	"\"endLine\":3,\"endColumn\":4,\"hash\":\"c0ffee\",\"isModule\":true,\"length\":90,"
	"\"sourceMapURL\":\"a.js.map\"},\n{\"scriptId\":\"8\",\"url\":\"\",\"startLine\":0,"
	"\"startColumn\":0,\"endLine\":0,\"endColumn\":0,\"hash\":\"\",\"isModule\":false,"
	"\"length\":0}\n]\n";

/* A download with its options; the fake stays for the test to look at. */
static struct result download_with(struct fake_inspector *fake, const struct fake_script *script,
				   void (*change)(struct download_request *))
{
	struct download_request request =
		request_to(fake_port(fake), script->worker != NULL ? "worker:3" : "main");
	struct result result;

	change(&request);
	result_init(&result);
	run(&request, &result);
	check_requests(fake);
	return result;
}

static void result_fini(struct result *result)
{
	buf_fini(&result->bytes);
	buf_fini(&result->scripts);
}

static void with_scripts(struct download_request *request)
{
	request->scripts = true;
}

static void expect_scripts(const struct fake_script *script, const char *listed, unsigned n)
{
	struct fake_inspector *fake = fake_start(script);
	struct result result = download_with(fake, script, with_scripts);

	cr_expect_eq(result.r, 0, "%s", result.err.text);
	cr_expect(is_all(&result, script->snapshot, script->snapshot_size));
	cr_expect_eq(result.stats.bytes, script->snapshot_size);
	cr_expect_str_eq(buf_text(&result.scripts), listed);
	cr_expect_eq(result.stats.scripts, n);
	cr_expect_eq(fake_heard(fake, "Debugger.enable"), 1);
	cr_expect_eq(fake_heard(fake, "Debugger.disable"), 1);
	result_fini(&result);
	fake_stop(fake);
}

Test(scripts, are_listed)
{
	expect_scripts(&(struct fake_script){ SMALL, .scripts = two_scripts }, two_listed, 2);
	expect_scripts(&(struct fake_script){ SMALL, .scripts = two_scripts, .dribble = 1 },
		       two_listed, 2);
	expect_scripts(
		&(struct fake_script){ SMALL, .scripts = two_scripts, .worker = "[worker 3] x" },
		two_listed, 2);
}

Test(scripts, none)
{
	expect_scripts(&(struct fake_script){ SMALL }, "[]\n", 0);
	expect_scripts(&(struct fake_script){ SMALL, .no_debugger = true }, "[]\n", 0);
}

/* The order of the conversation: nothing can pause, and the debugger is off before the snapshot. */
Test(scripts, debugger_is_off_before_the_snapshot)
{
	static const char *const order[] = {
		"NodeRuntime.enable",
		"NodeRuntime.notifyWhenWaitingForDisconnect",
		"Debugger.setSkipAllPauses",
		"Debugger.enable",
		"Debugger.disable",
		"HeapProfiler.collectGarbage",
		"HeapProfiler.takeHeapSnapshot",
		"HeapProfiler.disable",
	};
	const struct fake_script script = { SMALL, .scripts = two_scripts };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	request.scripts = request.collect_garbage = true;
	request.start_ns = 10 * SECOND;
	result_init(&result);
	run(&request, &result);
	cr_expect_eq(result.r, 0, "%s", result.err.text);
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		cr_expect_not_null(strstr(fake_message(fake, i), order[i]), "%s is not %s",
				   fake_message(fake, i), order[i]);
	result_fini(&result);
	fake_stop(fake);
}

static void of_old_v8(struct download_request *request)
{
	snprintf(request->engine_version, sizeof(request->engine_version), "11.3.244.8-node.38");
}

static void of_unknown_v8(struct download_request *request)
{
	request->engine_version[0] = '\0';
}

static void of_v8_11_5(struct download_request *request)
{
	snprintf(request->engine_version, sizeof(request->engine_version), "11.5.1");
}

Test(scripts, old_v8_gets_its_tables_of_lines_also_unlisted)
{
	const struct fake_script script = { SMALL, .scripts = two_scripts };
	void (*const changes[])(struct download_request *) = { of_old_v8, of_unknown_v8,
							       of_v8_11_5 };

	for (size_t i = 0; i < 3; i++) {
		struct fake_inspector *fake = fake_start(&script);
		struct result result = download_with(fake, &script, changes[i]);

		cr_expect_eq(result.r, 0, "%s", result.err.text);
		cr_expect_eq(result.scripts.size, 0);
		cr_expect_eq(fake_heard(fake, "Debugger.enable"), i < 2);
		cr_expect_eq(fake_heard(fake, "Debugger.disable"), i < 2);
		result_fini(&result);
		fake_stop(fake);
	}
}

static char *repeat_script(const char *fields, size_t n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	for (size_t i = 0; i < n; i++)
		fprintf(to, "{\"method\":\"Debugger.scriptParsed\",\"params\":{%s}}\n", fields);
	fclose(to);
	return text;
}

/* Texts of any length are cut, long source maps left out, and what remains is JSON. */
Test(scripts, long_texts)
{
	enum { SIZE = 200000 };
	char *fields = malloc(2 * SIZE + 100), *at = fields;
	struct fake_inspector *fake;
	struct fake_script script = { SMALL };
	struct tree *root = NULL;
	struct result result;
	const char *url;

	cr_assert_not_null(fields);
	at += sprintf(at, "\"scriptId\":\"7\",\"url\":\"a");
	for (int i = 0; i < SIZE / 2; i++)
		at += sprintf(at, "\u00e9");
	at += sprintf(at, "\",\"sourceMapURL\":\"");
	memset(at, 'm', SIZE);
	sprintf(at + SIZE, "\"");
	script.scripts = repeat_script(fields, 1);
	fake = fake_start(&script);
	result = download_with(fake, &script, with_scripts);
	cr_assert_eq(result.r, 0, "%s", result.err.text);
	cr_assert_eq(tree_parse(result.scripts.data, result.scripts.size, &root, NULL), 0);
	cr_expect(tree_string(tree_at(root, 0), "url", &url) && strlen(url) < 2100);
	cr_expect_null(tree_get(tree_at(root, 0), "sourceMapURL"));
	tree_free(root);
	free(fields);
	free((char *)script.scripts);
	result_fini(&result);
	fake_stop(fake);
}

/* However many there are, the list has an end and is whole. */
Test(scripts, list_has_an_end)
{
	enum { N = 60000 };
	char fields[1500] = "\"scriptId\":\"7\",\"url\":\"";
	struct fake_script script = { SMALL };
	struct fake_inspector *fake;
	struct result result;

	memset(fields + strlen(fields), 'u', 1400 - strlen(fields));
	snprintf(fields + 1400, 2, "\"");
	script.scripts = repeat_script(fields, N);
	fake = fake_start(&script);
	result = download_with(fake, &script, with_scripts);
	cr_expect_eq(result.r, 0, "%s", result.err.text);
	cr_expect_leq(result.scripts.size, 64 << 20);
	cr_expect_gt(result.scripts.size, 63 << 20);
	cr_expect_lt(result.stats.scripts, N);
	cr_expect_eq(memcmp(result.scripts.data + result.scripts.size - 4, "}\n]\n", 4), 0);
	free((char *)script.scripts);
	result_fini(&result);
	fake_stop(fake);
}

/* ---- pauses ---- */

static unsigned resumes_after(const char *reason)
{
	char text[200];
	const struct fake_script script = { SMALL, .scripts = text };
	struct fake_inspector *fake;
	struct result result;
	unsigned n;

	snprintf(text, sizeof(text),
		 "{\"method\":\"Debugger.paused\",\"params\":{\"callFrames\":[{\"url\":\"x\"}],"
		 "\"reason\":\"%s\"}}",
		 reason);
	fake = fake_start(&script);
	result = download_with(fake, &script, with_scripts);
	cr_expect_eq(result.r, 0, "%s", result.err.text);
	n = fake_heard(fake, "Debugger.resume");
	result_fini(&result);
	fake_stop(fake);
	return n;
}

Test(pauses, only_that_of_memory_is_resumed)
{
	cr_expect_eq(resumes_after("OOM"), 1);
	cr_expect_eq(resumes_after("other"), 0);
	cr_expect_eq(resumes_after("OOMph"), 0);
}

/* ---- what does not begin ---- */

static void with_a_start(struct download_request *request)
{
	request->start_ns = SECOND / 5;
	request->scripts = true;
}

static void with_garbage(struct download_request *request)
{
	with_a_start(request);
	request->collect_garbage = true;
}

static void expect_busy(const struct fake_script *script, void (*change)(struct download_request *),
			unsigned disables)
{
	struct fake_inspector *fake = fake_start(script);
	uint64_t before_ns = clock_mono_ns();
	struct result result = download_with(fake, script, change);

	cr_expect_eq(result.r, DOWNLOAD_E_BUSY, "%d: %s", result.r, result.err.text);
	cr_expect_str_eq(result.err.text,
			 "the program's event loop is blocked: it did not begin within 200ms");
	cr_expect_eq(result.bytes.size, 0);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), disables);
	cr_expect_eq(fake_heard(fake, "Debugger.disable"), 1);
	cr_expect_lt(clock_mono_ns() - before_ns, 4 * SECOND);
	result_fini(&result);
	fake_stop(fake);
}

Test(busy, snapshot_does_not_begin)
{
	expect_busy(&(struct fake_script){ SMALL, .busy = true }, with_a_start, 1);
	expect_busy(&(struct fake_script){ SMALL, .busy = true, .worker = "[worker 3]" },
		    with_a_start, 1);
}

Test(busy, garbage_is_not_collected)
{
	expect_busy(&(struct fake_script){ SMALL, .busy = true }, with_garbage, 0);
}

/* Nothing is answered at all: no JavaScript runs, and nothing has been begun. */
Test(busy, scripts_are_not_told)
{
	expect_busy(&(struct fake_script){ SMALL, .mute = true }, with_a_start, 0);
}

/* It is at work, or it would have answered the look. */
Test(busy, not_while_it_answers_nothing)
{
	const struct fake_script script = { SMALL, .slow = true };
	struct fake_inspector *fake = fake_start(&script);
	struct result result = download_with(fake, &script, with_a_start);

	cr_expect_eq(result.r, 0, "%s", result.err.text);
	cr_expect(is_all(&result, small, sizeof(small) - 1));
	cr_expect_eq(fake_heard(fake, "Runtime.getHeapUsage"), 1);
	result_fini(&result);
	fake_stop(fake);
}

Test(scripts, an_exit_meanwhile_is_left_at_once)
{
	static const char event[] =
		"{\"method\":\"NodeRuntime.waitingForDisconnect\",\"params\":{}}";
	const struct fake_script script = { SMALL, .scripts = event };
	struct fake_inspector *fake = fake_start(&script);
	struct result result = download_with(fake, &script, with_scripts);

	cr_expect_eq(result.r, DOWNLOAD_E_EXITING, "%s", result.err.text);
	cr_expect_eq(fake_heard(fake, "takeHeapSnapshot"), 0);
	cr_expect_eq(fake_heard(fake, "Debugger.disable"), 0);
	result_fini(&result);
	fake_stop(fake);
}

/* What has begun may take its time: only the longest silence bounds it. */
Test(busy, not_once_it_has_begun)
{
	const struct fake_script script = { SMALL, .chunk = 10, .hold = true };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	request.start_ns = SECOND / 10;
	request.idle_ns = SECOND / 2;
	result_init(&result);
	run(&request, &result);
	cr_expect_eq(result.r, -ETIMEDOUT, "%s", result.err.text);
	result_fini(&result);
	fake_stop(fake);
}
