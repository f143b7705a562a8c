/*
 * Sessions and the polling half of CDP, without a network: the four calls a session makes of net/
 * are played by the test, so that each message and each end can be given at each state. What the
 * session says to the target is kept and held against the closed list.
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

void ws_close(struct ws *ws)
{
	if (ws != NULL)
		wire_is_open = false;
}

/* The capture half is another suite's. */
int cdp_snapshot_begin(struct download *download)
{
	(void)download;
	return -ENOSYS;
}

int cdp_snapshot_event(struct download *download, const struct json_event *event)
{
	(void)download, (void)event;
	return -ENOSYS;
}

int cdp_snapshot_message_end(struct download *download)
{
	(void)download;
	return -ENOSYS;
}

int cdp_snapshot_overdue(struct download *download)
{
	(void)download;
	return -ENOSYS;
}

int cdp_snapshot_finish(struct download *download)
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
};

static struct loop loop;
static struct session_context context = { .loop = &loop };
static struct session session;
static struct seen seen;

static void on_identified(void *owner, const struct identity *identity)
{
	(void)owner;
	seen.identified++;
	seen.identity = *identity;
}

static void on_sample(void *owner, const char *isolate, const struct sample *sample)
{
	(void)owner;
	seen.samples++;
	seen.sample = *sample;
	str_copy(seen.isolate, sizeof(seen.isolate), isolate);
}

static void on_isolate_gone(void *owner, const char *isolate)
{
	(void)owner, (void)isolate;
	seen.gone++;
}

static void on_polled(void *owner, enum session_activity activity, uint64_t rss_bytes)
{
	(void)owner;
	seen.polled++;
	seen.activity = activity;
	seen.rss_bytes = rss_bytes;
	if (seen.leave_when_polled)
		session_close(&session);
}

static void on_late(void *owner, enum session_end why, const char *reason)
{
	(void)owner, (void)reason;
	seen.late++;
	seen.why_late = why;
}

static void on_closed(void *owner, enum session_end end, const char *reason)
{
	(void)owner;
	seen.closed++;
	seen.end = end;
	str_copy(seen.reason, sizeof(seen.reason), reason);
}

static void on_collected(void *owner, int result, uint64_t duration_ns, const char *reason)
{
	(void)owner, (void)duration_ns;
	seen.collected++;
	seen.collect_result = result;
	str_copy(seen.reason, sizeof(seen.reason), reason != NULL ? reason : "");
}

static void on_gc(void *owner, const char *isolate, const struct gc_event *event)
{
	(void)owner;
	cr_expect_str_eq(isolate, "main");
	seen.gcs++;
	seen.gc = *event;
}

static const struct session_events events = {
	.identified = on_identified,
	.sample = on_sample,
	.isolate_gone = on_isolate_gone,
	.polled = on_polled,
	.collected = on_collected,
	.gc = on_gc,
	.late = on_late,
	.closed = on_closed,
};

/* ---- steps ---- */

static void setup(void)
{
	seen = (struct seen){ 0 };
	sent_n = 0;
	fetching = wire_is_open = false;
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(session_init(&session, &context, &events, NULL), 0);
}

static void teardown(void)
{
	session_fini(&session);
	loop_fini(&loop);
	for (size_t i = 0; i < sent_n; i++)
		free(sent[i]);
}

static void turn(void)
{
	cr_assert_eq(loop_turn(&loop, 0), 0);
}

static void open_with(bool evaluate, uint64_t poll_ns)
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

static void http_answers(int r, long status, const char *body)
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

static void says(const char *text)
{
	wire_events->message(wire_owner, text, strlen(text));
}

static void saysf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void saysf(const char *fmt, ...)
{
	char text[4096];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	says(text);
}

/* The id of the newest request to the main isolate that contains the text; 0: there is none. */
static int id_of(const char *text)
{
	for (size_t i = sent_n; i-- > 0;)
		if (strstr(sent[i], text) != NULL && strstr(sent[i], "sendMessageToWorker") == NULL)
			return atoi(strstr(sent[i], "\"id\":") + 5);
	return 0;
}

static unsigned times_sent(const char *text)
{
	unsigned n = 0;

	for (size_t i = 0; i < sent_n; i++)
		n += strstr(sent[i], text) != NULL;
	return n;
}

static void connect_ws(void)
{
	http_answers(0, 200, version_22);
	cr_assert(strstr(fetch.url, "/json/list") != NULL);
	http_answers(0, 200, list_node);
	cr_assert_eq(session.state, SESSION_CONNECTING);
	wire_events->open(wire_owner);
	cr_assert_eq(session.state, SESSION_GREETING);
}

static void greet(const char *identity)
{
	saysf("{\"id\":%d,\"result\":{\"result\":{\"type\":\"object\",\"value\":%s}}}",
	      id_of("Runtime.evaluate"), identity);
	cr_assert_eq(session.state, SESSION_IDLE);
}

static const char identity_22[] =
	"{\"pid\":4711,\"version\":\"v22.23.3\",\"v8\":\"12.4.254.21-node.33\","
	"\"start\":1795396604393.676,\"old\":0,\"semi\":0}";

static void ready(void)
{
	open_with(true, 5 * NS_PER_S);
	connect_ws();
	greet(identity_22);
}

static void answer_usage(void)
{
	saysf("{\"id\":%d,\"result\":{\"usedSize\":3145400,\"totalSize\":4431872}}",
	      id_of("Runtime.getHeapUsage"));
}

static void answer_values(const char *more)
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

TestSuite(session, .init = setup, .fini = teardown, .timeout = 20);

/* ---- the ordinary way ---- */

Test(session, finds_greets_polls)
{
	ready();
	cr_assert_eq(seen.identified, 1);
	cr_assert_eq(seen.identity.pid, 4711);
	cr_assert_eq(seen.identity.start_wall_ms, 1795396604393);
	cr_assert_str_eq(seen.identity.runtime, "node");
	cr_assert_str_eq(seen.identity.runtime_version, "22.23.3");
	cr_assert_str_eq(seen.identity.engine_version, "12.4.254.21-node.33");
	cr_assert_str_eq(seen.identity.inspector_id, "uuid-1");

	cr_assert_eq(session_poll(&session), 0);
	cr_assert_eq(session_poll(&session), -EBUSY);
	answer_usage();
	cr_assert_eq(seen.samples, 0);
	answer_values("");
	cr_assert_eq(seen.samples, 1);
	cr_assert_eq(seen.polled, 1);
	cr_assert_eq(session.state, SESSION_IDLE);
	cr_assert_str_eq(seen.isolate, "main");
	cr_assert_eq(seen.sample.value[SAMPLE_HEAP_USED], 3145400);
	cr_assert_eq(seen.sample.value[SAMPLE_EXTERNAL], 1300000);
	cr_assert_eq(seen.sample.value[SAMPLE_HEAP_LIMIT], 4345298944 - 48ull * MIB);
	cr_assert_not(sample_has(&seen.sample, SAMPLE_ALLOCATED));
	cr_assert_eq(seen.sample.spaces_n, 1);
	cr_assert_str_eq(seen.sample.spaces[0].name, "new");
	cr_assert_eq(seen.sample.spaces[0].physical, 2000);
	cr_assert_eq(seen.rss_bytes, 50000000);
}

/* The closed list: anything else that is ever sent fails here. */
Test(session, says_only_what_is_listed)
{
	static const char *const listed[] = {
		"NodeRuntime.enable",   "NodeRuntime.notifyWhenWaitingForDisconnect",
		"NodeWorker.enable",    "NodeWorker.sendMessageToWorker",
		"Runtime.getHeapUsage", "Runtime.evaluate",
	};

	ready();
	says("{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{\"sessionId\":\"1\","
	     "\"workerInfo\":{\"workerId\":\"1\",\"title\":\"[worker 2] wk\"}}}");
	cr_assert_eq(session_poll(&session), 0);
	for (size_t i = 0; i < sent_n; i++) {
		struct tree *tree;
		const char *method, *inner;
		int64_t id;
		bool known = false;

		cr_assert_eq(tree_parse(sent[i], strlen(sent[i]), &tree, NULL), 0, "%s", sent[i]);
		cr_assert(tree_int(tree, "id", &id) && id > 0 && id < 100000000);
		cr_assert(tree_string(tree, "method", &method));
		for (size_t k = 0; k < sizeof(listed) / sizeof(*listed); k++)
			known |= strcmp(method, listed[k]) == 0;
		cr_assert(known, "%s", sent[i]);
		/* ADR 2: a worker that is asked to tell of its exit never exits. */
		if (tree_string(tree, "params.message", &inner))
			cr_assert_null(strstr(inner, "NodeRuntime"), "%s", inner);
		tree_free(tree);
	}
	cr_assert_eq(times_sent("sendMessageToWorker"), 2);
}

Test(session, evaluate_never_evaluates_nothing)
{
	open_with(false, 5 * NS_PER_S);
	connect_ws();
	saysf("{\"id\":%d,\"result\":{\"names\":[]}}", id_of("globalLexicalScopeNames"));
	cr_assert_eq(session.state, SESSION_IDLE);
	cr_assert_eq(session_poll(&session), 0);
	answer_usage();
	cr_assert_eq(seen.polled, 1);
	cr_assert_eq(seen.sample.value[SAMPLE_HEAP_USED], 3145400);
	cr_assert_not(sample_has(&seen.sample, SAMPLE_HEAP_LIMIT));
	cr_assert_eq(times_sent("evaluate"), 0);
	cr_assert_eq(seen.activity, ACTIVITY_UNKNOWN);
}

Test(session, the_limit_is_that_of_the_old_generation)
{
	open_with(true, 5 * NS_PER_S);
	connect_ws();
	greet("{\"pid\":1,\"version\":\"v24.0.0\",\"v8\":\"13.6.233.17\",\"old\":200,\"semi\":8}");
	session_poll(&session);
	answer_usage();
	answer_values("");
	cr_assert_eq(seen.sample.value[SAMPLE_HEAP_LIMIT], 200ull * MIB);
}

struct young {
	char v8[24];
	int semi;
	uint64_t expected_mib;
};

ParameterizedTestParameters(session, young_generation)
{
	static struct young table[] = {
		{ "11.3.244.8", 0, 48 },  { "12.4.254.21", 0, 48 }, { "13.6.233.17", 0, 192 },
		{ "14.6.202.34", 0, 96 }, { "13.6.233.17", 4, 12 },
	};

	return cr_make_param_array(struct young, table, sizeof(table) / sizeof(*table));
}

ParameterizedTest(struct young *p, session, young_generation)
{
	char identity[160];

	snprintf(identity, sizeof(identity), "{\"pid\":1,\"v8\":\"%s\",\"old\":0,\"semi\":%d}",
		 p->v8, p->semi);
	open_with(true, 5 * NS_PER_S);
	connect_ws();
	greet(identity);
	session_poll(&session);
	answer_usage();
	answer_values("");
	cr_assert_eq(seen.sample.value[SAMPLE_HEAP_LIMIT], 4345298944 - p->expected_mib * MIB,
		     "V8 %s, semi-space %d", p->v8, p->semi);
}

/* ---- workers ---- */

static void attach_worker(const char *session_id, const char *title)
{
	saysf("{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{\"sessionId\":\"%s\","
	      "\"workerInfo\":{\"workerId\":\"%s\",\"type\":\"worker\",\"title\":\"%s\"}}}",
	      session_id, session_id, title);
}

/* The nested id of the newest request to a worker with that text. */
static int nested_id_of(const char *text)
{
	for (size_t i = sent_n; i-- > 0;) {
		char *at = strstr(sent[i], "\\\"id\\\":");

		if (at != NULL && strstr(sent[i], text) != NULL)
			return atoi(at + 7);
	}
	return 0;
}

static void worker_answers(const char *session_id)
{
	saysf("{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{\"sessionId\":\"%"
	      "s\","
	      "\"message\":\"{\\\"id\\\":%d,\\\"result\\\":{\\\"usedSize\\\":77,\\\"totalSize\\\":"
	      "99}}"
	      "\"}}",
	      session_id, nested_id_of("Runtime.getHeapUsage"));
	saysf("{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{\"sessionId\":\"%"
	      "s\","
	      "\"message\":\"{\\\"id\\\":%d,\\\"result\\\":{\\\"result\\\":{\\\"value\\\":{"
	      "\\\"old\\\":64}}}}\"}}",
	      session_id, nested_id_of("getHeapSpaceStatistics"));
}

Test(session, polls_workers)
{
	ready();
	attach_worker("9", "[worker 2] wk1");
	cr_assert_eq(session_poll(&session), 0);
	answer_usage();
	answer_values("");
	cr_assert_eq(seen.polled, 0, "the worker has not answered yet");
	worker_answers("9");
	cr_assert_eq(seen.polled, 1);
	cr_assert_eq(seen.samples, 2);
	cr_assert_str_eq(seen.isolate, "worker:2");
	cr_assert_eq(seen.sample.value[SAMPLE_HEAP_USED], 77);
	cr_assert_eq(seen.sample.value[SAMPLE_HEAP_LIMIT], 64ull * MIB);
}

/* ---- settling ---- */

static unsigned disables_sent(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < sent_n; i++)
		n += strstr(sent[i], "HeapProfiler.disable") != NULL;
	return n;
}

Test(session, settles_every_isolate_once_also_in_the_middle_of_a_poll)
{
	ready();
	attach_worker("9", "[worker 2] wk1");
	session_poll(&session);
	session_settle(&session);
	cr_assert_eq(disables_sent(), 2);
	answer_usage();
	answer_values("");
	worker_answers("9");
	cr_assert_eq(seen.polled, 1);
	cr_assert_eq(disables_sent(), 2);
}

Test(session, settles_after_the_next_greeting_whatever_came_to_nothing_before)
{
	open_with(true, 5 * NS_PER_S);
	session_settle(&session);
	http_answers(-ECONNREFUSED, 0, "");
	turn();
	cr_assert_eq(seen.closed, 1);
	open_with(true, 5 * NS_PER_S);
	connect_ws();
	attach_worker("1", "[worker 4]");
	cr_assert_eq(disables_sent(), 0);
	greet(identity_22);
	cr_assert_eq(disables_sent(), 2);
}

Test(session, a_worker_that_goes_ends_the_wait_for_it)
{
	ready();
	attach_worker("1", "[worker 1]");
	session_poll(&session);
	answer_usage();
	answer_values("");
	says("{\"method\":\"NodeWorker.detachedFromWorker\",\"params\":{\"sessionId\":\"1\"}}");
	cr_assert_eq(seen.gone, 1);
	cr_assert_eq(seen.polled, 1);
}

Test(session, a_blocked_worker_holds_a_poll_only_once)
{
	open_with(true, 30 * NS_PER_MS);
	connect_ws();
	greet(identity_22);
	attach_worker("1", "[worker 1]");
	session_poll(&session);
	answer_usage();
	answer_values("");
	while (seen.polled == 0)
		cr_assert_eq(loop_turn(&loop, 1000), 0);
	cr_assert_eq(seen.late, 0, "the main thread has answered");
	cr_assert_eq(times_sent("sendMessageToWorker"), 2);
	session_poll(&session);
	answer_usage();
	answer_values("");
	cr_assert_eq(seen.polled, 2);
	cr_assert_eq(times_sent("sendMessageToWorker"), 2, "its queue must not grow");
}

Test(session, isolates_are_limited)
{
	char id[8];

	ready();
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "%d", i);
		attach_worker(id, "[worker 1]");
	}
	session_poll(&session);
	cr_assert_eq(times_sent("sendMessageToWorker"), 2 * 3, "three workers and main make four");
}

/* ---- leaving ---- */

Test(session, leaves_at_once_when_the_program_wants_to_exit)
{
	ready();
	session_poll(&session);
	says("{\"method\":\"NodeRuntime.waitingForDisconnect\",\"params\":{}}");
	cr_assert_not(wire_is_open, "not one turn later");
	cr_assert_eq(seen.closed, 0, "the owner hears of it when nothing is on the stack");
	turn();
	cr_assert_eq(seen.closed, 1);
	cr_assert_eq(seen.end, SESSION_END_EXITING);
}

Test(session, a_lost_context_means_exit)
{
	ready();
	session_poll(&session);
	answer_usage();
	saysf("{\"error\":{\"code\":-32000,\"message\":\"Cannot find context with specified id\"},"
	      "\"id\":%d}",
	      id_of("getHeapSpaceStatistics"));
	cr_assert_not(wire_is_open);
	turn();
	cr_assert_eq(seen.end, SESSION_END_EXITING);
}

Test(session, a_context_lost_before_the_greeting_means_exit_also_without_evaluate)
{
	open_with(false, 5 * NS_PER_S);
	connect_ws();
	saysf("{\"error\":{\"code\":-32000,\"message\":\"Cannot find context with specified id\"},"
	      "\"id\":%d}",
	      id_of("globalLexicalScopeNames"));
	cr_assert_not(wire_is_open);
	turn();
	cr_assert_eq(seen.end, SESSION_END_EXITING);
}

Test(session, the_owner_may_leave_when_polled)
{
	ready();
	attach_worker("1", "[worker 1]");
	seen.leave_when_polled = true;
	session_poll(&session);
	worker_answers("1");
	answer_usage();
	answer_values("");
	cr_assert_eq(seen.polled, 1);
	cr_assert_eq(session.state, SESSION_CLOSED);
	turn();
	cr_assert_eq(seen.closed, 0);
}

/* ---- overdue ---- */

static void poll_until_late(void)
{
	open_with(true, 20 * NS_PER_MS);
	connect_ws();
	greet(identity_22);
	session_poll(&session);
	while (!fetching)
		cr_assert_eq(loop_turn(&loop, 1000), 0);
	cr_assert(strstr(fetch.url, "/json/version") != NULL);
}

Test(session, blocked_when_only_the_inspector_answers)
{
	poll_until_late();
	http_answers(0, 200, version_22);
	cr_assert_eq(seen.late, 1);
	cr_assert_eq(seen.why_late, SESSION_END_BLOCKED);
	cr_assert(wire_is_open, "ADR 3");
	answer_usage();
	answer_values("");
	cr_assert_eq(seen.polled, 1);
	cr_assert_eq(seen.closed, 0);
}

Test(session, silent_when_nothing_answers)
{
	poll_until_late();
	http_answers(-ETIMEDOUT, 0, "");
	cr_assert_eq(seen.why_late, SESSION_END_SILENT);
}

Test(session, an_overdue_greeting_waits_as_a_poll_does)
{
	open_with(true, 20 * NS_PER_MS);
	session.limits.connect_ns = 20 * NS_PER_MS;
	connect_ws();
	while (!fetching)
		cr_assert_eq(loop_turn(&loop, 1000), 0);
	http_answers(0, 200, version_22);
	cr_assert_eq(seen.why_late, SESSION_END_BLOCKED);
	cr_assert(wire_is_open, "ADR 3");
	cr_assert_eq(session.state, SESSION_GREETING);
	greet(identity_22);
	cr_assert_eq(seen.identified, 1);
	cr_assert_eq(seen.closed, 0);
}

Test(session, an_answer_ends_the_look)
{
	poll_until_late();
	answer_usage();
	answer_values("");
	cr_assert_not(fetching);
	cr_assert_eq(seen.polled, 1);
	cr_assert_eq(seen.late, 0);
}

Test(session, patience_is_never_late)
{
	open_with(true, 5 * NS_PER_MS);
	connect_ws();
	greet(identity_22);
	session_set_patient(&session, true);
	session_poll(&session);
	while (session.looks < 3)
		cr_assert_eq(loop_turn(&loop, 1000), 0);
	cr_assert_not(fetching);
	cr_assert_eq(seen.late, 0);
}

/* ---- nonsense ---- */

struct nonsense {
	char text[160];
};

ParameterizedTestParameters(session, nonsense)
{
	static struct nonsense table[] = {
		{ "" },
		{ "{" },
		{ "[]" },
		{ "null" },
		{ "{\"id\":-1}" },
		{ "{\"id\":0,\"result\":{}}" },
		{ "{\"id\":99999999999999999999}" },
		{ "{\"id\":100000008,\"result\":{}}" },
		{ "{\"method\":7}" },
		{ "{\"method\":\"NodeWorker.receivedMessageFromWorker\"}" },
		{ "{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{\"sessionId\":"
		  "\"1\","
		  "\"message\":\"{\"}}" },
		{ "{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"params\":{\"chunk\":\"x\"}"
		  "}" },
		{ "{\"method\":\"Runtime.consoleAPICalled\",\"params\":{\"args\":[1,2,3]}}" },
	};

	return cr_make_param_array(struct nonsense, table, sizeof(table) / sizeof(*table));
}

ParameterizedTest(struct nonsense *p, session, nonsense)
{
	ready();
	session_poll(&session);
	says(p->text);
	wire_events->message(wire_owner, NULL, 0); /* one that was over the cap */
	answer_usage();
	answer_values("");
	turn();
	cr_assert_eq(seen.polled, 1, "%s", p->text);
	cr_assert_eq(seen.closed, 0, "%s", p->text);
}

Test(session, an_event_without_its_parameters_is_a_protocol_error)
{
	ready();
	says("{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{}}");
	turn();
	cr_assert_eq(seen.end, SESSION_END_PROTOCOL);
}

/* ---- ends ---- */

struct ending {
	int r;
	long status;
	char version[96], list[96];
	enum session_end end;
};

ParameterizedTestParameters(session, endings)
{
	static struct ending table[] = {
		{ -ECONNREFUSED, 0, "", "", SESSION_END_REFUSED },
		{ -ENOENT, 0, "", "", SESSION_END_REFUSED },
		{ -ETIMEDOUT, 0, "", "", SESSION_END_SILENT },
		{ -EHOSTUNREACH, 0, "", "", SESSION_END_UNREACHABLE },
		{ -EPROTO, 0, "", "", SESSION_END_NOT_INSPECTOR },
		{ -EFBIG, 0, "", "", SESSION_END_NOT_INSPECTOR },
		{ 0, 404, "", "", SESSION_END_NOT_INSPECTOR },
		{ 0, 200, "<html>", "", SESSION_END_NOT_INSPECTOR },
		{ 0, 200, "{}", "", SESSION_END_NOT_INSPECTOR },
		{ 0, 200, "{\"Browser\":\"node.js/v22.1.0\"}", "[]", SESSION_END_NOT_INSPECTOR },
		{ 0, 200, "{\"Browser\":\"node.js/v22.1.0\"}", "{}", SESSION_END_NOT_INSPECTOR },
		{ 0, 200, "{\"Browser\":\"node.js/v22.1.0\"}",
		  "[{\"webSocketDebuggerUrl\":\"nonsense\"}]", SESSION_END_NOT_INSPECTOR },
		{ 0, 200, "{\"Browser\":\"Netscape/4.0\"}", "", SESSION_END_NOT_INSPECTOR },
	};

	return cr_make_param_array(struct ending, table, sizeof(table) / sizeof(*table));
}

ParameterizedTest(struct ending *p, session, endings)
{
	open_with(true, NS_PER_S);
	http_answers(p->r, p->status, p->version);
	if (p->list[0] != '\0')
		http_answers(0, 200, p->list);
	while (fetching) /* for the lists of those that have no /json/version */
		http_answers(0, 404, "");
	turn();
	cr_assert_eq(seen.closed, 1, "%d %s", p->r, p->version);
	cr_assert_eq(seen.end, p->end, "%d %s %s: %s", p->r, p->version, p->list, seen.reason);
	cr_assert_neq(seen.reason[0], '\0');
	cr_assert_eq(session.state, SESSION_CLOSED);
}

Test(session, the_wire_may_end_at_any_state)
{
	static const struct {
		int r;
		enum session_end connecting;
	} table[] = {
		{ -ECONNREFUSED, SESSION_END_REFUSED },
		{ -ETIMEDOUT, SESSION_END_SILENT },
		{ -EPROTO, SESSION_END_NOT_INSPECTOR },
		{ -ECONNRESET, SESSION_END_LOST },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		open_with(true, NS_PER_S);
		http_answers(0, 200, version_22);
		http_answers(0, 200, list_node);
		wire_events->closed(wire_owner, table[i].r, "because");
		turn();
		cr_assert_eq(seen.end, table[i].connecting);
	}
	ready();
	session_poll(&session);
	wire_events->closed(wire_owner, 0, "because");
	turn();
	cr_assert_eq(seen.end, SESSION_END_LOST);
	cr_assert_str_eq(seen.reason, "because");
}

Test(session, closing_is_silent_and_repeatable)
{
	ready();
	session_close(&session);
	session_close(&session);
	turn();
	cr_assert_eq(seen.closed, 0);
	ready();
	says("{\"method\":\"NodeRuntime.waitingForDisconnect\"}");
	session_close(&session);
	turn();
	cr_assert_eq(seen.closed, 0, "closed by us before it was told");
}

/* ---- paused or not ---- */

static enum session_activity activity_after(const char *first, const char *second)
{
	const char *values[] = { first, second };

	ready();
	for (int i = 0; i < 2; i++) {
		session_poll(&session);
		answer_usage();
		answer_values(values[i]);
	}
	return seen.activity;
}

Test(session, paused_when_nothing_turns_and_no_cpu_is_used)
{
	cr_assert_eq(activity_after(",\"cpu\":50000,\"idle\":10.5,\"turns\":7",
				    ",\"cpu\":50200,\"idle\":10.5,\"turns\":7"),
		     ACTIVITY_PAUSED);
}

Test(session, running_when_the_loop_turns)
{
	cr_assert_eq(activity_after(",\"cpu\":50000,\"idle\":10.5,\"turns\":7",
				    ",\"cpu\":50200,\"idle\":12.5,\"turns\":8"),
		     ACTIVITY_RUNNING);
}

Test(session, running_when_busy_without_turning)
{
	cr_assert_eq(activity_after(",\"cpu\":50000,\"idle\":10.5,\"turns\":7",
				    ",\"cpu\":950000,\"idle\":10.5,\"turns\":7"),
		     ACTIVITY_RUNNING);
}

Test(session, activity_is_unknown_without_numbers)
{
	cr_assert_eq(activity_after("", ""), ACTIVITY_UNKNOWN);
}

/* ---- forced collections ---- */

Test(session, collects_when_it_is_idle_and_tells_the_end)
{
	ready();
	cr_assert_eq(session_collect(&session, "worker:9"), -ENOENT);
	cr_assert_eq(session.state, SESSION_IDLE);
	cr_assert_eq(session_collect(&session, "main"), 0);
	cr_assert_eq(session.state, SESSION_COLLECTING);
	cr_assert_eq(session_collect(&session, "main"), -EBUSY);
	cr_assert_eq(session_poll(&session), -EBUSY);
	saysf("{\"id\":%d,\"result\":{}}", id_of("HeapProfiler.collectGarbage"));
	cr_assert_eq(seen.collected, 1);
	cr_assert_eq(seen.collect_result, 0);
	cr_assert_eq(session.state, SESSION_IDLE);
	saysf("{\"id\":%d,\"result\":{}}", id_of("HeapProfiler.collectGarbage"));
	cr_assert_eq(seen.collected, 1, "an answer counts once");
	cr_assert_eq(session_poll(&session), 0);
	cr_assert_eq(session_collect(&session, "main"), -EBUSY);
}

Test(session, collects_of_a_worker_through_the_main_thread)
{
	ready();
	says("{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{\"sessionId\":\"1\","
	     "\"workerInfo\":{\"workerId\":\"1\",\"title\":\"[worker 2] wk\"}}}");
	cr_assert_eq(session_collect(&session, "worker:2"), 0);
	cr_assert_eq(times_sent("\\\"method\\\":\\\"HeapProfiler.collectGarbage\\\""), 1);
	saysf("{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{\"sessionId\":"
	      "\"1\",\"message\":\"{\\\"id\\\":%d,\\\"result\\\":{}}\"}}",
	      atoi(strstr(strstr(sent[sent_n - 1], "message"), "id\\\":") + 5));
	cr_assert_eq(seen.collected, 1);
	cr_assert_eq(seen.collect_result, 0);
}

Test(session, a_collection_that_is_refused_or_overdue_is_told)
{
	ready();
	cr_assert_eq(session_collect(&session, "main"), 0);
	saysf("{\"id\":%d,\"error\":{\"code\":-32000,\"message\":\"not now\"}}",
	      id_of("HeapProfiler.collectGarbage"));
	cr_assert_eq(seen.collect_result, -EIO);
	cr_assert_str_eq(seen.reason, "not now");
	cr_assert_eq(session_collect(&session, "main"), 0);
	session.deadline.fn(session.deadline.owner);
	cr_assert_eq(seen.collected, 2);
	cr_assert_eq(seen.collect_result, -ETIMEDOUT);
	cr_assert_eq(session.state, SESSION_IDLE);
	saysf("{\"id\":%d,\"result\":{}}", id_of("HeapProfiler.collectGarbage"));
	cr_assert_eq(seen.collected, 2, "nobody waits for it any more");
}

Test(session, a_connection_that_ends_ends_the_collection)
{
	ready();
	cr_assert_eq(session_collect(&session, "main"), 0);
	wire_events->closed(wire_owner, -ECONNRESET, "reset");
	turn();
	cr_assert_eq(seen.closed, 1);
	cr_assert_eq(session.state, SESSION_CLOSED);
}

/* ---- collections that are told ---- */

static void poll_once(void)
{
	cr_assert_eq(session_poll(&session), 0);
	answer_usage();
	answer_values("");
}

#define DATA "{\"method\":\"NodeTracing.dataCollected\",\"params\":{\"value\":["
#define GC_OF(tid)                                                                                 \
	"{\"pid\":5,\"tid\":" tid ",\"ph\":\"B\",\"name\":\"MajorGC\",\"ts\":1000},"               \
	"{\"pid\":5,\"tid\":" tid ",\"ph\":\"E\",\"name\":\"MajorGC\",\"ts\":3000}"

Test(session, each_poll_ends_a_trace_and_begins_the_next)
{
	ready();
	session.limits.gc_events = true;
	poll_once();
	cr_assert_eq(times_sent("NodeTracing.stop"), 0);
	cr_assert_eq(times_sent("NodeTracing.start"), 1);
	poll_once();
	cr_assert_eq(times_sent("NodeTracing.stop"), 1);
	cr_assert_eq(times_sent("NodeTracing.start"), 2);
	says(DATA GC_OF("5") "," GC_OF("6") "]}}");
	cr_assert_eq(seen.gcs, 1, "of the main thread only");
	cr_assert_eq(seen.gc.duration_ns, 2000000);
}

Test(session, a_runtime_that_cannot_trace_is_asked_once)
{
	ready();
	session.limits.gc_events = true;
	poll_once();
	saysf("{\"id\":%d,\"error\":{\"code\":-32601,\"message\":\"wasn't found\"}}",
	      id_of("NodeTracing.start"));
	poll_once();
	cr_assert_eq(times_sent("NodeTracing"), 1);
}

Test(session, what_tells_too_much_is_left_alone)
{
	ready();
	session.limits.gc_events = true;
	/* What is too large does not come. */
	for (int i = 0; i < 6; i++)
		poll_once();
	cr_assert_eq(times_sent("NodeTracing.start"), 4);
	cr_assert_eq(times_sent("NodeTracing.stop"), 4);
}

Test(session, what_was_not_asked_for_is_not_told)
{
	ready();
	poll_once();
	says(DATA GC_OF("5") "]}}");
	cr_assert_eq(seen.gcs, 0);
	cr_assert_eq(times_sent("NodeTracing"), 0);
}
