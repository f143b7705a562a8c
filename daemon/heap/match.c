/*
 * The objects of one snapshot found again in a later one
 */

#include "heap/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/match_paths.h"

int heap_side_init(struct heap_side *ret, struct heap_analysis *analysis)
{
	*ret = (struct heap_side){ .analysis = analysis };
	return heap_analysis_descend(analysis);
}

void heap_side_fini(struct heap_side *side)
{
	heap_ids_fini(&side->ids);
	*side = (struct heap_side){ .analysis = NULL };
}

bool heap_ids_last(const struct heap_agreement *agreement)
{
	return agreement->both * 10 >= agreement->base &&
	       agreement->equal * 20 >= agreement->both * 19;
}

/* By class of the base, the class of equal key in the last snapshot; UINT32_MAX: none. */
static uint32_t *equal_classes(const struct heap_classes *base, const struct heap_classes *last)
{
	uint32_t *ret = calloc((size_t)base->n + 1, sizeof(*ret));

	for (uint32_t i = 0; ret != NULL && i < base->n; i++)
		ret[i] = (uint32_t)(uintptr_t)map_get(&last->by_key, base->items[i].key) - 1;
	return ret;
}

static bool equal_names(const struct heap_graph *a, uint32_t node, const struct heap_graph *b,
			uint32_t other)
{
	size_t size, other_size;
	const char *text, *other_text;

	if (a->type[node] != HEAP_STRING && a->type[node] != HEAP_CLOSURE)
		return true;
	if (a->name[node] >= a->strings.n || b->name[other] >= b->strings.n)
		return true;
	text = heap_string_raw(&a->strings, a->name[node], &size);
	other_text = heap_string_raw(&b->strings, b->name[other], &other_size);
	return size == other_size && memcmp(text, other_text, size) == 0;
}

/* Plain objects have other shapes when what was null is so no longer. */
static bool is_plain(const struct heap_graph *graph, uint32_t node)
{
	return graph->type[node] == HEAP_OBJECT &&
	       heap_string_is(&graph->strings, graph->name[node], "Object");
}

static void match_ids(struct heap_match *match, const struct heap_analysis *base,
		      const struct heap_analysis *last, const struct heap_ids *ids,
		      const uint32_t *equal)
{
	struct heap_agreement *agreement = &match->agreement;

	for (uint32_t node = 0; node < base->graph.nodes; node++) {
		uint32_t now = heap_ids_get(ids, heap_id(&base->graph, node));

		agreement->base++;
		if (now == UINT32_MAX)
			continue;
		agreement->both++;
		if ((equal[base->classes.of[node]] != last->classes.of[now] &&
		     !(is_plain(&base->graph, node) && is_plain(&last->graph, now))) ||
		    !equal_names(&base->graph, node, &last->graph, now))
			continue;
		agreement->equal++;
		match->of[now] = node;
	}
}

static void forget(struct heap_match *match)
{
	for (uint32_t node = 0; node < match->nodes; node++)
		match->of[node] = UINT32_MAX;
}

/* Of equal ids, which no engine writes, the first counts. */
static int ids_of(struct heap_ids *ret, const struct heap_graph *graph)
{
	uint64_t last = 0;
	int r;

	for (uint32_t node = 0; node < graph->nodes; node++)
		last = heap_id(graph, node) > last ? heap_id(graph, node) : last;
	r = heap_ids_init(ret, graph->nodes, last);
	for (uint32_t node = 0; r == 0 && node < graph->nodes; node++)
		(void)heap_ids_put(ret, heap_id(graph, node), node);
	return r;
}

static int compare_ids(struct heap_match *match, const struct heap_side *base,
		       struct heap_side *last)
{
	const struct heap_analysis *before = base->analysis, *now = last->analysis;
	uint32_t *equal = equal_classes(&before->classes, &now->classes);
	int r = equal == NULL ? -ENOMEM : 0;

	if (r == 0 && last->ids.n == 0)
		r = ids_of(&last->ids, &now->graph);
	if (r == 0)
		match_ids(match, before, now, &last->ids, equal);
	free(equal);
	return r;
}

int heap_match_init(struct heap_match *ret, const struct heap_side *base, struct heap_side *last,
		    enum heap_match_by *by)
{
	uint32_t nodes = last->analysis->graph.nodes;
	int r;

	*ret = (struct heap_match){ .nodes = nodes, .of = heap_alloc(nodes, sizeof(uint32_t)) };
	if (ret->of == NULL)
		return -ENOMEM;
	forget(ret);
	r = compare_ids(ret, base, last);
	if (r < 0)
		return r;
	if (*by == HEAP_MATCH_AUTO)
		*by = heap_ids_last(&ret->agreement) && last->analysis->graph.address == NULL
			      ? HEAP_MATCH_IDS
			      : HEAP_MATCH_PATHS;
	if (*by == HEAP_MATCH_PATHS)
		forget(ret);
	ret->of[last->analysis->graph.root] = base->analysis->graph.root;
	return heap_match_paths(ret, base, last);
}

void heap_match_fini(struct heap_match *match)
{
	heap_free(match->of, match->nodes, sizeof(*match->of));
	*match = (struct heap_match){ .nodes = 0 };
}
