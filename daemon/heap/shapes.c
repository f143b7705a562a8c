/*
 * Shapes of plain objects: which there are
 */

#include "heap/shapes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/shapes_text.h"
#include "util/buf.h"

enum {
	TEXT_UNITS_MAX = 120, /* of a shape; one property may be longer */
	PROPERTIES_MAX = 128, /* each takes two units at least */
	OBJECTS_MIN = 2,
	SHARE_MIN = 1000, /* one in so many objects at least */
	SLOTS_FIRST = 4096,
};

/* The first properties of an object. */
struct list {
	uint32_t names[PROPERTIES_MAX];
	uint32_t n;
	uint64_t hash;
};

struct candidate {
	uint64_t hash;
	uint32_t node; /* the first that has it */
	uint32_t properties;
	uint32_t count, met; /* met: the how manyeth */
};

struct finder {
	const struct heap_graph *graph;
	uint32_t object, proto; /* strings */
	uint16_t *units; /* by string: + 1, 0: not counted yet */
	struct candidate *items; /* owned */
	uint32_t n, capacity;
	uint32_t *slots; /* owned: candidate + 1 */
	uint32_t slots_n; /* a power of two */
	uint64_t objects;
};

static size_t units_of(struct finder *finder, uint32_t name)
{
	uint16_t *units = &finder->units[name];

	if (*units == 0) {
		size_t n = heap_property_units(&finder->graph->strings, name);

		*units = (uint16_t)((n < UINT16_MAX - 1 ? n : UINT16_MAX - 1) + 1);
	}
	return *units - 1u;
}

static void list_of(struct finder *finder, uint32_t node, struct list *ret)
{
	const struct heap_graph *graph = finder->graph;
	uint32_t end = graph->edge_first[node + 1];
	size_t text = 1;

	ret->n = 0;
	ret->hash = 0x9e3779b97f4a7c15;
	for (uint32_t i = graph->edge_first[node]; i < end; i++) {
		uint32_t name = graph->edge_name[i];
		size_t units;

		if (heap_edge_kind(graph->edges[i]) != HEAP_PROPERTY || name == finder->proto)
			continue;
		units = units_of(finder, name);
		if ((text > 1 && text + units > TEXT_UNITS_MAX) || ret->n == PROPERTIES_MAX)
			break;
		text += units + (ret->n > 0 ? 2 : 0);
		ret->names[ret->n++] = name;
		ret->hash = (ret->hash ^ name) * 0xff51afd7ed558ccd;
		ret->hash ^= ret->hash >> 32;
	}
}

static bool is_equal(struct finder *finder, const struct candidate *candidate,
		     const struct list *list)
{
	struct list other;

	if (candidate->hash != list->hash || candidate->properties != list->n)
		return false;
	list_of(finder, candidate->node, &other);
	return memcmp(other.names, list->names, list->n * sizeof(*list->names)) == 0;
}

static uint32_t *slot_of(struct finder *finder, const struct list *list)
{
	uint32_t mask = finder->slots_n - 1, i = (uint32_t)list->hash & mask;

	while (finder->slots[i] != 0 &&
	       !is_equal(finder, &finder->items[finder->slots[i] - 1], list))
		i = (i + 1) & mask;
	return &finder->slots[i];
}

static int grow(struct finder *finder)
{
	uint32_t slots_n = finder->slots_n > 0 ? finder->slots_n * 2 : SLOTS_FIRST;
	uint32_t *slots = calloc(slots_n, sizeof(*slots));
	struct candidate *items = reallocarray(finder->items, slots_n / 2, sizeof(*finder->items));

	if (items != NULL)
		finder->items = items;
	if (slots == NULL || items == NULL) {
		free(slots);
		return -ENOMEM;
	}
	free(finder->slots);
	finder->slots = slots;
	finder->slots_n = slots_n;
	finder->capacity = slots_n / 2;
	for (uint32_t i = 0; i < finder->n; i++) {
		uint32_t at = (uint32_t)finder->items[i].hash & (slots_n - 1);

		while (slots[at] != 0)
			at = (at + 1) & (slots_n - 1);
		slots[at] = i + 1;
	}
	return 0;
}

static int count(struct finder *finder, uint32_t node)
{
	struct list list;
	uint32_t *slot;

	finder->objects++;
	list_of(finder, node, &list);
	if (list.n == 0)
		return 0;
	if (finder->n == finder->capacity && grow(finder) < 0)
		return -ENOMEM;
	slot = slot_of(finder, &list);
	if (*slot == 0) {
		finder->items[finder->n] =
			(struct candidate){ list.hash, node, list.n, 0, finder->n };
		*slot = ++finder->n;
	}
	finder->items[*slot - 1].count++;
	return 0;
}

static int by_count(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->met < y->met ? -1 : 1;
}

/* ---- candidates to shapes ---- */

static int add_property(struct heap_shapes *shapes, uint32_t *numbers,
			const struct heap_graph *graph, uint32_t name)
{
	struct buf buf;

	if (numbers[name] != 0)
		return 0;
	buf_init(&buf, SIZE_MAX / 2);
	heap_string_put(&graph->strings, name, &buf);
	if (buf_text(&buf) == NULL) {
		buf_fini(&buf);
		return -ENOMEM;
	}
	shapes->properties[shapes->properties_n] = buf_take(&buf, NULL);
	shapes->names[shapes->properties_n] = name;
	numbers[name] = ++shapes->properties_n;
	return 0;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int add_shape(struct heap_shapes *shapes, uint32_t *numbers, const struct heap_graph *graph,
		     const struct list *list)
{
	struct heap_shape *shape = &shapes->items[shapes->n++];
	struct buf buf;

	shape->properties = calloc(list->n, sizeof(*shape->properties));
	if (shape->properties == NULL)
		return -ENOMEM;
	buf_init(&buf, SIZE_MAX / 2);
	for (uint32_t i = 0; i < list->n; i++) {
		if (add_property(shapes, numbers, graph, list->names[i]) < 0) {
			buf_fini(&buf);
			return -ENOMEM;
		}
		shape->properties[i] = numbers[list->names[i]] - 1;
		buf_puts(&buf, i > 0 ? ", " : "{");
		heap_property_put(&graph->strings, list->names[i], &buf);
	}
	buf_puts(&buf, "}");
	shape->n = list->n;
	qsort(shape->properties, shape->n, sizeof(*shape->properties), ascending);
	if (buf_text(&buf) != NULL)
		shape->text = buf_take(&buf, NULL);
	buf_fini(&buf);
	return shape->text != NULL ? 0 : -ENOMEM;
}

static int keep_usual(struct finder *finder, struct heap_shapes *shapes)
{
	uint32_t n = 0, *numbers;
	size_t most = 0;
	int r = 0;

	if (finder->n > 0)
		qsort(finder->items, finder->n, sizeof(*finder->items), by_count);
	while (n < finder->n && finder->items[n].count >= OBJECTS_MIN &&
	       (uint64_t)finder->items[n].count * SHARE_MIN >= finder->objects)
		most += finder->items[n++].properties;
	numbers = heap_alloc((size_t)finder->graph->strings.n + 1, sizeof(*numbers));
	shapes->items = calloc((size_t)n + 1, sizeof(*shapes->items));
	shapes->properties = calloc(most + 1, sizeof(*shapes->properties));
	shapes->names = calloc(most + 1, sizeof(*shapes->names));
	if (numbers == NULL || shapes->items == NULL || shapes->properties == NULL ||
	    shapes->names == NULL)
		r = -ENOMEM;
	for (uint32_t i = 0; i < n && r == 0; i++) {
		struct list list;

		list_of(finder, finder->items[i].node, &list);
		r = add_shape(shapes, numbers, finder->graph, &list);
	}
	heap_free(numbers, (size_t)finder->graph->strings.n + 1, sizeof(*numbers));
	return r;
}

int heap_shapes_find(struct heap_shapes *ret, const struct heap_graph *graph)
{
	struct finder finder = {
		.graph = graph,
		.object = heap_string_find(&graph->strings, "Object"),
		.proto = heap_string_find(&graph->strings, "__proto__"),
		.units = heap_alloc((size_t)graph->strings.n + 1, sizeof(uint16_t)),
	};
	int r = finder.units == NULL ? -ENOMEM : 0;

	*ret = (struct heap_shapes){ .graph = graph };
	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		if (graph->type[node] == HEAP_OBJECT && graph->name[node] == finder.object)
			r = count(&finder, node);
	}
	if (r == 0)
		r = keep_usual(&finder, ret);
	heap_free(finder.units, (size_t)graph->strings.n + 1, sizeof(*finder.units));
	free(finder.items);
	free(finder.slots);
	return r;
}

void heap_shapes_fini(struct heap_shapes *shapes)
{
	for (uint32_t i = 0; i < shapes->n; i++) {
		free(shapes->items[i].text);
		free(shapes->items[i].properties);
	}
	for (uint32_t i = 0; i < shapes->properties_n; i++)
		free(shapes->properties[i]);
	free(shapes->items);
	free(shapes->properties);
	free(shapes->names);
	*shapes = (struct heap_shapes){ .n = 0 };
}
