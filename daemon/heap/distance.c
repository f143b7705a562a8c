/*
 * Distances
 *
 * Whether a node was reached is asked for each edge, and answered from a set of bits that stays in
 * the cache; its distance is only written.
 */

#include "heap/distance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/v8_rules.h"
#include "util/fnv.h"

enum { WAITING_FIRST = 1024, AHEAD = 8 };

/* Entries of WeakMaps whose first edge was met: hashes of what the names of both have in common. */
struct waiting {
	uint64_t *hashes; /* owned; 0: free; the lowest bit: it waits */
	size_t n, capacity;
};

struct walk {
	const struct heap_graph *graph;
	int32_t *distance;
	uint64_t *seen;
	struct heap_stack queue;
	struct waiting waiting;
	uint32_t native_context, sloppy_map, descriptors; /* strings */
};

static uint64_t hash_of(const char *at, size_t size)
{
	uint64_t hash = fnv1a(FNV1A_FIRST, at, size);

	hash ^= hash >> 29;
	return (hash * 0x9e3779b97f4a7c15) | 2;
}

static uint64_t *slot_of(const struct waiting *waiting, uint64_t hash)
{
	size_t mask = waiting->capacity - 1, i = (size_t)(hash >> 20) & mask;

	while (waiting->hashes[i] != 0 && (waiting->hashes[i] | 1) != hash)
		i = (i + 1) & mask;
	return &waiting->hashes[i];
}

static int grow(struct waiting *waiting)
{
	struct waiting more = {
		.capacity = waiting->capacity > 0 ? waiting->capacity * 2 : WAITING_FIRST,
		.n = waiting->n,
	};

	more.hashes = calloc(more.capacity, sizeof(*more.hashes));
	if (more.hashes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < waiting->capacity; i++) {
		if (waiting->hashes[i] != 0)
			*slot_of(&more, waiting->hashes[i] | 1) = waiting->hashes[i];
	}
	free(waiting->hashes);
	*waiting = more;
	return 0;
}

/* 1 when this is the second edge of an entry, 0 when it is the first; -ENOMEM. */
static int meet(struct walk *walk, uint32_t name)
{
	struct waiting *waiting = &walk->waiting;
	uint64_t table, hash, *slot;
	uint32_t lead = v8_rules_ephemeron(&walk->graph->strings, name, &table);
	size_t size;
	const char *raw = heap_string_raw(&walk->graph->strings, name, &size);

	if (waiting->n * 2 >= waiting->capacity && grow(waiting) < 0)
		return -ENOMEM;
	hash = hash_of(raw + lead, size - lead) | 1;
	slot = slot_of(waiting, hash);
	if (*slot == 0) {
		*slot = hash;
		waiting->n++;
		return 0;
	}
	*slot ^= 1;
	return (*slot & 1) == 0;
}

/* As parseInt(name, 10): false when that gives no number. */
static bool leading_integer(const struct walk *walk, uint32_t edge, int64_t *ret)
{
	const struct heap_strings *strings = &walk->graph->strings;
	const char *at, *end;
	size_t size;
	bool minus = false;

	if (!heap_edge_named(walk->graph->edges[edge])) {
		*ret = walk->graph->edge_name[edge];
		return true;
	}
	at = heap_string_raw(strings, walk->graph->edge_name[edge], &size);
	end = at + size;
	while (at < end && *at == ' ')
		at++;
	if (at < end && (*at == '-' || *at == '+'))
		minus = *at++ == '-';
	if (at == end || (unsigned char)(*at - '0') > 9)
		return false;
	/* More digits than fit say nothing about what is asked. */
	for (*ret = 0; at < end && (unsigned char)(*at - '0') <= 9 && *ret < INT64_MAX / 16; at++)
		*ret = *ret * 10 + (*at - '0');
	*ret = minus ? -*ret : *ret;
	return true;
}

/* parseInt gives NaN where there is no number, and NaN % 3 is not 1. */
static bool is_descriptor_way(const struct walk *walk, uint32_t edge)
{
	int64_t index;

	return !leading_integer(walk, edge, &index) || index < 2 || index % 3 != 1;
}

/* 1 when the edge is a way, 0 when it is none; -ENOMEM. */
static int is_way(struct walk *walk, uint32_t node, uint32_t edge)
{
	const struct heap_graph *graph = walk->graph;
	enum heap_edge_kind kind = heap_edge_kind(graph->edges[edge]);
	uint32_t name = graph->edge_name[edge];

	if (graph->type[node] == HEAP_HIDDEN && name == walk->sloppy_map &&
	    heap_edge_named(graph->edges[edge]) && graph->name[node] == walk->native_context)
		return 0;
	if (graph->type[node] == HEAP_ARRAY && graph->name[node] == walk->descriptors)
		return is_descriptor_way(walk, edge);
	if ((kind == HEAP_INTERNAL || kind == HEAP_HALF) && heap_bit(graph->ephemerons, name))
		return meet(walk, name);
	return 1;
}

static int reach(struct walk *walk, uint32_t node, int32_t distance)
{
	heap_bit_set(walk->seen, node);
	walk->distance[node] = distance;
	return heap_stack_push(&walk->queue, node);
}

static int go_on_from(struct walk *walk, uint32_t node)
{
	const struct heap_graph *graph = walk->graph;
	uint32_t end = graph->edge_first[node + 1];
	int32_t distance = walk->distance[node] + 1;
	int r = 0;

	for (uint32_t i = graph->edge_first[node]; i < end && r == 0; i++) {
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (heap_bit(walk->seen, to) || heap_edge_kind(graph->edges[i]) == HEAP_WEAK)
			continue;
		r = is_way(walk, node, i);
		if (r > 0)
			r = reach(walk, to, distance);
	}
	return r;
}

/* Level by level. What was begun with is in the queue. */
static int go_on(struct walk *walk)
{
	const struct heap_graph *graph = walk->graph;
	int r = 0;

	for (size_t i = 0; i < walk->queue.n && r == 0; i++) {
		if (i + 2 * AHEAD < walk->queue.n)
			__builtin_prefetch(&graph->edge_first[walk->queue.items[i + 2 * AHEAD]]);
		if (i + AHEAD < walk->queue.n) {
			uint32_t soon = walk->queue.items[i + AHEAD];

			__builtin_prefetch(&graph->edges[graph->edge_first[soon]]);
			__builtin_prefetch(&graph->type[soon]);
			__builtin_prefetch(&graph->name[soon]);
			__builtin_prefetch(&walk->distance[soon]);
		}
		r = go_on_from(walk, walk->queue.items[i]);
	}
	walk->queue.n = 0;
	return r;
}

static int walk_all(struct walk *walk)
{
	const struct heap_graph *graph = walk->graph;
	uint32_t end = graph->edge_first[graph->root + 1];
	bool of_program = false;
	int r = 0;

	for (uint32_t i = graph->edge_first[graph->root]; i < end && r == 0; i++) {
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (!v8_rules_user_root(graph, to))
			continue;
		of_program = true;
		if (!heap_bit(walk->seen, to))
			r = reach(walk, to, 1);
	}
	if (r == 0)
		r = go_on(walk);
	if (r == 0)
		r = reach(walk, graph->root, of_program ? HEAP_SYSTEM_DISTANCE : 0);
	return r == 0 ? go_on(walk) : r;
}

int32_t *heap_distances(const struct heap_graph *graph)
{
	struct walk walk = {
		.graph = graph,
		.distance = heap_alloc(graph->nodes, sizeof(int32_t)),
		.seen = heap_bits_alloc(graph->nodes),
		.native_context = heap_string_find(&graph->strings, "system / NativeContext"),
		.sloppy_map = heap_string_find(&graph->strings, "sloppy_function_map"),
		.descriptors = heap_string_find(&graph->strings, "(map descriptors)"),
	};
	int r = walk.distance == NULL || walk.seen == NULL ? -ENOMEM : 0;

	for (uint32_t node = 0; r == 0 && node < graph->nodes; node++)
		walk.distance[node] = HEAP_UNREACHED;
	if (r == 0)
		r = walk_all(&walk);
	heap_bits_free(walk.seen, graph->nodes);
	heap_stack_fini(&walk.queue);
	free(walk.waiting.hashes);
	if (r == 0)
		return walk.distance;
	heap_free(walk.distance, graph->nodes, sizeof(int32_t));
	return NULL;
}
