/*
 * Sessions and the polling half of CDP, without a network: the four calls a session makes of net/
 * are played by the test, so that each message and each end can be given at each state. What the
 * session says to the target is kept and held against the closed list.
 */

#include "inspect/channel.h"
#include "session_play.h"

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

Test(session, its_age_is_kept_as_its_start_by_a_clock_that_nobody_sets)
{
	int64_t now_ms;

	open_with(true, 5 * NS_PER_S);
	connect_ws();
	greet("{\"pid\":4711,\"start\":1795396604393.676,\"age\":90000.75}");
	now_ms = (int64_t)(clock_mono_ns() / NS_PER_MS);
	cr_assert_eq(seen.identity.start_wall_ms, 1795396604393);
	cr_assert_leq(seen.identity.start_mono_ms, now_ms - 90000);
	cr_assert_gt(seen.identity.start_mono_ms, now_ms - 90000 - 10000);
}

static void times_are_unknown(const char *identity)
{
	open_with(true, 5 * NS_PER_S);
	connect_ws();
	greet(identity);
	cr_expect_eq(seen.identity.start_wall_ms, 0, "%s", identity);
	cr_expect_eq(seen.identity.start_mono_ms, 0, "%s", identity);
}

Test(session, times_that_make_no_sense_are_unknown)
{
	times_are_unknown("{\"pid\":4711,\"start\":-1,\"age\":-1}");
}

Test(session, times_beyond_numbers_are_unknown)
{
	times_are_unknown("{\"pid\":4711,\"start\":1e300,\"age\":1e300}");
}

Test(session, times_that_are_texts_are_unknown)
{
	times_are_unknown("{\"pid\":4711,\"start\":\"1\",\"age\":\"1\"}");
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

/* wrangler's own answers come to us too, from 100,000,000 on; beyond an int32 workerd hangs up. */
Test(session, ids_begin_anew_before_those_of_others)
{
	static const int32_t reached[] = { 90000000, 99999999, INT32_MAX };

	for (size_t i = 0; i < sizeof(reached) / sizeof(*reached); i++) {
		struct channel *channel;
		size_t before;

		ready();
		channel = wire_owner;
		channel->next_id = reached[i];
		before = sent_n;
		cr_assert_eq(session_poll(&session), 0);
		cr_assert_gt(sent_n, before);
		for (; before < sent_n; before++) {
			struct tree *tree;
			int64_t id;

			cr_assert_eq(tree_parse(sent[before], strlen(sent[before]), &tree, NULL),
				     0);
			cr_assert(tree_int(tree, "id", &id) && id > 0 && id < 1000, "%s",
				  sent[before]);
			tree_free(tree);
		}
		session_close(&session);
	}
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

/* Deno tells them after its first answer, and is left after the poll that follows. */
Test(session, a_worker_that_is_told_during_a_poll_is_in_it)
{
	ready();
	cr_assert_eq(session_poll(&session), 0);
	answer_usage();
	attach_worker("9", "worker [1]");
	answer_values("");
	cr_assert_eq(seen.polled, 0, "the worker has not answered yet");
	worker_answers("9");
	cr_assert_eq(seen.polled, 1);
	cr_assert_eq(seen.samples, 2);
	cr_assert_str_eq(seen.isolate, "worker:1");
	cr_assert_eq(times_sent("sendMessageToWorker"), 2);
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

static void look_again(const char *list)
{
	while (!fetching)
		cr_assert_eq(loop_turn(&loop, 1000), 0);
	cr_assert(strstr(fetch.url, "/json/list") != NULL);
	http_answers(0, 200, list);
	turn();
}

/* A proxy has kept the connection to one that is gone. */
Test(session, another_than_the_one_that_was_connected_to)
{
	poll_until_late();
	http_answers(0, 200, version_22);
	look_again(list_node);
	look_again("[]");
	look_again("{}");
	cr_assert_eq(seen.why_late, SESSION_END_BLOCKED);
	cr_assert(wire_is_open, "ADR 3");
	look_again("[{\"id\":\"2\",\"webSocketDebuggerUrl\":\"ws://127.0.0.1:9229/2\"}]");
	cr_assert_eq(seen.closed, 1);
	cr_assert_eq(seen.end, SESSION_END_LOST);
	cr_assert_not(wire_is_open);
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
