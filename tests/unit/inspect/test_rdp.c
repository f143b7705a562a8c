/*
 * Polling a Firefox without a network: packet connections are played by the test. What is said to
 * it is kept and held against the closed list.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/rdp.c"
#include "inspect/runtime.h"
#include "net/http_call.h"
#include "net/packet_link.h"
#include "net/ws.h"

enum { SENT_MAX = 128, FIREFOX_WORD = 8, ISOLATES = 3 };

/* ---- net/, played ---- */

static const struct packet_link_events *link_events;
static void *link_owner;
static bool link_is_open;
static char *sent[SENT_MAX];
static size_t sent_n;
static http_done_fn *http_fn;
static void *http_owner;

int http_call(struct http_fetch **ret, struct http_client *client,
	      const struct http_request *request, http_done_fn *fn, void *owner)
{
	(void)client, (void)request;
	http_fn = fn;
	http_owner = owner;
	*ret = (struct http_fetch *)&http_fn;
	return 0;
}

void http_cancel(struct http_fetch *which)
{
	(void)which;
}

int ws_open(struct ws **ret, struct ws_context *ws, const struct address *to, const char *path,
	    const struct ws_limits *limits, const struct ws_events *events, void *owner)
{
	(void)ret, (void)ws, (void)to, (void)path, (void)limits, (void)events, (void)owner;
	return -ENOTSUP;
}

int ws_send(struct ws *ws, const char *text, size_t size)
{
	(void)ws, (void)text, (void)size;
	return -ENOTSUP;
}

void ws_hand_over(struct ws *ws, const struct ws_events *events, void *owner)
{
	(void)ws, (void)events, (void)owner;
}

void ws_close(struct ws *ws)
{
	(void)ws;
}

int packet_link_open(struct packet_link **ret, struct loop *loop, const struct address *to,
		     const struct packet_link_limits *limits,
		     const struct packet_link_events *events, void *owner)
{
	(void)loop, (void)to, (void)limits;
	cr_assert_not(link_is_open, "one connection leads to all");
	link_is_open = true;
	link_events = events;
	link_owner = owner;
	*ret = (struct packet_link *)&link_events;
	return 0;
}

int packet_link_send(struct packet_link *link, const char *text, size_t size)
{
	(void)link;
	cr_assert_lt(sent_n, SENT_MAX);
	sent[sent_n++] = strndup(text, size);
	return 0;
}

void packet_link_close(struct packet_link *link)
{
	link_is_open &= link == NULL;
}

/* The capture half has a suite of its own. */
int rdp_snapshot_begin(struct download *download)
{
	(void)download;
	return 0;
}

int rdp_snapshot_packet(struct download *download, const struct tree *packet)
{
	(void)download, (void)packet;
	return 0;
}

int rdp_snapshot_bulk(struct download *download, const char *actor, uint64_t size)
{
	(void)download, (void)actor, (void)size;
	return 0;
}

int rdp_snapshot_data(struct download *download, const char *data, size_t size, bool last)
{
	(void)download, (void)data, (void)size, (void)last;
	return 0;
}

int rdp_snapshot_overdue(struct download *download)
{
	(void)download;
	return 0;
}

int rdp_snapshot_woken(struct download *download)
{
	(void)download;
	return 0;
}

int rdp_snapshot_finish(struct download *download)
{
	(void)download;
	return 0;
}

/* ---- the owner ---- */

static struct {
	int identified, polled, late, closed;
	struct identity identity;
	struct sample sample;
	char order[512]; /* the isolates that were sampled, "-" before one that is gone */
	enum session_end end, why_late;
	char reason[256];
} seen;

static struct loop loop;
static struct session_context context = { .loop = &loop };
static struct session session;

static void note(const char *mark, const char *isolate)
{
	size_t n = strlen(seen.order);

	snprintf(seen.order + n, sizeof(seen.order) - n, "%s%s ", mark, isolate);
}

static void on_identified(void *owner, const struct identity *identity)
{
	(void)owner;
	seen.identified++;
	seen.identity = *identity;
}

static void on_sample(void *owner, const char *isolate, const struct sample *sample)
{
	(void)owner;
	seen.sample = *sample;
	note("", isolate);
}

static void on_isolate_gone(void *owner, const char *isolate)
{
	(void)owner;
	note("-", isolate);
}

static void on_polled(void *owner, enum session_activity activity, uint64_t rss_bytes)
{
	(void)owner, (void)activity, (void)rss_bytes;
	seen.polled++;
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
	snprintf(seen.reason, sizeof(seen.reason), "%s", reason);
}

static const struct session_events session_events = {
	.identified = on_identified,
	.sample = on_sample,
	.isolate_gone = on_isolate_gone,
	.polled = on_polled,
	.late = on_late,
	.closed = on_closed,
};

static void setup(void)
{
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(session_init(&session, &context, &session_events, NULL), 0);
	cr_assert_str_eq(runtime_words[FIREFOX_WORD], "firefox");
}

/* Only what is listed at the top of rdp.c is ever said. */
static void check_sent(void)
{
	static const char *const known[] = { "getRoot",        "listTabs",  "listProcesses",
					     "getDescription", "getTarget", "measure",
					     "residentUnique" };

	for (size_t i = 0; i < sent_n; i++) {
		const char *type = "";
		struct tree *packet;
		bool found = false;

		cr_assert_eq(tree_parse(sent[i], strlen(sent[i]), &packet, NULL), 0, "%s", sent[i]);
		tree_string(packet, "type", &type);
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			found |= strcmp(known[k], type) == 0;
		cr_expect(found, "%s is not on the list", sent[i]);
		tree_free(packet);
		free(sent[i]);
	}
}

static void teardown(void)
{
	session_fini(&session);
	loop_fini(&loop);
	check_sent();
}

TestSuite(rdp, .init = setup, .fini = teardown, .timeout = 60);

/* ---- steps ---- */

static void says(const char *text)
{
	link_events->message(link_owner, text, strlen(text));
}

static unsigned times_sent(const char *text)
{
	unsigned n = 0;

	for (size_t i = 0; i < sent_n; i++)
		n += strstr(sent[i], text) != NULL;
	return n;
}

static void turn(void)
{
	cr_assert_eq(loop_turn(&loop, 0), 0);
}

static void open_as(int word, uint64_t poll_ns)
{
	const struct address address = { ADDRESS_INET, "127.0.0.1", 6000, "" };
	const struct session_limits limits = {
		.connect_ns = poll_ns,
		.poll_ns = poll_ns,
		.isolates_max = ISOLATES,
	};

	cr_assert_eq(session_open(&session, &address, runtime_of_word(word), &limits), 0);
}

static void open_over_tls(int word)
{
	const struct address address = { ADDRESS_INET, "127.0.0.1", 6000, "", .is_tls = true };
	const struct session_limits limits = { .connect_ns = NS_PER_S, .poll_ns = NS_PER_S };

	cr_assert_eq(session_open(&session, &address, runtime_of_word(word), &limits), 0);
}

static const char hello[] = "{\"from\":\"root\",\"applicationType\":\"browser\",\"traits\":{}}";

static void greet_with(uint64_t poll_ns)
{
	open_as(FIREFOX_WORD, poll_ns);
	link_events->open(link_owner);
	cr_assert_eq(sent_n, 0, "it speaks first");
	says(hello);
	says("{\"from\":\"root\",\"deviceActor\":\"c.device3\"}");
	says("{\"from\":\"c.device3\",\"value\":{\"version\":\"153.8.0\",\"platformversion\":"
	     "\"153.8.1\"}}");
	cr_assert_eq(session.state, SESSION_IDLE);
}

#define TAB(id, context)                                                                           \
	"{\"actor\":\"c.tab" #id "\",\"browserId\":" #id ",\"browsingContextID\":" #context        \
	",\"isZombieTab\":false}"
#define PROCESS(pid) "{\"actor\":\"c.process" #pid "\",\"id\":" #pid ",\"isParent\":false}"
#define PARENT       "{\"actor\":\"c.process0\",\"id\":0,\"isParent\":true}"

static void lists(const char *tabs, const char *processes)
{
	char text[2048];

	snprintf(text, sizeof(text), "{\"tabs\":[%s],\"from\":\"root\"}", tabs);
	says(text);
	snprintf(text, sizeof(text), "{\"processes\":[" PARENT "%s],\"from\":\"root\"}", processes);
	says(text);
}

static const char measures[] =
	"{\"total\":1909249,\"domSize\":9840,\"styleSize\":28672,\"jsObjectsSize\":449344,"
	"\"jsStringsSize\":120000,\"jsOtherSize\":1241537,\"otherSize\":59856,"
	"\"jsMilliseconds\":\"0.8\",\"nonJSMilliseconds\":\"0.6\",\"from\":\"c.child1/memory6\"}";

static const char target_1[] =
	"{\"frame\":{\"memoryActor\":\"c.child1/memory6\",\"processID\":77},\"from\":\"c.tab9\"}";

/* One tab, polled once. */
static void poll_once(void)
{
	greet_with(5 * NS_PER_S);
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(9, 10), "");
	says(target_1);
	says(measures);
	cr_assert_eq(seen.polled, 1);
}

/* ---- what is found ---- */

Test(rdp, a_poll)
{
	greet_with(5 * NS_PER_S);
	cr_expect_str_eq(seen.identity.runtime, "firefox");
	cr_expect_str_eq(seen.identity.runtime_version, "153.8.0");
	cr_expect_str_eq(seen.identity.engine, "spidermonkey");
	cr_expect_str_eq(seen.identity.engine_version, "153.8.1");
	cr_assert_eq(session_poll(&session), 0);
	/* The process answers first, and the tab is published first. */
	lists(TAB(9, 10), "," PROCESS(77));
	cr_expect_eq(times_sent("\"c.process0\""), 0, "the browser itself is not looked at");
	says("{\"process\":{\"memoryActor\":\"c.content2/memory4\",\"processID\":77},\"from\":"
	     "\"c.process77\"}");
	says("{\"value\":12877824,\"from\":\"c.content2/memory4\"}");
	cr_expect_eq(sample_has(&seen.sample, SAMPLE_UNIQUE), false, "not before the poll is over");
	says(target_1);
	says("{\"type\":\"frameUpdate\",\"frames\":[],\"from\":\"c.child1/target2\"}");
	says(measures);
	cr_expect_eq(seen.polled, 1);
	cr_expect_str_eq(seen.order, "tab:9 process:77 ");
	cr_expect_eq(seen.sample.value[SAMPLE_UNIQUE], 12877824);
	cr_expect_not(sample_has(&seen.sample, SAMPLE_HEAP_USED));
	cr_expect_eq(seen.sample.pid, 77);
}

Test(rdp, what_a_tab_measures)
{
	poll_once();
	cr_expect_eq(seen.sample.value[SAMPLE_HEAP_USED], 449344 + 120000 + 1241537);
	cr_expect_eq(seen.sample.value[SAMPLE_EMBEDDER_USED], 9840 + 28672 + 59856);
	cr_expect_eq(seen.sample.pid, 77);
	cr_expect_gt(seen.sample.round_trip_ns, 0);
}

/* Each getTarget makes new actors in the content process. */
Test(rdp, a_target_is_got_once)
{
	poll_once();
	for (int i = 2; i < 5; i++) {
		cr_assert_eq(session_poll(&session), 0);
		lists(TAB(9, 10), "");
		says(measures);
		cr_expect_eq(seen.polled, i);
	}
	cr_expect_eq(times_sent("getTarget"), 1);
	cr_expect_eq(times_sent("measure"), 4);
}

Test(rdp, a_tab_that_closes)
{
	poll_once();
	cr_assert_eq(session_poll(&session), 0);
	lists("", "");
	cr_expect_eq(seen.polled, 2);
	cr_expect_str_eq(seen.order, "tab:9 -tab:9 ");
}

Test(rdp, more_than_there_may_be)
{
	greet_with(5 * NS_PER_S);
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(1, 1) "," TAB(2, 2) "," TAB(3, 3) "," TAB(4, 4), "," PROCESS(7));
	cr_expect_eq(times_sent("getTarget"), ISOLATES);
}

/* ---- what goes ---- */

/* The process has ended: what it was asked is not waited for, and its actors are not asked again.
 */
Test(rdp, forwarding_cancelled_in_the_middle_of_a_poll)
{
	poll_once();
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(9, 10), "");
	says("{\"from\":\"root\",\"type\":\"forwardingCancelled\",\"prefix\":\"c.child\"}");
	cr_expect_eq(seen.polled, 1, "that of another");
	says("{\"from\":\"root\",\"type\":\"forwardingCancelled\",\"prefix\":\"c.child1\"}");
	cr_expect_eq(seen.polled, 2);
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(9, 10), "");
	cr_expect_eq(times_sent("getTarget"), 2);
	cr_expect_eq(times_sent("measure"), 2);
}

Test(rdp, the_tab_is_in_another_browsing_context)
{
	poll_once();
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(9, 12), "");
	cr_expect_eq(times_sent("measure"), 1, "the old actor may never answer");
	says("{\"frame\":{\"memoryActor\":\"c.child5/memory6\",\"processID\":78},\"from\":"
	     "\"c.tab9\"}");
	says("{\"jsObjectsSize\":1,\"jsStringsSize\":1,\"jsOtherSize\":1,\"from\":"
	     "\"c.child5/memory6\"}");
	cr_expect_eq(seen.polled, 2);
	cr_expect_str_eq(seen.order, "tab:9 tab:9 ", "one series");
	cr_expect_eq(seen.sample.pid, 78);
}

Test(rdp, no_such_actor)
{
	poll_once();
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(9, 10), "");
	says("{\"from\":\"c.child1/memory6\",\"error\":\"noSuchActor\",\"message\":\"No such\"}");
	cr_expect_eq(seen.polled, 2);
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(9, 10), "");
	cr_expect_eq(times_sent("getTarget"), 2);
}

/* ---- who does not answer ---- */

static void wait_late(int n)
{
	for (int i = 0; i < 1000 && seen.late < n; i++)
		cr_assert_eq(loop_turn(&loop, 10), 0);
	cr_assert_eq(seen.late, n);
}

Test(rdp, a_blocked_page)
{
	greet_with(20 * NS_PER_MS);
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(9, 10), "");
	wait_late(1);
	cr_expect_eq(seen.why_late, SESSION_END_BLOCKED);
	says(target_1);
	says(measures);
	cr_expect_eq(seen.polled, 1, "it came back");
}

Test(rdp, a_blocked_browser)
{
	greet_with(20 * NS_PER_MS);
	cr_assert_eq(session_poll(&session), 0);
	wait_late(1);
	cr_expect_eq(seen.why_late, SESSION_END_SILENT);
	cr_expect(link_is_open);
	lists("", "");
	cr_expect_eq(seen.polled, 1);
}

/* The others are polled without the one that is blocked, which is not asked again meanwhile. */
Test(rdp, one_blocked_page_of_two)
{
	greet_with(20 * NS_PER_MS);
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(9, 10) "," TAB(8, 11), "");
	says(target_1);
	says(measures);
	cr_expect_eq(seen.polled, 0);
	for (int i = 0; i < 1000 && seen.polled < 1; i++)
		cr_assert_eq(loop_turn(&loop, 10), 0);
	cr_expect_str_eq(seen.order, "tab:9 ");
	cr_assert_eq(session_poll(&session), 0);
	lists(TAB(9, 10) "," TAB(8, 11), "");
	says(measures);
	cr_expect_eq(seen.polled, 2);
	cr_expect_eq(times_sent("c.tab8"), 1);
}

/* ---- who is no Firefox ---- */

static void ends(enum session_end end, const char *reason)
{
	turn();
	cr_assert_eq(seen.closed, 1);
	cr_expect_eq(seen.end, end);
	cr_expect_not_null(strstr(seen.reason, reason), "%s", seen.reason);
}

Test(rdp, another_greeting)
{
	open_as(FIREFOX_WORD, NS_PER_S);
	link_events->open(link_owner);
	says("{\"from\":\"nobody\"}");
	ends(SESSION_END_NOT_INSPECTOR, "does not greet");
}

Test(rdp, no_packets)
{
	open_as(FIREFOX_WORD, NS_PER_S);
	link_events->open(link_owner);
	link_events->closed(link_owner, -EPROTO, "what it says are no packets");
	ends(SESSION_END_NOT_INSPECTOR, "no packets");
}

static void answers_no_http(int r)
{
	struct http_answer answer = { .r = r, .connected = true, .reason = "no HTTP" };

	open_as(0, 20 * NS_PER_MS);
	http_fn(http_owner, &answer);
}

Test(rdp, recognised_by_itself)
{
	answers_no_http(-EPROTO);
	cr_assert(link_is_open);
	link_events->open(link_owner);
	says(hello);
	says("{\"from\":\"root\",\"deviceActor\":\"c.device3\"}");
	says("{\"from\":\"c.device3\",\"value\":{\"version\":\"153.8.0\"}}");
	cr_expect_eq(seen.identified, 1);
}

/* Its answer to HTTP may be lost when it hangs up with our request unread. */
Test(rdp, recognised_after_a_reset)
{
	answers_no_http(-ECONNRESET);
	cr_assert(link_is_open);
}

Test(rdp, neither_http_nor_packets)
{
	answers_no_http(-EPROTO);
	link_events->open(link_owner);
	link_events->closed(link_owner, -EPROTO, "what it says are no packets");
	ends(SESSION_END_NOT_INSPECTOR, "not HTTP, and as a Firefox: what it says are no packets");
}

Test(rdp, neither_http_nor_a_greeting)
{
	answers_no_http(-EPROTO);
	link_events->open(link_owner);
	for (int i = 0; i < 1000 && seen.closed == 0; i++)
		cr_assert_eq(loop_turn(&loop, 10), 0);
	cr_expect_eq(seen.end, SESSION_END_NOT_INSPECTOR);
	cr_expect_not_null(strstr(seen.reason, "not HTTP"));
	cr_expect_eq(seen.late, 0);
}

Test(rdp, over_tls_it_is_not_spoken)
{
	open_over_tls(FIREFOX_WORD);
	cr_assert_not(link_is_open);
	ends(SESSION_END_NOT_INSPECTOR, "not supported by firefox: TLS (wss://)");
}

Test(rdp, over_tls_it_is_not_guessed)
{
	const struct http_answer answer = { .r = -EPROTO, .reason = "it is not HTTP" };

	open_over_tls(0);
	http_fn(http_owner, &answer);
	cr_assert_not(link_is_open);
	ends(SESSION_END_NOT_INSPECTOR,
	     "it is not HTTP; TLS (wss://) is not supported by firefox, if it is one");
}

Test(rdp, a_firefox_that_asks_a_person_first)
{
	open_as(FIREFOX_WORD, 20 * NS_PER_MS);
	link_events->open(link_owner);
	wait_late(1);
	cr_expect_eq(seen.why_late, SESSION_END_SILENT);
	cr_expect(link_is_open, "it waits on");
}

Test(rdp, the_browser_ends)
{
	poll_once();
	link_events->closed(link_owner, 0, "closed by the peer");
	ends(SESSION_END_LOST, "closed by the peer");
}
