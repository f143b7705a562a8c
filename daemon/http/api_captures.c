/*
 * /api/v1/captures: what is being taken, what lies in the spool, what was refused and why. The
 * members of a capture are named as in its manifest.
 */

#include "http/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capture/analysis.h"
#include "capture/capture.h"
#include "capture/series.h"
#include "http/api_refusal.h"
#include "http/server.h"
#include "http/view.h"
#include "spool/select.h"
#include "util/clock.h"
#include "util/str.h"
#include "util/when.h"

/* ---- one capture ---- */

static void member_known(struct json_writer *w, const char *key, const char *text)
{
	if (text[0] != '\0')
		json_member_string(w, key, text);
}

static void member_bytes(struct json_writer *w, const char *key, uint64_t bytes)
{
	if (bytes > 0)
		json_member_uint(w, key, bytes);
}

/* What it passed on its way to the disk. */
static void write_recipe(struct json_writer *w, const struct manifest *manifest)
{
	member_known(w, "redact", manifest->redact);
	member_known(w, "compress", manifest->compress);
	member_known(w, "encrypt", manifest->encrypt);
	member_known(w, "recipients", manifest->recipients);
}

static void write_series(struct json_writer *w, const struct manifest *manifest)
{
	if (manifest->series[0] == '\0')
		return;
	json_member_string(w, "series", manifest->series);
	json_member_uint(w, "series_index", (uint64_t)manifest->series_index);
	json_member_uint(w, "series_count", (uint64_t)manifest->series_count);
	member_known(w, "ids", manifest->ids);
}

static void write_manifest(struct json_writer *w, const struct manifest *manifest)
{
	member_known(w, "kind", manifest->kind);
	json_member_string(w, "target", manifest->target);
	json_member_string(w, "isolate", manifest->isolate);
	member_known(w, "address", manifest->address);
	member_known(w, "runtime", manifest->runtime);
	member_known(w, "runtime_version", manifest->runtime_version);
	member_known(w, "engine", manifest->engine);
	member_known(w, "engine_version", manifest->engine_version);
	if (manifest->pid > 0)
		json_member_uint(w, "pid", (uint64_t)manifest->pid);
	json_member_string(w, "rule", manifest->rule);
	member_known(w, "step", manifest->rule_step);
	member_known(w, "requested_by", manifest->requested_by);
	member_known(w, "cause", manifest->cause);
	member_bytes(w, "heap_used_bytes", manifest->heap_used_bytes);
	member_bytes(w, "heap_limit_bytes", manifest->heap_limit_bytes);
	member_bytes(w, "resident_before_bytes", manifest->resident_before_bytes);
	member_bytes(w, "resident_peak_bytes", manifest->resident_peak_bytes);
	write_recipe(w, manifest);
	write_series(w, manifest);
	member_known(w, "profile", manifest->profile);
	member_known(w, "source", manifest->source);
	if (manifest->started_wall_ms > 0)
		api_member_time(w, "started", manifest->started_wall_ms, NULL);
	if (manifest->finished_wall_ms > 0)
		api_member_time(w, "finished", manifest->finished_wall_ms, NULL);
}

/* As it is now, where the manifest has what was last noted. */
static void write_analysis(struct json_writer *w, const struct http_view *view,
			   const struct manifest *manifest)
{
	const char *reason;

	json_write_key(w, "analysis");
	json_write_object(w);
	json_member_string(w, "state", analyses_state(view->analyses, manifest, &reason));
	json_member_string(w, "reason", reason);
	json_write_object_end(w);
}

/* All of the manifest, and what is easier to read of it; second: as in write_capture(). */
static void write_ready(struct json_writer *w, const struct http_view *view,
			const struct manifest *manifest, const char *second)
{
	json_write_object(w);
	json_member_string(w, "state", capture_step_name(CAPTURE_SUCCEEDED));
	json_member_string(w, "file",
			   presence_name(select_presence(view->spool->ready_fd, manifest)));
	manifest_write_members(manifest, w);
	write_analysis(w, view, manifest);
	if (manifest->started_wall_ms > 0)
		api_member_time(w, "started", manifest->started_wall_ms, NULL);
	if (manifest->finished_wall_ms > 0)
		api_member_time(w, "finished", manifest->finished_wall_ms, NULL);
	api_member_seconds(w, "duration_seconds", manifest->duration_ns);
	api_member_seconds(w, "pause_seconds", manifest->pause_ns);
	member_known(w, "second", second);
	json_write_object_end(w);
}

/* second: the id of the other, of the first of two; "": none, or it is not looked for. */
static void write_capture(struct json_writer *w, const struct capture *capture, const char *second)
{
	json_write_object(w);
	json_member_string(w, "id", capture->id);
	json_member_string(w, "state", capture_step_name(capture->step));
	write_manifest(w, &capture->manifest);
	json_member_uint(w, "bytes", capture->bytes);
	if (capture->step == CAPTURE_FAILED) {
		json_member_string(w, "reason", capture->reason);
		json_member_string(w, "error", capture->error);
		if (capture->refused)
			json_member_bool(w, "refused", true);
	}
	member_known(w, "second", second);
	json_write_object_end(w);
}

static void write_refused(struct json_writer *w, const struct refused *refused)
{
	json_write_object(w);
	api_member_time(w, "time", refused->wall_ms, NULL);
	json_member_string(w, "target", refused->target);
	json_member_string(w, "isolate", refused->isolate);
	json_member_string(w, "rule", refused->rule);
	member_known(w, "step", refused->step);
	json_member_string(w, "reason", capture_refusal_name(refused->reason));
	json_member_string(w, "text", refused->text);
	json_member_uint(w, "times", refused->times);
	json_write_object_end(w);
}

/* ---- the lists ---- */

static void write_list(struct json_writer *w, const struct link *list, bool only_failed)
{
	list_each (at, list) {
		const struct capture *capture = container_of(at, struct capture, link);

		if (!only_failed || capture->step == CAPTURE_FAILED)
			write_capture(w, capture, "");
	}
}

/* What the query wants to see of the spool. */
struct filter {
	const char *match, *kind;
	int64_t since_ms, until_ms;
	uint64_t limit;
};

static int read_time(const struct http_exchange *exchange, const char *name, int64_t *ret)
{
	const char *text = http_argument(exchange, name);

	return text != NULL ? when_parse(text, clock_wall_ms(), ret) : 0;
}

/* 0, or -EINVAL with the name of the argument that is wrong. */
static int read_filter(const struct http_exchange *exchange, struct filter *ret, const char **wrong)
{
	const char *limit = http_argument(exchange, "limit");

	*ret = (struct filter){ .match = http_argument(exchange, "match"),
				.kind = http_argument(exchange, "kind"),
				.until_ms = INT64_MAX,
				.limit = UINT64_MAX };
	*wrong = "since";
	if (read_time(exchange, "since", &ret->since_ms) < 0)
		return -EINVAL;
	*wrong = "until";
	if (read_time(exchange, "until", &ret->until_ms) < 0)
		return -EINVAL;
	*wrong = "limit";
	if (limit != NULL && str_parse_uint(limit, &ret->limit) < 0)
		return -EINVAL;
	*wrong = "match";
	return ret->match == NULL || select_is_pattern(ret->match) ? 0 : -EINVAL;
}

static bool passes(const struct filter *filter, const struct manifest *manifest)
{
	return (filter->match == NULL || select_matches(manifest, filter->match)) &&
	       (filter->kind == NULL || strcmp(filter->kind, manifest->kind) == 0) &&
	       manifest->started_wall_ms >= filter->since_ms &&
	       manifest->started_wall_ms <= filter->until_ms;
}

/* Newest first, as a person looks for it. */
static void write_spool(struct json_writer *w, const struct http_view *view,
			const struct filter *filter)
{
	const struct spool *spool = view->spool;
	uint64_t left = filter->limit;

	for (const struct link *at = spool->ready.prev; at != &spool->ready && left > 0;
	     at = at->prev) {
		const struct manifest *manifest =
			&container_of(at, const struct spool_entry, link)->manifest;

		if (!passes(filter, manifest))
			continue;
		write_ready(w, view, manifest, "");
		left--;
	}
}

void api_member_refused(struct json_writer *w, const char *key, const struct captures *captures,
			const char *rule)
{
	uint64_t n = captures->refused_n < REFUSED_MAX ? captures->refused_n : REFUSED_MAX;

	json_write_key(w, key);
	json_write_array(w);
	for (uint64_t i = 1; i <= n; i++) {
		const struct refused *refused =
			&captures->refused[(captures->refused_n - i) % REFUSED_MAX];

		if (rule == NULL || strcmp(refused->rule, rule) == 0)
			write_refused(w, refused);
	}
	json_write_array_end(w);
}

int api_captures(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct api_answer answer;
	struct json_writer *w = &answer.json;
	struct filter filter;
	const char *wrong;

	if (read_filter(exchange, &filter, &wrong) < 0)
		return http_answer_error(exchange, 400, NULL, "%s: this is none", wrong);
	api_begin(&answer);
	json_write_object(w);
	json_write_key(w, "running");
	json_write_array(w);
	write_list(w, &view->captures->running, false);
	write_list(w, &view->captures->queue, false);
	json_write_array_end(w);
	json_write_key(w, "ready");
	json_write_array(w);
	write_spool(w, view, &filter);
	json_write_array_end(w);
	json_write_key(w, "failed");
	json_write_array(w);
	write_list(w, &view->captures->ended, true);
	json_write_array_end(w);
	api_member_refused(w, "refused", view->captures, NULL);
	json_write_object_end(w);
	return api_finish(&answer, exchange, 200);
}

static int answer_unknown(struct http_exchange *exchange)
{
	return http_answer_error(exchange, 404, NULL, "no capture has this id");
}

int api_capture(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const struct spool_entry *entry = spool_find(view->spool, exchange->params[0]);
	const struct capture *capture = captures_find(view->captures, exchange->params[0]);
	char second[CAPTURE_ID_MAX] = "";
	struct api_answer answer;

	/* One that succeeded and is not in the spool has been deleted. */
	if (entry == NULL && (capture == NULL || capture->step == CAPTURE_SUCCEEDED))
		return answer_unknown(exchange);
	(void)captures_find_second(view->captures, exchange->params[0], second);
	api_begin(&answer);
	if (entry != NULL)
		write_ready(&answer.json, view, &entry->manifest, second);
	else
		write_capture(&answer.json, capture, second);
	return api_finish(&answer, exchange, 200);
}

/* ---- the end of one ---- */

int api_capture_delete(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const char *id = exchange->params[0];
	struct api_answer answer;
	bool cancelled = false;
	int r;

	r = spool_remove_for(view->spool, id, SPOOL_API);
	if (r == 0) {
		spool_settle(view->spool);
		series_cancel(view->captures, id);
		(void)captures_cancel(view->captures, id); /* the second of a tracking */
	}
	if (r == -ENOENT) {
		r = captures_cancel(view->captures, id);
		cancelled = r == 0;
	}
	if (r == -ENOENT || r == -EALREADY)
		return answer_unknown(exchange);
	if (r < 0)
		return r;
	api_begin(&answer);
	json_write_object(&answer.json);
	json_member_string(&answer.json, "id", id);
	json_member_string(&answer.json, "result", cancelled ? "cancelled" : "deleted");
	json_write_object_end(&answer.json);
	return api_finish(&answer, exchange, cancelled ? 202 : 200);
}

/* ---- a look while one goes on ---- */

int api_capture_peek(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	char id[CAPTURE_ID_MAX] = "";
	struct err err = { .text = "" };
	struct api_answer answer;
	char peer[CAPTURE_REQUESTED_BY_MAX];
	int r = captures_peek(view->captures, exchange->params[0],
			      http_peer(exchange, peer, sizeof(peer)), id, &err);

	if (r == -ENOENT && spool_find(view->spool, exchange->params[0]) == NULL)
		return answer_unknown(exchange);
	if (r == -ENOENT)
		return http_answer_error(exchange, 409, NULL, "it is in the spool, and whole");
	if (r > 0)
		return api_answer_refused(exchange, r, &err);
	if (r < 0 && err.text[0] != '\0')
		return http_answer_error(exchange, 409, NULL, "%s", err.text);
	if (r < 0)
		return r;
	api_begin(&answer);
	json_write_object(&answer.json);
	json_member_string(&answer.json, "id", id);
	json_write_object_end(&answer.json);
	return api_finish(&answer, exchange, 202);
}
