/*
 * POST /api/v1/targets/NAME/gc: a forced collection of garbage. The request is held until it is
 * over, for what it has come to is the answer.
 */

#include "http/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/collection.h"
#include "http/api_refusal.h"
#include "http/api_wish.h"
#include "http/server.h"
#include "http/view.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "watch/collect.h"
#include "watch/target.h"

struct gc_wait {
	struct gc_wait *next;
	struct http_view *view;
	struct http_exchange *exchange;
	char id[CAPTURE_ID_MAX];
};

/* ---- who waits ---- */

static void forget(struct gc_wait *wait)
{
	struct gc_wait **at = &wait->view->gc_waits;

	while (*at != NULL && *at != wait)
		at = &(*at)->next;
	if (*at != NULL)
		*at = wait->next;
	free(wait);
}

static void on_drop(struct http_exchange *exchange)
{
	struct gc_wait *wait = exchange->held;

	exchange->held = NULL;
	if (wait != NULL)
		forget(wait);
}

static struct gc_wait *find_wait(const struct http_view *view, const char *id)
{
	struct gc_wait *wait = view->gc_waits;

	while (wait != NULL && strcmp(wait->id, id) != 0)
		wait = wait->next;
	return wait;
}

static int hold(struct http_view *view, struct http_exchange *exchange, const char *id)
{
	struct gc_wait *wait = calloc(1, sizeof(*wait));

	if (wait == NULL)
		return -ENOMEM;
	wait->view = view;
	wait->exchange = exchange;
	str_copy(wait->id, sizeof(wait->id), id);
	wait->next = view->gc_waits;
	view->gc_waits = wait;
	exchange->held = wait;
	exchange->drop = on_drop;
	http_hold(exchange);
	return 0;
}

/* ---- the answer ---- */

static void answer_done(struct http_exchange *exchange, const struct collection_end *end)
{
	const struct collected *collected = end->collected;
	uint64_t before = collected->before_bytes, after = collected->after_bytes;
	struct api_answer answer;
	struct json_writer *w = &answer.json;

	api_begin(&answer);
	json_write_object(w);
	json_member_string(w, "target", end->run->target);
	json_member_string(w, "isolate", end->run->isolate);
	if (collected->has_before)
		json_member_uint(w, "heap_before_bytes", before);
	if (collected->has_after)
		json_member_uint(w, "heap_after_bytes", after);
	if (collected->has_before && collected->has_after)
		json_member_uint(w, "freed_bytes", before > after ? before - after : 0);
	api_member_seconds(w, "duration_seconds", collected->duration_ns);
	json_write_object_end(w);
	api_finish(&answer, exchange, 200);
}

void gc_collected(struct http_view *view, const struct collection_end *end)
{
	struct gc_wait *wait = find_wait(view, end->run->id);
	struct http_exchange *exchange;
	struct err err = { .text = "" };

	if (wait == NULL)
		return;
	exchange = wait->exchange;
	exchange->held = NULL;
	exchange->drop = NULL;
	forget(wait);
	if (end->failure == NULL) {
		answer_done(exchange, end);
	} else if (end->refusal != REFUSAL_NONE) {
		err_set(&err, (int)end->refusal, "%s", end->failure);
		api_answer_refused(exchange, (int)end->refusal, &err);
	} else {
		http_answer_error(exchange, 503, NULL, "%s", end->failure);
	}
}

/* ---- the request ---- */

static void set_retry_after(struct http_exchange *exchange, const struct captures *captures,
			    const struct target *target)
{
	uint64_t wait_ns = collection_wait_ns(captures, target);
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%llu",
		 (unsigned long long)((wait_ns + NS_PER_S - 1) / NS_PER_S));
	http_set_header(exchange, "Retry-After", seconds);
}

static int request_gc(struct http_exchange *exchange, const struct target *target,
		      const struct wish *wish)
{
	struct http_view *view = http_server_owner(exchange->server);
	char peer[CAPTURE_REQUESTED_BY_MAX];
	const struct capture_request request = {
		.target_id = target->id,
		.kind = CAPTURE_KIND_GC,
		.isolate = wish->isolate,
		.requested_by = http_peer(exchange, peer, sizeof(peer)),
		.cause = "asked for by hand",
		.force = wish->force,
		.dry_run = wish->dry_run,
	};
	struct err err = { .text = "" };
	char id[CAPTURE_ID_MAX];
	int r;

	if (wish->isolate != NULL && target_find_isolate(target, wish->isolate) == NULL &&
	    captures_can_have(target, wish->isolate))
		return http_answer_error(exchange, 404, NULL, "the target has no such isolate");
	r = captures_request(view->captures, &request, id, &err);
	if (r < 0)
		return r;
	if (r == REFUSAL_GC_INTERVAL)
		set_retry_after(exchange, view->captures, target);
	return r > 0 ? api_answer_refused(exchange, r, &err) : hold(view, exchange, id);
}

int api_gc(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const struct target *target = targets_find_name(view->targets, exchange->params[0]);
	struct err err = { .text = "" };
	struct wish wish;
	int r;

	if (target == NULL)
		return http_answer_error(exchange, 404, NULL, "no target has this name");
	r = wish_read_gc(exchange, &wish, &err);
	if (r == 0)
		r = request_gc(exchange, target, &wish);
	else if (r == -EINVAL)
		r = http_answer_error(exchange, 400, NULL, "%s", err.text);
	wish_fini(&wish);
	return r;
}
