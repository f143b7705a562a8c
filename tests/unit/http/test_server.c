#include "scene.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/metric.h"
#include "util/str.h"

/* The real server on routes of its own: what a handler sees, and what it may do wrong. */

static struct server_scene scene;
static struct http_exchange *held;
static int dropped, handled;

static int answer_body_size(struct http_exchange *exchange)
{
	char text[64];
	size_t size;

	handled++;
	http_body(exchange, &size);
	snprintf(text, sizeof(text), "%zu %s", size, exchange->method);
	return http_answer_text(exchange, 200, text);
}

static int answer_nothing(struct http_exchange *exchange)
{
	return http_answer_text(exchange, 200, "");
}

static int answer_params(struct http_exchange *exchange)
{
	const char *x = http_argument(exchange, "x");
	char text[256];

	snprintf(text, sizeof(text), "%s|%s|%s", exchange->params[0], exchange->params[1],
		 x != NULL ? x : "-");
	return http_answer_text(exchange, 200, text);
}

static void on_drop(struct http_exchange *exchange)
{
	dropped++;
	if (held == exchange)
		held = NULL;
	free(exchange->held);
	exchange->held = NULL;
}

static int hold(struct http_exchange *exchange)
{
	exchange->held = malloc(1); /* a leak when it is not dropped */
	exchange->drop = on_drop;
	held = exchange;
	http_hold(exchange);
	return 0;
}

static int fail(struct http_exchange *exchange)
{
	(void)exchange;
	return -ENOSPC;
}

static int forget_to_answer(struct http_exchange *exchange)
{
	(void)exchange;
	return 0;
}

static int answer_twice(struct http_exchange *exchange)
{
	http_answer_text(exchange, 200, "first");
	return http_answer_text(exchange, 200, "second");
}

static const struct route routes[] = {
	{ "GET", "/get", answer_body_size, "" },
	{ "GET", "/nothing", answer_nothing, "" },
	{ "POST", "/post", answer_body_size, "" },
	{ "PUT", "/post", answer_body_size, "" },
	{ "GET", "/p/:a/x/:b", answer_params, "" },
	{ "GET", "/hold", hold, "" },
	{ "GET", "/fail", fail, "" },
	{ "GET", "/forgetful", forget_to_answer, "" },
	{ "GET", "/twice", answer_twice, "" },
	{ "POST", "/api/v1/post", answer_body_size, "" },
	{ NULL, NULL, NULL, NULL },
};

static void setup(void)
{
	server_prepare(&scene);
	server_start(&scene, routes, &scene);
}

static void teardown(void)
{
	server_stop(&scene);
}

/* Tests of suite server_alone start it themselves. */
TestSuite(server, .init = setup, .fini = teardown);

/* ---- methods, paths ---- */

static const struct {
	const char *method, *path;
	int status;
	const char *allow, *body;
} requests[] = {
	{ "GET", "/get", 200, NULL, "0 GET" },
	{ "HEAD", "/get", 200, NULL, "" },
	{ "GET", "/nothing", 200, NULL, "" },
	{ "POST", "/post", 200, NULL, "0 POST" },
	{ "PUT", "/post", 200, NULL, "0 PUT" },
	{ "GET", "/p/one/x/two", 200, NULL, "one|two|-" },
	{ "GET", "/p/a%2Fb/x/%7E?x=1+2%26", 200, NULL, "a/b|~|1 2&" },
	{ "GET", "http://localhost/p/one/x/two?x=3", 200, NULL, "one|two|3" },
	{ "GET", "/none", 404, NULL, "page not found\n" },
	{ "GET", "/get/", 404, NULL, NULL },
	{ "GET", "//get", 404, NULL, NULL },
	{ "GET", "/p/%zz/x/1", 400, NULL, NULL },
	{ "GET", "/get?x=%00", 400, NULL, NULL },
	{ "POST", "/get", 405, "GET, HEAD", "method not allowed; use GET, HEAD\n" },
	{ "OPTIONS", "/get", 405, "GET, HEAD", NULL },
	{ "DELETE", "/post", 405, "POST, PUT", NULL },
	{ "HEAD", "/post", 405, "POST, PUT", "" },
	{ "BREW", "/get", 405, "GET, HEAD", NULL },
	{ "GET", "/api/v1/none", 404, NULL,
	  "{\"status\":\"error\",\"errorType\":\"not_found\",\"error\":\"page not found\"}\n" },
	{ "GET", "/fail", 500, NULL, "internal error: No space left on device\n" },
	{ "GET", "/forgetful", 500, NULL, "internal error: Protocol error\n" },
	{ "GET", "/twice", 200, NULL, "first" },
};

static void expect_text(const char *got, const char *wanted, const char *what, const char *path)
{
	cr_expect_eq(got == NULL, wanted == NULL, "%s: %s %s", path, what, got ? got : "missing");
	if (got != NULL && wanted != NULL)
		cr_expect_str_eq(got, wanted, "%s: %s '%s'", path, what, got);
}

Test(server, methods_and_paths)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		const char *path = requests[i].path;
		struct client client;

		client_get(&client, &scene.loop, scene.port, requests[i].method, path, "");
		cr_expect_eq(client_status(&client), requests[i].status, "%s %s: %d",
			     requests[i].method, path, client_status(&client));
		expect_text(client_header(&client, "Allow"), requests[i].allow, "Allow", path);
		if (requests[i].body != NULL)
			expect_text(client_body(&client), requests[i].body, "body", path);
		client_close(&client);
	}
}

static void expect_same_header(const struct client *get, const struct client *head,
			       const char *name, const char *path)
{
	const char *value = client_header(get, name);
	char copy[1024] = "";

	if (value != NULL)
		str_copy(copy, sizeof(copy), value);
	expect_text(client_header(head, name), value != NULL ? copy : NULL, name, path);
}

/* HEAD is GET without the body, on every route there is. */
Test(server_alone, head_for_every_get)
{
	static struct view_scene view;
	size_t n = 0;

	view_start(&view);
	for (const struct route *route = http_routes; route->pattern != NULL; route++) {
		struct client get, head;

		if (strcmp(route->method, "GET") != 0)
			continue;
		client_get(&get, &view.web.loop, view.web.port, "GET", route->pattern, "");
		client_get(&head, &view.web.loop, view.web.port, "HEAD", route->pattern, "");
		cr_expect_eq(client_status(&head), client_status(&get), "%s", route->pattern);
		expect_same_header(&get, &head, "Content-Type", route->pattern);
		expect_same_header(&get, &head, "X-Content-Type-Options", route->pattern);
		cr_expect_not_null(client_header(&head, "Content-Length"), "%s", route->pattern);
		cr_expect_eq(client_body_size(&head), 0, "%s: HEAD with a body", route->pattern);
		client_close(&get);
		client_close(&head);
		n++;
	}
	cr_expect_geq(n, 15, "%zu routes", n);
	view_stop(&view);
}

/* Nothing follows a HEAD on its connection but the next answer. */
Test(server, keeps_connections)
{
	struct client client;

	client_get(&client, &scene.loop, scene.port, "HEAD", "/get", "");
	for (int i = 0; i < 3; i++) {
		client_forget(&client);
		client_send(&client, "GET /get HTTP/1.1\r\nHost: localhost\r\n\r\n");
		client_wait(&client, false);
		cr_expect_eq(client_status(&client), 200);
		cr_expect_str_eq(client_body(&client), "0 GET");
	}
	client_close(&client);
}

/* Two requests in one packet are answered in order. */
Test(server, pipelining)
{
	const char *second;
	struct client client;

	client_open(&client, &scene.loop, scene.port);
	client_send(&client, "GET /p/1/x/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
			     "GET /p/2/x/b HTTP/1.1\r\nHost: localhost\r\n"
			     "Connection: close\r\n\r\n");
	cr_expect(client_ends(&client, CLIENT_WAIT_MS));
	cr_assert_not_null(strstr(client.data, "1|a|-"), "%s", client.data);
	second = strstr(client.data, "2|b|-");
	cr_assert_not_null(second, "%s", client.data);
	cr_expect_gt(second, strstr(client.data, "1|a|-"));
	client_close(&client);
}

Test(server, headers_of_every_answer)
{
	static const char *const paths[] = { "/get", "/none", "/fail" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct client client;
		const char *policy;

		client_get(&client, &scene.loop, scene.port, "GET", paths[i], "");
		expect_text(client_header(&client, "X-Content-Type-Options"), "nosniff", "sniff",
			    paths[i]);
		expect_text(client_header(&client, "Cache-Control"), "no-store", "cache", paths[i]);
		expect_text(client_header(&client, "Referrer-Policy"), "no-referrer", "referrer",
			    paths[i]);
		policy = client_header(&client, "Content-Security-Policy");
		cr_assert_not_null(policy);
		cr_expect_not_null(strstr(policy, "default-src 'none'"));
		client_close(&client);
	}
}

/* ---- strangers ---- */

static const struct {
	const char *method, *head;
	int status;
} strangers[] = {
	{ "GET", "Host: localhost\r\n", 200 },
	{ "GET", "Host: 127.0.0.1:19229\r\n", 200 },
	{ "GET", "Host: [::1]:19229\r\n", 200 },
	{ "GET", "Host: heap.example\r\n", 200 },
	{ "GET", "Host: heap.example:1\r\n", 200 },
	{ "GET", "Host: evil.example\r\n", 403 },
	{ "GET", "Host: heap.example.evil.example\r\n", 403 },
	{ "GET", "Host: \r\n", 403 },
	{ "GET", "", 400 },
	{ "GET", "Host: localhost\r\nOrigin: http://evil.example\r\n", 200 },
	{ "POST", "Host: localhost\r\n", 200 },
	{ "POST", "Host: localhost\r\nOrigin: http://localhost\r\n", 200 },
	{ "POST", "Host: localhost\r\nOrigin: http://evil.example\r\n", 403 },
	{ "POST", "Host: localhost\r\nOrigin: null\r\n", 403 },
	{ "POST", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403 },
	{ "POST", "Host: localhost\r\nSec-Fetch-Site: same-origin\r\n", 200 },
	{ "POST", "Host: localhost:1\r\nOrigin: http://localhost:2\r\n", 403 },
	{ "POST", "Host: 10.0.0.1\r\nOrigin: https://heap.example\r\n", 200 },
	{ "POST", "Host: 10.0.0.1\r\nOrigin: http://heap.example\r\n", 403 },
	{ "PUT", "Host: localhost\r\nOrigin: http://evil.example\r\n", 403 },
	{ "BREW", "Host: localhost\r\nOrigin: http://evil.example\r\n", 403 },
};

Test(server, host_and_origin)
{
	char url[] = "https://heap.example/watch";

	scene.settings.external_url = url;
	cr_assert_eq(http_server_set(scene.server, &scene.settings), 0);
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		bool get = strcmp(strangers[i].method, "GET") == 0;
		char request[512];
		struct client client;

		snprintf(request, sizeof(request), "%s /%s HTTP/1.1\r\n%s\r\n", strangers[i].method,
			 get ? "get" : "post", strangers[i].head);
		handled = 0;
		client_open(&client, &scene.loop, scene.port);
		client_send(&client, request);
		client_wait(&client, false);
		cr_expect_eq(client_status(&client), strangers[i].status, "%s %s: %d",
			     strangers[i].method, strangers[i].head, client_status(&client));
		cr_expect_eq(handled, strangers[i].status == 200, "%s", strangers[i].head);
		client_close(&client);
	}
}

/* HTTP/1.0 has no Host: no browser speaks it. */
Test(server, http_1_0)
{
	struct client client;

	client_open(&client, &scene.loop, scene.port);
	client_send(&client, "GET /get HTTP/1.0\r\n\r\n");
	cr_expect(client_ends(&client, CLIENT_WAIT_MS));
	cr_expect_not_null(strstr(client.data, " 200 "), "%s", client.data);
	cr_expect_str_eq(client_body(&client), "0 GET");
	client_close(&client);
}

/* ---- bodies ---- */

static char *filler(size_t size)
{
	char *data = malloc(size);

	cr_assert_not_null(data);
	memset(data, 'x', size);
	return data;
}

static void post(struct client *client, const char *head, const void *body, size_t size)
{
	char request[512];

	snprintf(request, sizeof(request), "POST /post HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
		 head);
	client_open(client, &scene.loop, scene.port);
	client_send(client, request);
	client_send_bytes(client, body, size);
}

Test(server, body_at_its_limit)
{
	char *body = filler(HTTP_BODY_MAX + 1), head[64];
	struct client client;

	snprintf(head, sizeof(head), "Content-Length: %d\r\n", HTTP_BODY_MAX);
	post(&client, head, body, HTTP_BODY_MAX);
	client_wait(&client, false);
	cr_expect_eq(client_status(&client), 200, "%d", client_status(&client));
	cr_expect_str_eq(client_body(&client), "1048576 POST");
	client_close(&client);
	free(body);
}

/* What is announced too large is refused before a byte of it is read. */
Test(server, body_announced_too_large)
{
	static const char *const heads[] = {
		"Content-Length: 1048577\r\n",
		"Content-Length: 1048577\r\nExpect: 100-continue\r\n",
		"Content-Length: 999999999999\r\n",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct client client;

		handled = 0;
		post(&client, heads[i], "", 0);
		client_wait(&client, false);
		cr_expect_eq(client_status(&client), 413, "%s: %s", heads[i], client.data);
		cr_expect(client_ends(&client, CLIENT_WAIT_MS), "kept for more of the body");
		cr_expect_eq(handled, 0);
		client_close(&client);
	}
}

Test(server, expect_100_continue)
{
	struct client client;

	post(&client, "Content-Length: 5\r\nExpect: 100-continue\r\n", "", 0);
	while (strstr(client.data, "100 Continue\r\n\r\n") == NULL && !client.ended)
		client_turn(&client, 10);
	client_forget(&client);
	client_send(&client, "12345");
	client_wait(&client, false);
	cr_expect_str_eq(client_body(&client), "5 POST");
	client_close(&client);
}

static void post_chunks(struct client *client, size_t chunks)
{
	enum { CHUNK = 0x10000 };
	char *body = filler(CHUNK + 2);

	memcpy(body + CHUNK, "\r\n", 2);
	post(client, "Transfer-Encoding: chunked\r\n", "", 0);
	for (size_t i = 0; i < chunks && !client->ended; i++) {
		client_send(client, "10000\r\n");
		client_send_bytes(client, body, CHUNK + 2);
	}
	if (!client->ended)
		client_send(client, "0\r\n\r\n");
	free(body);
}

Test(server, chunked_body)
{
	struct client client;

	post_chunks(&client, 2);
	client_wait(&client, false);
	cr_expect_str_eq(client_body(&client), "131072 POST");
	client_close(&client);
	/* Its size is not announced: read to its end and refused. */
	handled = 0;
	post_chunks(&client, 17);
	client_wait(&client, false);
	cr_expect_eq(client_status(&client), 413);
	cr_expect_eq(handled, 0);
	client_close(&client);
}

/* A body without an end is not read without end. */
Test(server, endless_body)
{
	struct client client;

	handled = 0;
	post_chunks(&client, 160);
	cr_expect(client_ends(&client, CLIENT_WAIT_MS));
	cr_expect_eq(handled, 0);
	client_close(&client);
}

Test(server, head_too_large)
{
	enum { HEAD_SIZE = 60000 };
	char *value = filler(HEAD_SIZE);
	struct client client;

	client_open(&client, &scene.loop, scene.port);
	client_send(&client, "GET /get HTTP/1.1\r\nHost: localhost\r\nX-Filler: ");
	client_send_bytes(&client, value, HEAD_SIZE);
	cr_expect(client_ends(&client, CLIENT_WAIT_MS));
	cr_expect_not_null(strstr(client.data, " 431 "), "%.100s", client.data);
	client_close(&client);
	free(value);
}

/* ---- holding ---- */

static void open_held(struct client *client)
{
	held = NULL;
	client_open(client, &scene.loop, scene.port);
	client_send(client, "GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
	while (held == NULL && !client->ended)
		client_turn(client, 10);
	cr_assert_not_null(held);
}

Test(server, held_and_answered)
{
	struct client client, other;

	open_held(&client);
	client_get(&other, &scene.loop, scene.port, "GET", "/get", "");
	cr_expect_eq(client_status(&other), 200, "others are served meanwhile");
	cr_expect_eq(client.size, 0);
	held->drop = NULL;
	free(held->held);
	cr_assert_eq(http_answer_text(held, 200, "at last"), 0);
	client_wait(&client, false);
	cr_expect_str_eq(client_body(&client), "at last");
	cr_expect_eq(dropped, 0);
	client_close(&client);
	client_close(&other);
}

Test(server, held_too_long)
{
	struct client client;

	scene.settings.response_timeout_ns = 50 * NS_PER_MS;
	cr_assert_eq(http_server_set(scene.server, &scene.settings), 0);
	open_held(&client);
	client_wait(&client, false);
	cr_expect_eq(client_status(&client), 503);
	cr_expect_eq(dropped, 1);
	client_close(&client);
}

/* The client leaves while it is held; nobody sees that before the answer. */
Test(server, held_and_left)
{
	struct client client;

	open_held(&client);
	client_close(&client);
	held->drop = NULL;
	free(held->held);
	cr_assert_eq(http_answer_text(held, 200, "too late"), 0);
	client_get(&client, &scene.loop, scene.port, "GET", "/get", "");
	cr_expect_eq(client_status(&client), 200);
	client_close(&client);
}

Test(server_alone, shutdown_answers_what_is_held)
{
	struct client client[3];
	uint64_t began_ns = clock_mono_ns();

	setup();
	for (size_t i = 0; i < 2; i++)
		open_held(&client[i]);
	client_open(&client[2], &scene.loop, scene.port);
	client_send(&client[2], "GET /get HTTP/1.1\r\nHo");
	http_server_free(scene.server);
	cr_expect_eq(dropped, 2);
	cr_expect_lt(clock_mono_ns() - began_ns, 5 * NS_PER_S);
	for (size_t i = 0; i < 3; i++) {
		cr_expect(client_ends(&client[i], CLIENT_WAIT_MS));
		cr_expect_eq(client_status(&client[i]), i < 2 ? 503 : 0, "%zu: %s", i,
			     client[i].data);
		client_close(&client[i]);
	}
	loop_fini(&scene.loop);
}

/* ---- counters ---- */

static uint64_t counted(const char *handler, const char *method, int code)
{
	const struct http_counter *at = http_counters(scene.server);

	while (at != NULL && (strcmp(at->handler, handler) != 0 ||
			      strcmp(at->method, method) != 0 || at->code != code))
		at = at->next;
	return at != NULL ? at->requests : 0;
}

static uint64_t observed(const char *handler)
{
	const struct histogram *at = http_durations(scene.server, handler);
	uint64_t n = 0;

	for (size_t i = 0; at != NULL && i <= at->bounds_n; i++)
		n += at->counts[i];
	return n;
}

Test(server, counts_requests)
{
	static const char *const asked[][2] = {
		{ "GET", "/get" },     { "GET", "/get" },  { "HEAD", "/get" },
		{ "POST", "/get" },    { "GET", "/none" }, { "GET", "/p/1/x/2" },
		{ "GET", "/p/3/x/4" }, { "BREW", "/get" }, { "get", "/get" },
	};
	struct client client;

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		client_get(&client, &scene.loop, scene.port, asked[i][0], asked[i][1], "");
		client_close(&client);
	}
	/* A request is complete for the library a little after its answer was read. */
	while (counted("/get", "get", 405) == 0)
		loop_turn(&scene.loop, 10);
	cr_expect_eq(counted("/get", "get", 200), 2);
	cr_expect_eq(counted("/get", "head", 200), 1);
	cr_expect_eq(counted("/get", "post", 405), 1);
	cr_expect_eq(counted("/get", "other", 405), 1);
	cr_expect_eq(counted("", "get", 404), 1);
	cr_expect_eq(counted("/p/:a/x/:b", "get", 200), 2);
	cr_expect_eq(observed("/p/:a/x/:b"), 2);
	cr_expect_eq(observed("/hold"), 0);
}

/* ---- several listeners ---- */

static void expect_served(uint16_t port)
{
	struct client client;

	client_get(&client, &scene.loop, port, "GET", "/get", "");
	cr_expect_eq(client_status(&client), 200);
	client_close(&client);
}

static void expect_served_unix(const char *path)
{
	struct client client;

	client_open_unix(&client, &scene.loop, path);
	/* No browser reaches a unix socket: any name will do. */
	client_send(&client, "GET /get HTTP/1.1\r\nHost: whatever\r\n\r\n");
	client_wait(&client, false);
	cr_expect_eq(client_status(&client), 200);
	client_close(&client);
}

static int listening(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(fd, 16), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

Test(server_alone, several_listeners)
{
	char dir[] = "/tmp/heapwatch-http-XXXXXX", unix_address[64], same[32];
	char *addresses[] = { "127.0.0.1:0", unix_address, "127.0.0.2:0", same };
	struct err err = { .text = "" };
	uint16_t port;
	int fd;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(unix_address, sizeof(unix_address), "unix:%s/http.sock", dir);
	server_prepare(&scene);
	scene.settings.listen_addresses = (struct text_list){ addresses, 4 };
	fd = listening(&port);
	/* Bound by the socket unit already: not bound again. */
	snprintf(same, sizeof(same), "127.0.0.1:%u", port);
	cr_assert_eq(http_server_init(&scene.server, &scene.loop, &scene.settings, routes, NULL),
		     0);
	cr_assert_eq(http_server_listen(scene.server, &fd, 1, &err), 0, "%s", err.text);
	expect_served(http_server_port(scene.server, 0));
	cr_expect_eq(http_server_port(scene.server, 1), 0);
	cr_expect_neq(http_server_port(scene.server, 2), 0);
	cr_expect_eq(http_server_port(scene.server, 3), port);
	cr_expect_eq(http_server_port(scene.server, 4), 0);
	expect_served(port);
	expect_served_unix(unix_address + 5);
	server_stop(&scene);
	cr_expect_lt(fcntl(fd, F_GETFD), 0, "the passed descriptor was taken");
	cr_expect_neq(access(unix_address + 5, F_OK), 0, "the unix socket is left behind");
	cr_expect_eq(rmdir(dir), 0);
}

static const struct {
	const char *first, *second, *text;
} refused[] = {
	{ "0.0.0.0:0", NULL, "allow_remote" },
	{ "127.0.0.1:0", ":0", "allow_remote" },
	{ "127.0.0.1:0", "somewhere:1", "somewhere:1" },
	{ "192.0.2.1:0", NULL, "cannot listen on 192.0.2.1:0" },
};

Test(server_alone, addresses_refused)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char *addresses[] = { (char *)(uintptr_t)refused[i].first,
				      (char *)(uintptr_t)refused[i].second };
		struct err err = { .text = "" };

		server_prepare(&scene);
		scene.settings.listen_addresses =
			(struct text_list){ addresses, refused[i].second != NULL ? 2 : 1 };
		cr_assert_eq(
			http_server_init(&scene.server, &scene.loop, &scene.settings, routes, NULL),
			0);
		cr_expect_lt(http_server_listen(scene.server, NULL, 0, &err), 0);
		cr_expect_not_null(strstr(err.text, refused[i].text), "%s", err.text);
		server_stop(&scene);
	}
}

Test(server_alone, descriptor_that_is_no_socket)
{
	struct err err = { .text = "" };
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	server_prepare(&scene);
	scene.settings.listen_addresses.n = 0;
	cr_assert_eq(http_server_init(&scene.server, &scene.loop, &scene.settings, routes, NULL),
		     0);
	cr_expect_lt(http_server_listen(scene.server, &fd, 1, &err), 0);
	cr_expect_not_null(strstr(err.text, "passed descriptor"), "%s", err.text);
	server_stop(&scene);
	close(fd);
}
