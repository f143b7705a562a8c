/*
 * Frames
 *
 * The reader is a machine of two states, header and payload. A text payload is not copied: each
 * piece of it that a span holds goes straight to the event. Only headers and control frames, which
 * are small and must be whole to mean anything, are collected.
 *
 * It is strict, for the peer may be anything that listens on a port: what RFC 6455 forbids a server
 * to send is -EPROTO. Whether a text is UTF-8 is left to those who read it; they must know anyway.
 */

#include "net/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"

enum {
	BIT_FIN = 0x80,
	BITS_RESERVED = 0x70,
	BITS_OPCODE = 0x0f,
	BIT_MASK = 0x80,
	BITS_LENGTH = 0x7f,
	LENGTH_16 = 126,
	LENGTH_64 = 127,
	CONTROL_MAX = 125,
};

void frame_reader_init(struct frame_reader *reader, const struct frame_events *events, void *owner)
{
	*reader = (struct frame_reader){ .events = events, .owner = owner, .header_need = 2 };
}

static uint64_t load(const uint8_t *p, size_t size)
{
	uint64_t n = 0;

	for (size_t i = 0; i < size; i++)
		n = n << 8 | p[i];
	return n;
}

static bool is_control(unsigned opcode)
{
	return opcode >= FRAME_CLOSE;
}

/* The codes that may be on the wire (RFC 6455 7.4). */
static bool is_close_code(uint64_t code)
{
	return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) ||
	       (code >= 3000 && code <= 4999);
}

unsigned frame_close_code(const char *data, size_t size)
{
	return size >= 2 ? (unsigned)load((const uint8_t *)data, 2) : 0;
}

char *frame_close_text(char dst[FRAME_CLOSE_TEXT_MAX], const char *data, size_t size)
{
	unsigned code = frame_close_code(data, size);
	int n = code == 0 ? snprintf(dst, FRAME_CLOSE_TEXT_MAX, "closed by the peer")
			  : snprintf(dst, FRAME_CLOSE_TEXT_MAX, "closed by the peer with code %u%s",
				     code, size > 2 ? ": " : "");

	for (size_t i = 2; i < size && n < FRAME_CLOSE_TEXT_MAX - 1; i++)
		dst[n++] = data[i] >= ' ' && data[i] <= '~' ? data[i] : '?';
	dst[n] = '\0';
	return dst;
}

/* The first two bytes: what kind of frame, and is it in its place? */
static int check_start(struct frame_reader *reader)
{
	uint8_t first = reader->header[0], second = reader->header[1];
	unsigned length = second & BITS_LENGTH;

	reader->fin = first & BIT_FIN;
	reader->opcode = first & BITS_OPCODE;
	if ((first & BITS_RESERVED) || (second & BIT_MASK))
		return -EPROTO;
	switch (reader->opcode) {
	case FRAME_CONTINUATION:
		if (!reader->in_message)
			return -EPROTO;
		break;
	case FRAME_TEXT:
		if (reader->in_message)
			return -EPROTO;
		break;
	case FRAME_CLOSE:
	case FRAME_PING:
	case FRAME_PONG:
		if (!reader->fin || length > CONTROL_MAX)
			return -EPROTO;
		break;
	default:
		return -EPROTO;
	}
	reader->header_need = length == LENGTH_64 ? 10 : length == LENGTH_16 ? 4 : 2;
	return 0;
}

/* The shortest form is the only one allowed, and the top bit must be clear. */
static int read_length(struct frame_reader *reader)
{
	switch (reader->header_need) {
	case 4:
		reader->left = load(reader->header + 2, 2);
		return reader->left < LENGTH_16 ? -EPROTO : 0;
	case 10:
		reader->left = load(reader->header + 2, 8);
		return reader->left <= UINT16_MAX || reader->left > INT64_MAX ? -EPROTO : 0;
	default:
		reader->left = reader->header[1] & BITS_LENGTH;
		return 0;
	}
}

static int end_control(struct frame_reader *reader)
{
	const char *data = reader->control;
	size_t size = reader->control_n;

	if (reader->opcode == FRAME_CLOSE) {
		if (size == 1)
			return -EPROTO;
		if (size >= 2 && (!is_close_code(load((const uint8_t *)data, 2)) ||
				  !str_is_utf8(data + 2, size - 2)))
			return -EPROTO;
		reader->closed = true;
	}
	if (!reader->events->control)
		return 0;
	return reader->events->control(reader->owner, reader->opcode, data, size);
}

/* Consume up to size bytes of payload, which may be none. *ret_used is how many. */
static int feed_payload(struct frame_reader *reader, const char *data, size_t size,
			size_t *ret_used)
{
	bool last;

	if (size > reader->left)
		size = (size_t)reader->left;
	*ret_used = size;
	reader->left -= size;
	reader->in_payload = reader->left > 0;
	if (is_control(reader->opcode)) {
		if (size > 0)
			memcpy(reader->control + reader->control_n, data, size);
		reader->control_n = (uint8_t)(reader->control_n + size);
		return reader->in_payload ? 0 : end_control(reader);
	}
	last = reader->fin && !reader->in_payload;
	reader->in_message = !last;
	if (size == 0 && !last)
		return 0;
	return reader->events->text(reader->owner, data, size, last);
}

/* Consume up to size bytes of header. *ret_used is how many. */
static int feed_header(struct frame_reader *reader, const char *data, size_t size, size_t *ret_used)
{
	size_t none, need = (size_t)reader->header_need - reader->header_n;
	int r;

	if (size > need)
		size = need;
	*ret_used = size;
	memcpy(reader->header + reader->header_n, data, size);
	reader->header_n = (uint8_t)(reader->header_n + size);
	if (size < need)
		return 0;
	if (reader->header_n == 2) {
		r = check_start(reader);
		if (r < 0 || reader->header_need > 2)
			return r;
	}
	r = read_length(reader);
	if (r < 0)
		return r;
	reader->header_n = 0;
	reader->header_need = 2;
	reader->control_n = 0;
	reader->in_payload = reader->left > 0;
	return reader->in_payload ? 0 : feed_payload(reader, "", 0, &none);
}

int frame_feed(struct frame_reader *reader, const char *data, size_t size)
{
	while (size > 0 && !reader->closed) {
		size_t used;
		int r = reader->in_payload ? feed_payload(reader, data, size, &used)
					   : feed_header(reader, data, size, &used);

		if (r != 0)
			return r;
		data += used;
		size -= used;
	}
	return 0;
}

size_t frame_write(char *dst, enum frame_opcode opcode, const char *data, size_t size,
		   const uint8_t mask[4])
{
	uint8_t *p = (uint8_t *)dst;

	*p++ = (uint8_t)(BIT_FIN | opcode);
	if (size < LENGTH_16) {
		*p++ = (uint8_t)(BIT_MASK | size);
	} else if (size <= UINT16_MAX) {
		*p++ = BIT_MASK | LENGTH_16;
		*p++ = (uint8_t)(size >> 8);
		*p++ = (uint8_t)size;
	} else {
		*p++ = BIT_MASK | LENGTH_64;
		for (int shift = 56; shift >= 0; shift -= 8)
			*p++ = (uint8_t)((uint64_t)size >> shift);
	}
	memcpy(p, mask, 4);
	p += 4;
	for (size_t i = 0; i < size; i++)
		*p++ = (uint8_t)data[i] ^ mask[i & 3];
	return (size_t)(p - (uint8_t *)dst);
}
