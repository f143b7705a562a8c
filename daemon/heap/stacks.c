/*
 * Where objects were allocated
 */

#include "heap/stacks.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/alloc.h"
#include "heap/allowance.h"
#include "heap/gecko_stacks.h"
#include "heap/load.h"
#include "heap/v8_stacks.h"
#include "util/err.h"

enum { FIRST_N = 256 };

void heap_stacks_fini(struct heap_stacks *stacks)
{
	free(stacks->functions);
	free(stacks->calls);
	heap_free(stacks->of, stacks->nodes, sizeof(*stacks->of));
	heap_free(stacks->made.first, stacks->made.capacity, sizeof(*stacks->made.first));
	free(stacks->made.made);
	*stacks = (struct heap_stacks){ .nodes = 0 };
}

/* ---- as they are read ---- */

int heap_stacks_check(const struct heap_stacks *stacks, uint64_t bytes, struct err *err)
{
	uint64_t taken = stacks->functions_capacity * sizeof(*stacks->functions) +
			 stacks->calls_capacity * sizeof(*stacks->calls) +
			 (stacks->of != NULL ? (uint64_t)stacks->nodes * sizeof(*stacks->of) : 0);
	const struct heap_allowance allowance = { "stacks of allocations", stacks->memory_max,
						  taken };

	return heap_allowance_check(&allowance, bytes, err);
}

/* Room for one more. The old one is there until it was copied. */
static int grow(const struct heap_stacks *stacks, void **items, uint32_t *capacity, size_t size,
		struct err *err)
{
	uint32_t more = *capacity > 0 ? *capacity * 2 : FIRST_N;
	void *grown;
	int r;

	if (more > HEAP_CALLS_MAX)
		return err_set(err, -EOVERFLOW,
			       "stacks of allocations: more than %d calls cannot be read",
			       HEAP_CALLS_MAX);
	r = heap_stacks_check(stacks, more * size, err);
	if (r < 0)
		return r;
	grown = reallocarray(*items, more, size);
	if (grown == NULL)
		return err_set(err, -ENOMEM, "out of memory");
	*items = grown;
	*capacity = more;
	return 0;
}

int heap_stacks_add_function(struct heap_stacks *stacks, const struct heap_function *function,
			     struct err *err)
{
	void *items = stacks->functions;

	if (stacks->functions_n == stacks->functions_capacity) {
		int r = grow(stacks, &items, &stacks->functions_capacity, sizeof(*function), err);

		if (r < 0)
			return r;
		stacks->functions = items;
	}
	stacks->functions[stacks->functions_n++] = *function;
	return 0;
}

int heap_stacks_add_call(struct heap_stacks *stacks, const struct heap_call *call, struct err *err)
{
	void *items = stacks->calls;

	if (stacks->calls_n == stacks->calls_capacity) {
		int r = grow(stacks, &items, &stacks->calls_capacity, sizeof(*call), err);

		if (r < 0)
			return r;
		stacks->calls = items;
	}
	stacks->calls[stacks->calls_n++] = *call;
	return 0;
}

int heap_stacks_make_column(struct heap_stacks *stacks, uint32_t nodes, struct err *err)
{
	int r = heap_stacks_check(stacks, (uint64_t)nodes * sizeof(*stacks->of), err);

	if (r < 0)
		return r;
	stacks->of = heap_alloc(nodes, sizeof(*stacks->of));
	stacks->nodes = nodes;
	return stacks->of != NULL ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static void count_live(struct heap_stacks *stacks, const struct heap_graph *graph)
{
	for (uint32_t node = 0; stacks->of != NULL && node < stacks->nodes; node++) {
		struct heap_call *call;

		if (stacks->of[node] == 0)
			continue;
		call = &stacks->calls[stacks->of[node] - 1];
		call->live++;
		call->live_bytes += heap_size(graph, node);
		stacks->traced++;
	}
	for (uint32_t i = 0; stacks->live_only && i < stacks->calls_n; i++) {
		stacks->calls[i].count = stacks->calls[i].live;
		stacks->calls[i].bytes = stacks->calls[i].live_bytes;
	}
}

int heap_stacks_read(struct heap_stacks *ret, const struct heap_graph *graph,
		     const struct v8_text *text, uint64_t memory_max, struct err *err)
{
	int r = 0;

	*ret = (struct heap_stacks){ .memory_max = memory_max, .strings = &graph->strings };
	if (!graph->traced)
		return 0;
	if (heap_format_of(text) == HEAP_FORMAT_GECKO)
		r = gecko_stacks_read(ret, graph, text, err);
	else
		r = v8_stacks_read(ret, graph, text, err);
	if (r == 0)
		count_live(ret, graph);
	return r;
}

/* ---- sums ---- */

static int by_bytes(const void *a, const void *b)
{
	const struct heap_allocation *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->live_bytes != y->live_bytes)
		return x->live_bytes > y->live_bytes ? -1 : 1;
	return x->function < y->function ? -1 : x->function > y->function;
}

int heap_stacks_sum(const struct heap_stacks *stacks, struct heap_allocation **ret, uint32_t *ret_n)
{
	struct heap_allocation *sums = calloc((size_t)stacks->functions_n + 1, sizeof(*sums));
	uint32_t n = 0;

	if (sums == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < stacks->functions_n; i++)
		sums[i].function = i;
	for (uint32_t i = 0; i < stacks->calls_n; i++) {
		const struct heap_call *call = &stacks->calls[i];
		struct heap_allocation *sum = &sums[call->function];

		sum->count += call->count;
		sum->bytes += call->bytes;
		sum->live += call->live;
		sum->live_bytes += call->live_bytes;
	}
	for (uint32_t i = 0; i < stacks->functions_n; i++) {
		if (sums[i].count > 0 || sums[i].live > 0)
			sums[n++] = sums[i];
	}
	if (n > 1)
		qsort(sums, n, sizeof(*sums), by_bytes);
	*ret = sums;
	*ret_n = n;
	return 0;
}
