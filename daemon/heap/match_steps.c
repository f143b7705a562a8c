/*
 * Steps of paths
 *
 * The steps of a heap are asked for in one walk over both snapshots: none is kept.
 */

#include "heap/match_steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/hash.h"

static bool is_number(const struct heap_graph *graph, uint32_t string)
{
	size_t size = 0;
	const char *text =
		string < graph->strings.n ? heap_string_raw(&graph->strings, string, &size) : "";

	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return size > 0;
}

uint64_t match_edge(const struct heap_graph *graph, uint32_t edge)
{
	uint32_t word = graph->edges[edge];
	uint64_t hash = hash_mix(FNV1A_FIRST, heap_edge_kind(word));

	if (!heap_edge_named(word) || is_number(graph, graph->edge_name[edge]))
		return hash;
	return hash_mix(hash, hash_string(graph, graph->edge_name[edge]));
}

uint64_t match_variables(const struct heap_graph *graph, uint32_t node)
{
	uint64_t sum = 0;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		if (heap_edge_kind(graph->edges[i]) == HEAP_CONTEXT)
			sum += hash_string(graph, graph->edge_name[i]);
	}
	return sum;
}

static bool has_lasting_name(uint8_t type)
{
	return type == HEAP_CLOSURE || type == HEAP_SYNTHETIC || type == HEAP_HIDDEN ||
	       type == HEAP_CODE;
}

/* V8's roots for what runs: stacks, handles, and what a compiler works on. */
static const char *const momentary[MATCH_MOMENTARY] = { "(Handle scope)", "(Identity map)",
							"(Relocatable)", "(Stack roots)",
							"(Thread manager)" };

/* "system / Context / scope @4711": the number is given anew. */
static size_t lasting_size(const char *key)
{
	const char *at = strstr(key, " @");

	return at != NULL ? (size_t)(at - key) : strlen(key);
}

int match_steps_init(struct match_steps *ret, const struct heap_side *side)
{
	const struct heap_classes *classes = &side->analysis->classes;

	*ret = (struct match_steps){
		.side = side,
		.classes = calloc((size_t)classes->n + 1, sizeof(uint64_t)),
		.context = heap_string_find(&side->analysis->graph.strings, "context"),
		.object = heap_string_find(&side->analysis->graph.strings, "Object"),
		.prototype = heap_string_find(&side->analysis->graph.strings, "__proto__"),
	};
	if (ret->classes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < MATCH_MOMENTARY; i++)
		ret->momentary[i] = heap_string_find(&side->analysis->graph.strings, momentary[i]);
	for (uint32_t i = 0; i < classes->n; i++) {
		const char *key = classes->items[i].key;

		ret->classes[i] = hash_bytes(FNV1A_FIRST, key, lasting_size(key));
	}
	return 0;
}

void match_steps_fini(struct match_steps *steps)
{
	free(steps->classes);
	*steps = (struct match_steps){ .side = NULL };
}

bool match_is_plain(const struct match_steps *steps, uint32_t node)
{
	const struct heap_graph *graph = &steps->side->analysis->graph;

	return graph->type[node] == HEAP_OBJECT && graph->name[node] == steps->object;
}

bool match_is_shaped(const struct match_steps *steps, uint32_t node)
{
	const struct heap_analysis *analysis = steps->side->analysis;
	const struct heap_class *class = &analysis->classes.items[analysis->classes.of[node]];

	return match_is_plain(steps, node) && class->name[0] == '{';
}

uint64_t match_class(const struct match_steps *steps, uint32_t node)
{
	return match_is_plain(steps, node) ? FNV1A_FIRST : match_shape(steps, node);
}

uint64_t match_shape(const struct match_steps *steps, uint32_t node)
{
	return steps->classes[steps->side->analysis->classes.of[node]];
}

uint64_t match_what(const struct match_steps *steps, uint32_t node)
{
	const struct heap_graph *graph = &steps->side->analysis->graph;
	uint64_t hash = hash_mix(match_class(steps, node), graph->type[node]);

	return has_lasting_name(graph->type[node])
		       ? hash_mix(hash, hash_string(graph, graph->name[node]))
		       : hash;
}

uint64_t match_step(const struct match_steps *steps, uint32_t node)
{
	const struct heap_graph *graph = &steps->side->analysis->graph;
	uint32_t via = steps->side->analysis->tree.via[node];
	uint32_t way = steps->side->analysis->ways[node];
	uint64_t hash = match_what(steps, node);

	if (via != 0)
		return hash_mix(hash, match_edge(graph, via - 1));
	if (way == 0)
		return hash;
	hash = hash_mix(hash, match_class(steps, heap_edge_from(graph, way - 1)));
	return hash_mix(hash, match_edge(graph, way - 1));
}

bool match_is_brief(const struct match_steps *steps, uint32_t node)
{
	const struct heap_graph *graph = &steps->side->analysis->graph;
	uint32_t way = steps->side->analysis->ways[node], from;

	if (steps->side->analysis->tree.via[node] != 0 || way == 0)
		return false;
	from = heap_edge_from(graph, way - 1);
	for (size_t i = 0; i < MATCH_MOMENTARY && graph->type[from] == HEAP_SYNTHETIC; i++) {
		if (graph->name[from] == steps->momentary[i])
			return true;
	}
	return false;
}
