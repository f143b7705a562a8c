/*
 * Proxies that bear no word in the first moments of a connection, and connections that another
 * client has.
 */

#include "inspect/channel.h"
#include "inspect/parting.h"
#include "session_play.h"

static const char version_miniflare[] = "{\"Browser\":\"miniflare/v4.20260426.0\"}";

static void begin(void)
{
	setup();
	cr_assert_eq(partings_new(&context.partings, &loop), 0);
}

static void end(void)
{
	session_close(&session);
	partings_free(context.partings);
	context.partings = NULL;
	teardown();
}

TestSuite(quiet, .init = begin, .fini = end, .timeout = 20);

static void find(const char *version)
{
	open_with(true, 5 * NS_PER_S);
	http_answers(0, 200, version);
	http_answers(0, 200, list_node);
}

/* Returns when the upgrade was done. */
static uint64_t connect_to(const char *version)
{
	find(version);
	cr_assert(wire_is_open);
	wire_events->open(wire_owner);
	return clock_mono_ns();
}

/* The session's own poll follows its greeting, as that of a target does. */
static void poll_once(void)
{
	cr_assert_eq(session.state, SESSION_IDLE);
	cr_assert_eq(session_poll(&session), 0);
	http_answers(0, 200, list_node);
}

static void wait_until_greeted(void)
{
	while (session.state == SESSION_GREETING)
		cr_assert_eq(loop_turn(&loop, 1000), 0);
	cr_assert_eq(session.state, SESSION_IDLE);
}

Test(quiet, nothing_is_said_before_it_can_be_heard)
{
	uint64_t opened_ns = connect_to(version_miniflare);

	cr_assert_str_eq(session.runtime->name, "workerd");
	cr_assert_gt(session.runtime->quiet_ns, 0);
	wait_until_greeted();
	cr_expect_geq(clock_mono_ns() - opened_ns, session.runtime->quiet_ns / 2);
	cr_expect_eq(sent_n, 0);
	poll_once();
	cr_expect_eq(times_sent("Runtime.getHeapUsage"), 1);
}

Test(quiet, others_are_greeted_at_once)
{
	connect_to("{\"Browser\":\"workerd\"}");
	cr_assert_eq(session.state, SESSION_IDLE);
	session_close(&session);
	cr_assert_not(wire_is_open);
}

Test(quiet, is_no_time_that_it_takes_to_answer)
{
	struct address address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = 9229 };
	struct session_limits limits = { .connect_ns = NS_PER_MS,
					 .poll_ns = NS_PER_MS,
					 .isolates_max = 4 };

	cr_assert_eq(session_open(&session, &address, runtime_named("workerd"), &limits), 0);
	http_answers(0, 200, version_miniflare);
	http_answers(0, 200, list_node);
	wire_events->open(wire_owner);
	wait_until_greeted();
	cr_expect_eq(seen.late, 0);
}

Test(quiet, is_not_left_in_it_either)
{
	uint64_t opened_ns = connect_to(version_miniflare);

	session_close(&session);
	cr_assert(wire_is_open);
	wire_events->message(wire_owner, "{}", 2);
	cr_assert(wire_is_open);
	while (wire_is_open)
		cr_assert_eq(loop_turn(&loop, 1000), 0);
	cr_expect_geq(clock_mono_ns() - opened_ns, session.runtime->quiet_ns / 2);
	cr_expect_eq(sent_n, 0);
}

Test(quiet, nor_at_our_end)
{
	connect_to(version_miniflare);
	session_close(&session);
	partings_free(context.partings);
	context.partings = NULL;
	cr_assert_not(wire_is_open);
}

static void is_missed(const char *why)
{
	char missed[SESSION_MISSED_MAX];

	cr_expect_str_eq(session_missed(&session, missed), why);
}

static const char taken[] = "worker:uuid-1 is not polled: another client has its one connection";

static void turned_away(void)
{
	wire_is_open = false;
	wire_events->closed(wire_owner, -EBUSY, "closed by the peer with code 1013");
}

Test(quiet, who_comes_second_says_so_until_it_is_polled)
{
	connect_to(version_miniflare);
	turned_away();
	poll_once();
	cr_assert_eq(seen.polled, 1);
	cr_expect_not(wire_is_open, "it is not tried twice");
	is_missed(taken);
	session_close(&session);

	/* It rests for a moment, and the rest is polled. */
	find(version_miniflare);
	cr_expect_not(wire_is_open);
	poll_once();
	cr_assert_eq(seen.polled, 2);
	is_missed(taken);
	session_close(&session);

	list_each (link, &session.channels)
		container_of(link, struct channel, link)->rest_until_ns = 0;
	connect_to(version_miniflare);
	wait_until_greeted();
	poll_once();
	is_missed(taken);
	answer_usage();
	cr_assert_eq(seen.samples, 1);
	is_missed("");
	cr_expect_eq(seen.closed, 0);
}

Test(quiet, what_is_left_on_is_ended_when_we_have_it_again)
{
	connect_to(version_miniflare);
	session_settle(&session);
	turned_away();
	poll_once();
	session_close(&session);
	cr_assert_eq(sent_n, 0);
	list_each (link, &session.channels)
		container_of(link, struct channel, link)->rest_until_ns = 0;
	for (int i = 0; i < 2; i++) {
		connect_to(version_miniflare);
		wait_until_greeted();
		session_close(&session);
		cr_expect_eq(times_sent("HeapProfiler.disable"), 1, "once");
	}
}

Test(quiet, nor_is_it_where_that_was_not_heard)
{
	for (int i = 0; i < 2; i++) {
		connect_to("{\"Browser\":\"wrangler/v4.86.0\"}");
		if (i == 0)
			session_settle(&session);
		cr_expect_eq(times_sent("HeapProfiler.disable"), (unsigned)i + 1);
		turned_away();
		session_close(&session);
		list_each (link, &session.channels)
			container_of(link, struct channel, link)->rest_until_ns = 0;
	}
}

Test(quiet, what_is_lost_says_why)
{
	connect_to("{\"Browser\":\"workerd\"}");
	wire_is_open = false;
	wire_events->closed(wire_owner, -ECONNRESET, "connection lost");
	is_missed("worker:uuid-1 is not polled: connection lost");
}
