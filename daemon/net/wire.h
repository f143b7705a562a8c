#pragma once

/*
 * A blocking connection for one capture thread, WebSocket or packets (net/packet.h): plain socket,
 * own framing, TLS where the address says so, every wait with a deadline and a cancel descriptor.
 * TCP back-pressure is the only flow control: what the caller does not read, the kernel and the
 * peer hold.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/frame.h"
#include "net/packet.h"

struct address;
struct buf;
struct err;
struct tls;

enum { WIRE_E_CLOSED = 1 }; /* the peer closed the connection */

/* Must stay where it is while open: its parts point at each other. */
struct wire {
	int fd; /* owned; -1 when closed */
	int cancel_fd; /* borrowed; readable means: give up (-ECANCELED) */
	struct tls *tls; /* owned; NULL: in clear */
	char *buffer; /* owned */
	size_t buffer_size;
	bool is_packets;
	struct packet_reader packets;
	struct frame_reader reader;
	const struct frame_events *events; /* of the caller */
	void *owner;
	uint64_t bytes_in, bytes_out; /* of frames or packets */
	bool closed; /* the peer sent a close frame */
	bool torn; /* a message of ours was written in part: nothing may follow */
	bool shared; /* another process has the socket too: to close ours alone would not end it */
};

/*
 * Connect and upgrade. events/owner get what wire_receive() reads; events->control may be NULL.
 * cancel_fd may be -1. 0; -ECONNREFUSED, -ETIMEDOUT, -ECANCELED, -EPROTO (not a WebSocket server),
 * -EACCES (TLS: one of the two does not trust the other), -errno, with text in err; after an error
 * wire_close() is allowed but not needed.
 */
int wire_open(struct wire *wire, const struct address *to, const char *path, int cancel_fd,
	      uint64_t timeout_ns, const struct frame_events *events, void *owner, struct err *err);

/* Connect to a peer that speaks in packets. As wire_open(), without an upgrade. */
int wire_open_packets(struct wire *wire, const struct address *to, int cancel_fd,
		      uint64_t timeout_ns, const struct packet_events *events, void *owner,
		      struct err *err);

/* One text message in one masked frame, or in one packet. 0, -ETIMEDOUT, -ECANCELED, -errno. */
int wire_send(struct wire *wire, const char *text, size_t size, uint64_t timeout_ns);

/*
 * Wait for bytes, read once, feed the frames. 0; WIRE_E_CLOSED; -ETIMEDOUT when nothing came within
 * timeout_ns; -ECANCELED; -EPROTO; an event's own result.
 */
int wire_receive(struct wire *wire, uint64_t timeout_ns);

/*
 * GET over HTTP, the body of the answer into buf, whose limit is that of the whole answer. 0;
 * -EPROTO when it is no whole answer with status 200, -E2BIG, as wire_open() otherwise; text in
 * err.
 */
int wire_get(const struct address *to, const char *path, int cancel_fd, uint64_t timeout_ns,
	     struct buf *buf, struct err *err);

/* Does anybody listen there? Connects and hangs up. 0, -ECONNREFUSED, -ETIMEDOUT, -errno. */
int wire_knock(const struct address *to, uint64_t timeout_ns);

/* Closes the socket at once (a close frame first when it can be sent without waiting). Safe twice.
 */
void wire_close(struct wire *wire);
