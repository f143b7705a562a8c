#pragma once

/*
 * The stage of the tests of sessions: the four calls a session makes of net/ are played, so that
 * each message and each end can be given at each state. What the session says is kept.
 */

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/cdp.c"
#include "inspect/runtime.h"
#include "net/http_call.h"
#include "net/ws.h"

enum { SENT_MAX = 256, MIB = 1 << 20 };

/* ---- net/, played ---- */

struct http_fetch {
	http_done_fn *fn;
	void *owner;
	char url[256];
};

static struct http_fetch fetch;
static bool fetching;
static const struct ws_events *wire_events;
static void *wire_owner;
static bool wire_is_open;
static char *sent[SENT_MAX];
static size_t sent_n;

int http_call(struct http_fetch **ret, struct http_client *client,
	      const struct http_request *request, http_done_fn *fn, void *owner)
{
	(void)client;
	cr_assert_not(fetching);
	fetch = (struct http_fetch){ .fn = fn, .owner = owner };
	snprintf(fetch.url, sizeof(fetch.url), "%s", request->url);
	fetching = true;
	*ret = &fetch;
	return 0;
}

void http_cancel(struct http_fetch *which)
{
	cr_assert_eq(which, &fetch);
	fetching = false;
}

int ws_open(struct ws **ret, struct ws_context *context, const struct address *to, const char *path,
	    const struct ws_limits *limits, const struct ws_events *events, void *owner)
{
	(void)context, (void)to, (void)limits;
	cr_assert_str_eq(path, "/uuid-1");
	wire_events = events;
	wire_owner = owner;
	wire_is_open = true;
	*ret = (struct ws *)&wire_is_open;
	return 0;
}

int ws_send(struct ws *ws, const char *text, size_t size)
{
	cr_assert(wire_is_open && ws == (struct ws *)&wire_is_open);
	cr_assert_lt(sent_n, SENT_MAX);
	sent[sent_n++] = str_dup_span(text, size);
	return 0;
}

void ws_hand_over(struct ws *ws, const struct ws_events *events, void *owner)
{
	cr_assert_eq(ws, (struct ws *)&wire_is_open);
	wire_events = events;
	wire_owner = owner;
}

void ws_close(struct ws *ws)
{
	if (ws != NULL)
		wire_is_open = false;
}

/* The capture half is another suite's. */
int cdp_capture_begin(struct download *download)
{
	(void)download;
	return -ENOSYS;
}

int cdp_capture_event(struct download *download, const struct json_event *event)
{
	(void)download, (void)event;
	return -ENOSYS;
}

int cdp_capture_message_end(struct download *download)
{
	(void)download;
	return -ENOSYS;
}

int cdp_capture_overdue(struct download *download)
{
	(void)download;
	return -ENOSYS;
}

int cdp_capture_woken(struct download *download)
{
	(void)download;
	return -ENOSYS;
}

int cdp_capture_peek(struct download *download)
{
	(void)download;
	return -ENOSYS;
}

int cdp_capture_finish(struct download *download)
{
	(void)download;
	return -ENOSYS;
}

/* ---- the owner ---- */

struct seen {
	unsigned identified, samples, gone, polled, late, closed;
	struct identity identity;
	struct sample sample;
	char isolate[64];
	enum session_activity activity;
	uint64_t rss_bytes;
	enum session_end end, why_late;
	char reason[256];
	bool leave_when_polled;
	unsigned collected, gcs;
	int collect_result;
	struct gc_event gc;
	char gc_isolate[64], gc_untold[SESSION_GC_REASON_MAX];
	unsigned gc_untold_n, isolates_gc_untold;
};

static struct loop loop;
static struct session_context context = { .loop = &loop };
static struct session session;
static struct seen seen;

static inline void on_identified(void *owner, const struct identity *identity)
{
	(void)owner;
	seen.identified++;
	seen.identity = *identity;
}

static inline void on_sample(void *owner, const char *isolate, const struct sample *sample)
{
	(void)owner;
	seen.samples++;
	seen.sample = *sample;
	str_copy(seen.isolate, sizeof(seen.isolate), isolate);
}

static inline void on_isolate_gone(void *owner, const char *isolate)
{
	(void)owner, (void)isolate;
	seen.gone++;
}

static inline void on_polled(void *owner, enum session_activity activity, uint64_t rss_bytes)
{
	(void)owner;
	seen.polled++;
	seen.activity = activity;
	seen.rss_bytes = rss_bytes;
	if (seen.leave_when_polled)
		session_close(&session);
}

static inline void on_late(void *owner, enum session_end why, const char *reason)
{
	(void)owner, (void)reason;
	seen.late++;
	seen.why_late = why;
}

static inline void on_closed(void *owner, enum session_end end, const char *reason)
{
	(void)owner;
	seen.closed++;
	seen.end = end;
	str_copy(seen.reason, sizeof(seen.reason), reason);
}

static inline void on_collected(void *owner, int result, uint64_t duration_ns, const char *reason)
{
	(void)owner, (void)duration_ns;
	seen.collected++;
	seen.collect_result = result;
	str_copy(seen.reason, sizeof(seen.reason), reason != NULL ? reason : "");
}

static inline void on_gc(void *owner, const char *isolate, const struct gc_event *event)
{
	(void)owner;
	str_copy(seen.gc_isolate, sizeof(seen.gc_isolate), isolate);
	seen.gcs++;
	seen.gc = *event;
}

static inline void on_gc_told(void *owner, const char *why_not)
{
	(void)owner;
	seen.gc_untold_n += why_not != NULL;
	str_copy(seen.gc_untold, sizeof(seen.gc_untold), why_not != NULL ? why_not : "");
}

static inline void on_isolate_gc_untold(void *owner, const char *isolate, const char *why)
{
	(void)owner;
	cr_assert_not_null(why);
	seen.isolates_gc_untold++;
	str_copy(seen.gc_isolate, sizeof(seen.gc_isolate), isolate);
}

static const struct session_events events = {
	.identified = on_identified,
	.sample = on_sample,
	.isolate_gone = on_isolate_gone,
	.polled = on_polled,
	.collected = on_collected,
	.gc = on_gc,
	.gc_told = on_gc_told,
	.isolate_gc_untold = on_isolate_gc_untold,
	.late = on_late,
	.closed = on_closed,
};

/* ---- steps ---- */

static inline void setup(void)
{
	seen = (struct seen){ 0 };
	sent_n = 0;
	fetching = wire_is_open = false;
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(session_init(&session, &context, &events, NULL), 0);
}

static inline void teardown(void)
{
	session_fini(&session);
	loop_fini(&loop);
	for (size_t i = 0; i < sent_n; i++)
		free(sent[i]);
}

static inline void turn(void)
{
	cr_assert_eq(loop_turn(&loop, 0), 0);
}

static inline void open_with(bool evaluate, uint64_t poll_ns)
{
	struct address address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = 9229 };
	struct session_limits limits = {
		.connect_ns = 5 * NS_PER_S,
		.poll_ns = poll_ns,
		.evaluate = evaluate,
		.isolates_max = 4,
	};

	cr_assert_eq(session_open(&session, &address, NULL, &limits), 0);
	cr_assert_eq(session_open(&session, &address, NULL, &limits), -EBUSY);
}

static inline void http_answers(int r, long status, const char *body)
{
	struct http_answer answer = {
		.r = r,
		.status = status,
		.body = body,
		.size = strlen(body),
		.connected = true,
		.reason = "what the library says",
	};

	cr_assert(fetching);
	fetching = false;
	fetch.fn(fetch.owner, &answer);
}

static const char version_22[] =
	"{\"Browser\": \"node.js/v22.23.3\", \"Protocol-Version\": \"1.1\"}";
static const char list_node[] = "[{\"id\":\"uuid-1\",\"title\":\"app.js\",\"type\":\"node\","
				"\"webSocketDebuggerUrl\":\"ws://127.0.0.1:9229/uuid-1\"}]";

static inline void says(const char *text)
{
	wire_events->message(wire_owner, text, strlen(text));
}

static inline void saysf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline void saysf(const char *fmt, ...)
{
	char text[4096];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	says(text);
}

/* The id of the newest request to the main isolate that contains the text; 0: there is none. */
static inline int id_of(const char *text)
{
	for (size_t i = sent_n; i-- > 0;)
		if (strstr(sent[i], text) != NULL && strstr(sent[i], "sendMessageToWorker") == NULL)
			return atoi(strstr(sent[i], "\"id\":") + 5);
	return 0;
}

static inline unsigned times_sent(const char *text)
{
	unsigned n = 0;

	for (size_t i = 0; i < sent_n; i++)
		n += strstr(sent[i], text) != NULL;
	return n;
}

static inline void connect_ws(void)
{
	http_answers(0, 200, version_22);
	cr_assert(strstr(fetch.url, "/json/list") != NULL);
	http_answers(0, 200, list_node);
	cr_assert_eq(session.state, SESSION_CONNECTING);
	wire_events->open(wire_owner);
	cr_assert_eq(session.state, SESSION_GREETING);
}

static inline void greet(const char *identity)
{
	saysf("{\"id\":%d,\"result\":{\"result\":{\"type\":\"object\",\"value\":%s}}}",
	      id_of("Runtime.evaluate"), identity);
	cr_assert_eq(session.state, SESSION_IDLE);
}

static const char identity_22[] =
	"{\"pid\":4711,\"version\":\"v22.23.3\",\"v8\":\"12.4.254.21-node.33\","
	"\"start\":1795396604393.676,\"old\":0,\"semi\":0}";

static inline void ready(void)
{
	open_with(true, 5 * NS_PER_S);
	connect_ws();
	greet(identity_22);
}

static inline void answer_usage(void)
{
	saysf("{\"id\":%d,\"result\":{\"usedSize\":3145400,\"totalSize\":4431872}}",
	      id_of("Runtime.getHeapUsage"));
}

static inline void answer_values(const char *more)
{
	saysf("{\"id\":%d,\"result\":{\"result\":{\"type\":\"object\",\"value\":{"
	      "\"memory\":{\"rss\":50000000,\"external\":1300000,\"arrayBuffers\":10515},"
	      "\"heap\":{\"heap_size_limit\":4345298944,\"malloced_memory\":262312,"
	      "\"number_of_native_contexts\":1,\"number_of_detached_contexts\":0},"
	      "\"spaces\":[{\"space_name\":\"new_space\",\"space_size\":1048576,"
	      "\"space_used_size\":500,\"space_available_size\":1000,\"physical_space_size\":2000}]"
	      ","
	      "\"old\":0%s}}}}",
	      id_of("getHeapSpaceStatistics"), more);
}

static inline void attach_worker(const char *session_id, const char *title)
{
	saysf("{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{\"sessionId\":\"%s\","
	      "\"workerInfo\":{\"workerId\":\"%s\",\"type\":\"worker\",\"title\":\"%s\"}}}",
	      session_id, session_id, title);
}
