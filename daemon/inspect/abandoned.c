/*
 * Abandoned connections
 *
 * Each reads into the stack, a block in a turn of the loop, so that many of them, or one that never
 * ends, cost nobody else their turn. All that is kept of what has come is its very end, for the
 * one message that is looked for may come in two reads.
 *
 * That message is looked for as bytes, because the place in the stream where we begin is unknown:
 * in a snapshot, which is text within JSON, its quotes would have a backslash before them.
 */

#include "inspect/abandoned.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "net/address.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"

enum {
	ABANDONED_MAX = 256, /* systemd keeps half of that (FileDescriptorStoreMax= of the unit) */
	ID_MAX = 256, /* the longest name systemd takes */
	READ_BYTES = 64 * 1024,
};

/* As long as a download waits in the midst of a stream that it has given up. */
#define SILENCE_NS (20 * NS_PER_S)

static const char wants_to_exit[] = "\"method\":\"NodeRuntime.waitingForDisconnect\"";

struct connection {
	struct link link;
	struct abandoned *abandoned;
	int fd; /* owned */
	struct loop_fd readable;
	struct loop_timer silence;
	struct sockaddr_storage peer; /* all zero: not known */
	uint64_t until_ns;
	uint64_t bytes;
	char id[ID_MAX];
	char tail[sizeof(wants_to_exit) - 2]; /* of what was read, less than the whole message */
	size_t tail_size;
};

static void forget(struct connection *connection)
{
	loop_fd_fini(&connection->readable);
	loop_timer_fini(&connection->silence);
	link_remove(&connection->link);
	connection->abandoned->n--;
	close(connection->fd);
	free(connection);
}

static void tell(const struct connection *connection, const char *how)
{
	char address_text[ADDRESS_TEXT_MAX] = "unknown", size[STR_UNIT_MAX], bytes[24];
	struct address address;
	const struct log_field fields[] = {
		{ "capture_id", connection->id },
		{ "address", address_text },
		{ "received_bytes", bytes },
		{ "reason", how },
	};

	if (address_from_sockaddr(&address, &connection->peer))
		address_format(address_text, &address);
	snprintf(bytes, sizeof(bytes), "%" PRIu64, connection->bytes);
	str_format_bytes(size, connection->bytes);
	log_event(
		LEVEL_INFO, "capture", LOG_ID_CAPTURE_HEARD_OUT, fields,
		sizeof(fields) / sizeof(fields[0]),
		"a capture that a daemon before us did not finish has been heard out: %s, then %s",
		size, how);
}

static void ended(struct abandoned *abandoned, const char *id)
{
	if (abandoned->on_ended != NULL)
		abandoned->on_ended(abandoned->owner, id);
}

/* Shut down, for systemd has it too and closing ours alone would not end it. */
static void end(struct connection *connection, const char *how)
{
	struct abandoned *abandoned = connection->abandoned;
	char id[ID_MAX];

	tell(connection, how);
	str_copy(id, sizeof(id), connection->id);
	(void)shutdown(connection->fd, SHUT_RDWR);
	forget(connection);
	ended(abandoned, id);
}

static bool says_it_wants_to_exit(struct connection *connection, char *block, size_t fresh)
{
	size_t size = connection->tail_size + fresh;
	bool says = memmem(block, size, wants_to_exit, sizeof(wants_to_exit) - 1) != NULL;

	connection->tail_size = size < sizeof(connection->tail) ? size : sizeof(connection->tail);
	memcpy(connection->tail, block + size - connection->tail_size, connection->tail_size);
	return says;
}

/* NULL: it goes on; how it has ended. */
static const char *read_some(struct connection *connection)
{
	char block[sizeof(connection->tail) + READ_BYTES];
	ssize_t n;

	memcpy(block, connection->tail, connection->tail_size);
	n = recv(connection->fd, block + connection->tail_size, READ_BYTES, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? NULL : strerror(errno);
	if (n == 0)
		return "the target closed it";
	connection->bytes += (uint64_t)n;
	return says_it_wants_to_exit(connection, block, (size_t)n) ? "the program wants to exit"
								   : NULL;
}

/* Waits for more. 0, -errno, -ETIMEDOUT. */
static int await(struct connection *connection)
{
	uint64_t now_ns = clock_mono_ns(), silence_ns = connection->abandoned->silence_ns, left_ns;

	if (now_ns >= connection->until_ns)
		return -ETIMEDOUT;
	left_ns = connection->until_ns - now_ns;
	return loop_timer_set(&connection->silence, left_ns < silence_ns ? left_ns : silence_ns);
}

static void on_readable(void *owner, int fd, unsigned what)
{
	struct connection *connection = owner;
	const char *how = read_some(connection);
	int r = how == NULL ? await(connection) : 0;

	(void)fd;
	(void)what;
	if (r < 0)
		how = r == -ETIMEDOUT ? "it took longer than allowed" : strerror(-r);
	if (how != NULL)
		end(connection, how);
}

static void on_silence(void *owner)
{
	struct connection *connection = owner;

	end(connection, clock_mono_ns() < connection->until_ns ? "nothing came"
							       : "it took longer than allowed");
}

static int start(struct connection *connection, struct loop *loop)
{
	int r = loop_fd_init(&connection->readable, loop, connection->fd, on_readable, connection);

	if (r == 0)
		r = loop_timer_init(&connection->silence, loop, on_silence, connection);
	if (r == 0)
		r = loop_fd_want(&connection->readable, LOOP_READ);
	return r == 0 ? await(connection) : r;
}

void abandoned_init(struct abandoned *abandoned, struct loop *loop)
{
	*abandoned = (struct abandoned){ .loop = loop, .silence_ns = SILENCE_NS };
	link_init(&abandoned->all);
}

void abandoned_fini(struct abandoned *abandoned)
{
	if (abandoned->loop == NULL)
		return;
	list_each_safe (link, &abandoned->all)
		forget(container_of(link, struct connection, link));
}

static void cannot(struct abandoned *abandoned, const char *id, int r)
{
	log_error("capture",
		  "capture %s, which a daemon before us did not finish, is not heard out: %s", id,
		  strerror(-r));
	ended(abandoned, id);
}

void abandoned_add(struct abandoned *abandoned, int fd, const char *id, uint64_t limit_ns)
{
	struct connection *connection =
		abandoned->n < ABANDONED_MAX ? calloc(1, sizeof(*connection)) : NULL;
	socklen_t size = sizeof(connection->peer);
	int r;

	if (connection == NULL) {
		close(fd);
		cannot(abandoned, id, abandoned->n < ABANDONED_MAX ? -ENOMEM : -EMFILE);
		return;
	}
	connection->abandoned = abandoned;
	connection->fd = fd;
	connection->until_ns = clock_mono_ns() + limit_ns;
	str_copy(connection->id, sizeof(connection->id), id);
	list_append(&abandoned->all, &connection->link);
	abandoned->n++;
	/* Of one that has ended already nobody knows it. */
	if (getpeername(fd, (struct sockaddr *)&connection->peer, &size) < 0)
		connection->peer = (struct sockaddr_storage){ 0 };
	r = start(connection, abandoned->loop);
	if (r < 0) {
		forget(connection);
		cannot(abandoned, id, r);
		return;
	}
	log_info("capture", "capture %s, which a daemon before us did not finish, is heard out",
		 id);
}

bool abandoned_has(const struct abandoned *abandoned, const struct address *address)
{
	struct sockaddr_storage to;

	if (address_to_sockaddr(address, &to) == 0)
		return false;
	list_each (link, &abandoned->all) {
		const struct connection *connection = container_of(link, struct connection, link);

		if (memcmp(&connection->peer, &to, sizeof(to)) == 0)
			return true;
	}
	return false;
}
