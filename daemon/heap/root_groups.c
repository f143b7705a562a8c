/*
 * Things that no object holds
 */

#include "heap/root_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/distance.h"
#include "heap/hash.h"
#include "heap/leaks_code.h"
#include "heap/leaks_parts.h"
#include "util/array.h"

struct grouping {
	const struct heap_side *side;
	const struct heap_shapes *shapes;
	const uint32_t *codes; /* or NULL */
	const struct root_pasts *pasts; /* or NULL */
	struct heap_shaper *shaper; /* owned */
};

/* What a program makes, or an embedder for it; texts go with what has them. */
static bool is_counted(const struct heap_analysis *analysis, uint32_t node)
{
	uint8_t type = analysis->graph.type[node];

	return type == HEAP_OBJECT || type == HEAP_CLOSURE || type == HEAP_NATIVE;
}

/* By its shape where it has one: those of its own snapshot may be others. */
static int class_of(const struct grouping *grouping, uint32_t node, uint64_t *ret)
{
	const struct heap_analysis *analysis = grouping->side->analysis;
	const struct heap_graph *graph = &analysis->graph;
	const char *class = analysis->classes.items[analysis->classes.of[node]].key;
	uint32_t shape, place = graph->place != NULL ? graph->place[node] : 0;
	int r = heap_shaper_ask(grouping->shaper, node, &shape);

	if (r < 0)
		return r;
	if (r > 0)
		class = shape != HEAP_NO_SHAPE ? grouping->shapes->items[shape - 1].text : "Object";
	*ret = hash_bytes(FNV1A_FIRST, class, strlen(class));
	if (r > 0 && place > 0) {
		*ret = hash_mix(*ret, graph->places[place - 1].script);
		*ret = hash_mix(*ret, graph->places[place - 1].line);
		*ret = hash_mix(*ret, graph->places[place - 1].column);
	}
	return 0;
}

static uint32_t code_of(const struct grouping *grouping, uint32_t node)
{
	uint32_t code = leaks_code_of(&grouping->side->analysis->graph, node);

	return code == UINT32_MAX || grouping->codes == NULL ? code : grouping->codes[code];
}

static int set_key(const struct grouping *grouping, struct root_group *group)
{
	const struct heap_graph *graph = &grouping->side->analysis->graph;
	uint32_t node = group->example;
	uint64_t key;
	int r = class_of(grouping, node, &key);

	if (r < 0)
		return r;
	key = hash_mix(key, hash_string(graph, graph->name[group->holder]));
	if (graph->type[node] == HEAP_CLOSURE)
		key = hash_mix(key, hash_string(graph, graph->name[node]));
	group->key = hash_mix(key, group->unreached);
	group->code = code_of(grouping, node);
	return 0;
}

static void set_new(const struct grouping *grouping, struct root_group *group)
{
	const struct root_pasts *pasts = grouping->pasts;

	for (size_t i = 0; pasts != NULL && i < pasts->n; i++) {
		bool is_new = pasts->retained[i][group->example] == HEAP_NEW;

		group->new_count[i] = is_new;
		group->new_bytes[i] = is_new ? group->bytes : 0;
	}
}

static int put(struct root_groups *groups, const struct root_group *group)
{
	struct root_group *items =
		array_room(groups->items, groups->n, &groups->capacity, 256, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	groups->items = items;
	groups->items[groups->n++] = *group;
	return 0;
}

/* What is reached by more than one root has no other holder than the root of all. */
static bool is_shared(const struct heap_side *side, uint32_t node)
{
	const struct heap_analysis *analysis = side->analysis;

	return side->analysis->tree.via[node] == 0 &&
	       analysis->dominators.dominator[node] == analysis->graph.root;
}

static int gather(struct root_groups *groups, struct leaks_view *view,
		  const struct grouping *grouping, uint32_t holder)
{
	const struct heap_side *side = grouping->side;
	const struct heap_analysis *analysis = side->analysis;
	bool root = holder == analysis->graph.root;
	uint32_t kid;
	int r;

	leaks_parts_begin(view, holder);
	while ((r = leaks_parts_next(view, &kid)) > 0) {
		bool unreached = root && analysis->distances[kid] == HEAP_UNREACHED;
		struct root_group group = {
			.count = 1,
			.bytes = analysis->retained[kid],
			.holder = holder,
			.example = kid,
			.unreached = unreached,
		};

		if (!is_counted(analysis, kid) || (!unreached && is_shared(side, kid)))
			continue;
		set_new(grouping, &group);
		r = set_key(grouping, &group);
		r = r == 0 ? put(groups, &group) : r;
		if (r < 0)
			break;
	}
	return r;
}

static int by_key(const void *a, const void *b)
{
	const struct root_group *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->code != y->code)
		return x->code < y->code ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->example < y->example ? -1 : x->example > y->example;
}

static void add(struct root_group *group, const struct root_group *more)
{
	group->count += more->count;
	group->bytes += more->bytes;
	for (size_t i = 0; i < HEAP_PASTS_MAX; i++) {
		group->new_count[i] += more->new_count[i];
		group->new_bytes[i] += more->new_bytes[i];
	}
}

/* The first of a key and code retains most. */
static void fold(struct root_groups *groups)
{
	size_t kept = 0;

	for (size_t i = 0; i < groups->n; i++) {
		struct root_group *last = kept > 0 ? &groups->items[kept - 1] : NULL;

		if (last != NULL && last->key == groups->items[i].key &&
		    last->code == groups->items[i].code)
			add(last, &groups->items[i]);
		else
			groups->items[kept++] = groups->items[i];
	}
	groups->n = kept;
}

int root_groups_init(struct root_groups *ret, const struct heap_side *side,
		     const struct heap_shapes *shapes, const uint32_t *codes,
		     const struct root_pasts *pasts)
{
	const struct heap_graph *graph = &side->analysis->graph;
	struct grouping grouping = { side, shapes, codes, pasts, heap_shaper_new(shapes, graph) };
	struct leaks_view view = { .graph = graph, .tree = &side->analysis->tree };
	int r = grouping.shaper == NULL ? -ENOMEM : 0;

	*ret = (struct root_groups){ .n = 0 };
	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		if (node == graph->root || graph->type[node] == HEAP_SYNTHETIC)
			r = gather(ret, &view, &grouping, node);
	}
	if (r == 0 && ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_key);
	fold(ret);
	heap_shaper_free(grouping.shaper);
	leaks_view_fini(&view);
	return r;
}

void root_groups_fini(struct root_groups *groups)
{
	free(groups->items);
	*groups = (struct root_groups){ .n = 0 };
}

const struct root_group *root_groups_find(const struct root_groups *groups, uint64_t key,
					  size_t *ret_n)
{
	size_t first = 0, end = groups->n;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (groups->items[middle].key < key)
			first = middle + 1;
		else
			end = middle;
	}
	while (end < groups->n && groups->items[end].key == key)
		end++;
	*ret_n = end - first;
	return groups->items + first;
}
