/*
 * The head of a V8 heap snapshot
 */

#include "heap/v8_head.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "heap/v8_walk.h"
#include "json/tree.h"
#include "util/err.h"
#include "util/str.h"

static const char *const type_names[HEAP_TYPES] = {
	[HEAP_HIDDEN] = "hidden",
	[HEAP_ARRAY] = "array",
	[HEAP_STRING] = "string",
	[HEAP_OBJECT] = "object",
	[HEAP_CODE] = "code",
	[HEAP_CLOSURE] = "closure",
	[HEAP_REGEXP] = "regexp",
	[HEAP_NUMBER] = "number",
	[HEAP_NATIVE] = "native",
	[HEAP_SYNTHETIC] = "synthetic",
	[HEAP_CONS_STRING] = "concatenated string",
	[HEAP_SLICED_STRING] = "sliced string",
};

static const char *const kind_names[] = {
	[HEAP_CONTEXT] = "context",   [HEAP_ELEMENT] = "element",    [HEAP_PROPERTY] = "property",
	[HEAP_INTERNAL] = "internal", [HEAP_EDGE_HIDDEN] = "hidden", [HEAP_SHORTCUT] = "shortcut",
	[HEAP_WEAK] = "weak",
};

enum { KINDS = sizeof(kind_names) / sizeof(kind_names[0]) };

static unsigned position(const char *const *names, unsigned n, const char *name)
{
	unsigned i = 0;

	while (i < n && strcmp(names[i], name) != 0)
		i++;
	return i;
}

/* The number of fields; *ret of the one with this name. */
static unsigned field(const struct tree *fields, const char *name, unsigned *ret)
{
	size_t n = tree_size(fields);
	const char *text;

	*ret = V8_NO_FIELD;
	if (!tree_is_array(fields) || n > V8_FIELDS_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (tree_string(tree_at(fields, i), NULL, &text) && strcmp(text, name) == 0)
			*ret = (unsigned)i;
	}
	return (unsigned)n;
}

static int missing(struct err *err, const char *what)
{
	return err_set(err, -EBADMSG, "not the head of a V8 heap snapshot: %s", what);
}

static int node_fields(struct v8_head *head, const struct tree *root, struct err *err)
{
	const struct tree *fields = tree_get(root, "meta.node_fields");
	struct v8_node_fields *node = &head->node;

	node->n = field(fields, "type", &node->type);
	field(fields, "name", &node->name);
	field(fields, "id", &node->id);
	field(fields, "self_size", &node->self_size);
	field(fields, "edge_count", &node->edge_count);
	field(fields, "detachedness", &node->detachedness);
	field(fields, "trace_node_id", &node->call);
	if (node->n == 0 || node->type == V8_NO_FIELD || node->name == V8_NO_FIELD ||
	    node->id == V8_NO_FIELD || node->self_size == V8_NO_FIELD ||
	    node->edge_count == V8_NO_FIELD)
		return missing(err,
			       "meta.node_fields lacks type, name, id, self_size or edge_count");
	return 0;
}

static int edge_fields(struct v8_head *head, const struct tree *root, struct err *err)
{
	const struct tree *fields = tree_get(root, "meta.edge_fields");
	struct v8_edge_fields *edge = &head->edge;

	edge->n = field(fields, "type", &edge->type);
	field(fields, "name_or_index", &edge->name);
	field(fields, "to_node", &edge->to);
	if (edge->n == 0 || edge->type == V8_NO_FIELD || edge->name == V8_NO_FIELD ||
	    edge->to == V8_NO_FIELD)
		return missing(err, "meta.edge_fields lacks type, name_or_index or to_node");
	return 0;
}

static void location_fields(struct v8_head *head, const struct tree *root)
{
	const struct tree *fields = tree_get(root, "meta.location_fields");
	struct v8_location_fields *location = &head->location;

	location->n = field(fields, "object_index", &location->object);
	field(fields, "script_id", &location->script);
	field(fields, "line", &location->line);
	field(fields, "column", &location->column);
	field(fields, "script_object_index", &location->script_object);
	if (location->object == V8_NO_FIELD || location->script == V8_NO_FIELD ||
	    location->line == V8_NO_FIELD || location->column == V8_NO_FIELD)
		location->n = 0;
}

static void scope_fields(struct v8_head *head, const struct tree *root)
{
	const struct tree *fields = tree_get(root, "meta.scope_fields");
	const struct tree *variable = tree_get(root, "meta.scope_context_var_fields");
	const struct tree *use = tree_get(root, "meta.scope_use_fields");
	struct v8_scope_fields *scope = &head->scope;

	scope->n = field(fields, "script_node_index", &scope->script);
	field(fields, "scope_id", &scope->id);
	field(fields, "depth", &scope->depth);
	field(fields, "scope_context_vars_count", &scope->variables);
	field(fields, "scope_uses_count", &scope->uses);
	scope->variable_n = field(variable, "name", &scope->name);
	scope->use_n = field(use, "declaring_scope_id", &scope->declaring);
	field(use, "slot_index", &scope->slot);
	if (scope->script == V8_NO_FIELD || scope->id == V8_NO_FIELD ||
	    scope->depth == V8_NO_FIELD || scope->variables == V8_NO_FIELD ||
	    scope->uses == V8_NO_FIELD || scope->name == V8_NO_FIELD ||
	    scope->declaring == V8_NO_FIELD || scope->slot == V8_NO_FIELD)
		scope->n = 0;
}

/* The calls that a call makes are the last of its numbers. */
static void trace_fields(struct v8_head *head, const struct tree *root)
{
	const struct tree *function = tree_get(root, "meta.trace_function_info_fields");
	const struct tree *call = tree_get(root, "meta.trace_node_fields");
	struct v8_trace_fields *trace = &head->trace;
	uint64_t functions = 0;
	unsigned children;

	trace->n = field(function, "name", &trace->name);
	field(function, "script_name", &trace->script_name);
	field(function, "script_id", &trace->script);
	field(function, "line", &trace->line);
	field(function, "column", &trace->column);
	trace->call_n = field(call, "children", &children);
	field(call, "id", &trace->id);
	field(call, "function_info_index", &trace->function);
	field(call, "count", &trace->count);
	field(call, "size", &trace->size);
	if (!tree_uint(root, "trace_function_count", &functions) || functions == 0 ||
	    head->node.call == V8_NO_FIELD || trace->name == V8_NO_FIELD ||
	    trace->script_name == V8_NO_FIELD || trace->script == V8_NO_FIELD ||
	    trace->line == V8_NO_FIELD || trace->column == V8_NO_FIELD ||
	    trace->id == V8_NO_FIELD || trace->function == V8_NO_FIELD ||
	    trace->count == V8_NO_FIELD || trace->size == V8_NO_FIELD ||
	    children + 1 != trace->call_n)
		trace->n = 0;
}

static int node_types(struct v8_head *head, const struct tree *root, struct err *err)
{
	const struct tree *types = tree_at(tree_get(root, "meta.node_types"), head->node.type);
	unsigned extra = HEAP_TYPES;
	const char *name;

	for (unsigned i = 0; i < HEAP_TYPES; i++)
		str_copy(head->type_names[i], HEAP_TYPE_NAME_MAX, type_names[i]);
	head->node_types_n = (unsigned)tree_size(types);
	if (head->node_types_n == 0 || head->node_types_n > HEAP_TYPES_MAX - HEAP_TYPES)
		return missing(err, "meta.node_types has no list of types");
	for (unsigned i = 0; i < head->node_types_n; i++) {
		unsigned type;

		if (!tree_string(tree_at(types, i), NULL, &name))
			return missing(err, "meta.node_types has one that is no text");
		type = position(type_names, HEAP_TYPES, name);
		if (type == HEAP_TYPES) {
			type = extra++;
			str_copy(head->type_names[type], HEAP_TYPE_NAME_MAX, name);
		}
		head->node_types[i] = (uint8_t)type;
	}
	return 0;
}

/* One of a name that is not known here has a text for a name and keeps what it leads to. */
static int edge_kinds(struct v8_head *head, const struct tree *root, struct err *err)
{
	const struct tree *types = tree_at(tree_get(root, "meta.edge_types"), head->edge.type);
	const char *name;

	head->edge_kinds_n = (unsigned)tree_size(types);
	if (head->edge_kinds_n == 0 || head->edge_kinds_n > HEAP_TYPES_MAX)
		return missing(err, "meta.edge_types has no list of types");
	for (unsigned i = 0; i < head->edge_kinds_n; i++) {
		unsigned kind;

		if (!tree_string(tree_at(types, i), NULL, &name))
			return missing(err, "meta.edge_types has one that is no text");
		kind = position(kind_names, KINDS, name);
		head->edge_kinds[i] = (uint8_t)(kind < KINDS ? kind : HEAP_INTERNAL);
	}
	return 0;
}

static int counts(struct v8_head *head, const struct tree *root, struct err *err)
{
	uint64_t root_index = 0;

	if (!tree_uint(root, "node_count", &head->nodes) ||
	    !tree_uint(root, "edge_count", &head->edges))
		return missing(err, "no node_count or edge_count");
	if (head->nodes == 0)
		return missing(err, "node_count is 0");
	tree_uint(root, "root_index", &root_index);
	tree_uint(root, "extra_native_bytes", &head->extra_native_bytes);
	if (root_index % head->node.n != 0 || root_index / head->node.n >= head->nodes)
		return missing(err, "root_index is of no node");
	head->root = root_index / head->node.n;
	return 0;
}

/* text is the object behind "snapshot". The reason does not name the place. */
static int parse(struct v8_head *ret, const char *text, size_t size, struct err *err)
{
	struct tree *root;
	struct err why;
	int r = tree_parse(text, size, &root, &why);

	if (r < 0)
		return err_set(err, r, "%s", why.text);
	*ret = (struct v8_head){ .nodes = 0 };
	r = node_fields(ret, root, err);
	if (r == 0)
		r = edge_fields(ret, root, err);
	if (r == 0)
		r = node_types(ret, root, err);
	if (r == 0)
		r = edge_kinds(ret, root, err);
	if (r == 0)
		r = counts(ret, root, err);
	location_fields(ret, root);
	scope_fields(ret, root);
	trace_fields(ret, root);
	tree_free(root);
	return r;
}

int v8_head_read(struct v8_head *ret, struct v8_walk *walk, struct err *err)
{
	uint64_t first = walk->at;
	int r = v8_walk_skip(walk, err);
	struct err why;

	if (r < 0)
		return r;
	r = parse(ret, walk->text->data + first, (size_t)(walk->at - first), &why);
	return r == 0 ? 0
		      : err_set(err, r, "section \"snapshot\", byte %" PRIu64 ": %s", first,
				why.text);
}
