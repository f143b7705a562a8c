/* A Node is not left while it owes an answer. */

#include "inspect/parting.h"
#include "session_play.h"

static const char wants_to_exit[] = "{\"method\":\"NodeRuntime.waitingForDisconnect\","
				    "\"params\":{}}";

static void begin(void)
{
	setup();
	cr_assert_eq(partings_new(&context.partings, &loop), 0);
	ready();
	/* The three before the one that ends the greeting. */
	for (int id = 1; id <= 3; id++)
		saysf("{\"id\":%d,\"result\":{}}", id);
}

static void end(void)
{
	session_close(&session);
	partings_free(context.partings);
	context.partings = NULL;
	teardown();
}

TestSuite(parting, .init = begin, .fini = end);

static void expect_exiting(void)
{
	turn();
	cr_expect_eq(seen.closed, 1, "the owner does not wait for that");
	cr_expect_eq(seen.end, SESSION_END_EXITING);
}

static void wait_closed(void)
{
	for (uint64_t until = clock_mono_ns() + 10 * NS_PER_S; wire_is_open;) {
		cr_assert_lt(clock_mono_ns(), until);
		cr_assert_eq(loop_turn(&loop, 10), 0);
	}
}

Test(parting, at_once_when_nothing_is_owed)
{
	session_poll(&session);
	answer_usage();
	answer_values("");
	says(wants_to_exit);
	cr_expect_not(wire_is_open);
	expect_exiting();
}

Test(parting, with_the_last_answer)
{
	session_poll(&session);
	says(wants_to_exit);
	cr_expect(wire_is_open);
	expect_exiting();
	answer_usage();
	says("{\"method\":\"NodeWorker.detachedFromWorker\",\"params\":{\"sessionId\":\"9\"}}");
	says("not JSON");
	wire_events->message(wire_owner, NULL, 0);
	cr_expect(wire_is_open, "one of two");
	saysf("{\"error\":{\"code\":-32000,\"message\":\"Cannot find context with specified id\"},"
	      "\"id\":%d}",
	      id_of("getHeapSpaceStatistics"));
	cr_expect_not(wire_is_open);
}

Test(parting, a_worker_owes_two_for_each_request)
{
	attach_worker("1", "[worker 1]");
	session_poll(&session);
	answer_usage();
	answer_values("");
	session_close(&session);
	for (int i = 0; i < 4; i++) {
		cr_expect(wire_is_open, "after %d of 4", i);
		if (i % 2 == 0)
			saysf("{\"id\":%d,\"result\":{}}", 100 + i);
		else
			says("{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{}}");
	}
	cr_expect_not(wire_is_open);
}

Test(parting, a_worker_that_is_gone_owes_nothing)
{
	attach_worker("1", "[worker 1]");
	session_poll(&session);
	answer_usage();
	answer_values("");
	for (int i = 0; i < 2; i++)
		saysf("{\"id\":%d,\"result\":{}}", 100 + i);
	says("{\"method\":\"NodeWorker.detachedFromWorker\",\"params\":{\"sessionId\":\"1\"}}");
	session_close(&session);
	cr_expect_not(wire_is_open);
}

Test(parting, in_the_end_without_it)
{
	session_poll(&session);
	session_close(&session);
	wait_closed();
}

Test(parting, when_the_peer_goes_first)
{
	session_poll(&session);
	session_close(&session);
	wire_events->closed(wire_owner, 0, "closed by the peer");
	turn();
}

Test(parting, is_waited_for_at_the_end)
{
	uint64_t began = clock_mono_ns();

	session_poll(&session);
	session_close(&session);
	partings_free(context.partings);
	context.partings = NULL;
	cr_expect_not(wire_is_open);
	cr_expect_geq(clock_mono_ns() - began, PARTING_NS / 2);
}

/* One that would be evicted by the next client, as of WebKit. */
Test(parting, who_has_the_only_place_is_held_for_longer)
{
	struct ws *ws = (struct ws *)&wire_is_open;
	struct parting *parting;
	uint64_t began;

	wire_is_open = true;
	cr_expect_not(partings_have_place(context.partings));
	cr_assert_eq(parting_new(&parting, context.partings), 0);
	parting_add(parting, ws, 1, NULL, false);
	cr_expect_not(partings_have_place(context.partings), "it has one of many");
	wait_closed();
	wire_is_open = true;
	began = clock_mono_ns();
	cr_assert_eq(parting_new(&parting, context.partings), 0);
	parting_add(parting, ws, 1, NULL, true);
	cr_expect(partings_have_place(context.partings));
	wait_closed();
	cr_expect_geq(clock_mono_ns() - began, PARTING_PLACE_NS - PARTING_NS);
	cr_expect_not(partings_have_place(context.partings));
}
