/* Writer: commas, escapes, numbers, limits. */

#include "json/write.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "util/buf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct buf buf;
static struct json_writer w;

static void set_up(void)
{
	buf_init(&buf, 100000);
	json_write_init(&w, &buf);
}

static void tear_down(void)
{
	buf_fini(&buf);
}

TestSuite(write, .init = set_up, .fini = tear_down);

Test(write, commas_and_nesting)
{
	json_write_object(&w);
	json_write_key(&w, "empty");
	json_write_object(&w);
	json_write_object_end(&w);
	json_write_key(&w, "list");
	json_write_array(&w);
	json_write_int(&w, -1);
	json_write_uint(&w, UINT64_MAX);
	json_write_array(&w);
	json_write_array_end(&w);
	json_write_array(&w);
	json_write_null(&w);
	json_write_bool(&w, true);
	json_write_array_end(&w);
	json_write_array_end(&w);
	json_member_string(&w, "s", "x");
	json_member_string(&w, "none", NULL);
	json_member_uint(&w, "u", 7);
	json_member_double(&w, "d", 0.5);
	json_member_bool(&w, "b", false);
	json_write_object_end(&w);
	cr_assert_str_eq(buf_text(&buf),
			 "{\"empty\":{},\"list\":[-1,18446744073709551615,[],[null,true]],"
			 "\"s\":\"x\",\"none\":null,\"u\":7,\"d\":0.5,\"b\":false}");
}

Test(write, scalar_document)
{
	json_write_span(&w, "a\0b", 3);
	cr_assert_str_eq(buf_text(&buf), "\"a\\u0000b\"");
}

Test(write, strings_are_escaped)
{
	static const struct {
		const char *text, *quoted;
	} cases[] = {
		{ "", "\"\"" },
		{ "plain /", "\"plain /\"" },
		{ "\"\\\b\f\n\r\t", "\"\\\"\\\\\\b\\f\\n\\r\\t\"" },
		{ "\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "a\xffz", "\"a\xef\xbf\xbdz\"" },
		{ "cut\xe2\x82", "\"cut\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_clear(&buf);
		cr_assert_eq(json_quote(&buf, cases[i].text, strlen(cases[i].text)), 0);
		cr_assert_str_eq(buf_text(&buf), cases[i].quoted);
	}
}

Test(write, keys_are_escaped_too)
{
	json_write_object(&w);
	json_member_uint(&w, "a\"\n", 1);
	json_write_object_end(&w);
	cr_assert_str_eq(buf_text(&buf), "{\"a\\\"\\n\":1}");
}

Test(write, doubles_are_short_and_exact)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 1, "1" },
		{ 0.1, "0.1" },
		{ -2.5, "-2.5" },
		{ 1e21, "1e+21" },
		{ 1e-7, "1e-07" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 5e-324, "4.94065645841247e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ NAN, "null" },
		{ INFINITY, "null" },
		{ -INFINITY, "null" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		set_up();
		json_write_double(&w, cases[i].value);
		cr_assert_str_eq(buf_text(&buf), cases[i].text);
		if (isfinite(cases[i].value))
			cr_assert_eq(strtod(cases[i].text, NULL), cases[i].value);
		tear_down();
	}
}

Test(write, extremes_of_integers)
{
	json_write_array(&w);
	json_write_int(&w, INT64_MIN);
	json_write_int(&w, INT64_MAX);
	json_write_array_end(&w);
	cr_assert_str_eq(buf_text(&buf), "[-9223372036854775808,9223372036854775807]");
}

Test(write, failure_sticks)
{
	buf_fini(&buf);
	buf_init(&buf, 10);
	json_write_init(&w, &buf);
	json_write_array(&w);
	for (int i = 0; i < 100; i++)
		json_write_string(&w, "abc");
	json_write_array_end(&w);
	cr_assert_eq(buf.error, -E2BIG);
	cr_assert_null(buf_text(&buf));
	cr_assert_eq(json_quote(&buf, "x", 1), -E2BIG);
}

Test(write, deepest_nesting)
{
	int depth = JSON_WRITE_DEPTH_MAX - 1;

	for (int i = 0; i < depth; i++) {
		json_write_array(&w);
		json_write_int(&w, i);
	}
	for (int i = 0; i < depth; i++)
		json_write_array_end(&w);
	cr_assert_eq(strncmp(buf_text(&buf), "[0,[1,[2,", 9), 0);
	cr_assert_str_eq(buf_text(&buf) + buf.size - (size_t)depth - 4, ",[30]]]]]]]]]]]]]]]]]]]"
									"]]]]]]]]]]]]");
}
