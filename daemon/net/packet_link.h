#pragma once

/*
 * Packet connections of the control thread (net/packet.h): to a runtime that speaks over the bare
 * TCP or unix socket. What net/ws.h is to those that speak WebSocket.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address;
struct loop;
struct packet_link;

struct packet_link_events {
	void (*open)(void *owner); /* connected; nothing has been said yet */

	/* A whole text. data is NULL when it was over the cap and thrown away; bulk packets are
	 * thrown away without a word. */
	void (*message)(void *owner, const char *data, size_t size);

	/*
	 * The end, exactly once unless packet_link_close() was called first: -ECONNREFUSED,
	 * -ETIMEDOUT, -EPROTO (what came is no packet), another -errno, 0 when the peer closed.
	 * reason is for people, never NULL. The link is gone afterwards.
	 */
	void (*closed)(void *owner, int r, const char *reason);
};

struct packet_link_limits {
	uint64_t connect_ns;
	size_t message_max; /* bytes of a text; more is drained, not built */
	size_t send_queue_max; /* bytes waiting to be written; more is -ENOBUFS */
};

/* Never calls back before it returns. 0 or -errno; -EPROTONOSUPPORT for an address with TLS. */
int packet_link_open(struct packet_link **ret, struct loop *loop, const struct address *to,
		     const struct packet_link_limits *limits,
		     const struct packet_link_events *events, void *owner);

/* Queue one text (copied). 0, -ENOBUFS, -ENOMEM, -ENOTCONN. */
int packet_link_send(struct packet_link *link, const char *text, size_t size);

/* No event after this; NULL is fine. May be called within an event. */
void packet_link_close(struct packet_link *link);
