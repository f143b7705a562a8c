/*
 * Loading options
 *
 * One walk over the mapping the file gives, driven by the table: each key finds its row, each row
 * says what the value must be. Nothing stops at the first mistake; a value that is wrong leaves the
 * default in place and the walk goes on, so that one run names all that is to be mended. After
 * PROBLEMS_MAX complaints the file is not what it was taken for, and the walk ends.
 */

#include "conf/option.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/labels.h"
#include "conf/option_kind.h"
#include "conf/option_load.h"
#include "util/day_times.h"
#include "util/str.h"

/* Keys of one mapping, for "did you mean". */
enum { KEYS_MAX = 64 };

static int load_mapping(const struct option_load *load, const struct option_desc *table,
			const struct node *node, const char *path, void *settings);

/* ---- defaults and fini ---- */

static int default_text_list(const struct option_desc *desc, struct text_list *list)
{
	const char *at = desc->def;

	while (*at) {
		size_t size = strcspn(at, ",");
		char item[128];
		int r;

		assert(size < sizeof(item));
		memcpy(item, at, size);
		item[size] = '\0';
		r = text_list_add(list, item);
		if (r < 0)
			return r;
		at += size;
		at += strspn(at, ", ");
	}
	return 0;
}

static int default_scalar(const struct option_desc *desc, void *value)
{
	struct err err = { 0 };
	int r;

	r = option_kind(desc->type)->parse(desc, desc->def, value, &err);
	assert(r == 0 || r == -ENOMEM);
	assert(r < 0 || option_check(desc, value, &err) == 0);
	return r;
}

static int default_option(const struct option_desc *desc, void *settings)
{
	void *value = option_value(desc, settings);

	switch (desc->type) {
	case OPTION_TABLE:
	case OPTION_INCLUDE:
		return options_defaults(desc->table, value);
	case OPTION_LIST:
		((struct item_list *)value)->item_size = desc->item_size;
		return 0;
	case OPTION_TEXT_LIST:
		return desc->def ? default_text_list(desc, value) : 0;
	default:
		return desc->def ? default_scalar(desc, value) : 0;
	}
}

int options_defaults(const struct option_desc *table, void *settings)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		int r = default_option(desc, settings);

		if (r < 0)
			return r;
	}
	return 0;
}

static void fini_items(const struct option_desc *desc, struct item_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		options_fini(desc->table, (char *)list->items + i * desc->item_size);
	free(list->items);
	*list = (struct item_list){ .item_size = desc->item_size };
}

void options_fini(const struct option_desc *table, void *settings)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		void *value = option_value(desc, settings);

		if (desc->type == OPTION_TABLE || desc->type == OPTION_INCLUDE)
			options_fini(desc->table, value);
		else if (desc->type == OPTION_LIST)
			fini_items(desc, value);
		else if (option_kind(desc->type)->fini)
			option_kind(desc->type)->fini(value);
	}
}

/* ---- values made of others ---- */

/* True: and that is told. */
static bool has_too_many(const struct option_load *load, const struct option_desc *desc,
			 const struct node *node, const char *path)
{
	if (desc->max == 0 || node->children_n <= desc->max)
		return false;
	problems_add(load->problems, load->doc->file, node->line, node->column, path,
		     "%zu are too many, at most %llu", node->children_n,
		     (unsigned long long)desc->max);
	return true;
}

static int load_text_list(const struct option_load *load, const struct option_desc *desc,
			  const struct node *node, const char *path, struct text_list *list)
{
	struct option_desc item = *desc;

	if (node->kind != NODE_LIST && !node_is_null(node)) {
		option_complain_kind(load, node, path, "a list of texts ([a, b], or - a)");
		return 0;
	}
	if (has_too_many(load, desc, node, path))
		return 0;
	item.type = OPTION_TEXT;
	text_list_fini(list);
	for (size_t i = 0; i < node->children_n; i++) {
		char at[OPTION_PATH_MAX], *text = NULL;
		int r;

		option_path_at(at, path, i);
		r = option_load_scalar(load, &item, &node->children[i], at, &text);
		if (r == 0 && text)
			r = text_list_add(list, text);
		free(text);
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_day_times(const struct option_load *load, const struct option_desc *desc,
			  const struct node *node, const char *path, struct day_times *times)
{
	struct day_times all = { 0 };

	if (node->kind != NODE_LIST)
		return option_load_scalar(load, desc, node, path, times);
	if (node->children_n > DAY_TIMES_MAX) {
		problems_add(load->problems, load->doc->file, node->line, node->column, path,
			     "%zu times are too many (at most %d)", node->children_n,
			     DAY_TIMES_MAX);
		return 0;
	}
	for (size_t i = 0; i < node->children_n; i++) {
		struct day_times one = { 0 };
		char at[OPTION_PATH_MAX];
		int r;

		option_path_at(at, path, i);
		r = option_load_scalar(load, desc, &node->children[i], at, &one);
		if (r < 0)
			return r;
		if (one.n > 0)
			all.items[all.n++] = one.items[0];
	}
	*times = all;
	return 0;
}

static int load_label(const struct option_load *load, const struct node *node, const char *path,
		      struct labels *labels)
{
	const char *file = load->doc->file;
	char shown[SHOWN_MAX];
	int r;

	if (!labels_name_ok(node->name)) {
		problems_add(load->problems, file, node->name_line, node->name_column, path,
			     "'%s' is not a label name (letters, digits and _, no digit first)",
			     problem_shown(shown, node->name));
		return 0;
	}
	if (labels_get(labels, node->name)) {
		problems_add(load->problems, file, node->name_line, node->name_column, path,
			     "'%s' is given twice", problem_shown(shown, node->name));
		return 0;
	}
	if (node->kind != NODE_SCALAR || node_is_null(node)) {
		option_complain_kind(load, node, path, "a text as the label's value");
		return 0;
	}
	r = labels_set(labels, node->name, node->text);
	return r == -ENOMEM ? r : 0;
}

static int load_labels(const struct option_load *load, const struct option_desc *desc,
		       const struct node *node, const char *path, struct labels *labels)
{
	struct err err = { 0 };

	labels_fini(labels);
	if (node_is_null(node))
		return 0;
	if (node->kind != NODE_TABLE) {
		option_complain_kind(load, node, path, "labels (name: value)");
		return 0;
	}
	if (node->children_n > LABELS_MAX) {
		problems_add(load->problems, load->doc->file, node->line, node->column, path,
			     "%zu labels are too many (at most %d)", node->children_n, LABELS_MAX);
		return 0;
	}
	for (size_t i = 0; i < node->children_n; i++) {
		int r = load_label(load, &node->children[i], path, labels);

		if (r < 0)
			return r;
	}
	if (option_check(desc, labels, &err) < 0)
		problems_add(load->problems, load->doc->file, node->line, node->column, path, "%s",
			     err.text);
	return 0;
}

static int add_pair(struct text_map *map, const struct node *node)
{
	struct text_pair *items = reallocarray(map->items, map->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	map->items = items;
	items[map->n] = (struct text_pair){ strdup(node->name), strdup(node->text) };
	map->n++;
	return items[map->n - 1].name && items[map->n - 1].text ? 0 : -ENOMEM;
}

/* What is no good is complained about; the texts may be secret and are not shown. */
static int load_pair(const struct option_load *load, const struct option_desc *desc,
		     const struct node *node, const char *path, struct text_map *map)
{
	const char *file = load->doc->file;
	struct err err = { 0 };
	char shown[SHOWN_MAX];
	int r;

	problem_shown(shown, node->name);
	if (text_map_get(map, node->name)) {
		problems_add(load->problems, file, node->name_line, node->name_column, path,
			     "'%s' is given twice", shown);
		return 0;
	}
	if (node->kind != NODE_SCALAR || node_is_null(node)) {
		problems_add(load->problems, file, node->line, node->column, path,
			     "'%s': expected a text", shown);
		return 0;
	}
	r = add_pair(map, node);
	if (r == 0 && desc->check && desc->check(&map->items[map->n - 1], &err) < 0)
		problems_add(load->problems, file, node->line, node->column, path, "'%s': %s",
			     shown, err.text);
	return r;
}

static int load_text_map(const struct option_load *load, const struct option_desc *desc,
			 const struct node *node, const char *path, struct text_map *map)
{
	int r = 0;

	text_map_fini(map);
	if (node_is_null(node))
		return 0;
	if (node->kind != NODE_TABLE) {
		option_complain_kind(load, node, path, option_kind(desc->type)->expected);
		return 0;
	}
	if (has_too_many(load, desc, node, path))
		return 0;
	for (size_t i = 0; i < node->children_n && r == 0; i++)
		r = load_pair(load, desc, &node->children[i], path, map);
	return r;
}

static int load_item(const struct option_load *load, const struct option_desc *desc,
		     const struct node *node, const char *path, void *item)
{
	int r = options_defaults(desc->table, item);

	if (r < 0)
		return r;
	if (node->kind != NODE_TABLE) {
		option_complain_kind(load, node, path, "a table (key: value)");
		return 0;
	}
	return load_mapping(load, desc->table, node, path, item);
}

static int load_list(const struct option_load *load, const struct option_desc *desc,
		     const struct node *node, const char *path, struct item_list *list)
{
	if (node_is_null(node))
		return 0;
	if (node->kind != NODE_LIST) {
		option_complain_kind(load, node, path, "a list of tables (- key: value)");
		return 0;
	}
	if (node->children_n == 0)
		return 0;
	list->items = calloc(node->children_n, desc->item_size);
	if (!list->items)
		return -ENOMEM;
	while (list->n < node->children_n && !load->problems->more) {
		size_t i = list->n++;
		char at[OPTION_PATH_MAX];
		int r;

		option_path_at(at, path, i);
		r = load_item(load, desc, &node->children[i], at,
			      (char *)list->items + i * desc->item_size);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- mappings ---- */

/* The row of a key and the struct it fills, through included tables; NULL when there is none. */
static const struct option_desc *find_option(const struct option_desc *table, const char *name,
					     void **settings)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		if (desc->type == OPTION_INCLUDE) {
			void *inner = option_value(desc, *settings);
			const struct option_desc *found = find_option(desc->table, name, &inner);

			if (found) {
				*settings = inner;
				return found;
			}
		} else if (strcmp(desc->name, name) == 0) {
			return desc;
		}
	}
	return NULL;
}

static void collect_names(const struct option_desc *table, const char *names[KEYS_MAX], size_t *n)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		if (desc->type == OPTION_INCLUDE)
			collect_names(desc->table, names, n);
		else if (*n < KEYS_MAX && desc->type != OPTION_REFUSED)
			names[(*n)++] = desc->name;
	}
}

static void complain_unknown(const struct option_load *load, const struct option_desc *table,
			     const struct node *node, const char *path)
{
	const char *names[KEYS_MAX], *close;
	char shown[SHOWN_MAX];
	size_t n = 0;

	collect_names(table, names, &n);
	close = str_closest(node->name, names, n);
	problem_shown(shown, node->name);
	if (strcmp(node->name, "<<") == 0)
		problems_add(load->problems, load->doc->file, node->name_line, node->name_column,
			     path, "merge keys (<<) are not supported");
	else if (close)
		problems_add(load->problems, load->doc->file, node->name_line, node->name_column,
			     path, "unknown key '%s' (did you mean '%s'?)", shown, close);
	else
		problems_add(load->problems, load->doc->file, node->name_line, node->name_column,
			     path, "unknown key '%s'", shown);
}

static int load_value(const struct option_load *load, const struct option_desc *desc,
		      const struct node *node, const char *path, void *value)
{
	switch (desc->type) {
	case OPTION_TABLE:
		if (node_is_null(node))
			return 0;
		if (node->kind == NODE_TABLE)
			return load_mapping(load, desc->table, node, path, value);
		option_complain_kind(load, node, path, "a table (key: value)");
		return 0;
	case OPTION_LIST:
		return load_list(load, desc, node, path, value);
	case OPTION_TEXT_LIST:
		return load_text_list(load, desc, node, path, value);
	case OPTION_LABELS:
		return load_labels(load, desc, node, path, value);
	case OPTION_TEXT_MAP:
		return load_text_map(load, desc, node, path, value);
	case OPTION_REFUSED:
		problems_add(load->problems, load->doc->file, node->name_line, node->name_column,
			     path, "%s", desc->help);
		return 0;
	default:
		break;
	}
	if (node_is_null(node)) {
		problems_add(load->problems, load->doc->file, node->name_line, node->name_column,
			     path, "has no value (give one, or leave the key out)");
		return 0;
	}
	if (desc->type == OPTION_DAY_TIMES)
		return load_day_times(load, desc, node, path, value);
	return option_load_scalar(load, desc, node, path, value);
}

static int load_member(const struct option_load *load, const struct option_desc *table,
		       const struct node *mapping, const struct node *node, const char *path,
		       void *settings)
{
	const struct option_desc *desc = find_option(table, node->name, &settings);
	char at[OPTION_PATH_MAX];

	if (!desc) {
		complain_unknown(load, table, node, path);
		return 0;
	}
	option_path(at, path, desc->name);
	if (node_member(mapping, desc->name) != node) {
		problems_add(load->problems, load->doc->file, node->name_line, node->name_column,
			     at, "given twice");
		return 0;
	}
	if (desc->present && !node_is_null(node))
		*(bool *)((char *)settings + desc->present) = true;
	return load_value(load, desc, node, at, option_value(desc, settings));
}

static void require(const struct option_load *load, const struct option_desc *table,
		    const struct node *node, const char *path)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		if (desc->type == OPTION_INCLUDE)
			require(load, desc->table, node, path);
		else if ((desc->flags & OPTION_REQUIRED) && !node_member(node, desc->name))
			problems_add(load->problems, load->doc->file, node->line, node->column,
				     path, "missing required key '%s'", desc->name);
	}
}

static int load_mapping(const struct option_load *load, const struct option_desc *table,
			const struct node *node, const char *path, void *settings)
{
	for (size_t i = 0; i < node->children_n && !load->problems->more; i++) {
		int r = load_member(load, table, node, &node->children[i], path, settings);

		if (r < 0)
			return r;
	}
	require(load, table, node, path);
	return 0;
}

int options_load(const struct option_desc *table, const struct doc *doc, const struct node *node,
		 const char *path, void *settings, struct problems *problems)
{
	const struct option_load load = { .doc = doc, .problems = problems };
	size_t before = problems->n;
	bool more = problems->more;
	int r;

	problems->more = false;
	r = options_defaults(table, settings);
	if (r == 0 && node) {
		if (node->kind == NODE_TABLE)
			r = load_mapping(&load, table, node, path, settings);
		else if (!node_is_null(node))
			option_complain_kind(&load, node, path, "a table (key: value)");
	}
	if (r == 0 && (problems->n > before || problems->more))
		r = -EINVAL;
	problems->more |= more;
	return r;
}
