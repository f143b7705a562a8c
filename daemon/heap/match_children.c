/*
 * Children without a partner
 */

#include "heap/match_children.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/match_steps.h"
#include "util/array.h"

static int add(struct match_children *children, struct match_child child)
{
	struct match_child *items =
		array_room(children->items, children->n, &children->capacity, 256, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	children->items = items;
	children->items[children->n++] = child;
	return 0;
}

int match_children_compare(const struct match_child *a, const struct match_child *b)
{
	if (a->step != b->step)
		return a->step < b->step ? -1 : 1;
	if (a->variables != b->variables)
		return a->variables < b->variables ? -1 : 1;
	return a->shape < b->shape ? -1 : a->shape > b->shape;
}

static int by_size(const void *a, const void *b)
{
	const struct match_child *x = a, *y = b;
	int order = match_children_compare(x, y);

	if (order != 0)
		return order;
	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

void match_children_sort(struct match_children *children)
{
	if (children->n > 1)
		qsort(children->items, children->n, sizeof(*children->items), by_size);
}

/* Roots lead to it one beside the other. */
static bool is_code(const struct match_steps *steps, uint32_t node)
{
	const struct heap_graph *graph = &steps->side->analysis->graph;

	return graph->foreign && graph->type[node] == HEAP_CODE;
}

int match_children_gather(struct match_children *children, const struct match_steps *steps,
			  uint32_t node, const uint64_t *matched, bool *late)
{
	const struct heap_tree *tree = &steps->side->analysis->tree;
	int r = 0;

	children->n = 0;
	for (uint32_t i = tree->first[node]; i < tree->first[node + 1] && r == 0; i++) {
		struct match_child child = { .node = tree->kids[i] };

		if (heap_bit(matched, child.node))
			continue;
		child.variables = match_variables(&steps->side->analysis->graph, child.node);
		if (late != NULL && child.variables == 0 && match_is_brief(steps, child.node)) {
			*late = true;
			continue;
		}
		child.step = match_step(steps, child.node);
		child.shape = match_shape(steps, child.node);
		child.retained = steps->side->analysis->retained[child.node];
		child.shared = tree->via[child.node] == 0 || is_code(steps, child.node);
		r = add(children, child);
	}
	match_children_sort(children);
	return r;
}

void match_children_fini(struct match_children *children)
{
	free(children->items);
	*children = (struct match_children){ .n = 0 };
}

void match_children_keep(struct match_children *children, const uint64_t *matched)
{
	size_t kept = 0;

	for (size_t i = 0; i < children->n; i++) {
		children->items[kept] = children->items[i];
		kept += !heap_bit(matched, children->items[i].node);
	}
	children->n = kept;
}

size_t match_children_alike(const struct match_child *first, const struct match_child *end)
{
	const struct match_child *at = first + 1;

	while (at < end && match_children_compare(first, at) == 0)
		at++;
	return (size_t)(at - first);
}
