/*
 * What an object holds
 */

#include "heap/leaks_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"

void leaks_view_fini(struct leaks_view *view)
{
	heap_stack_fini(&view->parts);
}

int leaks_add(struct heap_leaks *leaks, const struct heap_suspect *suspect)
{
	struct heap_suspect *items =
		array_room(leaks->items, leaks->n, &leaks->capacity, 32, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	leaks->items = items;
	leaks->items[leaks->n++] = *suspect;
	return 0;
}

bool leaks_in_each_step(const struct leaks_view *view, const struct heap_suspect *suspect)
{
	uint64_t least = suspect->bytes / HEAP_LEAK_STEP_SHARE;

	return view->pasts_n < 2 ||
	       (suspect->last_bytes >= least && suspect->bytes - suspect->last_bytes >= least);
}

/*
 * Blink's collections and their storage: "blink::HeapVector<...>", "blink::BasicHeapVector<...>",
 * "HeapHashTableBacking<...>".
 */
static bool is_collection(const struct heap_graph *graph, uint32_t node)
{
	static const char *const begins[] = { "blink::Heap", "blink::BasicHeap", "Heap" };
	const char *raw;
	size_t size;

	if (graph->name[node] >= graph->strings.n)
		return false;
	raw = heap_string_raw(&graph->strings, graph->name[node], &size);
	if (memchr(raw, '<', size) == NULL)
		return false;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		if (size > strlen(begins[i]) && memcmp(raw, begins[i], strlen(begins[i])) == 0)
			return true;
	}
	return false;
}

/* Of V8, or as other engines' scopes are called here; Gecko's keep their names. */
bool leaks_is_context(const struct heap_graph *graph, uint32_t node)
{
	static const char *const begins[] = { "system / Context", "system / JSLexicalEnvironment",
					      "LexicalEnvironment", "CallObject",
					      "BlockLexicalEnvironment" };
	uint32_t name = graph->name[node];

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		if (heap_string_begins(&graph->strings, name, begins[i]))
			return true;
	}
	return false;
}

bool leaks_is_part(const struct leaks_view *view, uint32_t node)
{
	uint8_t type = view->graph->type[node];

	if (type == HEAP_HIDDEN)
		return !leaks_is_context(view->graph, node);
	return type == HEAP_ARRAY || (type == HEAP_NATIVE && is_collection(view->graph, node));
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

	if (type == HEAP_STRING || type == HEAP_CONS_STRING || type == HEAP_SLICED_STRING ||
	    type == HEAP_NUMBER)
		return view->tree->via[node] != 0;
	return type != HEAP_CODE && type != HEAP_SYNTHETIC && type < HEAP_TYPES;
}

/* Beside the number of a node on the stack. */
enum { PART_SHARED = 1 << 30 };

static void enter(struct leaks_view *view, uint32_t item)
{
	uint32_t node = item & ~(uint32_t)PART_SHARED;

	view->next = view->tree->first[node];
	view->end = view->tree->first[node + 1];
	view->shared = (item & PART_SHARED) != 0;
}

void leaks_parts_begin(struct leaks_view *view, uint32_t holder)
{
	view->parts.n = 0;
	view->own = (struct leaks_own){ .shared = 0 };
	enter(view, holder);
}

/* What neither the holder refers to, nor a part of it that it does, its children share. */
static int take_part(struct leaks_view *view, uint32_t part)
{
	bool shared = view->shared || view->tree->via[part] == 0;

	if (shared)
		view->own.shared += heap_size(view->graph, part);
	for (size_t i = 0; i < view->pasts_n && !shared; i++)
		view->own.before[i] += view->pasts[i].self[part];
	return heap_stack_push(&view->parts, part | (shared ? PART_SHARED : 0));
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
		if (take_part(view, kid) < 0)
			return -ENOMEM;
	}
}
