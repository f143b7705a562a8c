/* Documents: positions, both syntaxes, and the limits on what a file may make us build. */

#include "conf/doc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"

static struct problems problems;

static void setup(void)
{
	problems_init(&problems);
}

static void teardown(void)
{
	problems_fini(&problems);
}

TestSuite(doc, .init = setup, .fini = teardown);

static struct doc *parse(const char *text, const char *file)
{
	struct doc *doc = NULL;

	cr_assert_eq(doc_parse(&doc, text, strlen(text), file, &problems), 0, "%s",
		     problems.n ? problems.items[0].text : "no reason");
	return doc;
}

static void refused(const char *text, size_t size, const char *file, const char *why)
{
	struct doc *doc = NULL;

	cr_assert_eq(doc_parse(&doc, text, size, file, &problems), -EINVAL);
	cr_assert_null(doc);
	cr_assert_eq(problems.n, 1);
	cr_assert_str_eq(problems.items[0].text, why);
}

static void stands(const struct node *node, int line, int column)
{
	cr_expect_eq(node->line, line, "line %d", node->line);
	cr_expect_eq(node->column, column, "column %d", node->column);
}

static void check_tree(const struct doc *doc)
{
	const struct node *list = node_member(&doc->root, "list");
	const struct node *table = node_member(&doc->root, "table");

	cr_assert_eq(doc->root.kind, NODE_TABLE);
	cr_assert_eq(doc->root.children_n, 3);
	cr_assert_str_eq(doc->root.children[0].name, "text");
	cr_assert_str_eq(node_member(&doc->root, "text")->text, "größe");
	cr_assert_not(node_member(&doc->root, "text")->plain);
	cr_assert_eq(list->kind, NODE_LIST);
	cr_assert_eq(list->children_n, 3);
	cr_assert_str_eq(list->children[1].text, "2.5");
	cr_assert(list->children[1].plain);
	cr_assert(node_is_null(&list->children[2]));
	cr_assert_str_eq(node_member(table, "deep")->text, "true");
	cr_assert_null(node_member(table, "deeper"));
	cr_assert_null(node_member(list, "deep"));
}

Test(doc, yaml)
{
	struct doc *doc =
		parse("text: 'größe'\nlist: [1, 2.5, ~]\ntable:\n  deep: true\n", "a.yaml");

	check_tree(doc);
	stands(node_member(&doc->root, "text"), 1, 7);
	stands(&node_member(&doc->root, "list")->children[2], 2, 16);
	stands(doc_find(doc, "table.deep"), 4, 9);
	cr_assert_eq(doc_find(doc, "table.deep")->name_column, 3);
	doc_free(doc);
}

Test(doc, json)
{
	struct doc *doc = parse("{\"text\": \"gr\\u00f6\xc3\x9f"
				"e\",\n \"list\": [1, 2.5, null],\n"
				" \"table\": {\"deep\": true}}\n",
				"a.json");

	check_tree(doc);
	stands(&doc->root, 1, 1);
	stands(node_member(&doc->root, "text"), 1, 10);
	stands(&node_member(&doc->root, "list")->children[1], 2, 14);
	stands(doc_find(doc, "table.deep"), 3, 20);
	cr_assert_eq(doc_find(doc, "table.deep")->name_column, 12);
	doc_free(doc);
}

Test(doc, what_decides_the_syntax)
{
	/* Not JSON: a trailing comma and single quotes. */
	struct doc *doc = parse("[{'a': 1,}]", "a.yaml");

	doc_free(doc);
	doc = parse("[{'a': 1,}]", "a.yml");
	doc_free(doc);
	doc = parse("a: 1", "a.json");
	doc_free(doc);
	refused("[{'a': 1,}]", 11, "a.json", "a.json:1:3: ''' is not valid JSON here");
}

Test(doc, every_json_escape)
{
	struct doc *doc =
		parse("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\ud83d\"]", "a");

	cr_assert_str_eq(doc->root.children[0].text, "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80"
						     "\xef\xbf\xbd");
	doc_free(doc);
}

Test(doc, a_json_text_longer_than_the_buffer_of_the_scanner)
{
	size_t size = 20000;
	char *text = malloc(size + 1);
	struct doc *doc;

	memset(text, 'x', size);
	memcpy(text, "[\"", 2);
	memcpy(text + size - 2, "\"]", 3);
	doc = parse(text, "a");
	cr_assert_eq(strlen(doc->root.children[0].text), size - 4);
	doc_free(doc);
	free(text);
}

Test(doc, aliases_share_what_they_stand_for)
{
	struct doc *doc = parse("a: &a {x: [1, 2]}\nb: *a\nc: &a 3\nd: *a\n", "a.yaml");

	cr_assert_eq(node_member(&doc->root, "b")->children,
		     node_member(&doc->root, "a")->children);
	cr_assert_str_eq(doc_find(doc, "b.x[1]")->text, "2");
	stands(doc_find(doc, "b.x[1]"), 1, 15);
	cr_assert_str_eq(doc_find(doc, "d")->text, "3");
	doc_free(doc);
}

Test(doc, find_gives_the_nearest)
{
	struct doc *doc = parse("a:\n- b: {c: 1}\n", "a.yaml");

	cr_assert_eq(doc_find(doc, ""), &doc->root);
	stands(doc_find(doc, "a[0].b.c"), 2, 10);
	cr_assert_str_eq(doc_find(doc, "a[0].b.x")->name, "b");
	cr_assert_str_eq(doc_find(doc, "a[1].b")->name, "a");
	cr_assert_eq(doc_find(doc, "x.y"), &doc->root);
	doc_free(doc);
}

/* n values beside each other, as JSON. */
static char *many(size_t n)
{
	char *text = malloc(2 * n + 2);

	cr_assert_not_null(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + 2 * i, ",1", 2);
	text[0] = '[';
	memcpy(text + 2 * n, "]", 2);
	return text;
}

Test(doc, as_many_values_as_allowed_and_one_more)
{
	char *text = many(DOC_NODES_MAX - 1);
	struct doc *doc = parse(text, "a");

	cr_assert_eq(doc->root.children_n, DOC_NODES_MAX - 1);
	doc_free(doc);
	free(text);
	text = many(DOC_NODES_MAX);
	refused(text, strlen(text), "a",
		"a:1:500000: more than 250000 values (an alias counts for all it stands for)");
	free(text);
}

Test(doc, as_deep_as_allowed)
{
	char text[2 * DOC_DEPTH_MAX + 1];
	struct doc *doc;

	memset(text, '[', DOC_DEPTH_MAX);
	memset(text + DOC_DEPTH_MAX, ']', DOC_DEPTH_MAX);
	text[2 * DOC_DEPTH_MAX] = '\0';
	doc = parse(text, "a.json");
	doc_free(doc);
	doc = parse(text, "a.yaml");
	doc_free(doc);
}

Test(doc, too_large)
{
	char *text = malloc(DOC_SIZE_MAX + 1);
	struct doc *doc;

	memset(text, ' ', DOC_SIZE_MAX + 1);
	cr_assert_eq(doc_parse(&doc, text, DOC_SIZE_MAX, "a", &problems), 0);
	doc_free(doc);
	refused(text, DOC_SIZE_MAX + 1, "a", "a: larger than 8 MiB");
	free(text);
}

Test(doc, too_many_anchors)
{
	struct buf buf;

	buf_init(&buf, 1 << 16);
	for (int i = 0; i < 257; i++)
		buf_printf(&buf, "- &a%d x\n", i);
	refused(buf.data, buf.size, "a.yaml", "a.yaml:257:3: more than 256 anchors");
	buf_fini(&buf);
}

Test(doc, files)
{
	char folder[] = "/tmp/doc.XXXXXX", path[64];
	struct doc *doc = NULL;
	FILE *file;

	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.yaml", folder);
	cr_assert_eq(doc_load(&doc, path, &problems), -ENOENT);
	cr_assert(strstr(problems.items[0].text, "a.yaml: cannot be read: No such file"));
	file = fopen(path, "w");
	fputs("a: [1]\n", file);
	fclose(file);
	cr_assert_eq(doc_load(&doc, path, &problems), 0);
	cr_assert_str_eq(doc->file, path);
	doc_free(doc);
	cr_assert_eq(truncate(path, DOC_SIZE_MAX + 1), 0);
	cr_assert_eq(doc_load(&doc, path, &problems), -EFBIG);
	cr_assert(strstr(problems.items[1].text, "larger than 8 MiB"));
	cr_assert_neq(doc_load(&doc, folder, &problems), 0, "a folder");
	unlink(path);
	rmdir(folder);
}

Test(doc, problems_end_somewhere)
{
	struct buf buf;

	for (int i = 0; i < PROBLEMS_MAX + 5; i++)
		problems_add(&problems, "f", i, 1, "p", "number %d", i);
	cr_assert_eq(problems.n, PROBLEMS_MAX);
	cr_assert(problems.more);
	cr_assert_str_eq(problems.items[0].text, "f: p: number 0");
	cr_assert_str_eq(problems.items[99].text, "f:99:1: p: number 99");
	buf_init(&buf, 1 << 16);
	problems_print(&problems, &buf);
	cr_assert(strstr(buf_text(&buf), "f:99:1: p: number 99\nand more\n"));
	buf_fini(&buf);
}

Test(doc, shown_values_are_cut_and_clean)
{
	char shown[SHOWN_MAX], text[200];

	cr_assert_str_eq(problem_shown(shown, "plain größe"), "plain größe");
	cr_assert_str_eq(problem_shown(shown, "a\x1b[31m\nb\x7f"), "a?[31m?b?");
	cr_assert_str_eq(problem_shown(shown, "a\xff\xc3"), "a??");
	memset(text, 'x', 199);
	text[199] = '\0';
	problem_shown(shown, text);
	cr_assert_eq(strlen(shown), SHOWN_MAX - 1);
	cr_assert(strstr(shown, "x..."));
	/* A character at the cut stays whole or goes whole. */
	memset(text, 'x', 63);
	strcpy(text + 63, "öö");
	cr_assert_str_eq(problem_shown(shown, text) + 63, "...");
}
