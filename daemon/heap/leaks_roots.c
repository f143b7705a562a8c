/*
 * What accumulates where no object holds it
 *
 * Below one root each class that grew is a suspect, or where functions have no names, those of each
 * code. Classes that come together are one, as a timer does with what it calls: one of them refers
 * to one of the other. Of what nothing leads to each class is one.
 */

#include "heap/leaks_roots.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/leaks_code.h"

/* Groups of one key, which differ by their code. */
struct run {
	const struct root_group *first;
	size_t n;
};

struct growth {
	const struct root_group *group; /* of all of a run the one with the largest example */
	uint64_t count, bytes, last_bytes;
	uint64_t all; /* how many there are */
	size_t part_of; /* the number of a suspect of its root; 0: none yet */
};

/* Of those of one code, or with NULL of all. */
static void sum(struct root_group *ret, const struct root_group *groups, size_t n,
		const struct root_group *like)
{
	*ret = (struct root_group){ .count = 0 };
	for (size_t i = 0; i < n; i++) {
		if (like != NULL && like->code != groups[i].code)
			continue;
		ret->count += groups[i].count;
		ret->bytes += groups[i].bytes;
		for (size_t k = 0; k < HEAP_PASTS_MAX; k++) {
			ret->new_count[k] += groups[i].new_count[k];
			ret->new_bytes[k] += groups[i].new_bytes[k];
		}
	}
}

/*
 * From each snapshot to the next there are more, and some of them are new: what a stack or a handle
 * comes to hold as well leaves its holder for a place below the root, and was there before. Which
 * of several codes those are that are new is not known where they were told apart by size.
 */
static bool grew(const struct leaks_view *view, const struct run *run,
		 const struct root_group *like, struct growth *ret)
{
	struct root_group now, before, all;
	uint64_t count, bytes;

	sum(&all, run->first, run->n, NULL);
	sum(&now, run->first, run->n, like);
	count = now.count;
	bytes = now.bytes;
	for (size_t i = view->pasts_n; i > 0; i--) {
		size_t n;
		const struct root_group *past =
			root_groups_find(&view->pasts[i - 1].groups, run->first->key, &n);

		sum(&before, past, n, like);
		if (before.count >= count || before.bytes >= bytes || all.new_count[i - 1] == 0)
			return false;
		count = before.count;
		bytes = before.bytes;
		ret->count = leaks_least(now.count - count, all.new_count[i - 1]);
		ret->bytes = leaks_least(now.bytes - bytes, all.new_bytes[i - 1]);
		if (i == view->pasts_n)
			ret->last_bytes = ret->bytes;
	}
	ret->last_bytes = leaks_least(ret->last_bytes, ret->bytes);
	ret->all = now.count;
	return true;
}

/* Where the code of some is not known to be that of before, its counts are not comparable. */
static bool is_told_apart(const struct leaks_view *view, const struct run *run)
{
	bool known = run->n > 1;

	for (size_t i = 0; i < run->n && known; i++) {
		const struct root_group *group = &run->first[i];

		for (size_t k = 0; k < view->pasts_n && group->count >= HEAP_LEAK_MIN_COUNT; k++)
			known &= group->code != UINT32_MAX &&
				 heap_bit(view->pasts[k].known, group->code);
	}
	return known;
}

/* Returns how many growths of a run there are. */
static size_t put_growths(const struct leaks_view *view, const struct run *run, struct growth *ret)
{
	const struct root_group *largest = run->first;
	size_t n = 0;

	if (is_told_apart(view, run)) {
		for (size_t i = 0; i < run->n; i++) {
			ret[n] = (struct growth){ .group = &run->first[i] };
			n += grew(view, run, &run->first[i], &ret[n]);
		}
		return n;
	}
	for (size_t i = 1; i < run->n; i++) {
		if (view->retained[run->first[i].example] > view->retained[largest->example])
			largest = &run->first[i];
	}
	ret[0] = (struct growth){ .group = largest };
	return grew(view, run, NULL, &ret[0]);
}

static int by_holder(const void *a, const void *b)
{
	const struct growth *x = a, *y = b;

	if (x->group->holder != y->group->holder)
		return x->group->holder < y->group->holder ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->group->example < y->group->example ? -1 : 1;
}

/* ---- what comes together ---- */

/* Objects that are looked at of what an example holds; growths of a root, the largest first. */
enum { SUBTREE_MAX = 1024, TOGETHER_MAX = 32 };

/* It is one of the group: its root has it, and nothing between. */
static bool is_of(const struct leaks_view *view, const struct root_group *group, uint32_t node)
{
	uint32_t above = view->dominator[node], left = view->graph->nodes;

	if (view->class[node] != view->class[group->example] ||
	    (group->code != UINT32_MAX && leaks_code_of(view->graph, node) != group->code))
		return false;
	/* No chain has more links than there are nodes, whatever an index says. */
	while (above != group->holder && leaks_is_part(view, above) && left > 0) {
		above = view->dominator[above];
		left--;
	}
	return above == group->holder;
}

/* What an example of the one holds refers to one of the other. 1, 0, -ENOMEM. */
static int refers(struct leaks_view *view, const struct root_group *from,
		  const struct root_group *to)
{
	const struct heap_graph *graph = view->graph;
	struct heap_stack *stack = &view->parts;
	uint32_t seen = 0;
	int r;

	stack->n = 0;
	r = heap_stack_push(stack, from->example);
	while (r == 0 && stack->n > 0 && seen++ < SUBTREE_MAX) {
		uint32_t node = stack->items[--stack->n];

		for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
			uint32_t target = heap_edge_to(graph->edges[i]);

			if (heap_edge_kind(graph->edges[i]) != HEAP_WEAK &&
			    target != from->example && is_of(view, to, target))
				return 1;
		}
		for (uint32_t i = view->tree->first[node];
		     r == 0 && i < view->tree->first[node + 1] && stack->n < SUBTREE_MAX; i++)
			r = heap_stack_push(stack, view->tree->kids[i]);
	}
	return r;
}

/* 1, 0, -ENOMEM. Codes are told apart for what they are. */
static int come_together(struct leaks_view *view, const struct root_group *a,
			 const struct root_group *b)
{
	int r;

	if (a->key == b->key || a->unreached || b->unreached)
		return 0;
	r = refers(view, a, b);
	return r == 0 ? refers(view, b, a) : r;
}

/* Into the number of a suspect comes what goes with one that has it. 1: one more did; 0, -ENOMEM.
 */
static int take_one(struct leaks_view *view, struct growth *growths, size_t n, size_t number)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n && growths[i].part_of == number; k++) {
			int r = growths[k].part_of == 0
					? come_together(view, growths[i].group, growths[k].group)
					: 0;

			if (r != 0) {
				growths[k].part_of = number;
				return r;
			}
		}
	}
	return 0;
}

static int add_suspect(struct heap_leaks *leaks, const struct leaks_view *view,
		       const struct growth *growths, size_t n, size_t number)
{
	struct heap_suspect suspect = { .via = UINT32_MAX };

	for (size_t i = 0; i < n; i++) {
		const struct root_group *group = growths[i].group;

		if (growths[i].part_of != number)
			continue;
		if (suspect.bytes == 0) {
			suspect.holder = group->holder;
			suspect.class = view->class[group->example];
			suspect.example = group->example;
			suspect.count = growths[i].count;
			suspect.all = growths[i].all;
			suspect.kind = group->unreached ? HEAP_LEAK_UNREACHED : HEAP_LEAK_ROOTS;
		} else {
			suspect.others += growths[i].count;
		}
		suspect.bytes += growths[i].bytes;
		suspect.last_bytes += growths[i].last_bytes;
	}
	if (suspect.bytes < view->threshold || suspect.count < HEAP_LEAK_MIN_COUNT ||
	    !leaks_in_each_step(view, &suspect))
		return 0;
	return leaks_add(leaks, &suspect);
}

/* All of one root, the largest first. */
static int add_suspects(struct heap_leaks *leaks, struct leaks_view *view, struct growth *growths,
			size_t n)
{
	size_t looked = n < TOGETHER_MAX ? n : TOGETHER_MAX;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (growths[i].part_of != 0)
			continue;
		growths[i].part_of = i + 1;
		do {
			r = take_one(view, growths, looked, i + 1);
		} while (r > 0);
		r = r == 0 ? add_suspect(leaks, view, growths, n, i + 1) : r;
	}
	return r;
}

static size_t find_growths(const struct leaks_view *view, const struct root_groups *now,
			   struct growth *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < now->n;) {
		struct run run = { &now->items[i], 0 };

		while (i < now->n && now->items[i].key == run.first->key) {
			run.n++;
			i++;
		}
		n += put_growths(view, &run, ret + n);
	}
	return n;
}

int leaks_roots(struct heap_leaks *leaks, struct leaks_view *view, const struct root_groups *now)
{
	struct growth *growths = calloc(now->n + 1, sizeof(*growths));
	size_t n = growths != NULL ? find_growths(view, now, growths) : 0;
	int r = growths == NULL ? -ENOMEM : 0;

	if (n > 1)
		qsort(growths, n, sizeof(*growths), by_holder);
	for (size_t i = 0, end; r == 0 && i < n; i = end) {
		end = i + 1;
		while (end < n && growths[end].group->holder == growths[i].group->holder)
			end++;
		r = add_suspects(leaks, view, growths + i, end - i);
	}
	free(growths);
	return r;
}
