/*
 * The one trace of a browser: when it is begun and ended, for whom it counts, and what becomes of
 * it when somebody else has it, when a page goes, when it is too much or does not come.
 */

#include "session_play.h"

#include "inspect/cdp_page.h"
#include "inspect/cdp_tracing.h"

TestSuite(session_tracing, .init = setup, .fini = teardown, .timeout = 20);

static const char version_chrome[] =
	"{\"Browser\": \"Chrome/156.0.8078.108\", \"Protocol-Version\": \"1.3\","
	"\"webSocketDebuggerUrl\": \"ws://127.0.0.1:9229/uuid-1\"}";

static void attach(const char *session_id, const char *target_id, const char *type)
{
	saysf("{\"method\":\"Target.attachedToTarget\",\"params\":{\"sessionId\":\"%s\","
	      "\"targetInfo\":{\"targetId\":\"%s\",\"type\":\"%s\",\"url\":\"http://a/\"}}}",
	      session_id, target_id, type);
}

/* The id of the newest request in that session that contains the text. */
static int id_in(const char *session_id, const char *text)
{
	char member[64];

	snprintf(member, sizeof(member), "\"sessionId\":\"%s\"", session_id);
	for (size_t i = sent_n; i-- > 0;)
		if (strstr(sent[i], text) != NULL && strstr(sent[i], member) != NULL)
			return atoi(strstr(sent[i], "\"id\":") + 5);
	return 0;
}

/* Two pages, S1 and S2. */
static void ready_browser(bool gc_events)
{
	open_with(false, 5 * NS_PER_S);
	session.limits.gc_events = gc_events;
	http_answers(0, 200, version_chrome);
	http_answers(0, 200, version_chrome); /* its list is the same */
	wire_events->open(wire_owner);
	saysf("{\"id\":%d,\"result\":{\"processInfo\":[{\"type\":\"browser\",\"id\":2}]}}",
	      id_of("SystemInfo.getProcessInfo"));
	saysf("{\"id\":%d,\"result\":{}}", id_of("Target.setDiscoverTargets"));
	attach("S1", "AAAAAAAA1111", "page");
	attach("S2", "BBBBBBBB2222", "page");
	saysf("{\"id\":%d,\"result\":{}}", id_of("Browser.getVersion"));
	cr_assert_eq(session.state, SESSION_IDLE);
}

static void answer_in(const char *session_id, const char *isolate_id)
{
	saysf("{\"id\":%d,\"sessionId\":\"%s\",\"result\":{\"usedSize\":3145400,\"totalSize\":"
	      "4431872}}",
	      id_in(session_id, "Runtime.getHeapUsage"), session_id);
	saysf("{\"id\":%d,\"sessionId\":\"%s\",\"result\":{\"id\":\"%s\"}}",
	      id_in(session_id, "Runtime.getIsolateId"), session_id, isolate_id);
	saysf("{\"id\":%d,\"sessionId\":\"%s\",\"result\":{\"nodes\":1}}",
	      id_in(session_id, "Memory.getDOMCounters"), session_id);
}

static void poll_pages(void)
{
	cr_assert_eq(session_poll(&session), 0);
	answer_in("S1", "i1");
	answer_in("S2", "i2");
	cr_assert_eq(session.state, SESSION_IDLE);
}

/* Whose trace it is is said by the session: "" is the browser. */
static void says_of(const char *session_id, const char *method, const char *params)
{
	char member[64] = "";

	if (session_id[0] != '\0')
		snprintf(member, sizeof(member), ",\"sessionId\":\"%s\"", session_id);
	saysf("{\"method\":\"%s\",\"params\":{%s}%s}", method, params, member);
}

static void started(void)
{
	saysf("{\"id\":%d,\"result\":{}}", id_of("Tracing.start"));
}

static void refused(const char *why)
{
	saysf("{\"id\":%d,\"error\":{\"code\":-32000,\"message\":\"%s\"}}", id_of("Tracing.start"),
	      why);
}

#define TAKEN "Tracing has already been started (possibly in another tab)."

static void complete(const char *session_id, const char *lost)
{
	char params[64];

	snprintf(params, sizeof(params), "\"dataLossOccurred\":%s", lost);
	says_of(session_id, "Tracing.tracingComplete", params);
}

#define MAIN(pid)                                                                                  \
	"{\"name\":\"thread_name\",\"pid\":" pid                                                   \
	",\"tid\":1,\"args\":{\"name\":\"CrRendererMain\"}}"
#define FRAME(target, pid)                                                                         \
	"{\"name\":\"TracingStartedInBrowser\",\"args\":{\"data\":{\"frames\":[{\"frame\":"        \
	"\"" target "\",\"processId\":" pid "}]}}}"
#define MINOR(pid, tid)                                                                            \
	"{\"name\":\"MinorGC\",\"ph\":\"X\",\"dur\":191,\"pid\":" pid ",\"tid\":" tid              \
	",\"args\":{\"usedHeapSizeBefore\":9000,\"usedHeapSizeAfter\":4000}}"

/* What was asked for of a page's session has told where it runs. */
static void looked(const char *session_id, const char *data)
{
	started();
	cr_assert(id_in(session_id, "Tracing.end") != 0);
	says_of(session_id, "Tracing.dataCollected", data);
	complete(session_id, "false");
}

/* Both pages are placed, and the trace of the browser is on. */
static void ready_traced(void)
{
	ready_browser(true);
	poll_pages();
	cr_assert_eq(times_sent("Tracing."), 0, "nobody is known yet");
	poll_pages();
	looked("S1", "\"value\":[" MAIN("71") "," FRAME("AAAAAAAA1111", "71") "]");
	looked("S2", "\"value\":[" FRAME("BBBBBBBB2222", "72") "," MAIN("71") "," MAIN("72") "]");
	cr_assert_eq(times_sent("Tracing.start"), 3);
	cr_assert_eq(times_sent("\"v8\""), 1);
	started();
}

Test(session_tracing, nothing_is_asked_that_is_not_wished)
{
	ready_browser(false);
	poll_pages();
	poll_pages();
	cr_assert_eq(times_sent("Tracing"), 0);
}

Test(session_tracing, each_collection_is_of_the_page_whose_thread_it_was_on)
{
	ready_traced();
	poll_pages();
	cr_assert_eq(times_sent("Tracing.end"), 3);
	says_of("", "Tracing.dataCollected",
		"\"value\":[" MAIN("72") "," MINOR("72", "1") "," MINOR("72", "5") "," MINOR(
			"99", "1") ",{},7,{\"pid\":72,\"tid\":1}]");
	cr_assert_eq(seen.gcs, 1);
	cr_expect_str_eq(seen.gc_isolate, "page:BBBBBBBB");
	cr_expect_eq(seen.gc.duration_ns, 191000);
	complete("", "false");
	cr_assert_eq(times_sent("Tracing.start"), 4, "the next, without another look");
	cr_assert_eq(times_sent("\"v8\""), 2);
}

Test(session_tracing, what_is_said_of_another_session_is_not_ours)
{
	ready_traced();
	poll_pages();
	says_of("S9", "Tracing.dataCollected", "\"value\":[" MINOR("72", "1") "]");
	complete("S9", "false");
	cr_assert_eq(seen.gcs, 0);
	cr_assert_eq(times_sent("Tracing.start"), 3);
}

Test(session_tracing, an_isolate_that_changes_is_looked_at_again)
{
	ready_traced();
	cr_assert_eq(session_poll(&session), 0);
	answer_in("S1", "i1");
	answer_in("S2", "i3");
	says_of("", "Tracing.dataCollected", "\"value\":[" MINOR("72", "1") "]");
	cr_assert_eq(seen.gcs, 0, "where it runs now is not known");
	complete("", "false");
	cr_assert_eq(times_sent("Tracing.start"), 4);
	looked("S2", "\"value\":[" MAIN("73") "," FRAME("BBBBBBBB2222", "73") "]");
	started();
	poll_pages();
	says_of("", "Tracing.dataCollected", "\"value\":[" MINOR("71", "1") "]");
	cr_assert_eq(seen.gcs, 1);
}

Test(session_tracing, a_look_that_tells_nothing_is_repeated_three_times)
{
	ready_browser(true);
	poll_pages();
	for (int i = 0; i < 6; i++) {
		poll_pages();
		while (id_of("Tracing.start") > id_of("Tracing.end")) {
			started();
			complete("S1", "false");
			complete("S2", "false");
		}
	}
	cr_assert_eq(times_sent("Tracing.start"), 6);
	cr_assert_eq(times_sent("\"v8\""), 0, "there is nobody to count for");
	/* What was busy then may tell later. */
	clock_simulate(clock_mono_ns() + 601 * NS_PER_S, clock_wall_ms());
	poll_pages();
	looked("S1", "\"value\":[" MAIN("71") "," FRAME("AAAAAAAA1111", "71") "]");
	cr_assert_eq(times_sent("Tracing.start"), 8);
	clock_real();
}

/* What comes while one ends or the next begins would not be told. */
Test(session_tracing, a_forced_collection_is_not_between_two_traces)
{
	ready_traced();
	cr_expect_not(session_tells_soon(&session));
	session_set_collects(&session, true);
	poll_pages();
	cr_assert_eq(times_sent("Tracing.end"), 2, "that which is on goes on");
	cr_expect_not(session_tells_soon(&session));
	session_set_collects(&session, false);
	poll_pages();
	cr_assert_eq(times_sent("Tracing.end"), 3);
	cr_expect(session_tells_soon(&session));
	complete("", "false");
	session_set_collects(&session, true);
	poll_pages();
	cr_expect(session_tells_soon(&session), "it has not begun yet");
	started();
	cr_expect_not(session_tells_soon(&session));
	poll_pages();
	cr_assert_eq(times_sent("Tracing.end"), 3);
}

Test(session_tracing, a_forced_collection_waits_for_a_look_at_its_page)
{
	ready_traced();
	cr_assert_eq(session_poll(&session), 0);
	complete("", "false");
	started();
	answer_in("S1", "i1");
	answer_in("S2", "i3");
	cr_assert_eq(times_sent("Tracing.end"), 3);
	session_set_collects(&session, true);
	poll_pages();
	cr_assert_eq(times_sent("Tracing.end"), 4, "it tells nothing of who has moved");
	cr_expect(session_tells_soon(&session));
}

Test(session_tracing, a_forced_collection_does_not_wait_for_what_is_not_told)
{
	ready_traced();
	poll_pages();
	complete("", "false");
	cr_expect(session_tells_soon(&session));
	refused(TAKEN);
	cr_expect_not(session_tells_soon(&session));
	session.limits.gc_events = false;
	poll_pages();
	cr_expect_not(session_tells_soon(&session));
}

Test(session_tracing, who_traces_already_is_left_alone)
{
	ready_traced();
	poll_pages();
	complete("", "false");
	refused(TAKEN);
	cr_expect(strstr(seen.gc_untold, "somebody else") != NULL);
	poll_pages();
	refused(TAKEN);
	cr_assert_eq(times_sent("Tracing.end"), 3, "what we have not begun we do not end");
	poll_pages();
	started();
	cr_expect_str_eq(seen.gc_untold, "");
	cr_assert_eq(seen.gc_untold_n, 2);
}

Test(session_tracing, also_when_a_look_is_refused)
{
	ready_browser(true);
	poll_pages();
	poll_pages();
	refused(TAKEN);
	cr_expect(strstr(seen.gc_untold, "somebody else") != NULL);
	cr_assert_eq(times_sent("Tracing.start"), 1);
	/* However long that lasts: it was no look. */
	for (int i = 0; i < 20; i++) {
		poll_pages();
		refused(TAKEN);
	}
	poll_pages();
	looked("S1", "\"value\":[" MAIN("71") "," FRAME("AAAAAAAA1111", "71") "]");
	cr_assert_eq(times_sent("Tracing.start"), 1 + 20 + 2);
}

Test(session_tracing, a_browser_that_cannot_is_asked_no_more)
{
	ready_traced();
	poll_pages();
	complete("", "false");
	refused("'Tracing.start' wasn't found");
	cr_expect_str_eq(seen.gc_untold, "it cannot be traced: 'Tracing.start' wasn't found");
	poll_pages();
	poll_pages();
	cr_assert_eq(times_sent("Tracing.start"), 4);
}

Test(session_tracing, a_page_that_goes_takes_its_look_with_it)
{
	ready_browser(true);
	poll_pages();
	poll_pages();
	cr_assert(id_in("S1", "Tracing.start") != 0);
	says("{\"method\":\"Target.detachedFromTarget\",\"params\":{\"sessionId\":\"S1\"}}");
	cr_assert(id_in("S2", "Tracing.start") != 0);
	looked("S2", "\"value\":[" MAIN("72") "," FRAME("BBBBBBBB2222", "72") "]");
	cr_assert_eq(times_sent("\"v8\""), 1);
}

Test(session_tracing, a_trace_that_ended_by_itself_is_begun_anew)
{
	ready_traced();
	poll_pages();
	saysf("{\"id\":%d,\"error\":{\"code\":-32000,\"message\":\"Tracing is not started\"}}",
	      id_of("Tracing.end"));
	cr_assert_eq(times_sent("\"v8\""), 2);
}

Test(session_tracing, what_is_cut_counts_and_is_not_asked_for_again)
{
	ready_traced();
	poll_pages();
	says_of("", "Tracing.dataCollected", "\"value\":[" MINOR("71", "1") "]");
	complete("", "true");
	cr_assert_eq(seen.gcs, 1);
	cr_expect(strstr(seen.gc_untold, "costs too much") != NULL);
	poll_pages();
	poll_pages();
	cr_assert_eq(times_sent("Tracing.start"), 3);
}

Test(session_tracing, a_browser_without_a_limit_is_not_listened_to)
{
	static char data[60000];
	size_t n = (size_t)snprintf(data, sizeof(data),
				    "{\"method\":\"Tracing.dataCollected\","
				    "\"params\":{\"value\":[" MINOR("71", "1"));

	while (n < sizeof(data) - 8)
		n += (size_t)snprintf(data + n, sizeof(data) - n, ",{}");
	snprintf(data + n, sizeof(data) - n, "]}}");
	ready_traced();
	poll_pages();
	for (int i = 0; i < 10; i++)
		says(data);
	cr_assert_lt(seen.gcs, 5);
	complete("", "false");
	cr_expect(strstr(seen.gc_untold, "costs too much") != NULL);
}

Test(session_tracing, polls_do_not_wait_for_what_does_not_come)
{
	ready_traced();
	for (int i = 0; i < 4; i++)
		poll_pages();
	cr_assert_eq(seen.gc_untold_n, 0);
	cr_assert_eq(times_sent("Tracing.end"), 3, "it is asked once");
	cr_assert_eq(times_sent("Tracing.start"), 3);
	complete("", "false");
	cr_assert_eq(times_sent("Tracing.start"), 4);
}

/* What was asked to end ends no sooner when we leave: it is said, and waited on. */
Test(session_tracing, what_is_overdue_is_said_once)
{
	struct cdp_tracing tracing = { .state = TRACING_ENDING,
				       .since_ns = clock_mono_ns() - 61 * NS_PER_S };
	struct cdp_pages pages = { 0 };
	struct channel *channel;
	size_t before;

	ready_browser(true);
	before = sent_n;
	channel = container_of(session.channels.next, struct channel, link);
	cr_assert_eq(cdp_tracing_poll(channel, &tracing, &pages), 0);
	cr_assert_eq(cdp_tracing_poll(channel, &tracing, &pages), 0);
	cr_assert_eq(seen.gc_untold_n, 1);
	cr_expect_str_eq(seen.gc_untold, "it neither begins nor ends a trace");
	cr_assert_eq(sent_n, before);
}
