/* Bech32: the vectors of BIP 173 but for its limit of length, and what age writes. */

#include "pipeline/bech32.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "util/err.h"

enum { BYTES_MAX = 64 };

static int decode(const char *text, struct err *err)
{
	char prefix[BECH32_PREFIX_MAX];
	uint8_t data[BYTES_MAX];
	size_t size;

	return bech32_decode(text, prefix, data, sizeof(data), &size, err);
}

Test(bech32, valid)
{
	static const char *const texts[] = {
		"A12UEL5L",
		"a12uel5l",
		"?1ezyfcl",
		"split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
		"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
		"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",
	};
	struct err err;

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_expect_eq(decode(texts[i], &err), 0, "%s: %s", texts[i], err.text);
}

Test(bech32, invalid)
{
	static const char *const texts[][2] = {
		{ "\x20"
		  "1nwldj5",
		  "character" },
		{ "\x7f"
		  "1axkwrx",
		  "character" },
		{ "\x80"
		  "1eym55h",
		  "character" },
		{ "pzry9x0s0muk", "prefix" },
		{ "1pzry9x0s0muk", "prefix" },
		{ "x1b4n0q5v", "character" },
		{ "li1dgmt3", "cut short" },
		{ "de1lg7wt\xff", "character" },
		{ "A1G7SGD8", "checksum" },
		{ "10a06t8", "prefix" },
		{ "1qzzfhee", "prefix" },
		{ "A12uEL5L", "mixed" },
		{ "", "prefix" },
		{ "1", "prefix" },
		{ "a1", "cut short" },
		{ "a1uel5l", "cut short" },
		{ "a12uel5m", "checksum" },
		{ "averyverylongprefixthatnobodyuses1xxxxxxxxx", "prefix" },
	};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err err = { 0 };

		cr_expect_eq(decode(texts[i][0], &err), -EINVAL, "%s", texts[i][0]);
		cr_expect_not_null(strstr(err.text, texts[i][1]), "%s: %s", texts[i][0], err.text);
	}
}

/* Whatever one mistypes. */
Test(bech32, every_wrong_character_is_found)
{
	static const char right[] =
		"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
	char text[sizeof(right)];

	for (size_t i = 0; i < strlen(right); i++) {
		for (char c = 33; c < 127; c++) {
			if (c == right[i])
				continue;
			memcpy(text, right, sizeof(right));
			text[i] = c;
			cr_assert_eq(decode(text, NULL), -EINVAL, "%s", text);
		}
		memcpy(text, right, sizeof(right));
		text[i] = '\0';
		cr_assert_eq(decode(text, NULL), -EINVAL, "%s", text);
	}
}

Test(bech32, goes_there_and_back)
{
	char text[128], prefix[BECH32_PREFIX_MAX];
	uint8_t data[BYTES_MAX], back[BYTES_MAX];
	size_t size;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 11);
	for (size_t n = 0; n <= sizeof(data); n++) {
		cr_assert_eq(bech32_encode(text, sizeof(text), "x-y", data, n), 0);
		cr_assert_eq(bech32_decode(text, prefix, back, sizeof(back), &size, NULL), 0);
		cr_assert_str_eq(prefix, "x-y");
		cr_assert_eq(size, n);
		cr_assert_arr_eq(back, data, n);
		if (n > 0)
			cr_assert_eq(bech32_decode(text, prefix, back, n - 1, &size, NULL), -E2BIG);
		cr_assert_eq(bech32_encode(text, strlen(text), "x-y", data, n), -E2BIG);
	}
}

/* What is left over of the last character has to be zero: a text has one meaning and a meaning one
 * text. */
Test(bech32, bits_left_over_are_zero)
{
	static const char *const texts[] = {
		"a1qqqqqqqlzdr4s",
		"a1qqqqqqqp3sx2ry",
		"a1pzry9x8gf2tvdw0s3jn54khce6mua7lqm2r6cr",
	};

	for (unsigned i = 0; i < 3; i++)
		cr_expect_eq(decode(texts[i], NULL), -EINVAL);
}
