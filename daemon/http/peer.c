/*
 * Who asks, as far as it can be seen, whatever name was logged in with: an address is that of the
 * machine, or of a proxy before us, and the name of the client is its own word. Of a unix socket
 * the kernel tells the user.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "http/connection.h"
#include "http/server.h"

/* Of the client's word; the rest says nothing more. */
enum { AGENT_MAX = 128 };

static void describe_address(const struct in6_addr *peer, char *dst, size_t size)
{
	const void *v4 = &peer->s6_addr[12];
	const char *text = IN6_IS_ADDR_V4MAPPED(peer)
				   ? inet_ntop(AF_INET, v4, dst, (socklen_t)size)
				   : inet_ntop(AF_INET6, peer, dst, (socklen_t)size);

	if (text == NULL)
		snprintf(dst, size, "unknown");
}

/* As it was when it connected; the process may have handed the connection on. */
static void describe_process(int fd, char *dst, size_t size)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 || peer.uid == (uid_t)-1)
		snprintf(dst, size, "unknown");
	else if (peer.pid <= 0) /* of a pid namespace that is not ours to see */
		snprintf(dst, size, "uid %u", peer.uid);
	else
		snprintf(dst, size, "uid %u, pid %d", peer.uid, peer.pid);
}

char *http_peer(const struct http_exchange *exchange, char *dst, size_t size)
{
	const struct http_connection *connection = exchange->connection;
	const char *agent = http_header(exchange, "User-Agent");
	char who[INET6_ADDRSTRLEN];

	if (connection->has_peer)
		describe_address(&connection->peer, who, sizeof(who));
	else
		describe_process(connection->fd, who, sizeof(who));
	if (agent == NULL || agent[0] == '\0')
		snprintf(dst, size, "%s", who);
	else
		snprintf(dst, size, "%s (%.*s)", who, AGENT_MAX, agent);
	for (char *c = dst; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return dst;
}
