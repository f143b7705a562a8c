/*
 * Requests
 *
 * What is known when the head is in is judged then, before a byte of the body is read: strangers,
 * paths, methods, sizes. A body over the limit whose size was not announced is read on and thrown
 * away for a while, because a client that is still sending would not see the answer.
 */

#include "http/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/connection.h"
#include "http/guard.h"
#include "http/login.h"
#include "http/route.h"
#include "http/router.h"
#include "util/log.h"
#include "util/str.h"

/* A body over its limit is thrown away up to here. */
enum { BODY_DISCARD_MAX = 4 * HTTP_BODY_MAX };

void request_forget(struct http_connection *c)
{
	if (c->exchange.drop != NULL)
		c->exchange.drop(&c->exchange);
	for (uint32_t i = 0; i < c->headers_n; i++)
		free(c->headers[i].value);
	free(c->uri);
	free(c->path);
	free(c->params);
	buf_fini(&c->body);
	c->exchange = (struct http_exchange){ .server = c->site->server, .connection = c };
	c->uri = c->path = c->params = NULL;
	c->user[0] = '\0';
	c->headers_n = 0;
	c->status = 0;
	c->started = c->head_passed = c->whole = c->held = c->suspended = false;
	c->discarded = 0;
	c->step = 0;
	c->answer_bytes = 0;
	buf_init(&c->body, HTTP_BODY_MAX);
}

/* The path of "/path?query" or "http://host/path?query". */
static char *path_of(const char *uri)
{
	const char *authority = strstr(uri, "://");

	if (uri[0] != '/' && authority != NULL)
		uri = authority + 3 + strcspn(authority + 3, "/?");
	return str_dup_span(uri, strcspn(uri, "?#"));
}

static bool changes_state(const char *method)
{
	return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

static int authenticate(struct http_connection *c)
{
	return login_judge(c->site->login, &c->exchange);
}

static int refuse_strangers(struct http_connection *c)
{
	const char *host = http_header(&c->exchange, "Host");

	if (c->check_host && !guard_host(host, c->site->external_url))
		return http_answer_error(&c->exchange, 403, NULL,
					 "host not allowed: this server listens on loopback; use "
					 "localhost, an address, or set web.external_url");
	if (changes_state(c->method) &&
	    !guard_origin(http_header(&c->exchange, "Origin"),
			  http_header(&c->exchange, "Sec-Fetch-Site"), host, c->site->external_url))
		return http_answer_error(&c->exchange, 403, NULL,
					 "requests that change something are refused from the "
					 "pages of another origin");
	return 0;
}

static int find_route(struct http_connection *c)
{
	struct route_match match;
	enum route_verdict verdict = router_match(c->site->routes, c->method, c->params, &match);

	c->exchange.route = match.route;
	memcpy(c->exchange.params, match.params, sizeof(match.params));
	switch (verdict) {
	case ROUTE_FOUND:
		return 0;
	case ROUTE_METHOD:
		http_set_header(&c->exchange, "Allow", match.allow);
		return http_answer_error(&c->exchange, 405, NULL, "method not allowed; use %s",
					 match.allow);
	case ROUTE_ENCODING:
		return http_answer_error(&c->exchange, 400, NULL, "ill-formed path");
	case ROUTE_NONE:
	default:
		return http_answer_error(&c->exchange, 404, NULL, "page not found");
	}
}

static int refuse_body(struct http_connection *c)
{
	const char *text = http_header(&c->exchange, "Content-Length");
	uint64_t size;

	if (text == NULL || (str_parse_uint(text, &size) == 0 && size <= HTTP_BODY_MAX))
		return 0;
	return http_answer_error(&c->exchange, 413, NULL, "request body over %d bytes",
				 HTTP_BODY_MAX);
}

/* Whatever answers makes the steps after it unnecessary; one that holds has them wait. */
static int take_steps(struct http_connection *c)
{
	static int (*const steps[])(struct http_connection *) = {
		refuse_strangers,
		authenticate,
		find_route,
		refuse_body,
	};
	int r = 0;

	while (c->step < sizeof(steps) / sizeof(steps[0]) && r == 0 && c->status == 0 && !c->held)
		r = steps[c->step++](c);
	return r;
}

int request_continue(struct http_connection *c)
{
	int r = take_steps(c);

	if (r == 0 && c->status == 0)
		server_read_on(c);
	return r;
}

int request_begin(struct http_connection *c, const char *method)
{
	c->started = true;
	str_copy(c->method, sizeof(c->method), method);
	if (c->uri == NULL)
		return -ENOMEM;
	c->path = path_of(c->uri);
	c->params = path_of(c->uri);
	if (c->path == NULL || c->params == NULL)
		return -ENOMEM;
	c->exchange.path = c->path;
	c->exchange.method = c->method;
	/* Arguments are texts that end at a zero byte: no one may smuggle one in. */
	if (strstr(c->uri, "%00") != NULL)
		return http_answer_error(&c->exchange, 400, NULL, "zero byte in the URL");
	return take_steps(c);
}

void request_handle(struct http_connection *c)
{
	int r;

	c->whole = true;
	if (c->body.error == -ENOMEM) {
		http_answer_error(&c->exchange, 503, NULL, "no memory for the request body");
		return;
	}
	if (c->discarded > 0) {
		http_answer_error(&c->exchange, 413, NULL, "request body over %d bytes",
				  HTTP_BODY_MAX);
		return;
	}
	r = c->exchange.route->handle(&c->exchange);
	if (c->status != 0 || (r == 0 && c->held))
		return;
	log_error("http", "%s %s failed: %s", c->method, c->path, strerror(r < 0 ? -r : EPROTO));
	http_answer_error(&c->exchange, 500, NULL, "internal error: %s",
			  strerror(r < 0 ? -r : EPROTO));
}

void request_take_body(struct http_connection *c, const char *data, size_t size)
{
	if (c->discarded == 0 && buf_append(&c->body, data, size) == 0)
		return;
	c->discarded += size;
	if (c->discarded > BODY_DISCARD_MAX)
		connection_cut(c);
}

int request_give_up(struct http_connection *c, const char *why)
{
	struct http_exchange *exchange = &c->exchange;

	if (exchange->drop != NULL)
		exchange->drop(exchange);
	exchange->drop = NULL;
	return http_answer_error(exchange, 503, NULL, "%s", why);
}

const char *request_answer_header(const struct http_connection *c, const char *name)
{
	for (uint32_t i = 0; i < c->headers_n; i++) {
		if (strcasecmp(c->headers[i].name, name) == 0)
			return c->headers[i].value;
	}
	return NULL;
}

void request_drop_header(struct http_connection *c, const char *name)
{
	for (uint32_t i = 0; i < c->headers_n; i++) {
		if (strcasecmp(c->headers[i].name, name) != 0)
			continue;
		free(c->headers[i].value);
		c->headers[i] = c->headers[--c->headers_n];
		return;
	}
}

const char *http_body(const struct http_exchange *exchange, size_t *ret_size)
{
	struct buf *body = &exchange->connection->body;
	const char *text = buf_text(body);

	if (ret_size != NULL)
		*ret_size = body->size;
	return text != NULL ? text : "";
}

void http_hold(struct http_exchange *exchange)
{
	exchange->connection->held = true;
}

int http_set_header(struct http_exchange *exchange, const char *name, const char *value)
{
	struct http_connection *c = exchange->connection;
	struct http_answer_header *header;
	uint32_t i = 0;
	char *copy;

	if (strpbrk(value, "\r\n") != NULL)
		return -EINVAL;
	while (i < c->headers_n && strcasecmp(c->headers[i].name, name) != 0)
		i++;
	if (i == HTTP_HEADERS_MAX)
		return -E2BIG;
	copy = strdup(value);
	if (copy == NULL)
		return -ENOMEM;
	header = &c->headers[i];
	if (i == c->headers_n)
		c->headers_n++;
	else
		free(header->value);
	header->value = copy;
	str_copy(header->name, sizeof(header->name), name);
	return 0;
}
