/*
 * Sizes of internal parts to their owners
 *
 * Few nodes can be owned; a set of them in bits stays in the cache, and the others are asked of
 * nothing more.
 */

#include <errno.h>

#include "heap/alloc.h"
#include "heap/v8_rules.h"

/* Of a part, an owner + 1 or one of these. */
enum { NOBODY = 0 };
static const uint32_t MANY = UINT32_MAX;

struct transfer {
	struct heap_graph *graph;
	uint64_t *parts; /* bits */
	uint32_t *owner; /* by node */
	struct heap_stack todo;
};

static bool has_user_root(const struct heap_graph *graph)
{
	uint32_t end = graph->edge_first[graph->root + 1];

	for (uint32_t i = graph->edge_first[graph->root]; i < end; i++) {
		if (v8_rules_user_root(graph, heap_edge_to(graph->edges[i])))
			return true;
	}
	return false;
}

static void find_parts(struct transfer *transfer)
{
	const struct heap_graph *graph = transfer->graph;
	uint32_t external = heap_string_find(&graph->strings, "system / ExternalStringData");

	for (uint32_t node = 0; node < graph->nodes; node++) {
		uint8_t type = graph->type[node];

		if (type == HEAP_HIDDEN || type == HEAP_ARRAY ||
		    (type == HEAP_NATIVE && graph->name[node] == external &&
		     (graph->flags[node] & HEAP_RENAMED) == 0))
			heap_bit_set(transfer->parts, node);
	}
}

static int own(struct transfer *transfer, uint32_t part, uint32_t owner)
{
	uint32_t *now = &transfer->owner[part];

	if (*now == owner || *now == MANY)
		return 0;
	*now = *now == NOBODY ? owner : MANY;
	return heap_stack_push(&transfer->todo, part);
}

static int own_parts_of(struct transfer *transfer, uint32_t node, uint32_t owner)
{
	const struct heap_graph *graph = transfer->graph;
	uint32_t end = graph->edge_first[node + 1];
	int r = 0;

	for (uint32_t i = graph->edge_first[node]; i < end && r == 0; i++) {
		uint32_t to = heap_edge_to(graph->edges[i]);

		if (heap_bit(transfer->parts, to) && heap_edge_kind(graph->edges[i]) != HEAP_WEAK)
			r = own(transfer, to, owner);
	}
	return r;
}

static int find_owners(struct transfer *transfer)
{
	uint32_t nodes = transfer->graph->nodes;
	int r = 0;

	for (uint32_t node = 0; node < nodes && r == 0; node++) {
		if (!heap_bit(transfer->parts, node))
			r = own_parts_of(transfer, node, node + 1);
	}
	while (transfer->todo.n > 0 && r == 0) {
		uint32_t part = transfer->todo.items[--transfer->todo.n];

		r = own_parts_of(transfer, part, transfer->owner[part]);
	}
	return r;
}

static int move_sizes(const struct transfer *transfer)
{
	struct heap_graph *graph = transfer->graph;
	int r = 0;

	for (uint32_t part = 0; part < graph->nodes && r == 0; part++) {
		uint32_t owner = transfer->owner[part];

		if (owner == NOBODY || owner == MANY || graph->size[part] == 0)
			continue;
		owner--;
		if (graph->type[owner] == HEAP_SYNTHETIC || owner == graph->root)
			continue;
		r = heap_size_set(graph, owner, heap_size(graph, owner) + heap_size(graph, part));
		graph->size[part] = 0;
	}
	return r;
}

int v8_rules_transfer(struct heap_graph *graph)
{
	struct transfer transfer = { .graph = graph };
	int r;

	if (!has_user_root(graph))
		return 0;
	transfer.parts = heap_bits_alloc(graph->nodes);
	transfer.owner = heap_alloc(graph->nodes, sizeof(*transfer.owner));
	r = transfer.parts == NULL || transfer.owner == NULL ? -ENOMEM : 0;
	if (r == 0) {
		find_parts(&transfer);
		r = find_owners(&transfer);
	}
	if (r == 0)
		r = move_sizes(&transfer);
	heap_stack_fini(&transfer.todo);
	heap_free(transfer.owner, graph->nodes, sizeof(*transfer.owner));
	heap_bits_free(transfer.parts, graph->nodes);
	return r;
}
