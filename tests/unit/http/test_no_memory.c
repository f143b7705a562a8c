#include "scene.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "http/login.h"
#include "http/web_config.h"

/*
 * Each allocation of ours that a request needs is made to fail once. It is answered as ever, or
 * with the reason, or its connection ends: never in part, and never as if it were the client's
 * mistake.
 */

/* Of "secret". */
#define HASH "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
/* "a:secret" */
#define LOGIN "Authorization: Basic YTpzZWNyZXQ=\r\n"

enum { LONG_BYTES = 4096, ALLOCATIONS_MAX = 200 };

static struct server_scene scene;
static struct text_pair users[] = { { (char[]){ "a" }, (char[]){ HASH } } };
static struct web_config config = { .users = { users, 1 } };

/* ---- what fails ---- */

enum part { OF_NOTHING, OF_LOGIN, OF_LOOP };

static enum part part; /* whose allocations are counted */
static int left; /* until the one that fails, that one included */
static bool failed;
static _Thread_local enum part inside;

static bool fails(void)
{
	if (part == OF_NOTHING || inside != part || left == 0 || --left > 0)
		return false;
	failed = true;
	return true;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

static bool no_timer; /* the next one cannot be armed */

int __real_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);
int __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);

int __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns)
{
	if (!no_timer)
		return __real_loop_timer_set(timer, delay_ns);
	no_timer = false;
	return -ENOMEM;
}

int __real_loop_turn(struct loop *loop, int max_wait_ms);
int __wrap_loop_turn(struct loop *loop, int max_wait_ms);
int __real_login_judge(struct login *login, struct http_exchange *exchange);
int __wrap_login_judge(struct login *login, struct http_exchange *exchange);

int __wrap_loop_turn(struct loop *loop, int max_wait_ms)
{
	int r;

	inside = OF_LOOP;
	r = __real_loop_turn(loop, max_wait_ms);
	inside = OF_NOTHING;
	return r;
}

int __wrap_login_judge(struct login *login, struct http_exchange *exchange)
{
	enum part before = inside;
	int r;

	inside = part == OF_LOGIN ? OF_LOGIN : before;
	r = __real_login_judge(login, exchange);
	inside = before;
	return r;
}

/* ---- the server ---- */

static int answer_long(struct http_exchange *exchange)
{
	char text[LONG_BYTES + 1];

	memset(text, 'x', LONG_BYTES);
	text[LONG_BYTES] = '\0';
	return http_answer_text(exchange, 200, text);
}

static int answer_file(struct http_exchange *exchange)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	cr_assert_eq(write(fd, "0123456789", 10), 10);
	return http_answer_file(exchange, fd, "text/plain", "file");
}

static int dropped;

static void on_drop(struct http_exchange *exchange)
{
	(void)exchange;
	dropped++;
}

static int hold_without_timer(struct http_exchange *exchange)
{
	exchange->drop = on_drop;
	http_hold(exchange);
	no_timer = true;
	return 0;
}

static int answer_size(struct http_exchange *exchange)
{
	char text[32];
	size_t size;

	http_body(exchange, &size);
	snprintf(text, sizeof(text), "%zu", size);
	return http_answer_text(exchange, 200, text);
}

static const struct route routes[] = {
	{ "POST", "/size", answer_size, "" }, { "GET", "/hold", hold_without_timer, "" },
	{ "GET", "/long", answer_long, "" },  { "GET", "/file", answer_file, "" },
	{ NULL, NULL, NULL, NULL },
};

static void setup(void)
{
	server_prepare(&scene);
	server_start(&scene, routes, NULL);
}

static void teardown(void)
{
	server_stop(&scene);
}

TestSuite(no_memory, .init = setup, .fini = teardown);

/* 0: the connection ended without an answer. what: method and path. */
static int ask(struct client *client, const char *what, const char *rest)
{
	char text[512];

	client_open(client, &scene.loop, scene.port);
	snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n%s", what, rest);
	client_send(client, text);
	while (!client->ended && strstr(client->data, "\r\n\r\n") == NULL)
		client_turn(client, 10);
	if (client->size > 0)
		client_wait(client, false);
	return client_status(client);
}

/* Asks with the k-th allocation failing. False: there was none. */
static bool ask_without(struct client *client, enum part of, int k, const char *what,
			const char *rest)
{
	part = of;
	left = k;
	failed = false;
	(void)ask(client, what, rest);
	part = OF_NOTHING;
	return failed;
}

/* Nobody is known after a change of the users. */
static void forget_logins(void)
{
	http_server_set_access(scene.server, NULL);
	http_server_set_access(scene.server, &config);
}

Test(no_memory, of_a_password)
{
	struct client client;
	int k = 1;

	forget_logins();
	while (ask_without(&client, OF_LOGIN, k, "GET /long", LOGIN "\r\n")) {
		cr_expect_eq(client_status(&client), 503, "%d: %s", k, client.data);
		cr_expect_not_null(strstr(client_body(&client), "Cannot allocate memory"), "%d: %s",
				   k, client_body(&client));
		client_close(&client);
		forget_logins();
		cr_assert_lt(++k, ALLOCATIONS_MAX);
	}
	cr_expect_eq(client_status(&client), 200);
	cr_expect_eq(http_auth_failures(scene.server), 0);
	cr_expect_gt(k, 5);
	client_close(&client);
}

/* The body is what its head says. */
static void expect_whole(const struct client *client, int k)
{
	bool packed = (unsigned char)client_body(client)[0] == 0x1f;
	const char *coding = client_header(client, "Content-Encoding");

	cr_expect_eq(coding != NULL, packed, "%d: %.300s", k, client->data);
	cr_expect(packed || client_body_size(client) == LONG_BYTES, "%d: %.300s", k, client->data);
}

Test(no_memory, of_a_text)
{
	struct client client;
	int k = 1;

	while (ask_without(&client, OF_LOOP, k, "GET /long", "Accept-Encoding: gzip\r\n\r\n")) {
		int status = client_status(&client);

		cr_expect(status == 200 || status == 500 || status == 0, "%d: %d", k, status);
		if (status == 200)
			expect_whole(&client, k);
		client_close(&client);
		cr_assert_lt(++k, ALLOCATIONS_MAX);
	}
	expect_whole(&client, k);
	cr_expect_gt(k, 8);
	client_close(&client);
}

Test(no_memory, of_a_part_of_a_file)
{
	struct client client;
	int k = 1;

	while (ask_without(&client, OF_LOOP, k, "GET /file", "Range: bytes=2-4\r\n\r\n")) {
		int status = client_status(&client);

		cr_expect(status == 206 || status == 500 || status == 0, "%d: %d", k, status);
		if (status == 206)
			cr_expect_str_eq(client_header(&client, "Content-Range"), "bytes 2-4/10",
					 "%d: %s", k, client.data);
		client_close(&client);
		cr_assert_lt(++k, ALLOCATIONS_MAX);
	}
	cr_expect_str_eq(client_body(&client), "234");
	cr_expect_gt(k, 8);
	client_close(&client);
}

/* It is not as if the body had been too large. */
Test(no_memory, of_a_body)
{
	struct client client;
	int k = 1, put_off = 0;

	while (ask_without(&client, OF_LOOP, k, "POST /size", "Content-Length: 5\r\n\r\nhello")) {
		int status = client_status(&client);

		cr_expect(status == 200 || status == 500 || status == 503 || status == 0, "%d: %d",
			  k, status);
		put_off += status == 503;
		client_close(&client);
		cr_assert_lt(++k, ALLOCATIONS_MAX);
	}
	cr_expect_str_eq(client_body(&client), "5");
	cr_expect_geq(put_off, 1);
	client_close(&client);
}

/* What cannot have a deadline is not held. */
Test(no_memory, of_a_deadline)
{
	struct client client;

	client_open(&client, &scene.loop, scene.port);
	client_send(&client, "GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
	cr_expect(client_ends(&client, CLIENT_WAIT_MS));
	cr_expect_eq(dropped, 1);
	client_close(&client);
}
