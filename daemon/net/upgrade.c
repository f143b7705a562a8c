/*
 * The upgrade
 *
 * The server's answer is checked for all that RFC 6455 4.1 names: status 101, Upgrade, Connection,
 * the accept key, and no extension or subprotocol, for none was offered. Whatever answers otherwise
 * is not an inspector, and the text says what was wrong for the person who wrote the address.
 */

#include "net/upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "net/sha1.h"
#include "util/buf.h"
#include "util/err.h"

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static void base64(char *dst, const uint8_t *src, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < size; i += 3) {
		uint32_t b1 = i + 1 < size ? src[i + 1] : 0;
		uint32_t b2 = i + 2 < size ? src[i + 2] : 0;
		uint32_t bits = (uint32_t)src[i] << 16 | b1 << 8 | b2;

		*dst++ = digits[bits >> 18];
		*dst++ = digits[bits >> 12 & 63];
		*dst++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
		*dst++ = i + 2 < size ? digits[bits & 63] : '=';
	}
	*dst = '\0';
}

bool upgrade_path_valid(const char *path)
{
	size_t size = strnlen(path, UPGRADE_PATH_MAX + 1);

	if (path[0] != '/' || size > UPGRADE_PATH_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (path[i] <= ' ' || path[i] > '~')
			return false;
	}
	return true;
}

int upgrade_request(struct buf *buf, const char *path, const char *host, const char *key,
		    const char *token)
{
	buf_printf(buf,
		   "GET %s HTTP/1.1\r\n"
		   "Host: %s\r\n"
		   "Upgrade: websocket\r\n"
		   "Connection: Upgrade\r\n"
		   "Sec-WebSocket-Key: %s\r\n"
		   "Sec-WebSocket-Version: 13\r\n" UPGRADE_HEADER_NAME " " UPGRADE_HEADER_VALUE
		   "\r\n",
		   path, host, key);
	if (token)
		buf_printf(buf, "Authorization: Bearer %s\r\n", token);
	return buf_puts(buf, "\r\n");
}

char *upgrade_key(char dst[UPGRADE_KEY_MAX], const uint8_t nonce[16])
{
	base64(dst, nonce, 16);
	return dst;
}

char *upgrade_accept(char dst[UPGRADE_ACCEPT_MAX], const char *key)
{
	char text[UPGRADE_KEY_MAX + sizeof(guid)];
	uint8_t digest[SHA1_SIZE];
	int size = snprintf(text, sizeof(text), "%s%s", key, guid);

	sha1(digest, text, (size_t)size);
	base64(dst, digest, sizeof(digest));
	return dst;
}

/* A piece of the head, not terminated. */
struct span {
	const char *text;
	size_t size;
};

static struct span trim(struct span s)
{
	while (s.size > 0 && (s.text[0] == ' ' || s.text[0] == '\t')) {
		s.text++;
		s.size--;
	}
	while (s.size > 0 && strchr(" \t\r", s.text[s.size - 1]))
		s.size--;
	return s;
}

static bool equals(struct span s, const char *word)
{
	return s.size == strlen(word) && strncasecmp(s.text, word, s.size) == 0;
}

/* Is word an element of a comma-separated list? */
static bool lists(struct span s, const char *word)
{
	while (s.size > 0) {
		const char *comma = memchr(s.text, ',', s.size);
		size_t size = comma ? (size_t)(comma - s.text) : s.size;

		if (equals(trim((struct span){ s.text, size }), word))
			return true;
		size += comma != NULL;
		s.text += size;
		s.size -= size;
	}
	return false;
}

/* Takes the next line off rest. */
static struct span next_line(struct span *rest)
{
	const char *end = memchr(rest->text, '\n', rest->size);
	struct span line = { rest->text, end ? (size_t)(end - rest->text) : rest->size };
	size_t step = line.size + (end != NULL);

	rest->text += step;
	rest->size -= step;
	return line;
}

struct seen {
	bool upgrade, connection, accept, unasked;
};

static void see_header(struct seen *seen, struct span line, const char *accept)
{
	const char *colon = memchr(line.text, ':', line.size);
	struct span name, value;

	if (!colon)
		return;
	name = (struct span){ line.text, (size_t)(colon - line.text) };
	value = trim((struct span){ colon + 1, line.size - name.size - 1 });
	if (equals(name, "Upgrade"))
		seen->upgrade = equals(value, "websocket");
	else if (equals(name, "Connection"))
		seen->connection |= lists(value, "Upgrade");
	else if (equals(name, "Sec-WebSocket-Accept"))
		seen->accept =
			value.size == strlen(accept) && memcmp(value.text, accept, value.size) == 0;
	else if (equals(name, "Sec-WebSocket-Extensions") || equals(name, "Sec-WebSocket-Protocol"))
		seen->unasked |= value.size > 0;
}

int upgrade_check(const char *head, size_t size, const char *key, struct err *err)
{
	struct span rest = { head, size }, line = trim(next_line(&rest));
	char accept[UPGRADE_ACCEPT_MAX];
	struct seen seen = { 0 };

	if (line.size < 12 || memcmp(line.text, "HTTP/1.", 7) != 0)
		return err_set(err, -EPROTO, "the server does not speak HTTP");
	if (memcmp(line.text + 8, " 101", 4) != 0 || (line.size > 12 && line.text[12] != ' '))
		return err_set(err, -EPROTO, "the server refused the upgrade: %.*s",
			       line.size > 80 ? 80 : (int)line.size, line.text);
	upgrade_accept(accept, key);
	while (rest.size > 0)
		see_header(&seen, next_line(&rest), accept);
	if (!seen.upgrade || !seen.connection)
		return err_set(err, -EPROTO, "the server's upgrade is not to WebSocket");
	if (!seen.accept)
		return err_set(err, -EPROTO, "the server's accept key is wrong");
	if (seen.unasked)
		return err_set(err, -EPROTO, "the server chose an extension that was not offered");
	return 0;
}
