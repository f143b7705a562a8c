/*
 * JSON scanner: strings
 *
 * A heap snapshot is one string value after the other, each escaped JSON: runs of some ten to
 * thirty plain bytes between two-byte escapes. So the fast path copies while it looks. It loads a
 * block, stores it, and gets a mask of the bytes that were special; for each short escape in the
 * mask it stores what that means and the rest of the block anew behind it. What is stored past the
 * end of a run is overwritten by the next one, which is why there must be room for it on both
 * sides. Taking the next escape out of a mask at hand is several times quicker than searching again
 * behind the last one, where each load waits for the outcome of the search before.
 *
 * Everything rare (\u escapes, the end of the input or of the buffer, errors) is left to a slow
 * path that takes one byte per step and can stop anywhere. The two never disagree on what is
 * delivered when: a piece is given away only when the next character has no room.
 */

#include "json/scan.h"

#include <errno.h>
#include <string.h>
#if defined(__SSE2__) && !defined(JSON_SCAN_PORTABLE)
#include <emmintrin.h>
#endif

#include "json/scan_parts.h"

/* What stands for itself after a backslash, or what the letter means; 0: not a short escape. */
static const char short_escapes[256] = {
	['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
	['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

static inline bool is_special(char c)
{
	return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

#if defined(__SSE2__) && !defined(JSON_SCAN_PORTABLE)

enum { BLOCK_BYTES = 32, MASK_BITS_PER_BYTE = 1 };

static const uint64_t mask_of_two = 0x3;

/* A bit for each special byte of sixteen, which are copied. */
static inline unsigned copy_half(char *dst, const char *src)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)src);
	__m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	__m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);

	_mm_storeu_si128((__m128i *)(void *)dst, bytes);
	return (unsigned)_mm_movemask_epi8(
		_mm_or_si128(_mm_or_si128(quotes, backslashes), controls));
}

/* Copy a block and mark its special bytes, the first one lowest. */
static inline uint64_t copy_block(char *dst, const char *src)
{
	return copy_half(dst, src) | (uint64_t)copy_half(dst + 16, src + 16) << 16;
}

#else

enum { BLOCK_BYTES = 8, MASK_BITS_PER_BYTE = 8 };

static const uint64_t mask_of_two = 0x8080;

#define REPEAT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The top bit of every byte that is zero; no carry leaves a byte. */
static inline uint64_t zeros(uint64_t word)
{
	return ~(((word & REPEAT(0x7f)) + REPEAT(0x7f)) | word) & REPEAT(0x80);
}

static inline uint64_t copy_block(char *dst, const char *src)
{
	uint64_t word, mask;

	memcpy(&word, src, sizeof(word));
	memcpy(dst, &word, sizeof(word));
	mask = zeros(word & REPEAT(0xe0)) | zeros(word ^ REPEAT('"')) | zeros(word ^ REPEAT('\\'));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	mask = __builtin_bswap64(mask);
#endif
	return mask;
}

#endif

/* A block and, behind an escape at its end, another one: what may be touched in one go. */
enum { MARGIN_BYTES = 2 * BLOCK_BYTES + 1 };

struct run {
	const char *src, *src_end;
	char *dst, *dst_end;
};

/* Take a block, and one byte more when an escape ends there. False before what is not plain. */
static inline bool take_block(struct run *run)
{
	uint64_t mask = copy_block(run->dst, run->src);
	size_t at = 0;

	while (mask != 0) {
		size_t special = (size_t)__builtin_ctzll(mask) / MASK_BITS_PER_BYTE;
		const char *src = run->src + special;
		char meaning = *src == '\\' ? short_escapes[(unsigned char)src[1]] : 0;

		run->dst += special - at;
		if (meaning == 0) {
			run->src = src;
			return false;
		}
		*run->dst++ = meaning;
		memcpy(run->dst, src + 2, BLOCK_BYTES);
		at = special + 2;
		mask &= ~(mask_of_two << special * MASK_BITS_PER_BYTE);
	}
	if (at < BLOCK_BYTES) {
		run->dst += BLOCK_BYTES - at;
		at = BLOCK_BYTES;
	}
	run->src += at;
	return true;
}

/* As take_block() for one byte or escape, where a block would reach too far. */
static inline bool take_one(struct run *run)
{
	char c, meaning;

	if (run->src == run->src_end || run->dst == run->dst_end)
		return false;
	c = *run->src;
	if (!is_special(c)) {
		*run->dst++ = c;
		run->src++;
		return true;
	}
	if (c != '\\' || run->src_end - run->src < 2)
		return false;
	meaning = short_escapes[(unsigned char)run->src[1]];
	if (meaning == 0)
		return false;
	*run->dst++ = meaning;
	run->src += 2;
	return true;
}

/* Take plain bytes and short escapes while input and buffer last. */
static void copy_fast(struct json_scan *scan, struct json_input *in)
{
	struct run run = {
		.src = in->data + in->at,
		.src_end = in->data + in->size,
		.dst = scan->buffer + scan->used,
		.dst_end = scan->buffer + scan->buffer_size,
	};
	bool plain = true;

	while (plain && run.src_end - run.src >= MARGIN_BYTES &&
	       run.dst_end - run.dst >= MARGIN_BYTES)
		plain = take_block(&run);
	while (plain)
		plain = take_one(&run);
	in->at = (size_t)(run.src - in->data);
	scan->used = (size_t)(run.dst - scan->buffer);
}

/* Add one character, which is not torn: when it has no room the piece before it goes first. */
static int put(struct json_scan *scan, const char *text, size_t size)
{
	int r;

	if (scan->buffer_size - scan->used < size) {
		if (scan->in_key)
			return -E2BIG;
		r = json_emit(scan, JSON_STRING_PART, scan->buffer, scan->used);
		if (r != 0)
			return r;
		scan->used = 0;
	}
	memcpy(scan->buffer + scan->used, text, size);
	scan->used += size;
	return 0;
}

static int put_code_point(struct json_scan *scan, uint32_t c)
{
	char utf8[4];
	size_t n = 0;

	if (c < 0x80) {
		utf8[n++] = (char)c;
	} else if (c < 0x800) {
		utf8[n++] = (char)(0xc0 | c >> 6);
		utf8[n++] = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		utf8[n++] = (char)(0xe0 | c >> 12);
		utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		utf8[n++] = (char)(0x80 | (c & 0x3f));
	} else {
		utf8[n++] = (char)(0xf0 | c >> 18);
		utf8[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		utf8[n++] = (char)(0x80 | (c & 0x3f));
	}
	return put(scan, utf8, n);
}

/* Something else than its low half followed the high surrogate. */
static int give_up_surrogate(struct json_scan *scan)
{
	if (scan->surrogate == 0)
		return 0;
	scan->surrogate = 0;
	return put_code_point(scan, 0xfffd);
}

static int put_utf16_unit(struct json_scan *scan, uint16_t unit)
{
	bool low = (unit & 0xfc00) == 0xdc00;
	uint16_t high = scan->surrogate;
	int r;

	if (low && high != 0) {
		scan->surrogate = 0;
		return put_code_point(scan, 0x10000u + ((high & 0x3ffu) << 10) + (unit & 0x3ffu));
	}
	r = give_up_surrogate(scan);
	if (r != 0)
		return r;
	if ((unit & 0xfc00) == 0xd800) {
		scan->surrogate = unit;
		return 0;
	}
	return put_code_point(scan, low ? 0xfffd : unit);
}

static int end_string(struct json_scan *scan)
{
	int r;

	r = json_emit(scan, scan->in_key ? JSON_KEY : JSON_STRING, scan->buffer, scan->used);
	if (r != 0)
		return r;
	scan->used = 0;
	if (scan->in_key)
		scan->state = SCAN_COLON;
	else
		json_value_done(scan);
	return 0;
}

static int step_plain(struct json_scan *scan, char c)
{
	int r;

	if (c == '\\') {
		scan->state = SCAN_ESCAPE;
		return 0;
	}
	r = give_up_surrogate(scan);
	if (r != 0)
		return r;
	if (c == '"')
		return end_string(scan);
	return is_special(c) ? -EBADMSG : put(scan, &c, 1);
}

static int step_escape(struct json_scan *scan, char c)
{
	char meaning = short_escapes[(unsigned char)c];
	int r;

	if (c == 'u') {
		scan->state = SCAN_HEX;
		scan->hex = 0;
		scan->hex_n = 0;
		return 0;
	}
	if (meaning == 0)
		return -EBADMSG;
	r = give_up_surrogate(scan);
	if (r != 0)
		return r;
	scan->state = SCAN_STRING;
	return put(scan, &meaning, 1);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -EBADMSG;
}

static int step_hex(struct json_scan *scan, char c)
{
	int digit = hex_digit(c);

	if (digit < 0)
		return digit;
	scan->hex = (uint16_t)(scan->hex << 4 | digit);
	if (++scan->hex_n < 4)
		return 0;
	scan->state = SCAN_STRING;
	return put_utf16_unit(scan, scan->hex);
}

static int step_byte(struct json_scan *scan, char c)
{
	switch ((enum json_scan_state)scan->state) {
	case SCAN_ESCAPE:
		return step_escape(scan, c);
	case SCAN_HEX:
		return step_hex(scan, c);
	default:
		return step_plain(scan, c);
	}
}

int json_scan_string(struct json_scan *scan, struct json_input *in)
{
	do {
		int r;

		if (scan->state == SCAN_STRING && scan->surrogate == 0)
			copy_fast(scan, in);
		if (in->at == in->size)
			return 0;
		r = step_byte(scan, in->data[in->at]);
		if (r != 0)
			return r;
		in->at++;
	} while (scan->state >= SCAN_STRING && in->at < in->size);
	return 0;
}
