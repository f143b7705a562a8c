/*
 * SHA-1
 *
 * Of a span in memory, in one call. Written out here because none of the libraries that the capture
 * threads touch offers it, and the handshake of a WebSocket asks for it.
 */

#include "net/sha1.h"

#include <string.h>

enum { BLOCK = 64, LENGTH_AT = 56 };

static uint32_t rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static uint32_t load(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The function of round i (RFC 3174 5) and its constant. */
static uint32_t mix(int i, uint32_t b, uint32_t c, uint32_t d)
{
	if (i < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (i < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (i < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void add_block(uint32_t h[5], const uint8_t block[BLOCK])
{
	uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], w[80];

	for (int i = 0; i < 16; i++)
		w[i] = load(block + 4 * i);
	for (int i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t t = rotate(a, 5) + mix(i, b, c, d) + e + w[i];

		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = t;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

void sha1(uint8_t dst[SHA1_SIZE], const void *data, size_t size)
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	uint64_t bits = (uint64_t)size * 8;
	const uint8_t *p = data;
	uint8_t last[2 * BLOCK] = { 0 };
	size_t rest, last_size;

	for (; size >= BLOCK; size -= BLOCK, p += BLOCK)
		add_block(h, p);
	rest = size;
	if (rest > 0)
		memcpy(last, p, rest);
	last[rest] = 0x80;
	last_size = rest < LENGTH_AT ? BLOCK : 2 * BLOCK;
	for (size_t i = 0; i < 8; i++)
		last[last_size - 1 - i] = (uint8_t)(bits >> (8 * i));
	for (size_t at = 0; at < last_size; at += BLOCK)
		add_block(h, last + at);
	for (size_t i = 0; i < SHA1_SIZE; i++)
		dst[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}
