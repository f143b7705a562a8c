/* The envelope of the API, and values as Prometheus writes them. */

#include "http/api.h"

#include <errno.h>

#include "http/server.h"
#include "util/clock.h"

void api_begin(struct api_answer *answer)
{
	buf_init(&answer->body, API_BODY_MAX);
	json_write_init(&answer->json, &answer->body);
	json_write_object(&answer->json);
	json_member_string(&answer->json, "status", "success");
	json_write_key(&answer->json, "data");
}

int api_finish(struct api_answer *answer, struct http_exchange *exchange, int status)
{
	json_write_object_end(&answer->json);
	buf_puts(&answer->body, "\n");
	return http_answer(exchange, status, "application/json", &answer->body);
}

void api_member_time(struct json_writer *w, const char *key, int64_t wall_ms, const char *none)
{
	char text[CLOCK_TEXT_MAX];

	json_member_string(w, key, wall_ms > 0 ? clock_format(text, wall_ms) : none);
}

void api_member_seconds(struct json_writer *w, const char *key, uint64_t ns)
{
	json_member_double(w, key, (double)ns / (double)NS_PER_S);
}
