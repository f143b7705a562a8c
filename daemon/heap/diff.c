/*
 * What two snapshots differ in
 */

#include "heap/diff.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/alloc.h"

static int by_id(const void *a, const void *b)
{
	const struct heap_member *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static bool in_order(const struct heap_member *members, uint64_t n)
{
	for (uint64_t i = 1; i < n; i++) {
		if (members[i].id < members[i - 1].id)
			return false;
	}
	return true;
}

static void fill(struct heap_census *census, const struct heap_graph *graph,
		 const struct heap_classes *classes)
{
	for (uint32_t node = 0; node < graph->nodes; node++) {
		if (graph->size[node] != 0)
			census->members[census->first[classes->of[node]]++] =
				(struct heap_member){ heap_id(graph, node),
						      heap_size(graph, node) };
	}
	/* Each is now where the next one begins. */
	for (uint32_t i = classes->n; i > 0; i--)
		census->first[i] = census->first[i - 1];
	census->first[0] = 0;
}

int heap_census_init(struct heap_census *ret, const struct heap_graph *graph,
		     const struct heap_classes *classes)
{
	uint64_t sum = 0;

	*ret = (struct heap_census){ .first = calloc((size_t)classes->n + 1, sizeof(uint64_t)) };
	if (ret->first == NULL)
		return -ENOMEM;
	for (uint32_t node = 0; node < graph->nodes; node++)
		ret->first[classes->of[node]] += graph->size[node] != 0;
	for (uint32_t i = 0; i <= classes->n; i++) {
		uint64_t count = ret->first[i];

		ret->first[i] = sum;
		sum += count;
	}
	ret->members_n = sum;
	ret->members = heap_alloc(sum, sizeof(*ret->members));
	if (ret->members == NULL)
		return -ENOMEM;
	fill(ret, graph, classes);
	for (uint32_t i = 0; i < classes->n; i++) {
		struct heap_member *members = ret->members + ret->first[i];
		uint64_t n = ret->first[i + 1] - ret->first[i];

		if (!in_order(members, n))
			qsort(members, n, sizeof(*members), by_id);
	}
	return 0;
}

void heap_census_fini(struct heap_census *census)
{
	heap_free(census->members, census->members_n, sizeof(*census->members));
	free(census->first);
	*census = (struct heap_census){ .members = NULL };
}

struct span {
	const struct heap_member *at, *end;
};

static struct span span_of(const struct heap_census *census, uint32_t class)
{
	return (struct span){ census->members + census->first[class],
			      census->members + census->first[class + 1] };
}

static void remove_one(struct heap_difference *row, struct span *base)
{
	row->removed++;
	row->removed_bytes += base->at++->size;
}

static void add_one(struct heap_difference *row, struct span *current)
{
	row->added++;
	row->added_bytes += current->at++->size;
}

static void compare(struct heap_difference *row, struct span base, struct span current)
{
	while (base.at < base.end && current.at < current.end) {
		if (base.at->id < current.at->id) {
			remove_one(row, &base);
		} else if (base.at->id > current.at->id) {
			add_one(row, &current);
		} else {
			base.at++;
			current.at++;
		}
	}
	while (base.at < base.end)
		remove_one(row, &base);
	while (current.at < current.end)
		add_one(row, &current);
}

static void sum(struct heap_difference *row, size_t which, struct span span)
{
	for (; span.at < span.end; span.at++) {
		row->count[which]++;
		row->bytes[which] += span.at->size;
	}
}

static void put(struct heap_difference *rows, size_t *n, const struct heap_class *class,
		struct span base, struct span current)
{
	struct heap_difference row = { .key = class->key, .name = class->name };

	compare(&row, base, current);
	if (row.added == 0 && row.removed == 0)
		return;
	sum(&row, 0, base);
	sum(&row, 1, current);
	rows[(*n)++] = row;
}

int heap_diff(const struct heap_classes *base_classes, const struct heap_census *base,
	      const struct heap_classes *classes, const struct heap_census *current,
	      struct heap_difference **ret, size_t *ret_n)
{
	struct heap_difference *rows =
		calloc((size_t)base_classes->n + classes->n + 1, sizeof(*rows));
	size_t n = 0;

	if (rows == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < classes->n; i++) {
		void *found = map_get(&base_classes->by_key, classes->items[i].key);
		struct span before = { NULL, NULL };

		if (found != NULL)
			before = span_of(base, (uint32_t)(uintptr_t)found - 1);
		put(rows, &n, &classes->items[i], before, span_of(current, i));
	}
	for (uint32_t i = 0; i < base_classes->n; i++) {
		if (map_get(&classes->by_key, base_classes->items[i].key) == NULL)
			put(rows, &n, &base_classes->items[i], span_of(base, i),
			    (struct span){ NULL, NULL });
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}
