/*
 * Configuration from hostile bytes: as YAML and as JSON, through the whole table, and as a target
 * file. Besides memory errors it looks for promises that are broken: a refusal has a reason, a
 * reason names the file, what was accepted is the same when it is loaded again, and no node stands
 * outside the text.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"
#include "watch/discover_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_problems(const struct problems *problems, const char *file, bool refused)
{
	must(refused == (problems->n > 0));
	must(!problems->more || problems->n == PROBLEMS_MAX);
	for (size_t i = 0; i < problems->n; i++)
		must(strncmp(problems->items[i].text, file, strlen(file)) == 0);
}

/* Only own places: an alias points back to what it stands for, but never outside. */
static void check_nodes(const struct node *node, int lines, unsigned depth)
{
	must(depth <= DOC_DEPTH_MAX + 1);
	must(node->line >= 1 && node->line <= lines && node->column >= 1);
	must(node->kind != NODE_SCALAR || (node->text && node->children_n == 0));
	for (size_t i = 0; i < node->children_n; i++) {
		must((node->kind == NODE_TABLE) == (node->children[i].name != NULL));
		check_nodes(&node->children[i], lines, depth + 1);
	}
}

static void load_settings(const struct doc *doc, struct settings *settings, bool *ret_good)
{
	struct problems problems;
	int r;

	problems_init(&problems);
	r = options_load(settings_table, doc, &doc->root, "", settings, &problems);
	check_problems(&problems, doc->file, r < 0);
	*ret_good = r == 0;
	problems_fini(&problems);
}

static void check_settings(const struct doc *doc)
{
	struct settings a = { 0 }, b = { 0 };
	char names[4][96];
	bool good, again;

	load_settings(doc, &a, &good);
	load_settings(doc, &b, &again);
	must(good == again);
	must(options_equal(settings_table, &a, &b));
	must(options_need_restart(settings_table, &a, &b, names, 4) == 0);
	options_fini(settings_table, &a);
	options_fini(settings_table, &b);
}

static void check_document(const char *text, size_t size, const char *file)
{
	struct problems problems;
	struct doc *doc = NULL;
	int lines = 2, r; /* libyaml marks the end on a line of its own */

	/* YAML also ends lines with CR, NEL, LS and PS; those begin with these bytes. */
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n' || text[i] == '\r' || (unsigned char)text[i] == 0xc2 ||
			 (unsigned char)text[i] == 0xe2;
	problems_init(&problems);
	r = doc_parse(&doc, text, size, file, &problems);
	check_problems(&problems, file, r < 0);
	must((r == 0) == (doc != NULL));
	problems_fini(&problems);
	if (!doc)
		return;
	check_nodes(&doc->root, lines, 0);
	check_settings(doc);
	doc_free(doc);
}

static void check_groups(const char *text, size_t size)
{
	static char *ranges[] = { "127.0.0.0/8", "::1", "unix" };
	const struct text_list allowed = { .items = ranges, .n = 3 };
	struct item_list targets;
	struct problems problems;
	int r;

	problems_init(&problems);
	r = groups_parse(text, size, "f", &allowed, NULL, &targets, &problems);
	check_problems(&problems, "f", r < 0);
	must(r == 0 || targets.n == 0);
	groups_fini(&targets);
	problems_fini(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	check_document(text, size, "f.yaml");
	check_document(text, size, "f.json");
	check_groups(text, size);
	return 0;
}
