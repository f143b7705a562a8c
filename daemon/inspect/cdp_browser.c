/*
 * Chrome DevTools Protocol of a browser, polling half: Chromium and what is made of it.
 *
 * One connection to the browser itself, which tells which pages, shared workers and service workers
 * there are; we attach to each, and each, when asked, attaches us to what is below it, in flat
 * sessions: every message says of which it is. Nothing is enabled in a page, and any number of
 * clients may do the same beside us. Service workers are visited for each poll (cdp_visit.h).
 *
 * The browser is not asked to attach us to its pages by itself: a page's window.open() would then
 * never return.
 *
 * Pages of one site may share an isolate: both would tell the same numbers. Each is asked for its
 * isolate's id at each poll, because a page that navigates may move to another process, and of
 * those with one id the first that was attached is told.
 *
 * A renderer that crashes answers nothing any more and stays attached until the page is loaded
 * again; the browser says both.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/cdp_capture.h"
#include "inspect/cdp_flat.h"
#include "inspect/cdp_page.h"
#include "inspect/cdp_tracing.h"
#include "inspect/cdp_values.h"
#include "inspect/cdp_words.h"
#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/runtime.h"
#include "inspect/session.h"
#include "json/tree.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "util/url.h"

enum { EVALUATE_MAX = 1024 };

/* The requests of a poll, in the order in which they are asked. */
enum { ASK_USAGE, ASK_ISOLATE, ASK_DOM, ASK_VALUES };

struct browser {
	int32_t processes_id, discover_id, ready_id;
	struct cdp_pages pages;
	struct cdp_tracing tracing;
};

/* What the browser tells of. Its own surface (tab, browser_ui) is nobody's program. */
static const char top[] = "{\"discover\":true,\"filter\":[{\"type\":\"page\"},"
			  "{\"type\":\"shared_worker\"},{\"type\":\"service_worker\"}]}";

/* What a page or worker attaches us to: never another page, see above. */
static const char below[] = "{\"autoAttach\":true,\"waitForDebuggerOnStart\":false,"
			    "\"flatten\":true,\"filter\":[{\"type\":\"iframe\"},"
			    "{\"type\":\"worker\"}]}";

static struct browser *browser_of(struct channel *channel)
{
	return channel->dialect_state;
}

/* ---- finding ---- */

static int browser_found(struct session *session, const char *text, size_t size, struct err *err)
{
	struct tree *version;
	const char *url, *path = NULL;
	int r;

	if (tree_parse(text, size, &version, NULL) < 0)
		return -EPROTO;
	if (tree_string(version, "webSocketDebuggerUrl", &url))
		path = url_path(url);
	if (path == NULL)
		r = err_set(err, -ENOENT, "/json/version names nothing to connect to");
	else
		r = session_offer(session, "", path);
	if (r == 0)
		str_copy(session->identity.inspector_id, sizeof(session->identity.inspector_id),
			 path + 1);
	tree_free(version);
	return r;
}

static bool browser_unlisted(const char *text, size_t size, const char *path)
{
	struct tree *version;
	const char *url, *named = NULL;
	bool is_another;

	if (tree_parse(text, size, &version, NULL) < 0)
		return false;
	if (tree_string(version, "webSocketDebuggerUrl", &url))
		named = url_path(url);
	is_another = named != NULL && strcmp(named, path) != 0;
	tree_free(version);
	return is_another;
}

/* ---- greeting ---- */

/*
 * All targets there are have been announced before setDiscoverTargets is answered, and their
 * attachment, asked for in that moment, is answered before what is asked then.
 */
static int browser_hello(struct channel *channel)
{
	struct browser *browser = browser_of(channel);
	int r;

	r = channel_ask(channel, "SystemInfo.getProcessInfo", NULL, &browser->processes_id);
	if (r == 0)
		r = channel_ask(channel, "Target.setDiscoverTargets", top, &browser->discover_id);
	return r;
}

static void take_processes(struct identity *identity, const struct tree *result)
{
	const struct tree *processes = tree_get(result, "processInfo");
	const char *type;

	for (size_t i = 0; i < tree_size(processes); i++) {
		const struct tree *process = tree_at(processes, i);

		if (tree_string(process, "type", &type) && strcmp(type, "browser") == 0)
			tree_int(process, "id", &identity->pid);
	}
}

/* ---- polling ---- */

static bool page_outstanding(const struct cdp_page *page)
{
	for (int i = 0; i < CDP_PAGE_REQUESTS; i++)
		if (page->ids[i] != 0)
			return true;
	return page->visit.polls;
}

static int ask_page(struct channel *channel, struct cdp_page *page)
{
	const struct cdp_words *words = channel->session->runtime->words;
	char params[EVALUATE_MAX];
	int r;

	page->sample = (struct sample){ 0 };
	page->asked_ns = clock_mono_ns();
	r = channel_ask_session(channel, page->session_id, "Runtime.getHeapUsage", NULL,
				&page->ids[ASK_USAGE]);
	if (r == 0)
		r = channel_ask_session(channel, page->session_id, "Runtime.getIsolateId", NULL,
					&page->ids[ASK_ISOLATE]);
	if (r == 0 && page->has_dom)
		r = channel_ask_session(channel, page->session_id, "Memory.getDOMCounters", NULL,
					&page->ids[ASK_DOM]);
	if (r < 0 || !page->has_dom || !channel->session->limits.evaluate)
		return r;
	snprintf(params, sizeof(params),
		 "{\"expression\":\"%s\",\"returnByValue\":true,\"silent\":true}", words->values);
	return channel_ask_session(channel, page->session_id, "Runtime.evaluate", params,
				   &page->ids[ASK_VALUES]);
}

static int poll_page(struct channel *channel, struct cdp_page *page)
{
	/* It still owes us the last answer: asking again would only fill its queue. */
	if (page_outstanding(page)) {
		page->overdue = true;
		return 0;
	}
	page->overdue = false;
	if (page->visit.state == VISIT_NONE || page->visit.state == VISIT_THERE)
		return ask_page(channel, page);
	if (!cdp_visit_due(page))
		return 0;
	page->visit.polls = true;
	return cdp_visit_come(channel, page);
}

/* The poll is over for those that have not answered as well. */
static int leave_late(struct channel *channel, struct browser *browser)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < browser->pages.n; i++) {
		struct cdp_page *page = &browser->pages.items[i];

		if (page->visit.state != VISIT_NONE && page_outstanding(page))
			r = cdp_visit_leave(channel, page, true);
	}
	return r;
}

/* The state may be gone when this returns. */
static void finish_if_complete(struct channel *channel)
{
	struct browser *browser = browser_of(channel);
	int r;

	if (channel->state != CHANNEL_POLLING)
		return;
	for (size_t i = 0; i < browser->pages.n; i++) {
		const struct cdp_page *page = &browser->pages.items[i];

		if (page_outstanding(page) && !page->overdue && !channel->session->late)
			return;
	}
	r = leave_late(channel, browser);
	if (r < 0)
		channel_cannot_send(channel, r);
	else
		channel_polled(channel, ACTIVITY_UNKNOWN, 0);
}

static int browser_poll(struct channel *channel)
{
	struct browser *browser = browser_of(channel);
	int r = cdp_tracing_poll(channel, &browser->tracing, &browser->pages);

	for (size_t i = 0; r == 0 && i < browser->pages.n; i++)
		if (!browser->pages.items[i].crashed)
			r = poll_page(channel, &browser->pages.items[i]);
	if (r == 0)
		finish_if_complete(channel); /* a browser without a page */
	return r;
}

static void untell(struct channel *channel, struct cdp_page *page)
{
	if (page->told)
		session_isolate_gone(channel->session, page->isolate);
	page->told = false;
}

/* Does one that was attached earlier tell the same isolate? */
static bool is_shared(const struct browser *browser, const struct cdp_page *page)
{
	if (page->isolate_id[0] == '\0')
		return false;
	for (const struct cdp_page *other = browser->pages.items; other < page; other++)
		if (!other->crashed && strcmp(other->isolate_id, page->isolate_id) == 0)
			return true;
	return false;
}

static void publish(struct channel *channel, struct cdp_page *page)
{
	if (is_shared(browser_of(channel), page)) {
		untell(channel, page);
		return;
	}
	page->sample.mono_ns = clock_mono_ns();
	page->sample.wall_ms = clock_wall_ms();
	if (!sample_has(&page->sample, SAMPLE_HEAP_USED))
		return;
	page->told = true;
	session_sample(channel->session, page->isolate, &page->sample);
	session_isolate_shows(channel->session, page->isolate, page->url);
}

static void take_dom(struct sample *sample, const struct tree *result)
{
	static const struct {
		enum sample_field field;
		const char *name;
	} counters[] = {
		{ SAMPLE_DOM_NODES, "nodes" },
		{ SAMPLE_DOM_DOCUMENTS, "documents" },
		{ SAMPLE_DOM_LISTENERS, "jsEventListeners" },
	};
	uint64_t value;

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		if (tree_uint(result, counters[i].name, &value))
			sample_set(sample, counters[i].field, value);
}

static void take_answer(const struct channel *channel, struct cdp_page *page, int ask,
			const struct tree *result)
{
	const char *engine_version = channel->session->identity.engine_version, *text = "";
	struct cdp_heap_limits limits = { .young_bytes = cdp_young_bytes(engine_version) };

	if (ask == ASK_USAGE) {
		page->sample.round_trip_ns = clock_mono_ns() - page->asked_ns;
		cdp_take_usage(&page->sample, result);
	} else if (ask == ASK_ISOLATE) {
		tree_string(result, "id", &text);
		str_copy(page->isolate_id, sizeof(page->isolate_id), text);
	} else if (ask == ASK_DOM) {
		take_dom(&page->sample, result);
	} else {
		cdp_take_values(&page->sample, &limits, tree_get(result, "result.value"), false);
	}
}

static int page_answer(struct channel *channel, struct cdp_page *page, int64_t id,
		       const struct tree *answer)
{
	int r = 0;

	for (int i = 0; i < CDP_PAGE_REQUESTS; i++) {
		if (page->ids[i] == 0 || id != page->ids[i])
			continue;
		page->ids[i] = 0;
		take_answer(channel, page, i, tree_get(answer, "result"));
		if (page_outstanding(page))
			return 0;
		publish(channel, page);
		if (page->visit.state != VISIT_NONE)
			r = cdp_visit_leave(channel, page, false);
		if (r == 0)
			finish_if_complete(channel);
		return r;
	}
	return 0;
}

/* ---- targets ---- */

/* "" is the browser itself. */
static struct cdp_page *find_session(struct browser *browser, const char *session_id)
{
	if (session_id[0] == '\0')
		return NULL;
	for (size_t i = 0; i < browser->pages.n; i++)
		if (strcmp(browser->pages.items[i].session_id, session_id) == 0)
			return &browser->pages.items[i];
	return NULL;
}

static struct cdp_page *find_target(struct browser *browser, const char *target_id)
{
	for (size_t i = 0; i < browser->pages.n; i++)
		if (strcmp(browser->pages.items[i].target_id, target_id) == 0)
			return &browser->pages.items[i];
	return NULL;
}

/* "page:72603EA7", and below it "page:72603EA7/worker:9A37CDA0". False when it is too deep. */
static bool name_page(struct browser *browser, struct cdp_page *page, const char *type,
		      const char *parent_session)
{
	const struct cdp_page *parent = find_session(browser, parent_session);
	int n;

	n = snprintf(page->isolate, sizeof(page->isolate), "%s%s%s:%.*s",
		     parent != NULL ? parent->isolate : "", parent != NULL ? "/" : "", type,
		     CDP_TARGET_SHOWN, page->target_id);
	return n > 0 && (size_t)n < sizeof(page->isolate);
}

/* Longer ones are cut. */
static void take_url(struct cdp_page *page, const struct tree *info)
{
	const char *url;

	if (tree_string(info, "url", &url))
		snprintf(page->url, sizeof(page->url), "%s", url);
}

/* 0 also without room for it. */
static int add_page(struct channel *channel, const struct cdp_page *page)
{
	struct browser *browser = browser_of(channel);
	struct cdp_page *pages;

	if (browser->pages.n >= channel->session->limits.isolates_max)
		return 0;
	pages = realloc(browser->pages.items, (browser->pages.n + 1) * sizeof(*pages));
	if (pages == NULL)
		return 0;
	browser->pages.items = pages;
	pages[browser->pages.n++] = *page;
	if (page->visit.state != VISIT_NONE)
		return 0;
	return channel_ask_session(channel, page->session_id, "Target.setAutoAttach", below, NULL);
}

static int collect_in(struct channel *channel, const struct cdp_page *page)
{
	return channel_ask_session(channel, page->session_id, "HeapProfiler.collectGarbage", NULL,
				   &channel->collect_id);
}

/* Do what we have come for. */
static int arrived(struct channel *channel, struct cdp_page *page, const char *session_id)
{
	cdp_visit_came(page, session_id);
	if (page->visit.polls) {
		page->visit.polls = false;
		return ask_page(channel, page);
	}
	if (page->visit.collects && channel->state == CHANNEL_COLLECTING) {
		page->visit.collects = false;
		return collect_in(channel, page);
	}
	return cdp_visit_leave(channel, page, false);
}

static int attached(struct channel *channel, const struct tree *message)
{
	struct browser *browser = browser_of(channel);
	const char *session_id, *target_id, *type, *parent = "";
	struct cdp_page page = { 0 }, *known;

	if (!tree_string(message, "params.sessionId", &session_id) ||
	    !tree_string(message, "params.targetInfo.targetId", &target_id) ||
	    !tree_string(message, "params.targetInfo.type", &type) || !cdp_is_plain(session_id) ||
	    !cdp_is_plain(target_id) || !cdp_is_plain(type) || strlen(type) >= CDP_KIND_MAX ||
	    !str_copy(page.session_id, sizeof(page.session_id), session_id) ||
	    !str_copy(page.target_id, sizeof(page.target_id), target_id))
		return -EPROTO;
	tree_string(message, "sessionId", &parent);
	known = find_target(browser, target_id);
	if (known != NULL && known->visit.state == VISIT_COMING)
		return arrived(channel, known, page.session_id);
	if (known != NULL || cdp_visit_wants(type) || !name_page(browser, &page, type, parent))
		return 0;
	take_url(&page, tree_get(message, "params.targetInfo"));
	page.has_dom = strcmp(type, "page") == 0 || strcmp(type, "iframe") == 0;
	return add_page(channel, &page);
}

static int drop_page(struct channel *channel, struct cdp_page *page)
{
	struct browser *browser = browser_of(channel);
	size_t after = (size_t)(browser->pages.items + browser->pages.n - page) - 1;
	char session_id[CDP_SESSION_ID_MAX];
	int r = 0;

	str_copy(session_id, sizeof(session_id), page->session_id);
	untell(channel, page);
	memmove(page, page + 1, after * sizeof(*page)); /* the order decides who is told */
	browser->pages.n--;
	if (session_id[0] != '\0')
		r = cdp_tracing_detached(channel, &browser->tracing, &browser->pages, session_id);
	if (r == 0)
		finish_if_complete(channel);
	return r;
}

/* A person's DevTools: one that opens later is told as no page, one that is there already as one.
 */
static bool is_tool(const struct tree *info)
{
	const char *url;

	return tree_string(info, "url", &url) && str_has_prefix(url, "devtools:");
}

static int add_visited(struct channel *channel, const struct tree *info, const char *type,
		       const char *target_id)
{
	struct cdp_page page = { .visit.state = VISIT_AWAY };

	if (!str_copy(page.target_id, sizeof(page.target_id), target_id) ||
	    !name_page(browser_of(channel), &page, type, ""))
		return 0;
	tree_bool(info, "attached", &page.visit.attached);
	take_url(&page, info);
	return add_page(channel, &page);
}

static int created(struct channel *channel, const struct tree *info)
{
	const char *target_id, *type;
	char params[160];

	if (!tree_string(info, "targetId", &target_id) || !cdp_is_plain(target_id) ||
	    is_tool(info) || find_target(browser_of(channel), target_id) != NULL)
		return 0;
	if (tree_string(info, "type", &type) && cdp_visit_wants(type))
		return add_visited(channel, info, type, target_id);
	snprintf(params, sizeof(params), "{\"targetId\":\"%.64s\",\"flatten\":true}", target_id);
	return channel_ask(channel, "Target.attachToTarget", params, NULL);
}

static int destroyed(struct channel *channel, const struct tree *params)
{
	const char *target_id = "";
	struct cdp_page *page;

	tree_string(params, "targetId", &target_id);
	page = find_target(browser_of(channel), target_id);
	return page != NULL && page->visit.state != VISIT_NONE ? drop_page(channel, page) : 0;
}

/* What is visited comes back with its target, which may live on. */
static int detached(struct channel *channel, struct cdp_page *page)
{
	if (page->visit.state == VISIT_NONE)
		return drop_page(channel, page);
	cdp_visit_lost(page);
	untell(channel, page);
	finish_if_complete(channel);
	return 0;
}

static void crashed(struct channel *channel, struct cdp_page *page)
{
	if (page == NULL)
		return;
	page->crashed = true;
	if (page->visit.state != VISIT_NONE)
		(void)cdp_visit_leave(channel, page, true);
	memset(page->ids, 0, sizeof(page->ids));
	untell(channel, page);
	finish_if_complete(channel);
}

/* What is told of a target anew: its address, or a page that had crashed is loaded again. */
static void changed(struct cdp_page *page, const struct tree *info)
{
	if (page == NULL)
		return;
	page->crashed = false;
	tree_bool(info, "attached", &page->visit.attached);
	take_url(page, info);
}

/* Of a frame of another site only its own session tells that it has crashed, and that it is back.
 */
static void page_event(struct channel *channel, struct cdp_page *page, const char *method)
{
	if (strcmp(method, "Inspector.targetCrashed") == 0)
		crashed(channel, page);
	if (strcmp(method, "Inspector.targetReloadedAfterCrash") == 0 && page != NULL)
		page->crashed = false;
}

static int browser_event(struct channel *channel, const char *method, const struct tree *message)
{
	struct browser *browser = browser_of(channel);
	const struct tree *params = tree_get(message, "params");
	const char *target_id = "", *session_id = "";
	struct cdp_page *page;

	if (str_has_prefix(method, "Tracing."))
		return cdp_tracing_event(channel, &browser->tracing, &browser->pages, method,
					 message);
	if (strcmp(method, "Target.attachedToTarget") == 0)
		return attached(channel, message);
	if (strcmp(method, "Target.targetCreated") == 0)
		return created(channel, tree_get(params, "targetInfo"));
	if (strcmp(method, "Target.targetDestroyed") == 0)
		return destroyed(channel, params);
	if (strcmp(method, "Target.targetCrashed") == 0 &&
	    tree_string(params, "targetId", &target_id))
		crashed(channel, find_target(browser, target_id));
	if (strcmp(method, "Target.targetInfoChanged") == 0 &&
	    tree_string(params, "targetInfo.targetId", &target_id))
		changed(find_target(browser, target_id), tree_get(params, "targetInfo"));
	if (tree_string(message, "sessionId", &session_id))
		page_event(channel, find_session(browser, session_id), method);
	if (strcmp(method, "Target.detachedFromTarget") != 0)
		return 0;
	tree_string(params, "sessionId", &session_id);
	page = find_session(browser, session_id);
	return page != NULL ? detached(channel, page) : 0;
}

/* ---- messages ---- */

/* To a wish to come to a worker, or to leave it. */
static int visit_answered(struct channel *channel, struct cdp_page *page)
{
	bool collects = page->visit.collects, failed;
	int r = cdp_visit_answered(channel, page, &failed);

	if (r < 0 || !failed)
		return r;
	if (collects && channel->state == CHANNEL_COLLECTING)
		channel_collected(channel, "the isolate cannot be attached to");
	else
		finish_if_complete(channel);
	return 0;
}

/* The target is told at once, and may be polled before that returns: what was visited for the
 * collection is left before. False: it is not the answer to a collection. */
static bool collected(struct channel *channel, int64_t id, const struct tree *answer)
{
	const char *session_id = "";
	struct cdp_page *page;

	if (channel->collect_id == 0 || id != channel->collect_id)
		return false;
	tree_string(answer, "sessionId", &session_id);
	page = find_session(browser_of(channel), session_id);
	if (page != NULL && page->visit.state != VISIT_NONE)
		(void)cdp_visit_leave(channel, page, false);
	return channel_answers_collection(channel, id, answer);
}

static struct cdp_page *find_visit(struct browser *browser, int64_t id)
{
	for (size_t i = 0; i < browser->pages.n; i++)
		if (id == browser->pages.items[i].visit.asked_id)
			return &browser->pages.items[i];
	return NULL;
}

static int browser_answer(struct channel *channel, int64_t id, const struct tree *answer)
{
	struct browser *browser = browser_of(channel);
	const char *session_id = "";
	struct cdp_page *page;
	bool taken;
	int r = cdp_tracing_answer(channel, &browser->tracing, &browser->pages, id, answer, &taken);

	if (r < 0 || taken)
		return r;
	if (collected(channel, id, answer))
		return 0;
	if (tree_string(answer, "sessionId", &session_id)) {
		page = find_session(browser, session_id);
		return page != NULL ? page_answer(channel, page, id, answer) : 0;
	}
	page = find_visit(browser, id);
	if (page != NULL)
		return visit_answered(channel, page);
	if (id == browser->processes_id)
		take_processes(&channel->session->identity, tree_get(answer, "result"));
	if (id == browser->discover_id)
		return channel_ask(channel, "Browser.getVersion", NULL, &browser->ready_id);
	if (id == browser->ready_id)
		channel_ready(channel);
	return 0;
}

static int browser_message(struct channel *channel, const struct tree *message)
{
	const char *method;
	int64_t id;

	if (tree_int(message, "id", &id))
		return id > 0 ? browser_answer(channel, id, message) : 0;
	if (tree_string(message, "method", &method))
		return browser_event(channel, method, message);
	return 0;
}

/* Whoever has not answered is left out of this poll; when nobody has, it is the browser. */
static bool browser_enough(struct channel *channel)
{
	struct browser *browser = browser_of(channel);
	bool any = false, waits = false;

	for (size_t i = 0; i < browser->pages.n; i++) {
		struct cdp_page *page = &browser->pages.items[i];

		/* The browser has let us in, so it is the worker that does not answer. */
		if (page->visit.state == VISIT_THERE && page_outstanding(page))
			(void)cdp_visit_leave(channel, page, true);
		waits |= page_outstanding(page);
		any |= !page_outstanding(page) && page->visit.rests == 0;
	}
	if (any || !waits)
		finish_if_complete(channel);
	return any || !waits;
}

static int browser_settle(struct channel *channel)
{
	struct browser *browser = browser_of(channel);
	int r = 0;

	/* Of what is away each leaving does the same. */
	for (size_t i = 0; r == 0 && i < browser->pages.n; i++)
		if (browser->pages.items[i].session_id[0] != '\0')
			r = channel_ask_session(channel, browser->pages.items[i].session_id,
						"HeapProfiler.disable", NULL, NULL);
	return r;
}

static int browser_collect(struct channel *channel, const char *isolate)
{
	struct browser *browser = browser_of(channel);

	for (size_t i = 0; i < browser->pages.n; i++) {
		struct cdp_page *page = &browser->pages.items[i];

		if (!page->told || page->crashed || strcmp(page->isolate, isolate) != 0)
			continue;
		if (page->session_id[0] != '\0')
			return collect_in(channel, page);
		page->visit.collects = true;
		return cdp_visit_come(channel, page);
	}
	return -ENOENT;
}

static bool browser_tells_soon(const struct channel *channel)
{
	const struct browser *browser = channel->dialect_state;

	return cdp_tracing_is_near(&browser->tracing);
}

static void browser_forget(struct channel *channel)
{
	free(browser_of(channel)->pages.items);
}

const struct dialect dialect_cdp_browser = {
	.name = "cdp",
	.state_size = sizeof(struct browser),
	.found = browser_found,
	.unlisted = browser_unlisted,
	.hello = browser_hello,
	.poll = browser_poll,
	.message = browser_message,
	.enough = browser_enough,
	.settle = browser_settle,
	.collect = browser_collect,
	.tells_soon = browser_tells_soon,
	.forget = browser_forget,
	.download_size = sizeof(struct cdp_capture),
	.snapshot_begin = cdp_capture_begin,
	.snapshot_event = cdp_capture_event,
	.snapshot_message_end = cdp_capture_message_end,
	.snapshot_overdue = cdp_capture_overdue,
	.snapshot_woken = cdp_capture_woken,
	.snapshot_peek = cdp_capture_peek,
	.snapshot_finish = cdp_capture_finish,
};
