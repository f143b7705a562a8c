/*
 * The blocking wire of a capture thread against scripted servers: every wait ends by its deadline
 * or by a cancellation, and the bytes come through whole.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/upgrade.h"
#include "net/wire.h"
#include "peer.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"

enum { BIG = 3 * 1024 * 1024, STOP = -77, TEXT_MAX = 4096 };

#define SOON (5 * NS_PER_S)

struct got {
	char text[TEXT_MAX]; /* the beginning of all messages, each ended by '.' */
	size_t text_n;
	uint64_t bytes, sum;
	int messages, pings, closes, stop_at;
};

static struct wire wire;
static struct server server;
static struct got got;
static struct err err;
static int cancel_fd;

static void setup(void)
{
	cancel_fd = eventfd(0, EFD_CLOEXEC);
	cr_assert_geq(cancel_fd, 0);
}

static void teardown(void)
{
	wire_close(&wire);
	close(cancel_fd);
}

TestSuite(wire, .init = setup, .fini = teardown, .timeout = 60);

static void keep(const char *data, size_t size)
{
	for (size_t i = 0; i < size && got.text_n < TEXT_MAX - 1; i++)
		got.text[got.text_n++] = data[i];
}

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	cr_assert_eq(owner, &got);
	keep(data, size);
	for (size_t i = 0; i < size; i++)
		got.sum = got.sum * 31 + (unsigned char)data[i];
	got.bytes += size;
	if (last) {
		keep(".", 1);
		if (++got.messages == got.stop_at)
			return STOP;
	}
	return 0;
}

static int on_control(void *owner, enum frame_opcode opcode, const char *data, size_t size)
{
	cr_assert_eq(owner, &got);
	(void)data;
	(void)size;
	got.pings += opcode == FRAME_PING;
	got.closes += opcode == FRAME_CLOSE;
	return 0;
}

static const struct frame_events events = { .text = on_text, .control = on_control };

static int open_at(const struct address *to, uint64_t timeout_ns)
{
	return wire_open(&wire, to, "/target", cancel_fd, timeout_ns, &events, &got, &err);
}

static int open_with(peer_script *script, void *arg)
{
	server_start(&server, NULL, script, arg);
	return open_at(&server.address, SOON);
}

static int receive_until(int messages)
{
	int r = 0;

	while (got.messages < messages && r == 0)
		r = wire_receive(&wire, SOON);
	return r;
}

static void cancel(void)
{
	uint64_t one = 1;

	cr_assert_eq(write(cancel_fd, &one, sizeof(one)), (ssize_t)sizeof(one));
}

/* ---- dialogue ---- */

struct dialogue {
	char head[PEER_HEAD_MAX], text[TEXT_MAX], end[256];
	int first, end_first;
	bool ended;
};

static void answer_once(struct peer *peer)
{
	struct dialogue *d = peer->arg;

	peer_upgrade(peer);
	memcpy(d->head, peer->head, sizeof(d->head));
	d->first = peer_read_frame(peer, d->text, sizeof(d->text), NULL);
	peer_frame(peer, 0x81, "{\"id\":1}", 8);
	d->end_first = peer_read_frame(peer, d->end, sizeof(d->end), NULL);
	d->ended = peer_wait_end(peer);
}

static void dialogue_at(const struct address *address, const char *host)
{
	static struct dialogue d;
	char header[64], port[16] = "";

	server_start(&server, address, answer_once, &d);
	cr_assert_eq(open_at(&server.address, SOON), 0, "%s", err.text);
	cr_assert_eq(wire_send(&wire, "{\"method\":\"x\"}", 14, SOON), 0);
	cr_assert_eq(receive_until(1), 0);
	cr_assert_str_eq(got.text, "{\"id\":1}.");
	cr_assert_eq(wire.bytes_in, 2 + 8);
	cr_assert_eq(wire.bytes_out, 6 + 14);
	wire_close(&wire);
	wire_close(&wire);
	cr_assert_eq(wire.fd, -1);
	cr_assert_eq(server_stop(&server), 1);

	cr_assert_eq(d.first, 0x81);
	cr_assert_str_eq(d.text, "{\"method\":\"x\"}");
	cr_assert_eq(d.end_first, 0x88, "a close frame before the end");
	cr_assert_eq(memcmp(d.end, "\x03\xe8", 3), 0, "code 1000");
	cr_assert(d.ended);
	cr_assert(strncmp(d.head, "GET /target HTTP/1.1\r\n", 22) == 0);
	if (server.address.port)
		snprintf(port, sizeof(port), ":%d", server.address.port);
	snprintf(header, sizeof(header), "\r\nHost: %s%s\r\n", host, port);
	cr_assert(strstr(d.head, header), "%s", d.head);
	cr_assert(strstr(d.head, "\r\nSec-WebSocket-Version: 13\r\n"));
	cr_assert_not(strcasestr(d.head, "\r\nOrigin:"));
	cr_assert_not(strcasestr(d.head, "\r\nUser-Agent:"));
	cr_assert_not(strcasestr(d.head, "\r\nSec-WebSocket-Extensions:"));
}

Test(wire, dialogue_over_ipv4)
{
	dialogue_at(NULL, "127.0.0.1");
}

Test(wire, dialogue_over_ipv6)
{
	const struct address v6 = { ADDRESS_INET6, "::1", 0 };

	dialogue_at(&v6, "[::1]");
}

Test(wire, dialogue_over_a_unix_socket)
{
	struct address address = { .family = ADDRESS_UNIX };

	snprintf(address.host, sizeof(address.host), "test-wire-%d.sock", (int)getpid());
	dialogue_at(&address, "localhost");
}

Test(wire, no_delay)
{
	static struct dialogue d;
	socklen_t size = sizeof(int);
	int on = 0;

	cr_assert_eq(open_with(answer_once, &d), 0);
	cr_assert_eq(getsockopt(wire.fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
	cr_assert_eq(on, 1);
	wire_close(&wire);
	server_stop(&server);
}

/* ---- bytes ---- */

/* The frames come in the same segment as the head, or even before the head is read. */
static void answer_with_frames(struct peer *peer)
{
	char key[UPGRADE_KEY_MAX], accept[UPGRADE_ACCEPT_MAX], answer[512];
	int n;

	peer_read_head(peer);
	peer_header(peer, "Sec-WebSocket-Key", key, sizeof(key));
	n = snprintf(answer, sizeof(answer),
		     "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Accept: %s\r\n\r\n\x81\x05"
		     "first\x81\x06"
		     "second",
		     upgrade_accept(accept, key));
	peer_write(peer, answer, (size_t)n);
	peer_wait_end(peer);
}

Test(wire, frames_right_behind_the_head)
{
	cr_assert_eq(open_with(answer_with_frames, NULL), 0, "%s", err.text);
	cr_assert_eq(got.messages, 0, "no event before wire_open() returns");
	cr_assert_eq(receive_until(2), 0);
	cr_assert_str_eq(got.text, "first.second.");
	cr_assert_eq(wire.bytes_in, 7 + 8);
	wire_close(&wire);
	server_stop(&server);
}

/* Each byte only when the one before has been read, which a unix socket can tell. */
static void answer_byte_by_byte(struct peer *peer)
{
	static const char frame[] = "\x81\x02ok";
	char key[UPGRADE_KEY_MAX], accept[UPGRADE_ACCEPT_MAX], answer[512];
	int n, unread;

	peer_read_head(peer);
	peer_header(peer, "Sec-WebSocket-Key", key, sizeof(key));
	n = snprintf(answer, sizeof(answer),
		     "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Accept: %s\r\n\r\n%s",
		     upgrade_accept(accept, key), frame);
	for (int i = 0; i < n && peer_write(peer, answer + i, 1); i++) {
		while (ioctl(peer->fd, SIOCOUTQ, &unread) == 0 && unread > 0)
			sched_yield();
	}
	peer_wait_end(peer);
}

Test(wire, head_and_frame_byte_by_byte)
{
	struct address address = { .family = ADDRESS_UNIX };

	snprintf(address.host, sizeof(address.host), "test-wire-bytes-%d.sock", (int)getpid());
	server_start(&server, &address, answer_byte_by_byte, NULL);
	cr_assert_eq(open_at(&server.address, SOON), 0, "%s", err.text);
	cr_assert_eq(receive_until(1), 0);
	cr_assert_str_eq(got.text, "ok.");
	wire_close(&wire);
	server_stop(&server);
}

static uint64_t sent_sum;

static void send_big(struct peer *peer)
{
	char *text = malloc(BIG);

	if (!text)
		return;
	sent_sum = 0;
	for (size_t i = 0; i < BIG; i++) {
		text[i] = (char)(i * 7 + i / 1000);
		sent_sum = sent_sum * 31 + (unsigned char)text[i];
	}
	peer_upgrade(peer);
	peer_frame(peer, 0x81, text, BIG);
	peer_wait_end(peer);
	free(text);
}

/* A message larger than the buffer comes in pieces, whole. */
Test(wire, big_message)
{
	cr_assert_eq(open_with(send_big, NULL), 0);
	cr_assert_eq(receive_until(1), 0);
	cr_assert_eq(got.bytes, BIG);
	wire_close(&wire);
	server_stop(&server);
	cr_assert_eq(got.sum, sent_sum);
}

static void read_big(struct peer *peer)
{
	char *text = malloc(BIG + 1);
	size_t size = 0;

	peer_upgrade(peer);
	if (text && peer_read_frame(peer, text, BIG + 1, &size) == 0x81 &&
	    strspn(text, "x") == size)
		peer_frame(peer, 0x81, "all x", 5);
	peer_wait_end(peer);
	free(text);
}

Test(wire, big_message_out)
{
	char *text = malloc(BIG);

	memset(text, 'x', BIG);
	cr_assert_eq(open_with(read_big, NULL), 0);
	cr_assert_eq(wire_send(&wire, text, BIG, SOON), 0);
	cr_assert_eq(receive_until(1), 0);
	cr_assert_str_eq(got.text, "all x.");
	cr_assert_eq(wire.bytes_out, 14 + BIG);
	wire_close(&wire);
	server_stop(&server);
	free(text);
}

static void ping_between_fragments(struct peer *peer)
{
	struct dialogue *d = peer->arg;

	peer_upgrade(peer);
	peer_frame(peer, 0x01, "a", 1);
	peer_frame(peer, 0x89, "here?", 5);
	peer_frame(peer, 0x8a, "unasked", 7);
	peer_frame(peer, 0x80, "b", 1);
	d->first = peer_read_frame(peer, d->text, sizeof(d->text), NULL);
	peer_wait_end(peer);
}

Test(wire, ping_is_answered)
{
	static struct dialogue d;

	cr_assert_eq(open_with(ping_between_fragments, &d), 0);
	cr_assert_eq(receive_until(1), 0);
	cr_assert_str_eq(got.text, "ab.");
	cr_assert_eq(got.pings, 1);
	wire_close(&wire);
	server_stop(&server);
	cr_assert_eq(d.first, 0x8a);
	cr_assert_str_eq(d.text, "here?");
}

/* ---- ends ---- */

static void close_frame(struct peer *peer)
{
	peer_upgrade(peer);
	peer_frame(peer, 0x81, "bye", 3);
	peer_frame(peer, 0x88, "\x03\xe8", 2);
	peer_wait_end(peer);
}

Test(wire, closed_in_good_order)
{
	int r = 0;

	cr_assert_eq(open_with(close_frame, NULL), 0);
	while (r == 0)
		r = wire_receive(&wire, SOON);
	cr_assert_eq(r, WIRE_E_CLOSED);
	cr_assert_str_eq(got.text, "bye.");
	cr_assert_eq(got.closes, 1);
	cr_assert_eq(wire_receive(&wire, SOON), WIRE_E_CLOSED);
	wire_close(&wire);
	cr_assert_eq(wire_receive(&wire, SOON), WIRE_E_CLOSED);
	cr_assert_eq(wire_send(&wire, "x", 1, SOON), -ENOTCONN);
	server_stop(&server);
}

static void fin(struct peer *peer)
{
	peer_upgrade(peer);
}

Test(wire, connection_ends)
{
	cr_assert_eq(open_with(fin, NULL), 0);
	cr_assert_eq(wire_receive(&wire, SOON), WIRE_E_CLOSED);
	server_stop(&server);
}

static void rst(struct peer *peer)
{
	peer_upgrade(peer);
	peer_reset(peer);
}

Test(wire, connection_is_reset)
{
	server_start(&server, NULL, rst, NULL);
	/* The reset may overtake the head. */
	if (open_at(&server.address, SOON) == 0)
		cr_assert_eq(wire_receive(&wire, SOON), -ECONNRESET);
	server_stop(&server);
}

static void binary(struct peer *peer)
{
	peer_upgrade(peer);
	peer_frame(peer, 0x82, "x", 1);
	peer_wait_end(peer);
}

Test(wire, broken_frames)
{
	cr_assert_eq(open_with(binary, NULL), 0);
	cr_assert_eq(wire_receive(&wire, SOON), -EPROTO);
	wire_close(&wire);
	server_stop(&server);
}

static void three_messages(struct peer *peer)
{
	peer_upgrade(peer);
	for (int i = 0; i < 3; i++)
		peer_frame(peer, 0x81, "m", 1);
	peer_wait_end(peer);
}

Test(wire, an_event_stops_the_reading)
{
	got.stop_at = 2;
	cr_assert_eq(open_with(three_messages, NULL), 0);
	cr_assert_eq(receive_until(3), STOP);
	cr_assert_eq(got.messages, 2);
	wire_close(&wire);
	server_stop(&server);
}

/* ---- deadlines and cancellation ---- */

static void stay_silent(struct peer *peer)
{
	peer_wait_end(peer);
}

static void upgrade_and_wait(struct peer *peer)
{
	peer_upgrade(peer);
	peer_wait_end(peer);
}

/* What is in the way, where it is met, and that both ways out work. */
static void expect_ways_out(const struct address *to)
{
	uint64_t start_ns = clock_mono_ns();

	cr_assert_eq(open_at(to, 200 * NS_PER_MS), -ETIMEDOUT, "%s", err.text);
	cr_assert_geq(clock_mono_ns() - start_ns, 200 * NS_PER_MS);
	cr_assert_neq(err.text[0], '\0');
	cr_assert_eq(wire.fd, -1);
	cancel();
	start_ns = clock_mono_ns();
	cr_assert_eq(open_at(to, 20 * NS_PER_S), -ECANCELED, "%s", err.text);
	cr_assert_lt(clock_mono_ns() - start_ns, 10 * NS_PER_S);
}

Test(wire, no_answer_to_the_syn)
{
	struct blackhole hole;

	blackhole_open(&hole);
	expect_ways_out(&hole.address);
	blackhole_close(&hole);
}

Test(wire, no_answer_to_the_upgrade)
{
	server_start(&server, NULL, stay_silent, NULL);
	expect_ways_out(&server.address);
	server_stop(&server);
}

/* A unix listener whose queue is full cannot be polled for. */
Test(wire, full_queue_of_a_unix_socket)
{
	struct address address = { .family = ADDRESS_UNIX };
	struct blackhole hole;

	snprintf(address.host, sizeof(address.host), "test-wire-full-%d.sock", (int)getpid());
	blackhole_open_unix(&hole, address.host);
	expect_ways_out(&hole.address);
	blackhole_close(&hole);
}

Test(wire, nothing_to_receive)
{
	cr_assert_eq(open_with(upgrade_and_wait, NULL), 0);
	cr_assert_eq(wire_receive(&wire, 50 * NS_PER_MS), -ETIMEDOUT);
	cr_assert_eq(wire_receive(&wire, 0), -ETIMEDOUT);
	cancel();
	cr_assert_eq(wire_receive(&wire, 20 * NS_PER_S), -ECANCELED);
	wire_close(&wire);
	server_stop(&server);
}

static void flood(struct peer *peer)
{
	static char text[65536];

	peer_upgrade(peer);
	while (peer_frame(peer, 0x81, text, sizeof(text)))
		;
}

/* A cancellation is seen while bytes are pouring in. */
Test(wire, cancelled_in_a_flood)
{
	int r = 0;

	cr_assert_eq(open_with(flood, NULL), 0);
	for (int i = 0; i < 100 && r == 0; i++)
		r = wire_receive(&wire, SOON);
	cr_assert_eq(r, 0);
	cancel();
	cr_assert_eq(wire_receive(&wire, SOON), -ECANCELED);
	wire_close(&wire);
	server_stop(&server);
}

/* Reads nothing until it is told that the client has closed. */
static void never_read(struct peer *peer)
{
	int *closed_fd = peer->arg;
	uint64_t one;

	if (peer_upgrade(peer) && read(*closed_fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
		peer_wait_end(peer);
}

/* A frame sent in part is the last thing on that connection: a close frame would be its payload. */
Test(wire, peer_does_not_read)
{
	int closed_fd = eventfd(0, EFD_CLOEXEC);
	size_t size = 64 * 1024 * 1024;
	char *text = calloc(1, size);
	uint64_t out, one = 1;

	cr_assert_eq(open_with(never_read, &closed_fd), 0);
	cr_assert_eq(wire_send(&wire, text, size, 200 * NS_PER_MS), -ETIMEDOUT);
	cr_assert_eq(wire_send(&wire, "x", 1, SOON), -EPIPE);
	out = wire.bytes_out;
	wire_close(&wire);
	cr_assert_eq(wire.bytes_out, out, "no close frame after half a frame");
	cr_assert_eq(write(closed_fd, &one, sizeof(one)), (ssize_t)sizeof(one));
	server_stop(&server);
	close(closed_fd);
	free(text);
}

/* ---- no WebSocket server ---- */

Test(wire, refused)
{
	server_start(&server, NULL, stay_silent, NULL);
	server_stop(&server);
	cr_assert_eq(open_at(&server.address, SOON), -ECONNREFUSED);
	cr_assert(strstr(err.text, "refused"), "%s", err.text);
	wire_close(&wire);
}

Test(wire, no_unix_socket)
{
	const struct address nowhere = { ADDRESS_UNIX, "/nonexistent/socket", 0 };

	cr_assert_eq(open_at(&nowhere, SOON), -ENOENT);
}

Test(wire, bad_path)
{
	const struct address to = { ADDRESS_INET, "127.0.0.1", 9 };

	cr_assert_eq(wire_open(&wire, &to, "/a\r\nOrigin: b", -1, SOON, &events, &got, &err),
		     -EINVAL);
	wire_close(&wire);
}

static void expect_no_server(peer_script *script, const char *says)
{
	cr_assert_eq(open_with(script, NULL), -EPROTO, "%s", err.text);
	cr_assert(strstr(err.text, says), "%s", err.text);
	cr_assert_eq(wire.fd, -1);
	server_stop(&server);
}

static void answer_400(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/html\r\n\r\n"
			"WebSockets request was expected\r\n");
}

Test(wire, upgrade_refused)
{
	expect_no_server(answer_400, "400 Bad Request");
}

static void answer_ssh(struct peer *peer)
{
	peer_puts(peer, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");
	peer_wait_end(peer);
}

Test(wire, no_http)
{
	expect_no_server(answer_ssh, "does not speak HTTP");
}

static void answer_wrong_key(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	peer_wait_end(peer);
}

Test(wire, wrong_accept_key)
{
	expect_no_server(answer_wrong_key, "accept key");
}

static void answer_without_end(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 101 x\r\n");
	while (peer_puts(peer, "X-Padding: pppppppppppppppppppppppppppppp\r\n"))
		;
}

Test(wire, head_without_end)
{
	expect_no_server(answer_without_end, "no end");
}

static void hang_up(struct peer *peer)
{
	peer_read_head(peer);
}

Test(wire, hangs_up_on_the_upgrade)
{
	cr_assert_eq(open_with(hang_up, NULL), -ECONNRESET, "%s", err.text);
	server_stop(&server);
}

/* ---- plain HTTP ---- */

static const char *answer; /* of the server */

static void answer_get(struct peer *peer)
{
	if (peer_read_head(peer) && strstr(peer->head, "GET /list HTTP/1.1\r\n") != NULL)
		peer_puts(peer, answer);
	/* One with a length is whole before the connection ends. */
	if (strcasestr(answer, "Content-Length: 3\r") != NULL)
		peer_wait_end(peer);
}

static int get(const char *text, struct buf *buf)
{
	int r;

	answer = text;
	buf_init(buf, 256);
	server_start(&server, NULL, answer_get, NULL);
	r = wire_get(&server.address, "/list", cancel_fd, SOON, buf, &err);
	server_stop(&server);
	return r;
}

static void expect_get(const char *text, int r, const char *body)
{
	struct buf buf;

	cr_expect_eq(get(text, &buf), r, "%s: %s", text, err.text);
	if (r == 0)
		cr_expect_str_eq(buf_text(&buf), body);
	buf_fini(&buf);
}

Test(wire, get)
{
	char large[512];

	expect_get("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", 0, "abc");
	expect_get("HTTP/1.0 200 OK\r\nServer: x\r\n\r\nto the end", 0, "to the end");
	expect_get("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, "");
	expect_get("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc", -EPROTO, NULL);
	expect_get("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc", -EPROTO, NULL);
	expect_get("HTTP/1.1 200 OK\r\nContent-Le", -EPROTO, NULL);
	expect_get("220 ready\r\n\r\n", -EPROTO, NULL);
	expect_get("", -EPROTO, NULL);
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	expect_get(large, -E2BIG, NULL);
}

Test(wire, get_of_nobody_or_the_silent)
{
	struct buf buf;

	buf_init(&buf, 256);
	server_start(&server, NULL, stay_silent, NULL);
	cr_expect_eq(wire_get(&server.address, "/", -1, 50 * NS_PER_MS, &buf, &err), -ETIMEDOUT);
	server_stop(&server);
	cr_expect_eq(wire_get(&server.address, "/", -1, SOON, &buf, &err), -ECONNREFUSED);
	buf_fini(&buf);
}
