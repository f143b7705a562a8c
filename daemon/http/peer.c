/*
 * Who asks, as far as it can be seen. A user is named only when their password was right. An
 * address is that of the machine, or of a proxy before us, and the name of the client is its own
 * word. Of a unix socket the kernel tells the user.
 */

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "http/connection.h"
#include "http/server.h"

enum {
	AGENT_MAX = 128, /* of the client's word; the rest says nothing more */
	USER_MAX = 96, /* of a user's name, as it is shown */
};

/*
 * "user NAME, ", or nothing. What is no plain letter, digit or mark is written as in URLs, so that
 * no name looks like what stands behind it; of a long one the end is left out.
 */
static void describe_user(const char *user, char dst[USER_MAX])
{
	enum { END = sizeof("..., ") };
	size_t used = 0;

	dst[0] = '\0';
	if (user[0] == '\0')
		return;
	used = (size_t)snprintf(dst, USER_MAX, "user ");
	for (; *user != '\0' && used + 3 + END <= USER_MAX; user++) {
		unsigned char byte = (unsigned char)*user;

		if (byte < 0x80 && (isalnum(byte) || strchr("-._~@+", byte) != NULL))
			dst[used++] = (char)byte;
		else
			used += (size_t)snprintf(dst + used, USER_MAX - used, "%%%02X", byte);
	}
	snprintf(dst + used, USER_MAX - used, "%s, ", *user != '\0' ? "..." : "");
}

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

static int shorter(int most, size_t room)
{
	return room < (size_t)most ? (int)room : most;
}

char *http_peer(const struct http_exchange *exchange, char *dst, size_t size)
{
	const struct http_connection *connection = exchange->connection;
	const char *agent = http_header(exchange, "User-Agent");
	char user[USER_MAX], who[INET6_ADDRSTRLEN];
	size_t used;

	describe_user(connection->user, user);
	if (connection->has_peer)
		describe_address(&connection->peer, who, sizeof(who));
	else
		describe_process(connection->fd, who, sizeof(who));
	used = (size_t)snprintf(dst, size, "%s%s", user, who);
	/* The client's word gets what is left. */
	if (agent != NULL && agent[0] != '\0' && used + sizeof(" ()") < size)
		snprintf(dst + used, size - used, " (%.*s)",
			 shorter(AGENT_MAX, size - used - sizeof(" ()")), agent);
	for (char *c = dst; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return dst;
}
