/*
 * A page of WebKit that another client takes is left to it, each time for longer, and taken back in
 * between; what else ends a connection is no reason to rest, and says what it is. Time is
 * simulated.
 */

#include <errno.h>

#include "webkit_stage.h"

#define MINUTE (60 * NS_PER_S)

static const char taken_text[] = "page:3 is not polled: another client has its one connection";
static uint64_t now_ns;

static void pass(uint64_t ns)
{
	now_ns += ns;
	clock_simulate(now_ns, 0);
}

static void begin(void)
{
	now_ns = 1000 * NS_PER_S;
	pass(0);
	setup();
}

static void end(void)
{
	teardown();
	clock_real();
}

TestSuite(rests, .init = begin, .fini = end, .timeout = 20);

static struct ws *newest(void)
{
	return &sockets[sockets_n - 1];
}

static void is_missed(const char *why)
{
	char missed[SESSION_MISSED_MAX];

	cr_expect_str_eq(session_missed(&session, missed), why);
}

/* The page is the daemon's. */
static void get(void)
{
	newest()->events->open(newest()->owner);
	says(newest(), created);
	begin_poll();
	from_page(newest(), "page-8", UPDATE);
	answer_stop(newest(), "page-8");
	cr_assert_eq(session.state, SESSION_IDLE);
	is_missed("");
}

static void lose(int r, const char *reason)
{
	newest()->open = false;
	newest()->events->closed(newest()->owner, r, reason);
}

static void taken(void)
{
	lose(-ECONNRESET, "connection lost");
	is_missed(taken_text);
}

/* Polls do not connect until then, and the next one does. */
static void expect_rest(uint64_t rest_ns)
{
	size_t before = sockets_n;

	pass(rest_ns - 1);
	begin_poll();
	cr_assert_eq(sockets_n, before, "it was to rest for %g s", (double)rest_ns / NS_PER_S);
	pass(1);
	begin_poll();
	cr_assert_eq(sockets_n, before + 1, "it was to rest for no more than %g s",
		     (double)rest_ns / NS_PER_S);
	cr_assert_eq(session.state, SESSION_IDLE);
}

Test(rests, are_twice_as_long_each_time)
{
	static const unsigned minutes[] = { 1, 2, 4, 8, 16, 16, 16 };

	greeted_page();
	for (size_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
		taken();
		expect_rest(minutes[i] * MINUTE);
		get();
		pass(MINUTE);
	}
}

Test(rests, begin_anew_when_it_was_held_for_long)
{
	greeted_page();
	taken();
	expect_rest(1 * MINUTE);
	get();
	pass(16 * MINUTE - 1);
	taken();
	expect_rest(2 * MINUTE);
	get();
	pass(16 * MINUTE);
	taken();
	expect_rest(1 * MINUTE);
	get();
	taken();
	expect_rest(2 * MINUTE);
}

/* A capture has a connection of its own: we leave for it, and come back. */
Test(rests, do_not_forget_who_left_by_ourselves)
{
	greeted_page();
	taken();
	expect_rest(1 * MINUTE);
	get();
	pass(8 * MINUTE);
	session_close(&session);
	open_as(WEBKIT, "");
	http_answers(one_page);
	get();
	pass(8 * MINUTE);
	taken();
	expect_rest(1 * MINUTE);
}

/* It is told of the page alone, and by who had the connection. */
Test(rests, are_for_what_was_taken_from_a_capture_too)
{
	greeted_page();
	session_close(&session);
	session_taken(&session, "page:4");
	is_missed("");
	session_taken(&session, "page:3");
	is_missed(taken_text);
	cr_assert_eq(gone, 1);
	open_as(WEBKIT, "");
	http_answers(one_page);
	cr_assert_eq(sockets_n, 1);
	expect_rest(1 * MINUTE);
	get();
	taken();
	expect_rest(2 * MINUTE);
}

Test(rests, are_kept_while_the_session_is_closed)
{
	greeted_page();
	taken();
	session_close(&session);
	open_as(WEBKIT, "");
	http_answers(one_page);
	cr_assert_eq(sockets_n, 1);
	expect_rest(1 * MINUTE);
}

Test(rests, are_none_of_the_next_program_there)
{
	const struct http_answer refusal = { .r = -ECONNREFUSED, .reason = "refused" };

	greeted_page();
	taken();
	expect_rest(1 * MINUTE);
	get();
	taken();
	cr_assert_eq(session_poll(&session), 0);
	fetch.fn(fetch.owner, &refusal);
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_eq(closed, 1);
	open_as(WEBKIT, "");
	http_answers(one_page);
	get();
	taken();
	expect_rest(1 * MINUTE);
}

/* WebKit itself does not say why. */
Test(rests, are_for_any_end_that_the_peer_made)
{
	greeted_page();
	lose(0, "closed by the peer with code 1001");
	is_missed(taken_text);
	expect_rest(1 * MINUTE);
	get();
	lose(-EBUSY, "closed by the peer with code 1002");
	is_missed(taken_text);
	expect_rest(2 * MINUTE);
}

/* ios-webkit-debug-proxy does. */
Test(rests, are_for_nothing_else_where_the_peer_says_why)
{
	static const struct {
		int r;
		const char *reason;
	} others[] = {
		{ 0, "closed by the peer with code 1001: inspector closed?" },
		{ 0, "closed by the peer with code 1001: Page 9222/3 not found" },
		{ -ECONNRESET, "connection lost" },
	};
	char missed[SESSION_MISSED_MAX];

	listed = "[{\"appId\":\"PID:1\",\"title\":\"a\",\"url\":\"http://x/"
		 "\",\"webSocketDebuggerUrl\":"
		 "\"ws://127.0.0.1:9222/devtools/page/3\"}]";
	open_as(SAFARI, "");
	http_answers(listed);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		get();
		lose(others[i].r, others[i].reason);
		snprintf(missed, sizeof(missed), "page:3 is not polled: %s", others[i].reason);
		is_missed(missed);
		expect_rest(1 * NS_PER_S);
	}
	get();
	lose(0, "closed by the peer with code 1001: Page 9222/3 claimed by local");
	is_missed(taken_text);
	expect_rest(1 * MINUTE);
}

Test(rests, are_short_where_nothing_was_had)
{
	greeted_page();
	taken();
	expect_rest(1 * MINUTE);
	lose(-ECONNRESET, "connection lost");
	is_missed("page:3 is not polled: connection lost");
	expect_rest(1 * NS_PER_S);
	get();
	taken();
	expect_rest(2 * MINUTE);
}

/* What fails on our side has taken nothing from us. */
Test(rests, are_short_where_we_end_it)
{
	struct ws *ws = greeted_page();

	ws->refuses = -ENOBUFS;
	begin_poll();
	cr_assert_not(ws->open);
	is_missed("page:3 is not polled: cannot send: No buffer space available");
	expect_rest(1 * NS_PER_S);
	get();
	taken();
	expect_rest(1 * MINUTE);
}

/* The end of a connection is told a moment after nothing can be sent any more. */
Test(rests, are_as_long_where_we_speak_in_the_moment_of_the_end)
{
	struct ws *ws = greeted_page();

	ws->refuses = -ENOTCONN;
	begin_poll();
	cr_assert_eq(polled, 0, "it waits for the end");
	cr_assert(ws->open);
	taken();
	cr_assert_eq(polled, 1);
	expect_rest(1 * MINUTE);
}

/* Nor is it taken where the browser ends what we have left with the next one. */
Test(rests, are_short_after_a_connection_that_was_lost)
{
	greeted_page();
	list_each (link, &session.channels)
		channel_fail(container_of(link, struct channel, link), SESSION_END_SILENT,
			     "no answer");
	expect_rest(1 * NS_PER_S);
	get();
	lose(-ECONNRESET, "connection lost");
	is_missed("page:3 is not polled: connection lost");
	expect_rest(1 * NS_PER_S);
	get();
	pass(5 * NS_PER_S);
	taken();
	expect_rest(1 * MINUTE);
}

/* ---- what never greets ---- */

static void greeting_is_overdue(void)
{
	listed = "[{\"appId\":\"PID:1\",\"title\":\"a\",\"url\":\"http://x/"
		 "\",\"webSocketDebuggerUrl\":"
		 "\"ws://127.0.0.1:9222/devtools/page/3\"}]";
	open_as(SAFARI, "");
	http_answers(listed);
	newest()->events->open(newest()->owner);
	for (int i = 0; i < 2; i++) {
		pass(5 * NS_PER_S);
		session.deadline.fn(session.deadline.owner);
	}
	cr_assert_eq(sent_n, 1, "it is asked once");
	cr_assert_eq(times_sent("Target.exists"), 1);
}

Test(rests, are_for_what_speaks_without_a_target_in_between)
{
	greeting_is_overdue();
	says(newest(), "{\"error\":{\"code\":-32601,\"message\":\"'Target' domain was not found\"},"
		       "\"id\":1}");
	cr_assert_not(newest()->open);
	cr_assert_eq(session.state, SESSION_IDLE);
	is_missed("page:3 is not polled: not supported by safari: it speaks the protocol of before "
		  "iOS 12.2");
	expect_rest(1 * MINUTE);
}

Test(rests, are_not_for_what_only_is_late)
{
	greeting_is_overdue();
	says(newest(), "{\"error\":{\"code\":-32601,\"message\":\"'Target.exists' was not found\"},"
		       "\"id\":1}");
	cr_assert(newest()->open);
	cr_assert_eq(session.state, SESSION_GREETING);
	says(newest(), created);
	cr_assert_eq(session.state, SESSION_IDLE);
	is_missed("");
}
