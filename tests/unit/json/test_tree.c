/* Small trees: what is refused and where, paths, types, walking. */

#include "json/tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "util/err.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct tree *parse(const char *text)
{
	struct tree *tree = NULL;
	struct err err;

	cr_assert_eq(tree_parse(text, strlen(text), &tree, &err), 0, "%s", err.text);
	return tree;
}

Test(tree, reply_of_an_inspector)
{
	struct tree *tree = parse("{\"id\":7,\"result\":{\"usedSize\":1234.75,\"list\":[1,2],"
				  "\"name\":\"n\\u00e9\",\"ok\":true}}");
	const char *text = NULL;
	double real = 0;
	int64_t integer = 0;
	uint64_t natural = 0;
	bool boolean = false;

	cr_assert(tree_int(tree, "id", &integer) && integer == 7);
	cr_assert(tree_uint(tree, "result.usedSize", &natural) && natural == 1234);
	cr_assert(tree_double(tree, "result.usedSize", &real) && real == 1234.75);
	cr_assert(tree_double(tree, "id", &real) && real == 7);
	cr_assert(tree_string(tree, "result.name", &text));
	cr_assert_str_eq(text, "n\xc3\xa9");
	cr_assert(tree_bool(tree, "result.ok", &boolean) && boolean);
	cr_assert(tree_is_object(tree_get(tree, "result")));
	cr_assert(tree_is_array(tree_get(tree, "result.list")));
	cr_assert_eq(tree_get(tree, NULL), tree);
	cr_assert_eq(tree_get(tree, ""), tree);
	tree_free(tree);
}

Test(tree, absent_or_of_another_type)
{
	struct tree *tree = parse("{\"s\":\"1\",\"n\":-1,\"o\":{},\"z\":null,\"a\":[5]}");
	const char *text = "kept";
	double real = 3;
	int64_t integer = 3;
	uint64_t natural = 3;
	bool boolean = true;

	cr_assert_not(tree_int(tree, "s", &integer));
	cr_assert_not(tree_int(tree, "missing", &integer));
	cr_assert_not(tree_int(tree, "o.x.y", &integer));
	cr_assert_not(tree_int(tree, "n.x", &integer));
	cr_assert_not(tree_int(tree, "z", &integer));
	cr_assert_not(tree_int(NULL, "x", &integer));
	cr_assert_not(tree_uint(tree, "n", &natural), "negative");
	cr_assert_not(tree_uint(tree, "s", &natural));
	cr_assert_not(tree_double(tree, "s", &real));
	cr_assert_not(tree_string(tree, "n", &text));
	cr_assert_not(tree_bool(tree, "n", &boolean));
	cr_assert(integer == 3 && natural == 3 && real == 3 && boolean);
	cr_assert_str_eq(text, "kept");
	cr_assert_null(tree_get(tree, "missing"));
	cr_assert_null(tree_get(tree, "a.0"));
	cr_assert_not(tree_is_object(NULL));
	cr_assert_not(tree_is_array(tree_get(tree, "o")));
	tree_free(tree);
	tree_free(NULL);
}

Test(tree, numbers_at_the_edge)
{
	struct tree *tree = parse("{\"max\":9223372036854775807,\"real\":1e300,\"neg\":-1e300,"
				  "\"half\":-0.5}");
	int64_t integer;
	uint64_t natural;

	cr_assert(tree_int(tree, "max", &integer) && integer == INT64_MAX);
	cr_assert_not(tree_int(tree, "real", &integer));
	cr_assert_not(tree_int(tree, "neg", &integer));
	cr_assert_not(tree_uint(tree, "real", &natural));
	cr_assert(tree_uint(tree, "half", &natural) && natural == 0);
	tree_free(tree);
}

/* JavaScript writes 2**70 as an integer of 22 digits. */
Test(tree, integers_too_big_become_reals)
{
	struct tree *tree = parse("{\"a\":5,\"b\":1180591620717411303424,"
				  "\"c\":18446744073709551615}");
	double real;
	uint64_t natural;

	cr_assert(tree_double(tree, "b", &real) && real == 0x1p70);
	cr_assert(tree_uint(tree, "a", &natural) && natural == 5);
	cr_assert_not(tree_uint(tree, "b", &natural));
	tree_free(tree);
}

Test(tree, walks)
{
	struct tree *tree = parse("{\"b\":[10,20,30],\"a\":{},\"c\":1}");
	const struct tree *list = tree_get(tree, "b");
	char names[8] = "";
	int64_t value;

	cr_assert_eq(tree_size(list), 3);
	cr_assert_eq(tree_size(tree), 3);
	cr_assert_eq(tree_size(tree_get(tree, "c")), 0);
	cr_assert_eq(tree_size(NULL), 0);
	cr_assert(tree_int(tree_at(list, 2), NULL, &value) && value == 30);
	cr_assert_null(tree_at(list, 3));
	cr_assert_null(tree_at(tree, 0));
	for (void *it = tree_first(tree); it != NULL; it = tree_next(tree, it)) {
		strcat(names, tree_name(it));
		cr_assert_eq(tree_value(it), tree_get(tree, tree_name(it)));
	}
	cr_assert_str_eq(names, "bac");
	cr_assert_null(tree_first(list));
	tree_free(tree);
}

Test(tree, refusals_say_where)
{
	static const struct {
		const char *text;
		int line, column;
	} cases[] = {
		{ "{\"a\":1,\n \"b\" 2}", 2, 6 },
		{ "{\"a\":1,\"a\":2}", 1, 10 },
		{ "[1,]", 1, 4 },
		{ "[1] x", 1, 5 },
		{ "5", 1, 1 },
		{ "\"s\"", 1, 3 },
		{ "[NaN]", 1, 4 },
		{ "[\"\xff\"]", 1, 2 },
		{ "[1e400]", 1, 6 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tree *tree = NULL;
		struct err err = { 0 };

		cr_assert_eq(tree_parse(cases[i].text, strlen(cases[i].text), &tree, &err),
			     -EBADMSG, "%s", cases[i].text);
		cr_assert_null(tree);
		cr_assert_eq(err.code, -EBADMSG);
		cr_assert_neq(err.text[0], '\0');
		cr_assert(err.line == cases[i].line && err.column == cases[i].column,
			  "%s: %d:%d %s", cases[i].text, err.line, err.column, err.text);
		cr_assert_eq(tree_parse(cases[i].text, strlen(cases[i].text), &tree, NULL),
			     -EBADMSG);
	}
	cr_assert_eq(tree_parse("", 0, &(struct tree *){ NULL }, NULL), -EBADMSG);
}

Test(tree, nul_is_allowed_inside_strings)
{
	struct tree *tree = parse("{\"a\":\"x\\u0000y\"}");
	const char *text;

	cr_assert(tree_string(tree, "a", &text));
	cr_assert_arr_eq(text, "x\0y", 4);
	tree_free(tree);
}

static int parse_nested(const char *lead, int depth, struct err *err)
{
	struct tree *tree = NULL;
	char text[4096];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", lead);
	int r;

	for (int i = 0; i < depth; i++)
		text[n++] = '[';
	for (int i = 0; i < depth; i++)
		text[n++] = ']';
	text[n++] = ']';
	r = tree_parse(text, n, &tree, err);
	tree_free(tree);
	return r;
}

Test(tree, depth_is_capped)
{
	struct err err = { 0 };

	cr_assert_eq(parse_nested("[", TREE_DEPTH_MAX - 1, &err), 0, "%s", err.text);
	cr_assert_eq(parse_nested("[\n\n", TREE_DEPTH_MAX, &err), -EBADMSG);
	cr_assert(err.line == 3 && err.column == TREE_DEPTH_MAX, "%d:%d", err.line, err.column);
	cr_assert_not_null(strstr(err.text, "64 levels"));
	cr_assert_eq(parse_nested("[", 2000, &err), -EBADMSG);
}

/* Brackets in strings are no depth, and an escaped quote ends none. */
Test(tree, depth_is_counted_outside_strings)
{
	struct err err = { 0 };

	cr_assert_eq(parse_nested("[\"[[[[\\\"[[[[[\\\\\",", TREE_DEPTH_MAX - 1, &err), 0, "%s",
		     err.text);
	cr_assert_eq(parse_nested("[\"\\\\\",", TREE_DEPTH_MAX, &err), -EBADMSG);
	cr_assert_not_null(strstr(err.text, "64 levels"));
	cr_assert_eq(parse_nested("[{},{},[],[],", TREE_DEPTH_MAX - 1, &err), 0, "%s", err.text);
}

Test(tree, names_longer_than_any_are_absent)
{
	struct tree *tree = parse("{\"a\":1}");
	char path[400];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	cr_assert_null(tree_get(tree, path));
	tree_free(tree);
}
