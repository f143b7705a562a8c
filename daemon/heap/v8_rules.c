/*
 * What V8's snapshots mean besides what they say
 */

#include "heap/v8_rules.h"

#include <errno.h>
#include <string.h>

#include "heap/alloc.h"

/* ---- entries of WeakMaps ---- */

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}

/* *end is moved before the text, if that is what stands there and does not reach before first. */
static bool back(const char *first, const char **end, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(*end - first) < n || memcmp(*end - n, text, n) != 0)
		return false;
	*end -= n;
	return true;
}

static bool back_number(const char *first, const char **end, uint64_t *ret)
{
	const char *last = *end;

	while (*end > first && is_digit((*end)[-1]))
		(*end)--;
	*ret = 0;
	for (const char *at = *end; at < last; at++)
		*ret = *ret * 10 + (uint64_t)(*at - '0');
	return *end < last;
}

/* " @4711)", read backwards. */
static bool back_id(const char *first, const char **end)
{
	uint64_t id;

	return back(first, end, ")") && back_number(first, end, &id) && back(first, end, " @");
}

static bool has_line_end(const char *at, const char *end)
{
	for (; end - at >= 2; at++) {
		if (*at != '\\')
			continue;
		at++;
		if (*at == 'n' || *at == 'r' ||
		    (end - at >= 5 && memcmp(at, "u202", 4) == 0 && (at[4] == '8' || at[4] == '9')))
			return true;
	}
	return false;
}

/*
 * N / part of key (... @ID) -> value (... @ID) pair in WeakMap (table @ID)
 */
uint32_t v8_rules_ephemeron(const struct heap_strings *strings, uint32_t name, uint64_t *ret_table)
{
	static const char arrow[] = " -> value (", lead[] = " / part of key (";
	size_t size;
	const char *first = heap_string_raw(strings, name, &size), *end = first + size, *last = end;
	const char *at = first, *found;

	/* Few strings are over the first test. */
	if (!back(first, &end, ")") || !back_number(first, &end, ret_table) ||
	    !back(first, &end, " pair in WeakMap (table @") || !back_id(first, &end))
		return 0;
	while (at < end && is_digit(*at))
		at++;
	size = (size_t)(at - first);
	if (size == 0 || (size_t)(end - at) < strlen(lead) || memcmp(at, lead, strlen(lead)) != 0)
		return 0;
	at += strlen(lead);
	found = at;
	while ((found = memmem(found, (size_t)(end - found), arrow, strlen(arrow))) != NULL) {
		const char *before = found;

		if (back_id(at, &before))
			return has_line_end(first, last) ? 0 : (uint32_t)size;
		found++;
	}
	return 0;
}

/* Names, and the range of them: there are few, if any, and they stand near each other. */
struct ephemerons {
	uint32_t first, n; /* strings */
};

static int find_ephemerons(struct heap_graph *graph, struct ephemerons *ret)
{
	uint64_t table;

	*ret = (struct ephemerons){ .n = 0 };
	graph->ephemerons = heap_bits_alloc(graph->strings.n);
	if (graph->ephemerons == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < graph->strings.n; i++) {
		/* Names of strings are not names of edges, but who could tell: all are looked at.
		 */
		if (v8_rules_ephemeron(&graph->strings, i, &table) == 0)
			continue;
		heap_bit_set(graph->ephemerons, i);
		if (ret->n == 0)
			ret->first = i;
		ret->n = i - ret->first + 1;
	}
	return 0;
}

/* Of the two edges to an entry's value, the one from the table. */
static void halve(struct heap_graph *graph, uint32_t edge)
{
	uint64_t table;

	if (heap_edge_kind(graph->edges[edge]) != HEAP_INTERNAL ||
	    !heap_bit(graph->ephemerons, graph->edge_name[edge]))
		return;
	v8_rules_ephemeron(&graph->strings, graph->edge_name[edge], &table);
	if (table == graph->id[heap_edge_from(graph, edge)])
		graph->edges[edge] = heap_edge_to(graph->edges[edge]) | (uint32_t)HEAP_HALF
										<< HEAP_EDGE_SHIFT;
}

static void mark_halves(struct heap_graph *graph, const struct ephemerons *ephemerons)
{
	for (uint32_t i = 0; i < graph->edges_n && ephemerons->n > 0; i++) {
		if (graph->edge_name[i] - ephemerons->first < ephemerons->n)
			halve(graph, i);
	}
}

/* ---- DOM ---- */

struct dom {
	struct heap_graph *graph;
	uint64_t *seen;
	struct heap_stack attached, detached;
};

/* Only what is not JavaScript takes its state from others; the first state stays. */
static int set_state(struct dom *dom, uint32_t node, uint8_t state)
{
	uint8_t *flags = &dom->graph->flags[node];

	if (heap_bit(dom->seen, node))
		return 0;
	heap_bit_set(dom->seen, node);
	if (dom->graph->type[node] != HEAP_NATIVE)
		return 0;
	*flags = state;
	if (state == HEAP_ATTACHED)
		return heap_stack_push(&dom->attached, node);
	*flags |= HEAP_RENAMED;
	return heap_stack_push(&dom->detached, node);
}

static int pass_on(struct dom *dom, struct heap_stack *stack, uint8_t state)
{
	const struct heap_graph *graph = dom->graph;
	int r = 0;

	while (stack->n > 0 && r == 0) {
		uint32_t node = stack->items[--stack->n], end = graph->edge_first[node + 1];

		for (uint32_t i = graph->edge_first[node]; i < end && r == 0; i++) {
			enum heap_edge_kind kind = heap_edge_kind(graph->edges[i]);

			if (kind != HEAP_EDGE_HIDDEN && kind != HEAP_WEAK)
				r = set_state(dom, heap_edge_to(graph->edges[i]), state);
		}
	}
	return r;
}

static int spread_states(struct heap_graph *graph)
{
	struct dom dom = { .graph = graph, .seen = heap_bits_alloc(graph->nodes) };
	int r = dom.seen == NULL ? -ENOMEM : 0;

	for (uint32_t node = 0; node < graph->nodes && r == 0; node++) {
		if (graph->flags[node] != 0)
			r = set_state(&dom, node, graph->flags[node]);
	}
	if (r == 0)
		r = pass_on(&dom, &dom.attached, HEAP_ATTACHED);
	if (r == 0)
		r = pass_on(&dom, &dom.detached, HEAP_DETACHED);
	heap_stack_fini(&dom.attached);
	heap_stack_fini(&dom.detached);
	heap_bits_free(dom.seen, graph->nodes);
	return r;
}

/* Before V8 told the state, Blink wrote it into the names. */
static void states_of_names(struct heap_graph *graph)
{
	for (uint32_t node = 0; node < graph->nodes; node++) {
		if (graph->type[node] == HEAP_NATIVE &&
		    heap_string_begins(&graph->strings, graph->name[node], "Detached "))
			graph->flags[node] = HEAP_DETACHED;
	}
}

int v8_rules_names(struct heap_graph *graph, bool has_detachedness)
{
	struct ephemerons ephemerons;
	int r = find_ephemerons(graph, &ephemerons);

	if (r < 0)
		return r;
	mark_halves(graph, &ephemerons);
	if (has_detachedness)
		return spread_states(graph);
	states_of_names(graph);
	return 0;
}

/* ---- roots ---- */

static bool is_document_trees(const struct heap_graph *graph, uint32_t node)
{
	return graph->type[node] == HEAP_SYNTHETIC &&
	       heap_string_is(&graph->strings, graph->name[node], "(Document DOM trees)");
}

bool v8_rules_user_root(const struct heap_graph *graph, uint32_t node)
{
	return graph->type[node] != HEAP_SYNTHETIC || is_document_trees(graph, node);
}

static int flood(const struct heap_graph *graph, struct heap_stack *stack, uint64_t *bits)
{
	int r = 0;

	while (stack->n > 0 && r == 0) {
		uint32_t node = stack->items[--stack->n], end = graph->edge_first[node + 1];

		for (uint32_t i = graph->edge_first[node]; i < end && r == 0; i++) {
			uint32_t to = heap_edge_to(graph->edges[i]);

			if (heap_bit(bits, to) || heap_edge_kind(graph->edges[i]) == HEAP_WEAK)
				continue;
			heap_bit_set(bits, to);
			__builtin_prefetch(&graph->edge_first[to]);
			r = heap_stack_push(stack, to);
		}
	}
	return r;
}

uint64_t *v8_rules_page_owned(const struct heap_graph *graph)
{
	uint64_t *bits = heap_bits_alloc(graph->nodes);
	struct heap_stack stack = { .n = 0 };
	uint32_t end = graph->edge_first[graph->root + 1];
	int r = bits == NULL ? -ENOMEM : 0;

	for (uint32_t i = graph->edge_first[graph->root]; i < end && r == 0; i++) {
		enum heap_edge_kind kind = heap_edge_kind(graph->edges[i]);
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (kind != HEAP_SHORTCUT &&
		    (kind != HEAP_ELEMENT || !is_document_trees(graph, to)))
			continue;
		heap_bit_set(bits, to);
		r = heap_stack_push(&stack, to);
	}
	if (r == 0)
		r = flood(graph, &stack, bits);
	heap_stack_fini(&stack);
	if (r == 0)
		return bits;
	heap_bits_free(bits, graph->nodes);
	return NULL;
}
