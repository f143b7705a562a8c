#include "scene.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "util/clock.h"
#include "util/metric.h"

/* Clients that are slow, many or both. Deadlines are short, so that a suite of waiting is not. */

enum {
	DRIPPERS_MAX = 600,
	BIG_BYTES = 8 << 20,
	/* Room for the daemon's own descriptors, and both ends of each connection. */
	FDS_SPARE = 160,
	DRIPPER_BYTES = 64 << 10, /* what one may cost; sanitizers keep what was freed */
};

static struct server_scene scene;
static struct http_exchange *held[256];
static size_t held_n, files_n, late_n;

static int answer(struct http_exchange *exchange)
{
	return http_answer_text(exchange, 200, "served");
}

static int answer_big(struct http_exchange *exchange)
{
	struct buf body;

	buf_init(&body, BIG_BYTES);
	if (buf_reserve(&body, BIG_BYTES) == 0) {
		memset(body.data, 'x', BIG_BYTES);
		body.size = BIG_BYTES;
	}
	return http_answer(exchange, 200, "application/octet-stream", &body);
}

/* Large, and of no weight. */
static int answer_file(struct http_exchange *exchange)
{
	int fd = memfd_create("big", MFD_CLOEXEC);

	cr_assert_eq(ftruncate(fd, BIG_BYTES), 0);
	files_n++;
	return http_answer_file(exchange, fd, "application/octet-stream", "big");
}

static int hold(struct http_exchange *exchange)
{
	held[held_n++] = exchange;
	http_hold(exchange);
	return 0;
}

/* Longer than a server that stops waits for answers under way. */
static int hold_late(struct http_exchange *exchange)
{
	late_n++;
	poll(NULL, 0, 1500);
	http_hold(exchange);
	return 0;
}

static const struct route routes[] = {
	{ "GET", "/", answer, "" },          { "POST", "/", answer, "" },
	{ "GET", "/big", answer_big, "" },   { "GET", "/hold", hold, "" },
	{ "GET", "/file", answer_file, "" }, { "GET", "/late", hold_late, "" },
	{ NULL, NULL, NULL, NULL },
};

static void start(uint64_t request_ms, uint64_t response_ms)
{
	server_prepare(&scene);
	scene.settings.request_timeout_ns = request_ms * NS_PER_MS;
	scene.settings.response_timeout_ns = response_ms * NS_PER_MS;
	server_start(&scene, routes, &scene);
}

static void limit(uint64_t connections, uint64_t per_ip)
{
	scene.settings.max_connections = connections;
	scene.settings.max_connections_per_ip = per_ip;
	cr_assert_eq(http_server_set(scene.server, &scene.settings), 0);
}

static void expect_served(const char *when)
{
	struct client client;

	client_get(&client, &scene.loop, scene.port, "GET", "/", "");
	cr_expect_eq(client_status(&client), 200, "%s: %d", when, client_status(&client));
	client_close(&client);
}

/* ---- one slow client ---- */

static const char *const drips[] = {
	"GET / HTTP/1.1\r\nHost: localhost\r\n",
	"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n",
	"",
};

/* A byte each turn keeps every time-out of idleness from firing. */
static uint64_t drip_until_closed(const char *head)
{
	uint64_t began_ns = clock_mono_ns();
	struct client client;

	client_open(&client, &scene.loop, scene.port);
	client_send(&client, head);
	while (!client.ended && clock_mono_ns() - began_ns < 10 * NS_PER_S) {
		if (head[0] != '\0')
			client_send(&client, "x");
		client_turn(&client, 5);
	}
	cr_expect(client.ended, "still there: %s", head);
	cr_expect_eq(client_status(&client), 0, "%s", client.data);
	client_close(&client);
	return clock_mono_ns() - began_ns;
}

Test(server_limits, drippers_meet_an_absolute_deadline)
{
	start(200, 10000);
	for (size_t i = 0; i < sizeof(drips) / sizeof(drips[0]); i++) {
		uint64_t took_ns = drip_until_closed(drips[i]);

		cr_expect_geq(took_ns, 190 * NS_PER_MS, "%zu: cut too early", i);
		cr_expect_lt(took_ns, 5 * NS_PER_S, "%zu: %llu ms", i,
			     (unsigned long long)(took_ns / NS_PER_MS));
	}
	expect_served("after them");
	server_stop(&scene);
}

static void open_small_window(struct client *client)
{
	int size = 4096;

	client_open(client, &scene.loop, scene.port);
	setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* Takes a little at a time, and never as much as there is. */
static void read_slowly(struct client *client)
{
	char little[512];

	loop_turn(client->loop, 5);
	if (recv(client->fd, little, sizeof(little), 0) == 0)
		client->ended = true;
}

/* Requests that are over for the library. */
static uint64_t ended(const char *handler)
{
	const struct histogram *at = http_durations(scene.server, handler);
	uint64_t n = 0;

	for (size_t i = 0; at != NULL && i <= at->bounds_n; i++)
		n += at->counts[i];
	return n;
}

Test(server_limits, slow_readers_are_cut_off)
{
	uint64_t began_ns;
	struct client client;

	start(10000, 200);
	open_small_window(&client);
	client_send(&client, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
	began_ns = clock_mono_ns();
	while (ended("/big") == 0 && clock_mono_ns() - began_ns < 10 * NS_PER_S)
		read_slowly(&client);
	cr_expect_eq(ended("/big"), 1);
	cr_expect_geq(clock_mono_ns() - began_ns, 150 * NS_PER_MS);
	expect_served("after a slow reader");
	/* What it did not take is gone, here as in the kernel. */
	cr_expect(client_ends(&client, 5000));
	cr_expect_lt(client.size, BIG_BYTES);
	client_close(&client);
	server_stop(&scene);
}

static void *read_all(void *arg)
{
	const struct client *client = arg;
	struct pollfd at = { .fd = client->fd, .events = POLLIN };
	static char piece[65536];

	while (poll(&at, 1, CLIENT_WAIT_MS) > 0 && recv(client->fd, piece, sizeof(piece), 0) > 0)
		;
	return NULL;
}

/*
 * The answer that a stop waits for lets the next request of its connection in: held then, it would
 * be held when the server is gone.
 */
Test(server_limits, nothing_begins_while_it_stops)
{
	struct client client;
	pthread_t reader;
	int size = 65536;

	start(10000, 10000);
	client_open(&client, &scene.loop, scene.port);
	setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	client_send(&client, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n"
			     "GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n");
	while (client.size == 0)
		client_turn(&client, 10);
	cr_assert_eq(pthread_create(&reader, NULL, read_all, &client), 0);
	server_stop(&scene);
	cr_assert_eq(pthread_join(reader, NULL), 0);
	cr_expect_eq(late_n, 0);
	client_close(&client);
}

/* Who reads as fast as a network does gets everything. */
Test(server_limits, quick_readers_are_not)
{
	struct client client;

	start(10000, 10000);
	client_get(&client, &scene.loop, scene.port, "GET", "/big", "");
	cr_expect_eq(client_body_size(&client), BIG_BYTES);
	client_close(&client);
	server_stop(&scene);
}

/* ---- many clients ---- */

static struct client drippers[DRIPPERS_MAX];

static size_t can_open(void)
{
	struct rlimit files;
	size_t n;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_cur < 4096 && files.rlim_max > files.rlim_cur) {
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	}
	n = (size_t)(files.rlim_cur > FDS_SPARE ? (files.rlim_cur - FDS_SPARE) / 2 : 0);
	cr_assert_gt(n, 100, "too few descriptors for this test");
	return n < DRIPPERS_MAX ? n : DRIPPERS_MAX;
}

static size_t count_alive(size_t n)
{
	size_t alive = 0;

	for (size_t i = 0; i < n; i++) {
		client_turn(&drippers[i], 0);
		alive += !drippers[i].ended;
	}
	return alive;
}

static long resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0;

	cr_assert_not_null(file);
	cr_assert_eq(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

/* Half of them in the head, half in a body; none ever has a whole request. */
static void open_dripper(struct client *client, size_t i)
{
	client_open(client, &scene.loop, scene.port);
	client_send(client, i % 2 == 0 ? drips[0] : drips[1]);
}

/* However many there are, the next who asks is served, at once and after them. */
Test(server_limits, drippers_keep_nobody_out)
{
	size_t n = can_open(), alive;
	long before, grown;

	start(60000, 60000);
	limit(64, 64);
	expect_served("before");
	before = resident_bytes();
	for (size_t i = 0; i < n; i++) {
		open_dripper(&drippers[i], i);
		if (i % 50 == 49)
			expect_served("among them");
	}
	alive = count_alive(n);
	grown = resident_bytes() - before;
	cr_expect_leq(alive, 64, "%zu alive", alive);
	cr_expect_geq(alive, 32, "%zu alive: cut off without need", alive);
	cr_expect(drippers[0].ended, "the oldest goes first");
	cr_expect_not(drippers[n - 1].ended, "the youngest stays");
	cr_expect_lt(grown, (long)n * DRIPPER_BYTES, "%ld bytes for %zu", grown, n);
	for (size_t i = 0; i < n; i++)
		client_close(&drippers[i]);
	expect_served("after");
	server_stop(&scene);
}

/* All at once under a generous limit: each has its deadline, nobody is forgotten. */
Test(server_limits, drippers_end_together)
{
	uint64_t until_ns;
	size_t n = can_open(), alive = n;

	start(60000, 60000);
	limit(10000, 10000);
	scene.settings.request_timeout_ns = 1500 * NS_PER_MS;
	cr_assert_eq(http_server_set(scene.server, &scene.settings), 0);
	for (size_t i = 0; i < n; i++)
		open_dripper(&drippers[i], i);
	expect_served("among them");
	until_ns = clock_mono_ns() + 15 * NS_PER_S;
	while (alive > 0 && clock_mono_ns() < until_ns) {
		loop_turn(&scene.loop, 50);
		alive = count_alive(n);
	}
	cr_expect_eq(alive, 0, "%zu of %zu alive", alive, n);
	for (size_t i = 0; i < n; i++)
		client_close(&drippers[i]);
	server_stop(&scene);
}

/* ---- limits ---- */

static void open_from(struct client *client, const char *address)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = from;

	*client = (struct client){ .loop = &scene.loop };
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client->data = calloc(1, 1);
	cr_assert_eq(inet_pton(AF_INET, address, &from.sin_addr), 1);
	cr_assert_eq(bind(client->fd, (struct sockaddr *)&from, sizeof(from)), 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(scene.port);
	cr_assert_eq(connect(client->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_eq(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
	client_turn(client, 10);
}

/* Who has used up its share loses its own oldest connection; the neighbour loses none. */
Test(server_limits, per_address)
{
	enum { SHARE = 4 };
	struct client greedy[SHARE + 2], other[SHARE];

	start(60000, 60000);
	limit(100, SHARE);
	for (size_t i = 0; i < SHARE; i++)
		open_from(&other[i], "127.0.0.2");
	for (size_t i = 0; i < SHARE + 2; i++)
		open_from(&greedy[i], "127.0.0.3");
	for (size_t i = 0; i < SHARE + 2; i++)
		cr_expect_eq(client_ends(&greedy[i], i < 2 ? CLIENT_WAIT_MS : 0), i < 2, "%zu", i);
	for (size_t i = 0; i < SHARE; i++) {
		client_turn(&other[i], 0);
		cr_expect_not(other[i].ended, "%zu", i);
		client_send(&other[i], "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
		client_wait(&other[i], false);
		cr_expect_eq(client_status(&other[i]), 200);
	}
	for (size_t i = 0; i < SHARE + 2; i++)
		client_close(&greedy[i]);
	for (size_t i = 0; i < SHARE; i++)
		client_close(&other[i]);
	server_stop(&scene);
}

static void open_held(struct client *client)
{
	size_t n = held_n;

	client_open(client, &scene.loop, scene.port);
	client_send(client, "GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
	while (held_n == n && !client->ended)
		client_turn(client, 10);
}

/* Whole requests are not cut off for newcomers: then it is the newcomer who is turned away. */
Test(server_limits, requests_under_way_stay)
{
	struct client waiting[8], refused;

	start(60000, 60000);
	limit(8, 8);
	for (size_t i = 0; i < 8; i++)
		open_held(&waiting[i]);
	cr_assert_eq(held_n, 8);
	client_open(&refused, &scene.loop, scene.port);
	cr_expect(client_ends(&refused, CLIENT_WAIT_MS));
	client_close(&refused);
	cr_assert_eq(http_answer_text(held[0], 200, "done"), 0);
	client_wait(&waiting[0], false);
	while (ended("/hold") == 0)
		loop_turn(&scene.loop, 10);
	expect_served("after one has gone");
	for (size_t i = 0; i < 8; i++)
		client_close(&waiting[i]);
	server_stop(&scene);
}

/* A reload may raise and lower the limits of a server that runs. */
Test(server_limits, reload)
{
	struct client waiting[12];

	start(60000, 60000);
	limit(4, 4);
	for (size_t i = 0; i < 4; i++)
		open_held(&waiting[i]);
	limit(12, 12);
	for (size_t i = 4; i < 12; i++)
		open_held(&waiting[i]);
	cr_expect_eq(held_n, 12, "raised: %zu", held_n);
	limit(4, 4);
	for (size_t i = 0; i < 12; i++) {
		cr_assert_eq(http_answer_text(held[i], 200, "done"), 0);
		client_wait(&waiting[i], false);
		cr_expect_eq(client_status(&waiting[i]), 200, "lowered, not cut off: %zu", i);
		client_close(&waiting[i]);
	}
	expect_served("after a lowered limit");
	server_stop(&scene);
}

/*
 * At the library's own limit it takes the listening socket out of its epoll set, and puts it back
 * only at the start of a run. When connections end inside of a run and nothing else happens, those
 * in the backlog would wait for ever.
 */
Test(server_limits, listen_stall)
{
	struct rlimit few = { 640, 640 }; /* a quarter for connections: 160 */
	struct client readers[160], next;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	start(60000, 60000);
	limit(10000, 10000);
	for (size_t i = 0; i < 160; i++) {
		open_small_window(&readers[i]);
		client_send(&readers[i], "GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n");
		while (files_n < i + 1)
			loop_turn(&scene.loop, 10);
	}
	/* It waits in the backlog, its request with it. */
	client_open(&next, &scene.loop, scene.port);
	client_send(&next, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	for (int i = 0; i < 10; i++)
		client_turn(&next, 0);
	cr_expect_eq(next.size, 0);
	cr_expect_not(next.ended);
	/* All in one run. */
	for (size_t i = 0; i < 160; i++)
		client_close(&readers[i]);
	client_wait(&next, false);
	cr_expect_eq(client_status(&next), 200);
	client_close(&next);
	server_stop(&scene);
}
