/*
 * What an object holds
 */

#include "heap/leaks_parts.h"

#include <errno.h>

void leaks_view_fini(struct leaks_view *view)
{
	heap_stack_fini(&view->parts);
}

static bool is_backing(const struct heap_graph *graph, uint32_t node)
{
	return graph->type[node] == HEAP_NATIVE && graph->name[node] < graph->strings.n &&
	       heap_string_begins(&graph->strings, graph->name[node], "HeapVectorBacking");
}

static bool is_context(const struct heap_graph *graph, uint32_t node)
{
	return graph->name[node] < graph->strings.n &&
	       heap_string_begins(&graph->strings, graph->name[node], "system / Context");
}

bool leaks_is_part(const struct leaks_view *view, uint32_t node)
{
	uint8_t type = view->graph->type[node];

	if (type == HEAP_HIDDEN)
		return !is_context(view->graph, node);
	return type == HEAP_ARRAY || (type == HEAP_NATIVE && is_backing(view->graph, node));
}

bool leaks_is_holder(const struct leaks_view *view, uint32_t node)
{
	uint8_t type = view->graph->type[node];

	if (node == view->graph->root)
		return false;
	return type == HEAP_OBJECT || type == HEAP_CLOSURE ||
	       ((type == HEAP_NATIVE || type == HEAP_HIDDEN) && !leaks_is_part(view, node));
}

bool leaks_is_thing(const struct leaks_view *view, uint32_t node)
{
	uint8_t type = view->graph->type[node];

	return type != HEAP_CODE && type != HEAP_SYNTHETIC && type < HEAP_TYPES;
}

static void enter(struct leaks_view *view, uint32_t node)
{
	view->next = view->tree->first[node];
	view->end = view->tree->first[node + 1];
}

void leaks_parts_begin(struct leaks_view *view, uint32_t holder)
{
	view->parts.n = 0;
	enter(view, holder);
}

int leaks_parts_next(struct leaks_view *view, uint32_t *ret)
{
	for (;;) {
		uint32_t kid;

		if (view->next == view->end) {
			if (view->parts.n == 0)
				return 0;
			enter(view, view->parts.items[--view->parts.n]);
			continue;
		}
		kid = view->tree->kids[view->next++];
		if (!leaks_is_part(view, kid)) {
			*ret = kid;
			return 1;
		}
		if (heap_stack_push(&view->parts, kid) < 0)
			return -ENOMEM;
	}
}
