/* /api/v1/status: build, run time, spool. */

#include "http/api.h"

#include "capture/capture.h"
#include "http/server.h"
#include "http/view.h"
#include "watch/target.h"

int api_buildinfo(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct api_answer answer;

	api_begin(&answer);
	json_write_object(&answer.json);
	json_member_string(&answer.json, "version", view->version);
	json_member_string(&answer.json, "revision", view->revision);
	json_member_string(&answer.json, "compiler", view->compiler);
	json_write_object_end(&answer.json);
	return api_finish(&answer, exchange, 200);
}

int api_runtimeinfo(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct api_answer answer;
	struct json_writer *w = &answer.json;

	api_begin(&answer);
	json_write_object(w);
	api_member_time(w, "startTime", view->started_wall_ms, NULL);
	json_member_bool(w, "ready", view->ready);
	json_member_bool(w, "reloadConfigSuccess", view->reload_ok);
	api_member_time(w, "lastConfigTime", view->reload_wall_ms, NULL);
	json_member_string(w, "reloadConfigError",
			   view->reload_error[0] != '\0' ? view->reload_error : NULL);
	api_member_seconds(w, "eventLoopLag", view->event_loop_lag_ns);
	json_member_uint(w, "targets", view->targets->count);
	json_member_uint(w, "targetsRefused", view->targets->refused);
	json_write_object_end(w);
	return api_finish(&answer, exchange, 200);
}

int api_spool(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const struct spool *spool = view->spool;
	struct api_answer answer;
	struct json_writer *w = &answer.json;

	api_begin(&answer);
	json_write_object(w);
	json_member_string(w, "path", spool->path);
	json_member_uint(w, "files", spool->files);
	json_member_uint(w, "bytes", spool->bytes);
	json_member_uint(w, "available_bytes", spool_available_bytes(spool));
	json_member_uint(w, "max_use_bytes", spool->limits.max_use_bytes);
	json_member_uint(w, "keep_free_bytes", spool->limits.keep_free_bytes);
	json_member_uint(w, "max_files", spool->limits.max_files);
	json_member_uint(w, "removed", spool_removed(spool));
	json_write_object_end(w);
	return api_finish(&answer, exchange, 200);
}
