/*
 * Where a program's memory accumulates
 *
 * What accumulated at a holder is its growth without that of the children it had: what came, less
 * what went, and its own tables. These double now and then also where as much goes as comes, as in
 * a cache that is full, so that it is what came that has to go on in each step.
 */

#include "heap/leaks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/leaks_chain.h"
#include "heap/leaks_parts.h"
#include "heap/leaks_room.h"
#include "heap/leaks_roots.h"

static uint32_t cut(uint64_t bytes)
{
	return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/* Of an object of the snapshot that is the view's: what is no child's. 0, -ENOMEM. */
static int own_bytes(struct leaks_view *view, uint32_t node, uint32_t *ret)
{
	uint64_t own = view->retained[node];
	uint32_t kid;
	int r;

	leaks_parts_begin(view, node);
	while ((r = leaks_parts_next(view, &kid)) > 0)
		own -= view->retained[kid];
	*ret = cut(own);
	return r;
}

static int fill_own(struct heap_past *past, const struct heap_match *match,
		    const struct heap_analysis *base)
{
	struct leaks_view view = {
		.graph = &base->graph,
		.tree = &base->tree,
		.retained = base->retained,
	};
	int r = 0;

	for (uint32_t node = 0; node < match->nodes && r == 0; node++) {
		uint32_t before = match->of[node];

		if (before == UINT32_MAX)
			continue;
		past->self[node] = cut(heap_size(view.graph, before));
		if (leaks_is_holder(&view, before))
			r = own_bytes(&view, before, &past->own[node]);
	}
	leaks_view_fini(&view);
	return r;
}

/* Of functions that have no names. *ret: by node of the base; free it. */
static int map_codes(struct heap_past *past, const struct heap_match *match,
		     const struct heap_graph *base, uint32_t **ret)
{
	uint32_t *codes = malloc((size_t)base->nodes * sizeof(*codes));

	*ret = codes;
	if (codes == NULL)
		return -ENOMEM;
	memset(codes, 0xff, (size_t)base->nodes * sizeof(*codes));
	for (uint32_t node = 0; node < match->nodes; node++) {
		uint32_t before = match->of[node];

		if (before == UINT32_MAX || base->type[before] != HEAP_CODE ||
		    heap_bit(match->guessed, node))
			continue;
		codes[before] = node;
		heap_bit_set(past->known, node);
	}
	return 0;
}

static int find_groups(struct heap_past *past, const struct heap_match *match,
		       const struct heap_side *base, const struct heap_shapes *shapes)
{
	const struct heap_graph *graph = &base->analysis->graph;
	uint32_t *codes = NULL;
	int r = graph->foreign ? map_codes(past, match, graph, &codes) : 0;

	r = r == 0 ? root_groups_init(&past->groups, base, shapes, codes, NULL) : r;
	free(codes);
	return r;
}

int heap_past_init(struct heap_past *ret, const struct heap_match *match,
		   const struct heap_side *base, const struct heap_shapes *shapes)
{
	const struct heap_analysis *analysis = base->analysis;
	int r;

	*ret = (struct heap_past){
		.nodes = match->nodes,
		.retained = heap_alloc(match->nodes, sizeof(uint64_t)),
		.own = heap_alloc(match->nodes, sizeof(uint32_t)),
		.self = heap_alloc(match->nodes, sizeof(uint32_t)),
		.known = heap_bits_alloc(match->nodes),
		.total = analysis->retained[analysis->graph.root],
	};
	if (ret->retained == NULL || ret->own == NULL || ret->self == NULL || ret->known == NULL)
		return -ENOMEM;
	for (uint32_t node = 0; node < match->nodes; node++)
		ret->retained[node] = match->of[node] != UINT32_MAX
					      ? analysis->retained[match->of[node]]
					      : HEAP_NEW;
	r = fill_own(ret, match, analysis);
	return r == 0 ? find_groups(ret, match, base, shapes) : r;
}

void heap_past_fini(struct heap_past *past)
{
	heap_free(past->retained, past->nodes, sizeof(*past->retained));
	heap_free(past->own, past->nodes, sizeof(*past->own));
	heap_free(past->self, past->nodes, sizeof(*past->self));
	heap_bits_free(past->known, past->nodes);
	root_groups_fini(&past->groups);
	*past = (struct heap_past){ .nodes = 0 };
}

/* ---- one holder ---- */

/* What came to a holder. */
struct arrivals {
	int64_t carried[HEAP_PASTS_MAX]; /* growth of children that were there at first */
	uint64_t held; /* bytes of all children: the rest is the holder itself and its parts */
	struct leaks_own own;
	uint64_t count, bytes; /* of new ones */
	uint64_t rest[HEAP_PASTS_MAX]; /* bytes since then: of new ones that do not count */
	uint32_t largest; /* of these; UINT32_MAX: none */
};

/* Since each of the snapshots. */
static void add_rest(const struct leaks_view *view, struct arrivals *arrivals, uint32_t kid)
{
	uint64_t retained = view->retained[kid];

	for (size_t i = 0; i < view->pasts_n; i++) {
		uint64_t before = view->pasts[i].retained[kid];

		if (before == HEAP_NEW)
			arrivals->rest[i] += retained;
		else if (before < retained)
			arrivals->rest[i] += retained - before;
	}
}

static void arrive(const struct leaks_view *view, struct arrivals *arrivals, uint32_t kid)
{
	uint64_t retained = view->retained[kid], first = view->pasts[0].retained[kid];

	arrivals->held += retained;
	for (size_t i = 0; i < view->pasts_n && first != HEAP_NEW; i++) {
		uint64_t before = view->pasts[i].retained[kid];

		arrivals->carried[i] += (int64_t)(retained - (before != HEAP_NEW ? before : first));
	}
	if (first != HEAP_NEW)
		return;
	if (!leaks_is_thing(view, kid)) {
		add_rest(view, arrivals, kid);
		return;
	}
	arrivals->count++;
	arrivals->bytes += retained;
	if (arrivals->largest == UINT32_MAX || retained > view->retained[arrivals->largest])
		arrivals->largest = kid;
}

static int look(struct leaks_view *view, uint32_t holder, struct arrivals *ret)
{
	uint32_t kid;
	int r;

	*ret = (struct arrivals){ .largest = UINT32_MAX };
	leaks_parts_begin(view, holder);
	while ((r = leaks_parts_next(view, &kid)) > 0)
		arrive(view, ret, kid);
	ret->own = view->own;
	return r;
}

static bool has_grown(const struct leaks_view *view, uint32_t node)
{
	uint64_t after = view->retained[node];

	for (size_t i = view->pasts_n; i > 0; i--) {
		uint64_t before = view->pasts[i - 1].retained[node];

		if (before == HEAP_NEW || before >= after)
			return false;
		after = before;
	}
	return view->retained[node] - after >= view->threshold;
}

/* Bytes that accumulated since a past. */
static uint64_t accumulated(const struct leaks_view *view, const struct arrivals *arrivals,
			    uint32_t holder, size_t past)
{
	int64_t growth = (int64_t)(view->retained[holder] - view->pasts[past].retained[holder]);
	int64_t bytes = growth - arrivals->carried[past];

	if (bytes > growth)
		bytes = growth;
	return bytes > 0 ? (uint64_t)bytes : 0;
}

/* The same without the growth of the holder's own tables. */
static uint64_t came(const struct leaks_view *view, const struct arrivals *arrivals,
		     uint32_t holder, size_t past)
{
	int64_t own = cut(view->retained[holder] - arrivals->held);
	int64_t bytes = (int64_t)accumulated(view, arrivals, holder, past);

	bytes -= own - view->pasts[past].own[holder];
	return bytes > 0 ? (uint64_t)bytes : 0;
}

static bool goes_on(const struct leaks_view *view, const struct arrivals *arrivals,
		    const struct heap_suspect *suspect)
{
	struct heap_suspect only = {
		.bytes = came(view, arrivals, suspect->holder, 0),
		.last_bytes = came(view, arrivals, suspect->holder, view->pasts_n - 1),
	};

	if (only.last_bytes > only.bytes)
		only.last_bytes = only.bytes;
	return leaks_in_each_step(view, &only);
}

/* ---- what it is that came ---- */

struct tally {
	uint64_t bytes, count;
	uint32_t example;
	uint32_t round; /* of which holder these are */
};

/* By class; of more than one holder in turn. */
struct tallies {
	struct tally *items; /* owned */
	uint32_t round;
};

static int name_class(struct leaks_view *view, struct tallies *tallies,
		      struct heap_suspect *suspect)
{
	uint64_t most = 0, all = 0;
	uint32_t kid;
	int r;

	tallies->round++;
	leaks_parts_begin(view, suspect->holder);
	while ((r = leaks_parts_next(view, &kid)) > 0) {
		uint32_t class = view->class[kid];
		struct tally *tally = &tallies->items[class];

		if (view->pasts[0].retained[kid] != HEAP_NEW || !leaks_is_thing(view, kid))
			continue;
		if (tally->round != tallies->round)
			*tally = (struct tally){ .example = kid, .round = tallies->round };
		tally->count++;
		tally->bytes += view->retained[kid];
		if (view->retained[kid] > view->retained[tally->example])
			tally->example = kid;
		all++;
		if (tally->bytes > most) {
			most = tally->bytes;
			suspect->class = class;
		}
	}
	if (all > 0) {
		suspect->example = tallies->items[suspect->class].example;
		suspect->count = tallies->items[suspect->class].count;
		suspect->others = all - suspect->count;
	}
	return r;
}

/* ---- all holders ---- */

static uint64_t more_than(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/*
 * Bytes by which the holder and its parts are larger; UINT64_MAX: it was too large to tell. No more
 * than the same parts are: one that was another's, as the table of a map that an iterator on a
 * stack has had too, was there before.
 */
static uint64_t larger_itself(const struct leaks_view *view, const struct arrivals *arrivals,
			      uint32_t holder, size_t i)
{
	const struct heap_past *past = &view->pasts[i];
	uint64_t itself = view->retained[holder] - arrivals->held - arrivals->own.shared;
	uint64_t same = past->self[holder] + arrivals->own.before[i];

	if (past->own[holder] == UINT32_MAX)
		return UINT64_MAX;
	return leaks_least(more_than(itself, past->own[holder]), more_than(itself, same)) +
	       arrivals->rest[i];
}

/*
 * Nothing came that would be it: numbers in an array, text, what an engine does not tell of. It is
 * at most what the holder is larger by itself: when something comes to hold what a scope or a
 * function alone has held, as compiled code does, that leaves these for a place beside them, and
 * was there all the time.
 */
static int grown_itself(struct heap_leaks *leaks, const struct leaks_view *view,
			const struct arrivals *arrivals, struct heap_suspect *suspect)
{
	uint64_t came = arrivals->bytes + arrivals->rest[0];
	uint32_t holder = suspect->holder;

	if (view->graph->type[holder] != HEAP_OBJECT || leaks_is_context(view->graph, holder) ||
	    came >= suspect->bytes / 2 || suspect->bytes - came < view->threshold)
		return 0;
	suspect->bytes = leaks_least(suspect->bytes, larger_itself(view, arrivals, holder, 0));
	suspect->last_bytes = leaks_least(leaks_least(suspect->bytes, suspect->last_bytes),
					  larger_itself(view, arrivals, holder, view->pasts_n - 1));
	if (suspect->bytes < view->threshold || !leaks_in_each_step(view, suspect))
		return 0;
	suspect->kind = HEAP_LEAK_OWN;
	suspect->class = view->class[holder];
	suspect->example = holder;
	return leaks_add(leaks, suspect);
}

static int examine(struct heap_leaks *leaks, struct leaks_view *view, struct tallies *tallies,
		   uint32_t holder)
{
	struct heap_suspect suspect = { .holder = holder, .via = UINT32_MAX };
	struct arrivals arrivals;
	int r = look(view, holder, &arrivals);

	if (r < 0)
		return r;
	suspect.bytes = accumulated(view, &arrivals, holder, 0);
	suspect.last_bytes = accumulated(view, &arrivals, holder, view->pasts_n - 1);
	if (suspect.last_bytes > suspect.bytes)
		suspect.last_bytes = suspect.bytes;
	if (suspect.bytes < view->threshold || !leaks_in_each_step(view, &suspect))
		return 0;
	if (arrivals.bytes < suspect.bytes / 2)
		return grown_itself(leaks, view, &arrivals, &suspect);
	if (!goes_on(view, &arrivals, &suspect))
		return 0;
	if (view->retained[arrivals.largest] >= suspect.bytes / 2) {
		r = leaks_chain(view, arrivals.largest, &suspect);
		return r > 0 ? leaks_add(leaks, &suspect) : r;
	}
	if (arrivals.count < HEAP_LEAK_MIN_COUNT)
		return 0;
	r = name_class(view, tallies, &suspect);
	return r == 0 ? leaks_add(leaks, &suspect) : r;
}

static int by_bytes(const void *a, const void *b)
{
	const struct heap_suspect *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->holder != y->holder)
		return x->holder < y->holder ? -1 : 1;
	return x->example < y->example ? -1 : x->example > y->example;
}

static uint64_t growth_of(const struct leaks_view *view, uint32_t root)
{
	uint64_t now = view->retained[root], before = view->pasts[0].total;

	return now > before ? now - before : 0;
}

int heap_leaks_find(struct heap_leaks *ret, const struct heap_side *last,
		    const struct heap_past *pasts, size_t pasts_n)
{
	const struct heap_analysis *analysis = last->analysis;
	struct leaks_view view = {
		.graph = &analysis->graph,
		.tree = &analysis->tree,
		.ways = analysis->ways,
		.dominator = analysis->dominators.dominator,
		.class = analysis->classes.of,
		.distances = analysis->distances,
		.retained = analysis->retained,
		.pasts = pasts,
		.pasts_n = pasts_n,
	};
	struct tallies tallies = { calloc((size_t)analysis->classes.n + 1, sizeof(struct tally)),
				   0 };
	struct root_pasts root_pasts = { .n = pasts_n };
	struct root_groups groups = { .n = 0 };
	int r = tallies.items == NULL ? -ENOMEM : 0;

	*ret = (struct heap_leaks){ .growth = growth_of(&view, analysis->graph.root) };
	ret->threshold = ret->growth / 1000 * HEAP_LEAK_MIN_PERMILLE;
	if (ret->threshold < HEAP_LEAK_MIN_BYTES)
		ret->threshold = HEAP_LEAK_MIN_BYTES;
	view.threshold = ret->threshold;
	for (size_t i = 0; i < pasts_n; i++)
		root_pasts.retained[i] = pasts[i].retained;
	for (uint32_t node = 0; node < analysis->graph.nodes && r == 0; node++) {
		if (leaks_is_holder(&view, node) && has_grown(&view, node))
			r = examine(ret, &view, &tallies, node);
	}
	r = r == 0 ? root_groups_init(&groups, last, &analysis->shapes, NULL, &root_pasts) : r;
	r = r == 0 ? leaks_roots(ret, &view, &groups) : r;
	if (r == 0)
		leaks_room(ret, &view);
	if (r == 0 && ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_bytes);
	root_groups_fini(&groups);
	leaks_view_fini(&view);
	free(tallies.items);
	return r;
}

void heap_leaks_fini(struct heap_leaks *leaks)
{
	free(leaks->items);
	*leaks = (struct heap_leaks){ .n = 0 };
}
