/* WebSocket connections of the control thread against a scripted server: what goes over the wire,
 * and how each kind of end is told. */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"
#include "ws_client.h"

enum { BIG = 40000, TOO_BIG = 300000 };

static struct client client;
static struct seen seen;
static struct server server;

static void setup(void)
{
	client_init(&client);
}

static void teardown(void)
{
	client_fini(&client);
}

TestSuite(ws, .init = setup, .fini = teardown, .timeout = 60);

/* ---- dialogue ---- */

struct dialogue {
	char head[PEER_HEAD_MAX], text[4096];
	int first;
	size_t size;
	bool ended;
};

static void answer_once(struct peer *peer)
{
	struct dialogue *d = peer->arg;

	if (!peer_upgrade(peer))
		return;
	memcpy(d->head, peer->head, sizeof(d->head));
	d->first = peer_read_frame(peer, d->text, sizeof(d->text), &d->size);
	peer_frame(peer, 0x81, "{\"id\":1}", 8);
	d->ended = peer_wait_end(peer);
}

static void dialogue_at(const struct address *address, const char *host)
{
	static struct dialogue d;
	char header[64], port[16] = "";

	server_start(&server, address, answer_once, &d);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.opened, 1);
	cr_assert_eq(ws_send(seen.ws, "{\"method\":\"x\"}", 14), 0);
	client_until(&client, &seen.messages, 1);
	cr_assert_str_eq(seen.texts[0], "{\"id\":1}");
	cr_assert_eq(ws_bytes_in(seen.ws), 2 + 8);
	cr_assert_eq(ws_bytes_out(seen.ws), 6 + 14);
	ws_close(seen.ws);
	cr_assert_eq(loop_turn(&client.loop, 0), 0);
	cr_assert_eq(loop_turn(&client.loop, 0), 0);
	cr_assert_eq(server_stop(&server), 1);

	cr_assert_eq(d.first, 0x81, "one whole masked text frame");
	cr_assert_str_eq(d.text, "{\"method\":\"x\"}");
	cr_assert(d.ended);
	cr_assert_eq(seen.closed, 0);
	cr_assert(strncmp(d.head, "GET /target HTTP/1.1\r\n", 22) == 0, "%s", d.head);
	if (server.address.port)
		snprintf(port, sizeof(port), ":%d", server.address.port);
	snprintf(header, sizeof(header), "\r\nHost: %s%s\r\n", host, port);
	cr_assert(strcasestr(d.head, header), "%s", d.head);
	/* Inspectors guard against browsers by these; wrangler refuses a User-Agent without Origin.
	 */
	cr_assert_not(strcasestr(d.head, "\r\nOrigin:"));
	cr_assert_not(strcasestr(d.head, "\r\nUser-Agent:"));
	cr_assert_not(strcasestr(d.head, "\r\nSec-WebSocket-Extensions:"));
	cr_assert_not(strcasestr(d.head, "\r\nSec-WebSocket-Protocol:"));
}

Test(ws, dialogue_over_ipv4)
{
	dialogue_at(NULL, "127.0.0.1");
}

Test(ws, dialogue_over_ipv6)
{
	const struct address v6 = { ADDRESS_INET6, "::1", 0 };

	dialogue_at(&v6, "[::1]");
}

Test(ws, dialogue_over_a_unix_socket)
{
	struct address address = { .family = ADDRESS_UNIX };

	snprintf(address.host, sizeof(address.host), "test-ws-%d.sock", (int)getpid());
	dialogue_at(&address, "localhost");
}

/* ---- messages ---- */

static void send_pieces(struct peer *peer)
{
	char text[BIG];
	struct dialogue *d = peer->arg;

	memset(text, 'x', BIG);
	if (!peer_upgrade(peer))
		return;
	peer_frame(peer, 0x81, text, BIG);
	peer_frame(peer, 0x01, "ab", 2);
	peer_frame(peer, 0x89, "here?", 5);
	peer_frame(peer, 0x00, "", 0);
	peer_frame(peer, 0x80, "cd", 2);
	d->first = peer_read_frame(peer, d->text, sizeof(d->text), &d->size);
	peer_frame(peer, 0x81, "", 0);
	peer_frame(peer, 0x01, "", 0);
	peer_frame(peer, 0x80, "", 0);
	peer_frame(peer, 0x81, "end", 3);
	d->ended = peer_wait_end(peer);
}

Test(ws, messages_are_put_together)
{
	static struct dialogue d;

	server_start(&server, NULL, send_pieces, &d);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.messages, 5);
	cr_assert_eq(seen.sizes[0], BIG);
	cr_assert_str_eq(seen.texts[1], "abcd");
	cr_assert(seen.sizes[2] == 0 && seen.sizes[3] == 0);
	cr_assert_str_eq(seen.last, "end");
	cr_assert_eq(seen.dropped, 0);
	/* The pings are not counted. */
	cr_assert_eq(ws_bytes_in(seen.ws), (4 + BIG) + (4 + 2 + 4) + 2 + (2 + 2) + (2 + 3));
	ws_close(seen.ws);
	client_fini(&client);
	cr_assert_eq(server_stop(&server), 1);
	cr_assert_eq(d.first, 0x8a, "a ping is answered with a pong");
	cr_assert_str_eq(d.text, "here?");
	client_init(&client);
}

static void send_too_much(struct peer *peer)
{
	char *text = calloc(1, TOO_BIG);

	if (text && peer_upgrade(peer)) {
		peer_frame(peer, 0x81, text, TOO_BIG);
		peer_frame(peer, 0x01, text, BIG);
		peer_frame(peer, 0x00, text, BIG);
		peer_frame(peer, 0x80, text, BIG);
		peer_frame(peer, 0x81, "small", 5);
		peer_wait_end(peer);
	}
	free(text);
}

/* Over the cap: drained, told by its size, and the connection goes on. */
Test(ws, message_over_the_cap_is_dropped)
{
	server_start(&server, NULL, send_too_much, NULL);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.messages, 3);
	cr_assert_eq(seen.dropped, 2);
	cr_assert_str_eq(seen.texts[0], "(dropped)");
	cr_assert_eq(seen.sizes[0], TOO_BIG);
	cr_assert_str_eq(seen.texts[1], "(dropped)");
	cr_assert_eq(seen.sizes[1], 3 * BIG);
	cr_assert_str_eq(seen.texts[2], "small");
	ws_close(seen.ws);
	client_fini(&client);
	server_stop(&server);
	client_init(&client);
}

struct counted {
	int frames;
	size_t bytes;
};

static void count_frames(struct peer *peer)
{
	struct counted *c = peer->arg;
	char *text = malloc(128 * 1024);
	size_t size;

	if (text && peer_upgrade(peer)) {
		while (peer_read_frame(peer, text, 128 * 1024, &size) == 0x81) {
			c->bytes += size;
			if (++c->frames % 2 == 0)
				peer_frame(peer, 0x81, "two", 3);
		}
	}
	free(text);
}

Test(ws, send_queue_has_a_cap)
{
	static struct counted counted;
	static char half[32 * 1024], too_long[64 * 1024 + 1];

	memset(half, 'h', sizeof(half));
	server_start(&server, NULL, count_frames, &counted);
	client_open(&client, &server.address, &seen);
	cr_assert_eq(ws_send(seen.ws, "x", 1), -ENOTCONN, "not open yet");
	client_until(&client, &seen.opened, 1);
	cr_assert_eq(ws_send(seen.ws, too_long, sizeof(too_long)), -ENOBUFS);
	for (int round = 1; round <= 3; round++) {
		cr_assert_eq(ws_send(seen.ws, half, sizeof(half)), 0);
		cr_assert_eq(ws_send(seen.ws, half, sizeof(half)), 0);
		cr_assert_eq(ws_send(seen.ws, "x", 1), -ENOBUFS);
		client_until(&client, &seen.messages, round);
	}
	cr_assert_eq(ws_bytes_out(seen.ws), 6 * (sizeof(half) + 8));
	ws_close(seen.ws);
	client_fini(&client);
	server_stop(&server);
	cr_assert_eq(counted.frames, 6);
	cr_assert_eq(counted.bytes, 6 * sizeof(half));
	client_init(&client);
}

/* ---- ends ---- */

Test(ws, bad_path_is_refused)
{
	struct address to = { ADDRESS_INET, "127.0.0.1", 9 };
	struct ws *ws;

	cr_assert_eq(ws_open(&ws, client.context, &to, "/a\r\nOrigin: b", &client_limits,
			     &client_events, &seen),
		     -EINVAL);
}

static void expect_end(peer_script *script, int r, const char *says)
{
	server_start(&server, NULL, script, NULL);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.closed, 1);
	cr_expect_eq(seen.r, r, "%d: %s", seen.r, seen.reason);
	cr_expect(strstr(seen.reason, says), "%s", seen.reason);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(loop_turn(&client.loop, 1), 0);
	cr_expect_eq(seen.closed, 1);
	server_stop(&server);
}

static void do_nothing(struct peer *peer)
{
	(void)peer;
}

Test(ws, refused)
{
	server_start(&server, NULL, do_nothing, NULL);
	server_stop(&server);
	client_open(&client, &server.address, &seen);
	client_until(&client, &seen.closed, 1);
	cr_assert_eq(seen.r, -ECONNREFUSED);
	cr_assert_eq(seen.opened, 0);
}

Test(ws, no_unix_socket)
{
	struct address to = { ADDRESS_UNIX, "/nonexistent/socket", 0 };

	client_open(&client, &to, &seen);
	client_until(&client, &seen.closed, 1);
	cr_assert_eq(seen.r, -ECONNREFUSED);
}

static void answer_400(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/html\r\n\r\n"
			"WebSockets request was expected\r\n");
}

Test(ws, upgrade_refused)
{
	expect_end(answer_400, -EPROTO, "400");
}

static void answer_200(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	peer_wait_end(peer);
}

Test(ws, a_web_server)
{
	expect_end(answer_200, -EPROTO, "200");
}

static void answer_wrong_key(struct peer *peer)
{
	peer_read_head(peer);
	peer_puts(peer, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	peer_wait_end(peer);
}

Test(ws, wrong_accept_key)
{
	expect_end(answer_wrong_key, -EPROTO, "");
}

/* lws waits for the end of a head that never was one: until it ends, or until the deadline. */
static void answer_garbage(struct peer *peer)
{
	peer_puts(peer, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");
	peer_read_head(peer);
}

Test(ws, no_http)
{
	expect_end(answer_garbage, -EPROTO, "");
}

static void hang_up(struct peer *peer)
{
	peer_read_head(peer);
}

Test(ws, hangs_up_on_the_upgrade)
{
	expect_end(hang_up, -EPROTO, "");
}

static void close_in_good_order(struct peer *peer)
{
	peer_upgrade(peer);
	peer_frame(peer, 0x88,
		   "\x03\xe8"
		   "bye",
		   5);
	peer_wait_end(peer);
}

Test(ws, closed_in_good_order)
{
	expect_end(close_in_good_order, 0, "closed by the peer with code 1000: bye");
	cr_assert_eq(seen.opened, 1);
}

static void close_as_busy(struct peer *peer)
{
	peer_upgrade(peer);
	peer_frame(peer, 0x88, "\x03\xf5", 2);
	peer_wait_end(peer);
}

Test(ws, closed_to_be_tried_later)
{
	expect_end(close_as_busy, -EBUSY, "closed by the peer");
}

static void close_without_a_code(struct peer *peer)
{
	peer_upgrade(peer);
	peer_frame(peer, 0x88, "", 0);
	peer_wait_end(peer);
}

Test(ws, closed_without_a_code)
{
	expect_end(close_without_a_code, 0, "closed by the peer");
}

static void fin(struct peer *peer)
{
	peer_upgrade(peer);
}

Test(ws, connection_ends)
{
	expect_end(fin, -ECONNRESET, "lost");
}

static void rst(struct peer *peer)
{
	peer_upgrade(peer);
	peer_reset(peer);
}

Test(ws, connection_is_reset)
{
	expect_end(rst, -ECONNRESET, "lost");
}

static void send_binary(struct peer *peer)
{
	peer_upgrade(peer);
	peer_frame(peer, 0x82, "\x01\x02", 2);
	peer_wait_end(peer);
}

Test(ws, binary_message)
{
	expect_end(send_binary, -EPROTO, "binary");
	cr_assert_eq(seen.messages, 0);
}

static void send_reserved(struct peer *peer)
{
	peer_upgrade(peer);
	peer_frame(peer, 0xc1, "deflated?", 9);
	peer_wait_end(peer);
}

Test(ws, compressed_message)
{
	expect_end(send_reserved, -ECONNRESET, "lost");
	cr_assert_eq(seen.messages, 0);
}
