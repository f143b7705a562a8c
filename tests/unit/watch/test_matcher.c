/* Label matchers: syntax with the column of each mistake, and what they agree to. */

#include "watch/matcher.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "watch/pattern.h"

/* A thing whose labels are name and value in turn. */
static const char *get(const void *thing, const char *name)
{
	const char *const *labels = thing;

	for (; *labels != NULL; labels += 2) {
		if (strcmp(labels[0], name) == 0)
			return labels[1];
	}
	return NULL;
}

static const char *const api[] = { "name",  "api-1",  "runtime", "node", "zone",
				   "eu\nb", "quoted", "a\"b'c`", NULL };

static bool agrees(const char *text)
{
	struct matchers *matchers;
	struct err err;
	bool result;

	cr_assert_eq(matchers_parse(&matchers, text, &err), 0, "%s: %s", text, err.text);
	result = matchers_match(matchers, get, api);
	matchers_free(matchers);
	return result;
}

Test(matcher, what_agrees)
{
	static const char *const texts[] = {
		"",
		"{}",
		" { } ",
		"{runtime=\"node\"}",
		"{runtime='node'}",
		"{runtime=`node`}",
		"{ runtime = \"node\" , name =~ \"api-.*\" , }",
		"{runtime!=\"bun\"}",
		"{runtime=~\"node|bun\"}",
		"{runtime!~\"no|de\"}",
		"{name=~\"api-[0-9]+\"}",
		"{name=~\"(a|api)-1\"}",
		"{name=~\"api|api-1\"}",
		"{name=~\"^api-1$\"}",
		"{name=~\"api\\\\-1\"}",
		"{name=~`api\\-1`}",
		"{zone=\"eu\\nb\"}",
		"{zone=~\"eu.b\"}",
		"{quoted=\"a\\\"b'c`\"}",
		"{quoted='a\"b\\'c`'}",
		"{absent=\"\"}",
		"{absent=~\"\"}",
		"{absent=~\".*\"}",
		"{absent!=\"x\"}",
		"{name=~\".+\"}",
		"{name!=\"\"}",
	};

	cr_assert(agrees(NULL));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_expect(agrees(texts[i]), "%s", texts[i]);
}

Test(matcher, what_does_not)
{
	static const char *const texts[] = {
		"{runtime=\"Node\"}",
		"{runtime=\"nod\"}",
		"{runtime!=\"node\"}",
		"{runtime=~\"nod\"}",
		"{runtime=~\"ode\"}",
		"{runtime!~\"node|bun\"}",
		"{runtime=\"node\",name=\"api-2\"}",
		"{name=\"api-2\",runtime=\"node\"}",
		"{name=~\"api|pi-1\"}",
		"{name=~\"api-\"}",
		"{absent=~\".+\"}",
		"{absent!=\"\"}",
		"{zone=\"eu\"}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_expect_not(agrees(texts[i]), "%s", texts[i]);
}

static void expect_bad(const char *text, int column, const char *message)
{
	struct matchers *matchers = NULL;
	struct err err = { 0 };

	cr_assert_eq(matchers_parse(&matchers, text, &err), -EINVAL, "accepted: %s", text);
	cr_expect_eq(err.code, -EINVAL);
	cr_expect_eq(err.column, column, "%s: column %d", text, err.column);
	cr_expect_str_eq(err.text, message);
}

Test(matcher, mistakes)
{
	static const struct {
		const char *text;
		int column;
		const char *message;
	} cases[] = {
		{ "runtime=\"node\"", 1, "expected { before the first matcher" },
		{ "  x", 3, "expected { before the first matcher" },
		{ "{", 2, "expected a label name or }" },
		{ "{,}", 2, "expected a label name or }" },
		{ "{1a=\"x\"}", 2, "expected a label name or }" },
		{ "{a=\"x\",,}", 8, "expected a label name or }" },
		{ "{a", 3, "expected =, !=, =~ or !~" },
		{ "{a-b=\"x\"}", 3, "expected =, !=, =~ or !~" },
		{ "{a!\"x\"}", 3, "expected =, !=, =~ or !~" },
		{ "{a=x}", 4, "expected a quoted value" },
		{ "{a=}", 4, "expected a quoted value" },
		{ "{a=\"x}", 4, "missing closing quote" },
		{ "{a=\"x\\\"}", 4, "missing closing quote" },
		{ "{a=\"x\\", 4, "missing closing quote" },
		{ "{a=\"x\" b=\"y\"}", 8, "expected , or }" },
		{ "{a=\"x\"", 7, "expected , or }" },
		{ "{a=\"x\"} y", 9, "text after the closing }" },
		{ "{a=\"\\d\"}", 5,
		  "unknown escape (\\n, \\t, \\r, \\\\, \\\" and \\' exist; patterns need \\\\ for "
		  "one backslash)" },
		/* Characters, not bytes, as an editor counts. */
		{ "{a=\"\xc3\xa9\xe2\x82\xac\", b}", 11, "expected =, !=, =~ or !~" },
		{ "{a=~\"(\"}", 5, "missing ) in the pattern" },
		{ "{a=~\"*x\"}", 5, "bad pattern: Invalid preceding regular expression" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad(cases[i].text, cases[i].column, cases[i].message);
}

Test(matcher, too_many)
{
	char text[512] = "{";
	struct matchers *matchers;
	struct err err;

	for (int i = 0; i < 32; i++)
		strcat(text, "a!=\"x\",");
	cr_assert_eq(matchers_parse(&matchers, strcat(text, "}"), &err), 0, "%s", err.text);
	matchers_free(matchers);
	text[strlen(text) - 1] = '\0';
	expect_bad(strcat(text, "a=\"\"}"), 226, "too many matchers (at most 32)");
}

/* ---- patterns ---- */

static void expect_bad_pattern(const char *text, const char *message)
{
	struct pattern pattern;
	struct err err = { 0 };

	cr_expect_eq(pattern_init(&pattern, text, &err), -EINVAL, "accepted: %s", text);
	cr_expect_str_eq(err.text, message);
	pattern_fini(&pattern);
}

Test(pattern, refused_before_they_are_compiled)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "a)|(b", "unmatched ) in the pattern" },
		{ "(a", "missing ) in the pattern" },
		{ "[a", "missing ] in the pattern" },
		{ "[[:alpha:]", "missing ] in the pattern" },
		{ "[[:alpha", "missing ] in the pattern" },
		{ "a{1", "missing } in the pattern" },
		{ "a{1,2", "missing } in the pattern" },
		{ "a{x}", "missing } in the pattern" },
		{ "a\\", "the pattern ends in a backslash" },
		{ "\\d+", "\\d has no meaning in POSIX extended patterns (write [0-9], "
			  "[[:alnum:]_], [[:space:]])" },
		{ "(a)\\1", "\\1 has no meaning in POSIX extended patterns (write [0-9], "
			    "[[:alnum:]_], [[:space:]])" },
		{ "\\\xc3\xa9", "a backslash before a character that needs none" },
		{ "(?i)a", "bad pattern: Invalid preceding regular expression" },
		{ "a{2,1}", "bad pattern: Invalid content of \\{\\}" },
		/* What would take gigabytes or hours to compile. */
		{ "a{513}", "the pattern repeats too much (at most 512 characters in all)" },
		{ "a{99999999999999999999}",
		  "the pattern repeats too much (at most 512 characters in all)" },
		{ "((a{100}){100}){100}",
		  "the pattern repeats too much (at most 512 characters in all)" },
		{ "(a|b|c){100}", "the pattern repeats too much (at most 512 characters in all)" },
		{ "((((((a+)+)+)+)+)+)+", "the pattern nests more than 5 repetitions" },
		{ "((((((a?)?)?)?)?)?){4,}", "the pattern nests more than 5 repetitions" },
		{ "a????{4,}",
		  "a repetition of a repetition has no meaning in POSIX extended patterns" },
		{ ".*?", "a repetition of a repetition has no meaning in POSIX extended patterns" },
		{ "((((((((((((((((((a))))))))))))))))))",
		  "the pattern nests deeper than 16 groups" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad_pattern(cases[i].text, cases[i].message);
}

Test(pattern, longer_than_anybody_writes)
{
	char text[PATTERN_MAX_BYTES + 2];
	struct pattern pattern;
	struct err err;

	memset(text, 'a', sizeof(text));
	text[PATTERN_MAX_BYTES] = '\0';
	cr_assert_eq(pattern_init(&pattern, text, &err), 0);
	cr_assert(pattern_match(&pattern, text));
	pattern_fini(&pattern);
	text[PATTERN_MAX_BYTES] = 'a';
	text[PATTERN_MAX_BYTES + 1] = '\0';
	expect_bad_pattern(text, "the pattern is longer than 512 bytes");
}

Test(pattern, whole_text_only)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{ "a|ab", "ab", true },
		{ "(a|ab)(c|bcd)(d*)", "abcd", true },
		{ "a|b", "ab", false },
		{ "b", "ab", false },
		{ "", "", true },
		{ "", "a", false },
		{ "[]a]+", "]a]", true },
		{ "[^]a]+", "bc", true },
		{ "[[:digit:]-]+", "1-2", true },
		{ "[a[.-.]]+", "a-", true },
		{ "a\\.b", "a.b", true },
		{ "a\\.b", "axb", false },
		{ "a{512}", "aaa", false },
		{ "(([a-z]+(-[a-z]+)*)?)+", "api-of-x", true },
		{ "((((a+)?)*)+){2}", "aaaa", true },
		{ "a{2,3}", "aaa", true },
		{ "a{2,}", "aaaaa", true },
		{ "a{2,3}", "aaaa", false },
		{ "(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pattern pattern;
		struct err err = { 0 };

		cr_assert_eq(pattern_init(&pattern, cases[i].pattern, &err), 0, "%s: %s",
			     cases[i].pattern, err.text);
		cr_expect_eq(pattern_match(&pattern, cases[i].text), cases[i].matches, "%s on %s",
			     cases[i].pattern, cases[i].text);
		pattern_fini(&pattern);
		pattern_fini(&pattern);
	}
}
