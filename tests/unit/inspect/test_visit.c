/*
 * Service workers of a browser are visited: attached to for a poll or a collection and left, by
 * whichever way those end.
 */

#include "session_play.h"

#include "inspect/cdp_page.h"
#include "inspect/cdp_visit.h"

TestSuite(visit, .init = setup, .fini = teardown, .timeout = 20);

static const char version_chrome[] =
	"{\"Browser\": \"Chrome/156.0.8078.108\", \"Protocol-Version\": \"1.3\","
	"\"webSocketDebuggerUrl\": \"ws://127.0.0.1:9229/uuid-1\"}";

static const char worker[] = "service_worker:WWWWWWWW";

static void target_is(const char *event, bool attached)
{
	saysf("{\"method\":\"Target.%s\",\"params\":{\"targetInfo\":{\"targetId\":\"WWWWWWWW1\","
	      "\"type\":\"service_worker\",\"url\":\"http://a/s.js\",\"attached\":%s}}}",
	      event, attached ? "true" : "false");
}

static void answers(const char *method)
{
	saysf("{\"id\":%d,\"result\":{}}", id_of(method));
}

static void refuses(const char *method)
{
	saysf("{\"id\":%d,\"error\":{\"code\":-32602,\"message\":\"No target with given id "
	      "found\"}}",
	      id_of(method));
}

/* The browser has attached us: first the event, then the answer. */
static void attaches(const char *session_id)
{
	target_is("targetInfoChanged", true);
	saysf("{\"method\":\"Target.attachedToTarget\",\"params\":{\"sessionId\":\"%s\","
	      "\"targetInfo\":{\"targetId\":\"WWWWWWWW1\",\"type\":\"service_worker\",\"url\":"
	      "\"http://a/s.js\"}}}",
	      session_id);
	answers("Target.attachToTarget");
}

static void leaves(const char *session_id)
{
	saysf("{\"method\":\"Target.detachedFromTarget\",\"params\":{\"sessionId\":\"%s\"}}",
	      session_id);
	target_is("targetInfoChanged", false);
	answers("Target.detachFromTarget");
}

static void tells(const char *session_id)
{
	saysf("{\"id\":%d,\"sessionId\":\"%s\",\"result\":{\"usedSize\":3145400,\"totalSize\":"
	      "4431872}}",
	      id_of("Runtime.getHeapUsage"), session_id);
	saysf("{\"id\":%d,\"sessionId\":\"%s\",\"result\":{\"id\":\"i1\"}}",
	      id_of("Runtime.getIsolateId"), session_id);
}

static void ready_with(bool attached)
{
	open_with(false, 5 * NS_PER_S);
	http_answers(0, 200, version_chrome);
	http_answers(0, 200, version_chrome); /* its list is the same */
	wire_events->open(wire_owner);
	saysf("{\"id\":%d,\"result\":{\"processInfo\":[{\"type\":\"browser\",\"id\":2}]}}",
	      id_of("SystemInfo.getProcessInfo"));
	target_is("targetCreated", attached);
	answers("Target.setDiscoverTargets");
	answers("Browser.getVersion");
	cr_assert_eq(session.state, SESSION_IDLE);
}

static void visited(const char *session_id)
{
	cr_assert_eq(session_poll(&session), 0);
	attaches(session_id);
	tells(session_id);
	cr_assert_eq(session.state, SESSION_IDLE);
}

Test(visit, each_poll_comes_and_leaves)
{
	ready_with(false);
	cr_assert_eq(times_sent("attachToTarget"), 0, "not before a poll");
	for (int i = 1; i <= 3; i++) {
		visited("S1");
		cr_assert_eq(seen.samples, (unsigned)i);
		cr_assert_eq(times_sent("Target.attachToTarget"), (unsigned)i);
		cr_assert_eq(times_sent("Target.detachFromTarget"), (unsigned)i);
		leaves("S1");
	}
	cr_expect_str_eq(seen.isolate, worker);
	cr_expect_eq(seen.gone, 0, "its series goes on");
	cr_expect_eq(times_sent("Target.setAutoAttach"), 0);
}

Test(visit, no_visit_begins_before_the_last_has_ended)
{
	ready_with(false);
	visited("S1");
	cr_assert_eq(session_poll(&session), 0);
	cr_assert_eq(times_sent("Target.attachToTarget"), 1);
	leaves("S1");
	cr_assert_eq(times_sent("Target.attachToTarget"), 2);
	attaches("S2");
	tells("S2");
	cr_assert_eq(seen.samples, 2);
}

Test(visit, it_goes_with_its_target)
{
	ready_with(false);
	visited("S1");
	leaves("S1");
	says("{\"method\":\"Target.targetDestroyed\",\"params\":{\"targetId\":\"WWWWWWWW1\"}}");
	cr_expect_eq(seen.gone, 1);
	cr_assert_eq(session_poll(&session), 0);
	cr_expect_eq(session.state, SESSION_IDLE, "nobody is left to be asked");
	cr_expect_eq(times_sent("Target.attachToTarget"), 1);
}

Test(visit, a_target_that_goes_meanwhile_ends_the_poll)
{
	ready_with(false);
	cr_assert_eq(session_poll(&session), 0);
	attaches("S1");
	cr_assert_eq(session.state, SESSION_POLLING);
	says("{\"method\":\"Target.detachedFromTarget\",\"params\":{\"sessionId\":\"S1\"}}");
	cr_expect_eq(session.state, SESSION_IDLE);
	says("{\"method\":\"Target.targetDestroyed\",\"params\":{\"targetId\":\"WWWWWWWW1\"}}");
}

Test(visit, who_cannot_be_attached_to_is_left_alone_for_longer_each_time)
{
	unsigned tries = 0;

	ready_with(false);
	for (int i = 0; i < 8; i++) {
		cr_assert_eq(session_poll(&session), 0);
		if (times_sent("Target.attachToTarget") == tries)
			continue;
		tries++;
		cr_assert_eq(session.state, SESSION_POLLING);
		refuses("Target.attachToTarget");
		cr_assert_eq(session.state, SESSION_IDLE);
	}
	cr_expect_eq(tries, 3); /* the first, one later, two later; four rest */
}

Test(visit, where_others_are_we_stay_with_them)
{
	ready_with(true);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(session_poll(&session), 0);
		if (i == 0)
			attaches("S1");
		tells("S1");
		cr_assert_eq(session.state, SESSION_IDLE);
	}
	cr_expect_eq(seen.samples, 3);
	cr_expect_eq(times_sent("Target.attachToTarget"), 1);
	cr_expect_eq(times_sent("Target.detachFromTarget"), 0);
}

Test(visit, a_collection_is_a_visit)
{
	ready_with(false);
	visited("S1");
	leaves("S1");
	cr_assert_eq(session_collect(&session, worker), 0);
	cr_assert_eq(times_sent("collectGarbage"), 0);
	attaches("S2");
	cr_assert_eq(times_sent("collectGarbage"), 1);
	saysf("{\"id\":%d,\"sessionId\":\"S2\",\"result\":{}}",
	      id_of("HeapProfiler.collectGarbage"));
	cr_expect_eq(seen.collected, 1);
	cr_expect_eq(seen.collect_result, 0);
	cr_expect_eq(times_sent("Target.detachFromTarget"), 2);
}

Test(visit, a_collection_of_what_cannot_be_attached_to_has_failed)
{
	ready_with(false);
	visited("S1");
	leaves("S1");
	cr_assert_eq(session_collect(&session, worker), 0);
	refuses("Target.attachToTarget");
	cr_expect_eq(seen.collected, 1);
	cr_expect_lt(seen.collect_result, 0);
	cr_expect_eq(session.state, SESSION_IDLE);
}

/* A busy one is not held either, and not asked all the time. */
Test(visit, who_does_not_answer_is_left_when_the_poll_is_over)
{
	ready_with(false);
	cr_assert_eq(session_poll(&session), 0);
	attaches("S1");
	session.deadline.fn(session.deadline.owner);
	cr_assert_eq(seen.polled, 1);
	cr_expect_eq(seen.samples, 0);
	cr_expect_eq(times_sent("Target.detachFromTarget"), 1);
	tells("S1");
	cr_expect_eq(seen.samples, 0, "of a session that we have left");
	leaves("S1");
	cr_assert_eq(session_poll(&session), 0);
	cr_expect_eq(times_sent("Target.attachToTarget"), 1, "it rests");
	visited("S2");
	cr_expect_eq(seen.samples, 1);
}

Test(visit, one_that_crashes_ends_the_poll)
{
	ready_with(false);
	visited("S1");
	leaves("S1");
	cr_assert_eq(session_poll(&session), 0);
	says("{\"method\":\"Target.targetCrashed\",\"params\":{\"targetId\":\"WWWWWWWW1\"}}");
	cr_expect_eq(session.state, SESSION_IDLE);
	cr_expect_eq(seen.gone, 1);
	attaches("S2");
	cr_expect_eq(times_sent("Target.detachFromTarget"), 2, "nobody wants anything there");
}

/* The browser itself is slow. */
Test(visit, a_browser_that_does_not_answer_is_waited_for)
{
	ready_with(false);
	visited("S1");
	leaves("S1");
	cr_assert_eq(session_poll(&session), 0);
	session.deadline.fn(session.deadline.owner);
	cr_assert_eq(seen.polled, 1, "nobody has answered: no poll");
	attaches("S2");
	tells("S2");
	cr_expect_eq(seen.polled, 2);
	cr_expect_eq(times_sent("Target.detachFromTarget"), 2);
}
