/*
 * Long arrays of numbers
 */

#include "heap/numbers.h"

#include <string.h>

#if defined(__SSE2__) && !defined(HEAP_NUMBERS_PORTABLE)
#include <emmintrin.h>
#define WITH_SSE2 1
#else
#define WITH_SSE2 0
#endif

enum { BLOCK = 64, WORD = 8, DIGITS_MAX = 19 };

/* A bit per byte of a block. */
struct masks {
	uint64_t digits, commas, blanks;
};

#if WITH_SSE2

static uint64_t gather(const __m128i m[4])
{
	uint64_t bits = 0;

	for (int i = 0; i < 4; i++)
		bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(m[i]) << (16 * i);
	return bits;
}

static uint64_t digits_of(const char *block)
{
	const __m128i zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9);
	__m128i m[4];

	for (int i = 0; i < 4; i++) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));

		x = _mm_sub_epi8(x, zero);
		m[i] = _mm_cmpeq_epi8(_mm_min_epu8(x, nine), x);
	}
	return gather(m);
}

static uint64_t equal_to(const char *block, char c)
{
	const __m128i wanted = _mm_set1_epi8(c);
	__m128i m[4];

	for (int i = 0; i < 4; i++)
		m[i] = _mm_cmpeq_epi8(
			_mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i)), wanted);
	return gather(m);
}

#else

static uint64_t digits_of(const char *block)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < BLOCK; i++)
		bits |= (uint64_t)((unsigned char)(block[i] - '0') <= 9) << i;
	return bits;
}

static uint64_t equal_to(const char *block, char c)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < BLOCK; i++)
		bits |= (uint64_t)(block[i] == c) << i;
	return bits;
}

#endif

/* V8 writes no blank but the line feed; the others are looked for where something is amiss. */
static struct masks masks_of(const char *block)
{
	struct masks masks = { digits_of(block), equal_to(block, ','), equal_to(block, '\n') };

	if ((masks.digits | masks.commas | masks.blanks) != UINT64_MAX)
		masks.blanks |=
			equal_to(block, ' ') | equal_to(block, '\t') | equal_to(block, '\r');
	return masks;
}

static void count(struct number_scan *scan, const struct masks *masks, uint64_t within)
{
	uint64_t digits = masks->digits & within;
	uint64_t before = digits << 1 | (uint64_t)scan->in_number;

	scan->numbers += (uint64_t)__builtin_popcountll(before & ~digits & within);
	scan->commas += (uint64_t)__builtin_popcountll(masks->commas & within);
}

/* The first bytes of a block; the rest of it is not there. */
static size_t scan_part(struct number_scan *scan, const char *data, size_t size)
{
	char block[BLOCK];
	struct masks masks;
	uint64_t other, within;
	size_t n;

	memset(block, ']', sizeof(block));
	memcpy(block, data, size);
	masks = masks_of(block);
	other = ~(masks.digits | masks.commas | masks.blanks);
	n = other != 0 ? (size_t)__builtin_ctzll(other) : BLOCK;
	if (n == 0)
		return 0;
	within = n < BLOCK ? ((uint64_t)1 << n) - 1 : UINT64_MAX;
	count(scan, &masks, within);
	scan->in_number = (masks.digits >> (n - 1) & 1) != 0;
	return n;
}

size_t number_scan(struct number_scan *scan, const char *data, size_t size)
{
	size_t at = 0;

	for (; size - at >= BLOCK; at += BLOCK) {
		struct masks masks = masks_of(data + at);

		if ((masks.digits | masks.commas | masks.blanks) != UINT64_MAX)
			return at + scan_part(scan, data + at, BLOCK);
		count(scan, &masks, UINT64_MAX);
		scan->in_number = masks.digits >> (BLOCK - 1) != 0;
	}
	return at < size ? at + scan_part(scan, data + at, size - at) : at;
}

/* Of a word of digit values, most significant first in memory. */
static uint64_t of_eight(uint64_t x)
{
	x = x * 10 + (x >> 8);
	return ((x & 0x000000ff000000ff) * 0x000f424000000064 +
		(x >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >>
	       32;
}

static uint64_t load_word(const char *at)
{
	uint64_t x;

	memcpy(&x, at, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

/* Digit by digit: of a number of eight and more. */
static uint64_t of_many(const char *end, bool *overflow)
{
	const char *first = end;
	uint64_t value = 0;

	while ((unsigned char)(first[-1] - '0') <= 9)
		first--;
	while (end - first > 1 && *first == '0')
		first++;
	if (end - first > DIGITS_MAX)
		*overflow = true;
	for (; first < end; first++)
		value = value * 10 + (uint64_t)(*first - '0');
	return value;
}

/* The number whose last digit is at end[-1]. */
static inline uint64_t number_before(const char *end, bool *overflow)
{
	uint64_t x = load_word(end - WORD) ^ 0x3030303030303030;
	uint64_t other = ((x & 0x7f7f7f7f7f7f7f7f) + 0x7676767676767676) | x;
	int skip;

	other &= 0x8080808080808080;
	if (other == 0)
		return of_many(end, overflow);
	/* The highest byte that is no digit, and all below it, do not belong to the number. */
	skip = WORD * 8 - __builtin_clzll(other);
	return skip == WORD * 8 ? 0 : of_eight(x >> skip << skip);
}

/* As number_before(), of which the last digit is at end[-1]. */
static uint64_t signed_before(const char *end, bool *overflow)
{
	uint64_t value = number_before(end, overflow);

	do
		end--;
	while ((unsigned char)(*end - '0') <= 9);
	if (*end != '-' || value == 0)
		return value;
	return value <= UINT64_C(1) << 31 ? (UINT64_C(1) << 32) - value : UINT64_MAX;
}

static inline uint64_t before(const char *end, bool with_signs, bool *overflow)
{
	return with_signs ? signed_before(end, overflow) : number_before(end, overflow);
}

/* As numbers_convert(), block by block where there are blocks. */
static inline size_t convert_ends(const char *base, uint64_t ends, bool with_signs, uint64_t *ret,
				  bool *overflow)
{
	size_t n = 0;

	for (; ends != 0; ends &= ends - 1)
		ret[n++] = before(base + __builtin_ctzll(ends), with_signs, overflow);
	return n;
}

static inline size_t convert(const char *data, size_t *at, size_t size, bool with_signs,
			     uint64_t *ret, size_t max, bool *overflow)
{
	bool in_number = (unsigned char)(data[*at - 1] - '0') <= 9;
	size_t n = 0, i = *at;

	/* A block holds no more than 32 of them. */
	while (size - i >= BLOCK && max - n >= BLOCK / 2) {
		uint64_t digits = digits_of(data + i);
		uint64_t ends = (digits << 1 | (uint64_t)in_number) & ~digits;

		n += convert_ends(data + i, ends, with_signs, ret + n, overflow);
		in_number = digits >> (BLOCK - 1) != 0;
		i += BLOCK;
	}
	for (; size - i < BLOCK && i < size && n < max; i++) {
		bool digit = (unsigned char)(data[i] - '0') <= 9;

		if (in_number && !digit)
			ret[n++] = before(data + i, with_signs, overflow);
		in_number = digit;
	}
	*at = i;
	return n;
}

size_t numbers_convert(const char *data, size_t *at, size_t size, uint64_t *ret, size_t max,
		       bool *overflow)
{
	return convert(data, at, size, false, ret, max, overflow);
}

size_t numbers_convert_signed(const char *data, size_t *at, size_t size, uint64_t *ret, size_t max,
			      bool *overflow)
{
	return convert(data, at, size, true, ret, max, overflow);
}
