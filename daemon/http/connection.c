/*
 * Connections
 *
 * Every phase has a deadline, armed where the phase is entered, and absolute: a client that sends
 * or takes a byte now and then gains nothing (the library's own time-out is one of idleness).
 * When it comes, the socket is shut down, and the library takes it for the client's end.
 *
 * Two limits, in all and per address. Refusing newcomers at a limit would let a thousand drippers
 * keep everybody else out, so near the limit the client that waits longest with half a request is
 * cut off instead. One whose request is whole is never cut to make room; only when nobody can go
 * is the newcomer refused. Addresses are not limited on unix sockets, which have none.
 */

#include "http/connection.h"

#include <string.h>
#include <sys/socket.h>

/* Cut off before the limit, where the library would stop accepting: one eighth stays free. */
enum { CROWD_SPARE_SHARE = 8 };

enum { PLACE_BYTES = 8 }; /* of an address of IPv6 */

void crowd_init(struct http_crowd *crowd, struct loop *loop)
{
	*crowd = (struct http_crowd){ .loop = loop };
	link_init(&crowd->list);
}

static bool peer_of(const struct sockaddr *address, struct in6_addr *ret)
{
	if (address != NULL && address->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;

		memcpy(&v6, address, sizeof(v6));
		*ret = v6.sin6_addr;
		return true;
	}
	if (address != NULL && address->sa_family == AF_INET) {
		struct sockaddr_in v4;

		memcpy(&v4, address, sizeof(v4));
		*ret = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
		memcpy(&ret->s6_addr[12], &v4.sin_addr, sizeof(v4.sin_addr));
		return true;
	}
	return false;
}

bool peers_are_near(const struct in6_addr *a, const struct in6_addr *b)
{
	if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4MAPPED(b))
		return IN6_ARE_ADDR_EQUAL(a, b);
	return memcmp(a, b, PLACE_BYTES) == 0;
}

static bool is_waiting(const struct http_connection *connection)
{
	return !connection->cut &&
	       (connection->phase == PHASE_READING || connection->phase == PHASE_IDLE);
}

static bool is_from(const struct http_connection *connection, const struct in6_addr *peer)
{
	return peer == NULL ||
	       (connection->has_peer && IN6_ARE_ADDR_EQUAL(&connection->peer, peer));
}

/* peer NULL: anybody. */
static bool cut_oldest(struct http_crowd *crowd, const struct in6_addr *peer)
{
	list_each (at, &crowd->list) {
		struct http_connection *connection = container_of(at, struct http_connection, link);

		if (is_waiting(connection) && is_from(connection, peer)) {
			connection_cut(connection);
			return true;
		}
	}
	return false;
}

static uint32_t count_from(const struct http_crowd *crowd, const struct in6_addr *peer)
{
	uint32_t n = 0;

	list_each (at, &crowd->list) {
		const struct http_connection *connection =
			container_of(at, struct http_connection, link);

		n += !connection->cut && is_from(connection, peer);
	}
	return n;
}

bool crowd_admit(struct http_crowd *crowd, const struct sockaddr *address)
{
	uint32_t spare = crowd->max / CROWD_SPARE_SHARE;
	struct in6_addr peer;
	bool admitted = true;

	if (crowd->count >= crowd->max - spare && !cut_oldest(crowd, NULL))
		admitted = crowd->count < crowd->max;
	if (admitted && peer_of(address, &peer) && count_from(crowd, &peer) >= crowd->max_per_ip)
		admitted = cut_oldest(crowd, &peer);
	crowd->refused += !admitted;
	return admitted;
}

static void on_deadline(void *owner)
{
	struct http_connection *connection = owner;

	if (connection->phase == PHASE_HELD)
		connection->crowd->held_too_long(connection);
	else
		connection_cut(connection);
}

int connection_init(struct http_connection *connection, struct http_crowd *crowd, int fd,
		    const struct sockaddr *address)
{
	int r;

	*connection = (struct http_connection){ .crowd = crowd, .fd = fd };
	link_init(&connection->link);
	connection->has_peer = peer_of(address, &connection->peer);
	r = loop_timer_init(&connection->deadline, crowd->loop, on_deadline, connection);
	if (r < 0)
		return r;
	crowd->count++;
	connection_enter(connection, PHASE_READING, UINT64_MAX);
	return 0;
}

void connection_fini(struct http_connection *connection)
{
	if (!connection->cut)
		connection->crowd->count--;
	link_remove(&connection->link);
	loop_timer_fini(&connection->deadline);
}

void connection_enter(struct http_connection *connection, enum http_phase phase,
		      uint64_t at_most_ns)
{
	struct http_crowd *crowd = connection->crowd;
	uint64_t wait_ns = crowd->phase_ns[phase];

	connection->phase = phase;
	link_remove(&connection->link);
	list_append(&crowd->list, &connection->link);
	if (connection->cut)
		return;
	/* A deadline that cannot be armed would be none: end it now. */
	if (loop_timer_set(&connection->deadline, wait_ns < at_most_ns ? wait_ns : at_most_ns) < 0)
		connection_cut(connection);
}

/* What a slow reader has not taken would lie in the kernel, by the megabyte, as long as it likes.
 */
static void discard_unsent(int fd)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

void connection_cut(struct http_connection *connection)
{
	if (connection->cut)
		return;
	connection->cut = true;
	connection->crowd->count--;
	connection->crowd->cut++;
	loop_timer_clear(&connection->deadline);
	if (connection->phase == PHASE_ANSWERING)
		discard_unsent(connection->fd);
	shutdown(connection->fd, SHUT_RDWR);
}
