/*
 * One plain socket that does not block, watched by the loop.
 *
 * `closed` is told at the end of the turn, so that its owner may free what it likes and connect
 * again at once. An owner that closes the link within an event is not called back again: what was
 * read after the packet that made it do so is dropped.
 */

#include "net/packet_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "net/address.h"
#include "net/packet.h"
#include "util/buf.h"
#include "util/str.h"

enum {
	READ_BYTES = 16 * 1024,
	READS_MAX = 16, /* in one turn: others want theirs too */
	KEPT_BYTES = 16 * 1024, /* a buffer grown beyond this is not kept */
	REASON_MAX = 160,
};

struct packet_link {
	const struct packet_link_events *events;
	void *owner;
	struct packet_link_limits limits;
	struct loop *loop;
	int fd; /* owned */
	struct loop_fd watch;
	struct loop_timer deadline; /* of the connect */
	struct loop_deferred later; /* the end, or the beginning of what connected at once */
	struct packet_reader reader;
	struct buf message; /* being put together */
	uint64_t message_bytes; /* seen of it */
	struct buf out; /* to be written from out_done on */
	size_t out_done;
	bool connected, ended;
	bool reading; /* an event is on the stack */
	bool abandoned; /* closed within it: to be freed after */
	int result;
	char reason[REASON_MAX];
};

static void link_free(struct packet_link *link)
{
	loop_deferred_cancel(&link->later);
	loop_fd_fini(&link->watch);
	loop_timer_fini(&link->deadline);
	if (link->fd >= 0)
		close(link->fd);
	buf_fini(&link->message);
	buf_fini(&link->out);
	free(link);
}

/* The first who knows why says so. */
static void end(struct packet_link *link, int r, const char *reason)
{
	if (link->ended)
		return;
	link->ended = true;
	link->result = r;
	str_copy(link->reason, sizeof(link->reason), reason);
	loop_timer_clear(&link->deadline);
	(void)loop_fd_want(&link->watch, 0);
	loop_defer(link->loop, &link->later);
}

/* ---- reading ---- */

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	struct packet_link *link = owner;
	const char *text;

	link->message_bytes += size;
	if (link->message_bytes <= link->limits.message_max)
		buf_append(&link->message, data, size);
	if (!last)
		return 0;
	text = link->message_bytes > link->limits.message_max ? NULL : buf_text(&link->message);
	size = (size_t)link->message_bytes;
	link->message_bytes = 0;
	link->events->message(link->owner, text, size);
	if (link->message.capacity > KEPT_BYTES || link->message.error != 0)
		buf_fini(&link->message);
	else
		buf_clear(&link->message);
	return link->abandoned || link->ended ? -ECANCELED : 0;
}

static const struct packet_events packet_events = { .text = on_text };

static void read_some(struct packet_link *link)
{
	char block[READ_BYTES];

	for (int i = 0; i < READS_MAX && !link->ended; i++) {
		ssize_t n = recv(link->fd, block, sizeof(block), 0);
		int r;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			end(link, -errno, "connection lost");
		else if (n == 0)
			end(link, 0, "closed by the peer");
		if (n <= 0)
			return;
		link->reading = true;
		r = packet_feed(&link->reader, block, (size_t)n);
		link->reading = false;
		if (link->abandoned)
			return;
		if (r == -EPROTO)
			end(link, r, "what it says are no packets");
	}
}

/* ---- writing ---- */

static void write_some(struct packet_link *link)
{
	while (link->out_done < link->out.size) {
		ssize_t n = send(link->fd, link->out.data + link->out_done,
				 link->out.size - link->out_done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			(void)loop_fd_want(&link->watch, LOOP_READ | LOOP_WRITE);
			return;
		}
		if (n < 0) {
			end(link, -errno, "cannot write");
			return;
		}
		link->out_done += (size_t)n;
	}
	buf_clear(&link->out);
	link->out_done = 0;
	(void)loop_fd_want(&link->watch, LOOP_READ);
}

int packet_link_send(struct packet_link *link, const char *text, size_t size)
{
	char prefix[PACKET_PREFIX_MAX];
	size_t prefix_size = packet_prefix(prefix, size);

	if (!link->connected || link->ended || link->abandoned)
		return -ENOTCONN;
	if (link->out.size - link->out_done + prefix_size + size > link->limits.send_queue_max)
		return -ENOBUFS;
	/* What has been written already makes room at the latest when all of it has. */
	if (buf_reserve(&link->out, prefix_size + size) != 0)
		return link->out.error == -E2BIG ? -ENOBUFS : link->out.error;
	buf_append(&link->out, prefix, prefix_size);
	buf_append(&link->out, text, size);
	write_some(link);
	return 0;
}

/* ---- connecting ---- */

static void opened(struct packet_link *link)
{
	int one = 1;

	link->connected = true;
	loop_timer_clear(&link->deadline);
	/* A unix socket refuses, and has no need of it. */
	(void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)loop_fd_want(&link->watch, LOOP_READ);
	link->events->open(link->owner);
}

static void connect_ended(struct packet_link *link)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error != 0)
		end(link, -error, strerror(error));
	else
		opened(link);
}

static void on_ready(void *owner, int fd, unsigned what)
{
	struct packet_link *link = owner;

	(void)fd;
	if (!link->connected) {
		connect_ended(link);
		return;
	}
	if (what & LOOP_WRITE)
		write_some(link);
	if (what & LOOP_READ)
		read_some(link);
	if (link->abandoned)
		link_free(link);
}

static void on_later(void *owner)
{
	struct packet_link *link = owner;

	if (!link->ended) {
		opened(link);
		return;
	}
	link->events->closed(link->owner, link->result, link->reason);
	link_free(link);
}

static void on_deadline(void *owner)
{
	end(owner, -ETIMEDOUT, "no connection in time");
}

/* A failure at once is told later, as any other. */
static void connect_now(struct packet_link *link, const struct sockaddr *sa, socklen_t size)
{
	int r;

	do {
		r = connect(link->fd, sa, size) < 0 ? -errno : 0;
	} while (r == -EINTR);
	if (r == -EINPROGRESS) {
		(void)loop_fd_want(&link->watch, LOOP_WRITE);
		return;
	}
	/* A unix socket whose queue is full: as if nobody answered. */
	if (r == -EAGAIN)
		return;
	if (r < 0)
		end(link, r, strerror(-r));
	else
		loop_defer(link->loop, &link->later);
}

static int link_new(struct packet_link **ret, struct loop *loop, sa_family_t family)
{
	struct packet_link *link = calloc(1, sizeof(*link));
	int r;

	if (link == NULL)
		return -ENOMEM;
	link->loop = loop;
	loop_deferred_init(&link->later, on_later, link);
	packet_reader_init(&link->reader, &packet_events, link);
	link->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = link->fd < 0 ? -errno : 0;
	if (r == 0)
		r = loop_fd_init(&link->watch, loop, link->fd, on_ready, link);
	if (r == 0)
		r = loop_timer_init(&link->deadline, loop, on_deadline, link);
	if (r < 0) {
		link_free(link);
		return r;
	}
	*ret = link;
	return 0;
}

int packet_link_open(struct packet_link **ret, struct loop *loop, const struct address *to,
		     const struct packet_link_limits *limits,
		     const struct packet_link_events *events, void *owner)
{
	struct sockaddr_storage sa;
	socklen_t size = (socklen_t)address_to_sockaddr(to, &sa);
	struct packet_link *link;
	int r;

	if (size == 0)
		return -EINVAL;
	if (to->is_tls)
		return -EPROTONOSUPPORT;
	r = link_new(&link, loop, sa.ss_family);
	if (r < 0)
		return r;
	link->events = events;
	link->owner = owner;
	link->limits = *limits;
	buf_init(&link->message, limits->message_max);
	buf_init(&link->out, 2 * limits->send_queue_max);
	loop_timer_set(&link->deadline, limits->connect_ns);
	connect_now(link, (const struct sockaddr *)&sa, size);
	*ret = link;
	return 0;
}

void packet_link_close(struct packet_link *link)
{
	if (link == NULL || link->abandoned)
		return;
	loop_deferred_cancel(&link->later);
	if (link->reading) {
		link->abandoned = true;
		link->ended = true;
		(void)loop_fd_want(&link->watch, 0);
		return;
	}
	link_free(link);
}
