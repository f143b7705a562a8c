/*
 * Objects that may have changed their shape
 *
 * Objects of one shape are one member, of which the first speaks for all: there are few shapes, and
 * there may be millions of objects. Members with a property in common are joined, by the usual
 * forest of disjoint sets with path halving (Tarjan, van Leeuwen, 1984).
 */

#include "heap/match_kin.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/hash.h"
#include "heap/match_children.h"
#include "heap/match_steps.h"
#include "util/array.h"

struct member {
	struct match_child *first; /* in its list */
	size_t n;
	const struct match_steps *steps;
	size_t parent; /* a member; its own number: none */
};

struct property {
	uint64_t hash; /* of the step and the name */
	size_t member;
};

struct kin {
	struct member *members; /* owned */
	struct property *properties; /* owned */
	size_t members_n, properties_n, properties_capacity;
};

/* Those that have no shape have no more in common than that. */
static size_t count_like(const struct match_steps *steps, const struct match_child *first,
			 const struct match_child *end)
{
	return match_is_shaped(steps, first->node) ? match_children_alike(first, end) : 1;
}

static void add_members(struct kin *kin, struct match_children *children,
			const struct match_steps *steps)
{
	struct match_child *at = children->items, *end = at + children->n;

	while (at < end) {
		size_t n = count_like(steps, at, end);

		kin->members[kin->members_n] = (struct member){ at, n, steps, kin->members_n };
		kin->members_n++;
		at += n;
	}
}

static int add_property(struct kin *kin, uint64_t hash, size_t member)
{
	struct property *items = array_room(kin->properties, kin->properties_n,
					    &kin->properties_capacity, 256, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	kin->properties = items;
	kin->properties[kin->properties_n++] = (struct property){ hash, member };
	return 0;
}

/* All objects have a prototype. */
static int add_properties(struct kin *kin, size_t number)
{
	const struct member *member = &kin->members[number];
	const struct heap_graph *graph = &member->steps->side->analysis->graph;
	uint32_t node = member->first->node;
	int r = 0;

	if (!match_is_plain(member->steps, node))
		return 0;
	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1] && r == 0; i++) {
		if (heap_edge_kind(graph->edges[i]) != HEAP_PROPERTY ||
		    graph->edge_name[i] == member->steps->prototype)
			continue;
		r = add_property(
			kin, hash_mix(member->first->step, hash_string(graph, graph->edge_name[i])),
			number);
	}
	return r;
}

static int by_hash(const void *a, const void *b)
{
	const struct property *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static size_t find(struct member *members, size_t number)
{
	while (members[number].parent != number) {
		members[number].parent = members[members[number].parent].parent;
		number = members[number].parent;
	}
	return number;
}

static void join(struct member *members, size_t a, size_t b)
{
	a = find(members, a);
	b = find(members, b);
	members[a > b ? a : b].parent = a < b ? a : b;
}

static void unite(struct kin *kin)
{
	if (kin->properties_n > 1)
		qsort(kin->properties, kin->properties_n, sizeof(*kin->properties), by_hash);
	for (size_t i = 1; i < kin->properties_n; i++) {
		const struct property *at = &kin->properties[i];

		if (at[-1].hash == at->hash)
			join(kin->members, at[-1].member, at->member);
	}
}

static void number(struct kin *kin)
{
	for (size_t i = 0; i < kin->members_n; i++) {
		const struct member *member = &kin->members[i];
		uint64_t shape = find(kin->members, i);

		for (size_t k = 0; k < member->n; k++)
			member->first[k].shape = shape;
	}
}

int match_kin(struct match_children *before, const struct match_steps *base,
	      struct match_children *now, const struct match_steps *last)
{
	struct kin kin = { .members = calloc(before->n + now->n, sizeof(*kin.members)) };
	int r = kin.members == NULL && before->n + now->n > 0 ? -ENOMEM : 0;

	if (r == 0) {
		add_members(&kin, before, base);
		add_members(&kin, now, last);
	}
	for (size_t i = 0; i < kin.members_n && r == 0; i++)
		r = add_properties(&kin, i);
	if (r == 0) {
		unite(&kin);
		number(&kin);
		match_children_sort(before);
		match_children_sort(now);
	}
	free(kin.members);
	free(kin.properties);
	return r;
}
