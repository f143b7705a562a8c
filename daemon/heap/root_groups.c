/*
 * Things that no object holds
 */

#include "heap/root_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/distance.h"
#include "heap/hash.h"
#include "heap/leaks_parts.h"

/* What a program makes, or an embedder for it; texts go with what has them. */
static bool is_counted(const struct heap_analysis *analysis, uint32_t node)
{
	uint8_t type = analysis->graph.type[node];

	return type == HEAP_OBJECT || type == HEAP_CLOSURE || type == HEAP_NATIVE;
}

static uint64_t key_of(const struct heap_analysis *analysis, const struct root_group *group)
{
	const struct heap_graph *graph = &analysis->graph;
	uint32_t node = group->example;
	const char *class = analysis->classes.items[analysis->classes.of[node]].key;
	uint64_t key = hash_bytes(FNV1A_FIRST, class, strlen(class));

	key = hash_mix(key, hash_string(graph, graph->name[group->holder]));
	if (graph->type[node] == HEAP_CLOSURE)
		key = hash_mix(key, hash_string(graph, graph->name[node]));
	return hash_mix(key, group->unreached);
}

static int put(struct root_groups *groups, const struct root_group *group)
{
	if (groups->n == groups->capacity) {
		size_t capacity = groups->capacity > 0 ? groups->capacity * 2 : 256;
		struct root_group *items = reallocarray(groups->items, capacity, sizeof(*items));

		if (items == NULL)
			return -ENOMEM;
		groups->items = items;
		groups->capacity = capacity;
	}
	groups->items[groups->n++] = *group;
	return 0;
}

/* What is reached by more than one root has no other holder than the root of all. */
static bool is_shared(const struct heap_side *side, uint32_t node)
{
	const struct heap_analysis *analysis = side->analysis;

	return side->tree.via[node] == 0 &&
	       analysis->dominators.dominator[node] == analysis->graph.root;
}

static int gather(struct root_groups *groups, struct leaks_view *view, const struct heap_side *side,
		  uint32_t holder)
{
	const struct heap_analysis *analysis = side->analysis;
	bool root = holder == analysis->graph.root;
	uint32_t kid;
	int r;

	leaks_parts_begin(view, holder);
	while ((r = leaks_parts_next(view, &kid)) > 0) {
		bool unreached = root && analysis->distances[kid] == HEAP_UNREACHED;
		struct root_group group = { 0, 1, analysis->retained[kid], holder, kid, unreached };

		if (!is_counted(analysis, kid) || (!unreached && is_shared(side, kid)))
			continue;
		group.key = key_of(analysis, &group);
		r = put(groups, &group);
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
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->example < y->example ? -1 : x->example > y->example;
}

/* The first of a key retains most. */
static void fold(struct root_groups *groups)
{
	size_t kept = 0;

	for (size_t i = 0; i < groups->n; i++) {
		struct root_group *last = kept > 0 ? &groups->items[kept - 1] : NULL;

		if (last != NULL && last->key == groups->items[i].key) {
			last->count++;
			last->bytes += groups->items[i].bytes;
		} else {
			groups->items[kept++] = groups->items[i];
		}
	}
	groups->n = kept;
}

int root_groups_init(struct root_groups *ret, const struct heap_side *side)
{
	const struct heap_graph *graph = &side->analysis->graph;
	struct leaks_view view = { .graph = graph, .tree = &side->tree };
	int r = 0;

	*ret = (struct root_groups){ .n = 0 };
	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		if (node == graph->root || graph->type[node] == HEAP_SYNTHETIC)
			r = gather(ret, &view, side, node);
	}
	if (r == 0 && ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_key);
	fold(ret);
	leaks_view_fini(&view);
	return r;
}

void root_groups_fini(struct root_groups *groups)
{
	free(groups->items);
	*groups = (struct root_groups){ .n = 0 };
}

static int has_key(const void *wanted, const void *group)
{
	const struct root_group *x = wanted, *y = group;

	return x->key < y->key ? -1 : x->key > y->key;
}

const struct root_group *root_groups_find(const struct root_groups *groups, uint64_t key)
{
	const struct root_group wanted = { .key = key };

	return groups->n == 0 ? NULL
			      : bsearch(&wanted, groups->items, groups->n, sizeof(wanted), has_key);
}
