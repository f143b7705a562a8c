/*
 * Rules that extend others
 *
 * All rules and presets of all files are listed; then each is made whole after what it extends. A
 * chain is followed with its length bounded, which is also how a circle ends; it is told as what it
 * is.
 */

#include "watch/rule_extend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/str.h"

enum { PATH_MAX_BYTES = 96, NAMES_MAX = 256 };

/* A rule or preset of a file. */
struct entry {
	struct doc *doc;
	struct node *node;
	char path[PATH_MAX_BYTES];
	bool is_whole, is_bad;
};

struct entries {
	struct entry *items; /* owned */
	size_t n, capacity;
};

struct extending {
	struct entries entries;
	struct rule_extensions *made;
	struct problems *problems;
};

/* ---- listing ---- */

/* The member to be changed; documents are ours while they are loaded. */
static struct node *member_of(struct node *table, const char *name)
{
	for (size_t i = 0; table->kind == NODE_TABLE && i < table->children_n; i++) {
		if (strcmp(table->children[i].name, name) == 0)
			return &table->children[i];
	}
	return NULL;
}

static const char *text_of(struct node *table, const char *name)
{
	const struct node *node = member_of(table, name);

	return node != NULL && node->kind == NODE_SCALAR && !node_is_null(node) ? node->text : NULL;
}

static int add_entry(struct entries *entries, struct doc *doc, struct node *node, const char *path,
		     size_t index)
{
	struct entry *entry, *items;

	if (node->kind != NODE_TABLE)
		return 0;
	items = array_room(entries->items, entries->n, &entries->capacity, 64, sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	entries->items = items;
	entry = &entries->items[entries->n++];
	*entry = (struct entry){ .doc = doc, .node = node };
	entry->is_whole = member_of(node, "extends") == NULL;
	snprintf(entry->path, sizeof(entry->path), "%.64s[%zu]", path, index);
	return 0;
}

static int add_list(struct entries *entries, struct doc *doc, struct node *list, const char *path)
{
	int r = 0;

	for (size_t i = 0;
	     list != NULL && list->kind == NODE_LIST && r == 0 && i < list->children_n; i++)
		r = add_entry(entries, doc, &list->children[i], path, i);
	return r;
}

static int add_doc(struct entries *entries, struct doc *doc)
{
	struct node *groups = member_of(&doc->root, "groups");
	int r = add_list(entries, doc, member_of(&doc->root, "presets"), "presets");

	for (size_t i = 0;
	     groups != NULL && groups->kind == NODE_LIST && r == 0 && i < groups->children_n; i++) {
		char path[PATH_MAX_BYTES];

		snprintf(path, sizeof(path), "groups[%zu].rules", i);
		r = add_list(entries, doc, member_of(&groups->children[i], "rules"), path);
	}
	return r;
}

/* ---- finding ---- */

static struct entry *find_in(struct entries *entries, const struct entry *asking, const char *name,
			     bool same_doc)
{
	for (size_t i = 0; i < entries->n; i++) {
		struct entry *entry = &entries->items[i];
		const char *own = text_of(entry->node, "alert");

		if (entry != asking && own != NULL && (entry->doc == asking->doc) == same_doc &&
		    strcmp(own, name) == 0)
			return entry;
	}
	return NULL;
}

static struct entry *find(struct entries *entries, const struct entry *asking, const char *name)
{
	struct entry *entry = find_in(entries, asking, name, true);

	return entry != NULL ? entry : find_in(entries, asking, name, false);
}

static const char *closest(struct entries *entries, const char *name)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < entries->n && n < NAMES_MAX; i++) {
		names[n] = text_of(entries->items[i].node, "alert");
		n += names[n] != NULL;
	}
	return str_closest(name, names, n);
}

__attribute__((format(printf, 3, 4))) static void
complain(struct extending *extending, struct entry *entry, const char *fmt, ...)
{
	const struct node *node = member_of(entry->node, "extends");
	char path[PATH_MAX_BYTES + 16], text[256];
	va_list args;

	entry->is_bad = true;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s.extends", entry->path);
	problems_add(extending->problems, entry->doc->file, node->line, node->column, path, "%s",
		     text);
}

static void complain_unknown(struct extending *extending, struct entry *entry, const char *name)
{
	const char *meant = closest(&extending->entries, name);
	char shown[SHOWN_MAX];

	complain(extending, entry, "no other rule or preset is called '%s'%s%.64s%s",
		 problem_shown(shown, name), meant ? " (did you mean '" : "", meant ? meant : "",
		 meant ? "'?)" : "");
}

/* ---- merging ---- */

static struct node *new_nodes(struct extending *extending, size_t n)
{
	struct rule_extensions *made = extending->made;
	struct node **blocks = reallocarray(made->blocks, made->blocks_n + 1, sizeof(*blocks));

	if (blocks == NULL)
		return NULL;
	made->blocks = blocks;
	blocks[made->blocks_n] = calloc(n > 0 ? n : 1, sizeof(struct node));
	made->nodes_n += n;
	return blocks[made->blocks_n] != NULL ? blocks[made->blocks_n++] : NULL;
}

/* With all below it, at the place of `at`. No deeper than documents are (DOC_DEPTH_MAX). */
static int copy(struct extending *extending, struct node *dst, const struct node *src,
		const struct node *at)
{
	int r = 0;

	*dst = *src;
	dst->line = dst->name_line = at->line;
	dst->column = dst->name_column = at->column;
	if (src->children_n == 0)
		return 0;
	if (extending->made->nodes_n > DOC_NODES_MAX)
		return -E2BIG;
	dst->children = new_nodes(extending, src->children_n);
	if (dst->children == NULL)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < src->children_n; i++)
		r = copy(extending, &dst->children[i], &src->children[i], at);
	return r;
}

static bool is_merged(const char *name)
{
	return strcmp(name, "labels") == 0 || strcmp(name, "annotations") == 0 ||
	       strcmp(name, "guards") == 0;
}

static bool is_own(const char *name)
{
	return strcmp(name, "alert") == 0 || strcmp(name, "extends") == 0;
}

/* The members of `own`, and those of `base` it has not. */
static int merge(struct extending *extending, struct node *own, const struct node *base,
		 const struct node *at)
{
	struct node *all = new_nodes(extending, own->children_n + base->children_n);
	size_t n = own->children_n;
	int r = 0;

	if (all == NULL)
		return -ENOMEM;
	if (n > 0)
		memcpy(all, own->children, n * sizeof(*all));
	for (size_t i = 0; r == 0 && i < base->children_n; i++) {
		if (!is_own(base->children[i].name) &&
		    node_member(own, base->children[i].name) == NULL)
			r = copy(extending, &all[n++], &base->children[i], at);
	}
	own->children = all;
	own->children_n = n;
	return r;
}

static int extend(struct extending *extending, struct entry *entry, const struct entry *base)
{
	const struct node at = *member_of(entry->node, "extends");
	int r = 0;

	for (size_t i = 0; r == 0 && i < entry->node->children_n; i++) {
		struct node *own = &entry->node->children[i];
		const struct node *other = node_member(base->node, own->name);

		if (is_merged(own->name) && own->kind == NODE_TABLE && other != NULL &&
		    other->kind == NODE_TABLE)
			r = merge(extending, own, other, &at);
	}
	if (r == 0)
		r = merge(extending, entry->node, base->node, &at);
	entry->is_whole = true;
	return r;
}

/* ---- chains ---- */

static bool is_in(struct entry *const *chain, size_t n, const struct entry *entry)
{
	for (size_t i = 0; i < n; i++) {
		if (chain[i] == entry)
			return true;
	}
	return false;
}

/* From the entry to what is whole; false with a complaint. */
static bool follow(struct extending *extending, struct entry *entry,
		   struct entry *chain[EXTENDS_DEPTH_MAX + 1], size_t *n)
{
	for (*n = 0; !entry->is_whole; (*n)++) {
		const char *name = text_of(entry->node, "extends");

		if (is_in(chain, *n, entry)) {
			complain(extending, chain[0], "it extends itself, in a circle");
			return false;
		}
		if (*n == EXTENDS_DEPTH_MAX) {
			complain(extending, chain[0], "more than %d rules extend each other",
				 EXTENDS_DEPTH_MAX);
			return false;
		}
		chain[*n] = entry;
		if (name == NULL)
			return false; /* the option table says so */
		entry = find(&extending->entries, entry, name);
		if (entry == NULL) {
			complain_unknown(extending, chain[*n], name);
			return false;
		}
	}
	chain[*n] = entry;
	return true;
}

static int make_whole(struct extending *extending, struct entry *entry)
{
	struct entry *chain[EXTENDS_DEPTH_MAX + 1];
	size_t n;
	int r = 0;

	if (entry->is_whole || entry->is_bad || !follow(extending, entry, chain, &n))
		return 0;
	while (n-- > 0 && r == 0)
		r = extend(extending, chain[n], chain[n + 1]);
	if (r == -E2BIG)
		complain(extending, entry, "what is extended is too large");
	return r == -E2BIG ? 0 : r;
}

int rules_extend(struct doc *const *docs, size_t n, struct problems *problems,
		 struct rule_extensions *ret)
{
	struct extending extending = { .made = ret, .problems = problems };
	int r = 0;

	*ret = (struct rule_extensions){ 0 };
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_doc(&extending.entries, docs[i]);
	for (size_t i = 0; r == 0 && i < extending.entries.n; i++)
		r = make_whole(&extending, &extending.entries.items[i]);
	free(extending.entries.items);
	return r;
}

void rule_extensions_fini(struct rule_extensions *extensions)
{
	for (size_t i = 0; i < extensions->blocks_n; i++)
		free(extensions->blocks[i]);
	free(extensions->blocks);
	*extensions = (struct rule_extensions){ 0 };
}
