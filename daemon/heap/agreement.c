/*
 * Whether ids mean the same in two snapshots
 */

#include "heap/agreement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A class of the base. */
struct tally {
	uint64_t both, equal;
	uint32_t partner; /* the class of equal key in the last; UINT32_MAX: none */
};

bool heap_ids_last(const struct heap_agreement *agreement)
{
	return agreement->both * 10 >= agreement->base &&
	       agreement->equal * 20 >= agreement->both * 19 &&
	       (uint64_t)agreement->lasting * 2 >= agreement->classes;
}

bool heap_ids_go_on(const struct heap_agreement *agreement)
{
	return agreement->missed * 1000 <= agreement->came;
}

static uint64_t highest_id(const struct heap_graph *graph)
{
	uint64_t ret = 0;

	for (uint32_t node = 0; node < graph->nodes; node++)
		ret = heap_id(graph, node) > ret ? heap_id(graph, node) : ret;
	return ret;
}

int heap_ids_of(struct heap_ids *ret, const struct heap_graph *graph)
{
	int r = heap_ids_init(ret, graph->nodes, highest_id(graph));

	for (uint32_t node = 0; r == 0 && node < graph->nodes; node++)
		(void)heap_ids_put(ret, heap_id(graph, node), node);
	return r;
}

static struct tally *tallies(const struct heap_classes *base, const struct heap_classes *last)
{
	struct tally *ret = calloc((size_t)base->n + 1, sizeof(*ret));

	for (uint32_t i = 0; ret != NULL && i < base->n; i++)
		ret[i].partner =
			(uint32_t)(uintptr_t)map_get(&last->by_key, base->items[i].key) - 1;
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

static bool is_equal(const struct heap_analysis *base, uint32_t node, uint32_t partner,
		     const struct heap_analysis *last, uint32_t now)
{
	return (partner == last->classes.of[now] ||
		(is_plain(&base->graph, node) && is_plain(&last->graph, now))) &&
	       equal_names(&base->graph, node, &last->graph, now);
}

static void count(struct heap_agreement *agreement, struct tally *tally, bool equal)
{
	agreement->both++;
	agreement->equal += equal;
	tally->both++;
	tally->equal += equal;
}

static void count_classes(struct heap_agreement *agreement, const struct tally *by_class,
			  uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		agreement->classes += by_class[i].both > 0;
		agreement->lasting +=
			by_class[i].both > 0 && by_class[i].equal * 2 >= by_class[i].both;
	}
}

/* Ids that are there twice, which no engine writes, are in both more often than in the last. */
static uint64_t more_than(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void count_newcomers(struct heap_agreement *agreement, const struct heap_graph *base,
			    const struct heap_graph *last)
{
	uint64_t highest = highest_id(base), up_to = 0;

	for (uint32_t node = 0; node < last->nodes; node++)
		up_to += heap_id(last, node) <= highest;
	agreement->came = more_than(last->nodes, agreement->both);
	agreement->missed = more_than(up_to, agreement->both);
}

int heap_agree(struct heap_agreement *ret, const struct heap_analysis *base,
	       const struct heap_analysis *last, const struct heap_ids *ids, uint32_t *of)
{
	struct tally *by_class = tallies(&base->classes, &last->classes);

	*ret = (struct heap_agreement){ .base = base->graph.nodes };
	if (by_class == NULL)
		return -ENOMEM;
	for (uint32_t node = 0; node < base->graph.nodes; node++) {
		struct tally *tally = &by_class[base->classes.of[node]];
		uint32_t now = heap_ids_get(ids, heap_id(&base->graph, node));
		bool equal;

		if (now == UINT32_MAX)
			continue;
		equal = is_equal(base, node, tally->partner, last, now);
		count(ret, tally, equal);
		if (equal && of != NULL)
			of[now] = node;
	}
	count_classes(ret, by_class, base->classes.n);
	count_newcomers(ret, &base->graph, &last->graph);
	free(by_class);
	return 0;
}
