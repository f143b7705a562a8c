/* Every mistake in a configuration draws exactly the words that tests/golden/conf says. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static size_t run_file(const char *name)
{
	struct golden *cases;
	char path[512];
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", GOLDEN, name);
	n = golden_read(path, &cases);
	for (size_t i = 0; i < n; i++) {
		char *got = golden_run(cases[i].text, strlen(cases[i].text), cases[i].kind);

		cr_expect_str_eq(got, cases[i].expected, "%s: %s\ngot:\n%swanted:\n%s", name,
				 cases[i].name, got, cases[i].expected);
		free(got);
	}
	golden_free(cases, n);
	return n;
}

Test(golden, every_case)
{
	static const char *const files[] = { "syntax.txt", "json.txt",    "keys.txt",
					     "values.txt", "targets.txt", "together.txt" };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		n += run_file(files[i]);
	cr_assert_geq(n, 100, "%zu cases: a file is cut", n);
}

struct bytes {
	const char *text;
	size_t size;
	const char *expected;
};

#define BYTES(text) text, sizeof(text) - 1

/* What an editor would not write, and a golden file should not hold. */
Test(golden, bytes)
{
	static const struct bytes cases[] = {
		{ BYTES("log: {level: \"in\0fo\"}\n"),
		  "c.yaml:1:17: a NUL character: is this a text file?\n" },
		{ BYTES("log:\n  level: \"a\\0b\"\n"),
		  "c.yaml:2:10: a value may not contain a NUL character\n" },
		{ BYTES("log: \x01\n"), "c.yaml:1:6: control characters are not allowed\n" },
		{ BYTES("# gr\xfc\xdf\nlog:\n"), "c.yaml:1:5: this is not UTF-8\n" },
		{ BYTES("\xff\xfel\0o\0g\0:\0\n\0"), "c.yaml:1:1: this is not UTF-8\n" },
		{ BYTES("log:\n\tlevel: info\n"),
		  "c.yaml:2:1: a tab may not indent (use spaces)\n" },
		{ BYTES("\xef\xbb\xbflog:\n  level: loud\n"),
		  "c.yaml:2:10: log.level: 'loud' is not one of debug, info, warn, error\n" },
		{ BYTES("log: {level: \"\\e[31m\"}\n"),
		  "c.yaml:1:14: log.level: '?[31m' is not one of debug, info, warn, error\n" },
		{ BYTES("storage: {path: \"a\\nb\"}\n"),
		  "c.yaml:1:17: storage.path: 'a?b' is not a "
		  "text (without control characters)\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = golden_run(cases[i].text, cases[i].size, "yaml");

		cr_expect_str_eq(got, cases[i].expected, "case %zu: got %s", i, got);
		free(got);
	}
}
