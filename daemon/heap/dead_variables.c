/*
 * Variables that no function can use any more
 *
 * Contexts are a forest by what is above each: all that a function reaches are on the way from its
 * own to a root. So with contexts numbered in preorder, the functions that reach one have theirs
 * in one range.
 */

#include "heap/dead_variables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/allowance.h"
#include "heap/v8_scopes.h"
#include "util/array.h"
#include "util/buf.h"
#include "util/err.h"

enum {
	NONE = UINT32_MAX,
	FIRST_N = 1024,
	/* Scopes around each other, of a snapshot that is not damaged. */
	NESTED_MAX = 10000,
};

/* By their first letters, as kinds of strings. */
enum { OTHER, CONTEXT, FUNCTION_INFO };

struct context {
	uint32_t node, scope_info;
	uint32_t above; /* in contexts; NONE */
	uint32_t first, end; /* of the preorder: its own, and behind those below */
};

struct closure {
	uint32_t scope; /* of the tables */
	uint32_t at; /* in the preorder */
};

/* The script of a function's scope, or of one around it. */
struct owner {
	uint32_t scope_info, script;
};

struct walk {
	const struct heap_graph *graph;
	const struct v8_scopes *scopes;
	uint8_t *kind; /* owned: by string */
	uint32_t scope_info, above, shared, context, script, scope_id, name_or_scope_info,
		outer_scope_info, value, integer; /* strings */
	struct context *contexts; /* owned: by node, then by scope_info */
	size_t contexts_n, contexts_capacity;
	struct closure *closures; /* owned: by scope, then in preorder */
	size_t closures_n, closures_capacity;
	struct owner *owners; /* owned: by scope_info */
	size_t owners_n, owners_capacity;
	uint32_t *closures_first; /* owned: by scope of the tables, one more */
	uint32_t *seen; /* owned: by scope of the tables: for which variable it was, + 1 */
	struct heap_stack users; /* owned: scopes with closures that may use a variable */
	uint64_t steps_left; /* from scopes to those around them, of all */
	struct heap_allowance allowance;
	struct err *err; /* borrowed */
	bool ids_seen; /* a scope tells its number */
};

/* ---- the graph ---- */

static uint32_t target(const struct walk *walk, uint32_t node, uint32_t name)
{
	const struct heap_graph *graph = walk->graph;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		if (heap_edge_kind(graph->edges[i]) == HEAP_INTERNAL && graph->edge_name[i] == name)
			return heap_edge_to(graph->edges[i]);
	}
	return NONE;
}

/* What V8 writes as a node "int" with its value as the name of another. */
static bool integer(const struct walk *walk, uint32_t node, int64_t *ret)
{
	const struct heap_graph *graph = walk->graph;
	uint32_t value;
	const char *text;
	char digits[16], *end;
	size_t size;

	if (node == NONE || graph->type[node] != HEAP_NUMBER || graph->name[node] != walk->integer)
		return false;
	value = target(walk, node, walk->value);
	if (value == NONE || graph->name[value] >= graph->strings.n)
		return false;
	text = heap_string_raw(&graph->strings, graph->name[value], &size);
	if (size == 0 || size >= sizeof(digits))
		return false;
	memcpy(digits, text, size);
	digits[size] = '\0';
	*ret = strtoll(digits, &end, 10);
	return *end == '\0';
}

/* Of this script, in the tables; V8_NO_SCOPE. */
static int64_t scope_of(struct walk *walk, uint32_t node, uint32_t script)
{
	int64_t id;

	if (!integer(walk, target(walk, node, walk->scope_id), &id))
		return V8_NO_SCOPE;
	walk->ids_seen = true;
	return v8_scopes_find(walk->scopes, script, (uint32_t)id);
}

static uint8_t kind_of(const struct heap_strings *strings, uint32_t string)
{
	static const char contexts[] = "system / Context / ";
	static const char functions[] = "system / SharedFunctionInfo";
	size_t size;
	const char *raw = heap_string_raw(strings, string, &size);

	if (size >= sizeof(contexts) - 1 && memcmp(raw, contexts, sizeof(contexts) - 1) == 0)
		return CONTEXT;
	if (size == sizeof(contexts) - 4 && memcmp(raw, contexts, size) == 0)
		return CONTEXT;
	return size >= sizeof(functions) - 1 && memcmp(raw, functions, sizeof(functions) - 1) == 0
		       ? FUNCTION_INFO
		       : OTHER;
}

static uint8_t kind(const struct walk *walk, uint32_t node)
{
	uint32_t name = walk->graph->name[node];

	return name < walk->graph->strings.n ? walk->kind[name] : (uint8_t)OTHER;
}

/* ---- memory ---- */

/* So many bytes for good. 0; -EFBIG, with err set. */
static int take(struct walk *walk, uint64_t bytes)
{
	int r = heap_allowance_check(&walk->allowance, bytes, walk->err);

	walk->allowance.taken += r == 0 ? bytes : 0;
	return r;
}

/* What qsort() of glibc takes meanwhile. */
static int may_sort(const struct walk *walk, size_t n, size_t size)
{
	return heap_allowance_check(&walk->allowance, n * size, walk->err);
}

/* As array_room(), whose old array is there until it was copied. 0; -ENOMEM; -EFBIG. */
static int room(struct walk *walk, void **items, size_t n, size_t *capacity, size_t size)
{
	size_t before = *capacity, more = before > 0 ? before * 2 : FIRST_N;
	void *grown;
	int r;

	if (n < before)
		return 0;
	r = heap_allowance_check(&walk->allowance, more * size, walk->err);
	if (r < 0)
		return r;
	grown = array_room(*items, n, capacity, FIRST_N, size);
	if (grown == NULL)
		return -ENOMEM;
	*items = grown;
	walk->allowance.taken += (*capacity - before) * size;
	return 0;
}

/* ---- gathering ---- */

static int add_context(struct walk *walk, uint32_t node)
{
	void *items = walk->contexts;
	int r = room(walk, &items, walk->contexts_n, &walk->contexts_capacity,
		     sizeof(*walk->contexts));

	if (r < 0)
		return r;
	walk->contexts = items;
	walk->contexts[walk->contexts_n++] =
		(struct context){ .node = node,
				  .scope_info = target(walk, node, walk->scope_info) };
	return 0;
}

/* at: its context's node, until contexts have their numbers. */
static int add_closure(struct walk *walk, uint32_t node)
{
	uint32_t shared = target(walk, node, walk->shared);
	uint32_t context = target(walk, node, walk->context);
	uint32_t script = shared != NONE ? target(walk, shared, walk->script) : NONE;
	void *items = walk->closures;
	int64_t scope;
	int r;

	if (context == NONE || script == NONE)
		return 0;
	scope = scope_of(walk, shared, script);
	if (scope == V8_NO_SCOPE)
		return 0;
	r = room(walk, &items, walk->closures_n, &walk->closures_capacity, sizeof(*walk->closures));
	if (r < 0)
		return r;
	walk->closures = items;
	walk->closures[walk->closures_n++] = (struct closure){ (uint32_t)scope, context };
	return 0;
}

static int add_owner(struct walk *walk, uint32_t node)
{
	uint32_t scope_info = target(walk, node, walk->name_or_scope_info);
	uint32_t script = target(walk, node, walk->script);
	void *items = walk->owners;
	int r;

	if (scope_info == NONE || script == NONE)
		return 0;
	r = room(walk, &items, walk->owners_n, &walk->owners_capacity, sizeof(*walk->owners));
	if (r < 0)
		return r;
	walk->owners = items;
	walk->owners[walk->owners_n++] = (struct owner){ scope_info, script };
	return 0;
}

static int gather(struct walk *walk)
{
	int r = 0;

	for (uint32_t node = 0; node < walk->graph->nodes && r == 0; node++) {
		switch (kind(walk, node)) {
		case CONTEXT:
			r = add_context(walk, node);
			break;
		case FUNCTION_INFO:
			r = add_owner(walk, node);
			break;
		default:
			if (walk->graph->type[node] == HEAP_CLOSURE)
				r = add_closure(walk, node);
			break;
		}
	}
	return r;
}

static int by_owner(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	if (x->scope_info != y->scope_info)
		return x->scope_info < y->scope_info ? -1 : 1;
	return x->script < y->script ? -1 : x->script > y->script;
}

/* ---- the forest ---- */

/* Contexts are by node here. */
static uint32_t find_context(const struct walk *walk, uint32_t node)
{
	size_t low = 0, high = walk->contexts_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (walk->contexts[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low < walk->contexts_n && walk->contexts[low].node == node ? (uint32_t)low : NONE;
}

/*
 * Down from the roots; next: those below the same one. What goes round in a damaged file gets no
 * number, and nothing is below it.
 */
static void number(struct context *contexts, size_t n, const uint32_t *below, const uint32_t *next)
{
	uint32_t count = 0;

	for (uint32_t root = 0; root < n; root++) {
		uint32_t at = root;

		if (contexts[root].above != NONE)
			continue;
		contexts[at].first = count++;
		for (;;) {
			uint32_t down = below[at];

			while (down == NONE && at != root) {
				contexts[at].end = count;
				down = next[at];
				at = contexts[at].above;
			}
			if (down == NONE)
				break;
			at = down;
			contexts[at].first = count++;
		}
		contexts[root].end = count;
	}
}

static int make_forest(struct walk *walk)
{
	size_t n = walk->contexts_n;
	int r = heap_allowance_check(&walk->allowance, (n + 1) * 2 * sizeof(uint32_t), walk->err);
	uint32_t *below, *next;
	bool made;

	if (r < 0)
		return r;
	below = calloc(n + 1, sizeof(*below));
	next = calloc(n + 1, sizeof(*next));
	made = below != NULL && next != NULL;
	for (size_t i = 0; made && i < n; i++)
		below[i] = next[i] = NONE;
	for (uint32_t i = 0; made && i < n; i++) {
		struct context *context = &walk->contexts[i];
		uint32_t above = target(walk, context->node, walk->above);

		context->above = above != NONE ? find_context(walk, above) : NONE;
		context->first = context->end = NONE;
		if (context->above == NONE)
			continue;
		next[i] = below[context->above];
		below[context->above] = i;
	}
	if (made)
		number(walk->contexts, n, below, next);
	free(below);
	free(next);
	return made ? 0 : -ENOMEM;
}

static int by_scope(const void *a, const void *b)
{
	const struct closure *x = a, *y = b;

	if (x->scope != y->scope)
		return x->scope < y->scope ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Those whose context has no number go last in their scope, where none looks. */
static int place_closures(struct walk *walk)
{
	size_t i = 0;
	int r;

	for (size_t k = 0; k < walk->closures_n; k++) {
		uint32_t context = find_context(walk, walk->closures[k].at);

		walk->closures[k].at = context != NONE ? walk->contexts[context].first : NONE;
	}
	r = may_sort(walk, walk->closures_n, sizeof(*walk->closures));
	if (r == 0)
		r = take(walk, ((uint64_t)walk->scopes->n + 1) * 2 * sizeof(uint32_t));
	if (r < 0)
		return r;
	if (walk->closures_n > 1)
		qsort(walk->closures, walk->closures_n, sizeof(*walk->closures), by_scope);
	walk->closures_first = calloc((size_t)walk->scopes->n + 1, sizeof(uint32_t));
	walk->seen = calloc((size_t)walk->scopes->n + 1, sizeof(uint32_t));
	if (walk->closures_first == NULL || walk->seen == NULL)
		return -ENOMEM;
	for (uint32_t scope = 0; scope <= walk->scopes->n; scope++) {
		while (i < walk->closures_n && walk->closures[i].scope < scope)
			i++;
		walk->closures_first[scope] = (uint32_t)i;
	}
	return 0;
}

/* ---- what is used ---- */

static bool reaches(const struct walk *walk, uint32_t scope, const struct context *context)
{
	size_t low = walk->closures_first[scope], end = walk->closures_first[scope + 1];
	size_t high = end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (walk->closures[middle].at < context->first)
			low = middle + 1;
		else
			high = middle;
	}
	return low < end && walk->closures[low].at < context->end;
}

/* The scopes that use it and those around them: a function of these can make one of those. */
static int find_users(struct walk *walk, uint32_t variable)
{
	const struct v8_scopes *scopes = walk->scopes;
	uint32_t low = 0, high = scopes->uses_n;
	int r = 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (scopes->uses[middle].variable < variable)
			low = middle + 1;
		else
			high = middle;
	}
	walk->users.n = 0;
	for (; low < scopes->uses_n && scopes->uses[low].variable == variable && r == 0; low++) {
		int64_t at = scopes->uses[low].scope;

		for (; at != V8_NO_SCOPE && walk->seen[at] != variable + 1 && r == 0;
		     at = scopes->items[at].parent) {
			walk->seen[at] = variable + 1;
			if (walk->closures_first[at] < walk->closures_first[at + 1])
				r = heap_stack_push(&walk->users, (uint32_t)at);
		}
	}
	return r;
}

static bool is_used(const struct walk *walk, const struct context *context)
{
	for (size_t i = 0; i < walk->users.n; i++) {
		if (reaches(walk, walk->users.items[i], context))
			return true;
	}
	return false;
}

/* ---- by scopes ---- */

static uint32_t script_of(struct walk *walk, uint32_t scope_info)
{
	for (int left = NESTED_MAX; scope_info != NONE && left > 0 && walk->steps_left > 0;
	     left--) {
		size_t low = 0, high = walk->owners_n;

		while (low < high) {
			size_t middle = low + (high - low) / 2;

			if (walk->owners[middle].scope_info <= scope_info)
				low = middle + 1;
			else
				high = middle;
		}
		if (low > 0 && walk->owners[low - 1].scope_info == scope_info)
			return walk->owners[low - 1].script;
		scope_info = target(walk, scope_info, walk->outer_scope_info);
		walk->steps_left--;
	}
	return NONE;
}

/* The value of this variable in a context; NONE: null is not told. */
static uint32_t value_of(const struct walk *walk, const struct context *context, uint32_t name)
{
	const struct heap_graph *graph = walk->graph;

	for (uint32_t i = graph->edge_first[context->node];
	     i < graph->edge_first[context->node + 1]; i++) {
		if (heap_edge_kind(graph->edges[i]) == HEAP_CONTEXT && graph->edge_name[i] == name)
			return heap_edge_to(graph->edges[i]);
	}
	return NONE;
}

static void count(struct heap_dead_variable *item, const struct heap_analysis *analysis,
		  uint32_t context, uint32_t value)
{
	uint64_t retained = analysis->retained[value];

	if (item->contexts == 0 || retained > analysis->retained[item->value]) {
		item->example = context;
		item->value = value;
	}
	item->contexts++;
	item->retained += retained;
	if (analysis->dominators.dominator[value] == context)
		item->alone += retained;
}

static int add(struct walk *walk, struct heap_dead_variables *dead,
	       const struct heap_dead_variable *item)
{
	void *items = dead->items;
	int r = room(walk, &items, dead->n, &dead->capacity, sizeof(*item));

	if (r < 0)
		return r;
	dead->items = items;
	dead->items[dead->n++] = *item;
	return 0;
}

/* Contexts [from, end) are of one scope. */
static int look_at(struct heap_dead_variables *ret, const struct heap_analysis *analysis,
		   struct walk *walk, size_t from, size_t end)
{
	uint32_t scope_info = walk->contexts[from].scope_info;
	uint32_t script = script_of(walk, scope_info);
	int64_t scope = script != NONE ? scope_of(walk, scope_info, script) : V8_NO_SCOPE;
	uint32_t variables = scope != V8_NO_SCOPE ? walk->scopes->items[scope].variables : 0;
	int r = 0;

	for (uint32_t i = 0; i < variables && r == 0; i++) {
		uint32_t variable = walk->scopes->items[scope].first + i;
		struct heap_dead_variable item = { .scope_info = scope_info,
						   .script = script,
						   .name = walk->scopes->names.items[variable] };

		r = find_users(walk, variable);
		for (size_t k = from; k < end && r == 0; k++) {
			uint32_t value = value_of(walk, &walk->contexts[k], item.name);

			if (value != NONE && !is_used(walk, &walk->contexts[k]))
				count(&item, analysis, walk->contexts[k].node, value);
		}
		if (r == 0 && item.contexts > 0)
			r = add(walk, ret, &item);
	}
	return r;
}

static int by_scope_info(const void *a, const void *b)
{
	const struct context *x = a, *y = b;

	if (x->scope_info != y->scope_info)
		return x->scope_info < y->scope_info ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static int by_bytes(const void *a, const void *b)
{
	const struct heap_dead_variable *x = a, *y = b;

	if (x->alone != y->alone)
		return x->alone > y->alone ? -1 : 1;
	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	if (x->scope_info != y->scope_info)
		return x->scope_info < y->scope_info ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static int look_at_all(struct heap_dead_variables *ret, const struct heap_analysis *analysis,
		       struct walk *walk)
{
	struct context *contexts = walk->contexts;
	int r = may_sort(walk, walk->contexts_n, sizeof(*contexts));

	if (r < 0)
		return r;
	if (walk->contexts_n > 1)
		qsort(contexts, walk->contexts_n, sizeof(*contexts), by_scope_info);
	for (size_t i = 0, end; i < walk->contexts_n && r == 0; i = end) {
		for (end = i + 1;
		     end < walk->contexts_n && contexts[end].scope_info == contexts[i].scope_info;)
			end++;
		if (contexts[i].scope_info != NONE)
			r = look_at(ret, analysis, walk, i, end);
	}
	if (r == 0)
		r = may_sort(walk, ret->n, sizeof(*ret->items));
	if (r == 0 && ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_bytes);
	return r;
}

/* ---- all of it ---- */

/* users: no more than there are scopes, and of the array that grows the old one. */
static int walk_init(struct walk *ret, const struct heap_graph *graph,
		     const struct v8_scopes *scopes, uint64_t memory_max, struct err *err)
{
	uint64_t users = 3 * ((uint64_t)scopes->n + FIRST_N) * sizeof(uint32_t);
	const struct heap_strings *strings = &graph->strings;

	*ret = (struct walk){
		.graph = graph,
		.scopes = scopes,
		.scope_info = heap_string_find(strings, "scope_info"),
		.above = heap_string_find(strings, "previous"),
		.shared = heap_string_find(strings, "shared"),
		.context = heap_string_find(strings, "context"),
		.script = heap_string_find(strings, "script"),
		.scope_id = heap_string_find(strings, "scope_id"),
		.name_or_scope_info = heap_string_find(strings, "name_or_scope_info"),
		.outer_scope_info = heap_string_find(strings, "outer_scope_info"),
		.value = heap_string_find(strings, "value"),
		.integer = heap_string_find(strings, "int"),
		.steps_left = (uint64_t)graph->nodes * 16 + NESTED_MAX,
		.allowance = { "dead variables", memory_max, 0 },
		.err = err,
	};
	int r = take(ret, strings->n + users);

	if (r < 0)
		return r;
	ret->kind = heap_alloc(strings->n, 1);
	if (ret->kind == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < strings->n; i++)
		ret->kind[i] = kind_of(strings, i);
	return 0;
}

static void walk_fini(struct walk *walk)
{
	heap_free(walk->kind, walk->graph->strings.n, 1);
	free(walk->contexts);
	free(walk->closures);
	free(walk->owners);
	free(walk->closures_first);
	free(walk->seen);
	heap_stack_fini(&walk->users);
}

int heap_dead_variables_find(struct heap_dead_variables *ret, const struct heap_analysis *analysis,
			     const struct v8_scopes *scopes, uint64_t memory_max, struct err *err)
{
	struct walk walk;
	int r;

	*ret = (struct heap_dead_variables){ .why = HEAP_VARIABLES_NONE };
	if (scopes->n == 0 || analysis->graph.foreign)
		return 0;
	r = walk_init(&walk, &analysis->graph, scopes, memory_max, err);
	r = r == 0 ? gather(&walk) : r;
	r = r == 0 ? may_sort(&walk, walk.owners_n, sizeof(*walk.owners)) : r;
	if (r == 0 && walk.owners_n > 1)
		qsort(walk.owners, walk.owners_n, sizeof(*walk.owners), by_owner);
	r = r == 0 ? make_forest(&walk) : r;
	r = r == 0 ? place_closures(&walk) : r;
	r = r == 0 ? look_at_all(ret, analysis, &walk) : r;
	ret->why = walk.ids_seen ? HEAP_VARIABLES_KNOWN : HEAP_VARIABLES_REDACTED;
	walk_fini(&walk);
	return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}

void heap_dead_variables_fini(struct heap_dead_variables *dead)
{
	free(dead->items);
	*dead = (struct heap_dead_variables){ .n = 0 };
}

uint32_t heap_dead_variable_start(const struct heap_graph *graph,
				  const struct heap_dead_variable *item)
{
	const struct walk walk = {
		.graph = graph,
		.value = heap_string_find(&graph->strings, "value"),
		.integer = heap_string_find(&graph->strings, "int"),
	};
	uint32_t name = heap_string_find(&graph->strings, "start_position");
	int64_t start;

	return integer(&walk, target(&walk, item->scope_info, name), &start) && start >= 0 &&
			       start < UINT32_MAX
		       ? (uint32_t)start
		       : UINT32_MAX;
}

void heap_dead_variable_script(const struct heap_graph *graph, uint32_t script, struct buf *buf)
{
	static const char begin[] = "system / Script / ";
	const struct walk walk = { .graph = graph };
	uint32_t url, name = graph->name[script];

	if (heap_string_begins(&graph->strings, name, begin)) {
		struct buf text;

		buf_init(&text, SIZE_MAX / 2);
		heap_string_put(&graph->strings, name, &text);
		if (text.size > sizeof(begin) - 1)
			buf_append(buf, text.data + sizeof(begin) - 1,
				   text.size - (sizeof(begin) - 1));
		buf_fini(&text);
	}
	if (buf->size > 0)
		return;
	url = target(&walk, script, heap_string_find(&graph->strings, "source_url"));
	if (url != NONE)
		heap_node_name(graph, url, buf);
}
