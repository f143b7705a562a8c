/*
 * Shapes of plain objects: which one an object is of
 *
 * Only properties that occur in a shape are looked at; for each set of them that was met the answer
 * is kept, so that the shapes are gone through once for it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/shapes.h"
#include "util/buf.h"
#include "util/map.h"

enum { SLOTS_FIRST = 4096 };

/* A set of properties, in `sets` of the memo, and the shape for it. */
struct answer {
	uint64_t hash;
	size_t first;
	uint32_t n, shape;
};

struct apply {
	const struct heap_shapes *shapes;
	const struct heap_graph *graph;
	uint32_t *numbers; /* by string: the property + 1 */
	struct heap_stack set; /* of the object at hand */
	struct heap_stack sets;
	struct answer *slots; /* owned; n = 0 and shape = 0: free */
	size_t slots_n, used;
};

static int number_strings(struct apply *apply)
{
	const struct heap_strings *strings = &apply->graph->strings;
	const struct heap_shapes *shapes = apply->shapes;
	struct map map;
	struct buf buf;
	int r = 0;

	if (shapes->graph == apply->graph) {
		for (uint32_t i = 0; i < shapes->properties_n; i++)
			apply->numbers[shapes->names[i]] = i + 1;
		return 0;
	}
	map_init(&map);
	buf_init(&buf, SIZE_MAX / 2);
	for (uint32_t i = 0; i < shapes->properties_n && r == 0; i++)
		r = map_put(&map, shapes->properties[i], &shapes->properties[i]);
	r = r == -EEXIST ? 0 : r;
	for (uint32_t i = 0; i < strings->n && r == 0; i++) {
		char **found;

		buf_clear(&buf);
		heap_string_put(strings, i, &buf);
		if (buf_text(&buf) == NULL) {
			r = -ENOMEM;
			break;
		}
		found = map_get(&map, buf_text(&buf));
		if (found != NULL)
			apply->numbers[i] = (uint32_t)(found - shapes->properties) + 1;
	}
	buf_fini(&buf);
	map_fini(&map);
	return r;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int set_of(struct apply *apply, uint32_t node, uint64_t *ret_hash)
{
	const struct heap_graph *graph = apply->graph;
	uint32_t end = graph->edge_first[node + 1];
	int r = 0;

	apply->set.n = 0;
	for (uint32_t i = graph->edge_first[node]; i < end && r == 0; i++) {
		if (heap_edge_kind(graph->edges[i]) == HEAP_PROPERTY &&
		    apply->numbers[graph->edge_name[i]] != 0)
			r = heap_stack_push(&apply->set, apply->numbers[graph->edge_name[i]] - 1);
	}
	if (apply->set.n > 1)
		qsort(apply->set.items, apply->set.n, sizeof(uint32_t), ascending);
	*ret_hash = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < apply->set.n; i++) {
		*ret_hash = (*ret_hash ^ apply->set.items[i]) * 0xff51afd7ed558ccd;
		*ret_hash ^= *ret_hash >> 32;
	}
	return r;
}

static bool has_all(const struct heap_stack *set, const struct heap_shape *shape)
{
	size_t at = 0;

	for (uint32_t i = 0; i < shape->n; i++, at++) {
		while (at < set->n && set->items[at] < shape->properties[i])
			at++;
		if (at == set->n || set->items[at] != shape->properties[i])
			return false;
	}
	return true;
}

static uint32_t choose(const struct apply *apply)
{
	const struct heap_shapes *shapes = apply->shapes;
	uint32_t best = HEAP_NO_SHAPE, most = 0;

	for (uint32_t i = 0; i < shapes->n; i++) {
		if (shapes->items[i].n > most && has_all(&apply->set, &shapes->items[i])) {
			best = i + 1;
			most = shapes->items[i].n;
		}
	}
	return best;
}

static int grow(struct apply *apply)
{
	size_t slots_n = apply->slots_n > 0 ? apply->slots_n * 2 : SLOTS_FIRST;
	struct answer *slots = calloc(slots_n, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < apply->slots_n; i++) {
		size_t at = apply->slots[i].hash & (slots_n - 1);

		if (apply->slots[i].n == 0)
			continue;
		while (slots[at].n != 0)
			at = (at + 1) & (slots_n - 1);
		slots[at] = apply->slots[i];
	}
	free(apply->slots);
	apply->slots = slots;
	apply->slots_n = slots_n;
	return 0;
}

static struct answer *slot_of(const struct apply *apply, uint64_t hash)
{
	size_t at = hash & (apply->slots_n - 1);
	struct answer *slot = &apply->slots[at];

	while (slot->n != 0 && (slot->hash != hash || slot->n != apply->set.n ||
				memcmp(apply->sets.items + slot->first, apply->set.items,
				       slot->n * sizeof(uint32_t)) != 0)) {
		at = (at + 1) & (apply->slots_n - 1);
		slot = &apply->slots[at];
	}
	return slot;
}

static int shape_of(struct apply *apply, uint32_t node, uint32_t *ret)
{
	struct answer *slot;
	uint64_t hash;
	int r = set_of(apply, node, &hash);

	*ret = HEAP_NO_SHAPE;
	if (r < 0 || apply->set.n == 0)
		return r;
	if (apply->used * 2 >= apply->slots_n && grow(apply) < 0)
		return -ENOMEM;
	slot = slot_of(apply, hash);
	if (slot->n == 0) {
		*slot = (struct answer){ hash, apply->sets.n, (uint32_t)apply->set.n,
					 choose(apply) };
		apply->used++;
		for (size_t i = 0; i < apply->set.n && r == 0; i++)
			r = heap_stack_push(&apply->sets, apply->set.items[i]);
	}
	*ret = slot->shape;
	return r;
}

int heap_shapes_apply(const struct heap_shapes *shapes, const struct heap_graph *graph,
		      heap_shape_fn *fn, void *owner)
{
	uint32_t object = heap_string_find(&graph->strings, "Object");
	struct apply apply = {
		.shapes = shapes,
		.graph = graph,
		.numbers = heap_alloc((size_t)graph->strings.n + 1, sizeof(uint32_t)),
	};
	int r = apply.numbers == NULL ? -ENOMEM : number_strings(&apply);

	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		uint32_t shape;

		if (graph->type[node] != HEAP_OBJECT || graph->name[node] != object)
			continue;
		r = shape_of(&apply, node, &shape);
		if (r == 0)
			r = fn(owner, node, shape);
	}
	heap_stack_fini(&apply.set);
	heap_stack_fini(&apply.sets);
	heap_free(apply.numbers, (size_t)graph->strings.n + 1, sizeof(uint32_t));
	free(apply.slots);
	return r;
}
