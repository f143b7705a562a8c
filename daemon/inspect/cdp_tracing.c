/*
 * A browser has one trace, whoever asks. While ours is on a person's performance recording is
 * refused, and while theirs is we are: so it is never begun unasked for, nothing is ended that we
 * have not begun, and ours ends with its session, however that ends.
 *
 * The trace of the browser names processes and threads. Which of them runs an isolate is told by
 * another, of the time it takes to begin and end it, that is asked for in the page's session: a
 * look. It is taken once for each isolate; a page that moves to another process has another one.
 * Pages that share an isolate are told once, as all that is told of it (cdp_browser.c).
 *
 * What is collected between the end of a trace and the beginning of the next is not told; a forced
 * collection is, for it waits until there is a trace, which the poll right before it lets go on.
 */

#include "inspect/cdp_tracing.h"

#include <stdio.h>
#include <string.h>

#include "inspect/cdp_page.h"
#include "inspect/channel.h"
#include "inspect/session.h"
#include "inspect/trace_threads.h"
#include "json/tree.h"
#include "util/clock.h"
#include "util/str.h"

enum {
	/* The buffer holds some 20,000: a browser that keeps no limit is not listened to. */
	EVENTS_MAX = 40000,
	/* Looks between two polls, and at one isolate: a worker that is busy does not answer. */
	LOOKS_MAX = 8,
	LOOKS_OF_ONE = 3,
};

#define REST_NS (600 * NS_PER_S)

/* A renderer that is stopped delays the beginning by 10 s and the end by 5 s. */
#define SLOW_NS (60 * NS_PER_S)

/* The rest is thrown away when the buffer is full: 512 KiB are 2.6 MB as JSON. */
#define TRACE(categories)                                                                          \
	"{\"transferMode\":\"ReportEvents\",\"traceConfig\":{\"recordMode\":\"recordUntilFull\","  \
	"\"traceBufferSizeInKb\":512," categories "}}"

/* Of nothing else is there less that tells of collections: with each it has all calls from outside
 * of JavaScript into it. */
static const char collections[] = TRACE("\"includedCategories\":[\"v8\"]");

static const char places[] = TRACE("\"includedCategories\":["
				   "\"disabled-by-default-devtools.timeline\"],"
				   "\"excludedCategories\":[\"*\"]");

static struct cdp_page *find_target(const struct cdp_pages *pages, const char *target_id)
{
	for (size_t i = 0; i < pages->n; i++)
		if (strcmp(pages->items[i].target_id, target_id) == 0)
			return &pages->items[i];
	return NULL;
}

static void enter(struct cdp_tracing *tracing, enum cdp_tracing_state state)
{
	tracing->state = state;
	tracing->since_ns = clock_mono_ns();
	tracing->slow = false;
}

static const char *session_of(const struct cdp_tracing *tracing)
{
	return tracing->session_id[0] != '\0' ? tracing->session_id : NULL;
}

/* ---- beginning and ending ---- */

static int begin(struct channel *channel, struct cdp_tracing *tracing, const char *session_id,
		 bool looks)
{
	tracing->looks = looks;
	tracing->events = 0;
	tracing->mains_n = 0;
	str_copy(tracing->session_id, sizeof(tracing->session_id), session_id);
	enter(tracing, TRACING_STARTING);
	return channel_ask_session(channel, session_of(tracing), "Tracing.start",
				   looks ? places : collections, &tracing->asked_id);
}

static int end(struct channel *channel, struct cdp_tracing *tracing)
{
	enter(tracing, TRACING_ENDING);
	return channel_ask_session(channel, session_of(tracing), "Tracing.end", NULL,
				   &tracing->asked_id);
}

/* That of a page asks the browser for what is below it as well; workers that no page is above are
 * the browser's. */
static const char *look_session(const struct cdp_pages *pages, const struct cdp_page *page)
{
	size_t n = strcspn(page->isolate, "/");

	for (size_t i = 0; i < pages->n; i++) {
		const struct cdp_page *top = &pages->items[i];

		if (top->has_dom && strlen(top->isolate) == n &&
		    memcmp(top->isolate, page->isolate, n) == 0)
			return top->session_id;
	}
	return "";
}

static bool is_watched(const struct cdp_page *page)
{
	return page->told && !page->crashed && page->isolate_id[0] != '\0';
}

static bool is_placed(const struct cdp_page *page)
{
	return page->thread.pid != 0 && strcmp(page->thread.isolate_id, page->isolate_id) == 0;
}

static bool wants_look(struct cdp_page *page)
{
	if (strcmp(page->thread.isolate_id, page->isolate_id) != 0) {
		page->thread = (struct cdp_thread){ 0 };
		str_copy(page->thread.isolate_id, sizeof(page->thread.isolate_id),
			 page->isolate_id);
	}
	if (page->thread.looks == LOOKS_OF_ONE &&
	    clock_mono_ns() - page->thread.looked_ns > REST_NS)
		page->thread.looks = 0;
	return !is_placed(page) && page->thread.looks < LOOKS_OF_ONE;
}

static int look(struct channel *channel, struct cdp_tracing *tracing, struct cdp_pages *pages,
		struct cdp_page *page)
{
	tracing->looks_n++;
	page->thread.looks++;
	page->thread.looked_ns = clock_mono_ns();
	str_copy(tracing->looked_at, sizeof(tracing->looked_at), page->target_id);
	for (size_t i = 0; i < pages->n; i++)
		pages->items[i].thread.seen_pid = pages->items[i].thread.seen_tid = 0;
	return begin(channel, tracing, look_session(pages, page), true);
}

/* The next trace, when there is somebody to tell of. */
static int next(struct channel *channel, struct cdp_tracing *tracing, struct cdp_pages *pages)
{
	bool any = false;

	enter(tracing, TRACING_OFF);
	if (tracing->refused || clock_mono_ns() < tracing->rest_until_ns)
		return 0;
	for (size_t i = 0; i < pages->n; i++) {
		struct cdp_page *page = &pages->items[i];

		if (!is_watched(page))
			continue;
		if (tracing->looks_n < LOOKS_MAX && wants_look(page))
			return look(channel, tracing, pages, page);
		any |= is_placed(page);
		page->thread.trace = (struct gc_trace){ 0 };
	}
	return any ? begin(channel, tracing, "", false) : 0;
}

/* The trace that goes on is there in time for the collection, the next may not be; but it tells
 * nothing of those who have not been looked at. */
static bool is_held(const struct channel *channel, const struct cdp_pages *pages)
{
	if (!channel->session->collects)
		return false;
	for (size_t i = 0; i < pages->n; i++)
		if (is_watched(&pages->items[i]) && wants_look(&pages->items[i]))
			return false;
	return true;
}

int cdp_tracing_poll(struct channel *channel, struct cdp_tracing *tracing, struct cdp_pages *pages)
{
	if (!channel->session->limits.gc_events)
		return 0;
	tracing->looks_n = 0;
	if (tracing->state == TRACING_OFF)
		return next(channel, tracing, pages);
	if (tracing->state == TRACING_ON)
		return is_held(channel, pages) ? 0 : end(channel, tracing);
	/* What was asked to end ends no sooner when we leave: only wait. */
	if (!tracing->slow && clock_mono_ns() - tracing->since_ns > SLOW_NS) {
		tracing->slow = true;
		session_gc_untold(channel->session, "it neither begins nor ends a trace");
	}
	return 0;
}

bool cdp_tracing_is_near(const struct cdp_tracing *tracing)
{
	return !tracing->slow &&
	       (tracing->state == TRACING_STARTING || tracing->state == TRACING_ENDING);
}

/* ---- answers ---- */

/* Nothing was seen: it does not count. */
static void unlook(struct cdp_tracing *tracing, struct cdp_pages *pages)
{
	struct cdp_page *page = find_target(pages, tracing->looked_at);

	if (page != NULL && page->thread.looks > 0)
		page->thread.looks--;
}

static int refused(struct channel *channel, struct cdp_tracing *tracing, struct cdp_pages *pages,
		   const char *reason)
{
	bool taken = strstr(reason, "already been started") != NULL;
	char text[SESSION_GC_REASON_MAX];

	/* A page may have gone meanwhile, or be one that cannot be traced. */
	if (!taken && tracing->looks)
		return next(channel, tracing, pages);
	if (tracing->looks)
		unlook(tracing, pages);
	enter(tracing, TRACING_OFF);
	tracing->refused = !taken;
	snprintf(text, sizeof(text), "it cannot be traced: %s", reason);
	session_gc_untold(channel->session,
			  taken ? "somebody else traces it, as a performance recording does"
				: text);
	return 0;
}

static int started(struct channel *channel, struct cdp_tracing *tracing)
{
	if (tracing->looks)
		return end(channel, tracing);
	session_gc_told(channel->session);
	enter(tracing, TRACING_ON);
	return 0;
}

int cdp_tracing_answer(struct channel *channel, struct cdp_tracing *tracing,
		       struct cdp_pages *pages, int64_t id, const struct tree *answer, bool *ret)
{
	const char *reason = "without a reason";

	*ret = tracing->asked_id != 0 && id == tracing->asked_id;
	if (!*ret)
		return 0;
	tracing->asked_id = 0;
	if (tree_get(answer, "error") == NULL)
		return tracing->state == TRACING_STARTING ? started(channel, tracing) : 0;
	tree_string(answer, "error.message", &reason);
	return tracing->state == TRACING_STARTING ? refused(channel, tracing, pages, reason)
						  : next(channel, tracing, pages);
}

/* ---- what a look tells ---- */

static void take_main(struct cdp_tracing *tracing, int64_t pid, int64_t tid)
{
	if (tracing->mains_n == sizeof(tracing->mains) / sizeof(tracing->mains[0]))
		return;
	tracing->mains[tracing->mains_n].pid = pid;
	tracing->mains[tracing->mains_n++].tid = tid;
}

static void take_place(struct cdp_tracing *tracing, struct cdp_pages *pages,
		       const struct tree *event)
{
	const char *target_id;
	struct cdp_page *page;
	int64_t pid, tid;

	if (trace_main_thread(event, &pid, &tid))
		take_main(tracing, pid, tid);
	if (trace_worker(event, &target_id, &pid, &tid)) {
		page = find_target(pages, target_id);
		if (page != NULL && !page->has_dom) {
			page->thread.seen_pid = pid;
			page->thread.seen_tid = tid;
		}
	}
	for (size_t i = trace_frames(event); i-- > 0;) {
		page = trace_frame(event, i, &target_id, &pid) ? find_target(pages, target_id)
							       : NULL;
		if (page != NULL && page->has_dom)
			page->thread.seen_pid = pid;
	}
}

static int64_t main_thread(const struct cdp_tracing *tracing, int64_t pid)
{
	for (unsigned i = 0; i < tracing->mains_n; i++)
		if (tracing->mains[i].pid == pid)
			return tracing->mains[i].tid;
	return 0;
}

/* The look is over. */
static void place_all(struct cdp_tracing *tracing, struct cdp_pages *pages)
{
	for (size_t i = 0; i < pages->n; i++) {
		struct cdp_thread *thread = &pages->items[i].thread;

		if (pages->items[i].has_dom)
			thread->seen_tid = main_thread(tracing, thread->seen_pid);
		if (!is_watched(&pages->items[i]) || is_placed(&pages->items[i]) ||
		    thread->seen_pid == 0 || thread->seen_tid == 0)
			continue;
		str_copy(thread->isolate_id, sizeof(thread->isolate_id),
			 pages->items[i].isolate_id);
		thread->pid = thread->seen_pid;
		thread->tid = thread->seen_tid;
	}
}

/* ---- what the trace of collections tells ---- */

static void take_collection(struct channel *channel, struct cdp_pages *pages,
			    const struct tree *event)
{
	struct gc_event told;
	int64_t pid, tid;

	if (!gc_trace_thread(event, &pid, &tid))
		return;
	for (size_t i = 0; i < pages->n; i++) {
		struct cdp_page *page = &pages->items[i];

		if (!is_watched(page) || !is_placed(page) || page->thread.pid != pid ||
		    page->thread.tid != tid)
			continue;
		if (gc_trace_take(&page->thread.trace, event, &told))
			session_gc(channel->session, page->isolate, &told);
		return;
	}
}

static void take_data(struct channel *channel, struct cdp_tracing *tracing, struct cdp_pages *pages,
		      const struct tree *events)
{
	for (size_t i = 0; i < tree_size(events) && tracing->events <= EVENTS_MAX; i++) {
		tracing->events++;
		if (tracing->looks)
			take_place(tracing, pages, tree_at(events, i));
		else
			take_collection(channel, pages, tree_at(events, i));
	}
}

static int complete(struct channel *channel, struct cdp_tracing *tracing, struct cdp_pages *pages,
		    bool lost)
{
	if (tracing->looks)
		place_all(tracing, pages);
	else if (lost || tracing->events > EVENTS_MAX) {
		tracing->rest_until_ns = clock_mono_ns() + REST_NS;
		session_gc_untold(channel->session,
				  "it runs so much that to tell of it costs too much; asked again "
				  "in 10m");
	}
	return next(channel, tracing, pages);
}

int cdp_tracing_event(struct channel *channel, struct cdp_tracing *tracing, struct cdp_pages *pages,
		      const char *method, const struct tree *message)
{
	const char *session_id = "";
	bool lost = false;

	tree_string(message, "sessionId", &session_id);
	if (tracing->state == TRACING_OFF || strcmp(session_id, tracing->session_id) != 0)
		return 0;
	if (strcmp(method, "Tracing.dataCollected") == 0)
		take_data(channel, tracing, pages, tree_get(message, "params.value"));
	if (strcmp(method, "Tracing.tracingComplete") != 0)
		return 0;
	tree_bool(message, "params.dataLossOccurred", &lost);
	return complete(channel, tracing, pages, lost);
}

int cdp_tracing_detached(struct channel *channel, struct cdp_tracing *tracing,
			 struct cdp_pages *pages, const char *session_id)
{
	if (tracing->state == TRACING_OFF || strcmp(session_id, tracing->session_id) != 0)
		return 0;
	tracing->asked_id = 0;
	return next(channel, tracing, pages);
}
