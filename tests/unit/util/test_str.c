/* Copies, UTF-8 by the table of RFC 3629, and words for "did you mean". */

#include "util/str.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

Test(str, copy_always_terminates)
{
	char dst[4] = "zzz";

	cr_assert(str_copy(dst, sizeof(dst), "abc"));
	cr_assert_str_eq(dst, "abc");
	cr_assert_not(str_copy(dst, sizeof(dst), "wxyz"));
	cr_assert_str_eq(dst, "wxy");
	cr_assert_not(str_copy(dst, 1, "q"));
	cr_assert_str_eq(dst, "");
	dst[0] = 'k';
	cr_assert_not(str_copy(dst, 0, "q"));
	cr_assert_eq(dst[0], 'k');
}

Test(str, dup_span_and_prefix)
{
	char *copy = str_dup_span("hello", 4);

	cr_assert_str_eq(copy, "hell");
	free(copy);
	copy = str_dup_span(NULL, 0);
	cr_assert_str_eq(copy, "");
	free(copy);
	cr_assert(str_has_prefix("ws://x", "ws://"));
	cr_assert(str_has_prefix("x", ""));
	cr_assert_not(str_has_prefix("ws:", "ws://"));
}

static size_t encode(char dst[4], unsigned c)
{
	if (c < 0x80) {
		dst[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		dst[0] = (char)(0xc0 | c >> 6);
		dst[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		dst[0] = (char)(0xe0 | c >> 12);
		dst[1] = (char)(0x80 | (c >> 6 & 0x3f));
		dst[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	dst[0] = (char)(0xf0 | c >> 18);
	dst[1] = (char)(0x80 | (c >> 12 & 0x3f));
	dst[2] = (char)(0x80 | (c >> 6 & 0x3f));
	dst[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

Test(str, every_code_point_is_judged_right)
{
	for (unsigned c = 0; c < 0x120000; c++) {
		bool valid = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
		char text[4];
		size_t n = encode(text, c);

		cr_assert_eq(str_utf8_sequence(text, n), valid ? n : 0, "U+%X", c);
		if (n > 1)
			cr_assert_eq(str_utf8_sequence(text, n - 1), 0, "U+%X cut", c);
	}
}

Test(str, ill_formed_utf8)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x9f\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf8\x88\x80\x80",
		"\xff",
		"\xc2 ",
		"\xe2\x82 ",
		"\xf0\x9f\x98 ",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(str_utf8_sequence(bad[i], strlen(bad[i])), 0, "case %zu", i);
		cr_assert_not(str_is_utf8(bad[i], strlen(bad[i])), "case %zu", i);
	}
	cr_assert(str_is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
	cr_assert_not(str_is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9));
	cr_assert(str_is_utf8("", 0));
	cr_assert_eq(str_utf8_sequence("", 0), 0);
}

Test(str, closest_word)
{
	static const char *const words[] = { "interval", "timeout", "targets", "url", "at" };
	static const struct {
		const char *word, *expected;
	} cases[] = {
		{ "intervall", "interval" },
		{ "nterval", "interval" },
		{ "itnerval", "interval" },
		{ "itnervla", "interval" },
		{ "timeuot", "timeout" },
		{ "timeout", "timeout" },
		{ "targest", "targets" },
		{ "interface", NULL },
		{ "uri", "url" },
		{ "xyz", NULL },
		{ "zz", NULL },
		{ "", NULL },
		{ "inteval", "interval" },
		{ "time_out_s", NULL },
	};
	char longer[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *got = str_closest(cases[i].word, words, 5);

		if (cases[i].expected == NULL)
			cr_assert_null(got, "%s gave %s", cases[i].word, got);
		else
			cr_assert_str_eq(got, cases[i].expected, "for %s", cases[i].word);
	}
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cr_assert_null(str_closest(longer, words, 5));
}

Test(str, end)
{
	cr_expect_str_eq(str_end("/a/b/token", 5), "token");
	cr_expect_str_eq(str_end("token", 5), "token");
	cr_expect_str_eq(str_end("", 5), "");
}
