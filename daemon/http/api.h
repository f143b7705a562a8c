#pragma once

/* Handlers of /api/v1, and what they share. */

#include <stdint.h>
#include "json/write.h"
#include "util/buf.h"

struct http_exchange;
struct manifest;

/* An answer in the making: {"status":"success","data": ... }. */
struct api_answer {
	struct buf body;
	struct json_writer json; /* stands where the data goes */
};

/* As for /metrics: past this something is wrong. */
enum { API_BODY_MAX = 64 * 1024 * 1024 };

void api_begin(struct api_answer *answer);

/* Answers and frees. */
int api_finish(struct api_answer *answer, struct http_exchange *exchange, int status);

/* key + RFC 3339; `none` (may be NULL: null) when there was no such time. */
void api_member_time(struct json_writer *w, const char *key, int64_t wall_ms, const char *none);

/* key + seconds as a number. */
void api_member_seconds(struct json_writer *w, const char *key, uint64_t ns);

/* The capture in the spool that :id names. NULL with *ret_r: there is none, and that is answered.
 */
const struct manifest *api_find_ready(struct http_exchange *exchange, int *ret_r);

/* Go's zero time, which Prometheus' tools read as "never". */
#define API_NEVER "0001-01-01T00:00:00Z"

/* What was refused lately and why, the newest first; of one rule, or (NULL) all. */
struct captures;
void api_member_refused(struct json_writer *w, const char *key, const struct captures *captures,
			const char *rule);

int api_targets(struct http_exchange *exchange);
int api_target(struct http_exchange *exchange);
int api_series(struct http_exchange *exchange);
int api_sd(struct http_exchange *exchange);
int api_capture_request(struct http_exchange *exchange);
int api_gc(struct http_exchange *exchange);
int api_captures(struct http_exchange *exchange);
int api_capture(struct http_exchange *exchange);
int api_capture_file(struct http_exchange *exchange);
int api_capture_scripts(struct http_exchange *exchange);
int api_capture_report(struct http_exchange *exchange);
int api_capture_flame(struct http_exchange *exchange);
int api_capture_change(struct http_exchange *exchange);
int api_capture_delete(struct http_exchange *exchange);
int api_capture_peek(struct http_exchange *exchange);
int api_rules(struct http_exchange *exchange);
int api_rules_eval(struct http_exchange *exchange);
int api_alerts(struct http_exchange *exchange);
int api_buildinfo(struct http_exchange *exchange);
int api_runtimeinfo(struct http_exchange *exchange);
int api_spool(struct http_exchange *exchange);
int api_spool_vacuum(struct http_exchange *exchange);
