/*
 * Bun and WebKit without a network: the lists are read, a session's polls and a capture's steps are
 * played by hand, each message at each moment, and what is said is kept.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/bun.h"
#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/download.h"
#include "inspect/parting.h"
#include "inspect/runtime.h"
#include "inspect/webkit.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/str.h"
#include "webkit_stage.h"

#define DESTROYED(target)                                                                          \
	"{\"method\":\"Target.targetDestroyed\",\"params\":{\"targetId\":\"" target "\"}}"
#define PROVISIONAL                                                                                \
	"{\"method\":\"Target.targetCreated\",\"params\":{\"targetInfo\":{\"targetId\":"           \
	"\"page-16\",\"type\":\"page\",\"isProvisional\":true}}}"

TestSuite(session, .init = setup, .fini = teardown, .timeout = 20);

Test(session, polls_a_page)
{
	struct ws *ws = greeted_page();

	begin_poll();
	cr_assert_eq(times_sent("Memory.startTracking"), 1);
	from_page(ws, "page-9", UPDATE);
	cr_assert_eq(times_sent("Memory.stopTracking"), 0, "that is another page's");
	from_page(ws, "page-8", UPDATE);
	cr_assert_eq(times_sent("Memory.stopTracking"), 1);
	cr_assert_eq(polled, 0, "an answer is still to come");
	answer_stop(ws, "page-8");
	cr_assert_eq(polled, 1);
	cr_assert_eq(used, 5000);
	cr_assert_str_eq(isolate_seen, "page:3");
	from_page(ws, "page-8", UPDATE);
	cr_assert_eq(times_sent("Memory.stopTracking"), 1);
}

Test(session, follows_a_page_to_its_next_process)
{
	struct ws *ws = greeted_page();

	begin_poll();
	says(ws, PROVISIONAL);
	cr_assert_eq(times_sent("page-16"), 0, "not before it is committed");
	says(ws, "{\"method\":\"Target.didCommitProvisionalTarget\",\"params\":{\"oldTargetId\":"
		 "\"page-8\",\"newTargetId\":\"page-16\"}}");
	says(ws, DESTROYED("page-8"));
	cr_assert_eq(times_sent("page-16"), 1, "the poll is asked anew");
	from_page(ws, "page-16", UPDATE);
	answer_stop(ws, "page-16");
	cr_assert_eq(polled, 1);
}

/* It would take its process along if it were tracked as it closes. */
Test(session, tracks_no_page_that_is_about_to_be_replaced)
{
	struct ws *ws = greeted_page();

	begin_poll();
	says(ws, PROVISIONAL);
	cr_assert_eq(times_sent("Memory.stopTracking"), 1, "at once");
	from_page(ws, "page-8", UPDATE);
	answer_stop(ws, "page-8");
	cr_assert_eq(polled, 1);
	cr_assert_eq(used, 0, "nothing was told that was still asked for");
	begin_poll();
	cr_assert_eq(times_sent("Memory.startTracking"), 1, "nor is it asked anew");
	answer_stop(ws, "page-8");
	cr_assert_eq(polled, 2, "but it answers");
	says(ws, DESTROYED("page-16"));
	begin_poll();
	cr_assert_eq(times_sent("Memory.startTracking"), 2, "nothing takes over any more");
}

Test(session, tracks_none_whose_successor_is_told_of_first)
{
	open_as(WEBKIT, "");
	http_answers(one_page);
	sockets[0].events->open(sockets[0].owner);
	says(&sockets[0], PROVISIONAL);
	says(&sockets[0], created);
	begin_poll();
	cr_assert_eq(times_sent("Memory.startTracking"), 0);
	answer_stop(&sockets[0], "page-8");
	cr_assert_eq(polled, 1);
}

Test(session, leaves_a_page_to_who_takes_it)
{
	struct ws *ws = greeted_page();

	ws->open = false;
	ws->events->closed(ws->owner, -ECONNRESET, "closed");
	cr_assert_eq(gone, 1);
	begin_poll();
	cr_assert_eq(sockets_n, 1, "it is not taken back");
	cr_assert_eq(polled, 1);
	cr_assert_eq(closed, 0);
	list_each (link, &session.channels)
		container_of(link, struct channel, link)->rest_until_ns = clock_mono_ns();
	begin_poll();
	cr_assert_eq(sockets_n, 2, "but after a while it is");
}

/* In the middle of a poll, with events on their way. */
Test(session, parts_from_a_page_when_it_has_said_all)
{
	struct ws *ws;

	wants_gc_events = true;
	cr_assert_eq(partings_new(&context.partings, &loop), 0);
	ws = greeted_page();
	begin_poll();
	cr_assert_eq(times_sent("Heap.enable"), 1);
	session_close(&session);
	cr_assert_eq(times_sent("Memory.stopTracking"), 1);
	cr_assert_eq(times_sent("Heap.disable"), 1);
	cr_assert_eq(times_sent("Page.disable"), 1);
	cr_assert_eq(sent_n, 6);
	for (int i = 0; i < 6; i++) {
		says(ws, "{\"result\":{},\"id\":1}");
		from_page(ws, "page-8", UPDATE);
		from_page(ws, "page-8", "{\"method\":\"Heap.garbageCollected\",\"params\":{}}");
		cr_assert(ws->open, "%d of 6", i);
		from_page(ws, "page-8", "{\"result\":{},\"id\":1}");
	}
	cr_assert_not(ws->open);
	partings_free(context.partings);
}

static const char *const lists[] = {
	HTML(""),
	/* A title may be anything, also a row. */
	HTML(ROW(ROW("x", "/socket/7/1/WebPage"), "/socket/1/2/WebPage")),
	HTML(ROW("a", "/socket/1/1/JavaScript") ROW("b", "/socket/1/123456789/WebPage")
		     ROW("c", "/socket/1/-/WebPage") ROW("d", "/socket/1/4/WebPag")),
};

Test(session, connects_to_pages_of_the_browser_only)
{
	static const size_t pages[] = { 0, 1, 0 };

	for (size_t i = 0; i < 3; i++) {
		open_as(WEBKIT, "");
		http_answers(lists[i]);
		cr_expect_eq(session.channels_n, pages[i], "%zu", i);
		session_close(&session);
		list_each_safe (link, &session.channels)
			channel_free(container_of(link, struct channel, link));
	}
	cr_assert_str_eq(sockets[0].path, "/socket/1/2/WebPage");
}

Test(session, what_is_no_list_of_webkit_is_refused)
{
	open_as(WEBKIT, "");
	http_answers("<html><title>It works!</title></html>" ROW("a", "/socket/1/1/WebPage"));
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_eq(closed, 1);
	cr_assert_eq(sockets_n, 0);
}

Test(session, polls_bun)
{
	char text[256];

	open_as(BUN, "/known");
	http_answers("{\"Browser\":\"Bun\",\"Bun-Version\":\"1.4.5\",\"WebKit-Version\":\"d63\"}");
	cr_assert_str_eq(session.identity.runtime_version, "1.4.5");
	cr_assert_str_eq(session.identity.engine_version, "d63");
	cr_assert_str_eq(sockets[0].path, "/known");
	sockets[0].events->open(sockets[0].owner);
	cr_assert_gt(id_of("pid"), 65536, "ids do not begin at one");
	snprintf(
		text, sizeof(text),
		"{\"result\":{\"result\":{\"value\":{\"pid\":7,\"start\":5,\"version\":\"1.4.5\"}},"
		"\"wasThrown\":false},\"id\":%d}",
		id_of("pid"));
	says(&sockets[0], text);
	cr_assert_eq(session.identity.pid, 7);
	cr_assert_eq(session_poll(&session), 0);
	/* To another client. */
	says(&sockets[0], "{\"result\":{\"result\":{\"value\":{\"heapUsed\":1}}},\"id\":2}");
	cr_assert_eq(polled, 0);
	snprintf(text, sizeof(text),
		 "{\"result\":{\"result\":{\"value\":{\"rss\":9,\"heapTotal\":100,\"heapUsed\":900,"
		 "\"external\":850,\"arrayBuffers\":3}},\"wasThrown\":false},\"id\":%d}",
		 id_of("memoryUsage"));
	says(&sockets[0], text);
	cr_assert_eq(polled, 1);
	cr_assert_eq(used, 900);
	session_settle(&session);
	cr_assert_eq(times_sent("heapwatch.snapshot"), 1);
}

Test(session, bun_needs_its_path)
{
	open_as(BUN, "");
	http_answers("{\"Browser\":\"Bun\"}");
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_eq(closed, 1);
	cr_assert_not_null(strstr(reason_seen, "ws://host:port/path"), "%s", reason_seen);
	cr_assert_eq(sockets_n, 0);
}

Test(session, the_other_inspector_of_bun_is_not_mistaken_for_it)
{
	open_as(0, "/known");
	http_answers("{\"Browser\":\"Bun/1.4.5\"}");
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_not_null(strstr(reason_seen, "not supported"), "%s", reason_seen);
}

/* ---- captures ---- */

static struct download_request request;
static struct download_stats stats;
static struct download download;
static enum download_task task; /* of the next one */
static struct err err;
static struct buf bytes;

static int sink(void *owner, enum download_part part, const char *data, size_t size)
{
	(void)owner;
	cr_assert_eq(part, DOWNLOAD_SNAPSHOT);
	return buf_append(&bytes, data, size);
}

static int on_json(void *owner, const struct json_event *event)
{
	(void)owner;
	return request.runtime->dialect->snapshot_event(&download, event);
}

static char scan_buffer[256];

static void begin(int word, bool collect)
{
	request = (struct download_request){ .runtime = runtime_of_word(word),
					     .task = task,
					     .collect_garbage = collect,
					     .sink = sink,
					     .cancel_fd = -1 };
	stats = (struct download_stats){ 0 };
	err = (struct err){ 0 };
	download = (struct download){ .request = &request,
				      .stats = &stats,
				      .err = &err,
				      .deadline_ns = clock_mono_ns() + 60 * NS_PER_S };
	download.state = calloc(1, request.runtime->dialect->download_size);
	cr_assert_not_null(download.state);
	json_scan_init(&download.scan, scan_buffer, sizeof(scan_buffer), on_json, NULL);
	buf_init(&bytes, 1 << 20);
	cr_assert_eq(request.runtime->dialect->snapshot_begin(&download), 0);
}

static void end(void)
{
	free(download.state);
	buf_fini(&bytes);
	forget_sent();
}

/* One message, byte by byte. */
static int hears(const char *text)
{
	int r = 0;

	for (size_t i = 0; r == 0 && text[i] != '\0'; i++)
		r = json_scan_feed(&download.scan, text + i, 1);
	if (r == 0)
		r = json_scan_end(&download.scan);
	if (r == 0)
		r = request.runtime->dialect->snapshot_message_end(&download);
	json_scan_reset(&download.scan);
	return r;
}

static int hears_value(int id, const char *value)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "{\"result\":{\"result\":{\"type\":\"x\",\"value\":%s},\"wasThrown\":false},"
		 "\"id\":%d}",
		 value, id);
	return hears(text);
}

TestSuite(capture, .timeout = 20);

Test(capture, of_bun_is_read_in_slices)
{
	begin(BUN, true);
	cr_assert_gt(id_of("evaluate"), 65536);
	cr_assert_eq(hears_value(id_of("evaluate"), "1"), 0);
	cr_assert_eq(hears_value(2, "0"), 0, "another client's");
	cr_assert_eq(times_sent("generateHeapSnapshot('v8'"), 0);
	cr_assert_eq(hears("{\"method\":\"Heap.garbageCollected\",\"params\":{}}"), 0);
	cr_assert_eq(sent_n, 2);
	cr_assert_eq(hears_value(id_of("Heap.gc"), "0"), 0);
	cr_assert_eq(times_sent("generateHeapSnapshot('v8'"), 1);
	cr_assert_eq(hears_value(id_of("generateHeapSnapshot('v8'"), "8"), 0);
	cr_assert_not_null(strstr(sent[sent_n - 1], "h.b,0,8"), "%s", sent[sent_n - 1]);
	cr_assert_eq(hears_value(3, "\"eyJub3Qgb3VycyI6MX0=\""), 0, "another client's");
	cr_assert_eq(bytes.size, 0);
	cr_assert_eq(hears_value(id_of("base64"), "\"eyJhIjoxfQo=\""), 0);
	cr_assert_str_eq(buf_text(&bytes), "{\"a\":1}\n");
	cr_assert(download.done);
	cr_assert_eq(times_sent("Debugger"), 0);
	cr_assert_eq(request.runtime->dialect->snapshot_finish(&download), 0);
	cr_assert_not(download.done, "the answer to its last words is waited for");
	cr_assert_not_null(strstr(sent[sent_n - 1], "delete globalThis"));
	cr_assert_eq(hears_value(id_of("delete globalThis"), "1"), 0);
	cr_assert(download.done);
	end();
}

static void expect_bun_fails(const char *value, int r)
{
	begin(BUN, false);
	cr_assert_eq(hears_value(id_of("evaluate"), "1"), 0);
	cr_assert_eq(hears_value(id_of("generateHeapSnapshot('v8'"), "8"), 0);
	cr_expect_eq(hears_value(id_of("base64"), value), r, "%s", value);
	cr_assert_eq(request.runtime->dialect->snapshot_finish(&download), 0);
	cr_expect_not_null(strstr(sent[sent_n - 1], "delete globalThis"), "it is freed");
	end();
}

Test(capture, slices_of_bun_are_as_asked_for)
{
	expect_bun_fails("\"eyJhIjoxfQ==\"", -EPROTO); /* a byte less */
	expect_bun_fails("\"eyJhIjoxfSEhIQ==\"", -EPROTO); /* more */
	expect_bun_fails("\"eyJhIjox!Qo=\"", -EPROTO);
	expect_bun_fails("\"eyJhIjoxfQo\"", -EPROTO);
	expect_bun_fails("\"eyJhIjoxLCAi\"", -EPROTO);
	expect_bun_fails("5", -EPROTO);
	expect_bun_fails("\"eyJhIjoxLCA=\"", -EPROTO); /* it ends in the middle */
}

Test(capture, of_bun_refused)
{
	begin(BUN, false);
	cr_assert_eq(hears_value(id_of("evaluate"), "0"), DOWNLOAD_E_REFUSED);
	cr_assert_eq(request.runtime->dialect->snapshot_finish(&download), 0);
	cr_assert_eq(sent_n, 1, "there is nothing to free");
	end();
	begin(BUN, false);
	cr_assert_eq(hears_value(id_of("evaluate"), "1"), 0);
	cr_assert_eq(hears_value(id_of("generateHeapSnapshot('v8'"), "0"), DOWNLOAD_E_REFUSED);
	cr_assert_not_null(strstr(err.text, "2 GiB"), "%s", err.text);
	end();
}

static int hears_page(const char *target, const char *text)
{
	struct buf buf;
	int r;

	buf_init(&buf, 65536);
	buf_printf(
		&buf,
		"{\"method\":\"Target.dispatchMessageFromTarget\",\"params\":{\"targetId\":\"%s\","
		"\"message\":",
		target);
	json_quote(&buf, text, strlen(text));
	buf_puts(&buf, "}}");
	r = hears(buf_text(&buf));
	buf_fini(&buf);
	return r;
}

static int hears_reply(const char *method, const char *result)
{
	char text[1024];

	snprintf(text, sizeof(text), "{\"result\":%s,\"id\":%d}", result, id_of(method));
	return hears_page("page-8", text);
}

static void begin_page(void)
{
	begin(WEBKIT, false);
	cr_assert_eq(hears(created), 0);
}

Test(capture, of_a_page_is_quoted_twice)
{
	begin(WEBKIT, true);
	cr_assert_eq(sent_n, 0);
	cr_assert_eq(hears(created), 0);
	cr_assert_eq(hears("{\"result\":{},\"id\":1}"), 0);
	cr_assert_eq(hears_reply("Heap.gc", "{}"), 0);
	cr_assert_eq(hears_page("page-8", UPDATE), 0);
	cr_assert_eq(times_sent("Heap.snapshot"), 1);
	cr_assert_eq(hears_page("page-9", "{\"result\":{\"snapshotData\":\"no\"},\"id\":1}"), 0);
	cr_assert_eq(hears_reply("Heap.snapshot",
				 "{\"timestamp\":1.5,\"snapshotData\":"
				 "\"{\\\"version\\\":3,\\\"n\\\":\\\"\\u00e9\\\"}\"}"),
		     0);
	cr_assert_str_eq(buf_text(&bytes), "{\"version\":3,\"n\":\"\xc3\xa9\"}");
	cr_assert(download.done);
	cr_assert_eq(request.runtime->dialect->snapshot_finish(&download), 0);
	cr_assert_not(download.done);
	download.leaving = true;
	cr_assert_eq(hears_reply("Memory.stopTracking", "{}"), 0);
	cr_assert(download.done);
	end();
}

Test(capture, of_a_page_over_the_limit_is_not_asked_for)
{
	begin_page();
	cr_assert_eq(hears_page("page-8", "{\"method\":\"Memory.trackingUpdate\",\"params\":{"
					  "\"event\":{\"categories\":[{\"type\":\"javascript\","
					  "\"size\":104857601}]}}}"),
		     DOWNLOAD_E_REFUSED);
	cr_assert_eq(times_sent("Heap.snapshot"), 0);
	cr_assert_not_null(strstr(err.text, "100 MiB"), "%s", err.text);
	end();
}

Test(capture, of_a_page_fails)
{
	static const struct {
		const char *message;
		int r;
		const char *why;
	} ends[] = {
		{ DESTROYED("page-8"), DOWNLOAD_E_LOST, "has got another process" },
		{ PROVISIONAL, DOWNLOAD_E_LOST, "is about to get another process" },
		{ "{\"error\":{\"code\":-32000,\"message\":\"Missing target\"},\"id\":1}",
		  DOWNLOAD_E_REFUSED, "Missing target" },
	};

	begin_page();
	cr_assert_eq(hears_page("page-8", UPDATE), 0);
	cr_assert_eq(hears_reply("Heap.snapshot", "{}"), -EPROTO);
	end();
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		begin_page();
		cr_assert_eq(hears(ends[i].message), ends[i].r, "%zu", i);
		cr_assert_not_null(strstr(err.text, ends[i].why), "%s", err.text);
		end();
	}
}

/* It is asked what the heap has, and given up then. */
Test(capture, of_a_page_that_is_left_is_not_taken_any_more)
{
	begin_page();
	download.leaving = true;
	cr_assert_eq(request.runtime->dialect->snapshot_finish(&download), 0);
	cr_assert_eq(hears_page("page-8", UPDATE), 0);
	cr_assert_eq(times_sent("Heap."), 0);
	cr_assert_eq(hears_reply("Memory.stopTracking", "{}"), 0);
	cr_assert(download.done);
	end();
}

/* ---- trackings ---- */

#define SNAPSHOT_EVENT(method, text)                                                               \
	"{\"method\":\"" method "\",\"params\":{\"timestamp\":1.5,\"snapshotData\":\"" text "\"}}"

static uint64_t judged_bytes;
static int verdict;

static int on_judge(void *owner, uint64_t heap_bytes, struct err *why)
{
	(void)owner;
	judged_bytes = heap_bytes;
	return verdict == 0 ? 0 : err_set(why, verdict, "no");
}

static void begin_tracking(int word)
{
	task = DOWNLOAD_TAKE_TRACKING;
	begin(word, false);
	task = DOWNLOAD_TAKE_SNAPSHOT;
	request.judge = on_judge;
	judged_bytes = 0;
	verdict = 0;
}

static void answer_first_of_bun(void)
{
	cr_assert_eq(hears_value(id_of("heapUsed"), "5000"), 0);
	cr_assert_eq(times_sent("Heap.enable"), 1);
	cr_assert_eq(hears(SNAPSHOT_EVENT("Heap.trackingStart", "{\\\"n\\\":1}")), 0);
	cr_assert_not(download.done, "the answer comes behind it");
	cr_assert_eq(hears_value(id_of("Heap.startTracking"), "0"), 0);
	cr_assert(download.done);
	cr_assert_eq(judged_bytes, 0, "the first was judged before");
}

static int wake(void)
{
	download.done = false;
	return request.runtime->dialect->snapshot_woken(&download);
}

Test(capture, of_bun_tracked)
{
	begin_tracking(BUN);
	cr_assert_eq(hears("{\"result\":{\"snapshotData\":\"{}\"},\"id\":7}"), 0,
		     "another client's");
	answer_first_of_bun();
	cr_assert_str_eq(buf_text(&bytes), "{\"n\":1}");
	cr_assert_eq(wake(), 0);
	cr_assert_eq(hears(SNAPSHOT_EVENT("Heap.trackingComplete", "{}")), 0, "nobody has asked");
	cr_assert_eq(hears_value(id_of("heapUsed"), "6000"), 0);
	cr_assert_eq(judged_bytes, 6000);
	cr_assert_eq(times_sent("Heap.enable"), 1);
	cr_assert_eq(hears(SNAPSHOT_EVENT("Heap.trackingComplete", "[2}")), 0);
	cr_assert_eq(hears_value(id_of("Heap.stopTracking"), "0"), 0);
	cr_assert(download.done);
	cr_assert_str_eq(buf_text(&bytes), "{\"n\":1}[2}");
	cr_assert_eq(request.runtime->dialect->snapshot_finish(&download), 0);
	download.leaving = true;
	cr_assert_eq(hears_value(id_of("Heap.disable"), "0"), 0);
	cr_assert(download.done);
	end();
}

Test(capture, of_bun_tracked_over_the_limit)
{
	begin_tracking(BUN);
	cr_assert_eq(hears_value(id_of("heapUsed"), "104857601"), DOWNLOAD_E_REFUSED);
	cr_assert_not_null(strstr(err.text, "at most 100 MiB"), "%s", err.text);
	cr_assert_eq(times_sent("Heap."), 0);
	download.done = true;
	cr_assert_eq(request.runtime->dialect->snapshot_finish(&download), 0);
	cr_assert(download.done, "there is nothing to end");
	end();
	begin_tracking(BUN);
	cr_assert_eq(hears_value(id_of("heapUsed"), "null"), DOWNLOAD_E_REFUSED);
	end();
}

Test(capture, of_bun_tracked_and_left_without_the_second)
{
	begin_tracking(BUN);
	answer_first_of_bun();
	cr_assert_eq(wake(), 0);
	verdict = DOWNLOAD_E_REFUSED;
	cr_assert_eq(hears_value(id_of("heapUsed"), "6000"), DOWNLOAD_E_REFUSED);
	cr_assert_eq(times_sent("Heap.stopTracking"), 0);
	cr_assert_eq(request.runtime->dialect->snapshot_finish(&download), 0);
	cr_assert_eq(times_sent("Heap.disable"), 1);
	end();
}

/* JSC tells nothing of a tracking that was on already, or is off. */
Test(capture, of_bun_tracked_by_another)
{
	begin_tracking(BUN);
	cr_assert_eq(hears_value(id_of("heapUsed"), "5000"), 0);
	cr_assert_eq(hears_value(id_of("Heap.startTracking"), "0"), -EPROTO);
	cr_assert_not_null(strstr(err.text, "another client"), "%s", err.text);
	end();
}

Test(capture, of_a_page_tracked)
{
	begin_tracking(WEBKIT);
	cr_assert_eq(hears(created), 0);
	cr_assert_eq(hears_page("page-8", UPDATE), 0);
	cr_assert_eq(times_sent("Heap.enable"), 1);
	cr_assert_eq(hears_reply("Heap.enable", "{}"), 0);
	cr_assert_eq(hears_page("page-8", SNAPSHOT_EVENT("Heap.trackingStart", "{1}")), 0);
	cr_assert_eq(hears_reply("Heap.startTracking", "{}"), 0);
	cr_assert(download.done);
	cr_assert_eq(wake(), 0);
	cr_assert_eq(hears_page("page-8", UPDATE), 0);
	cr_assert_eq(judged_bytes, 5000);
	cr_assert_eq(hears_page("page-9", SNAPSHOT_EVENT("Heap.trackingComplete", "no")), 0);
	cr_assert_eq(hears_page("page-8", SNAPSHOT_EVENT("Heap.trackingComplete", "{2}")), 0);
	cr_assert_eq(hears_reply("Heap.stopTracking", "{}"), 0);
	cr_assert(download.done);
	cr_assert_str_eq(buf_text(&bytes), "{1}{2}");
	cr_assert_eq(request.runtime->dialect->snapshot_finish(&download), 0);
	cr_assert_eq(times_sent("Heap.disable"), 1);
	end();
}
