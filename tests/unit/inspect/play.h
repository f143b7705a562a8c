#pragma once

/*
 * Downloads against a scripted inspector: what all suites of them need. A suite is one file, so
 * these are its own functions; not every suite uses all.
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
#include "inspect/runtime.h"
#include "json/tree.h"
#include "util/buf.h"
#include "util/clock.h"

#pragma GCC diagnostic ignored "-Wunused-function"

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
	uint64_t cancels; /* so many times */
	struct fake_inspector *release; /* and let it go on */
	/* It was told that nothing more will come, so often, before the end of this one was asked.
	 */
	struct fake_inspector *watched;
	unsigned given_up;
};

static int sink(void *owner, enum download_part part, const char *data, size_t size)
{
	struct result *result = owner;
	uint64_t times = result->cancels;

	if (part == DOWNLOAD_SCRIPTS) {
		cr_expect_eq(result->bytes.size, 0, "the scripts come whole before the snapshot");
		return buf_append(&result->scripts, data, size);
	}
	if (result->cancel_fd >= 0 &&
	    write(result->cancel_fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
		return -EIO;
	if (result->release != NULL)
		fake_release(result->release);
	if (result->full_at > 0 && result->bytes.size + size > result->full_at)
		return -ENOSPC;
	return buf_append(&result->bytes, data, size);
}

static void given_up(void *owner)
{
	struct result *result = owner;

	result->given_up++;
	if (result->watched != NULL)
		cr_expect_eq(fake_heard(result->watched, "HeapProfiler.disable"), 0);
}

static void progress(void *owner, double share)
{
	((struct result *)owner)->progress = share;
}

static unsigned judged;
static int verdict;

static int on_judge(void *owner, uint64_t heap_bytes, struct err *err)
{
	(void)owner;
	(void)heap_bytes;
	judged++;
	return verdict == 0 ? 0 : err_set(err, verdict, "no");
}

static struct download_request request_to(uint16_t port, const char *isolate)
{
	struct download_request request = {
		.runtime = runtime_all[0], /* node */
		.address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = port },
		.engine_version = "13.6.233.17-node.28",
		.connect_ns = 5 * SECOND,
		.idle_ns = 10 * SECOND,
		.total_ns = 60 * SECOND,
		.cancel_fd = -1,
		.sink = sink,
		.given_up = given_up,
		.progress = progress,
		.judge = on_judge,
	};

	snprintf(request.path, sizeof(request.path), "%s", fake_path);
	snprintf(request.isolate, sizeof(request.isolate), "%s", isolate);
	return request;
}

static void result_init(struct result *result)
{
	*result = (struct result){ .cancel_fd = -1, .cancels = 1 };
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
		"HeapProfiler.startTrackingHeapObjects",
		"HeapProfiler.stopTrackingHeapObjects",
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
