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

struct heap_shaper {
	const struct heap_shapes *shapes;
	const struct heap_graph *graph;
	uint32_t object; /* the string "Object" */
	uint32_t *numbers; /* owned, by string: the property + 2; NO_PROPERTY; 0: not known yet */
	struct map by_text; /* to the property, where the graph is another one's */
	struct buf text;
	struct heap_stack set; /* of the object at hand */
	struct heap_stack sets;
	struct answer *slots; /* owned; n = 0 and shape = 0: free */
	size_t slots_n, used;
};

enum { NO_PROPERTY = 1, FIRST_PROPERTY };

/* By their strings, or by their texts, which are asked for as they are met. */
static int number_properties(struct heap_shaper *shaper)
{
	const struct heap_shapes *shapes = shaper->shapes;
	int r = 0;

	for (uint32_t i = 0; i < shapes->properties_n && r == 0; i++) {
		if (shapes->graph == shaper->graph)
			shaper->numbers[shapes->names[i]] = i + FIRST_PROPERTY;
		else
			r = map_put(&shaper->by_text, shapes->properties[i],
				    &shapes->properties[i]);
		r = r == -EEXIST ? 0 : r;
	}
	return r;
}

static int find_property(struct heap_shaper *shaper, uint32_t string)
{
	char **found;

	shaper->numbers[string] = NO_PROPERTY;
	if (shaper->shapes->graph == shaper->graph)
		return 0;
	buf_clear(&shaper->text);
	heap_string_put(&shaper->graph->strings, string, &shaper->text);
	if (buf_text(&shaper->text) == NULL)
		return -ENOMEM;
	found = map_get(&shaper->by_text, buf_text(&shaper->text));
	if (found != NULL)
		shaper->numbers[string] =
			(uint32_t)(found - shaper->shapes->properties) + FIRST_PROPERTY;
	return 0;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int set_of(struct heap_shaper *shaper, uint32_t node, uint64_t *ret_hash)
{
	const struct heap_graph *graph = shaper->graph;
	uint32_t end = graph->edge_first[node + 1];
	int r = 0;

	shaper->set.n = 0;
	for (uint32_t i = graph->edge_first[node]; i < end && r == 0; i++) {
		uint32_t string = graph->edge_name[i];

		if (heap_edge_kind(graph->edges[i]) != HEAP_PROPERTY)
			continue;
		if (shaper->numbers[string] == 0)
			r = find_property(shaper, string);
		if (r == 0 && shaper->numbers[string] >= FIRST_PROPERTY)
			r = heap_stack_push(&shaper->set, shaper->numbers[string] - FIRST_PROPERTY);
	}
	if (shaper->set.n > 1)
		qsort(shaper->set.items, shaper->set.n, sizeof(uint32_t), ascending);
	*ret_hash = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < shaper->set.n; i++) {
		*ret_hash = (*ret_hash ^ shaper->set.items[i]) * 0xff51afd7ed558ccd;
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

static uint32_t choose(const struct heap_shaper *shaper)
{
	const struct heap_shapes *shapes = shaper->shapes;
	uint32_t best = HEAP_NO_SHAPE, most = 0;

	for (uint32_t i = 0; i < shapes->n; i++) {
		if (shapes->items[i].n > most && has_all(&shaper->set, &shapes->items[i])) {
			best = i + 1;
			most = shapes->items[i].n;
		}
	}
	return best;
}

static int grow(struct heap_shaper *shaper)
{
	size_t slots_n = shaper->slots_n > 0 ? shaper->slots_n * 2 : SLOTS_FIRST;
	struct answer *slots = calloc(slots_n, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < shaper->slots_n; i++) {
		size_t at = shaper->slots[i].hash & (slots_n - 1);

		if (shaper->slots[i].n == 0)
			continue;
		while (slots[at].n != 0)
			at = (at + 1) & (slots_n - 1);
		slots[at] = shaper->slots[i];
	}
	free(shaper->slots);
	shaper->slots = slots;
	shaper->slots_n = slots_n;
	return 0;
}

static struct answer *slot_of(const struct heap_shaper *shaper, uint64_t hash)
{
	size_t at = hash & (shaper->slots_n - 1);
	struct answer *slot = &shaper->slots[at];

	while (slot->n != 0 && (slot->hash != hash || slot->n != shaper->set.n ||
				memcmp(shaper->sets.items + slot->first, shaper->set.items,
				       slot->n * sizeof(uint32_t)) != 0)) {
		at = (at + 1) & (shaper->slots_n - 1);
		slot = &shaper->slots[at];
	}
	return slot;
}

static int shape_of(struct heap_shaper *shaper, uint32_t node, uint32_t *ret)
{
	struct answer *slot;
	uint64_t hash;
	int r = set_of(shaper, node, &hash);

	*ret = HEAP_NO_SHAPE;
	if (r < 0 || shaper->set.n == 0)
		return r;
	if (shaper->used * 2 >= shaper->slots_n && grow(shaper) < 0)
		return -ENOMEM;
	slot = slot_of(shaper, hash);
	if (slot->n == 0) {
		*slot = (struct answer){ hash, shaper->sets.n, (uint32_t)shaper->set.n,
					 choose(shaper) };
		shaper->used++;
		for (size_t i = 0; i < shaper->set.n && r == 0; i++)
			r = heap_stack_push(&shaper->sets, shaper->set.items[i]);
	}
	*ret = slot->shape;
	return r;
}

static bool is_plain(const struct heap_shaper *shaper, uint32_t node)
{
	return shaper->graph->type[node] == HEAP_OBJECT &&
	       shaper->graph->name[node] == shaper->object;
}

struct heap_shaper *heap_shaper_new(const struct heap_shapes *shapes,
				    const struct heap_graph *graph)
{
	struct heap_shaper *shaper = calloc(1, sizeof(*shaper));

	if (shaper == NULL)
		return NULL;
	shaper->shapes = shapes;
	shaper->graph = graph;
	shaper->object = heap_string_find(&graph->strings, "Object");
	shaper->numbers = heap_alloc((size_t)graph->strings.n + 1, sizeof(uint32_t));
	map_init(&shaper->by_text);
	buf_init(&shaper->text, SIZE_MAX / 2);
	if (shaper->numbers != NULL && number_properties(shaper) == 0)
		return shaper;
	heap_shaper_free(shaper);
	return NULL;
}

int heap_shaper_ask(struct heap_shaper *shaper, uint32_t node, uint32_t *ret)
{
	int r;

	if (!is_plain(shaper, node))
		return 0;
	r = shape_of(shaper, node, ret);
	return r == 0 ? 1 : r;
}

void heap_shaper_free(struct heap_shaper *shaper)
{
	if (shaper == NULL)
		return;
	heap_free(shaper->numbers, (size_t)shaper->graph->strings.n + 1, sizeof(uint32_t));
	map_fini(&shaper->by_text);
	buf_fini(&shaper->text);
	heap_stack_fini(&shaper->set);
	heap_stack_fini(&shaper->sets);
	free(shaper->slots);
	free(shaper);
}

int heap_shapes_apply(const struct heap_shapes *shapes, const struct heap_graph *graph,
		      heap_shape_fn *fn, void *owner)
{
	struct heap_shaper *shaper = heap_shaper_new(shapes, graph);
	int r = shaper == NULL ? -ENOMEM : 0;

	for (uint32_t node = 0; r == 0 && node < graph->nodes; node++) {
		uint32_t shape;

		if (!is_plain(shaper, node))
			continue;
		r = shape_of(shaper, node, &shape);
		if (r == 0)
			r = fn(owner, node, shape);
	}
	heap_shaper_free(shaper);
	return r;
}
