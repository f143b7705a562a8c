#pragma once

/*
 * RFC 6455 framing, client side, pure: spans in, spans out, no I/O. Used by the capture threads,
 * where libwebsockets' byte-at-a-time parser would be the bottleneck. No extensions.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_HEADER_MAX = 14 };

/* Opcodes (RFC 6455 5.2). */
enum frame_opcode {
	FRAME_CONTINUATION = 0,
	FRAME_TEXT = 1,
	FRAME_BINARY = 2,
	FRAME_CLOSE = 8,
	FRAME_PING = 9,
	FRAME_PONG = 10,
};

/* Code of a close frame: "try again later". */
enum { FRAME_CLOSE_BUSY = 1013 };

struct frame_events {
	/* A piece of a text message's payload; `last` with the final piece (which may be empty). */
	int (*text)(void *owner, const char *data, size_t size, bool last);
	/* A whole control frame: close, ping, pong (at most 125 bytes). */
	int (*control)(void *owner, enum frame_opcode opcode, const char *data, size_t size);
};

struct frame_reader {
	const struct frame_events *events;
	void *owner;
	uint64_t left; /* payload bytes still to come in this frame */
	uint8_t header[FRAME_HEADER_MAX], header_n, header_need;
	uint8_t opcode;
	bool fin, in_message, in_payload, closed;
	uint8_t control_n;
	char control[125];
};

void frame_reader_init(struct frame_reader *reader, const struct frame_events *events, void *owner);

/*
 * 0; -EPROTO when the peer breaks the RFC (masked, reserved bits, bad length, bad close code) or
 * sends a binary message; or an event's own. After an error the reader must not be fed again. What
 * follows a close frame is thrown away.
 */
int frame_feed(struct frame_reader *reader, const char *data, size_t size);

/* The code that the payload of a close frame begins with; 0: none. */
unsigned frame_close_code(const char *data, size_t size);

/*
 * What such a payload says, for people: "closed by the peer with code 1001: going away". What comes
 * of the peer is in printable ASCII. Returns dst.
 */
enum { FRAME_CLOSE_TEXT_MAX = 160 };
char *frame_close_text(char dst[FRAME_CLOSE_TEXT_MAX], const char *data, size_t size);

/*
 * Write one masked frame into dst (at least size + FRAME_HEADER_MAX bytes). mask is four random
 * bytes. Returns the number of bytes written.
 */
size_t frame_write(char *dst, enum frame_opcode opcode, const char *data, size_t size,
		   const uint8_t mask[4]);
