#pragma once

/*
 * Long arrays of numbers
 *
 * Nine tenths of a heap snapshot are two arrays of unsigned decimals. They are read in two steps:
 * a scan over the bytes of a piece, 64 at a time, which finds what is no digit, comma or blank and
 * counts the numbers; then a conversion of eight digits at once. The scan of one piece leaves it in
 * the cache for the conversion, and its counts let another thread begin in the middle.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a scan counts from one piece to the next; zeroed at the beginning of an array. */
struct number_scan {
	uint64_t numbers; /* that have ended */
	uint64_t commas;
	bool in_number; /* the last byte was a digit */
};

/*
 * How many of the size bytes belong to the array: size, or as far as the first one that is neither
 * digit, comma nor blank, which is its end or an error.
 */
size_t number_scan(struct number_scan *scan, const char *data, size_t size);

/* Values of ret: with less room than that none may be converted, but for the last 64 bytes. */
enum { NUMBERS_ROOM = 36 };

/*
 * Convert the numbers that end in data[*at, size), until max are converted, or less than
 * NUMBERS_ROOM would be left; *at is moved behind the last of them. What is behind those in ret, up
 * to max, is of no use. There have to be eight readable bytes before the array, and what is read
 * was scanned. A number is known to end by the byte behind it, which is readable and within size;
 * 20 digits and more: *overflow is set, and the value is of no use.
 */
size_t numbers_convert(const char *data, size_t *at, size_t size, uint64_t *ret, size_t max,
		       bool *overflow);

/*
 * The same, slower, where minus signs may stand before numbers, which a scan stops at: such a
 * number is the 32 bits that have that value with a sign, UINT64_MAX when no 32 bits have.
 */
size_t numbers_convert_signed(const char *data, size_t *at, size_t size, uint64_t *ret, size_t max,
			      bool *overflow);
