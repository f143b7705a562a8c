/*
 * The objects of one snapshot found again in a later one
 */

#include "heap/match.h"

#include <errno.h>

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

static void forget(struct heap_match *match)
{
	for (uint32_t node = 0; node < match->nodes; node++)
		match->of[node] = UINT32_MAX;
}

static int compare_ids(struct heap_match *match, const struct heap_side *base,
		       struct heap_side *last)
{
	int r = 0;

	if (last->ids.n == 0)
		r = heap_ids_of(&last->ids, &last->analysis->graph);
	return r == 0 ? heap_agree(&match->agreement, base->analysis, last->analysis, &last->ids,
				   match->of)
		      : r;
}

int heap_match_init(struct heap_match *ret, const struct heap_side *base, struct heap_side *last,
		    enum heap_match_by *by)
{
	uint32_t nodes = last->analysis->graph.nodes;
	int r;

	*ret = (struct heap_match){
		.nodes = nodes,
		.of = heap_alloc(nodes, sizeof(uint32_t)),
		.guessed = heap_bits_alloc(nodes),
	};
	if (ret->of == NULL || ret->guessed == NULL)
		return -ENOMEM;
	forget(ret);
	r = compare_ids(ret, base, last);
	if (r < 0)
		return r;
	if (*by == HEAP_MATCH_AUTO)
		*by = heap_ids_last(&ret->agreement) && !last->analysis->graph.addresses
			      ? HEAP_MATCH_IDS
			      : HEAP_MATCH_PATHS;
	if (*by == HEAP_MATCH_PATHS)
		forget(ret);
	ret->of[last->analysis->graph.root] = base->analysis->graph.root;
	return heap_match_paths(ret, base, last);
}

bool heap_match_most(const struct heap_match *match, uint32_t base_nodes)
{
	uint64_t matched = 0;

	for (uint32_t node = 0; node < match->nodes; node++)
		matched += match->of[node] != UINT32_MAX;
	return matched * 2 >= base_nodes || matched * 2 >= match->nodes;
}

void heap_match_fini(struct heap_match *match)
{
	heap_free(match->of, match->nodes, sizeof(*match->of));
	heap_bits_free(match->guessed, match->nodes);
	*match = (struct heap_match){ .nodes = 0 };
}
