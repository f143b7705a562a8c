/*
 * Chrome DevTools Protocol, polling half: Node.js, Deno, workerd.
 *
 * What is said to a target is the closed list of requests in this file and in cdp_capture.c and its
 * tasks, with the expressions of cdp_words.c (docs/RUNTIMES.md repeats it for operators). Nothing
 * that costs the target stays enabled. Two things make an attached client harmless to a Node that
 * wants to exit: on the main session we ask to be told (NodeRuntime.notifyWhenWaitingForDisconnect)
 * and leave at once; on worker sessions we must NOT ask, because the worker would then wait for a
 * disconnect that its parent, blocked in the join, can never deliver (observed on Node 20 to 26:
 * the process hangs for ever).
 *
 * Workers are polled through the main session: NodeWorker.sendMessageToWorker wraps a request,
 * NodeWorker.receivedMessageFromWorker brings its answer.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "inspect/cdp_capture.h"
#include "inspect/cdp_gc.h"
#include "inspect/cdp_values.h"
#include "inspect/cdp_words.h"
#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/runtime.h"
#include "inspect/session.h"
#include "json/tree.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "util/url.h"

enum { EVALUATE_MAX = 1024 };

/* An isolate as one poll sees it: which answers are still to come, and what has come. */
struct poll {
	int32_t usage_id, values_id; /* 0: nothing outstanding */
	struct sample sample;
	uint64_t asked_ns;
	bool overdue; /* owes an answer since an earlier poll: nobody waits for it */
};

struct worker {
	char session_id[32]; /* of NodeWorker, per connection */
	char isolate[64];
	struct poll poll;
	struct cdp_gc_worker gc;
};

struct cdp {
	int32_t ready_id; /* the greeting ends with this answer */
	int32_t identity_id;
	struct poll main;
	struct worker *workers; /* owned */
	size_t workers_n;
	struct cdp_heap_limits limits;
	struct cdp_gc gc;
	uint64_t rss_bytes;
	struct cdp_liveness liveness;
	enum session_activity activity;
};

static struct cdp *cdp_of(struct channel *channel)
{
	return channel->dialect_state;
}

static const struct cdp_words *words_of(const struct channel *channel)
{
	return channel->session->runtime->words;
}

static bool evaluates(const struct channel *channel)
{
	return channel->session->limits.evaluate && words_of(channel)->values != NULL;
}

/* What is spoken to directly. */
static const char *main_isolate(const struct channel *channel)
{
	return channel->isolate[0] != '\0' ? channel->isolate : "main";
}

/* ---- finding ---- */

/* Of a runtime that is one program: who it is. */
static void take_entry(struct identity *identity, const struct tree *entry)
{
	const char *text;

	if (tree_string(entry, "id", &text))
		str_copy(identity->inspector_id, sizeof(identity->inspector_id), text);
	if (tree_string(entry, "title", &text))
		str_copy(identity->title, sizeof(identity->title), text);
}

/*
 * Of a runtime that lists its workers each is an isolate of its own, named by its path. One without
 * a name, as miniflare may have it, is the main one.
 */
static int offer_entry(struct session *session, const struct tree *entry, struct err *err)
{
	const char *url, *path;
	char isolate[64];

	if (!tree_string(entry, "webSocketDebuggerUrl", &url) || (path = url_path(url)) == NULL)
		return err_set(err, -ENOENT, "/json/list names nothing to connect to");
	if (!session->runtime->many || path[1] == '\0')
		return session_offer(session, "", path);
	snprintf(isolate, sizeof(isolate), "worker:%.50s", path + 1);
	return session_offer(session, isolate, path);
}

static int found_entries(struct session *session, const struct tree *list, struct err *err)
{
	size_t n = session->runtime->many ? tree_size(list) : 1;
	int r = 0;

	if (!session->runtime->many)
		take_entry(&session->identity, tree_at(list, 0));
	for (size_t i = 0; r == 0 && i < n; i++)
		r = offer_entry(session, tree_at(list, i), err);
	return r;
}

static bool names_path(const struct tree *entry, const char *path)
{
	const char *url, *named;

	return tree_string(entry, "webSocketDebuggerUrl", &url) &&
	       (named = url_path(url)) != NULL && strcmp(named, path) == 0;
}

/* An empty list says nothing. */
static bool cdp_unlisted(const char *text, size_t size, const char *path)
{
	struct tree *list;
	bool any, named = false;

	if (tree_parse(text, size, &list, NULL) < 0)
		return false;
	any = tree_is_array(list) && tree_size(list) > 0;
	for (size_t i = 0; any && i < tree_size(list); i++)
		named |= names_path(tree_at(list, i), path);
	tree_free(list);
	return any && !named;
}

static int cdp_found(struct session *session, const char *text, size_t size, struct err *err)
{
	struct tree *list;
	int r;

	if (tree_parse(text, size, &list, NULL) < 0)
		return -EPROTO;
	r = tree_is_array(list) ? found_entries(session, list, err) : -EPROTO;
	tree_free(list);
	return r;
}

/* ---- greeting ---- */

static int ask_evaluate(struct channel *channel, const char *expression, int32_t *ret_id)
{
	char params[EVALUATE_MAX];

	snprintf(params, sizeof(params),
		 "{\"expression\":\"%s\",\"returnByValue\":true,\"silent\":true}", expression);
	return channel_ask(channel, "Runtime.evaluate", params, ret_id);
}

static int hello_node(struct channel *channel)
{
	int r = channel_ask(channel, "NodeRuntime.enable", NULL, NULL);

	if (r == 0)
		r = channel_ask(channel, "NodeRuntime.notifyWhenWaitingForDisconnect",
				"{\"enabled\":true}", NULL);
	if (r == 0)
		r = channel_ask(channel, "NodeWorker.enable", "{\"waitForDebuggerOnStart\":false}",
				NULL);
	return r;
}

/*
 * A program that began to exit between our connection and our wish to be told will not tell. It has
 * no context left, which either last request shows (context_is_gone()).
 */
static int cdp_hello(struct channel *channel)
{
	struct cdp *cdp = cdp_of(channel);
	int r;

	if (!words_of(channel)->node) {
		channel_ready(channel);
		return 0;
	}
	r = hello_node(channel);
	if (r < 0)
		return r;
	if (!evaluates(channel))
		return channel_ask(channel, "Runtime.globalLexicalScopeNames", NULL,
				   &cdp->ready_id);
	r = ask_evaluate(channel, words_of(channel)->identity, &cdp->identity_id);
	cdp->ready_id = cdp->identity_id;
	return r;
}

/* ---- polling ---- */

static bool poll_outstanding(const struct poll *poll)
{
	return poll->usage_id != 0 || poll->values_id != 0;
}

static void poll_begin(struct poll *poll)
{
	*poll = (struct poll){ .asked_ns = clock_mono_ns() };
}

/* {"id":N,"method":...} as text, wrapped for a worker. */
static int ask_worker(struct channel *channel, const struct worker *worker, const char *method,
		      const char *expression, int32_t *ret_id)
{
	struct buf inner, params;
	int r;

	buf_init(&inner, EVALUATE_MAX);
	buf_init(&params, 4 * EVALUATE_MAX);
	*ret_id = ++channel->next_id;
	buf_printf(&inner, "{\"id\":%d,\"method\":\"%s\"", *ret_id, method);
	if (expression != NULL)
		buf_printf(&inner,
			   ",\"params\":{\"expression\":\"%s\",\"returnByValue\":true,"
			   "\"silent\":true}",
			   expression);
	r = buf_puts(&inner, "}");
	buf_puts(&params, "{\"sessionId\":");
	json_quote(&params, worker->session_id, strlen(worker->session_id));
	buf_puts(&params, ",\"message\":");
	if (r == 0)
		r = json_quote(&params, inner.data, inner.size);
	if (r == 0)
		r = buf_puts(&params, "}");
	if (r == 0)
		r = channel_ask(channel, "NodeWorker.sendMessageToWorker", buf_text(&params), NULL);
	if (r == 0 && channel->session->runtime->parts)
		channel->owed++; /* the answer to what is wrapped, besides that to the wrapping */
	buf_fini(&inner);
	buf_fini(&params);
	return r;
}

static int poll_worker(struct channel *channel, struct worker *worker)
{
	int r;

	/* It still owes us the last answer: asking again would only fill its queue. */
	if (poll_outstanding(&worker->poll)) {
		worker->poll.overdue = true;
		return 0;
	}
	poll_begin(&worker->poll);
	r = ask_worker(channel, worker, "Runtime.getHeapUsage", NULL, &worker->poll.usage_id);
	if (r == 0 && evaluates(channel))
		r = ask_worker(channel, worker, "Runtime.evaluate", words_of(channel)->values,
			       &worker->poll.values_id);
	return r;
}

static int cdp_poll(struct channel *channel)
{
	struct cdp *cdp = cdp_of(channel);
	int r;

	poll_begin(&cdp->main);
	cdp->activity = ACTIVITY_UNKNOWN;
	r = channel_ask(channel, "Runtime.getHeapUsage", NULL, &cdp->main.usage_id);
	if (r == 0)
		r = cdp_gc_poll(channel, &cdp->gc);
	/* A program held by --inspect-brk cannot say who it is yet. */
	if (r == 0 && evaluates(channel) && channel->session->identity.pid == 0)
		r = ask_evaluate(channel, words_of(channel)->identity, &cdp->identity_id);
	if (r == 0 && evaluates(channel))
		r = ask_evaluate(channel, words_of(channel)->values, &cdp->main.values_id);
	for (size_t i = 0; r == 0 && i < cdp->workers_n; i++)
		r = poll_worker(channel, &cdp->workers[i]);
	return r;
}

static void publish(struct channel *channel, const char *isolate, struct poll *poll)
{
	poll->sample.mono_ns = clock_mono_ns();
	poll->sample.wall_ms = clock_wall_ms();
	if (sample_has(&poll->sample, SAMPLE_HEAP_USED))
		session_sample(channel->session, isolate, &poll->sample);
}

/* The state may be gone when this returns. */
static void finish_if_complete(struct channel *channel)
{
	struct cdp *cdp = cdp_of(channel);

	if (channel->state != CHANNEL_POLLING || poll_outstanding(&cdp->main))
		return;
	for (size_t i = 0; !channel->session->late && i < cdp->workers_n; i++)
		if (poll_outstanding(&cdp->workers[i].poll) && !cdp->workers[i].poll.overdue)
			return;
	channel_polled(channel, cdp->activity, cdp->rss_bytes);
}

/* True when the answer was one of this poll's. */
static bool poll_answer(struct channel *channel, struct poll *poll, int64_t id,
			const struct tree *answer, bool is_main)
{
	struct cdp *cdp = cdp_of(channel);
	const struct tree *value;

	if (id == poll->usage_id) {
		poll->usage_id = 0;
		poll->sample.round_trip_ns = clock_mono_ns() - poll->asked_ns;
		cdp_take_usage(&poll->sample, tree_get(answer, "result"));
		return true;
	}
	if (id != poll->values_id)
		return false;
	poll->values_id = 0;
	value = tree_get(answer, "result.result.value");
	if (value == NULL)
		return true;
	cdp_take_values(&poll->sample, &cdp->limits, value, is_main);
	if (is_main) {
		tree_uint(value, "memory.rss", &cdp->rss_bytes);
		cdp->activity = cdp_judge_activity(&cdp->liveness, value);
	}
	return true;
}

/* ---- workers ---- */

static struct worker *find_worker(struct cdp *cdp, const char *session_id)
{
	for (size_t i = 0; i < cdp->workers_n; i++)
		if (strcmp(cdp->workers[i].session_id, session_id) == 0)
			return &cdp->workers[i];
	return NULL;
}

/*
 * "[worker 2] name", of Deno "worker [2]": 2 is the thread id, which outlives our connection;
 * workerId does not: one that had it on an earlier connection is another.
 */
static void name_worker(struct channel *channel, struct worker *worker, const struct tree *params)
{
	const char *title = "", *worker_id = "?";
	unsigned thread;

	tree_string(params, "workerInfo.title", &title);
	tree_string(params, "workerInfo.workerId", &worker_id);
	if (sscanf(title, "[worker %u]", &thread) == 1 ||
	    sscanf(title, "Worker %u", &thread) == 1 ||
	    sscanf(title, "worker [%u]", &thread) == 1) {
		snprintf(worker->isolate, sizeof(worker->isolate), "worker:%u", thread);
	} else {
		snprintf(worker->isolate, sizeof(worker->isolate), "worker:%.40s", worker_id);
		session_isolate_gone(channel->session, worker->isolate);
	}
}

static int worker_attached(struct channel *channel, const struct tree *params)
{
	struct cdp *cdp = cdp_of(channel);
	struct worker *workers, *worker;
	const char *session_id;

	if (!tree_string(params, "sessionId", &session_id) ||
	    strlen(session_id) >= sizeof(worker->session_id))
		return -EPROTO;
	/* main is an isolate too */
	if (cdp->workers_n + 1 >= channel->session->limits.isolates_max)
		return 0;
	workers = realloc(cdp->workers, (cdp->workers_n + 1) * sizeof(*workers));
	if (workers == NULL)
		return 0;
	cdp->workers = workers;
	worker = &workers[cdp->workers_n++];
	*worker = (struct worker){ 0 };
	str_copy(worker->session_id, sizeof(worker->session_id), session_id);
	name_worker(channel, worker, params);
	/* Deno tells its workers after the first answer: where we leave after each poll, a poll
	 * that began without them is the only one they can be in. */
	return channel->state == CHANNEL_POLLING ? poll_worker(channel, worker) : 0;
}

/* A worker that is gone answers nothing more. */
static void forget_owed(struct channel *channel, const struct poll *poll)
{
	unsigned n = (poll->usage_id != 0 ? 1U : 0) + (poll->values_id != 0 ? 1U : 0);

	channel->owed -= n < channel->owed ? n : channel->owed;
}

static int worker_detached(struct channel *channel, const struct tree *params)
{
	struct cdp *cdp = cdp_of(channel);
	struct worker *worker;
	const char *session_id;

	if (!tree_string(params, "sessionId", &session_id))
		return -EPROTO;
	worker = find_worker(cdp, session_id);
	if (worker == NULL)
		return 0;
	session_isolate_gone(channel->session, worker->isolate);
	forget_owed(channel, &worker->poll);
	*worker = cdp->workers[--cdp->workers_n];
	finish_if_complete(channel);
	return 0;
}

static int worker_said(struct channel *channel, const struct tree *params)
{
	struct cdp *cdp = cdp_of(channel);
	struct worker *worker = NULL;
	const char *session_id, *text;
	struct tree *message;
	int64_t id;

	if (tree_string(params, "sessionId", &session_id))
		worker = find_worker(cdp, session_id);
	if (worker == NULL || !tree_string(params, "message", &text) ||
	    tree_parse(text, strlen(text), &message, NULL) < 0)
		return 0;
	if (tree_int(message, "id", &id) && channel_answers_collection(channel, id, message)) {
		tree_free(message);
		return 0;
	}
	if (tree_int(message, "id", &id) &&
	    poll_answer(channel, &worker->poll, id, message, false) &&
	    !poll_outstanding(&worker->poll)) {
		publish(channel, worker->isolate, &worker->poll);
		tree_free(message);
		finish_if_complete(channel);
		return 0;
	}
	tree_free(message);
	return 0;
}

static struct cdp_gc_worker *gc_worker_at(struct channel *channel, size_t i,
					  const char **ret_isolate)
{
	struct cdp *cdp = cdp_of(channel);

	if (i >= cdp->workers_n)
		return NULL;
	*ret_isolate = cdp->workers[i].isolate;
	return &cdp->workers[i].gc;
}

/* ---- messages ---- */

static int cdp_event(struct channel *channel, const char *method, const struct tree *params)
{
	if (strcmp(method, "NodeRuntime.waitingForDisconnect") == 0) {
		channel_fail(channel, SESSION_END_EXITING, "the program wants to exit");
		return 0;
	}
	if (strcmp(method, "NodeWorker.attachedToWorker") == 0)
		return worker_attached(channel, params);
	if (strcmp(method, "NodeWorker.detachedFromWorker") == 0)
		return worker_detached(channel, params);
	if (strcmp(method, "NodeWorker.receivedMessageFromWorker") == 0)
		return worker_said(channel, params);
	if (strcmp(method, "NodeTracing.dataCollected") == 0)
		cdp_gc_data(channel, &cdp_of(channel)->gc, main_isolate(channel), gc_worker_at,
			    params);
	return 0;
}

/* An exiting Node still answers usage, but has no context left to evaluate in. */
static bool context_is_gone(const struct tree *answer)
{
	const char *text;

	return tree_string(answer, "error.message", &text) &&
	       str_has_prefix(text, "Cannot find context");
}

static int cdp_answer(struct channel *channel, int64_t id, const struct tree *answer)
{
	struct cdp *cdp = cdp_of(channel);

	if ((id == cdp->main.values_id || id == cdp->identity_id || id == cdp->ready_id) &&
	    context_is_gone(answer)) {
		channel_fail(channel, SESSION_END_EXITING, "the program is exiting");
		return 0;
	}
	if (id == cdp->identity_id)
		cdp_take_identity(&channel->session->identity, &cdp->limits,
				  tree_get(answer, "result.result.value"));
	if (id == cdp->ready_id) {
		channel_ready(channel);
		return 0;
	}
	if (id == cdp->identity_id || cdp_gc_answer(channel, &cdp->gc, id, answer) ||
	    channel_answers_collection(channel, id, answer))
		return 0;
	if (!poll_answer(channel, &cdp->main, id, answer, true) || poll_outstanding(&cdp->main))
		return 0;
	publish(channel, main_isolate(channel), &cdp->main);
	finish_if_complete(channel);
	return 0;
}

/* To us, or to what we said to a worker. */
static bool cdp_answers(const struct tree *message)
{
	const char *method;
	int64_t id;

	return tree_int(message, "id", &id) ||
	       (tree_string(message, "method", &method) &&
		strcmp(method, "NodeWorker.receivedMessageFromWorker") == 0);
}

/* A reply is recognised by its id alone: some runtimes repeat the method beside it. */
static int cdp_message(struct channel *channel, const struct tree *message)
{
	const char *method;
	int64_t id;

	if (tree_int(message, "id", &id))
		return id > 0 ? cdp_answer(channel, id, message) : 0;
	if (tree_string(message, "method", &method))
		return cdp_event(channel, method, tree_get(message, "params"));
	return 0;
}

static bool cdp_enough(struct channel *channel)
{
	struct cdp *cdp = cdp_of(channel);

	if (poll_outstanding(&cdp->main))
		return false;
	finish_if_complete(channel);
	return true;
}

/* The answers say nothing, so nobody waits for them. */
static int cdp_settle(struct channel *channel)
{
	struct cdp *cdp = cdp_of(channel);
	int32_t unused;
	int r;

	r = channel_ask(channel, "HeapProfiler.disable", NULL, NULL);
	for (size_t i = 0; r == 0 && i < cdp->workers_n; i++)
		r = ask_worker(channel, &cdp->workers[i], "HeapProfiler.disable", NULL, &unused);
	return r;
}

static int cdp_collect(struct channel *channel, const char *isolate)
{
	static const char method[] = "HeapProfiler.collectGarbage";
	struct cdp *cdp = cdp_of(channel);

	if (strcmp(isolate, main_isolate(channel)) == 0)
		return channel_ask(channel, method, NULL, &channel->collect_id);
	for (size_t i = 0; i < cdp->workers_n; i++) {
		struct worker *worker = &cdp->workers[i];

		if (strcmp(isolate, worker->isolate) == 0)
			return ask_worker(channel, worker, method, NULL, &channel->collect_id);
	}
	return -ENOENT;
}

static int cdp_shut(struct channel *channel)
{
	const char *expression = words_of(channel)->shut;

	return expression != NULL ? ask_evaluate(channel, expression, NULL) : -ENOTSUP;
}

static void cdp_forget(struct channel *channel)
{
	free(cdp_of(channel)->workers);
}

const struct dialect dialect_cdp = {
	.name = "cdp",
	.state_size = sizeof(struct cdp),
	.found = cdp_found,
	.unlisted = cdp_unlisted,
	.hello = cdp_hello,
	.poll = cdp_poll,
	.message = cdp_message,
	.answers = cdp_answers,
	.enough = cdp_enough,
	.settle = cdp_settle,
	.collect = cdp_collect,
	.shut = cdp_shut,
	.forget = cdp_forget,
	.download_size = sizeof(struct cdp_capture),
	.snapshot_begin = cdp_capture_begin,
	.snapshot_event = cdp_capture_event,
	.snapshot_message_end = cdp_capture_message_end,
	.snapshot_overdue = cdp_capture_overdue,
	.snapshot_woken = cdp_capture_woken,
	.snapshot_peek = cdp_capture_peek,
	.snapshot_finish = cdp_capture_finish,
};
