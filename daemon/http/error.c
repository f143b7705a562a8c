/*
 * Errors as clients see them: Prometheus' envelope for programs that use the API, one line of text
 * for everything a person or a scraper asks for.
 */

#include "http/server.h"

#include <stdarg.h>
#include <stdio.h>

#include "http/connection.h"
#include "http/request.h"
#include "json/write.h"
#include "util/str.h"

enum { ERROR_TEXT_MAX = 1024, ERROR_BODY_MAX = 16 * 1024 };

static const char *usual_type(int status)
{
	switch (status) {
	case 401:
		return "unauthorized";
	case 403:
		return "forbidden";
	case 404:
		return "not_found";
	case 409:
		return "conflict";
	case 429:
		return "limit";
	case 503:
		return "unavailable";
	default:
		return status >= 500 ? "internal" : "bad_data";
	}
}

static void write_envelope(struct buf *body, const char *type, const char *text)
{
	struct json_writer w;

	json_write_init(&w, body);
	json_write_object(&w);
	json_member_string(&w, "status", "error");
	json_member_string(&w, "errorType", type);
	json_member_string(&w, "error", text);
	json_write_object_end(&w);
	buf_puts(body, "\n");
}

/* What was said of a body that does not come is not true of the text that does. */
static void forget_body(struct http_connection *c)
{
	request_drop_header(c, "Content-Encoding");
	request_drop_header(c, "Content-Disposition");
}

int http_answer_error(struct http_exchange *exchange, int status, const char *type, const char *fmt,
		      ...)
{
	char text[ERROR_TEXT_MAX];
	struct buf body;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	forget_body(exchange->connection);
	buf_init(&body, ERROR_BODY_MAX);
	if (exchange->path != NULL && str_has_prefix(exchange->path, "/api/")) {
		write_envelope(&body, type != NULL ? type : usual_type(status), text);
		return http_answer(exchange, status, "application/json", &body);
	}
	buf_puts(&body, text);
	buf_puts(&body, "\n");
	return http_answer(exchange, status, "text/plain; charset=utf-8", &body);
}
