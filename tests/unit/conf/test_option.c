/* Option tables: defaults, every type there and back, comparing, printing. */

#include "conf/option.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/labels.h"
#include "util/buf.h"
#include "util/clock.h"

struct item {
	char *name;
	uint64_t size;
	bool has_size;
};

struct inner {
	uint64_t wait_ns;
	int mode;
};

struct thing {
	bool flag;
	uint64_t count, bytes;
	double ratio, number;
	char *text, *secret;
	struct text_list list;
	struct labels labels;
	struct inner inner;
	struct item_list items;
	struct inner included;
};

static const char *const modes[] = { "one", "two", "three", NULL };

static int check_even(const void *value, struct err *err)
{
	const uint64_t *count = value;

	return *count % 2 ? err_set(err, -EINVAL, "%llu is odd", (unsigned long long)*count) : 0;
}

#define AT(member)    offsetof(struct thing, member)
#define INNER(member) offsetof(struct inner, member)
#define ITEM(member)  offsetof(struct item, member)

static const struct option_desc inner_options[] = {
	{ .name = "wait",
	  .type = OPTION_TIME,
	  .offset = INNER(wait_ns),
	  .min = NS_PER_S,
	  .max = 60 * NS_PER_S,
	  .def = "5s",
	  .help = "How long." },
	{ .name = "mode",
	  .type = OPTION_ENUM,
	  .flags = OPTION_RESTART,
	  .offset = INNER(mode),
	  .choices = modes,
	  .def = "two",
	  .help = "Which | way." },
	{ 0 },
};

static const struct option_desc included_options[] = {
	{ .name = "patience",
	  .type = OPTION_TIME,
	  .offset = INNER(wait_ns),
	  .flags = OPTION_RESTART,
	  .def = "1m",
	  .help = "Stands at the top." },
	{ 0 },
};

static const struct option_desc item_options[] = {
	{ .name = "name",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = ITEM(name),
	  .help = "Who." },
	{ .name = "size",
	  .type = OPTION_BYTES,
	  .offset = ITEM(size),
	  .present = ITEM(has_size),
	  .help = "How large." },
	{ 0 },
};

static const struct option_desc options[] = {
	{ .name = "flag", .type = OPTION_BOOL, .offset = AT(flag), .def = "true", .help = "On." },
	{ .name = "count",
	  .type = OPTION_UINT,
	  .offset = AT(count),
	  .min = 2,
	  .def = "4",
	  .check = check_even,
	  .help = "Even." },
	{ .name = "bytes",
	  .type = OPTION_BYTES,
	  .offset = AT(bytes),
	  .def = "64KiB",
	  .help = "B." },
	{ .name = "ratio", .type = OPTION_RATIO, .offset = AT(ratio), .def = "80%", .help = "R." },
	{ .name = "number",
	  .type = OPTION_NUMBER,
	  .offset = AT(number),
	  .def = "-1.5e3",
	  .help = "N." },
	{ .name = "text", .type = OPTION_TEXT, .offset = AT(text), .help = "T." },
	{ .name = "secret",
	  .type = OPTION_TEXT,
	  .flags = OPTION_SECRET | OPTION_RESTART,
	  .offset = AT(secret),
	  .help = "S." },
	{ .name = "list",
	  .type = OPTION_TEXT_LIST,
	  .flags = OPTION_RESTART,
	  .offset = AT(list),
	  .def = "a, b",
	  .help = "L." },
	{ .name = "labels", .type = OPTION_LABELS, .offset = AT(labels), .help = "Names." },
	{ .name = "inner",
	  .type = OPTION_TABLE,
	  .offset = AT(inner),
	  .table = inner_options,
	  .help = "Inside." },
	{ .name = "items",
	  .type = OPTION_LIST,
	  .offset = AT(items),
	  .table = item_options,
	  .item_size = sizeof(struct item),
	  .help = "Several." },
	{ .name = "more",
	  .type = OPTION_INCLUDE,
	  .offset = AT(included),
	  .table = included_options },
	{ 0 },
};

/* Loads; the complaints, a line each, into messages (NULL: there must be none). */
static struct thing load(const char *text, char *messages, size_t size)
{
	struct thing thing = { 0 };
	struct problems problems;
	struct doc *doc = NULL;
	struct buf buf;
	int r;

	problems_init(&problems);
	buf_init(&buf, 1 << 16);
	cr_assert_eq(doc_parse(&doc, text, strlen(text), "f.yaml", &problems), 0);
	r = options_load(options, doc, &doc->root, "", &thing, &problems);
	problems_print(&problems, &buf);
	cr_assert_eq(r, problems.n ? -EINVAL : 0);
	if (messages)
		snprintf(messages, size, "%s", buf_text(&buf));
	else
		cr_assert_str_eq(buf_text(&buf), "");
	buf_fini(&buf);
	doc_free(doc);
	problems_fini(&problems);
	return thing;
}

static void refused(const char *text, const char *expected)
{
	char messages[1024];
	struct thing thing = load(text, messages, sizeof(messages));

	cr_expect_str_eq(messages, expected);
	options_fini(options, &thing);
}

Test(option, defaults)
{
	struct thing thing = load("", NULL, 0);

	cr_assert(thing.flag);
	cr_assert_eq(thing.count, 4);
	cr_assert_eq(thing.bytes, 65536);
	cr_assert_eq(thing.ratio, 0.8);
	cr_assert_eq(thing.number, -1500);
	cr_assert_null(thing.text);
	cr_assert_eq(thing.list.n, 2);
	cr_assert_str_eq(thing.list.items[0], "a");
	cr_assert_str_eq(thing.list.items[1], "b");
	cr_assert_eq(thing.inner.wait_ns, 5 * NS_PER_S);
	cr_assert_eq(thing.inner.mode, 1);
	cr_assert_eq(thing.items.n, 0);
	cr_assert_eq(thing.included.wait_ns, 60 * NS_PER_S);
	options_fini(options, &thing);
	cr_assert_null(thing.list.items);
}

static const char full[] = "flag: false\n"
			   "count: 8\n"
			   "bytes: 3MB\n"
			   "ratio: 0.25\n"
			   "number: 1e-3\n"
			   "text: with 'quotes'\n"
			   "secret: hunter2\n"
			   "list: [x]\n"
			   "labels: {env: prod, shard: 7}\n"
			   "inner: {wait: 1m, mode: three}\n"
			   "items:\n"
			   "- {name: first, size: 1KiB}\n"
			   "- name: second\n"
			   "patience: 1h30m\n";

Test(option, every_type)
{
	struct thing thing = load(full, NULL, 0);
	const struct item *items = thing.items.items;

	cr_assert_not(thing.flag);
	cr_assert_eq(thing.count, 8);
	cr_assert_eq(thing.bytes, 3000000);
	cr_assert_eq(thing.ratio, 0.25);
	cr_assert_eq(thing.number, 0.001);
	cr_assert_str_eq(thing.text, "with 'quotes'");
	cr_assert_str_eq(thing.secret, "hunter2");
	cr_assert_eq(thing.list.n, 1);
	cr_assert_str_eq(thing.list.items[0], "x");
	cr_assert_str_eq(labels_get(&thing.labels, "shard"), "7");
	cr_assert_eq(thing.inner.wait_ns, 60 * NS_PER_S);
	cr_assert_eq(thing.inner.mode, 2);
	cr_assert_eq(thing.items.n, 2);
	cr_assert_eq(items[0].size, 1024);
	cr_assert(items[0].has_size);
	cr_assert_str_eq(items[1].name, "second");
	cr_assert_not(items[1].has_size);
	cr_assert_eq(thing.included.wait_ns, 5400 * NS_PER_S);
	options_fini(options, &thing);
}

Test(option, units)
{
	static const struct {
		const char *text;
		uint64_t ns, bytes;
	} cases[] = {
		{ "inner: {wait: 1000ms}\nbytes: 1", NS_PER_S, 1 },
		{ "inner: {wait: 59s999ms}\nbytes: 1B", 59999 * NS_PER_MS, 1 },
		{ "inner: {wait: 1m}\nbytes: 10kB", 60 * NS_PER_S, 10000 },
		{ "inner: {wait: \"2s\"}\nbytes: '2GiB'", 2 * NS_PER_S, 2ull << 30 },
		{ "inner: {wait: 3s}\nbytes: 1TiB", 3 * NS_PER_S, 1ull << 40 },
		{ "inner: {wait: 3s}\nbytes: 18446744073709551615", 3 * NS_PER_S, UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct thing thing = load(cases[i].text, NULL, 0);

		cr_expect_eq(thing.inner.wait_ns, cases[i].ns, "%s", cases[i].text);
		cr_expect_eq(thing.bytes, cases[i].bytes, "%s", cases[i].text);
		options_fini(options, &thing);
	}
}

Test(option, numbers)
{
	refused("number: nan\n", "f.yaml:1:9: number: 'nan' is not a number\n");
	refused("number: 1e999\n", "f.yaml:1:9: number: '1e999' is out of range\n");
	refused("number: 1-2\n", "f.yaml:1:9: number: '1-2' is not a number\n");
	refused("ratio: 120%\n", "f.yaml:1:8: ratio: '120%' is out of range\n");
	refused("ratio: much\n",
		"f.yaml:1:8: ratio: 'much' is not a share of one (examples: 80%, 0.8)\n");
	refused("count: 1\n", "f.yaml:1:8: count: '1' is out of range (at least 2)\n");
	refused("bytes: 18446744073709551616\n",
		"f.yaml:1:8: bytes: '18446744073709551616' is out of range\n");
}

Test(option, checks_of_the_table)
{
	refused("count: 5\n", "f.yaml:1:8: count: 5 is odd\n");
}

Test(option, a_wrong_value_leaves_the_default)
{
	char messages[1024];
	struct thing thing = load("count: 5\ninner: {wait: 2m, mode: one}\ntext: \"a\\tb\"\n",
				  messages, sizeof(messages));

	cr_assert_str_eq(messages, "f.yaml:1:8: count: 5 is odd\n"
				   "f.yaml:2:15: inner.wait: '2m' is out of range (1s to 1m)\n"
				   "f.yaml:3:7: text: 'a?b' is not a text "
				   "(without control characters)\n");
	cr_assert_eq(thing.count, 4);
	cr_assert_eq(thing.inner.wait_ns, 5 * NS_PER_S);
	cr_assert_eq(thing.inner.mode, 0, "what is right is taken all the same");
	cr_assert_null(thing.text);
	options_fini(options, &thing);
}

Test(option, a_secret_is_never_shown)
{
	refused("secret: \"hun\\tter2\"\n",
		"f.yaml:1:9: secret: the value is not a text (without control characters)\n");
	refused("secret: [hunter2]\n", "f.yaml:1:9: secret: expected a text, got a list\n");
}

Test(option, the_first_of_two_counts)
{
	char messages[256];
	struct thing thing = load("count: 6\ncount: 8\n", messages, sizeof(messages));

	cr_assert_str_eq(messages, "f.yaml:2:1: count: given twice\n");
	cr_assert_eq(thing.count, 6);
	options_fini(options, &thing);
}

Test(option, it_stops_when_it_is_of_no_use_to_go_on)
{
	struct thing thing = { 0 };
	struct problems problems;
	struct doc *doc = NULL;
	struct buf buf;

	problems_init(&problems);
	buf_init(&buf, 1 << 20);
	for (int i = 0; i < 5000; i++)
		buf_printf(&buf, "k%d: x\n", i);
	cr_assert_eq(doc_parse(&doc, buf.data, buf.size, "f.yaml", &problems), 0);
	cr_assert_eq(options_load(options, doc, &doc->root, "", &thing, &problems), -EINVAL);
	cr_assert_eq(problems.n, PROBLEMS_MAX);
	cr_assert(problems.more);
	doc_free(doc);
	buf_fini(&buf);
	problems_fini(&problems);
	options_fini(options, &thing);
}

Test(option, set_from_elsewhere)
{
	struct item item = { 0 };
	struct err err = { 0 };

	cr_assert_eq(options_set(item_options, &item, "size", "2MiB", &err), 0);
	cr_assert_eq(item.size, 2 << 20);
	cr_assert(item.has_size);
	cr_assert_eq(options_set(item_options, &item, "name", "x", &err), 0);
	cr_assert_eq(options_set(item_options, &item, "name", "y", &err), 0);
	cr_assert_str_eq(item.name, "y");
	cr_assert_eq(options_set(item_options, &item, "size", "big", &err), -EINVAL);
	cr_assert_str_eq(err.text, "'big' is not a size (examples: 64KiB, 512MiB, 2GiB)");
	cr_assert_eq(item.size, 2 << 20);
	cr_assert_eq(options_set(item_options, &item, "colour", "red", &err), -ENOENT);
	cr_assert_str_eq(err.text, "unknown option 'colour'");
	options_fini(item_options, &item);
}

Test(option, the_same_text_is_the_same_settings)
{
	struct thing a = load(full, NULL, 0), b = load(full, NULL, 0);

	cr_assert(options_equal(options, &a, &b));
	options_fini(options, &a);
	options_fini(options, &b);
}

Test(option, every_difference_is_seen)
{
	static const char *const changed[] = {
		"flag: false",        "count: 8",       "bytes: 1",          "ratio: 1",
		"number: 1",          "text: x",        "secret: x",         "list: []",
		"list: [a, c]",       "labels: {a: b}", "inner: {wait: 6s}", "inner: {mode: one}",
		"items: [{name: x}]", "patience: 2m",
	};
	struct thing a = load("", NULL, 0);

	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
		struct thing b = load(changed[i], NULL, 0);

		cr_expect_not(options_equal(options, &a, &b), "%s", changed[i]);
		cr_expect_not(options_equal(options, &b, &a), "%s", changed[i]);
		options_fini(options, &b);
	}
	options_fini(options, &a);
}

Test(option, given_zero_is_not_absent)
{
	struct thing a = load("items: [{name: x}]", NULL, 0);
	struct thing b = load("items: [{name: x, size: 0}]", NULL, 0);

	cr_assert_not(options_equal(options, &a, &b));
	options_fini(options, &a);
	options_fini(options, &b);
}

Test(option, what_needs_a_restart)
{
	struct thing a = load("", NULL, 0);
	struct thing b = load("count: 8\nsecret: x\nlist: [c]\ninner: {wait: 6s, mode: one}\n"
			      "patience: 2m\n",
			      NULL, 0);
	char names[8][96];

	cr_assert_eq(options_need_restart(options, &a, &a, names, 8), 0);
	cr_assert_eq(options_need_restart(options, &a, &b, names, 8), 4);
	cr_assert_str_eq(names[0], "secret");
	cr_assert_str_eq(names[1], "list");
	cr_assert_str_eq(names[2], "inner.mode");
	cr_assert_str_eq(names[3], "patience");
	cr_assert_eq(options_need_restart(options, &a, &b, names, 2), 2);
	options_fini(options, &a);
	options_fini(options, &b);
}

Test(option, printed)
{
	struct buf buf;

	buf_init(&buf, 1 << 16);
	cr_assert_eq(options_print(options, "", &buf), 0);
	cr_assert_str_eq(buf_text(&buf),
			 "flag  (boolean, default true)\n    On.\n"
			 "count  (number, at least 2, default 4)\n    Even.\n"
			 "bytes  (size, default 64KiB)\n    B.\n"
			 "ratio  (share, default 80%)\n    R.\n"
			 "number  (decimal, default -1.5e3)\n    N.\n"
			 "text  (text)\n    T.\n"
			 "secret  (text, at restart)\n    S.\n"
			 "list  (list of texts, default [a, b], at restart)\n    L.\n"
			 "labels  (labels)\n    Names.\n"
			 "inner.wait  (duration, 1s to 1m, default 5s)\n    How long.\n"
			 "inner.mode  (one of one, two, three, default two, at restart)\n"
			 "    Which | way.\n"
			 "items[].name  (text, required)\n    Who.\n"
			 "items[].size  (size)\n    How large.\n"
			 "patience  (duration, default 1m, at restart)\n    Stands at the top.\n");
	buf_fini(&buf);
}

Test(option, markdown)
{
	struct buf buf;

	buf_init(&buf, 1 << 16);
	cr_assert_eq(options_markdown(options, "x", &buf), 0);
	cr_assert(strstr(buf_text(&buf), "| `list` | list of texts | `[a, b]` | restart | L. |\n"));
	cr_assert(strstr(buf_text(&buf), "| `patience` | duration | `1m` | restart |"));
	cr_assert(strstr(
		buf_text(&buf),
		"\n## `x.inner`\n\nInside.\n\n"
		"| option | type | default | takes effect | what |\n"
		"|---|---|---|---|---|\n"
		"| `wait` | duration, 1s to 1m | `5s` | reload | How long. |\n"
		"| `mode` | one of `one`, `two`, `three` | `two` | restart | Which \\| way. |\n"
		"\n## `x.items[]`\n\nSeveral.\n\n"));
	buf_fini(&buf);
	buf_init(&buf, 10);
	cr_assert_eq(options_markdown(options, "", &buf), -E2BIG, "no room is told");
	buf_fini(&buf);
}

/* ---- names of the file's own, and keys that are known and not taken ---- */

static int check_short(const void *value, struct err *err)
{
	const struct text_pair *pair = value;

	return strlen(pair->text) < 6 ? 0 : err_set(err, -EINVAL, "too long");
}

static const struct option_desc map_options[] = {
	{ .name = "map",
	  .type = OPTION_TEXT_MAP,
	  .max = 4,
	  .check = check_short,
	  .help = "Who is who." },
	{ .name = "maps", .type = OPTION_REFUSED, .help = "not supported: use map" },
	{ 0 },
};

static void load_map(const char *text, struct text_map *map, const char *expected)
{
	struct problems problems;
	struct doc *doc = NULL;
	struct buf buf;

	problems_init(&problems);
	buf_init(&buf, 1 << 16);
	*map = (struct text_map){ 0 };
	cr_assert_eq(doc_parse(&doc, text, strlen(text), "f.yaml", &problems), 0);
	options_load(map_options, doc, &doc->root, "", map, &problems);
	problems_print(&problems, &buf);
	cr_expect_str_eq(buf_text(&buf), expected, "%s: %s", text, buf_text(&buf));
	buf_fini(&buf);
	doc_free(doc);
	problems_fini(&problems);
}

Test(option, mapping_of_texts)
{
	struct text_map map, other;

	load_map("map: {a: 1, 'b c': x}\n", &map, "");
	cr_assert_eq(map.n, 2);
	cr_expect_str_eq(text_map_get(&map, "a"), "1");
	cr_expect_str_eq(text_map_get(&map, "b c"), "x");
	load_map("map: {'b c': x, a: 1}\n", &other, "");
	cr_expect(options_equal(map_options, &map, &other));
	options_fini(map_options, &other);
	load_map("map: {'b c': y, a: 1}\n", &other, "");
	cr_expect_not(options_equal(map_options, &map, &other));
	options_fini(map_options, &other);
	options_fini(map_options, &map);
	cr_expect_eq(map.n, 0);
	load_map("map: {a: 1, a: 2, b: [], c: secret}\nmaps: {x: 1}\n", &map,
		 "f.yaml:1:13: map: 'a' is given twice\n"
		 "f.yaml:1:22: map: 'b': expected a text\n"
		 "f.yaml:1:29: map: 'c': too long\n"
		 "f.yaml:2:1: maps: not supported: use map\n");
	options_fini(map_options, &map);
	load_map("map: {a: 1, b: 2, c: 3, d: 4, e: 5}\n", &map,
		 "f.yaml:1:6: map: 5 are too many, at most 4\n");
	options_fini(map_options, &map);
	load_map("mapss: 1\n", &map, "f.yaml:1:1: unknown key 'mapss' (did you mean 'map'?)\n");
	options_fini(map_options, &map);
}

Test(option, mapping_of_texts_printed)
{
	struct buf buf;

	buf_init(&buf, 1 << 16);
	cr_assert_eq(options_print(map_options, "", &buf), 0);
	cr_expect_str_eq(buf_text(&buf), "map  (names with texts, at most 4)\n    Who is who.\n");
	buf_clear(&buf);
	cr_assert_eq(options_markdown(map_options, "", &buf), 0);
	cr_expect_null(strstr(buf_text(&buf), "maps"));
	buf_fini(&buf);
}
