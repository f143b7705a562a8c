/*
 * Long arrays of numbers: the conversion
 *
 * The digits of a block of 64 bytes are a mask; where its numbers begin and end follows from it.
 */

#include <string.h>

#include "heap/numbers.h"
#include "heap/numbers_block.h"

enum { WORD = 8, DIGITS_MAX = 19 };

/* ---- one number ---- */

/* Of a word of digit values, most significant first in memory. */
ALWAYS_INLINE uint64_t of_eight(uint64_t x)
{
	x = x * 10 + (x >> 8);
	return ((x & 0x000000ff000000ff) * 0x000f424000000064 +
		(x >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >>
	       32;
}

ALWAYS_INLINE uint64_t load_word(const char *at)
{
	uint64_t x;

	memcpy(&x, at, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

ALWAYS_INLINE bool is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}

/* Digit by digit. */
static uint64_t of_any(const char *first, const char *end, bool *overflow)
{
	uint64_t value = 0;

	while (end - first > 1 && *first == '0')
		first++;
	if (end - first > DIGITS_MAX) {
		*overflow = true;
		return 0;
	}
	for (; first < end; first++)
		value = value * 10 + (uint64_t)(*first - '0');
	return value;
}

/* The n > 0 digits before end, which are eight at most; what stands before them does not matter. */
ALWAYS_INLINE uint64_t of_few(const char *end, size_t n)
{
	size_t skip = (WORD - n) * 8;

	return of_eight((load_word(end - WORD) ^ 0x3030303030303030) >> skip << skip);
}

ALWAYS_INLINE uint64_t number_of(const char *first, const char *end, bool *overflow)
{
	size_t n = (size_t)(end - first);

	if (n <= WORD)
		return of_few(end, n);
	if (n <= 2 * WORD)
		return of_few(end - WORD, n - WORD) * 100000000 + of_few(end, WORD);
	return of_any(first, end, overflow);
}

ALWAYS_INLINE uint64_t signed_of(const char *first, const char *end, bool *overflow)
{
	uint64_t value = number_of(first, end, overflow);

	if (first[-1] != '-' || value == 0)
		return value;
	return value <= UINT64_C(1) << 31 ? (UINT64_C(1) << 32) - value : UINT64_MAX;
}

ALWAYS_INLINE uint64_t value_of(const char *first, const char *end, bool with_signs, bool *overflow)
{
	return with_signs ? signed_of(first, end, overflow) : number_of(first, end, overflow);
}

/* Where the number begins whose last digit is at end[-1]. */
static const char *first_of(const char *end)
{
	const char *first = end - 1;

	while (is_digit(first[-1]))
		first--;
	return first;
}

/* ---- those of a block ---- */

struct block {
	const char *data;
	uint64_t firsts; /* bits: of first digits */
	uint64_t ends; /* of the bytes behind last ones */
	bool in_number; /* one is open: at the beginning, and then at the end */
};

ALWAYS_INLINE uint64_t block_begin(struct block *block, const char *data)
{
	uint64_t digits = digits_of(data), before = digits << 1 | (uint64_t)block->in_number;

	block->data = data;
	block->firsts = digits & ~before;
	block->ends = before & ~digits;
	return digits;
}

/* The number that was open at the beginning ends in the block: its end, which is dropped. */
ALWAYS_INLINE const char *close_open(struct block *block)
{
	const char *end = block->data + __builtin_ctzll(block->ends);

	block->ends &= block->ends - 1;
	return end;
}

ALWAYS_INLINE size_t convert_block(struct block *block, bool with_signs, uint64_t *ret,
				   bool *overflow)
{
	size_t n = 0;

	for (; block->ends != 0; block->ends &= block->ends - 1) {
		const char *first = block->data + __builtin_ctzll(block->firsts);

		ret[n++] = value_of(first, block->data + __builtin_ctzll(block->ends), with_signs,
				    overflow);
		block->firsts &= block->firsts - 1;
	}
	return n;
}

#if WITH_AVX2

enum { LANES = 4 };

/* Eight bytes before each of four ends. */
FOR_AVX2 static inline __m256i load_words(const char *data, const uint8_t ends[LANES])
{
	return _mm256_set_epi64x((long long)load_word(data + ends[3] - WORD),
				 (long long)load_word(data + ends[2] - WORD),
				 (long long)load_word(data + ends[1] - WORD),
				 (long long)load_word(data + ends[0] - WORD));
}

FOR_AVX2 static inline __m256i widen(const uint8_t bytes[LANES])
{
	int word;

	memcpy(&word, bytes, sizeof(word));
	return _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(word));
}

/* As of_few(), of four numbers: their digits by two, by four, by eight. */
FOR_AVX2 static inline __m256i of_four(__m256i words, __m256i digits)
{
	const __m256i by_two = _mm256_set1_epi16(0x010a), by_four = _mm256_set1_epi32(0x00010064);
	__m256i skip = _mm256_sub_epi64(_mm256_set1_epi64x(WORD * 8), _mm256_slli_epi64(digits, 3));
	__m256i x = _mm256_xor_si256(words, _mm256_set1_epi8('0'));

	x = _mm256_sllv_epi64(_mm256_srlv_epi64(x, skip), skip);
	x = _mm256_madd_epi16(_mm256_maddubs_epi16(x, by_two), by_four);
	return _mm256_add_epi64(_mm256_mul_epu32(x, _mm256_set1_epi64x(10000)),
				_mm256_srli_epi64(x, 32));
}

/* Lanes with more digits than a word has; of those, the shift above has left nothing. */
FOR_AVX2 static inline unsigned long_ones(__m256i digits)
{
	return (unsigned)_mm256_movemask_pd(
		_mm256_castsi256_pd(_mm256_cmpgt_epi64(digits, _mm256_set1_epi64x(WORD))));
}

/* Numbers that begin and end in the block; up to three more are written than there are. */
FOR_AVX2 static inline size_t convert_fours(struct block *block, uint64_t *ret, bool *overflow)
{
	uint8_t firsts[BLOCK / 2 + LANES], ends[BLOCK / 2 + LANES];
	size_t n = 0;

	for (; block->ends != 0; n++) {
		firsts[n] = (uint8_t)__builtin_ctzll(block->firsts);
		ends[n] = (uint8_t)__builtin_ctzll(block->ends);
		block->firsts &= block->firsts - 1;
		block->ends &= block->ends - 1;
	}
	memset(firsts + n, 0, LANES);
	memset(ends + n, WORD, LANES);
	for (size_t i = 0; i < n; i += LANES) {
		__m256i digits = _mm256_sub_epi64(widen(ends + i), widen(firsts + i));
		unsigned left = long_ones(digits);

		_mm256_storeu_si256((__m256i *)(void *)(ret + i),
				    of_four(load_words(block->data, ends + i), digits));
		for (; left != 0; left &= left - 1) {
			size_t k = i + (size_t)__builtin_ctz(left);

			ret[k] =
				number_of(block->data + firsts[k], block->data + ends[k], overflow);
		}
	}
	return n;
}

#endif

/* ---- all of them ---- */

enum how { PLAIN, SIGNED, PLAIN_AVX2 };

/* Of a block, half can be numbers; the one that was open stands before groups of four. */
_Static_assert(NUMBERS_ROOM >= BLOCK / 2 + 4, "room for the numbers of a block");

ALWAYS_INLINE size_t convert_by(struct block *block, enum how how, uint64_t *ret, bool *overflow)
{
	size_t n = 0;

	if (block->in_number && block->ends != 0) {
		const char *end = close_open(block);

		ret[n++] = value_of(first_of(end), end, how == SIGNED, overflow);
	}
#if WITH_AVX2
	if (how == PLAIN_AVX2)
		return n + convert_fours(block, ret + n, overflow);
#endif
	return n + convert_block(block, how == SIGNED, ret + n, overflow);
}

ALWAYS_INLINE size_t convert(const char *data, size_t *at, size_t size, enum how how, uint64_t *ret,
			     size_t max, bool *overflow)
{
	struct block block = { .in_number = is_digit(data[*at - 1]) };
	size_t n = 0, i = *at;

	for (; size - i >= BLOCK && max - n >= NUMBERS_ROOM; i += BLOCK) {
		uint64_t digits = block_begin(&block, data + i);

		n += convert_by(&block, how, ret + n, overflow);
		block.in_number = digits >> (BLOCK - 1) != 0;
	}
	for (; size - i < BLOCK && i < size && n < max; i++) {
		bool digit = is_digit(data[i]);

		if (block.in_number && !digit)
			ret[n++] = value_of(first_of(data + i), data + i, how == SIGNED, overflow);
		block.in_number = digit;
	}
	*at = i;
	return n;
}

#if WITH_AVX2
FOR_AVX2 static size_t convert_avx2(const char *data, size_t *at, size_t size, uint64_t *ret,
				    size_t max, bool *overflow)
{
	return convert(data, at, size, PLAIN_AVX2, ret, max, overflow);
}
#endif

size_t numbers_convert(const char *data, size_t *at, size_t size, uint64_t *ret, size_t max,
		       bool *overflow)
{
#if WITH_AVX2
	if (has_avx2())
		return convert_avx2(data, at, size, ret, max, overflow);
#endif
	return convert(data, at, size, PLAIN, ret, max, overflow);
}

size_t numbers_convert_signed(const char *data, size_t *at, size_t size, uint64_t *ret, size_t max,
			      bool *overflow)
{
	return convert(data, at, size, SIGNED, ret, max, overflow);
}
