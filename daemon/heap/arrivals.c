/*
 * What came between two snapshots
 */

#include "heap/arrivals.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/alloc.h"
#include "json/write.h"

static int by_bytes(const void *a, const void *b)
{
	const struct heap_arrival *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->class < y->class ? -1 : x->class > y->class;
}

static void mark_old(uint64_t *old, const struct heap_graph *base, const struct heap_ids *ids)
{
	for (uint32_t node = 0; node < base->nodes; node++) {
		uint32_t now = heap_ids_get(ids, heap_id(base, node));

		if (now != UINT32_MAX)
			heap_bit_set(old, now);
	}
}

/* old: bits by node. */
static void count(struct heap_arrivals *arrivals, const uint64_t *old,
		  const struct heap_analysis *last)
{
	const struct heap_graph *graph = &last->graph;

	for (uint32_t node = 0; node < graph->nodes; node++) {
		struct heap_arrival *item = &arrivals->items[last->classes.of[node]];
		uint64_t bytes = heap_size(graph, node);

		if (bytes == 0 || heap_bit(old, node))
			continue;
		item->count++;
		item->bytes += bytes;
		arrivals->count++;
		arrivals->bytes += bytes;
	}
}

static void drop_empty(struct heap_arrivals *arrivals)
{
	size_t n = 0;

	for (size_t i = 0; i < arrivals->n; i++) {
		if (arrivals->items[i].count > 0)
			arrivals->items[n++] = arrivals->items[i];
	}
	arrivals->n = n;
}

int heap_arrivals_init(struct heap_arrivals *ret, const struct heap_graph *base,
		       const struct heap_analysis *last, const struct heap_ids *ids)
{
	uint64_t *old = heap_bits_alloc(last->graph.nodes);

	*ret = (struct heap_arrivals){ .n = last->classes.n };
	ret->items = calloc(ret->n + 1, sizeof(*ret->items));
	if (ret->items == NULL || old == NULL) {
		heap_bits_free(old, last->graph.nodes);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < ret->n; i++)
		ret->items[i].class = i;
	mark_old(old, base, ids);
	count(ret, old, last);
	heap_bits_free(old, last->graph.nodes);
	drop_empty(ret);
	qsort(ret->items, ret->n, sizeof(*ret->items), by_bytes);
	return 0;
}

void heap_arrivals_fini(struct heap_arrivals *arrivals)
{
	free(arrivals->items);
	*arrivals = (struct heap_arrivals){ .items = NULL };
}

void heap_arrivals_write(const struct heap_arrivals *arrivals, const struct heap_classes *classes,
			 size_t top, struct json_writer *w)
{
	json_write_object(w);
	json_member_uint(w, "count", arrivals->count);
	json_member_uint(w, "self_bytes", arrivals->bytes);
	json_write_key(w, "classes");
	json_write_array(w);
	for (size_t i = 0; i < arrivals->n && i < top; i++) {
		const struct heap_arrival *item = &arrivals->items[i];

		json_write_object(w);
		json_member_string(w, "key", classes->items[item->class].key);
		json_member_string(w, "name", classes->items[item->class].name);
		json_member_uint(w, "count", item->count);
		json_member_uint(w, "self_bytes", item->bytes);
		json_write_object_end(w);
	}
	json_write_array_end(w);
	json_write_object_end(w);
}
