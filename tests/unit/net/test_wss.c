/* WebSocket over TLS, behind the interface of net/ws.h: what comes, what goes, and its ends. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "net/access.h"
#include "peer.h"
#include "tls_gate.h"
#include "ws_client.h"

enum { BIG = 60000 };

static struct server server;
static struct tls_gate gate;
static struct client client;

struct script {
	char head[PEER_HEAD_MAX];
	char text[64];
	int first, ended;
};

static struct script script;

static void start(peer_script *fn)
{
	script = (struct script){ 0 };
	server_start(&server, NULL, fn, &script);
	tls_gate_start(&gate, &server.address, 0, true);
	client_init(&client);
}

static void stop(void)
{
	client_fini(&client);
	tls_gate_stop(&gate);
	(void)server_stop(&server);
	access_unref(gate.address.access);
}

static void let_in(const char *ca, const char *token_file)
{
	const struct access_files files = {
		.ca_file = tls_gate_file(&gate, ca),
		.cert_file = tls_gate_file(&gate, "client.pem"),
		.key_file = tls_gate_file(&gate, "client.key"),
		.credentials_file = token_file,
	};

	cr_assert_eq(access_new(&gate.address.access, &files), 0);
}

static void converse(struct peer *peer)
{
	struct script *told = peer->arg;
	char big[BIG];
	size_t size;

	memset(big, 'x', sizeof(big));
	if (!peer_upgrade(peer))
		return;
	memcpy(told->head, peer->head, sizeof(told->head));
	told->first = peer_read_frame(peer, told->text, sizeof(told->text), &size);
	peer_frame(peer, 0x81, "{\"id\":1}", 8);
	peer_frame(peer, 0x01, "ab", 2);
	peer_frame(peer, 0x80, "cd", 2);
	/* More than one record of TLS, and more than one read. */
	peer_frame(peer, 0x81, big, sizeof(big));
	told->ended = peer_wait_end(peer);
}

Test(wss, dialogue)
{
	struct seen seen = { 0 };

	start(converse);
	let_in("ca.pem", NULL);
	client_open(&client, &gate.address, &seen);
	client_until(&client, &seen.opened, 1);
	cr_assert_eq(ws_send(seen.ws, "{\"method\":\"x\"}", 14), 0);
	client_until(&client, &seen.messages, 3);
	cr_expect_str_eq(seen.texts[0], "{\"id\":1}");
	cr_expect_str_eq(seen.texts[1], "abcd");
	cr_expect_eq(seen.sizes[2], BIG);
	cr_expect_eq(ws_bytes_out(seen.ws), 6 + 14);
	ws_close(seen.ws);
	stop();
	cr_expect_eq(script.first, 0x81);
	cr_expect_str_eq(script.text, "{\"method\":\"x\"}");
	cr_expect(script.ended);
	cr_expect_not_null(strstr(script.head, "\r\nHost: 127.0.0.1:"));
	cr_expect_null(strstr(script.head, "Authorization"));
	cr_expect_eq(seen.closed, 0, "after ws_close() nothing is told");
}

Test(wss, token)
{
	struct seen seen = { 0 };
	const char *file;

	start(converse);
	file = tls_gate_file(&gate, "ext"); /* "subjectAltName=...": one word */
	let_in("ca.pem", file);
	client_open(&client, &gate.address, &seen);
	client_until(&client, &seen.opened, 1);
	ws_close(seen.ws);
	stop();
	cr_expect_not_null(strstr(script.head, "\r\nAuthorization: Bearer subjectAltName="));
}

Test(wss, token_that_cannot_be_read)
{
	struct seen seen = { 0 };
	const char *file;

	start(converse);
	file = tls_gate_file(&gate, "none");
	let_in("ca.pem", file);
	client_open(&client, &gate.address, &seen);
	client_until(&client, &seen.closed, 1);
	cr_expect_eq(seen.opened, 0);
	cr_expect_not_null(strstr(seen.reason, "credentials_file"), "%s", seen.reason);
	stop();
	cr_expect_str_empty(script.head, "nothing was sent");
}

Test(wss, not_trusted)
{
	struct seen seen = { 0 };

	start(converse);
	let_in("other.pem", NULL);
	client_open(&client, &gate.address, &seen);
	client_until(&client, &seen.closed, 1);
	cr_expect_eq(seen.r, -EACCES);
	cr_expect_not_null(strstr(seen.reason, "certificate"), "%s", seen.reason);
	cr_expect_eq(seen.opened, 0);
	stop();
	cr_expect_str_empty(script.head, "nothing was sent");
}

static void refuse(struct peer *peer)
{
	if (peer_read_head(peer))
		peer_puts(peer, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
}

Test(wss, refused)
{
	struct seen seen = { 0 };

	start(refuse);
	let_in("ca.pem", NULL);
	client_open(&client, &gate.address, &seen);
	client_until(&client, &seen.closed, 1);
	cr_expect_eq(seen.opened, 0);
	cr_expect_neq(seen.r, 0);
	cr_expect_not_null(strstr(seen.reason, "401"), "%s", seen.reason);
	stop();
}

static void leave(struct peer *peer)
{
	if (peer_upgrade(peer))
		peer_frame(peer, 0x81, "bye", 3);
}

Test(wss, connection_ends)
{
	struct seen seen = { 0 };

	start(leave);
	let_in("ca.pem", NULL);
	client_open(&client, &gate.address, &seen);
	client_until(&client, &seen.closed, 1);
	cr_expect_eq(seen.messages, 1, "what came before the end is told");
	cr_expect_str_eq(seen.texts[0], "bye");
	stop();
}

Test(wss, nobody_there)
{
	struct address nobody = {
		.family = ADDRESS_INET, .host = "127.0.0.1", .port = 1, .is_tls = true
	};
	struct seen seen = { 0 };

	client_init(&client);
	client_open(&client, &nobody, &seen);
	client_until(&client, &seen.closed, 1);
	cr_expect_eq(seen.r, -ECONNREFUSED);
	client_fini(&client);
}

/* It accepts, and says nothing: the time-out counts from connect to upgrade. */
Test(wss, no_answer_to_the_handshake)
{
	struct blackhole hole;
	struct seen seen = { 0 };

	client_init(&client);
	blackhole_open(&hole);
	hole.address.is_tls = true;
	client_open(&client, &hole.address, &seen);
	client_until(&client, &seen.closed, 1);
	cr_expect_eq(seen.r, -ETIMEDOUT);
	client_fini(&client);
	blackhole_close(&hole);
}
