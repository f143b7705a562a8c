/*
 * Options of the HTTP endpoint, and what a listen address is: a numeric host (or localhost, or
 * nothing for all interfaces) and a port, which may be 0 for one that the system picks; or a unix
 * socket.
 */

#include "http/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "util/clock.h"
#include "util/str.h"

#define AT(member) offsetof(struct web_settings, member)

enum { HOST_MAX = 64 };

static bool is_numeric(const char *host, bool *ret_local)
{
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} ip;

	if (inet_pton(AF_INET, host, &ip) == 1) {
		*ret_local = ntohl(ip.v4.s_addr) >> 24 == 127;
		return true;
	}
	if (inet_pton(AF_INET6, host, &ip) == 1) {
		*ret_local = IN6_IS_ADDR_LOOPBACK(&ip.v6);
		return true;
	}
	return false;
}

int web_address_check(const char *text, bool *ret_local, struct err *err)
{
	const char *colon = strrchr(text, ':');
	char host[HOST_MAX];
	uint64_t port;
	size_t size;

	*ret_local = str_has_prefix(text, "unix:/");
	if (*ret_local)
		return 0;
	if (!colon || str_parse_uint(colon + 1, &port) < 0 || port > 65535)
		return err_set(err, -EINVAL,
			       "'%.64s' is not a listen address (examples: 127.0.0.1:19229, "
			       "[::1]:19229, :19229, unix:/path)",
			       text);
	size = (size_t)(colon - text);
	if (size == 0)
		return 0;
	if (text[0] == '[' && size >= 2 && text[size - 1] == ']') {
		text++;
		size -= 2;
	} else if (memchr(text, ':', size)) {
		return err_set(err, -EINVAL, "'%.64s': write an IPv6 address in brackets", text);
	}
	if (size >= sizeof(host))
		return err_set(err, -EINVAL, "the address is too long");
	memcpy(host, text, size);
	host[size] = '\0';
	*ret_local = strcmp(host, "localhost") == 0;
	if (!*ret_local && !is_numeric(host, ret_local))
		return err_set(err, -EINVAL, "'%s' is not a numeric address", host);
	return 0;
}

static int check_listen(const void *value, struct err *err)
{
	char *const *text = value;
	bool local;

	return web_address_check(*text, &local, err);
}

static int check_external_url(const void *value, struct err *err)
{
	char *const *text = value;

	if (str_has_prefix(*text, "http://") || str_has_prefix(*text, "https://"))
		return 0;
	return err_set(err, -EINVAL, "'%.64s' is not a URL (http:// or https://)", *text);
}

const struct option_desc web_options[] = {
	{ .name = "listen_addresses",
	  .type = OPTION_TEXT_LIST,
	  .flags = OPTION_RESTART,
	  .offset = AT(listen_addresses),
	  .def = "127.0.0.1:19229",
	  .check = check_listen,
	  .help = "Where to listen: HOST:PORT, [IPV6]:PORT, :PORT for all interfaces, unix:/PATH. "
		  "Port 0 takes a free one. Beyond loopback only with allow_remote, or with TLS "
		  "and "
		  "passwords or certificates of clients (--web.config.file). Empty when systemd "
		  "passes the sockets." },
	{ .name = "external_url",
	  .type = OPTION_TEXT,
	  .offset = AT(external_url),
	  .check = check_external_url,
	  .help = "The URL under which people reach the endpoint. Requests for another host name "
		  "are "
		  "refused (DNS rebinding); addresses and localhost always work." },
	{ .name = "enable_lifecycle",
	  .type = OPTION_BOOL,
	  .offset = AT(enable_lifecycle),
	  .def = "false",
	  .help = "Allow POST /-/reload. SIGHUP reloads in any case." },
	{ .name = "allow_remote",
	  .type = OPTION_BOOL,
	  .flags = OPTION_RESTART,
	  .offset = AT(allow_remote),
	  .def = "false",
	  .help = "Allow listen addresses beyond loopback without TLS and passwords or "
		  "certificates of clients (--web.config.file). Whoever reaches the endpoint can "
		  "then read the "
		  "captures, and a heap snapshot holds every text the program had in memory." },
	{ .name = "max_connections",
	  .type = OPTION_UINT,
	  .offset = AT(max_connections),
	  .min = 4,
	  .max = 10000,
	  .def = "256",
	  .help = "Connections at once; at most a quarter of the descriptors the process may "
		  "open." },
	{ .name = "max_connections_per_ip",
	  .type = OPTION_UINT,
	  .offset = AT(max_connections_per_ip),
	  .min = 1,
	  .max = 10000,
	  .def = "64",
	  .help = "Connections at once from one address, so that one client cannot take them "
		  "all." },
	{ .name = "request_timeout",
	  .type = OPTION_TIME,
	  .offset = AT(request_timeout_ns),
	  .min = NS_PER_S,
	  .max = 600 * NS_PER_S,
	  .def = "10s",
	  .help = "A request must be there whole by then, however it trickles in." },
	{ .name = "response_timeout",
	  .type = OPTION_TIME,
	  .offset = AT(response_timeout_ns),
	  .min = NS_PER_S,
	  .max = 24 * 3600 * NS_PER_S,
	  .def = "1h",
	  .help = "An answer must be read whole by then. Downloads of captures count too, hence "
		  "long." },
	{ 0 },
};
