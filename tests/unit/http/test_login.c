#include "scene.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/pool.h"
#include "client.h"
#include "http/bcrypt.h"
#include "http/connection.h"
#include "http/login.h"
#include "http/web_config.h"
#include "util/clock.h"
#include "util/err.h"

/* The real server with users: who is let in, who waits, and what becomes of those who wait. */

/* Of "secret": the least cost there is, and one that takes long enough for something to happen. */
#define QUICK "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define SLOW  "$2b$09$abcdefghijklmnopqrstuuHGaj8X0gyV0nNYEM.J5pTQDq3AfkM3W"

static struct server_scene scene;
static struct web_config config, none;
static struct text_pair users[1];
static int handled;

/* What fails, and what was counted. */
static bool no_thread, no_answer;
static int checks, holds;

/* The next check waits in kept until release(). */
static bool keep;
static struct capture_pool *kept_pool;
static struct pool_job *kept;

int __real_capture_pool_submit(struct capture_pool *pool, struct pool_job *job,
			       uint64_t threads_max);
int __wrap_capture_pool_submit(struct capture_pool *pool, struct pool_job *job,
			       uint64_t threads_max);
int __wrap_http_answer_error(struct http_exchange *exchange, int status, const char *type,
			     const char *fmt, ...);
int __real_http_answer_error(struct http_exchange *exchange, int status, const char *type,
			     const char *fmt, ...);

int __wrap_capture_pool_submit(struct capture_pool *pool, struct pool_job *job,
			       uint64_t threads_max)
{
	checks++;
	if (keep) {
		keep = false;
		kept_pool = pool;
		kept = job;
		return 0;
	}
	return no_thread ? -EAGAIN : __real_capture_pool_submit(pool, job, threads_max);
}

static _Atomic int rounds; /* of bcrypt */
static _Atomic bool no_memory;

int __real_bcrypt_is(const char *hash, const char *password);
int __wrap_bcrypt_is(const char *hash, const char *password);

int __wrap_bcrypt_is(const char *hash, const char *password)
{
	rounds += 1 << bcrypt_cost(hash);
	return no_memory ? -ENOMEM : __real_bcrypt_is(hash, password);
}

static void release(void)
{
	cr_assert_not_null(kept);
	cr_assert_eq(__real_capture_pool_submit(kept_pool, kept, 1), 0);
	kept = NULL;
}

void __real_http_hold(struct http_exchange *exchange);
void __wrap_http_hold(struct http_exchange *exchange);

void __wrap_http_hold(struct http_exchange *exchange)
{
	holds++;
	__real_http_hold(exchange);
}

int __wrap_http_answer_error(struct http_exchange *exchange, int status, const char *type,
			     const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return no_answer ? -ENOMEM : __real_http_answer_error(exchange, status, type, "%s", text);
}

static int answer_body_size(struct http_exchange *exchange)
{
	char text[32];
	size_t size;

	handled++;
	http_body(exchange, &size);
	snprintf(text, sizeof(text), "%zu", size);
	return http_answer_text(exchange, 200, text);
}

static int answer_peer(struct http_exchange *exchange)
{
	char text[224];

	return http_answer_text(exchange, 200, http_peer(exchange, text, sizeof(text)));
}

static const struct route routes[] = {
	{ "GET", "/", answer_body_size, "" },
	{ "GET", "/peer", answer_peer, "" },
	{ "POST", "/", answer_body_size, "" },
	{ NULL, NULL, NULL, NULL },
};

static void set_user(const char *name, const char *hash)
{
	users[0] = (struct text_pair){ (char *)(uintptr_t)name, (char *)(uintptr_t)hash };
	config.users = (struct text_map){ users, 1 };
	http_server_set_access(scene.server, &config);
}

static void setup(void)
{
	handled = checks = holds = 0;
	no_thread = no_answer = keep = no_memory = false;
	kept = NULL;
	server_prepare(&scene);
	server_start(&scene, routes, NULL);
	set_user("a", QUICK);
}

static void teardown(void)
{
	if (scene.server != NULL)
		server_stop(&scene);
}

TestSuite(login, .init = setup, .fini = teardown);

/* "Authorization: Basic ..." of "name:password", a line. Valid until the next call. */
static const char *header_of(const char *pair)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static char line[512];
	size_t size = strlen(pair), used = (size_t)sprintf(line, "Authorization: Basic ");

	for (size_t i = 0; i < size; i += 3) {
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (i + k < size ? (unsigned char)pair[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			line[used++] = i + k <= size ? digits[bits >> (18 - 6 * k) & 63] : '=';
	}
	strcpy(line + used, "\r\n");
	return line;
}

static int status_of(const char *headers)
{
	struct client client;
	int status;

	client_get(&client, &scene.loop, scene.port, "GET", "/", headers);
	status = client_status(&client);
	if (status == 401)
		cr_expect_str_eq(client_header(&client, "WWW-Authenticate"),
				 "Basic realm=\"heapwatchd\", charset=\"UTF-8\"");
	client_close(&client);
	return status;
}

/* Sends the request and does not wait for its answer. */
static void ask(struct client *client, const char *pair)
{
	char text[1024];

	client_open(client, &scene.loop, scene.port);
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
		 header_of(pair));
	client_send(client, text);
}

Test(login, who_is_let_in)
{
	cr_expect_eq(status_of(""), 401);
	cr_expect_eq(status_of(header_of("a:wrong")), 401);
	cr_expect_eq(status_of(header_of("b:secret")), 401);
	cr_expect_eq(status_of(header_of("a:")), 401);
	cr_expect_eq(status_of(header_of("a:secret2")), 401);
	cr_expect_eq(handled, 0);
	cr_expect_eq(status_of(header_of("a:secret")), 200);
	cr_expect_eq(status_of(header_of("a:secret")), 200);
	cr_expect_eq(status_of(header_of("a:wrong")), 401);
	cr_expect_eq(handled, 2);
	cr_expect_eq(http_auth_failures(scene.server), 5, "one had neither name nor password");
	http_server_set_access(scene.server, &none);
	cr_expect_eq(status_of(""), 200);
	http_server_set_access(scene.server, NULL);
	cr_expect_eq(status_of(header_of("a:wrong")), 200);
}

/* "a:secret" is YTpzZWNyZXQ=. */
Test(login, headers_that_are_none)
{
	static const char *const headers[] = {
		"Authorization: Basic\r\n",
		"Authorization: Basic \r\n",
		"Authorization: YTpzZWNyZXQ=\r\n",
		"Authorization: Bearer YTpzZWNyZXQ=\r\n",
		"Authorization: Basic YTpzZWNyZXQ\r\n",
		"Authorization: Basic YTpzZWNyZXQ==\r\n",
		"Authorization: Basic YTpzZWNyZXQ=x\r\n",
		"Authorization: Basic YTpzZWN*ZXQ=\r\n",
		"Authorization: Basic ====\r\n",
		"Authorization: Basic YXNlY3JldA==\r\n", /* asecret */
		"Authorization: Basic YTpzZWNyZXQA\r\n", /* with a zero behind it */
		"Authorization: Basic YTpzZWNyZXQAeA==\r\n", /* and more */
		"Authorization: Basic AGE6c2VjcmV0\r\n", /* before it */
		"X-Authorization: Basic YTpzZWNyZXQ=\r\n",
	};
	static const char *const good[] = {
		"Authorization: Basic YTpzZWNyZXQ=\r\n",
		"authorization: basic   YTpzZWNyZXQ=\r\n",
	};
	char *line = calloc(1, 4096);

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		cr_expect_eq(status_of(headers[i]), 401, "%s", headers[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect_eq(status_of(good[i]), 200, "%s", good[i]);
	cr_assert_not_null(line);
	strcpy(line, "Authorization: Basic YTpz");
	memset(line + strlen(line), 'c', 2000);
	strcat(line, "\r\n");
	cr_expect_eq(status_of(line), 401);
	free(line);
	cr_expect_eq(handled, 2);
}

/* ---- who it was ---- */

static void expect_peer(const char *headers, const char *wanted)
{
	struct client client;

	client_get(&client, &scene.loop, scene.port, "GET", "/peer", headers);
	cr_expect_str_eq(client_body(&client), wanted, "%s", client_body(&client));
	client_close(&client);
}

/* Whoever is checked, and whoever is known; never by the request's word alone. */
Test(login, the_user_is_told)
{
	char headers[512];

	expect_peer(header_of("a:secret"), "user a, 127.0.0.1");
	expect_peer(header_of("a:secret"), "user a, 127.0.0.1");
	snprintf(headers, sizeof(headers), "%sUser-Agent: x), user b (y\r\n",
		 header_of("a:secret"));
	expect_peer(headers, "user a, 127.0.0.1 (x), user b (y)");
	http_server_set_access(scene.server, NULL);
	expect_peer(header_of("a:secret"), "127.0.0.1");
	expect_peer("User-Agent: user a, curl\r\n", "127.0.0.1 (user a, curl)");
}

/* The next request of the connection is nobody's before it is judged. */
Test(login, the_user_is_of_one_request)
{
	struct client client;

	client_get(&client, &scene.loop, scene.port, "GET", "/peer", header_of("a:secret"));
	cr_expect_str_eq(client_body(&client), "user a, 127.0.0.1");
	http_server_set_access(scene.server, NULL);
	client_forget(&client);
	client_send(&client, "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n");
	client_wait(&client, false);
	cr_expect_str_eq(client_body(&client), "127.0.0.1");
	client_close(&client);
}

/* It was let in because nobody is asked any more. */
Test(login, who_was_not_checked_is_not_told)
{
	struct client client;
	char text[1024];

	keep = true;
	client_open(&client, &scene.loop, scene.port);
	snprintf(text, sizeof(text), "GET /peer HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
		 header_of("a:secret"));
	client_send(&client, text);
	while (holds == 0)
		client_turn(&client, 10);
	http_server_set_access(scene.server, NULL);
	release();
	client_wait(&client, false);
	cr_expect_str_eq(client_body(&client), "127.0.0.1");
	client_close(&client);
}

/* No name looks like what stands behind it. */
Test(login, names_as_they_are_told)
{
	char longest[WEB_USER_MAX], pair[WEB_USER_MAX + 8], headers[1024];
	struct client client;

	set_user("b o, 1.2.3.4 (\xc3\xa9%", QUICK);
	expect_peer(header_of("b o, 1.2.3.4 (\xc3\xa9%:secret"),
		    "user b%20o%2C%201.2.3.4%20%28%C3%A9%25, 127.0.0.1");
	memset(longest, 'n', WEB_USER_MAX - 1);
	longest[WEB_USER_MAX - 1] = '\0';
	set_user(longest, QUICK);
	snprintf(pair, sizeof(pair), "%s:secret", longest);
	snprintf(headers, sizeof(headers), "%sUser-Agent: ", header_of(pair));
	for (size_t i = 0; i < 200; i++)
		strcat(headers, "y");
	strcat(headers, "\r\n");
	client_get(&client, &scene.loop, scene.port, "GET", "/peer", headers);
	cr_expect_eq(strncmp(client_body(&client), "user nnnnnnnn", 13), 0, "%s",
		     client_body(&client));
	cr_expect_not_null(strstr(client_body(&client), "n..., 127.0.0.1 (yyy"), "%s",
			   client_body(&client));
	cr_expect_eq(client_body(&client)[client_body_size(&client) - 1], ')');
	client_close(&client);
}

/* They are turned away before anybody tells what there is. */
Test(login, strangers_learn_nothing)
{
	struct client client;

	client_get(&client, &scene.loop, scene.port, "GET", "/nothing", "");
	cr_expect_eq(client_status(&client), 401);
	client_close(&client);
	client_get(&client, &scene.loop, scene.port, "DELETE", "/", header_of("a:wrong"));
	cr_expect_eq(client_status(&client), 401);
	client_close(&client);
	client_get(&client, &scene.loop, scene.port, "GET", "/nothing", header_of("a:secret"));
	cr_expect_eq(client_status(&client), 404);
	client_close(&client);
	client_get(&client, &scene.loop, scene.port, "DELETE", "/", header_of("a:secret"));
	cr_expect_eq(client_status(&client), 405);
	client_close(&client);
	cr_expect_eq(handled, 0);
}

static void post(struct client *client, const char *pair, const char *framing, const char *body)
{
	char text[2048];

	client_open(client, &scene.loop, scene.port);
	snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n%s",
		 header_of(pair), framing, body);
	client_send(client, text);
	client_wait(client, false);
}

/* It is read after the password is checked, and thrown away when that is wrong. */
Test(login, requests_with_a_body)
{
	static const char *const framings[][2] = {
		{ "Content-Length: 5\r\n", "hello" },
		{ "Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" },
		{ "Content-Length: 5\r\nExpect: 100-continue\r\n", "hello" },
	};
	struct client client;

	for (size_t i = 0; i < 2; i++) {
		set_user("a", QUICK);
		post(&client, "a:wrong", framings[i][0], framings[i][1]);
		cr_expect_eq(client_status(&client), 401, "%s", framings[i][0]);
		client_close(&client);
		post(&client, "a:secret", framings[i][0], framings[i][1]);
		cr_expect_eq(client_status(&client), 200, "%s", framings[i][0]);
		cr_expect_str_eq(client_body(&client), "5", "%s", framings[i][0]);
		client_close(&client);
	}
	set_user("a", QUICK);
	post(&client, "a:secret", framings[2][0], framings[2][1]);
	cr_expect_eq(client_status(&client), 100);
	client_close(&client);
}

/* The connection lives on after either. */
Test(login, several_requests_of_one_connection)
{
	static const char *const pairs[] = { "a:secret", "a:wrong", "b:secret", "a:secret" };
	struct client client;

	client_open(&client, &scene.loop, scene.port);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char text[1024];

		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
			 header_of(pairs[i]));
		client_forget(&client);
		client_send(&client, text);
		client_wait(&client, false);
		cr_expect_eq(client_status(&client), i == 0 || i == 3 ? 200 : 401, "%zu", i);
	}
	client_close(&client);
}

/* Who comes with the same waits for the same check; more than a few different ones are put off. */
Test(login, many_at_once)
{
	struct client same[20], others[8];
	int put_off = 0;

	set_user("a", SLOW);
	for (size_t i = 0; i < 20; i++)
		ask(&same[i], "a:secret");
	for (size_t i = 0; i < 8; i++) {
		char pair[16];

		snprintf(pair, sizeof(pair), "a:wrong%zu", i);
		ask(&others[i], pair);
	}
	for (size_t i = 0; i < 20; i++) {
		client_wait(&same[i], false);
		cr_expect_eq(client_status(&same[i]), 200);
		client_close(&same[i]);
	}
	for (size_t i = 0; i < 8; i++) {
		client_wait(&others[i], false);
		if (client_status(&others[i]) == 429) {
			cr_expect_str_eq(client_header(&others[i], "Retry-After"), "1");
			put_off++;
		} else {
			cr_expect_eq(client_status(&others[i]), 401);
		}
		client_close(&others[i]);
	}
	cr_expect_geq(put_off, 8 - LOGIN_WAITING_PER_IP_MAX);
	cr_expect_eq(handled, 20);
}

/* Nobody gets in, not even when there is no memory to say so. */
Test(login, nothing_to_check_it_with)
{
	struct client client;

	no_thread = true;
	cr_expect_eq(status_of(header_of("a:secret")), 503);
	cr_expect_eq(status_of(header_of("a:wrong")), 503);
	no_answer = true;
	ask(&client, "a:secret");
	cr_expect(client_ends(&client, CLIENT_WAIT_MS));
	cr_expect_eq(client.size, 0);
	client_close(&client);
	cr_expect_eq(handled, 0);
	no_thread = no_answer = false;
	cr_expect_eq(status_of(header_of("a:secret")), 200);
}

/* That is nobody's mistake: no 401. */
Test(login, no_memory_to_check_it)
{
	no_memory = true;
	cr_expect_eq(status_of(header_of("a:secret")), 503);
	cr_expect_eq(status_of(header_of("b:secret")), 503);
	cr_expect_eq(http_auth_failures(scene.server), 0);
	no_memory = false;
	cr_expect_eq(status_of(header_of("a:secret")), 200);
	cr_expect_eq(handled, 1);
}

/* Whoever waited for it is not left until the deadline of an answer. */
Test(login, no_memory_to_say_so)
{
	struct client client;

	keep = true;
	ask(&client, "a:secret");
	while (holds == 0)
		client_turn(&client, 10);
	no_memory = no_answer = true;
	release();
	cr_expect(client_ends(&client, CLIENT_WAIT_MS / 4));
	cr_expect_eq(client.size, 0);
	client_close(&client);
	cr_expect_eq(handled, 0);
}

/* Neither a name that does not exist nor a cheaper hash shows by the time it takes. */
Test(login, what_is_wrong_takes_as_long)
{
	static const char *const wrong[] = { "a:wrong", "b:wrong", "c:secret" };
	struct text_pair pairs[] = { { (char[]){ "a" }, (char[]){ QUICK } },
				     { (char[]){ "b" }, (char[]){ SLOW } } };
	struct web_config two = { .users = { pairs, 2 } };

	http_server_set_access(scene.server, &two);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		rounds = 0;
		cr_expect_eq(status_of(header_of(wrong[i])), 401);
		cr_expect_eq(rounds, 1 << 9, "%s: %d", wrong[i], rounds);
	}
	rounds = 0;
	cr_expect_eq(status_of(header_of("a:secret")), 200);
	cr_expect_eq(rounds, 1 << 4);
}

/* Clients that have asked, from this one to before that one. */
static void expect_answers(struct client *clients, size_t first, size_t end, int status)
{
	for (size_t i = first; i < end; i++) {
		client_wait(&clients[i], false);
		cr_expect_eq(client_status(&clients[i]), status);
		client_close(&clients[i]);
	}
}

/* However many bring the same, connections are left for those who are known. */
Test(login, most_connections_are_not_for_waiting)
{
	struct client clients[6];

	scene.settings.max_connections = 16;
	cr_assert_eq(http_server_set(scene.server, &scene.settings), 0);
	keep = true;
	for (size_t i = 0; i < 6; i++)
		ask(&clients[i], "a:secret");
	expect_answers(clients, 4, 6, 429);
	cr_expect_eq(holds, 4);
	release();
	expect_answers(clients, 0, 4, 200);
}

static void ask_from(struct client *client, const char *address, const char *pair)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(scene.port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	char text[1024];

	client_open(client, &scene.loop, scene.port);
	close(client->fd);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(inet_pton(AF_INET, address, &from.sin_addr), 1);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(client->fd, (struct sockaddr *)&from, sizeof(from)), 0);
	cr_assert_eq(connect(client->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
		 header_of(pair));
	client_send(client, text);
}

/* One address leaves the others places to wait. */
Test(login, one_address_does_not_take_all_places)
{
	struct client many[6], others[2];

	scene.settings.max_connections = 64; /* 16 places, */
	scene.settings.max_connections_per_ip = 16; /* 4 for an address */
	cr_assert_eq(http_server_set(scene.server, &scene.settings), 0);
	keep = true;
	for (size_t i = 0; i < 6; i++)
		ask(&many[i], "a:secret");
	expect_answers(many, 4, 6, 429);
	ask_from(&others[0], "127.0.0.2", "a:secret");
	ask_from(&others[1], "127.0.0.3", "a:secret2");
	while (holds < 6)
		client_turn(&others[0], 10);
	release();
	for (size_t i = 0; i < 2; i++) {
		client_wait(&others[i], false);
		cr_expect_eq(client_status(&others[i]), i == 0 ? 200 : 401);
		client_close(&others[i]);
	}
	expect_answers(many, 0, 4, 200);
}

/* Who comes from elsewhere is behind the one that is checked, not behind all of them. */
Test(login, addresses_take_turns)
{
	struct client wrong[3], other;

	keep = true;
	for (size_t i = 0; i < 3; i++) {
		char pair[16];

		snprintf(pair, sizeof(pair), "a:wrong%zu", i);
		ask(&wrong[i], pair);
	}
	while (holds < 3)
		client_turn(&wrong[0], 10);
	ask_from(&other, "127.0.0.2", "a:secret");
	while (holds < 4)
		client_turn(&other, 10);
	release();
	client_wait(&other, false);
	cr_expect_eq(client_status(&other), 200);
	cr_expect_leq(checks, 3, "two that are wrong at the most");
	client_close(&other);
	expect_answers(wrong, 0, 3, 401);
}

static struct in6_addr address_of(const char *text)
{
	struct in6_addr address;

	cr_assert_eq(inet_pton(AF_INET6, text, &address), 1);
	return address;
}

/* Of IPv6 whoever has one address has all of its /64. */
Test(login, addresses_of_one_place)
{
	static const struct {
		const char *a, *b;
		bool near;
	} pairs[] = {
		{ "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true },
		{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", true },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
		{ "::ffff:192.0.2.1", "::1", false },
		{ "::1", "::1", true },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct in6_addr a = address_of(pairs[i].a), b = address_of(pairs[i].b);

		cr_expect_eq(peers_are_near(&a, &b), pairs[i].near, "%s %s", pairs[i].a,
			     pairs[i].b);
		cr_expect_eq(peers_are_near(&b, &a), pairs[i].near, "%s %s", pairs[i].a,
			     pairs[i].b);
	}
}

/* A reload for something else does not have everybody checked again. */
Test(login, the_same_users_again)
{
	struct text_pair pairs[] = { { (char[]){ "a" }, (char[]){ QUICK } } };
	struct web_config again = { .users = { pairs, 1 } };

	cr_expect_eq(status_of(header_of("a:secret")), 200);
	http_server_set_access(scene.server, &again);
	cr_expect_eq(status_of(header_of("a:secret")), 200);
	cr_expect_eq(checks, 1);
	users[0].text = (char *)(uintptr_t)SLOW;
	http_server_set_access(scene.server, &config);
	cr_expect_eq(status_of(header_of("a:secret")), 200);
	cr_expect_eq(checks, 2);
}

/* While others try what is wrong, one after the other and with a rest. */
Test(login, who_is_known_does_not_wait)
{
	struct client wrong[3];
	uint64_t began_ns;

	set_user("a", SLOW);
	cr_assert_eq(status_of(header_of("a:secret")), 200);
	for (size_t i = 0; i < 3; i++) {
		char pair[16];

		snprintf(pair, sizeof(pair), "a:wrong%zu", i);
		ask(&wrong[i], pair);
	}
	began_ns = clock_mono_ns();
	cr_expect_eq(status_of(header_of("a:secret")), 200);
	cr_expect_lt(clock_mono_ns() - began_ns, NS_PER_S);
	cr_expect_eq(wrong[2].size, 0, "it is behind two others");
	expect_answers(wrong, 0, 3, 401);
}

/* What was known is not, and what waits is judged by the new users. */
Test(login, users_change)
{
	struct client client;

	cr_expect_eq(status_of(header_of("a:secret")), 200);
	set_user("b", QUICK);
	cr_expect_eq(status_of(header_of("a:secret")), 401);
	cr_expect_eq(status_of(header_of("b:secret")), 200);
	set_user("a", SLOW);
	ask(&client, "a:secret");
	for (int i = 0; i < 3; i++)
		client_turn(&client, 1);
	set_user("b", SLOW);
	client_wait(&client, false);
	cr_expect_eq(client_status(&client), 401);
	client_close(&client);
	set_user("b", SLOW);
	ask(&client, "a:secret");
	for (int i = 0; i < 3; i++)
		client_turn(&client, 1);
	http_server_set_access(scene.server, NULL);
	client_wait(&client, false);
	cr_expect_eq(client_status(&client), 200);
	client_close(&client);
}

/* A client that leaves, and a server that stops, in the middle of a check. */
Test(login, ends_while_it_is_checked)
{
	struct client gone, stays;

	set_user("a", SLOW);
	ask(&gone, "a:wrong");
	client_turn(&gone, 1);
	client_close(&gone);
	cr_expect_eq(status_of(header_of("a:secret")), 200);
	ask(&stays, "a:other");
	for (int i = 0; i < 5; i++)
		client_turn(&stays, 1);
	http_server_free(scene.server);
	scene.server = NULL;
	while (!stays.ended) {
		char piece[512];
		ssize_t n = recv(stays.fd, piece, sizeof(piece), 0);

		stays.ended = n == 0;
	}
	client_close(&stays);
	loop_fini(&scene.loop);
}

/* ---- hashes ---- */

static const struct {
	const char *hash, *reason;
} hashes[] = {
	{ QUICK, NULL },
	{ SLOW, NULL },
	{ "$2a$14$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", NULL },
	{ "$2a$15$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "cost 15" },
	{ "$2a$03$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "cost 3" },
	{ "$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "no bcrypt" },
	{ "$2y$4$aabcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "no bcrypt" },
	{ "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIr", "no bcrypt" },
	{ "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW2", "no bcrypt" },
	{ "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdne:XAGHnS4UpFFP8WIrW", "no bcrypt" },
	{ "$6$salt$sum", "no bcrypt" },
	{ "secret", "no bcrypt" },
	{ "", "no bcrypt" },
};

Test(bcrypt, hashes_are_checked)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		struct err err = { .text = "" };
		int r = bcrypt_check_hash(hashes[i].hash, &err);

		cr_expect_eq(r < 0, hashes[i].reason != NULL, "%s", hashes[i].hash);
		if (hashes[i].reason != NULL)
			cr_expect_not_null(strstr(err.text, hashes[i].reason), "%s", err.text);
	}
}

Test(bcrypt, passwords)
{
	char decoy[BCRYPT_HASH_MAX], overlong[600] = "";

	cr_expect_eq(bcrypt_is(QUICK, "secret"), 1);
	cr_expect_eq(bcrypt_is(SLOW, "secret"), 1);
	cr_expect_eq(
		bcrypt_is("$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret"),
		1);
	cr_expect_eq(bcrypt_is(QUICK, "Secret"), 0);
	cr_expect_eq(bcrypt_is(QUICK, ""), 0);
	memset(overlong, 'c', sizeof(overlong) - 1);
	cr_expect_eq(bcrypt_is(QUICK, overlong), 0);
	cr_expect_eq(bcrypt_cost(SLOW), 9);
	bcrypt_decoy(decoy, 9);
	cr_expect_eq(bcrypt_check_hash(decoy, NULL), 0, "it takes as long as one that is right");
	cr_expect_eq(bcrypt_cost(decoy), 9);
	cr_expect_eq(bcrypt_is(decoy, "secret"), 0);
}
