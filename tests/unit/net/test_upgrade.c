/* The upgrade's texts: the key of RFC 6455 1.3, and answers that are none. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "net/upgrade.h"
#include "util/buf.h"
#include "util/err.h"

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";

#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define UP     "Upgrade: websocket\r\nConnection: Upgrade\r\n"

Test(upgrade, key_and_accept_of_the_rfc)
{
	char made[UPGRADE_KEY_MAX], accept[UPGRADE_ACCEPT_MAX];

	cr_assert_str_eq(upgrade_key(made, (const uint8_t *)"the sample nonce"), key);
	cr_assert_str_eq(upgrade_accept(accept, key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* No Origin and no User-Agent, which some refuse; and Bun would wait for a client that does not say
 * that it need not. */
Test(upgrade, the_request)
{
	static const char wanted[] =
		"GET /0e1f HTTP/1.1\r\nHost: 127.0.0.1:9229\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		"Sec-WebSocket-Version: 13\r\nRef-Event-Loop: 0\r\n\r\n";
	struct buf buf;

	buf_init(&buf, UPGRADE_REQUEST_MAX);
	cr_assert_eq(upgrade_request(&buf, "/0e1f", "127.0.0.1:9229", key, NULL), 0);
	cr_expect_str_eq(buf_text(&buf), wanted);
	buf_fini(&buf);
}

Test(upgrade, paths)
{
	char longest[UPGRADE_PATH_MAX + 2];

	cr_assert(upgrade_path_valid("/"));
	cr_assert(upgrade_path_valid("/0e1f/x?y=~"));
	cr_assert_not(upgrade_path_valid(""));
	cr_assert_not(upgrade_path_valid("uuid"));
	cr_assert_not(upgrade_path_valid("/a b"));
	cr_assert_not(upgrade_path_valid("/a\r\nOrigin: x"));
	cr_assert_not(upgrade_path_valid("/\xc3\xa9"));
	cr_assert_not(upgrade_path_valid("/\x7f"));
	memset(longest, '/', sizeof(longest));
	longest[UPGRADE_PATH_MAX] = '\0';
	cr_assert(upgrade_path_valid(longest));
	longest[UPGRADE_PATH_MAX] = '/';
	longest[UPGRADE_PATH_MAX + 1] = '\0';
	cr_assert_not(upgrade_path_valid(longest));
}

static const char *const good[] = {
	"HTTP/1.1 101 Switching Protocols\r\n" UP ACCEPT "\r\n",
	"HTTP/1.1 101\r\n" UP ACCEPT "\r\n",
	"HTTP/1.1 101 x\r\nupgrade:WebSocket \r\nCONNECTION: keep-alive, upgrade\r\n" ACCEPT "\r\n",
	"HTTP/1.1 101 x\r\n" UP ACCEPT "Sec-WebSocket-Extensions:\r\nServer: x\r\nodd\r\n\r\n",
	"HTTP/1.1 101 x\nUpgrade: websocket\nConnection: Upgrade\n"
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n\r\n",
};

Test(upgrade, right_answers)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct err err = { 0 };

		cr_expect_eq(upgrade_check(good[i], strlen(good[i]), key, &err), 0, "%zu: %s", i,
			     err.text);
	}
}

static const struct {
	const char *head, *says;
} bad[] = {
	{ "", "HTTP" },
	{ "SSH-2.0-OpenSSH_9.2\r\n", "HTTP" },
	{ "HTTP/2 101 x\r\n" UP ACCEPT "\r\n", "HTTP" },
	{ "HTTP/1.1", "HTTP" },
	{ "HTTP/1.0 400 Bad Request\r\n\r\n", "400 Bad Request" },
	{ "HTTP/1.1 200 OK\r\n" UP ACCEPT "\r\n", "200 OK" },
	{ "HTTP/1.1 1011 x\r\n" UP ACCEPT "\r\n", "refused" },
	{ "HTTP/1.1 101 x\r\n" UP "\r\n", "accept key" },
	{ "HTTP/1.1 101 x\r\n" UP "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n",
	  "accept key" },
	{ "HTTP/1.1 101 x\r\n" UP "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n\r\n",
	  "accept key" },
	{ "HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", "not to WebSocket" },
	{ "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" ACCEPT "\r\n", "not to WebSocket" },
	{ "HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
	  "not to WebSocket" },
	{ "HTTP/1.1 101 x\r\n" UP ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
	  "not offered" },
	{ "HTTP/1.1 101 x\r\n" UP ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n", "not offered" },
};

Test(upgrade, wrong_answers)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err err = { 0 };

		cr_expect_eq(upgrade_check(bad[i].head, strlen(bad[i].head), key, &err), -EPROTO,
			     "%zu", i);
		cr_expect(strstr(err.text, bad[i].says), "%zu: %s", i, err.text);
	}
}
