/*
 * Gecko's classes
 */

#include "heap/gecko_class.h"

#include <errno.h>

#include "heap/gecko_text.h"
#include "heap/import.h"
#include "util/buf.h"

enum type {
	OBJECT,
	STRING,
	SYMBOL,
	BIGINT,
	SHAPE_FIRST,
	SHAPE_LAST = SHAPE_FIRST + 2,
	CODE_FIRST,
	CODE_LAST = CODE_FIRST + 4,
};

static const char *const types[GECKO_TYPES] = {
	[OBJECT] = "JSObject",
	[STRING] = "JSString",
	[SYMBOL] = "JS::Symbol",
	[BIGINT] = "JS::BigInt",
	[SHAPE_FIRST] = "js::Shape",
	"js::BaseShape",
	"js::PropMap",
	[CODE_FIRST] = "js::BaseScript",
	"js::jit::JitCode",
	"js::Scope",
	"JSScript",
	"js::LazyScript",
};

enum class {
	PLAIN, /* of any constructor of the program */
	FUNCTION,
	BOUND_FUNCTION,
	REGEXP,
	GLOBAL_FIRST,
	GLOBAL_LAST = GLOBAL_FIRST + 1,
	SCOPE_FIRST,
	SCOPE_LAST = SCOPE_FIRST + 4,
};

static const char *const class_names[GECKO_CLASSES] = {
	[PLAIN] = "Object",
	[FUNCTION] = "Function",
	[BOUND_FUNCTION] = "BoundFunctionObject",
	[REGEXP] = "RegExp",
	[GLOBAL_FIRST] = "Window",
	"BackstagePass",
	[SCOPE_FIRST] = "CallObject",
	"LexicalEnvironment",
	"ModuleEnvironmentObject",
	"BlockLexicalEnvironmentObject",
	"NonSyntacticVariablesObject",
};

enum edge { EDGE_SHAPE, EDGE_BASE, EDGE_PROTO, EDGE_CONSTRUCTOR };

static const char *const edge_names[GECKO_EDGES] = { "shape", "base", "baseshape_proto",
						     "constructor" };

static int put_all(struct heap_names *names, const char *const *texts, size_t n, uint32_t *ret)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		ret[i] = UINT32_MAX;
		if (texts[i] != NULL)
			r = heap_names_put_text(names, "", texts[i], &ret[i]);
	}
	return r;
}

int gecko_classes_init(struct gecko_classes *classes, struct heap_names *names)
{
	classes->names = names;
	if (put_all(names, types, GECKO_TYPES, classes->types) < 0 ||
	    put_all(names, class_names, GECKO_CLASSES, classes->classes) < 0 ||
	    put_all(names, edge_names, GECKO_EDGES, classes->edges) < 0 ||
	    heap_names_put_text(names, "", "(string)", &classes->string) < 0 ||
	    heap_names_put_text(names, "", "symbol", &classes->symbol) < 0 ||
	    heap_names_put_text(names, "", "bigint", &classes->bigint) < 0)
		return -ENOMEM;
	return 0;
}

static size_t index_of(const uint32_t *names, size_t n, uint32_t name)
{
	size_t i = 0;

	while (i < n && (names[i] != name || name == UINT32_MAX))
		i++;
	return i;
}

bool gecko_class_is_global(const struct gecko_classes *classes, uint32_t class)
{
	size_t i = index_of(classes->classes, GECKO_CLASSES, class);

	return i >= GLOBAL_FIRST && i <= GLOBAL_LAST;
}

bool gecko_class_is_scope(const struct gecko_classes *classes, uint32_t class)
{
	size_t i = index_of(classes->classes, GECKO_CLASSES, class);

	return i >= SCOPE_FIRST && i <= SCOPE_LAST;
}

/* before, the text, and what is behind it. */
static int put_name(const struct gecko_classes *classes, const char *before,
		    const struct gecko_text *wide, const struct gecko_text *narrow,
		    const char *behind, uint32_t *ret)
{
	struct buf buf;
	int r;

	buf_init(&buf, SIZE_MAX / 2);
	buf_puts(&buf, before);
	if (wide != NULL)
		gecko_put_wide(&buf, wide);
	if (wide != NULL && narrow != NULL)
		buf_puts(&buf, " ");
	if (narrow != NULL)
		gecko_put_narrow(&buf, narrow);
	buf_puts(&buf, behind);
	r = gecko_name(classes->names, &buf, ret);
	buf_fini(&buf);
	return r;
}

static void class_object(const struct gecko_classes *classes, const struct gecko_said *said,
			 uint8_t *ret_type, uint32_t *ret_name)
{
	size_t i = index_of(classes->classes, GECKO_CLASSES, said->class);

	*ret_type = i == FUNCTION || i == BOUND_FUNCTION ? HEAP_CLOSURE
		    : i == REGEXP                        ? HEAP_REGEXP
							 : HEAP_OBJECT;
	*ret_name = said->class != UINT32_MAX ? said->class : classes->classes[PLAIN];
}

int gecko_class(const struct gecko_classes *classes, const struct gecko_said *said,
		uint8_t *ret_type, uint32_t *ret_name)
{
	size_t i = index_of(classes->types, GECKO_TYPES, said->type);

	if (i == STRING || i == SYMBOL || i == BIGINT) {
		*ret_type = i == STRING ? HEAP_STRING : i == SYMBOL ? IMPORT_SYMBOL : IMPORT_BIGINT;
		*ret_name = i == STRING   ? classes->string
			    : i == SYMBOL ? classes->symbol
					  : classes->bigint;
		return 0;
	}
	if (i >= CODE_FIRST && i <= CODE_LAST) {
		*ret_type = HEAP_CODE;
		return put_name(classes, "", said->type_text, said->script, "", ret_name);
	}
	if (i < SHAPE_FIRST || i > SHAPE_LAST) {
		if (said->coarse == GECKO_DOM) {
			*ret_type = HEAP_NATIVE;
			return put_name(classes, "<",
					said->described != NULL ? said->described : said->type_text,
					NULL, ">", ret_name);
		}
		if (i == OBJECT) {
			class_object(classes, said, ret_type, ret_name);
			return 0;
		}
	}
	*ret_type = i >= SHAPE_FIRST && i <= SHAPE_LAST ? IMPORT_SHAPE : HEAP_HIDDEN;
	return put_name(classes, "system / ", said->type_text, NULL, "", ret_name);
}

/* ---- constructors ---- */

/* By node, what its reference of that name leads to, + 1; and what a function is called, + 1. */
struct links {
	uint32_t *to[GECKO_EDGES];
	uint32_t *called;
};

/* Classes whose references name what they lead to. */
static bool is_holder(const struct gecko_classes *classes, uint32_t class)
{
	size_t i = index_of(classes->classes, GECKO_CLASSES, class);

	return i == PLAIN || (i >= GLOBAL_FIRST && i <= SCOPE_LAST);
}

static void find_links(const struct gecko_classes *classes, const struct heap_graph *graph,
		       struct links *links)
{
	for (uint32_t node = 0; node < graph->nodes; node++) {
		bool holder =
			graph->type[node] == HEAP_OBJECT && is_holder(classes, graph->name[node]);

		for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
			enum heap_edge_kind kind = heap_edge_kind(graph->edges[i]);
			uint32_t to = heap_edge_to(graph->edges[i]), name = graph->edge_name[i];
			size_t which = kind == HEAP_ELEMENT
					       ? (size_t)GECKO_EDGES
					       : index_of(classes->edges, GECKO_EDGES, name);

			if (which < GECKO_EDGES && links->to[which][node] == 0)
				links->to[which][node] = to + 1;
			if (holder && which == GECKO_EDGES && links->called[to] == 0 &&
			    graph->type[to] == HEAP_CLOSURE &&
			    (kind == HEAP_PROPERTY || kind == HEAP_CONTEXT))
				links->called[to] = name + 1;
		}
	}
}

static uint32_t follow(const struct links *links, uint32_t node)
{
	for (size_t i = 0; i < GECKO_EDGES; i++) {
		uint32_t to = links->to[i][node];

		if (to == 0)
			return 0;
		node = to - 1;
	}
	return links->called[node];
}

static void name_all(const struct gecko_classes *classes, struct heap_graph *graph,
		     const struct links *links)
{
	for (uint32_t node = 0; node < graph->nodes; node++) {
		uint32_t called = graph->type[node] == HEAP_OBJECT &&
						  graph->name[node] == classes->classes[PLAIN]
					  ? follow(links, node)
					  : 0;

		if (called > 0)
			graph->name[node] = called - 1;
	}
}

int gecko_name_objects(const struct gecko_classes *classes, struct heap_graph *graph)
{
	struct links links = { .called = heap_alloc(graph->nodes, sizeof(uint32_t)) };
	bool whole = links.called != NULL;

	for (size_t i = 0; i < GECKO_EDGES; i++) {
		links.to[i] = heap_alloc(graph->nodes, sizeof(uint32_t));
		whole &= links.to[i] != NULL;
	}
	if (whole) {
		find_links(classes, graph, &links);
		name_all(classes, graph, &links);
	}
	for (size_t i = 0; i < GECKO_EDGES; i++)
		heap_free(links.to[i], graph->nodes, sizeof(uint32_t));
	heap_free(links.called, graph->nodes, sizeof(uint32_t));
	return whole ? 0 : -ENOMEM;
}
