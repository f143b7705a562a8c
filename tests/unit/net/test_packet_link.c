/* Packet connections of both halves, the loop's and the capture threads', against scripted servers:
 * what goes over the wire, and how each kind of end is told. */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "net/packet_link.h"
#include "net/wire.h"
#include "peer.h"
#include "util/clock.h"
#include "util/err.h"

enum { PATIENCE_MS = 10000, MESSAGE_MAX = 64 * 1024, BULK = 3 * 1024 * 1024 };

static const struct packet_link_limits limits = {
	.connect_ns = 2 * NS_PER_S,
	.message_max = MESSAGE_MAX,
	.send_queue_max = 64 * 1024,
};

struct seen {
	struct packet_link *link;
	int opened, messages, dropped, closed, r;
	char last[MESSAGE_MAX + 1], reason[256];
	bool close_at_once; /* at the next message */
};

static struct loop loop;
static struct seen seen;
static struct server server;

static void setup(void)
{
	cr_assert_eq(loop_init(&loop), 0);
}

static void teardown(void)
{
	packet_link_close(seen.link);
	loop_fini(&loop);
}

TestSuite(packet_link, .init = setup, .fini = teardown, .timeout = 60);

static void on_open(void *owner)
{
	((struct seen *)owner)->opened++;
}

static void on_message(void *owner, const char *data, size_t size)
{
	struct seen *s = owner;

	s->messages++;
	s->dropped += data == NULL;
	if (data != NULL)
		snprintf(s->last, sizeof(s->last), "%.*s", (int)size, data);
	if (s->close_at_once) {
		packet_link_close(s->link);
		s->link = NULL;
	}
}

static void on_closed(void *owner, int r, const char *reason)
{
	struct seen *s = owner;

	s->closed++;
	s->link = NULL;
	s->r = r;
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

static const struct packet_link_events events = {
	.open = on_open,
	.message = on_message,
	.closed = on_closed,
};

static void open_to(const struct address *to)
{
	cr_assert_eq(packet_link_open(&seen.link, &loop, to, &limits, &events, &seen), 0);
	cr_assert(seen.opened == 0 && seen.closed == 0, "no event before it returns");
}

static void turn_until(const int *n, int wanted)
{
	uint64_t end_ns = clock_mono_ns() + PATIENCE_MS * NS_PER_MS;

	while (*n < wanted) {
		cr_assert_lt(clock_mono_ns(), end_ns, "%d instead of %d", *n, wanted);
		cr_assert_eq(loop_turn(&loop, PATIENCE_MS), 0);
	}
}

/* ---- scripts ---- */

static bool peer_read(struct peer *peer, char *dst, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = recv(peer->fd, dst + at, size - at, 0);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* Greets, hears one request of 16 bytes, answers with two packets and bulk between. */
static void converse(struct peer *peer)
{
	char *heard = peer->arg;

	peer_puts(peer, "5:hello");
	peer_read(peer, heard, 16);
	peer_puts(peer, "3:one");
	peer_puts(peer, "bulk actor undefined 4::3:x");
	peer_puts(peer, "3:two");
	peer_wait_end(peer);
}

static void say(struct peer *peer)
{
	peer_puts(peer, peer->arg);
}

static void say_and_wait(struct peer *peer)
{
	peer_puts(peer, peer->arg);
	peer_wait_end(peer);
}

static void conversation_at(const struct address *address)
{
	static char heard[17];

	server_start(&server, address, converse, heard);
	open_to(&server.address);
	turn_until(&seen.messages, 1);
	cr_assert_str_eq(seen.last, "hello");
	cr_assert_eq(packet_link_send(seen.link, "{\"to\":\"root\"}", 13), 0);
	turn_until(&seen.messages, 3);
	cr_assert_str_eq(seen.last, "two");
	packet_link_close(seen.link);
	seen.link = NULL;
	cr_assert_eq(server_stop(&server), 1);
	cr_assert_str_eq(heard, "13:{\"to\":\"root\"}");
	cr_assert_eq(seen.opened, 1);
	cr_assert_eq(seen.closed, 0);
}

/* ---- the loop's ---- */

Test(packet_link, over_tcp)
{
	conversation_at(NULL);
}

Test(packet_link, over_a_unix_socket)
{
	struct address address = { .family = ADDRESS_UNIX };

	snprintf(address.host, sizeof(address.host), "test-packets-%d.sock", (int)getpid());
	conversation_at(&address);
}

static void expect_end(const char *said, int r, const char *reason)
{
	server_start(&server, NULL, say, (void *)said);
	open_to(&server.address);
	turn_until(&seen.closed, 1);
	cr_expect_eq(seen.r, r);
	cr_expect_not_null(strstr(seen.reason, reason), "%s", seen.reason);
	server_stop(&server);
}

Test(packet_link, the_peer_closes)
{
	expect_end("2:{}", 0, "closed by the peer");
	cr_expect_eq(seen.messages, 1);
}

Test(packet_link, no_packets)
{
	expect_end("SSH-2.0-OpenSSH_9.2\r\n", -EPROTO, "no packets");
	cr_expect_eq(seen.opened, 1);
}

Test(packet_link, nobody_there)
{
	const struct address nobody = { ADDRESS_INET, "127.0.0.1", 1, "" };

	open_to(&nobody);
	turn_until(&seen.closed, 1);
	cr_expect_eq(seen.r, -ECONNREFUSED);
	cr_expect_eq(seen.opened, 0);
}

Test(packet_link, no_such_socket)
{
	const struct address nobody = { .family = ADDRESS_UNIX, .host = "no-such.sock" };

	open_to(&nobody);
	turn_until(&seen.closed, 1);
	cr_expect_eq(seen.r, -ENOENT);
}

Test(packet_link, no_connection_in_time)
{
	struct blackhole hole;

	blackhole_open(&hole);
	open_to(&hole.address);
	turn_until(&seen.closed, 1);
	cr_expect_eq(seen.r, -ETIMEDOUT);
	blackhole_close(&hole);
}

Test(packet_link, closed_within_an_event)
{
	seen.close_at_once = true;
	server_start(&server, NULL, say_and_wait, "1:a1:b");
	open_to(&server.address);
	turn_until(&seen.messages, 1);
	cr_assert_eq(server_stop(&server), 1);
	cr_expect_eq(seen.messages, 1, "nothing comes after");
	cr_expect_eq(seen.closed, 0);
}

static void say_too_much(struct peer *peer)
{
	char *text = malloc(MESSAGE_MAX + 1);

	if (text == NULL)
		return;
	memset(text, 'x', MESSAGE_MAX + 1);
	peer_puts(peer, "65537:");
	peer_write(peer, text, MESSAGE_MAX + 1);
	peer_puts(peer, "65536:");
	peer_write(peer, text, MESSAGE_MAX);
	free(text);
	peer_wait_end(peer);
}

Test(packet_link, what_is_over_the_cap_is_dropped)
{
	server_start(&server, NULL, say_too_much, NULL);
	open_to(&server.address);
	turn_until(&seen.messages, 2);
	cr_expect_eq(seen.dropped, 1);
	cr_expect_eq(strlen(seen.last), MESSAGE_MAX);
	packet_link_close(seen.link);
	seen.link = NULL;
	server_stop(&server);
}

Test(packet_link, a_peer_that_does_not_read)
{
	static char text[32 * 1024];
	int r = 0;

	server_start(&server, NULL, say_and_wait, "2:{}");
	open_to(&server.address);
	turn_until(&seen.messages, 1);
	server_stop(&server);
	memset(text, ' ', sizeof(text));
	for (int i = 0; i < 1000 && r == 0; i++)
		r = packet_link_send(seen.link, text, sizeof(text));
	cr_expect(r == -ENOBUFS || r == -ENOTCONN, "%d", r);
}

/* ---- the capture threads' ---- */

struct got {
	char text[64];
	uint64_t bulk, bytes;
	bool last;
};

static int got_text(void *owner, const char *data, size_t size, bool last)
{
	struct got *got = owner;
	size_t n = strlen(got->text);

	snprintf(got->text + n, sizeof(got->text) - n, "%.*s%s", (int)size, data, last ? "." : "");
	return 0;
}

static int got_bulk(void *owner, const char *actor, uint64_t size)
{
	struct got *got = owner;

	cr_assert_str_eq(actor, "actor");
	got->bulk = size;
	return 0;
}

static int got_data(void *owner, const char *data, size_t size, bool last)
{
	struct got *got = owner;

	for (size_t i = 0; i < size; i++)
		cr_assert_eq(data[i], (char)((got->bytes + i) % 251));
	got->bytes += size;
	got->last = last;
	return 0;
}

static const struct packet_events wire_events = {
	.text = got_text,
	.bulk = got_bulk,
	.data = got_data,
};

static void send_bulk(struct peer *peer)
{
	char *heard = peer->arg, *data = malloc(BULK);

	if (data == NULL)
		return;
	for (size_t i = 0; i < BULK; i++)
		data[i] = (char)(i % 251);
	peer_puts(peer, "2:{}");
	peer_read(peer, heard, 8);
	peer_puts(peer, "bulk actor undefined 3145728:");
	peer_write(peer, data, BULK);
	free(data);
	/* Whatever else it says: a frame has no place here. */
	if (peer_read(peer, heard + 8, 1))
		heard[8] = '!';
}

Test(packet_link, the_wire)
{
	static char heard[16];
	struct wire wire;
	struct err err = { 0 };
	struct got got = { 0 };

	server_start(&server, NULL, send_bulk, heard);
	cr_assert_eq(wire_open_packets(&wire, &server.address, -1, 5 * NS_PER_S, &wire_events, &got,
				       &err),
		     0, "%s", err.text);
	while (got.text[0] == '\0')
		cr_assert_eq(wire_receive(&wire, 5 * NS_PER_S), 0);
	cr_assert_str_eq(got.text, "{}.");
	cr_assert_eq(wire_send(&wire, "{\"a\":}", 6, NS_PER_S), 0);
	while (!got.last)
		cr_assert_eq(wire_receive(&wire, 5 * NS_PER_S), 0);
	cr_expect_eq(got.bulk, BULK);
	cr_expect_eq(got.bytes, BULK);
	wire_close(&wire);
	wire_close(&wire);
	server_stop(&server);
	cr_expect_str_eq(heard, "6:{\"a\":}", "and no close frame");
}

Test(packet_link, the_wire_and_what_is_no_packet)
{
	struct wire wire;
	struct err err = { 0 };
	struct got got = { 0 };
	int r = 0;

	server_start(&server, NULL, say_and_wait, "220 mail.example ESMTP\r\n");
	cr_assert_eq(wire_open_packets(&wire, &server.address, -1, 5 * NS_PER_S, &wire_events, &got,
				       &err),
		     0);
	while (r == 0)
		r = wire_receive(&wire, 5 * NS_PER_S);
	cr_expect_eq(r, -EPROTO);
	wire_close(&wire);
	server_stop(&server);
}
