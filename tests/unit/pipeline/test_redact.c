/* Redaction: each rule, the same result however the input is cut, and refusal of what is no
 * snapshot. */

#include "pipeline/redact.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "pipeline/redact_parts.h"
#include "pipeline/stage.h"
#include "util/buf.h"

/* Types by number: 0 hidden, 1 array, 2 string, 3 object, 4 code, 5 closure, 6 regexp, 7 number,
 * 8 native, 9 synthetic, 10 concatenated string, 11 symbol, 12 one that V8 may add. */
#define NODE_TYPES                                                                                 \
	"[\"hidden\",\"array\",\"string\",\"object\",\"code\",\"closure\",\"regexp\",\"number\","  \
	"\"native\",\"synthetic\",\"concatenated string\",\"symbol\",\"string view\"]"

/* 0 context, 1 element, 2 property, 3 internal, 4 hidden, 5 shortcut, 6 weak */
#define EDGE_TYPES                                                                                 \
	"[\"context\",\"element\",\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"]"

#define META                                                                                       \
	"\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\"],"       \
	"\"node_types\":[" NODE_TYPES                                                              \
	",\"string\",\"number\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],"        \
	"\"edge_types\":[" EDGE_TYPES ",\"string_or_number\",\"node\"],"                           \
	"\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\"],"               \
	"\"scope_context_var_fields\":[\"name\"]}"

#define HEAD                 "{\"snapshot\":{" META "},\n"
#define ARRAYS(nodes, edges) "\"nodes\":[" nodes "],\n\"edges\":[" edges "],\n"
#define DOCUMENT(nodes, edges, strings)                                                            \
	HEAD ARRAYS(nodes, edges) "\"samples\":[],\n\"strings\":[" strings "]}"

static struct collect sink;
static char error[STAGE_ERROR_MAX];
static char longest[REDACT_ALLOW_BYTES_MAX + 1]; /* an allowed name */

/* Pieces are blocks of their own, so that a sanitizer sees a read past one. */
static int put_copy(struct stage *stage, const char *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);
	int r;

	cr_assert(copy != NULL);
	memcpy(copy, data, size);
	r = stage_put(stage, copy, size);
	free(copy);
	return r;
}

/* Cut once at `cut`, and then every `step` bytes. */
static int run_cut(enum redact_level level, const char *text, size_t size, size_t cut, size_t step)
{
	struct text_list allow = { 0 };
	struct stage *stage;
	int r;

	collect_fini(&sink);
	collect_init(&sink);
	memset(longest, 'n', REDACT_ALLOW_BYTES_MAX);
	cr_assert_eq(text_list_add(&allow, "mine"), 0);
	cr_assert_eq(text_list_add(&allow, "\xd0\xbf\xe5\xaf\x86"), 0);
	cr_assert_eq(text_list_add(&allow, longest), 0);
	cr_assert_eq(redact_new(&stage, level, &allow, &sink.stage), 0);
	text_list_fini(&allow);
	r = put_copy(stage, text, cut);
	for (size_t at = cut; r == 0 && at < size; at += step)
		r = put_copy(stage, text + at, size - at < step ? size - at : step);
	if (r == 0)
		r = stage_finish(stage);
	memcpy(error, stage->error, sizeof(error));
	stage->ops->free(stage);
	return r;
}

static int run(enum redact_level level, const char *text)
{
	return run_cut(level, text, strlen(text), 0, SIZE_MAX / 2);
}

static void expect(enum redact_level level, const char *in, const char *out)
{
	cr_assert_eq(run(level, in), 0, "%s", error);
	cr_assert_str_eq(buf_text(&sink.data), out);
	collect_fini(&sink);
}

static void expect_refused(const char *in, const char *why)
{
	cr_assert_eq(run(REDACT_STRINGS, in), -EBADMSG, "%s", in);
	cr_assert(strstr(error, why) != NULL, "%s", error);
	collect_fini(&sink);
}

/* What becomes of a name that a node of this type has. */
static void expect_name(enum redact_level level, int type, const char *name, const char *becomes)
{
	char *in, *out;

	cr_assert(asprintf(&in, HEAD ARRAYS("%d,1,7,8,0", "") "\"strings\":[\"<dummy>\",\"%s\"]}",
			   type, name) > 0);
	cr_assert(asprintf(&out,
			   HEAD ARRAYS("%d,1,7,8,0", "") "\"strings\":[\"(redacted)\",\"%s\"]}",
			   type, becomes) > 0);
	expect(level, in, out);
	free(in);
	free(out);
}

static void expect_edge(enum redact_level level, int type, const char *name, const char *becomes)
{
	char *in, *out;

	cr_assert(asprintf(&in,
			   HEAD ARRAYS("9,1,1,0,1",
				       "%d,2,0") "\"strings\":[\"<dummy>\",\"\",\"%s\"]}",
			   type, name) > 0);
	cr_assert(asprintf(&out,
			   HEAD ARRAYS("9,1,1,0,1",
				       "%d,2,0") "\"strings\":[\"(redacted)\",\"\",\"%s\"]}",
			   type, becomes) > 0);
	expect(level, in, out);
	free(in);
	free(out);
}

Test(redact, values_of_strings_go_and_their_nodes_stay)
{
	for (int type = 0; type <= 12; type++) {
		bool keeps = type < 2 || (type > 2 && type < 6) || type == 8 || type == 9;
		char in[1200], out[1200];

		snprintf(in, sizeof(in), DOCUMENT("%d,1,7,8,0", "", "\"<dummy>\",\"Secret\""),
			 type);
		snprintf(out, sizeof(out), DOCUMENT("%d,%d,7,8,0", "", "\"(redacted)\",\"%s\""),
			 type, keeps ? 1 : 0, keeps ? "Secret" : "");
		expect(REDACT_STRINGS, in, out);
		expect(REDACT_ALL, in, out);
	}
}

Test(redact, a_text_that_is_both_value_and_name_stays_as_name_only)
{
	expect(REDACT_STRINGS,
	       DOCUMENT("3,1,1,8,1,2,1,3,8,0", "2,2,5", "\"<dummy>\",\"Foo\",\"bar\""),
	       DOCUMENT("3,1,1,8,1,2,0,3,8,0", "2,2,5", "\"(redacted)\",\"Foo\",\"bar\""));
}

Test(redact, what_nothing_names_goes)
{
	expect(REDACT_STRINGS, DOCUMENT("9,1,1,0,0", "", "\"<dummy>\",\"\",\"left over\""),
	       DOCUMENT("9,1,1,0,0", "", "\"(redacted)\",\"\",\"\""));
}

Test(redact, index_0_stays_where_it_is_a_name)
{
	expect(REDACT_STRINGS, DOCUMENT("9,0,1,0,0,2,1,3,8,0", "", "\"\",\"secret\""),
	       DOCUMENT("9,0,1,0,0,2,0,3,8,0", "", "\"\",\"\""));
}

Test(redact, numbers_of_elements_name_nothing)
{
	expect(REDACT_STRINGS,
	       DOCUMENT("9,1,1,0,2", "1,2,0,4,4294967295,0", "\"<dummy>\",\"\",\"secret\""),
	       DOCUMENT("9,1,1,0,2", "1,2,0,4,4294967295,0", "\"(redacted)\",\"\",\"\""));
}

/* Up to the next edge that is none; however long the number was, on both ways through the rows. */
Test(redact, elements_are_numbered_as_they_stand_at_all)
{
	static const char in[] = "1,0,0,1,1,0,1,7,0,1,4294967294,0,2,2,0,1,1234567,0,1,12345678,0,"
				 "1,3,0,0,2,0,4,-4929123,0,1,-265843840,0,1,-1,0,1,00,0";
	static const char out[] = "1,0,0,1,1,0,1,2,0,1,3,0,2,2,0,1,0,0,1,1,0,"
				  "1,2,0,0,2,0,4,-4929123,0,1,0,0,1,1,0,1,2,0";
	char whole[1200], kept[1200];

	snprintf(whole, sizeof(whole), DOCUMENT("9,1,1,0,13", "%s", "\"<dummy>\",\"\",\"next\""),
		 in);
	snprintf(kept, sizeof(kept), DOCUMENT("9,1,1,0,13", "%s", "\"(redacted)\",\"\",\"next\""),
		 in);
	expect(REDACT_STRINGS, whole, kept);
	snprintf(kept, sizeof(kept), DOCUMENT("9,1,1,0,13", "%s", "\"(redacted)\",\"\",\"next\""),
		 out);
	for (size_t cut = 0; cut < strlen(whole); cut++) {
		cr_assert_eq(run_cut(REDACT_ALL, whole, strlen(whole), cut, SIZE_MAX / 2), 0);
		cr_assert_str_eq(buf_text(&sink.data), kept, "cut at %zu", cut);
	}
	collect_fini(&sink);
}

Test(redact, names_of_edges_stay_at_strings)
{
	expect_edge(REDACT_STRINGS, 0, "variable", "variable");
	expect_edge(REDACT_STRINGS, 2, "user name", "user name");
	expect_edge(REDACT_STRINGS, 2, "<symbol kState>", "<symbol kState>");
	expect_edge(REDACT_STRINGS, 3, "elements", "elements");
	expect_edge(REDACT_STRINGS, 5, "x", "x");
	expect_edge(REDACT_STRINGS, 6, "x", "x");
	expect_edge(REDACT_STRINGS, 2, "\\u00FC\\n\\\"\\\\", "\\u00FC\\n\\\"\\\\");
}

Test(redact, names_of_properties_go_at_all_unless_allowed)
{
	expect_edge(REDACT_ALL, 2, "alice", "#2");
	expect_edge(REDACT_ALL, 2, "", "#2");
	expect_edge(REDACT_ALL, 2, "__proto__", "__proto__");
	expect_edge(REDACT_ALL, 2, "get length", "get length");
	expect_edge(REDACT_ALL, 2, "get salary", "#2");
	expect_edge(REDACT_ALL, 2, "<symbol Symbol.iterator>", "<symbol Symbol.iterator>");
	expect_edge(REDACT_ALL, 2, "<symbol alice>", "#2");
	expect_edge(REDACT_ALL, 2, "<symbol ", "#2");
	expect_edge(REDACT_ALL, 2, "mine", "mine");
	expect_edge(REDACT_ALL, 2, "\\u043F\\u5BC6", "\\u043F\\u5BC6");
	expect_edge(REDACT_ALL, 2, "mine\\u043F", "#2");
	memset(longest, 'n', REDACT_ALLOW_BYTES_MAX);
	expect_edge(REDACT_ALL, 2, longest, longest);
	expect_edge(REDACT_ALL, 0, "variable", "variable");
	expect_edge(REDACT_ALL, 3, "12 / Builtin", "12 / Builtin");
}

Test(redact, a_property_named_like_a_class_loses_its_name_at_all)
{
	expect(REDACT_ALL, DOCUMENT("3,1,1,8,1", "2,1,0", "\"<dummy>\",\"Foo\""),
	       DOCUMENT("3,1,1,8,1", "2,0,0", "\"(redacted)\",\"Foo\""));
}

Test(redact, a_variable_named_like_a_property_goes_with_it_at_all)
{
	expect(REDACT_ALL, DOCUMENT("9,1,1,8,2", "0,2,0,2,2,0", "\"<dummy>\",\"\",\"alice\""),
	       DOCUMENT("9,1,1,8,2", "0,2,0,2,2,0", "\"(redacted)\",\"\",\"#2\""));
}

Test(redact, functions_of_odd_names_lose_them_at_all)
{
	static const char *const fine[] = { "push",        "get x", "set #y",
					    "bound get x", "A.b",   "[Symbol.iterator]",
					    "<anonymous>", "",      "$a_1" };
	static const char *const odd[] = { "a b", "alice@example.com", "1234", "\\u00FC", "a-b" };

	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		expect_name(REDACT_ALL, 5, fine[i], fine[i]);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		expect_name(REDACT_ALL, 5, odd[i], "");
		expect_name(REDACT_STRINGS, 5, odd[i], odd[i]);
	}
	expect_name(REDACT_ALL, 4, "(code for x)", "(code for x)");
	expect_name(REDACT_ALL, 4, "/app/a b.js", "/app/a b.js");
	expect_name(REDACT_ALL, 4, "node:fs", "node:fs");
	expect_name(REDACT_ALL, 3, "Object / file:///x", "Object / file:///x");
	expect_name(REDACT_ALL, 3, "alice@example.com", "");
	expect_name(REDACT_ALL, 0, "system / Map (One*Byte)", "system / Map (One*Byte)");
}

Test(redact, urls_lose_what_may_be_a_token)
{
	expect_name(REDACT_STRINGS, 4, "file:///a.js?token=1#x", "file:///a.js");
	expect_name(REDACT_STRINGS, 3, "Object / https://h/p#x?y", "Object / https://h/p");
	expect_name(REDACT_STRINGS, 4, "https://me:pw@h:1/p@q", "https://h:1/p@q");
	expect_name(REDACT_STRINGS, 4, "https://a/ wss://u@b/?c", "https://a/ wss://b/");
	expect_name(REDACT_STRINGS, 4, "data:text/javascript,secret", "data:");
	expect_name(REDACT_STRINGS, 4, "x data:secret", "x data:");
	expect_name(REDACT_STRINGS, 4, "blob:nodedata:1", "blob:nodedata:1");
	expect_name(REDACT_STRINGS, 5, "what?", "what?");
	expect_name(REDACT_STRINGS, 4, "a.js?token=1", "a.js");
	expect_name(REDACT_STRINGS, 4, "/app/a.js#token", "/app/a.js");
	expect_name(REDACT_STRINGS, 4, "#token", "#token");
	expect_name(REDACT_STRINGS, 4, "A.#token", "A.#token");
	expect_name(REDACT_ALL, 4, "file:///a.js?token=1", "file:///a.js");
	expect_name(REDACT_ALL, 4, "data:text/javascript,secret", "data:");
}

Test(redact, elements_of_a_page_lose_their_attributes)
{
	expect_name(REDACT_STRINGS, 8, "<div id=\\\"secret\\\">", "<div>");
	expect_name(REDACT_STRINGS, 8, "Detached <a href=x>", "Detached <a>");
	expect_name(REDACT_STRINGS, 8, "<div>", "<div>");
}

Test(redact, entries_of_weak_maps_keep_their_form_and_ids)
{
	expect_edge(
		REDACT_STRINGS, 3,
		"3 / part of key (Object @11) -> value (secret @22) pair in WeakMap (table @33)",
		"3 / part of key ( @11) -> value ( @22) pair in WeakMap (table @33)");
	expect_edge(REDACT_ALL, 3,
		    "3 / part of key (\\u5BC6 @11) -> value ( @22) pair in WeakMap (table @33)",
		    "3 / part of key ( @11) -> value ( @22) pair in WeakMap (table @33)");
	/* A text with the same words: which id is the key's cannot be told. */
	expect_edge(REDACT_STRINGS, 3,
		    "3 / part of key (O @11) -> value (a @4111) -> value (b @22) pair in WeakMap "
		    "(table @33)",
		    "3 / part of key ( @0) -> value ( @22) pair in WeakMap (table @33)");
	expect_edge(REDACT_STRINGS, 3, "3 / part of key (secret @%u) -> value (", "");
	expect_edge(REDACT_STRINGS, 3, "part of key (secret @1) pair in WeakMap (table @33)", "");
}

Test(redact, names_that_v8_would_write_otherwise_go)
{
	expect_name(REDACT_STRINGS, 3, "https:\\/\\/h\\/?secret", "");
	expect_name(REDACT_STRINGS, 3, "A\\u003fsecret", "");
	expect_name(REDACT_STRINGS, 3, "A\\x", "");
	expect_name(REDACT_STRINGS, 3, "A\\u12", "");
	expect_name(REDACT_STRINGS, 3, "A\x01", "");
	expect_name(REDACT_STRINGS, 3, "A\xff", "");
	expect_name(REDACT_STRINGS, 3, "A\xc3\xbc\\u00FC\\t", "A\xc3\xbc\\u00FC\\t");
}

Test(redact, names_longer_than_any_go)
{
	char *name = calloc(1, REDACT_NAME_MAX + 2);

	cr_assert(name != NULL);
	memset(name, 'a', REDACT_NAME_MAX);
	expect_name(REDACT_STRINGS, 3, name, name);
	name[REDACT_NAME_MAX] = 'a';
	expect_name(REDACT_STRINGS, 3, name, "");
	free(name);
}

Test(redact, other_arrays_that_name_strings)
{
	expect(REDACT_STRINGS,
	       HEAD ARRAYS("9,1,1,0,0", "") "\"trace_function_infos\":[1,2,3],"
					    "\"trace_tree\":[1,0,[-2,[]]],\"unknown\":7 ,"
					    "\"scope_context_vars\":[4],\"strings\":"
					    "[\"\",\"\",\"f\",\"a://b?c\",\"v\",\"secret\"]}\n",
	       HEAD ARRAYS("9,1,1,0,0", "") "\"trace_function_infos\":[1,2,3],"
					    "\"trace_tree\":[1,0,[-2,[]]],\"unknown\":7 ,"
					    "\"scope_context_vars\":[4],\"strings\":"
					    "[\"(redacted)\",\"\",\"f\",\"a://b\",\"v\",\"\"]}\n");
}

/* As V8 11 writes it, with a line for each row, and long enough for all ways of reading. */
static char *long_document(void)
{
	struct buf text;

	buf_init(&text, SIZE_MAX);
	buf_puts(&text, HEAD "\"nodes\":[");
	for (int i = 0; i < 60; i++)
		buf_printf(&text, "%s%d,%d,%d,%d,%d\n", i > 0 ? "," : "", i % 13, i % 7 + 1,
			   i * 20000001, i, i % 3);
	buf_puts(&text, "],\n\"edges\":[");
	for (int i = 0; i < 60; i++)
		buf_printf(&text, "%s%d,%d,%d", i > 0 ? "," : "", i % 7, i % 11 + 1, i * 7);
	buf_puts(&text, "],\"locations\":[1,2,-3],\n\"strings\":[\"<dummy>\",\n\"Foo\",\n"
			"\"https://h/?secret\",\"sec\\\"ret\\\\\",\"bar \\u00FC\",\"\",\"x\","
			"\"1 / part of key (a @1) -> value (b @2) pair in WeakMap (table @3)\","
			"\"length\",\"alice\",\"<symbol a>\",\"last\",\"left\"]}");
	return buf_take(&text, NULL);
}

Test(redact, cut_anywhere_it_gives_the_same)
{
	char *text = long_document();
	size_t size = strlen(text);

	for (int level = REDACT_STRINGS; level <= REDACT_ALL; level++) {
		char *whole;

		cr_assert_eq(run((enum redact_level)level, text), 0, "%s", error);
		cr_assert(strstr(buf_text(&sink.data), "ecret") == NULL);
		whole = strdup(buf_text(&sink.data));
		for (size_t cut = 0; cut < size; cut++) {
			cr_assert_eq(
				run_cut((enum redact_level)level, text, size, cut, SIZE_MAX / 2),
				0);
			cr_assert_str_eq(buf_text(&sink.data), whole, "cut at %zu", cut);
			collect_fini(&sink);
		}
		for (size_t step = 1; step < 300; step += step / 8 + 1) {
			cr_assert_eq(run_cut((enum redact_level)level, text, size, 0, step), 0);
			cr_assert_str_eq(buf_text(&sink.data), whole, "steps of %zu", step);
			collect_fini(&sink);
		}
		free(whole);
	}
	free(text);
}

Test(redact, a_document_that_ends_early_is_refused)
{
	char *text = long_document();

	for (size_t size = 0; size < strlen(text); size++) {
		cr_assert_eq(run_cut(REDACT_STRINGS, text, size, 0, SIZE_MAX / 2), -EBADMSG);
		cr_assert(strstr(error, "cut short") != NULL);
		collect_fini(&sink);
	}
	free(text);
}

Test(redact, what_is_no_snapshot_is_refused)
{
	expect_refused("hello", "no JSON object");
	expect_refused("{\"nodes\":[]", "begin with its head");
	expect_refused("{\"a\\u0062\":1", "unexpected member");
	expect_refused("{\"snapshot\":[]", "begin with its head");
	expect_refused("{\"snapshot\":{\"a\":}", "no JSON");
	expect_refused("{\"snapshot\":{}", "lacks the fields");
	expect_refused("{\"snapshot\":{\"title\":\"My Secret\"}", "other text");
	expect_refused("{\"snapshot\":{\"a\":\"\\n\"}", "escape");
	expect_refused(HEAD "\"strings\":[", "before nodes");
	expect_refused(HEAD "\"edges\":[", "out of order");
	expect_refused(HEAD "\"nodes\":{", "an array");
	expect_refused(HEAD "\"nodes\":[1,2,3]", "not whole");
	expect_refused(HEAD "\"nodes\":[99,1,1,1,1]", "a type");
	expect_refused(HEAD "\"nodes\":[2,134217728,1,1,1],\"edges\":[],\"strings\":[\"\"]",
		       "fewer strings");
	expect_refused(HEAD "\"nodes\":[3,134217728,1,1,1]", "134217728 strings");
	expect_refused(HEAD "\"nodes\":[3,99999999999999999999,", "too long");
	expect_refused(HEAD "\"nodes\":[3,-1,", "other than numbers");
	expect_refused(HEAD "\"nodes\":[3,\"secret\"", "other than numbers");
	expect_refused(HEAD "\"nodes\":[],\"edges\":[2,-1", "other than numbers");
	expect_refused(HEAD "\"nodes\":[],\"edges\":[-1", "other than numbers");
	expect_refused(HEAD "\"nodes\":[],\"edges\":[1,--1", "other than numbers");
	expect_refused(HEAD "\"nodes\":[],\"edges\":[1,-,", "other than numbers");
	expect_refused(HEAD "\"nodes\":[],\"edges\":[1,1-1", "other than numbers");
	expect_refused(HEAD "\"nodes\":[],\"nodes\":[", "out of order");
	expect_refused(HEAD "\"note\":\"secret\"", "other than numbers");
	expect_refused(HEAD "\"note\":{", "other than numbers");
	expect_refused(HEAD "\"note\":[1,[2,\"secret\"", "other than numbers");
	expect_refused(HEAD "\"note\":[1 2", "other than numbers");
	expect_refused(HEAD "\"note\":[-,", "a number expected");
	expect_refused(HEAD "\"note\":1}", "strings are missing");
	expect_refused(DOCUMENT("3,2,1,1,1", "", "\"\",\"\""), "fewer strings");
	expect_refused(DOCUMENT("9,0,1,1,1", "", "\"\",1"), "other than strings");
	expect_refused(DOCUMENT("9,0,1,1,1", "", "\"\"") "x", "behind its end");
	expect_refused(HEAD ARRAYS("9,0,1,1,1", "") "\"strings\":[\"\"],\"x\":1",
		       "behind the strings");
}

Test(redact, counts_must_be_those_of_the_head)
{
	expect_refused("{\"snapshot\":{" META ",\"node_count\":2},\"nodes\":[9,0,1,1,1]",
		       "number of rows");
	expect_refused("{\"snapshot\":{" META ",\"node_count\":1,\"edge_count\":1},"
		       "\"nodes\":[9,0,1,1,1],\"edges\":[]",
		       "number of rows");
}

Test(redact, nothing_of_what_is_refused_went_out)
{
	cr_assert_eq(run(REDACT_STRINGS, HEAD "\"nodes\":[3,\"secret\"]"), -EBADMSG);
	cr_assert(sink.data.size == 0 || strstr(buf_text(&sink.data), "secret") == NULL);
	collect_fini(&sink);
}
