/*
 * Redaction: the head of a snapshot, which says what the columns of its arrays mean
 */

#include <errno.h>
#include <string.h>

#include "json/tree.h"
#include "pipeline/redact_parts.h"

enum { WORD_MAX = 64 };

struct type_rule {
	const char *type;
	struct name_rule rule;
};

/* Node types that are not here are blanked, edge types that are not here name nothing. */
static const struct type_rule node_rules[] = {
	{ "hidden", { NAME_MARK, NAMED_BY_HEAP } },
	{ "array", { NAME_MARK, NAMED_BY_HEAP } },
	{ "synthetic", { NAME_MARK, NAMED_BY_HEAP } },
	{ "object shape", { NAME_MARK, NAMED_BY_HEAP } },
	{ "wasm object", { NAME_MARK, NAMED_BY_HEAP } },
	{ "native", { NAME_MARK, NAMED_BY_NATIVE } },
	{ "object", { NAME_MARK, NAMED_BY_OBJECT } },
	{ "closure", { NAME_MARK, NAMED_BY_CLOSURE } },
	{ "code", { NAME_MARK, NAMED_BY_CODE } },
	{ NULL, { NAME_BLANK, 0 } },
};

static const struct type_rule edge_rules[] = {
	{ "context", { NAME_MARK, NAMED_BY_EDGE } },
	{ "internal", { NAME_MARK, NAMED_BY_EDGE } },
	{ "shortcut", { NAME_MARK, NAMED_BY_EDGE } },
	{ "weak", { NAME_MARK, NAMED_BY_EDGE } },
	{ "property", { NAME_PROPERTY, NAMED_BY_PROPERTY } },
	{ "element", { NAME_ELEMENT, 0 } },
	{ NULL, { NAME_IGNORE, 0 } },
};

static const char *word_at(const struct tree *array, size_t i)
{
	const char *word;

	return tree_string(tree_at(array, i), NULL, &word) ? word : "";
}

static int column_of(const struct tree *fields, const char *name)
{
	for (size_t i = 0; i < tree_size(fields); i++) {
		if (strcmp(word_at(fields, i), name) == 0)
			return (int)i;
	}
	return -1;
}

/* Fields of an array of rows: 0 when there are none, which is fine for those V8 may leave out. */
static bool set_columns(struct redact_rows *rows, const struct tree *fields)
{
	size_t n = tree_size(fields);

	if (n > REDACT_COLUMNS_MAX)
		return false;
	rows->columns = (unsigned)n;
	rows->type_column = -1;
	rows->rows_n = UINT64_MAX;
	return true;
}

static struct name_rule rule_of(const struct type_rule *rules, const char *type)
{
	while (rules->type != NULL && strcmp(rules->type, type) != 0)
		rules++;
	return rules->rule;
}

/* Nodes and edges: a type says what the name behind it is. */
static bool set_typed(struct redact_rows *rows, const struct tree *fields, const char *name,
		      const struct tree *types, const struct type_rule *rules)
{
	size_t n = tree_size(types);
	int type_column = column_of(fields, "type"), name_column = column_of(fields, name);

	if (!set_columns(rows, fields) || type_column < 0 || name_column < type_column || n == 0 ||
	    n > REDACT_TYPES_MAX)
		return false;
	rows->type_column = type_column;
	rows->name_columns = 1u << name_column;
	rows->types_n = (unsigned)n;
	for (size_t i = 0; i < n; i++)
		rows->rules[i] = rule_of(rules, word_at(types, i));
	return true;
}

static void set_name(struct redact_rows *rows, const struct tree *fields, const char *name,
		     enum name_mark mark)
{
	int column = column_of(fields, name);

	if (column < 0)
		return;
	rows->name_columns |= 1u << column;
	rows->rules[column] = (struct name_rule){ NAME_MARK, (uint8_t)mark };
}

static bool set_arrays(struct redact *redact, const struct tree *head)
{
	const struct tree *meta = tree_get(head, "meta");
	const struct tree *functions = tree_get(meta, "trace_function_info_fields");
	const struct tree *variables = tree_get(meta, "scope_context_var_fields");
	struct redact_rows *arrays = redact->arrays;

	if (!set_typed(&arrays[REDACT_NODES], tree_get(meta, "node_fields"), "name",
		       tree_at(tree_get(meta, "node_types"), 0), node_rules) ||
	    !set_typed(&arrays[REDACT_EDGES], tree_get(meta, "edge_fields"), "name_or_index",
		       tree_at(tree_get(meta, "edge_types"), 0), edge_rules) ||
	    !set_columns(&arrays[REDACT_FUNCTIONS], functions) ||
	    !set_columns(&arrays[REDACT_VARIABLES], variables))
		return false;
	tree_uint(head, "node_count", &arrays[REDACT_NODES].rows_n);
	tree_uint(head, "edge_count", &arrays[REDACT_EDGES].rows_n);
	set_name(&arrays[REDACT_FUNCTIONS], functions, "name", NAMED_BY_CLOSURE);
	set_name(&arrays[REDACT_FUNCTIONS], functions, "script_name", NAMED_BY_CODE);
	set_name(&arrays[REDACT_VARIABLES], variables, "name", NAMED_BY_EDGE);
	return true;
}

/* The head goes on as it is: it may hold the words of the format and numbers, no prose. */
static bool is_word(const char *text, size_t size)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyz0123456789_ ";

	return size <= WORD_MAX && strspn(text, fine) >= size;
}

static bool has_words_only(const char *text)
{
	const char *quote = strchr(text, '"');

	while (quote != NULL) {
		const char *end = strchr(quote + 1, '"');

		if (end == NULL || !is_word(quote + 1, (size_t)(end - quote - 1)))
			return false;
		quote = strchr(end + 1, '"');
	}
	return true;
}

int redact_head(struct redact *redact)
{
	const char *text = buf_text(&redact->held);
	struct tree *head;
	bool good;
	int r;

	if (text == NULL)
		return redact->held.error == -ENOMEM
			       ? -ENOMEM
			       : redact_refuse(redact, "its head is too long");
	if (!has_words_only(text))
		return redact_refuse(redact, "its head holds other text than names of fields");
	r = tree_parse(text, redact->held.size, &head, NULL);
	if (r != 0)
		return r == -ENOMEM ? r : redact_refuse(redact, "its head is no JSON");
	good = set_arrays(redact, head);
	tree_free(head);
	return good ? 0 : redact_refuse(redact, "its head lacks the fields of nodes or edges");
}
