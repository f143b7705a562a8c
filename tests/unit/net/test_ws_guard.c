/*
 * The guards of net/ws.c, one test each: what libwebsockets, left to itself, would do to a target
 * or to us. Two functions of libc are replaced here, for the library too: the clock, so that five
 * minutes can pass, and send(), so that it can fail.
 */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"
#include "util/log.h"
#include "ws_client.h"

enum { FDS_LOW = 48, CONNECTIONS = 100, CYCLES = 200, FDS_CAP = 65536, MINUTES_6 = 360 };

/* ---- what is replaced ---- */

static long skew_s;
static bool send_fails;

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += __atomic_load_n(&skew_s, __ATOMIC_SEQ_CST);
	return r;
}

__attribute__((visibility("default"))) ssize_t send(int fd, const void *data, size_t size,
						    int flags)
{
	if (send_fails) {
		errno = EPIPE;
		return -1;
	}
	return sendto(fd, data, size, flags, NULL, 0);
}

/* ---- the log ---- */

static int warnings, of_the_library;

static void on_log(const struct log_record *record)
{
	warnings += record->level >= LEVEL_WARN;
	of_the_library += strncmp(record->message, "libwebsockets: ", 15) == 0;
}

static struct client client;
static struct seen seen;
static struct server server;

static void setup(void)
{
	log_setup(LEVEL_DEBUG, LOG_LOGFMT);
	log_set_sink(on_log);
	client_init(&client);
}

static void teardown(void)
{
	client_fini(&client);
}

/* Brings everything down and up again: a watcher that was left behind shows. */
static void expect_clean_end(void)
{
	client_fini(&client);
	cr_assert_eq(warnings, 0, "the loop or the library did not come down clean");
	client_init(&client);
}

TestSuite(ws_guard, .init = setup, .fini = teardown, .timeout = 60);

Test(ws_guard, library_speaks_through_our_log)
{
	cr_assert_gt(of_the_library, 0);
}

/* ---- time-outs and the kick ---- */

static void expect_timeout(const char *says)
{
	struct ws_limits limits = client_limits;

	limits.connect_ns = 300 * NS_PER_MS;
	cr_assert_eq(ws_open(&seen.ws, client.context, &server.address, "/", &limits,
			     &client_events, &seen),
		     0);
	client_until(&client, &seen.closed, 1);
	cr_assert_eq(seen.r, -ETIMEDOUT);
	cr_assert(strstr(seen.reason, says), "%s", seen.reason);
	cr_assert_eq(loop_turn(&client.loop, 20), 0);
	cr_assert_eq(seen.closed, 1);
}

Test(ws_guard, no_answer_to_the_syn)
{
	struct blackhole hole;

	blackhole_open(&hole);
	server.address = hole.address;
	expect_timeout("no connection");
	blackhole_close(&hole);
}

struct silent {
	int connected, ended; /* atomic */
};

static void stay_silent(struct peer *peer)
{
	struct silent *s = peer->arg;

	peer_read_head(peer);
	__atomic_add_fetch(&s->connected, 1, __ATOMIC_SEQ_CST);
	if (peer_wait_end(peer))
		__atomic_add_fetch(&s->ended, 1, __ATOMIC_SEQ_CST);
}

Test(ws_guard, no_answer_to_the_upgrade)
{
	static struct silent silent;

	server_start(&server, NULL, stay_silent, &silent);
	expect_timeout("no answer");
	client_until_told(&client, &silent.ended, 1);
	server_stop(&server);
}

Test(ws_guard, closed_while_connecting)
{
	static struct silent silent;

	server_start(&server, NULL, stay_silent, &silent);
	client_open(&client, &server.address, &seen);
	client_until_told(&client, &silent.connected, 1);
	ws_close(seen.ws);
	client_until_told(&client, &silent.ended, 1);
	cr_assert_eq(seen.closed, 0);
	server_stop(&server);
}

static void accept_and_wait(struct peer *peer)
{
	struct silent *s = peer->arg;

	if (!peer_upgrade(peer))
		return;
	__atomic_add_fetch(&s->connected, 1, __ATOMIC_SEQ_CST);
	if (peer_wait_end(peer))
		__atomic_add_fetch(&s->ended, 1, __ATOMIC_SEQ_CST);
}

/* The peer must see the end at once, though nothing else happens in the loop. */
Test(ws_guard, close_takes_effect)
{
	static struct silent silent;

	server_start(&server, NULL, accept_and_wait, &silent);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.opened, 1);
	ws_close(seen.ws);
	client_until_told(&client, &silent.ended, 1);
	cr_assert_eq(seen.closed, 0);
	server_stop(&server);
}

Test(ws_guard, freeing_the_context_closes_what_is_open)
{
	static struct silent silent;

	server_start(&server, NULL, accept_and_wait, &silent);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.opened, 1);
	expect_clean_end();
	cr_assert_eq(server_stop(&server), 1);
	cr_assert_eq(silent.ended, 1);
	cr_assert_eq(seen.closed, 0);
}

/* ---- no event after ws_close() ---- */

static struct ws *victim;
static int events_n;
static bool close_on_open;

static void close_now(void)
{
	events_n++;
	ws_close(victim);
	ws_close(victim); /* its memory is there until lws has let go */
}

static void on_open_close(void *owner)
{
	(void)owner;
	if (close_on_open)
		close_now();
}

static void on_message_close(void *owner, const char *data, size_t size)
{
	(void)owner;
	(void)data;
	(void)size;
	close_now();
}

static void on_closed_count(void *owner, int r, const char *reason)
{
	(void)owner;
	(void)r;
	(void)reason;
	events_n++;
}

static const struct ws_events closing = {
	.open = on_open_close,
	.message = on_message_close,
	.closed = on_closed_count,
};

static void chatter(struct peer *peer)
{
	struct silent *s = peer->arg;

	peer_upgrade(peer);
	for (int i = 0; i < 100; i++)
		peer_frame(peer, 0x81, "message", 7);
	peer_wait_end(peer);
	__atomic_add_fetch(&s->ended, 1, __ATOMIC_SEQ_CST);
}

static void expect_one_event(void)
{
	static struct silent silent;

	server_start(&server, NULL, chatter, &silent);
	cr_assert_eq(ws_open(&victim, client.context, &server.address, "/", &client_limits,
			     &closing, NULL),
		     0);
	client_until_told(&client, &silent.ended, 1);
	cr_assert_eq(loop_turn(&client.loop, 10), 0);
	cr_assert_eq(events_n, 1, "%d events", events_n);
	server_stop(&server);
}

Test(ws_guard, nothing_after_close_in_a_message)
{
	expect_one_event();
}

Test(ws_guard, nothing_after_close_in_open)
{
	close_on_open = true;
	expect_one_event();
}

Test(ws_guard, nothing_after_close_of_what_has_failed)
{
	struct address to = { ADDRESS_UNIX, "/nonexistent/socket", 0 };

	cr_assert_eq(ws_open(&victim, client.context, &to, "/", &client_limits, &closing, NULL), 0);
	ws_close(victim);
	cr_assert_eq(loop_turn(&client.loop, 10), 0);
	cr_assert_eq(loop_turn(&client.loop, 10), 0);
	cr_assert_eq(events_n, 0);
}

/* ---- exactly one end, whatever happens ---- */

static int cycles;

static void cycle_again(void *owner, int r, const char *reason)
{
	(void)reason;
	cr_assert_eq(r, cycles % 2 ? -ECONNRESET : 0);
	if (++cycles < CYCLES)
		cr_assert_eq(ws_open(&victim, client.context, &server.address, "/", &client_limits,
				     owner, owner),
			     0);
}

static void end_by_turns(struct peer *peer)
{
	int *n = peer->arg;

	peer_upgrade(peer);
	if ((*n)++ % 2 == 0) {
		peer_frame(peer, 0x88, "\x03\xe8", 2);
		peer_wait_end(peer);
	}
}

/* `closed` may open the next connection at once. */
Test(ws_guard, one_end_per_connection)
{
	static int n;
	struct ws_events again = { on_open_close, on_message_close, cycle_again };

	server_start(&server, NULL, end_by_turns, &n);
	cr_assert_eq(ws_open(&victim, client.context, &server.address, "/", &client_limits, &again,
			     &again),
		     0);
	client_until(&client, &cycles, CYCLES);
	cr_assert_eq(loop_turn(&client.loop, 10), 0);
	cr_assert_eq(cycles, CYCLES);
	cr_assert_eq(server_stop(&server), CYCLES);
	expect_clean_end();
}

/* When connect(2) fails at once, lws forgets its watcher, and the descriptor's next user suffers.
 */
Test(ws_guard, connect_that_fails_at_once_leaves_nothing_behind)
{
	struct address nowhere = { ADDRESS_UNIX, "/nonexistent/socket", 0 };
	static struct silent silent;

	server_start(&server, NULL, accept_and_wait, &silent);
	for (int i = 0; i < 20; i++) {
		static struct seen failed, good;

		failed = good = (struct seen){ 0 };
		client_open(&client, &nowhere, &failed);
		client_open(&client, &server.address, &good);
		client_until(&client, &failed.closed, 1);
		cr_assert_eq(failed.r, -ECONNREFUSED);
		client_until(&client, &good.opened, 1);
		ws_close(good.ws);
		client_until_told(&client, &silent.ended, i + 1);
	}
	cr_assert_eq(server_stop(&server), 20);
	expect_clean_end();
}

Test(ws_guard, handshake_that_cannot_be_sent)
{
	struct address address = { .family = ADDRESS_UNIX };
	static struct silent silent;

	snprintf(address.host, sizeof(address.host), "test-ws-guard-%d.sock", (int)getpid());
	server_start(&server, &address, stay_silent, &silent);
	send_fails = true;
	client_open(&client, &address, &seen);
	client_until(&client, &seen.closed, 1);
	cr_assert_eq(loop_turn(&client.loop, 10), 0);
	cr_assert_eq(seen.closed, 1);
	cr_assert_neq(seen.r, 0);

	cr_assert_eq(
		ws_open(&victim, client.context, &address, "/", &client_limits, &closing, NULL), 0);
	ws_close(victim);
	client_until_told(&client, &silent.ended, 2);
	cr_assert_eq(events_n, 0);
	send_fails = false;
	server_stop(&server);
	expect_clean_end();
}

/* ---- what must never be sent or obeyed ---- */

struct frames {
	int replies, others; /* atomic */
};

static void echo_and_note(struct peer *peer)
{
	struct frames *f = peer->arg;
	char text[256];
	size_t size;
	int first;

	peer_upgrade(peer);
	while ((first = peer_read_frame(peer, text, sizeof(text), &size)) >= 0) {
		if (first == 0x81)
			peer_frame(peer, 0x81, text, size);
		else
			__atomic_add_fetch(&f->others, 1, __ATOMIC_SEQ_CST);
	}
}

/* Node drops the connection on a PING. lws sends one five minutes after the last PONG, by default.
 */
Test(ws_guard, no_ping_ever)
{
	static struct frames frames;

	server_start(&server, NULL, echo_and_note, &frames);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.opened, 1);
	for (int i = 1; i <= 5; i++) {
		__atomic_add_fetch(&skew_s, MINUTES_6, __ATOMIC_SEQ_CST);
		for (int turn = 0; turn < 5; turn++)
			cr_assert_eq(loop_turn(&client.loop, 10), 0);
		cr_assert_eq(ws_send(seen.ws, "still here?", 11), 0);
		client_until(&client, &seen.messages, i);
	}
	cr_assert_eq(seen.closed, 0);
	ws_close(seen.ws);
	client_fini(&client);
	server_stop(&server);
	cr_assert_eq(frames.others, 0, "%d frames that are no text", frames.others);
	client_init(&client);
}

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

static void accept_gladly(struct peer *peer)
{
	peer_upgrade(peer);
	peer_wait_end(peer);
}

Test(ws_guard, redirects_are_not_followed)
{
	struct server elsewhere;

	server_start(&elsewhere, NULL, accept_gladly, NULL);
	elsewhere_port = elsewhere.address.port;
	server_start(&server, NULL, redirect, NULL);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.closed, 1);
	cr_assert_eq(seen.r, -EPROTO);
	cr_assert(strstr(seen.reason, "302"), "%s", seen.reason);
	cr_assert_eq(server_stop(&server), 1);
	cr_assert_eq(server_stop(&elsewhere), 0, "the redirect was followed");
}

Test(ws_guard, proxy_of_the_environment_is_not_used)
{
	static struct silent silent;
	struct server proxy;
	char url[64];

	client_fini(&client);
	server_start(&proxy, NULL, accept_gladly, NULL);
	snprintf(url, sizeof(url), "127.0.0.1:%d", proxy.address.port);
	setenv("http_proxy", url, 1);
	client_init(&client);
	server_start(&server, NULL, accept_and_wait, &silent);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.opened, 1);
	ws_close(seen.ws);
	client_until_told(&client, &silent.ended, 1);
	cr_assert_eq(server_stop(&server), 1);
	cr_assert_eq(server_stop(&proxy), 0, "the proxy was asked");
}

/* ---- descriptors ---- */

static int refused, timed_out;

static void count_ends(void *owner, int r, const char *reason)
{
	(void)owner;
	(void)reason;
	refused += r == -ECONNREFUSED;
	timed_out += r == -ETIMEDOUT;
}

/* More connections at once than the soft limit allowed before: to a listener that never accepts. */
Test(ws_guard, soft_limit_of_descriptors_is_raised)
{
	struct ws_events events = { on_open_close, on_message_close, count_ends };
	struct ws_limits limits = client_limits;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct address to = { ADDRESS_INET, "127.0.0.1", 0 };
	socklen_t size = sizeof(sa);
	struct rlimit limit;
	int fd;

	client_fini(&client);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = FDS_LOW;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	client_init(&client);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(limit.rlim_cur, limit.rlim_max < FDS_CAP ? limit.rlim_max : FDS_CAP);

	fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(fd, 2 * CONNECTIONS), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sa, &size), 0);
	to.port = ntohs(sa.sin_port);
	limits.connect_ns = 500 * NS_PER_MS;
	for (int i = 0; i < CONNECTIONS; i++)
		cr_assert_eq(ws_open(&victim, client.context, &to, "/", &limits, &events, NULL), 0);
	client_until(&client, &timed_out, CONNECTIONS);
	cr_assert_eq(refused, 0);
	close(fd);
}

/* Our end of the connection to the server. */
static int find_socket(uint16_t port)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in sa;
		socklen_t size = sizeof(sa);

		if (getpeername(fd, (struct sockaddr *)&sa, &size) == 0 &&
		    sa.sin_family == AF_INET && ntohs(sa.sin_port) == port)
			return fd;
	}
	return -1;
}

/* A peer that vanishes without a word is noticed by the kernel. */
Test(ws_guard, keepalive_is_on)
{
	static struct silent silent;
	int fd, on = 0, idle = 0;
	socklen_t size = sizeof(int);

	server_start(&server, NULL, accept_and_wait, &silent);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.opened, 1);
	fd = find_socket(server.address.port);
	cr_assert_geq(fd, 0);
	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
	cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
	cr_assert_eq(on, 1);
	cr_assert(idle > 0 && idle <= 60, "%d", idle);
	ws_close(seen.ws);
	client_until_told(&client, &silent.ended, 1);
	server_stop(&server);
}
