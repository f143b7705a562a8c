/*
 * What may hold that to which nothing leads
 *
 * A table has three words for an entry of a map (key, value, the next one) and two for one of a
 * set, and then its buckets.
 */

#include "heap/leaks_room.h"

#include <stddef.h>

enum { WORD_BYTES = 8 };

static const struct {
	const char *class;
	uint64_t entry_bytes; /* at the least */
} kinds[] = {
	{ "Map", 3 * WORD_BYTES },
	{ "Set", 2 * WORD_BYTES },
};

/* 0: it is none of these. */
static uint64_t entry_bytes(const struct heap_graph *graph, uint32_t node)
{
	if (graph->type[node] != HEAP_OBJECT)
		return 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (heap_string_is(&graph->strings, graph->name[node], kinds[i].class))
			return kinds[i].entry_bytes;
	}
	return 0;
}

/* How many entries there is room for, at the most: bytes of a table may have gone to what has it.
 */
static uint64_t room_of(const struct heap_graph *graph, uint32_t node)
{
	uint64_t entry = entry_bytes(graph, node), bytes = heap_size(graph, node);

	for (uint32_t i = graph->edge_first[node]; entry > 0 && i < graph->edge_first[node + 1];
	     i++) {
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (heap_edge_kind(graph->edges[i]) == HEAP_INTERNAL &&
		    (graph->type[to] == HEAP_HIDDEN || graph->type[to] == HEAP_ARRAY))
			bytes += heap_size(graph, to);
	}
	return entry > 0 ? bytes / entry : 0;
}

static void add(struct heap_suspect *suspect, uint32_t node)
{
	if (suspect->may_n < HEAP_LEAK_MAY_MAX)
		suspect->may[suspect->may_n] = node;
	suspect->may_n++;
}

/* It was there when the first came. */
static bool is_old(const struct leaks_view *view, uint32_t node)
{
	for (size_t i = 0; i < view->pasts_n; i++) {
		if (view->pasts[i].retained[node] == HEAP_NEW)
			return false;
	}
	return true;
}

static void look_at(struct heap_leaks *leaks, const struct leaks_view *view, uint32_t node)
{
	uint64_t room = room_of(view->graph, node);

	if (room == 0 || !is_old(view, node))
		return;
	for (size_t i = 0; i < leaks->n; i++) {
		struct heap_suspect *suspect = &leaks->items[i];

		if (suspect->kind == HEAP_LEAK_UNREACHED && suspect->all <= room)
			add(suspect, node);
	}
}

/* The one that only this may hold; of several that which has most bytes. */
static struct heap_suspect *held_by(struct heap_leaks *leaks, uint32_t node)
{
	struct heap_suspect *ret = NULL;

	for (size_t i = 0; i < leaks->n; i++) {
		struct heap_suspect *suspect = &leaks->items[i];

		if (suspect->kind == HEAP_LEAK_UNREACHED && suspect->may_n == 1 &&
		    suspect->may[0] == node && (ret == NULL || suspect->bytes > ret->bytes))
			ret = suspect;
	}
	return ret;
}

/* The table of what has come to hold it is a part of the same leak. */
static void fold(struct heap_leaks *leaks)
{
	size_t kept = 0;

	for (size_t i = 0; i < leaks->n; i++) {
		struct heap_suspect *own = &leaks->items[i], *held = NULL;

		if (own->kind == HEAP_LEAK_OWN)
			held = held_by(leaks, own->holder);
		if (held == NULL)
			continue;
		held->bytes += own->bytes;
		held->last_bytes += own->last_bytes;
		own->bytes = 0;
	}
	for (size_t i = 0; i < leaks->n; i++) {
		if (leaks->items[i].bytes > 0)
			leaks->items[kept++] = leaks->items[i];
	}
	leaks->n = kept;
}

void leaks_room(struct heap_leaks *leaks, const struct leaks_view *view)
{
	bool any = false;

	for (size_t i = 0; i < leaks->n; i++)
		any |= leaks->items[i].kind == HEAP_LEAK_UNREACHED;
	for (uint32_t node = 0; any && node < view->graph->nodes; node++)
		look_at(leaks, view, node);
	fold(leaks);
}
