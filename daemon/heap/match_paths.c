/*
 * Objects matched by their named dominator paths
 *
 * From each pair on to what both dominate; and to what both refer to by the same name, which
 * something else may have come to dominate, or to share: code that was compiled meanwhile.
 *
 * Several of one step may be told apart by a name yet, and what runs holds objects for a moment, by
 * paths that are shorter: these wait until all others are matched, and then go by their size, and
 * by what they are.
 */

#include "heap/match_paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/hash.h"
#include "heap/match_children.h"
#include "heap/match_kin.h"
#include "heap/match_steps.h"

struct walk {
	struct heap_match *match;
	struct match_steps base, last;
	uint64_t *base_matched, *last_matched; /* owned: bits by node */
	/*
	 * owned, by node of the last: it may lead to one without a partner. Only these are asked,
	 * for where ids last hardly any are.
	 */
	uint64_t *open;
	struct match_children before, now;
	uint32_t from; /* the pair that is looked at: a node of the last */
	bool hasty; /* what a name may tell apart yet is paired by size */
	bool waits; /* for a name, or something is left on both sides */
	struct heap_stack pairs; /* owned: nodes of the last, in the order they were matched */
	size_t next; /* of the pairs */
	struct heap_stack late; /* owned: those with children that wait for all pairs */
};

/* What a function runs is not known better than which function it is. */
static bool is_guessed(const struct walk *walk)
{
	uint8_t type = walk->last.side->analysis->graph.type[walk->from];

	return (type == HEAP_CLOSURE || type == HEAP_CODE) &&
	       heap_bit(walk->match->guessed, walk->from);
}

static int join(struct walk *walk, uint32_t before, uint32_t now)
{
	if (is_guessed(walk))
		heap_bit_set(walk->match->guessed, now);
	walk->match->of[now] = before;
	heap_bit_set(walk->base_matched, before);
	heap_bit_set(walk->last_matched, now);
	return heap_bit(walk->open, now) ? heap_stack_push(&walk->pairs, now) : 0;
}

/*
 * Those of one step and shape, the largest first. fewer: only where those that are there now may
 * all have been there before.
 */
static int pair_sorted(struct walk *walk, bool fewer)
{
	const struct match_child *a = walk->before.items, *a_end = a + walk->before.n;
	const struct match_child *b = walk->now.items, *b_end = b + walk->now.n;
	int r = 0;

	while (a < a_end && b < b_end && r == 0) {
		int order = match_children_compare(a, b);
		size_t a_n = order <= 0 ? match_children_alike(a, a_end) : 0;
		size_t b_n = order >= 0 ? match_children_alike(b, b_end) : 0;
		bool waits = !walk->hasty && a->shared && b->shared && (a_n > 1 || b_n > 1);
		size_t n = waits || (fewer && b_n > a_n) ? 0 : a_n < b_n ? a_n : b_n;

		for (size_t i = 0; i < n && r == 0; i++) {
			if (a_n > 1 || b_n > 1)
				heap_bit_set(walk->match->guessed, b[i].node);
			r = join(walk, a[i].node, b[i].node);
		}
		walk->waits |= waits && order == 0;
		a += a_n;
		b += b_n;
	}
	return r;
}

/* False: one of the lists is empty. */
static bool keep_unmatched(struct walk *walk)
{
	match_children_keep(&walk->before, walk->base_matched);
	match_children_keep(&walk->now, walk->last_matched);
	return walk->before.n > 0 && walk->now.n > 0;
}

static void forget_shapes(struct match_children *children)
{
	for (size_t i = 0; i < children->n; i++)
		children->items[i].shape = 0;
	match_children_sort(children);
}

/*
 * Those of one shape first: of many plain objects in a table it is all that tells them apart. Then
 * those whose shapes are kin, and of the rest no more than there were.
 */
static int pair(struct walk *walk)
{
	int r = pair_sorted(walk, false);

	if (r < 0 || !keep_unmatched(walk))
		return r;
	r = match_kin(&walk->before, &walk->base, &walk->now, &walk->last);
	r = r == 0 ? pair_sorted(walk, false) : r;
	if (r < 0 || !keep_unmatched(walk))
		return r;
	forget_shapes(&walk->before);
	forget_shapes(&walk->now);
	return pair_sorted(walk, true);
}

/* Contexts that have no partner yet. */
static void keep_contexts(struct match_children *children, const uint64_t *matched)
{
	size_t kept = 0;

	for (size_t i = 0; i < children->n; i++) {
		struct match_child child = children->items[i];

		if (child.variables != 0 && !heap_bit(matched, child.node))
			children->items[kept++] = child;
	}
	children->n = kept;
}

/* A stack or a handle may be a shorter way to it for a moment. */
static void by_variables(struct match_children *children, const struct match_steps *steps)
{
	for (size_t i = 0; i < children->n; i++)
		children->items[i].step = match_what(steps, children->items[i].node);
	match_children_sort(children);
}

/* A variable that is null is not told. */
static void whatever_variables(struct match_children *children, const struct match_steps *steps)
{
	for (size_t i = 0; i < children->n; i++) {
		children->items[i].step = match_step(steps, children->items[i].node);
		children->items[i].variables = 0;
	}
	match_children_sort(children);
}

/* What a step and its variables together did not find. */
static int pair_contexts(struct walk *walk)
{
	keep_contexts(&walk->before, walk->base_matched);
	keep_contexts(&walk->now, walk->last_matched);
	by_variables(&walk->before, &walk->base);
	by_variables(&walk->now, &walk->last);
	return pair(walk);
}

static int pair_whatever_variables(struct walk *walk)
{
	keep_contexts(&walk->before, walk->base_matched);
	keep_contexts(&walk->now, walk->last_matched);
	whatever_variables(&walk->before, &walk->base);
	whatever_variables(&walk->now, &walk->last);
	return pair(walk);
}

static int gather_what(struct match_children *children, const struct match_steps *steps,
		       uint32_t node, const uint64_t *matched)
{
	int r = match_children_gather(children, steps, node, matched, NULL);

	for (size_t i = 0; i < children->n; i++) {
		children->items[i].step = match_what(steps, children->items[i].node);
		children->items[i].variables = 0;
	}
	match_children_sort(children);
	return r;
}

/*
 * What no step has found, by what it is: something was held for a moment, JSC did not tell a name,
 * or told another one of several, or another is in its place.
 */
static int pair_by_what(struct walk *walk, uint32_t before, uint32_t now)
{
	int r = gather_what(&walk->before, &walk->base, before, walk->base_matched);

	if (r == 0 && walk->before.n > 0)
		r = gather_what(&walk->now, &walk->last, now, walk->last_matched);
	return r == 0 && walk->before.n > 0 ? pair(walk) : r;
}

static bool has_kids(const struct match_steps *steps, uint32_t node)
{
	const struct heap_tree *tree = &steps->side->analysis->tree;

	return tree->first[node] < tree->first[node + 1];
}

static int match_kids(struct walk *walk, uint32_t before, uint32_t now, bool *late)
{
	int r;

	if (!has_kids(&walk->last, now) || !has_kids(&walk->base, before))
		return 0;
	walk->hasty = late == NULL;
	walk->waits = false;
	r = match_children_gather(&walk->now, &walk->last, now, walk->last_matched, late);
	if (r < 0 || (walk->now.n == 0 && (late == NULL || !*late)))
		return r;
	r = match_children_gather(&walk->before, &walk->base, before, walk->base_matched, late);
	r = r == 0 ? pair(walk) : r;
	walk->waits |= keep_unmatched(walk);
	r = r == 0 ? pair_contexts(walk) : r;
	if (late == NULL) {
		r = r == 0 ? pair_whatever_variables(walk) : r;
		return r == 0 ? pair_by_what(walk, before, now) : r;
	}
	keep_contexts(&walk->now, walk->last_matched);
	*late |= walk->now.n > 0 || walk->waits;
	return r;
}

/* ---- by a name ---- */

enum { NAMED_MAX = 256 }; /* references of one object to what has no partner that are looked at */

struct named {
	uint64_t hash; /* of the name, and of what it leads to */
	uint32_t edge;
};

/*
 * Of the engine's own references, those to what V8's functions have their variables from, to the
 * tables of an object, and to code: of a function, and of what is written in it.
 */
static bool is_own(const struct match_steps *steps, uint32_t from, uint32_t edge)
{
	const struct heap_graph *graph = &steps->side->analysis->graph;
	uint8_t type = graph->type[heap_edge_to(graph->edges[edge])];

	switch (graph->type[from]) {
	case HEAP_OBJECT:
		return type == HEAP_ARRAY || type == HEAP_HIDDEN;
	case HEAP_CLOSURE:
		return graph->edge_name[edge] == steps->context ||
		       (graph->foreign && type == HEAP_CODE);
	case HEAP_CODE:
		return graph->foreign && (type == HEAP_CODE || type == HEAP_CLOSURE);
	default:
		return false;
	}
}

/* Properties and variables, and those of the engine that lead to one thing each. */
static bool is_named(const struct match_steps *steps, uint32_t from, uint32_t edge)
{
	const struct heap_graph *graph = &steps->side->analysis->graph;
	enum heap_edge_kind kind = heap_edge_kind(graph->edges[edge]);
	uint8_t type = graph->type[heap_edge_to(graph->edges[edge])];

	if (kind == HEAP_INTERNAL)
		return is_own(steps, from, edge);
	return (kind == HEAP_CONTEXT || kind == HEAP_PROPERTY) &&
	       (type == HEAP_OBJECT || type == HEAP_CLOSURE || type == HEAP_NATIVE);
}

static uint64_t hash_target(const struct match_steps *steps, uint32_t edge)
{
	const struct heap_graph *graph = &steps->side->analysis->graph;
	uint32_t to = heap_edge_to(graph->edges[edge]);
	uint64_t hash = hash_mix(match_class(steps, to), graph->type[to]);

	if (graph->type[to] == HEAP_CODE)
		hash = hash_mix(hash, hash_string(graph, graph->name[to]));
	else if (heap_edge_kind(graph->edges[edge]) == HEAP_INTERNAL)
		hash = hash_mix(hash, match_variables(graph, to));
	return hash_mix(match_edge(graph, edge), hash);
}

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->edge < y->edge ? -1 : 1;
}

/* What this object refers to by a name, and has no partner yet. */
static size_t gather_named(struct walk *walk, struct named ret[NAMED_MAX],
			   const struct match_steps *steps, uint32_t node, const uint64_t *matched)
{
	const struct heap_graph *graph = &steps->side->analysis->graph;
	size_t n = 0;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1] && n < NAMED_MAX;
	     i++) {
		if (!is_named(steps, node, i) || heap_bit(matched, heap_edge_to(graph->edges[i])))
			continue;
		walk->match->looked++;
		ret[n++] = (struct named){ hash_target(steps, i), i };
	}
	if (n > 1)
		qsort(ret, n, sizeof(*ret), by_name);
	return n;
}

/* Code that is written in other code has no place there: it is known where it is the only one. */
static bool is_only(const struct heap_graph *graph, const struct named *items, size_t n, size_t at)
{
	uint32_t to = heap_edge_to(graph->edges[items[at].edge]);
	size_t i = at;

	while (i > 0 && items[i - 1].hash == items[at].hash)
		i--;
	while (i < n && items[i].hash == items[at].hash &&
	       heap_edge_to(graph->edges[items[i].edge]) == to)
		i++;
	return i == n || items[i].hash != items[at].hash;
}

static bool may_join(const struct walk *walk, uint32_t now, const struct named *a, size_t a_n,
		     size_t i, const struct named *b, size_t b_n, size_t k)
{
	const struct heap_graph *base = &walk->base.side->analysis->graph;
	const struct heap_graph *last = &walk->last.side->analysis->graph;

	if (last->type[heap_edge_to(last->edges[b[k].edge])] == HEAP_CODE && is_guessed(walk))
		return false;
	return last->type[now] != HEAP_CODE ||
	       (is_only(base, a, a_n, i) && is_only(last, b, b_n, k));
}

/* Two may lead to one object: the first that comes decides. */
static int match_named(struct walk *walk, uint32_t before, uint32_t now)
{
	const struct heap_graph *base = &walk->base.side->analysis->graph;
	const struct heap_graph *last = &walk->last.side->analysis->graph;
	struct named a[NAMED_MAX], b[NAMED_MAX];
	size_t b_n = gather_named(walk, b, &walk->last, now, walk->last_matched);
	size_t a_n = b_n > 0 ? gather_named(walk, a, &walk->base, before, walk->base_matched) : 0;
	int r = 0;

	for (size_t i = 0, k = 0; i < a_n && k < b_n && r == 0;) {
		uint32_t from = heap_edge_to(base->edges[a[i].edge]);
		uint32_t to = heap_edge_to(last->edges[b[k].edge]);
		bool from_done = heap_bit(walk->base_matched, from);
		bool to_done = heap_bit(walk->last_matched, to);

		if (!from_done && !to_done && a[i].hash == b[k].hash) {
			if (may_join(walk, now, a, a_n, i, b, b_n, k))
				r = join(walk, from, to);
			from_done = to_done = true;
		} else if (!from_done && !to_done) {
			from_done = a[i].hash < b[k].hash;
			to_done = !from_done;
		}
		i += from_done;
		k += to_done;
	}
	return r;
}

/* ---- all of it ---- */

/* A reference by a name to what has no partner. */
static bool names_unmatched(const struct walk *walk, uint32_t node)
{
	const struct heap_graph *graph = &walk->last.side->analysis->graph;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		if (!heap_bit(walk->last_matched, heap_edge_to(graph->edges[i])) &&
		    is_named(&walk->last, node, i))
			return true;
	}
	return false;
}

/* Later there are fewer, never more. */
static void find_open(struct walk *walk)
{
	const uint32_t *dominator = walk->last.side->analysis->dominators.dominator;

	for (uint32_t node = 0; node < walk->match->nodes; node++) {
		if (!heap_bit(walk->last_matched, node))
			heap_bit_set(walk->open, dominator[node]);
		if (names_unmatched(walk, node))
			heap_bit_set(walk->open, node);
	}
}

static int start(struct walk *walk)
{
	const uint32_t *order = walk->last.side->analysis->dominators.order;
	const uint32_t *of = walk->match->of;
	int r = 0;

	for (uint32_t node = 0; node < walk->match->nodes; node++) {
		if (of[node] == UINT32_MAX)
			continue;
		heap_bit_set(walk->base_matched, of[node]);
		heap_bit_set(walk->last_matched, node);
	}
	find_open(walk);
	for (uint32_t i = 0; i < walk->match->nodes && r == 0; i++) {
		if (heap_bit(walk->open, order[i]) && of[order[i]] != UINT32_MAX)
			r = heap_stack_push(&walk->pairs, order[i]);
	}
	return r;
}

static int walk_init(struct walk *ret, struct heap_match *match, const struct heap_side *base,
		     const struct heap_side *last)
{
	int r;

	*ret = (struct walk){ .match = match };
	ret->base_matched = heap_bits_alloc(base->analysis->graph.nodes);
	ret->last_matched = heap_bits_alloc(last->analysis->graph.nodes);
	ret->open = heap_bits_alloc(last->analysis->graph.nodes);
	if (ret->base_matched == NULL || ret->last_matched == NULL || ret->open == NULL)
		return -ENOMEM;
	r = match_steps_init(&ret->base, base);
	return r == 0 ? match_steps_init(&ret->last, last) : r;
}

static void walk_fini(struct walk *walk, const struct heap_side *base)
{
	heap_bits_free(walk->base_matched, base->analysis->graph.nodes);
	heap_bits_free(walk->last_matched, walk->match->nodes);
	heap_bits_free(walk->open, walk->match->nodes);
	match_steps_fini(&walk->base);
	match_steps_fini(&walk->last);
	match_children_fini(&walk->before);
	match_children_fini(&walk->now);
	heap_stack_fini(&walk->pairs);
	heap_stack_fini(&walk->late);
}

/* From the pairs to those they lead to, until there are no more. */
static int go_on(struct walk *walk)
{
	int r = 0;

	while (r == 0 && walk->next < walk->pairs.n) {
		uint32_t now = walk->pairs.items[walk->next++], before = walk->match->of[now];
		bool late = false;

		walk->from = now;
		r = match_kids(walk, before, now, &late);
		r = r == 0 ? match_named(walk, before, now) : r;
		if (r == 0 && late)
			r = heap_stack_push(&walk->late, now);
	}
	return r;
}

int heap_match_paths(struct heap_match *match, const struct heap_side *base,
		     const struct heap_side *last)
{
	struct walk walk;
	int r = walk_init(&walk, match, base, last);

	r = r == 0 ? start(&walk) : r;
	r = r == 0 ? go_on(&walk) : r;
	for (size_t i = 0; r == 0 && i < walk.late.n; i++) {
		uint32_t now = walk.late.items[i];

		walk.from = now;
		r = match_kids(&walk, match->of[now], now, NULL);
		r = r == 0 ? go_on(&walk) : r;
	}
	walk_fini(&walk, base);
	return r;
}
