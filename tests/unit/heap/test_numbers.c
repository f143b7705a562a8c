/* Numbers as they are written are the numbers that are read, however the text is cut. */

#include "heap/numbers.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_MAX = 2000, LEAD = 8, ROUNDS = 300, BLOCK_BYTES = 64 };

struct sample {
	char text[LEAD + NUMBERS_MAX * 24];
	size_t size; /* with the bracket at its end */
	uint64_t numbers[NUMBERS_MAX];
	size_t n;
};

static size_t below(unsigned *seed, size_t n)
{
	return (size_t)rand_r(seed) % n;
}

static uint64_t number(unsigned *seed)
{
	uint64_t limit = 1;

	for (size_t digits = below(seed, 19) + 1; digits > 0; digits--)
		limit *= 10;
	return ((uint64_t)rand_r(seed) << 33 ^ (uint64_t)rand_r(seed) << 11 ^
		(uint64_t)rand_r(seed)) %
	       limit;
}

static void fill(struct sample *sample, unsigned seed)
{
	size_t at = LEAD;

	memset(sample->text, '[', LEAD);
	sample->n = below(&seed, NUMBERS_MAX) + 1;
	for (size_t i = 0; i < sample->n; i++) {
		sample->numbers[i] = number(&seed);
		at += (size_t)sprintf(sample->text + at, "%s%" PRIu64,
				      i == 0                 ? ""
				      : below(&seed, 3) == 0 ? ",\n"
							     : ",",
				      sample->numbers[i]);
	}
	sample->text[at++] = ']';
	sample->size = at;
}

Test(numbers, are_counted_and_their_end_is_found_however_the_text_is_cut)
{
	static struct sample sample;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct number_scan scan = { .numbers = 0 };
		unsigned seed = round;
		size_t at = LEAD;

		fill(&sample, round);
		while (at < sample.size) {
			size_t part = below(&seed, 300) + 1, n;

			part = part < sample.size - at ? part : sample.size - at;
			n = number_scan(&scan, sample.text + at, part);
			at += n;
			if (n < part)
				break;
		}
		cr_assert_eq(at, sample.size - 1);
		cr_assert_eq(scan.numbers + scan.in_number, sample.n);
		cr_assert_eq(scan.commas, sample.n - 1);
	}
}

Test(numbers, are_read_as_they_were_written_however_many_at_once)
{
	static struct sample sample;
	static uint64_t found[NUMBERS_MAX + NUMBERS_ROOM];

	for (unsigned round = 0; round < ROUNDS; round++) {
		bool overflow = false;
		unsigned seed = round;
		size_t at = LEAD, n = 0;

		fill(&sample, round);
		while (at < sample.size) {
			size_t max = below(&seed, 200) + NUMBERS_ROOM;

			max = max < sizeof(found) / sizeof(*found) - n
				      ? max
				      : sizeof(found) / sizeof(*found) - n;
			n += numbers_convert(sample.text, &at, sample.size, found + n, max,
					     &overflow);
		}
		cr_assert_not(overflow);
		cr_assert_eq(n, sample.n);
		cr_assert_arr_eq(found, sample.numbers, n * sizeof(*found));
	}
}

Test(numbers, with_signs_are_those_of_32_bits)
{
	static const struct {
		const char *text;
		uint64_t value;
	} cases[] = {
		{ "-1", 4294967295 },
		{ "-265843840", 4029123456 },
		{ "-2147483648", 2147483648 },
		{ "-2147483649", UINT64_MAX },
		{ "-0", 0 },
		{ "-007", 4294967289 },
		{ "7", 7 },
		{ "4029123456", 4029123456 },
	};
	enum { CASES = sizeof(cases) / sizeof(cases[0]), MANY = 200 };
	static char text[LEAD + MANY * 16];
	static uint64_t found[MANY + NUMBERS_ROOM];

	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t which[MANY], size = LEAD, at = LEAD, n = 0;
		unsigned seed = round;
		bool overflow = false;

		memset(text, '[', LEAD);
		for (size_t i = 0; i < MANY; i++) {
			which[i] = below(&seed, CASES);
			size += (size_t)sprintf(text + size, "%s%s", i == 0 ? "" : ",",
						cases[which[i]].text);
		}
		text[size++] = ']';
		while (at < size)
			n += numbers_convert_signed(text, &at, size, found + n,
						    MANY + NUMBERS_ROOM - n, &overflow);
		cr_assert_eq(n, MANY);
		cr_assert_not(overflow);
		for (size_t i = 0; i < MANY; i++)
			cr_assert_eq(found[i], cases[which[i]].value, "%s", cases[which[i]].text);
	}
}

Test(numbers, of_twenty_digits_overflow)
{
	static const char text[] = "[[[[[[[[12345678901234567890]";
	bool overflow = false;
	uint64_t found;
	size_t at = LEAD;

	cr_assert_eq(numbers_convert(text, &at, sizeof(text) - 1, &found, 1, &overflow), 1);
	cr_assert(overflow);
}

/* Before, between and behind others; over one block, two, and many. */
Test(numbers, of_many_digits_are_read_once_and_overflow)
{
	static const size_t digits[] = { 20, 21, 63, 64, 65, 130, 5000 };
	static char text[LEAD + 3 * BLOCK_BYTES + 5000];
	uint64_t found[200];

	for (size_t i = 0; i < sizeof(digits) / sizeof(digits[0]); i++) {
		for (size_t before = 0; before < BLOCK_BYTES; before++) {
			size_t size = LEAD + 2 * before, at = LEAD, n = 0;
			bool overflow = false;

			memset(text, '[', LEAD);
			for (size_t k = 0; k < before; k++)
				memcpy(text + LEAD + 2 * k, "7,", 2);
			memset(text + size, '1', digits[i]);
			size += digits[i];
			memcpy(text + size, ",8]", 3);
			size += 3;
			while (at < size)
				n += numbers_convert(text, &at, size, found + n,
						     sizeof(found) / sizeof(*found) - n, &overflow);
			cr_assert_eq(n, before + 2);
			cr_assert(overflow);
			cr_assert_eq(found[n - 1], 8);
		}
	}
}

Test(numbers, zeros_before_a_number_are_no_digits_of_it)
{
	static char text[LEAD + 200];
	uint64_t found[64];

	for (size_t zeros = 0; zeros < 150; zeros++) {
		size_t size = LEAD + zeros, at = LEAD, n = 0;
		bool overflow = false;

		memset(text, '[', LEAD);
		memset(text + LEAD, '0', zeros);
		size += (size_t)sprintf(text + size, "123456789,5]");
		while (at < size)
			n += numbers_convert(text, &at, size, found + n, 64 - n, &overflow);
		cr_assert_eq(n, 2);
		cr_assert_not(overflow);
		cr_assert_eq(found[0], 123456789);
		cr_assert_eq(found[1], 5);
	}
}

/* As behind a piece: the conversion is asked byte by byte, and must not look back each time. */
Test(numbers, that_never_end_are_asked_for_byte_by_byte, .timeout = 20)
{
	enum { DIGITS = 8 << 20 };
	char *text = malloc(LEAD + DIGITS);
	bool overflow = false;
	uint64_t found;

	cr_assert_not_null(text);
	memset(text, '[', LEAD);
	memset(text + LEAD, '1', DIGITS);
	for (size_t at = LEAD + 1; at < LEAD + DIGITS;)
		cr_assert_eq(numbers_convert(text, &at, at + 1, &found, 1, &overflow), 0);
	cr_assert_not(overflow);
	free(text);
}

Test(numbers, what_is_neither_ends_the_scan)
{
	static const char *const texts[] = { "1,2x", "1,2-", "1,2]", "1,2\"", "1,2." };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct number_scan scan = { .numbers = 0 };

		cr_assert_eq(number_scan(&scan, texts[i], 4), 3);
	}
}
