/*
 * Guards against browsers
 *
 * A daemon on loopback is reachable by every page its user opens. Reading is stopped by the
 * same-origin policy unless the attacker's own name is made to resolve to 127.0.0.1; then the
 * browser sends that name in Host. Writing needs no reading: a form of any page can POST; then the
 * browser says so in Origin and Sec-Fetch-Site.
 */

#include "http/guard.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The authority of "scheme://authority/path": its length, and where it begins in *ret. */
static size_t authority_of(const char *url, const char **ret)
{
	const char *at = strstr(url, "://");

	at = at != NULL ? at + 3 : url;
	*ret = at;
	return strcspn(at, "/?#");
}

/* Length of the host in "host:port" or "[v6]:port"; 0 when it is neither. */
static size_t host_length(const char *authority, size_t size)
{
	const char *colon, *bracket;

	if (size > 0 && authority[0] == '[') {
		bracket = memchr(authority, ']', size);
		return bracket != NULL ? (size_t)(bracket - authority) + 1 : 0;
	}
	colon = memchr(authority, ':', size);
	return colon != NULL ? (size_t)(colon - authority) : size;
}

static bool port_ok(const char *text, size_t size)
{
	if (size == 0)
		return true;
	if (text[0] != ':' || size > 6)
		return false;
	for (size_t i = 1; i < size; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

static bool is_numeric(const char *host, size_t size)
{
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN + 2];

	if (size >= sizeof(text))
		return false;
	memcpy(text, host, size);
	text[size] = '\0';
	if (text[0] != '[')
		return inet_pton(AF_INET, text, &address) == 1;
	text[size - 1] = '\0';
	return inet_pton(AF_INET6, text + 1, &address) == 1;
}

static bool same(const char *a, size_t a_size, const char *b, size_t b_size)
{
	return a_size == b_size && strncasecmp(a, b, a_size) == 0;
}

bool guard_host(const char *host, const char *external_url)
{
	const char *external;
	size_t size, external_size;

	if (host == NULL)
		return true;
	size = host_length(host, strlen(host));
	if (size == 0 || !port_ok(host + size, strlen(host) - size))
		return false;
	if (same(host, size, "localhost", 9) || is_numeric(host, size))
		return true;
	if (external_url == NULL)
		return false;
	external_size = authority_of(external_url, &external);
	return same(host, size, external, host_length(external, external_size));
}

static bool site_ok(const char *fetch_site)
{
	return fetch_site == NULL || strcasecmp(fetch_site, "same-origin") == 0 ||
	       strcasecmp(fetch_site, "none") == 0;
}

bool guard_origin(const char *origin, const char *fetch_site, const char *host,
		  const char *external_url)
{
	const char *authority, *external;
	size_t size, external_size;

	if (!site_ok(fetch_site))
		return false;
	if (origin == NULL)
		return true;
	if (strncasecmp(origin, "http://", 7) != 0 && strncasecmp(origin, "https://", 8) != 0)
		return false;
	size = authority_of(origin, &authority);
	if (host != NULL && same(authority, size, host, strlen(host)))
		return true;
	if (external_url == NULL)
		return false;
	external_size = authority_of(external_url, &external);
	return (size_t)(authority - origin) == (size_t)(external - external_url) &&
	       same(authority, size, external, external_size);
}
