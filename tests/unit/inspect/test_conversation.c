/*
 * The steps of a capture over CDP against a scripted inspector: scripts are listed and the debugger
 * is off again before the snapshot, a pause of somebody else is left alone, and a target that does
 * not begin is left, but only when it is not at work.
 */

#include "play.h"

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

static void bare(struct download_request *request)
{
	request->start_ns = SECOND / 5;
}

/* The same where the scripts are not wanted. */
Test(busy, nothing_is_asked_of_who_does_not_answer)
{
	const struct fake_script script = { SMALL, .frozen = true };
	struct fake_inspector *fake = fake_start(&script);
	struct result result = download_with(fake, &script, bare);

	cr_expect_eq(result.r, DOWNLOAD_E_BUSY, "%d: %s", result.r, result.err.text);
	cr_expect_eq(fake_heard(fake, "Runtime.getHeapUsage"), 1);
	cr_expect_eq(fake_heard(fake, "takeHeapSnapshot"), 0);
	cr_expect_eq(fake_heard(fake, "Debugger."), 0);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 0);
	result_fini(&result);
	fake_stop(fake);
}

Test(busy, who_answers_is_asked)
{
	const struct fake_script script = { SMALL };
	struct fake_inspector *fake = fake_start(&script);
	struct result result = download_with(fake, &script, bare);

	cr_expect_eq(result.r, 0, "%d: %s", result.r, result.err.text);
	cr_expect_eq(fake_heard(fake, "Runtime.getHeapUsage"), 1);
	cr_expect(is_all(&result, small, sizeof(small) - 1));
	result_fini(&result);
	fake_stop(fake);
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
