/*
 * Classes of nodes
 */

#include "heap/classes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "util/array.h"
#include "util/buf.h"

enum { SLOTS_FIRST = 4096 };

/* What a class is made of, in numbers; the same text may come of several. */
struct parts {
	uint32_t name; /* a string, a type or a shape */
	uint32_t place;
	uint8_t what; /* enum what + 1; 0: a free slot */
};

enum what { BY_TYPE = 1, BY_NAME, BY_DETACHED_NAME, BY_SHAPE };

struct slot {
	struct parts parts;
	uint32_t number;
};

struct naming {
	struct heap_classes *classes;
	const struct heap_graph *graph;
	const struct heap_shapes *shapes;
	struct slot *slots; /* owned */
	size_t slots_n, used;
	struct slot last;
};

static bool is_equal(const struct parts *a, const struct parts *b)
{
	return a->name == b->name && a->place == b->place && a->what == b->what;
}

static size_t hash_of(const struct parts *parts)
{
	uint64_t hash = (uint64_t)parts->name << 32 | parts->place;

	hash = (hash ^ parts->what) * 0x9e3779b97f4a7c15;
	return (size_t)(hash >> 24);
}

static struct slot *slot_of(struct slot *slots, size_t n, const struct parts *parts)
{
	size_t at = hash_of(parts) & (n - 1);

	while (slots[at].parts.what != 0 && !is_equal(&slots[at].parts, parts))
		at = (at + 1) & (n - 1);
	return &slots[at];
}

static int grow_slots(struct naming *naming)
{
	size_t n = naming->slots_n > 0 ? naming->slots_n * 2 : SLOTS_FIRST;
	struct slot *slots = calloc(n, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < naming->slots_n; i++) {
		if (naming->slots[i].parts.what != 0)
			*slot_of(slots, n, &naming->slots[i].parts) = naming->slots[i];
	}
	free(naming->slots);
	naming->slots = slots;
	naming->slots_n = n;
	return 0;
}

/* ---- texts ---- */

static void put_type(const struct naming *naming, uint32_t type, struct buf *buf)
{
	static const char *const names[HEAP_TYPES] = {
		[HEAP_HIDDEN] = "(system)",
		[HEAP_CODE] = "(compiled code)",
		[HEAP_CLOSURE] = "Function",
		[HEAP_REGEXP] = "RegExp",
	};

	if (type < HEAP_TYPES && names[type] != NULL)
		buf_puts(buf, names[type]);
	else
		buf_printf(buf, "(%s)", naming->graph->type_names[type]);
}

/* An element's tag without its attributes: "<div id=a>" is "<div>". */
static void put_name(const struct naming *naming, const struct parts *parts, struct buf *buf)
{
	static const char detached[] = "Detached ";
	size_t first = buf->size, tag;
	const char *text, *space;

	if (parts->what == BY_DETACHED_NAME)
		buf_puts(buf, detached);
	heap_string_put(&naming->graph->strings, parts->name, buf);
	text = buf_text(buf);
	if (text == NULL)
		return;
	tag = first +
	      (strncmp(text + first, detached, strlen(detached)) == 0 ? strlen(detached) : 0);
	space = text[tag] == '<' ? strchr(text + tag, ' ') : NULL;
	if (space != NULL) {
		buf->size = (size_t)(space - text);
		buf_puts(buf, ">");
	}
}

static int put_key(const struct naming *naming, const struct parts *parts, struct buf *buf,
		   size_t *ret_name)
{
	if (parts->place > 0) {
		const struct heap_place *place = &naming->graph->places[parts->place - 1];

		buf_printf(buf, "%u,%u,%u", place->script, place->line, place->column);
	}
	buf_puts(buf, ",");
	*ret_name = buf->size;
	if (parts->what == BY_TYPE)
		put_type(naming, parts->name, buf);
	else if (parts->what == BY_SHAPE)
		buf_puts(buf, naming->shapes->items[parts->name].text);
	else
		put_name(naming, parts, buf);
	return buf_text(buf) != NULL ? 0 : -ENOMEM;
}

static int add_class(struct heap_classes *classes, struct buf *buf, size_t name)
{
	struct heap_class *items =
		array_room(classes->items, classes->n, &classes->capacity, 1024, sizeof(*items));
	struct heap_class *class;

	if (items == NULL)
		return -ENOMEM;
	classes->items = items;
	class = &items[classes->n];
	class->key = buf_take(buf, NULL);
	if (class->key == NULL)
		return -ENOMEM;
	class->name = class->key + name;
	classes->n++;
	return map_put(&classes->by_key, class->key, (void *)(uintptr_t)classes->n);
}

/* Of this key, which is taken; name: where it begins in that. */
static int find_key(struct heap_classes *classes, struct buf *buf, size_t name, uint32_t *ret)
{
	const char *key = buf_text(buf);
	void *found = key != NULL ? map_get(&classes->by_key, key) : NULL;
	int r = key == NULL ? -ENOMEM : 0;

	if (r == 0 && found == NULL)
		r = add_class(classes, buf, name);
	*ret = found != NULL ? (uint32_t)(uintptr_t)found - 1 : classes->n - 1;
	return r;
}

static int find_class(struct naming *naming, const struct parts *parts, uint32_t *ret)
{
	size_t name;
	struct buf buf;
	int r;

	buf_init(&buf, SIZE_MAX / 2);
	r = put_key(naming, parts, &buf, &name);
	if (r == 0)
		r = find_key(naming->classes, &buf, name, ret);
	buf_fini(&buf);
	return r;
}

static int set_class(struct naming *naming, uint32_t node, const struct parts *parts)
{
	struct slot *slot;
	int r = 0;

	if (!is_equal(&naming->last.parts, parts)) {
		if (naming->used * 2 >= naming->slots_n && grow_slots(naming) < 0)
			return -ENOMEM;
		slot = slot_of(naming->slots, naming->slots_n, parts);
		if (slot->parts.what == 0) {
			slot->parts = *parts;
			naming->used++;
			r = find_class(naming, parts, &slot->number);
		}
		naming->last = *slot;
	}
	naming->classes->of[node] = naming->last.number;
	return r;
}

static int by_shape(void *owner, uint32_t node, uint32_t shape)
{
	struct naming *naming = owner;
	struct parts parts = {
		.place = naming->graph->place != NULL ? naming->graph->place[node] : 0,
		.what = BY_SHAPE,
		.name = shape - 1,
	};

	return shape != HEAP_NO_SHAPE ? set_class(naming, node, &parts) : 0;
}

static struct parts parts_of(const struct heap_graph *graph, uint32_t node)
{
	uint8_t type = graph->type[node];

	if (type != HEAP_OBJECT && type != HEAP_NATIVE)
		return (struct parts){ .name = type, .what = BY_TYPE };
	return (struct parts){
		.name = graph->name[node],
		.place = type == HEAP_OBJECT && graph->place != NULL ? graph->place[node] : 0,
		.what = graph->flags[node] & HEAP_RENAMED ? BY_DETACHED_NAME : BY_NAME,
	};
}

/* The class that it had; renamed: by class of these the new number + 1. */
static int keep_class(struct naming *naming, uint32_t node, const struct heap_classes *known,
		      uint32_t *renamed)
{
	uint32_t was = known->of[node];
	const struct heap_class *class = &known->items[was];
	struct buf buf;
	int r = 0;

	if (renamed[was] == 0) {
		buf_init(&buf, SIZE_MAX / 2);
		buf_puts(&buf, class->key);
		r = find_key(naming->classes, &buf, (size_t)(class->name - class->key),
			     &renamed[was]);
		renamed[was]++;
		buf_fini(&buf);
	}
	naming->classes->of[node] = renamed[was] - 1;
	return r;
}

/* All but what the shapes decide. known: NULL, or classes by other shapes. */
static int name_all(struct naming *naming, const struct heap_classes *known)
{
	const struct heap_graph *graph = naming->graph;
	uint32_t object = heap_string_find(&graph->strings, "Object"), *renamed = NULL;
	int r = 0;

	if (known != NULL) {
		renamed = calloc((size_t)known->n + 1, sizeof(*renamed));
		r = renamed == NULL ? -ENOMEM : 0;
	}
	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		struct parts parts;

		if (known != NULL &&
		    (graph->type[node] != HEAP_OBJECT || graph->name[node] != object)) {
			r = keep_class(naming, node, known, renamed);
			continue;
		}
		parts = parts_of(graph, node);
		r = set_class(naming, node, &parts);
	}
	free(renamed);
	return r;
}

int heap_classes_init(struct heap_classes *ret, const struct heap_graph *graph,
		      const struct heap_shapes *shapes, const struct heap_classes *known)
{
	struct naming naming = { .classes = ret, .graph = graph, .shapes = shapes };
	int r;

	*ret = (struct heap_classes){ .nodes = graph->nodes,
				      .of = heap_alloc(graph->nodes, sizeof(uint32_t)) };
	map_init(&ret->by_key);
	if (ret->of == NULL)
		return -ENOMEM;
	r = name_all(&naming, known);
	if (r == 0)
		r = heap_shapes_apply(shapes, graph, by_shape, &naming);
	free(naming.slots);
	return r;
}

void heap_classes_fini(struct heap_classes *classes)
{
	map_fini(&classes->by_key);
	for (uint32_t i = 0; i < classes->n; i++)
		free(classes->items[i].key);
	free(classes->items);
	heap_free(classes->of, classes->nodes, sizeof(*classes->of));
	*classes = (struct heap_classes){ .nodes = 0 };
}
