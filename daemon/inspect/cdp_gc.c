/*
 * The trace is of the whole process, and other clients have their own. It ends with the connection,
 * however that ends. Until it is stopped the program keeps it in its memory, some 600 bytes for a
 * collection: hence the limit to the interval of polls (watch/settings.h), and the rest when there
 * are too many. The main thread's id is that of the process. Which is which of the others Node
 * notes when a worker begins, if somebody traces then, and tells at the end of each trace from then
 * on: one that has begun before is not told.
 */

#include "inspect/cdp_gc.h"

#include <stdio.h>
#include <string.h>

#include "inspect/channel.h"
#include "inspect/runtime.h"
#include "inspect/session.h"
#include "json/tree.h"
#include "util/clock.h"

enum {
	EVENTS_MAX = 3000, /* of one message: half of what a message may be */
	SILENT_MAX = 3, /* a message that is too large does not come */
	UNNAMED_MAX = 3, /* data of one trace may come in several messages */
};

#define REST_NS (600 * NS_PER_S)

static const char trace_params[] = "{\"traceConfig\":{\"includedCategories\":[\"v8\"]}}";

static int rest(struct channel *channel, struct cdp_gc *gc)
{
	gc->on = false;
	gc->silent = 0;
	gc->rest_until_ns = clock_mono_ns() + REST_NS;
	session_gc_untold(channel->session, "it collects so often that to tell of it costs too "
					    "much; asked again in 10m");
	return channel_ask(channel, "NodeTracing.stop", NULL, NULL);
}

int cdp_gc_poll(struct channel *channel, struct cdp_gc *gc)
{
	const struct runtime *runtime = channel->session->runtime;
	int r = 0;

	if (!channel->session->limits.gc_events || runtime->cannot[ABILITY_GC_EVENTS] != NULL ||
	    gc->refused || clock_mono_ns() < gc->rest_until_ns)
		return 0;
	if (gc->silent >= SILENT_MAX)
		return rest(channel, gc);
	if (gc->on) {
		gc->silent++;
		r = channel_ask(channel, "NodeTracing.stop", NULL, NULL);
	}
	if (r == 0)
		r = channel_ask(channel, "NodeTracing.start", trace_params, &gc->start_id);
	gc->on = true;
	return r;
}

bool cdp_gc_answer(struct channel *channel, struct cdp_gc *gc, int64_t id,
		   const struct tree *answer)
{
	if (gc->start_id == 0 || id != gc->start_id)
		return false;
	gc->start_id = 0;
	gc->refused = tree_get(answer, "error") != NULL;
	if (gc->refused)
		session_gc_untold(channel->session, "it cannot be traced");
	else if (gc->on)
		session_gc_told(channel->session);
	return true;
}

static void note_worker(struct channel *channel, cdp_gc_worker_at *worker_at,
			const struct tree *event)
{
	const char *name, *isolate;
	struct cdp_gc_worker *worker;
	char wanted[32];
	unsigned thread;
	int64_t pid, tid;

	if (!tree_string(event, "name", &name) || strcmp(name, "thread_name") != 0 ||
	    !tree_string(event, "args.name", &name) || sscanf(name, "[worker %u]", &thread) != 1 ||
	    !gc_trace_thread(event, &pid, &tid))
		return;
	snprintf(wanted, sizeof(wanted), "worker:%u", thread);
	for (size_t i = 0; (worker = worker_at(channel, i, &isolate)) != NULL; i++)
		if (strcmp(isolate, wanted) == 0)
			worker->tid = tid;
}

/* Those that began before anybody traced are named by no trace. */
static void note_unnamed(struct channel *channel, cdp_gc_worker_at *worker_at)
{
	struct cdp_gc_worker *worker;
	const char *isolate;

	for (size_t i = 0; (worker = worker_at(channel, i, &isolate)) != NULL; i++)
		if (worker->tid == 0 && worker->unnamed < UNNAMED_MAX &&
		    ++worker->unnamed == UNNAMED_MAX)
			session_isolate_gc_untold(channel->session, isolate,
						  "it began before the program was traced");
}

/* Whose collections these are; NULL: nobody can say. */
static struct gc_trace *trace_of(struct channel *channel, struct cdp_gc *gc,
				 cdp_gc_worker_at *worker_at, const struct tree *event,
				 const char **isolate)
{
	struct cdp_gc_worker *worker;
	int64_t pid, tid;

	if (!gc_trace_thread(event, &pid, &tid))
		return NULL;
	if (pid == tid)
		return &gc->trace;
	for (size_t i = 0; (worker = worker_at(channel, i, isolate)) != NULL; i++)
		if (worker->tid == tid)
			return &worker->trace;
	return NULL;
}

void cdp_gc_data(struct channel *channel, struct cdp_gc *gc, const char *isolate,
		 cdp_gc_worker_at *worker_at, const struct tree *params)
{
	const struct tree *events = tree_get(params, "value");
	struct gc_event told;

	if (!channel->session->limits.gc_events)
		return;
	gc->silent = 0;
	for (size_t i = 0; i < tree_size(events); i++)
		note_worker(channel, worker_at, tree_at(events, i));
	note_unnamed(channel, worker_at);
	for (size_t i = 0; i < tree_size(events); i++) {
		const struct tree *event = tree_at(events, i);
		const char *whose = isolate;
		struct gc_trace *trace = trace_of(channel, gc, worker_at, event, &whose);

		if (trace != NULL && gc_trace_take(trace, event, &told))
			session_gc(channel->session, whose, &told);
	}
	if (gc->on && tree_size(events) > EVENTS_MAX && rest(channel, gc) < 0)
		gc->on = false; /* the connection is going */
}
