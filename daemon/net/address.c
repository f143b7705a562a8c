/*
 * Addresses
 *
 * Numeric hosts only, in their canonical spelling, so that equal addresses are equal texts and no
 * resolver is ever needed. "localhost" is taken as 127.0.0.1: that is where inspectors listen.
 */

#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/upgrade.h"
#include "util/err.h"
#include "util/str.h"

static int parse_port(struct address *address, const char *text, struct err *err)
{
	uint64_t port;

	if (str_parse_uint(text, &port) < 0 || port < 1 || port > 65535)
		return err_set(err, -EINVAL, "'%s' is not a port (1 to 65535)", text);
	address->port = (uint16_t)port;
	return 0;
}

static int parse_host(struct address *address, const char *host, struct err *err)
{
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} ip;

	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &ip) == 1) {
		address->family = ADDRESS_INET;
		inet_ntop(AF_INET, &ip, address->host, sizeof(address->host));
		return 0;
	}
	if (inet_pton(AF_INET6, host, &ip) == 1) {
		address->family = ADDRESS_INET6;
		inet_ntop(AF_INET6, &ip, address->host, sizeof(address->host));
		return 0;
	}
	return err_set(
		err, -EINVAL,
		"'%s' is not a numeric address: inspectors refuse names, write the IP address",
		host);
}

static int parse_unix(struct address *address, const char *path, struct err *err)
{
	if (path[0] != '/')
		return err_set(err, -EINVAL, "'unix:%s' needs an absolute path", path);
	if (!str_copy(address->host, sizeof(address->host), path))
		return err_set(err, -EINVAL, "the path of a unix socket has at most %d bytes",
			       ADDRESS_HOST_MAX - 1);
	address->family = ADDRESS_UNIX;
	return 0;
}

/* "[v6]:port" */
static int parse_bracketed(struct address *address, char *text, struct err *err)
{
	char *close = strchr(text, ']');

	if (!close || close[1] != ':')
		return err_set(err, -EINVAL, "'%s' is not an address (example: [::1]:9229)", text);
	*close = '\0';
	if (!strchr(text + 1, ':'))
		return err_set(err, -EINVAL, "'%s' is not an IPv6 address", text + 1);
	if (parse_host(address, text + 1, err) < 0)
		return -EINVAL;
	return parse_port(address, close + 2, err);
}

/* "host:port" or "port" */
static int parse_inet(struct address *address, char *text, struct err *err)
{
	char *colon = strrchr(text, ':');

	if (!colon) {
		if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
			return err_set(err, -EINVAL,
				       "'%s' is not an address (examples: 127.0.0.1:9229, "
				       "[::1]:9229, 9229, unix:/path)",
				       text);
		if (parse_host(address, "localhost", err) < 0)
			return -EINVAL;
		return parse_port(address, text, err);
	}
	*colon = '\0';
	if (strchr(text, ':'))
		return err_set(err, -EINVAL, "write an IPv6 address in brackets: [%s]:%s", text,
			       colon + 1);
	if (parse_host(address, text, err) < 0)
		return -EINVAL;
	return parse_port(address, colon + 1, err);
}

/* Cuts "ws://" and the path, which goes to the address unless it is a lone slash. */
static int cut_url(struct address *address, char *text, struct err *err)
{
	const char *rest = text;
	size_t size;
	char *slash;

	address->is_tls = str_has_prefix(text, "wss://") || str_has_prefix(text, "https://");
	if (address->is_tls || str_has_prefix(text, "ws://") || str_has_prefix(text, "http://"))
		rest = strstr(text, "://") + 3;
	else if (strstr(text, "://"))
		return err_set(err, -EINVAL,
			       "'%s': only ws://, wss://, http:// and https:// are supported",
			       text);
	size = strlen(rest);
	memmove(text, rest, size + 1);
	slash = strchr(text, '/');
	if (slash == NULL)
		return 0;
	if (slash[1] != '\0' &&
	    (!upgrade_path_valid(slash) || !str_copy(address->path, sizeof(address->path), slash)))
		return err_set(err, -EINVAL, "'%s' is no path of a WebSocket (at most %d bytes)",
			       slash, ADDRESS_PATH_MAX - 1);
	*slash = '\0';
	return 0;
}

int address_parse(struct address *address, const char *text, struct err *err)
{
	char copy[ADDRESS_TEXT_MAX];
	struct address parsed = { 0 };
	int r;

	if (str_has_prefix(text, "unix:")) {
		r = parse_unix(&parsed, text + strlen("unix:"), err);
	} else if (!str_copy(copy, sizeof(copy), text)) {
		r = err_set(err, -EINVAL, "the address is too long");
	} else {
		r = cut_url(&parsed, copy, err);
		if (r == 0)
			r = copy[0] == '[' ? parse_bracketed(&parsed, copy, err)
					   : parse_inet(&parsed, copy, err);
	}
	if (r == 0)
		*address = parsed;
	return r;
}

static char *format(char dst[ADDRESS_TEXT_MAX], const struct address *address, const char *scheme,
		    const char *path)
{
	bool is_v6 = address->family == ADDRESS_INET6;

	snprintf(dst, ADDRESS_TEXT_MAX, "%s%s%s%s:%u%s", scheme, is_v6 ? "[" : "", address->host,
		 is_v6 ? "]" : "", address->port, path);
	return dst;
}

char *address_format(char dst[ADDRESS_TEXT_MAX], const struct address *address)
{
	if (address->family != ADDRESS_UNIX)
		return format(dst, address, address->is_tls ? "wss://" : "", address->path);
	snprintf(dst, ADDRESS_TEXT_MAX, "unix:%s", address->host);
	return dst;
}

char *address_host_header(char dst[ADDRESS_TEXT_MAX], const struct address *address)
{
	if (address->family != ADDRESS_UNIX)
		return format(dst, address, "", "");
	str_copy(dst, ADDRESS_TEXT_MAX, "localhost");
	return dst;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->port == b->port && a->is_tls == b->is_tls &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->path, b->path) == 0;
}

static const char *host_of(const struct address *address)
{
	static const char own[] = "127.0.0.1";

	if (address->family == ADDRESS_UNIX || strcmp(address->host, "::1") == 0 ||
	    strcmp(address->host, "::ffff:127.0.0.1") == 0)
		return own;
	return address->host;
}

bool address_same_host(const struct address *a, const struct address *b)
{
	return strcmp(host_of(a), host_of(b)) == 0;
}

/* Both are of that family. */
static bool same_ip(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
		      &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

/*
 * What goes to an address of our own comes from that very address. Connecting a datagram socket
 * asks the routes and nothing else; of 127.0.0.0/8 they name 127.0.0.1.
 */
static bool routes_to_itself(const struct address *address)
{
	struct sockaddr_storage to, from = { 0 };
	socklen_t size = sizeof(from);
	size_t to_size = address_to_sockaddr(address, &to);
	bool is;
	int fd;

	if (to_size == 0)
		return false;
	fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	is = connect(fd, (const struct sockaddr *)&to, (socklen_t)to_size) == 0 &&
	     getsockname(fd, (struct sockaddr *)&from, &size) == 0 &&
	     from.ss_family == to.ss_family && same_ip(&from, &to);
	close(fd);
	return is;
}

bool address_is_ours(const struct address *address)
{
	static const char own[] = "127.0.0.1";

	return strcmp(host_of(address), own) == 0 || address_is_any(address) ||
	       routes_to_itself(address);
}

bool address_is_local(const struct address *address)
{
	switch (address->family) {
	case ADDRESS_INET:
		return str_has_prefix(address->host, "127.");
	case ADDRESS_INET6:
		return strcmp(address->host, "::1") == 0 ||
		       str_has_prefix(address->host, "::ffff:127.");
	case ADDRESS_UNIX:
		return true;
	}
	return false;
}

bool address_is_any(const struct address *address)
{
	switch (address->family) {
	case ADDRESS_INET:
		return strcmp(address->host, "0.0.0.0") == 0;
	case ADDRESS_INET6:
		return strcmp(address->host, "::") == 0;
	case ADDRESS_UNIX:
		return false;
	}
	return false;
}

size_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *dst)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)dst;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)dst;
	struct sockaddr_un *un = (struct sockaddr_un *)dst;

	*dst = (struct sockaddr_storage){ 0 };
	switch (address->family) {
	case ADDRESS_INET:
		v4->sin_family = AF_INET;
		v4->sin_port = htons(address->port);
		return inet_pton(AF_INET, address->host, &v4->sin_addr) == 1 ? sizeof(*v4) : 0;
	case ADDRESS_INET6:
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(address->port);
		return inet_pton(AF_INET6, address->host, &v6->sin6_addr) == 1 ? sizeof(*v6) : 0;
	case ADDRESS_UNIX:
		un->sun_family = AF_UNIX;
		str_copy(un->sun_path, sizeof(un->sun_path), address->host);
		return sizeof(*un);
	}
	return 0;
}

bool address_from_sockaddr(struct address *address, const struct sockaddr_storage *from)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_un *un = (const struct sockaddr_un *)from;

	*address = (struct address){ 0 };
	switch (from->ss_family) {
	case AF_INET:
		address->family = ADDRESS_INET;
		address->port = ntohs(v4->sin_port);
		inet_ntop(AF_INET, &v4->sin_addr, address->host, sizeof(address->host));
		return true;
	case AF_INET6:
		address->family = ADDRESS_INET6;
		address->port = ntohs(v6->sin6_port);
		inet_ntop(AF_INET6, &v6->sin6_addr, address->host, sizeof(address->host));
		return true;
	case AF_UNIX:
		address->family = ADDRESS_UNIX;
		snprintf(address->host, sizeof(address->host), "%.*s", (int)sizeof(un->sun_path),
			 un->sun_path);
		return address->host[0] != '\0';
	default:
		return false;
	}
}
