/* Collections of garbage in a session: those it forces, and those a runtime tells. */

#include "session_play.h"

TestSuite(session_gc, .init = setup, .fini = teardown, .timeout = 20);

/* ---- forced collections ---- */

Test(session_gc, collects_when_it_is_idle_and_tells_the_end)
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

Test(session_gc, collects_of_a_worker_through_the_main_thread)
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

Test(session_gc, a_collection_that_is_refused_or_overdue_is_told)
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

Test(session_gc, a_connection_that_ends_ends_the_collection)
{
	ready();
	cr_assert_eq(session_collect(&session, "main"), 0);
	wire_events->closed(wire_owner, -ECONNRESET, "reset");
	cr_assert_eq(session.state, SESSION_CLOSED);
	turn();
	cr_assert_eq(seen.closed, 1);
	cr_assert_eq(seen.end, SESSION_END_LOST);
	cr_assert_eq(seen.collected, 0, "the end of the session tells it");
}

Test(session_gc, a_worker_that_ends_ends_its_collection_at_once)
{
	ready();
	says("{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{\"sessionId\":\"1\","
	     "\"workerInfo\":{\"workerId\":\"1\",\"title\":\"[worker 2] wk\"}}}");
	cr_assert_eq(session_collect(&session, "worker:2"), 0);
	says("{\"method\":\"NodeWorker.detachedFromWorker\",\"params\":{\"sessionId\":\"1\"}}");
	cr_assert_eq(seen.collected, 0, "not in the middle of a message");
	turn();
	cr_assert_eq(seen.collected, 1);
	cr_assert_eq(seen.collect_result, -ENOENT);
	cr_assert_eq(session.state, SESSION_IDLE);
	cr_assert_eq(session_collect(&session, "main"), 0);
	turn();
	cr_assert_eq(session.state, SESSION_COLLECTING, "of another isolate");
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

Test(session_gc, each_poll_ends_a_trace_and_begins_the_next)
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
	cr_expect_str_eq(seen.gc_isolate, "main");
	cr_assert_eq(seen.gc.duration_ns, 2000000);
}

#define WORKER_IS(n, tid)                                                                          \
	"{\"pid\":5,\"tid\":" tid ",\"ph\":\"M\",\"name\":\"thread_name\",\"args\":{\"name\":"     \
	"\"[worker " n "] wk\"}}"

/* Before or after its collections in one message; of one that has gone it is told again and again.
 */
Test(session_gc, a_worker_that_a_trace_names_is_told)
{
	ready();
	session.limits.gc_events = true;
	says("{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{\"sessionId\":\"1\","
	     "\"workerInfo\":{\"workerId\":\"1\",\"title\":\"[worker 2] wk\"}}}");
	says(DATA GC_OF("6") "," WORKER_IS("3", "6") "," WORKER_IS("", "6") "]}}");
	cr_assert_eq(seen.gcs, 0, "nobody knows whose");
	says(DATA GC_OF("6") "," WORKER_IS("1", "8") "," WORKER_IS("2", "6") "]}}");
	cr_assert_eq(seen.gcs, 1);
	cr_expect_str_eq(seen.gc_isolate, "worker:2");
	says(DATA GC_OF("6") "," GC_OF("8") "]}}");
	cr_assert_eq(seen.gcs, 2, "once told, it is known");
	/* Two threads at a time do not meddle with each other. */
	says(DATA "{\"pid\":5,\"tid\":6,\"ph\":\"B\",\"name\":\"MajorGC\",\"ts\":500}," GC_OF(
		"5") ",{\"pid\":5,\"tid\":6,\"ph\":\"E\",\"name\":\"MajorGC\",\"ts\":4500}]}}");
	cr_assert_eq(seen.gcs, 4);
	cr_expect_str_eq(seen.gc_isolate, "worker:2");
	cr_expect_eq(seen.gc.duration_ns, 4000000);
	says("{\"method\":\"NodeWorker.detachedFromWorker\",\"params\":{\"sessionId\":\"1\"}}");
	says(DATA WORKER_IS("2", "6") "," GC_OF("6") "]}}");
	cr_expect_eq(seen.gcs, 4);
}

Test(session_gc, a_worker_that_no_trace_names_is_told_of_once)
{
	ready();
	session.limits.gc_events = true;
	says("{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{\"sessionId\":\"1\","
	     "\"workerInfo\":{\"workerId\":\"1\",\"title\":\"[worker 2] wk\"}}}");
	says("{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{\"sessionId\":\"2\","
	     "\"workerInfo\":{\"workerId\":\"2\",\"title\":\"[worker 3] wk\"}}}");
	for (int i = 0; i < 2; i++)
		says(DATA GC_OF("5") "]}}");
	cr_expect_eq(seen.isolates_gc_untold, 0, "what names it may come yet");
	for (int i = 0; i < 5; i++)
		says(DATA WORKER_IS("2", "6") "]}}");
	cr_expect_eq(seen.isolates_gc_untold, 1);
	cr_expect_str_eq(seen.gc_isolate, "worker:3");
}

Test(session_gc, a_runtime_that_cannot_trace_is_asked_once)
{
	ready();
	session.limits.gc_events = true;
	poll_once();
	saysf("{\"id\":%d,\"error\":{\"code\":-32601,\"message\":\"wasn't found\"}}",
	      id_of("NodeTracing.start"));
	poll_once();
	cr_assert_eq(times_sent("NodeTracing"), 1);
	cr_expect_str_eq(seen.gc_untold, "it cannot be traced");
}

Test(session_gc, what_tells_too_much_is_left_alone)
{
	ready();
	session.limits.gc_events = true;
	/* What is too large does not come. */
	for (int i = 0; i < 6; i++)
		poll_once();
	cr_assert_eq(times_sent("NodeTracing.start"), 4);
	cr_assert_eq(times_sent("NodeTracing.stop"), 4);
	cr_expect(strstr(seen.gc_untold, "costs too much") != NULL);
}

Test(session_gc, what_was_not_asked_for_is_not_told)
{
	ready();
	poll_once();
	says(DATA GC_OF("5") "]}}");
	cr_assert_eq(seen.gcs, 0);
	cr_assert_eq(times_sent("NodeTracing"), 0);
}
