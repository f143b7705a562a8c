/*
 * Redaction of hostile bytes. However they are cut, the verdict is the same and so is the result;
 * what was JSON is JSON afterwards, with as many nodes, edges and strings; a node of strings names
 * entry 0, and an entry has text only when something names it that may keep its name; elements that
 * stand together are numbered as they stand, at the higher level.
 *
 * The first byte is the size of the pieces, the second the level.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "pipeline/redact.h"
#include "pipeline/stage.h"
#include "sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(struct sink *sink, enum redact_level level, const uint8_t *data, size_t size,
	       size_t step)
{
	struct stage *stage;

	sink_init(sink);
	must(redact_new(&stage, level, NULL, &sink->stage) == 0);
	return sink_run(stage, data, size, step);
}

/* ---- what the input says, by an ordinary parser ---- */

struct table {
	const struct tree *rows, *types; /* types: NULL when every row names a string */
	size_t columns, type, name;
};

static size_t column_of(const struct tree *fields, const char *name)
{
	const char *field;

	for (size_t i = 0; i < tree_size(fields); i++) {
		if (tree_string(tree_at(fields, i), NULL, &field) && strcmp(field, name) == 0)
			return i;
	}
	return SIZE_MAX;
}

static struct table table_of(const struct tree *root, const char *rows, const char *fields,
			     const char *types, const char *name)
{
	const struct tree *columns = tree_get(root, fields);

	return (struct table){
		.rows = tree_get(root, rows),
		.types = types == NULL ? NULL : tree_at(tree_get(root, types), 0),
		.columns = tree_size(columns),
		.type = column_of(columns, "type"),
		.name = column_of(columns, name),
	};
}

static uint64_t cell(const struct table *table, size_t row, size_t column)
{
	uint64_t value = UINT64_MAX;

	tree_uint(tree_at(table->rows, row * table->columns + column), NULL, &value);
	return value;
}

static size_t rows_of(const struct table *table)
{
	return table->columns == 0 || table->name == SIZE_MAX
		       ? 0
		       : tree_size(table->rows) / table->columns;
}

static bool may_keep(const struct table *table, size_t row)
{
	static const char *const kept[] = { "hidden", "array",   "synthetic",   "object shape",
					    "native", "object",  "wasm object", "closure",
					    "code",   "context", "internal",    "shortcut",
					    "weak",   "property" };
	const char *type;

	if (table->types == NULL)
		return true;
	if (!tree_string(tree_at(table->types, (size_t)cell(table, row, table->type)), NULL, &type))
		return false;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (strcmp(kept[i], type) == 0)
			return true;
	}
	return false;
}

static bool names(const struct table *table, uint64_t index)
{
	for (size_t row = 0; row < rows_of(table); row++) {
		if (cell(table, row, table->name) == index && may_keep(table, row))
			return true;
	}
	return false;
}

static void check_strings(const struct tree *in, const struct tree *out)
{
	const struct table tables[] = {
		table_of(in, "nodes", "snapshot.meta.node_fields", "snapshot.meta.node_types",
			 "name"),
		table_of(in, "edges", "snapshot.meta.edge_fields", "snapshot.meta.edge_types",
			 "name_or_index"),
		table_of(in, "trace_function_infos", "snapshot.meta.trace_function_info_fields",
			 NULL, "name"),
		table_of(in, "trace_function_infos", "snapshot.meta.trace_function_info_fields",
			 NULL, "script_name"),
		table_of(in, "scope_context_vars", "snapshot.meta.scope_context_var_fields", NULL,
			 "name"),
	};
	const struct tree *strings = tree_get(out, "strings");
	const char *text;

	for (size_t i = 1; i < tree_size(strings); i++) {
		bool named = false;

		must(tree_string(tree_at(strings, i), NULL, &text));
		for (size_t j = 0; j < sizeof(tables) / sizeof(tables[0]) && !named; j++)
			named = names(&tables[j], i);
		must(named || text[0] == '\0');
	}
}

static void check_nodes(const struct tree *in, const struct tree *out)
{
	struct table nodes = table_of(in, "nodes", "snapshot.meta.node_fields",
				      "snapshot.meta.node_types", "name");
	struct table done = nodes;

	done.rows = tree_get(out, "nodes");
	for (size_t row = 0; row < rows_of(&nodes); row++) {
		uint64_t name = may_keep(&nodes, row) ? cell(&nodes, row, nodes.name) : 0;

		must(cell(&done, row, nodes.name) == name);
	}
}

static bool is_element(const struct table *edges, size_t row)
{
	const char *type;

	return tree_string(tree_at(edges->types, (size_t)cell(edges, row, edges->type)), NULL,
			   &type) &&
	       strcmp(type, "element") == 0;
}

static void check_elements(const struct tree *out)
{
	struct table edges = table_of(out, "edges", "snapshot.meta.edge_fields",
				      "snapshot.meta.edge_types", "name_or_index");
	uint64_t number = 0;

	for (size_t row = 0; row < rows_of(&edges); row++) {
		bool element = is_element(&edges, row);

		must(!element || cell(&edges, row, edges.name) == number);
		number = element ? number + 1 : 0;
	}
}

static void check_document(enum redact_level level, const char *in, size_t in_size, const char *out,
			   size_t out_size)
{
	static const char *const arrays[] = { "nodes", "edges", "strings" };
	struct tree *before, *after;

	if (tree_parse(in, in_size, &before, NULL) != 0)
		return;
	must(tree_parse(out, out_size, &after, NULL) == 0);
	for (size_t i = 0; i < 3; i++)
		must(tree_size(tree_get(before, arrays[i])) ==
		     tree_size(tree_get(after, arrays[i])));
	check_nodes(before, after);
	check_strings(before, after);
	if (level == REDACT_ALL)
		check_elements(after);
	tree_free(before);
	tree_free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sink whole, parts;
	enum redact_level level;
	int r;

	if (size < 2)
		return 0;
	level = data[1] & 1 ? REDACT_ALL : REDACT_STRINGS;
	r = run(&whole, level, data + 2, size - 2, SIZE_MAX / 2);
	must(run(&parts, level, data + 2, size - 2, (size_t)data[0] + 1) == r);
	if (r == 0) {
		must(sink_same(&whole, &parts));
		check_document(level, (const char *)data + 2, size - 2, whole.out.data,
			       whole.out.size);
	}
	sink_fini(&whole);
	sink_fini(&parts);
	return 0;
}
