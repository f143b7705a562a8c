/*
 * HTTP against scripted servers: what is asked, what an answer may look like, and what a bad
 * server may cost. getaddrinfo() is replaced, so that a resolver can stay silent.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loop/loop.h"
#include "net/http_call.h"
#include "peer.h"
#include "util/clock.h"

enum { PATIENCE_MS = 10000, BODY_MAX = 4096, LINES = 3000, MANY = 50 };

struct got {
	int calls, r;
	long status;
	char body[BODY_MAX + 1], reason[256];
	size_t size;
	uint64_t refresh_ns, retry_after_ns;
	int64_t date_wall_ms;
	bool connected;
};

static struct loop loop;
static struct http_client *client;
static struct server server;
static struct http_fetch *fetch;
static struct got got;
static char url[128];

static void setup(void)
{
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(http_client_new(&client, &loop), 0);
}

static void teardown(void)
{
	http_client_free(client);
	loop_fini(&loop);
}

TestSuite(http_call, .init = setup, .fini = teardown, .timeout = 60);

static void on_done(void *owner, const struct http_answer *answer)
{
	struct got *g = owner;

	g->calls++;
	g->r = answer->r;
	g->status = answer->status;
	g->size = answer->size;
	cr_assert_eq(answer->body[answer->size], '\0');
	snprintf(g->body, sizeof(g->body), "%s", answer->body);
	snprintf(g->reason, sizeof(g->reason), "%s", answer->reason);
	g->refresh_ns = answer->refresh_ns;
	g->date_wall_ms = answer->date_wall_ms;
	g->retry_after_ns = answer->retry_after_ns;
	g->connected = answer->connected;
}

static struct http_request request_for(const struct address *address)
{
	char host[ADDRESS_TEXT_MAX];

	snprintf(url, sizeof(url), "http://%s/json/list", address_host_header(host, address));
	return (struct http_request){ .url = url,
				      .timeout_ns = 2 * NS_PER_S,
				      .body_max = BODY_MAX };
}

static void until(const int *n, int wanted)
{
	uint64_t end_ns = clock_mono_ns() + PATIENCE_MS * NS_PER_MS;

	while (*n < wanted) {
		cr_assert_lt(clock_mono_ns(), end_ns);
		cr_assert_eq(loop_turn(&loop, PATIENCE_MS), 0);
	}
}

/* Runs the request to its end and a little further. */
static void get(const struct http_request *request)
{
	cr_assert_eq(http_call(&fetch, client, request, on_done, &got), 0);
	cr_assert_eq(got.calls, 0, "not before it returns");
	until(&got.calls, 1);
	cr_assert_eq(loop_turn(&loop, 5), 0);
	cr_assert_eq(got.calls, 1);
}

static void get_from(peer_script *script, void *arg)
{
	struct http_request request;

	server_start(&server, NULL, script, arg);
	request = request_for(&server.address);
	get(&request);
}

/* ---- answers ---- */

struct asked {
	char head[PEER_HEAD_MAX];
	bool ended;
};

/* As Node does: HTTP/1.0, a length, and the connection stays open. */
static void answer_as_node(struct peer *peer)
{
	struct asked *asked = peer->arg;

	peer_read_head(peer);
	memcpy(asked->head, peer->head, sizeof(asked->head));
	peer_puts(peer, "HTTP/1.0 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n"
			"Content-Length: 4\r\n"
			"x-prometheus-refresh-interval-seconds: 30\r\n\r\n[ ]\n");
	asked->ended = peer_wait_end(peer);
}

Test(http_call, list_of_node)
{
	static struct asked asked;
	char host[64];

	get_from(answer_as_node, &asked);
	cr_assert_eq(server_stop(&server), 1);
	cr_assert_eq(got.r, 0, "%s", got.reason);
	cr_assert_eq(got.status, 200);
	cr_assert_str_eq(got.body, "[ ]\n");
	cr_assert_eq(got.size, 4);
	cr_assert(got.connected);
	cr_assert_eq(got.refresh_ns, 30 * NS_PER_S);
	cr_assert(asked.ended, "we hang up, for Node does not");
	cr_assert(strncmp(asked.head, "GET /json/list HTTP/1.1\r\n", 25) == 0, "%s", asked.head);
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%d\r\n", server.address.port);
	cr_assert(strstr(asked.head, host), "%s", asked.head);
	cr_assert_not(strcasestr(asked.head, "\r\nUser-Agent:"));
	cr_assert_not(strcasestr(asked.head, "\r\nAccept-Encoding:"));
}

Test(http_call, headers_as_asked_over_a_unix_socket)
{
	struct address address = { .family = ADDRESS_UNIX };
	static struct asked asked;
	struct http_request request;

	snprintf(address.host, sizeof(address.host), "test-http-get-%d.sock", (int)getpid());
	server_start(&server, &address, answer_as_node, &asked);
	request = request_for(&address);
	request.unix_socket = address.host;
	request.host = "10.0.0.1:9229";
	request.bearer = "s3cret";
	request.accept = "application/json";
	get(&request);
	cr_assert_eq(server_stop(&server), 1);
	cr_assert_eq(got.status, 200);
	cr_assert(got.connected);
	cr_assert(strstr(asked.head, "\r\nHost: 10.0.0.1:9229\r\n"), "%s", asked.head);
	cr_assert(strstr(asked.head, "\r\nAuthorization: Bearer s3cret\r\n"));
	cr_assert(strstr(asked.head, "\r\nAccept: application/json\r\n"));
}

static void answer_in_chunks(struct peer *peer)
{
	struct asked *asked = peer->arg;

	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
			"3\r\nnot\r\n5\r\n here\r\n0\r\n\r\n");
	asked->ended = peer_wait_end(peer);
}

Test(http_call, status_and_chunks)
{
	static struct asked asked;

	get_from(answer_in_chunks, &asked);
	cr_assert_eq(got.r, 0);
	cr_assert_eq(got.status, 404);
	cr_assert_str_eq(got.body, "not here");
	cr_assert_eq(got.refresh_ns, 0);
	server_stop(&server);
	cr_assert(asked.ended, "no connection is kept");
}

static void answer_without_length(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.0 400 Bad Request\r\n\r\nWebSockets request was expected\r\n");
}

Test(http_call, body_until_the_end)
{
	get_from(answer_without_length, NULL);
	cr_assert_eq(got.r, 0);
	cr_assert_eq(got.status, 400);
	cr_assert_str_eq(got.body, "WebSockets request was expected\r\n");
	server_stop(&server);
}

/* ---- what heapwatchctl does ---- */

struct told {
	char head[PEER_HEAD_MAX], body[64];
};

static void take_body(struct peer *peer)
{
	struct told *told = peer->arg;
	char digits[16] = "0";
	size_t used = 0, size;

	peer_read_head(peer);
	memcpy(told->head, peer->head, sizeof(told->head));
	peer_header(peer, "Content-Length", digits, sizeof(digits));
	size = strtoul(digits, NULL, 10);
	while (used < size && used < sizeof(told->body) - 1) {
		ssize_t n = read(peer->fd, told->body + used, size - used);

		if (n <= 0)
			break;
		used += (size_t)n;
	}
	peer_puts(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	peer_wait_end(peer);
}

Test(http_call, methods_and_payloads)
{
	static struct told told;
	struct http_request request;

	server_start(&server, NULL, take_body, &told);
	request = request_for(&server.address);
	request.method = "PATCH";
	request.payload = "{\"pinned\":true}";
	get(&request);
	cr_assert_eq(got.status, 200);
	server_stop(&server);
	cr_assert_eq(strncmp(told.head, "PATCH /json/list HTTP/1.1\r\n", 27), 0, "%s", told.head);
	cr_assert_not_null(strstr(told.head, "Content-Type: application/json"));
	cr_assert_null(strstr(told.head, "Expect:"));
	cr_assert_str_eq(told.body, "{\"pinned\":true}");
}

Test(http_call, post_without_payload)
{
	static struct told told;
	struct http_request request;

	server_start(&server, NULL, take_body, &told);
	request = request_for(&server.address);
	request.method = "POST";
	get(&request);
	server_stop(&server);
	cr_assert_eq(strncmp(told.head, "POST ", 5), 0);
	cr_assert_not_null(strstr(told.head, "Content-Length: 0"));
}

/* The sink's owner is the call's; what arrived is counted beside it. */
static size_t sunk;
static int sink_says;

static int sink(void *owner, const void *data, size_t size)
{
	(void)owner;
	(void)data;
	sunk += size;
	return sink_says;
}

/* More than body_max, in pieces of which each is in time, together longer than the deadline. */
static void answer_slowly(struct peer *peer)
{
	static char piece[BODY_MAX];

	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 4; i++) {
		char size[16];

		snprintf(size, sizeof(size), "%zx\r\n", sizeof(piece));
		peer_puts(peer, size);
		peer_write(peer, piece, sizeof(piece));
		peer_puts(peer, "\r\n");
		poll(NULL, 0, 150);
	}
	peer_puts(peer, "0\r\n\r\n");
	peer_wait_end(peer);
}

Test(http_call, streams_into_a_sink)
{
	struct http_request request;

	sunk = 0;
	sink_says = 0;
	server_start(&server, NULL, answer_slowly, NULL);
	request = request_for(&server.address);
	request.timeout_ns = 450 * NS_PER_MS;
	request.sink = sink;
	get(&request);
	cr_assert_eq(got.r, 0, "%s", got.reason);
	cr_assert_eq(got.size, 0);
	cr_assert_eq(sunk, (size_t)4 * BODY_MAX);
	server_stop(&server);
}

Test(http_call, sink_that_has_enough)
{
	struct http_request request;

	sink_says = -ENOSPC;
	server_start(&server, NULL, answer_slowly, NULL);
	request = request_for(&server.address);
	request.sink = sink;
	get(&request);
	cr_assert_eq(got.r, -ENOSPC);
	server_stop(&server);
}

Test(http_call, failures_are_gathered_and_not_sunk)
{
	static struct asked asked;
	struct http_request request;

	sunk = 0;
	server_start(&server, NULL, answer_in_chunks, &asked);
	request = request_for(&server.address);
	request.sink = sink;
	get(&request);
	cr_assert_eq(got.status, 404);
	cr_assert_str_eq(got.body, "not here");
	cr_assert_eq(sunk, 0);
	server_stop(&server);
}

static void answer_nothing_much(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
	peer_wait_end(peer);
}

Test(http_call, empty_body)
{
	get_from(answer_nothing_much, NULL);
	cr_assert_eq(got.r, 0);
	cr_assert_str_eq(got.body, "");
	server_stop(&server);
}

/* ---- limits ---- */

static void announce_too_much(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
	peer_wait_end(peer);
}

Test(http_call, announced_body_over_the_cap)
{
	get_from(announce_too_much, NULL);
	cr_assert_eq(got.r, -EFBIG, "%d %s", got.r, got.reason);
	server_stop(&server);
}

static void send_too_much(struct peer *peer)
{
	char line[1000];

	memset(line, 'x', sizeof(line));
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 200 OK\r\n\r\n");
	for (int i = 0; i < LINES; i++) {
		if (!peer_write(peer, line, sizeof(line)))
			break;
	}
}

Test(http_call, unannounced_body_over_the_cap)
{
	get_from(send_too_much, NULL);
	cr_assert_eq(got.r, -EFBIG, "%d %s", got.r, got.reason);
	cr_assert_leq(got.size, BODY_MAX);
	server_stop(&server);
}

static void send_headers_without_end(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < LINES; i++) {
		if (!peer_puts(peer, "X-Padding: ppppppppppppppppppppppppppppppppppppppp\r\n"))
			break;
	}
	peer_wait_end(peer);
}

Test(http_call, headers_over_the_cap)
{
	get_from(send_headers_without_end, NULL);
	cr_assert_eq(got.r, -EFBIG, "%d %s", got.r, got.reason);
	server_stop(&server);
}

static void trickle(struct peer *peer)
{
	struct pollfd hung_up = { .fd = peer->fd, .events = POLLIN };

	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	for (int i = 0; i < 1000; i++) {
		if (!peer_puts(peer, "x"))
			break;
		poll(&hung_up, 1, 20); /* never idle for long, never done */
	}
}

Test(http_call, one_deadline_over_all)
{
	uint64_t start_ns = clock_mono_ns();
	struct http_request request;

	server_start(&server, NULL, trickle, NULL);
	request = request_for(&server.address);
	request.timeout_ns = 400 * NS_PER_MS;
	get(&request);
	cr_assert_eq(got.r, -ETIMEDOUT);
	cr_assert(got.connected);
	cr_assert_lt(clock_mono_ns() - start_ns, 5 * NS_PER_S);
	server_stop(&server);
}

/* ---- failures ---- */

static void stay_silent(struct peer *peer)
{
	peer_wait_end(peer);
}

Test(http_call, silent_server)
{
	struct http_request request;

	server_start(&server, NULL, stay_silent, NULL);
	request = request_for(&server.address);
	request.timeout_ns = 200 * NS_PER_MS;
	get(&request);
	cr_assert_eq(got.r, -ETIMEDOUT);
	cr_assert(got.connected, "TCP was up: it listens but does not answer");
	cr_assert_str_eq(got.reason, "no answer in time");
	server_stop(&server);
}

/*
 * Around 200 ms curl has a timer of its own on a connection. What is due within the millisecond
 * after it, curl forgets; so curl must not be the one who keeps the deadline.
 */
Test(http_call, no_answer_to_the_syn)
{
	struct http_request request;
	struct blackhole hole;

	blackhole_open(&hole);
	request = request_for(&hole.address);
	for (unsigned i = 0; i < MANY; i++) {
		request.timeout_ns = 198 * NS_PER_MS + i * 100000;
		cr_assert_eq(http_call(&fetch, client, &request, on_done, &got), 0);
	}
	until(&got.calls, MANY);
	cr_assert_eq(got.r, -ETIMEDOUT);
	cr_assert_not(got.connected);
	cr_assert_str_eq(got.reason, "no connection in time");
	blackhole_close(&hole);
}

Test(http_call, refused)
{
	struct http_request request;

	server_start(&server, NULL, stay_silent, NULL);
	server_stop(&server);
	request = request_for(&server.address);
	get(&request);
	cr_assert_eq(got.r, -ECONNREFUSED, "%d %s", got.r, got.reason);
	cr_assert_not(got.connected);
}

Test(http_call, no_unix_socket)
{
	struct http_request request = { .url = "http://localhost/",
					.unix_socket = "/nonexistent/socket",
					.timeout_ns = NS_PER_S,
					.body_max = BODY_MAX };

	get(&request);
	cr_assert_eq(got.r, -ENOENT, "%d %s", got.r, got.reason);
}

static void answer_ssh(struct peer *peer)
{
	peer_puts(peer, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");
	peer_wait_end(peer);
}

Test(http_call, no_http)
{
	get_from(answer_ssh, NULL);
	cr_assert_eq(got.r, -EPROTO, "%d %s", got.r, got.reason);
	cr_assert_str_eq(got.reason, "the answer is not HTTP");
	server_stop(&server);
}

static void hang_up(struct peer *peer)
{
	peer_read_head(peer);
}

Test(http_call, hangs_up)
{
	get_from(hang_up, NULL);
	cr_assert_eq(got.r, -ECONNRESET, "%d %s", got.r, got.reason);
	server_stop(&server);
}

static void stop_in_the_middle(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[");
}

Test(http_call, stops_in_the_middle)
{
	get_from(stop_in_the_middle, NULL);
	cr_assert_eq(got.r, -ECONNRESET, "%d %s", got.r, got.reason);
	server_stop(&server);
}

/* ---- what is not obeyed ---- */

static int elsewhere_port;

static void redirect(struct peer *peer)
{
	char answer[256];

	peer_read_head(peer);
	snprintf(
		answer, sizeof(answer),
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n",
		elsewhere_port);
	peer_puts(peer, answer);
	peer_wait_end(peer);
}

static void busy(struct peer *peer)
{
	char answer[256];

	peer_read_head(peer);
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
		 (const char *)peer->arg);
	peer_puts(peer, answer);
	peer_wait_end(peer);
}

static uint64_t retry_after(const char *text)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", text);
	got = (struct got){ 0 };
	get_from(busy, copy);
	cr_assert_eq(got.status, 503);
	server_stop(&server);
	return got.retry_after_ns;
}

/* RFC 9110, 10.2.3: seconds, or a date; whatever it says, a day at most. */
Test(http_call, retry_after)
{
	time_t later = time(NULL) + 100;
	char date[64];

	cr_expect_eq(retry_after("7"), 7 * NS_PER_S);
	cr_expect_eq(retry_after("0"), 0);
	cr_expect_eq(retry_after("soon"), 0);
	cr_expect_leq(retry_after("99999999999"), 86400 * NS_PER_S);
	cr_expect_eq(retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), 0);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&later));
	cr_expect_gt(retry_after(date), 90 * NS_PER_S);
	cr_expect_leq(got.retry_after_ns, 100 * NS_PER_S);
}

static void dated(struct peer *peer)
{
	char answer[256];

	peer_read_head(peer);
	snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\n%sContent-Length: 0\r\n\r\n",
		 (const char *)peer->arg);
	peer_puts(peer, answer);
	peer_wait_end(peer);
}

static int64_t date_of(const char *header)
{
	char copy[128];

	snprintf(copy, sizeof(copy), "%s", header);
	got = (struct got){ 0 };
	get_from(dated, copy);
	cr_assert_eq(got.status, 200);
	server_stop(&server);
	return got.date_wall_ms;
}

Test(http_call, date_of_the_server)
{
	cr_expect_eq(date_of("Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"), 1700000000000);
	cr_expect_eq(date_of("date:Tue, 14 Nov 2023 22:13:20 GMT\r\n"), 1700000000000);
	cr_expect_eq(date_of(""), 0);
	cr_expect_eq(date_of("Date:\r\n"), 0);
	cr_expect_eq(date_of("Date: tomorrow\r\n"), 0);
	cr_expect_eq(date_of("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), 0);
	cr_expect_eq(date_of("Last-Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"), 0);
}

Test(http_call, redirects_are_not_followed)
{
	struct server elsewhere;

	server_start(&elsewhere, NULL, answer_nothing_much, NULL);
	elsewhere_port = elsewhere.address.port;
	get_from(redirect, NULL);
	cr_assert_eq(got.status, 302);
	server_stop(&server);
	cr_assert_eq(server_stop(&elsewhere), 0);
}

Test(http_call, proxy_of_the_environment_is_not_used)
{
	struct server proxy;
	char address[64];

	server_start(&proxy, NULL, answer_nothing_much, NULL);
	snprintf(address, sizeof(address), "http://127.0.0.1:%d", proxy.address.port);
	setenv("http_proxy", address, 1);
	setenv("all_proxy", address, 1);
	get_from(answer_nothing_much, NULL);
	cr_assert_eq(got.status, 200);
	cr_assert_eq(server_stop(&server), 1);
	cr_assert_eq(server_stop(&proxy), 0);
}

Test(http_call, other_schemes_are_refused)
{
	struct http_request request = { .url = "file:///etc/hostname",
					.timeout_ns = NS_PER_S,
					.body_max = BODY_MAX };

	get(&request);
	cr_assert_eq(got.r, -EINVAL, "%d %s", got.r, got.reason);
	cr_assert_eq(got.size, 0);
}

Test(http_call, line_breaks_in_headers_are_refused)
{
	struct http_request request = { .url = "http://127.0.0.1:1/",
					.bearer = "a\r\nX-Other: b",
					.timeout_ns = NS_PER_S,
					.body_max = BODY_MAX };

	cr_assert_eq(http_call(&fetch, client, &request, on_done, &got), -EINVAL);
}

/* ---- lives ---- */

Test(http_call, cancelled_before_anything_and_in_flight)
{
	struct http_request request;

	server_start(&server, NULL, stay_silent, NULL);
	request = request_for(&server.address);
	cr_assert_eq(http_call(&fetch, client, &request, on_done, &got), 0);
	http_cancel(fetch);
	cr_assert_eq(http_call(&fetch, client, &request, on_done, &got), 0);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(loop_turn(&loop, 10), 0);
	http_cancel(fetch);
	http_cancel(NULL);
	server_stop(&server);
	cr_assert_eq(loop_turn(&loop, 10), 0);
	cr_assert_eq(got.calls, 0);
}

static int second_calls;

static void free_client(void *owner, const struct http_answer *answer)
{
	(void)owner;
	second_calls++;
	http_client_free(client);
	client = NULL;
	cr_assert_str_eq(answer->body, "[ ]\n");
	cr_assert_neq(answer->reason[0], '\0');
}

/* The one told may free the client, with another fetch in flight or done too. */
Test(http_call, client_freed_by_the_one_told)
{
	static struct asked asked;
	struct http_request request;

	server_start(&server, NULL, answer_as_node, &asked);
	request = request_for(&server.address);
	cr_assert_eq(http_call(&fetch, client, &request, free_client, NULL), 0);
	cr_assert_eq(http_call(&fetch, client, &request, free_client, NULL), 0);
	until(&second_calls, 1);
	cr_assert_eq(loop_turn(&loop, 10), 0);
	cr_assert_eq(second_calls, 1);
	server_stop(&server);
}

static void get_again(void *owner, const struct http_answer *answer)
{
	struct http_request request = request_for(&server.address);

	(void)owner;
	cr_assert_eq(answer->r, 0);
	if (++second_calls < 50)
		cr_assert_eq(http_call(&fetch, client, &request, get_again, NULL), 0);
}

Test(http_call, one_after_the_other_from_the_callback)
{
	static struct asked asked;
	struct http_request request;

	server_start(&server, NULL, answer_as_node, &asked);
	request = request_for(&server.address);
	cr_assert_eq(http_call(&fetch, client, &request, get_again, NULL), 0);
	until(&second_calls, 50);
	cr_assert_eq(server_stop(&server), 50);
}

/* ---- a silent resolver ---- */

static pthread_mutex_t resolver = PTHREAD_MUTEX_INITIALIZER;
static int resolving, resolved; /* atomic */

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
						       const struct addrinfo *hints,
						       struct addrinfo **ret)
{
	(void)name;
	(void)service;
	(void)hints;
	(void)ret;
	__atomic_add_fetch(&resolving, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&resolver);
	pthread_mutex_unlock(&resolver);
	__atomic_add_fetch(&resolved, 1, __ATOMIC_SEQ_CST);
	return EAI_AGAIN;
}

/* Neither the time-out nor the clean-up may wait for it. */
Test(http_call, silent_resolver_does_not_block)
{
	struct http_request request = { .url = "http://targets.example/list",
					.timeout_ns = 200 * NS_PER_MS,
					.body_max = BODY_MAX };
	uint64_t start_ns = clock_mono_ns();

	pthread_mutex_lock(&resolver);
	get(&request);
	cr_assert_eq(got.r, -ETIMEDOUT, "%d %s", got.r, got.reason);
	cr_assert_not(got.connected);
	cr_assert_eq(__atomic_load_n(&resolving, __ATOMIC_SEQ_CST), 1);
	cr_assert_lt(loop_take_lag(&loop), 2 * NS_PER_S);
	cr_assert_eq(http_call(&fetch, client, &request, on_done, &got), 0);
	while (__atomic_load_n(&resolving, __ATOMIC_SEQ_CST) < 2)
		cr_assert_eq(loop_turn(&loop, 5), 0);
	http_cancel(fetch);
	cr_assert_lt(clock_mono_ns() - start_ns, 5 * NS_PER_S);
	pthread_mutex_unlock(&resolver);
	while (__atomic_load_n(&resolved, __ATOMIC_SEQ_CST) < 2)
		cr_assert_eq(loop_turn(&loop, 5), 0);
}
