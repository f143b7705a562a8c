/*
 * Long arrays of numbers: the scan
 */

#include <string.h>

#include "heap/numbers.h"
#include "heap/numbers_block.h"

/* A bit per byte of a block. */
struct masks {
	uint64_t digits, commas, blanks;
};

/* V8 writes no blank but the line feed; the others are looked for where something is amiss. */
ALWAYS_INLINE struct masks masks_of(const char *block)
{
	struct masks masks = { digits_of(block), equal_to(block, ','), equal_to(block, '\n') };

	if ((masks.digits | masks.commas | masks.blanks) != UINT64_MAX)
		masks.blanks |=
			equal_to(block, ' ') | equal_to(block, '\t') | equal_to(block, '\r');
	return masks;
}

ALWAYS_INLINE void count(struct number_scan *scan, const struct masks *masks, uint64_t within)
{
	uint64_t digits = masks->digits & within;
	uint64_t before = digits << 1 | (uint64_t)scan->in_number;

	scan->numbers += (uint64_t)__builtin_popcountll(before & ~digits & within);
	scan->commas += (uint64_t)__builtin_popcountll(masks->commas & within);
}

/* The first bytes of a block; the rest of it is not there. */
ALWAYS_INLINE size_t scan_part(struct number_scan *scan, const char *data, size_t size)
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

ALWAYS_INLINE size_t scan_all(struct number_scan *scan, const char *data, size_t size)
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

#if WITH_AVX2
FOR_AVX2 static size_t scan_avx2(struct number_scan *scan, const char *data, size_t size)
{
	return scan_all(scan, data, size);
}
#endif

size_t number_scan(struct number_scan *scan, const char *data, size_t size)
{
#if WITH_AVX2
	if (has_avx2())
		return scan_avx2(scan, data, size);
#endif
	return scan_all(scan, data, size);
}
