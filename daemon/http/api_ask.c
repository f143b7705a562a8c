/*
 * POST /api/v1/targets/NAME/captures: captures that a person asks for.
 */

#include "http/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture.h"
#include "http/api_refusal.h"
#include "http/api_wish.h"
#include "http/server.h"
#include "http/view.h"
#include "util/err.h"
#include "watch/target.h"

/* Seconds after which the queue may have moved. */
#define QUEUE_RETRY_AFTER "60"

/* Nothing was asked of the target, and nothing is wrong: that is what was wanted. */
static int answer_dry_run(struct http_exchange *exchange, const struct err *err)
{
	struct api_answer answer;

	api_begin(&answer);
	json_write_object(&answer.json);
	json_member_bool(&answer.json, "dry_run", true);
	json_member_string(&answer.json, "text", err->text);
	json_write_object_end(&answer.json);
	return api_finish(&answer, exchange, 200);
}

int api_answer_refused(struct http_exchange *exchange, int refusal, const struct err *err)
{
	switch (refusal) {
	case REFUSAL_DRY_RUN:
		return answer_dry_run(exchange, err);
	case REFUSAL_UNSUPPORTED:
		return http_answer_error(exchange, 422, "unsupported", "%s", err->text);
	case REFUSAL_BUSY:
	case REFUSAL_TARGET:
		return http_answer_error(exchange, 409, "conflict", "%s", err->text);
	case REFUSAL_QUIET_HOURS:
	case REFUSAL_MIN_UPTIME:
	case REFUSAL_MAX_HEAP:
	case REFUSAL_MAX_CPU:
	case REFUSAL_HEADROOM:
		return http_answer_error(exchange, 409, "guard", "%s", err->text);
	case REFUSAL_COOLDOWN:
	case REFUSAL_MAX_CAPTURES:
	case REFUSAL_REARM:
		return http_answer_error(exchange, 429, "guard", "%s", err->text);
	case REFUSAL_QUEUE:
		http_set_header(exchange, "Retry-After", QUEUE_RETRY_AFTER);
		return http_answer_error(exchange, 429, "limit", "%s", err->text);
	default:
		return http_answer_error(exchange, 429, "limit", "%s", err->text);
	}
}

static int answer_accepted(struct http_exchange *exchange, const char *id)
{
	char location[64 + CAPTURE_ID_MAX];
	struct api_answer answer;

	snprintf(location, sizeof(location), "/api/v1/captures/%s", id);
	http_set_header(exchange, "Location", location);
	api_begin(&answer);
	json_write_object(&answer.json);
	json_member_string(&answer.json, "id", id);
	json_write_object_end(&answer.json);
	return api_finish(&answer, exchange, 202);
}

static int request_capture(struct http_exchange *exchange, const struct target *target,
			   const struct wish *wish)
{
	const struct http_view *view = http_server_owner(exchange->server);
	char peer[CAPTURE_REQUESTED_BY_MAX];
	const struct capture_request request = {
		.target_id = target->id,
		.kind = wish->kind,
		.isolate = wish->isolate,
		.requested_by = http_peer(exchange, peer, sizeof(peer)),
		.cause = "asked for by hand",
		.recipe = &wish->recipe,
		.series = &wish->series,
		.sampling = &wish->sampling,
		.timeline = &wish->timeline,
		.gc_before = wish->gc_before,
		.force = wish->force,
		.dry_run = wish->dry_run,
	};
	const struct capture_settings *settings = view->captures->settings;
	const char *weaker = recipe_weakens(&settings->recipe, &wish->recipe);
	struct err err = { .text = "" };
	char id[CAPTURE_ID_MAX];
	int r;

	if (weaker != NULL && !settings->allow_weaker)
		return http_answer_error(exchange, 403, NULL,
					 "%s: the configuration asks for more (capture.%s); "
					 "capture.allow_weaker would allow it",
					 weaker, weaker);

	if (wish->isolate != NULL && strcmp(wish->isolate, "main") != 0 &&
	    target_find_isolate(target, wish->isolate) == NULL &&
	    captures_can_have(target, wish->isolate))
		return http_answer_error(exchange, 404, NULL, "the target has no such isolate");
	r = captures_request(view->captures, &request, id, &err);
	if (r < 0)
		return r;
	return r > 0 ? api_answer_refused(exchange, r, &err) : answer_accepted(exchange, id);
}

int api_capture_request(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const struct target *target = targets_find_name(view->targets, exchange->params[0]);
	struct err err = { .text = "" };
	struct wish wish;
	int r;

	if (target == NULL)
		return http_answer_error(exchange, 404, NULL, "no target has this name");
	r = wish_read(exchange, &wish, &err);
	if (r == 0)
		r = request_capture(exchange, target, &wish);
	else if (r == -EINVAL)
		r = http_answer_error(exchange, 400, NULL, "%s", err.text);
	wish_fini(&wish);
	return r;
}
