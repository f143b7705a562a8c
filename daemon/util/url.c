/*
 * URLs
 */

#include "util/url.h"

#include <string.h>

#include "util/buf.h"

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Bytes of "user:password@" at the start of an authority. */
static size_t user_size(const char *text, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size && memchr("/?# ", text[i], 4) == NULL; i++) {
		if (text[i] == '@')
			n = i + 1;
	}
	return n;
}

static bool begins(const char *text, size_t size, const char *with)
{
	size_t n = strlen(with);

	return size >= n && memcmp(text, with, n) == 0;
}

/* "data:" that is not the end of a word, as in blob:nodedata:. */
static bool is_data(const char *text, size_t at, size_t size)
{
	return begins(text + at, size - at, "data:") && (at == 0 || !is_word(text[at - 1]));
}

/* Node's inspector makes a URL of a path, and its "?" and "#" are quoted there. */
static bool is_end(const char *text, size_t size)
{
	return text[0] == '?' || text[0] == '#' || begins(text, size, "%3F") ||
	       begins(text, size, "%3f") || begins(text, size, "%23");
}

size_t url_strip(char *dst, const char *text, size_t size, bool whole)
{
	size_t n = 0, at = 0;

	while (at < size && !(whole && is_end(text + at, size - at))) {
		if (is_data(text, at, size)) {
			memcpy(dst + n, text + at, 5);
			return n + 5;
		}
		if (begins(text + at, size - at, "://")) {
			whole = true;
			memcpy(dst + n, text + at, 3);
			n += 3;
			at += 3;
			at += user_size(text + at, size - at);
			continue;
		}
		dst[n++] = text[at++];
	}
	return n;
}

const char *url_path(const char *url)
{
	const char *host = strstr(url, "://");

	return host != NULL ? strchr(host + 3, '/') : NULL;
}

int url_quote(struct buf *buf, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL)
			buf_append(buf, text, 1);
		else
			buf_printf(buf, "%%%02X", (unsigned char)*text);
	}
	return buf->error;
}
