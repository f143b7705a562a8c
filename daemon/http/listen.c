/*
 * Listening sockets
 *
 * Hosts are numeric or "localhost": a resolver has no place in a start-up that must not hang, and
 * a name that changes its address would not be followed anyway. ":port" is every address of the
 * machine, IPv4 included, by one dual-stack socket where there is IPv6.
 *
 * A unix socket left by a daemon that died is removed, one that is alive is not: connecting tells.
 */

#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/err.h"
#include "util/str.h"

/* Room for a burst of scrapers between two turns of the loop. */
enum { LISTEN_BACKLOG = 512 };

union socket_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
};

static int parse_port(const char *text, uint16_t *ret)
{
	uint64_t port;

	if (str_parse_uint(text, &port) < 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

static int parse_host(const char *host, uint16_t port, union socket_address *ret, socklen_t *size)
{
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(port);
		*size = sizeof(ret->v4);
		return 0;
	}
	if (host[0] != '\0' && inet_pton(AF_INET6, host, &ret->v6.sin6_addr) != 1)
		return -EINVAL;
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = htons(port);
	*size = sizeof(ret->v6);
	return 0;
}

static int parse_unix(const char *path, union socket_address *ret, socklen_t *size)
{
	ret->un.sun_family = AF_UNIX;
	*size = sizeof(ret->un);
	if (path[0] != '/' || !str_copy(ret->un.sun_path, sizeof(ret->un.sun_path), path))
		return -EINVAL;
	return 0;
}

static int parse_address(const char *text, union socket_address *ret, socklen_t *size)
{
	char host[INET6_ADDRSTRLEN + 2] = "";
	const char *colon = strrchr(text, ':'), *from = text, *to = colon;
	uint16_t port;

	memset(ret, 0, sizeof(*ret));
	if (str_has_prefix(text, "unix:"))
		return parse_unix(text + 5, ret, size);
	if (colon == NULL || parse_port(colon + 1, &port) < 0)
		return -EINVAL;
	if (from[0] == '[' && to - from >= 2 && to[-1] == ']') {
		from++;
		to--;
	} else if (memchr(from, ':', (size_t)(to - from)) != NULL) {
		return -EINVAL;
	}
	if ((size_t)(to - from) >= sizeof(host))
		return -EINVAL;
	memcpy(host, from, (size_t)(to - from));
	return parse_host(host, port, ret, size);
}

static bool is_loopback(const union socket_address *address)
{
	if (address->any.sa_family == AF_INET)
		return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
	if (address->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
	return address->any.sa_family == AF_UNIX;
}

static int describe(struct listen_socket *socket)
{
	union socket_address address = { .any.sa_family = AF_UNSPEC };
	socklen_t size = sizeof(address);

	if (getsockname(socket->fd, &address.any, &size) < 0)
		return -errno;
	socket->loopback = is_loopback(&address);
	socket->unix_domain = address.any.sa_family == AF_UNIX;
	if (address.any.sa_family == AF_INET)
		socket->port = ntohs(address.v4.sin_port);
	else if (address.any.sa_family == AF_INET6)
		socket->port = ntohs(address.v6.sin6_port);
	return 0;
}

/* Remove a socket file nobody listens at any more. */
static void remove_stale(const union socket_address *address, socklen_t size)
{
	struct stat status;
	int fd;

	if (lstat(address->un.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, &address->any, size) < 0 && errno == ECONNREFUSED)
		unlink(address->un.sun_path);
	close(fd);
}

static int bind_and_listen(int fd, const union socket_address *address, socklen_t size)
{
	int on = 1, only_v6 = !IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);

	if (address->any.sa_family == AF_UNIX)
		remove_stale(address, size);
	else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (address->any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6)) < 0)
		return -errno;
	if (bind(fd, &address->any, size) < 0)
		return -errno;
	/* Who may connect is decided by the folder the operator put it in, and by the group. */
	if (address->any.sa_family == AF_UNIX && chmod(address->un.sun_path, 0660) < 0)
		return -errno;
	if (listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	return 0;
}

static int open_at(struct listen_socket *ret, const union socket_address *address, socklen_t size)
{
	int r;

	ret->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ret->fd < 0)
		return -errno;
	r = bind_and_listen(ret->fd, address, size);
	if (r == 0)
		r = describe(ret);
	if (r < 0) {
		close(ret->fd);
		ret->fd = -1;
		return r;
	}
	if (address->any.sa_family == AF_UNIX)
		str_copy(ret->path, sizeof(ret->path), address->un.sun_path);
	return 0;
}

int listen_open(struct listen_socket *ret, const char *address, struct err *err)
{
	union socket_address where;
	socklen_t size;
	int r;

	*ret = (struct listen_socket){ .fd = -1 };
	r = parse_address(address, &where, &size);
	if (r < 0)
		return err_set(err, r,
			       "listen address \"%s\" is not IP:port, [IPv6]:port, localhost:port, "
			       ":port or unix:/path",
			       address);
	r = open_at(ret, &where, size);
	if (r == -EAFNOSUPPORT && address[0] == ':') {
		/* A kernel without IPv6: every address is every IPv4 address. */
		uint16_t port = where.v6.sin6_port;

		memset(&where, 0, sizeof(where));
		where.v4.sin_family = AF_INET;
		where.v4.sin_port = port;
		r = open_at(ret, &where, sizeof(where.v4));
	}
	if (r < 0)
		return err_set(err, r, "cannot listen on %s: %s", address, strerror(-r));
	return 0;
}

int listen_adopt(struct listen_socket *ret, int fd, struct err *err)
{
	int listening = 0, type = 0, r;
	socklen_t size = sizeof(int);

	*ret = (struct listen_socket){ .fd = -1 };
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0)
		return err_set(err, -errno, "passed descriptor %d: %s", fd, strerror(errno));
	if (type != SOCK_STREAM || listening == 0)
		return err_set(err, -EINVAL, "passed descriptor %d is no listening stream socket",
			       fd);
	ret->fd = fd;
	r = describe(ret);
	if (r < 0)
		return err_set(err, r, "passed descriptor %d: %s", fd, strerror(-r));
	return 0;
}

bool listen_is(const struct listen_socket *socket, const char *address)
{
	union socket_address wanted, bound = { .any.sa_family = AF_UNSPEC };
	socklen_t wanted_size, size = sizeof(bound);

	if (parse_address(address, &wanted, &wanted_size) < 0 ||
	    getsockname(socket->fd, &bound.any, &size) < 0 ||
	    wanted.any.sa_family != bound.any.sa_family)
		return false;
	if (wanted.any.sa_family == AF_INET)
		return wanted.v4.sin_port == bound.v4.sin_port &&
		       wanted.v4.sin_addr.s_addr == bound.v4.sin_addr.s_addr;
	if (wanted.any.sa_family == AF_INET6)
		return wanted.v6.sin6_port == bound.v6.sin6_port &&
		       IN6_ARE_ADDR_EQUAL(&wanted.v6.sin6_addr, &bound.v6.sin6_addr);
	return strcmp(wanted.un.sun_path, bound.un.sun_path) == 0;
}

void listen_close(struct listen_socket *socket)
{
	if (socket->fd >= 0)
		close(socket->fd);
	socket->fd = -1;
	if (socket->path[0] != '\0')
		unlink(socket->path);
	socket->path[0] = '\0';
}

char *listen_name(char dst[LISTEN_NAME_MAX], const struct listen_socket *socket)
{
	union socket_address at = { 0 };
	socklen_t size = sizeof(at);
	char host[INET6_ADDRSTRLEN] = "?";

	if (getsockname(socket->fd, &at.any, &size) < 0)
		snprintf(dst, LISTEN_NAME_MAX, "?");
	else if (at.any.sa_family == AF_UNIX)
		snprintf(dst, LISTEN_NAME_MAX, "unix:%.107s", at.un.sun_path);
	else if (at.any.sa_family == AF_INET6)
		snprintf(dst, LISTEN_NAME_MAX, "[%s]:%u",
			 inet_ntop(AF_INET6, &at.v6.sin6_addr, host, sizeof(host)), socket->port);
	else
		snprintf(dst, LISTEN_NAME_MAX, "%s:%u",
			 inet_ntop(AF_INET, &at.v4.sin_addr, host, sizeof(host)), socket->port);
	return dst;
}

char *listen_url(char dst[LISTEN_NAME_MAX], const struct listen_socket *socket, bool tls)
{
	union socket_address at = { 0 };
	socklen_t size = sizeof(at);
	char name[LISTEN_NAME_MAX], host[HOST_NAME_MAX + 1] = "localhost";
	const char *scheme = tls ? "https" : "http";
	bool any;

	dst[0] = '\0';
	if (getsockname(socket->fd, &at.any, &size) < 0 || at.any.sa_family == AF_UNIX)
		return dst;
	any = at.any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&at.v6.sin6_addr)
					   : at.v4.sin_addr.s_addr == htonl(INADDR_ANY);
	if (any && gethostname(host, sizeof(host) - 1) < 0)
		strcpy(host, "localhost");
	if (any)
		snprintf(dst, LISTEN_NAME_MAX, "%s://%.64s:%u/", scheme, host, socket->port);
	else
		snprintf(dst, LISTEN_NAME_MAX, "%s://%.100s/", scheme, listen_name(name, socket));
	return dst;
}
