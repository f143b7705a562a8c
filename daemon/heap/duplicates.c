/*
 * Texts that are there more than once
 */

#include "heap/duplicates.h"

#include <errno.h>
#include <stdlib.h>

#include "heap/alloc.h"

enum {
	NAME_UNITS_MAX = 1024, /* V8: src/profiler/heap-snapshot-generator.cc */
	/* Only the empty text is one that has none, unless they were blanked: so many, and one in
	 * so many. */
	BLANK_MIN = 20,
	BLANK_SHARE = 100,
};

static size_t size_of(const struct heap_graph *graph, uint32_t string)
{
	size_t size = 0;

	if (string < graph->strings.n)
		heap_string_raw(&graph->strings, string, &size);
	return size;
}

/* As pipeline/redact.h leaves the values of strings. */
static bool is_blank(const struct heap_graph *graph, uint32_t string)
{
	return size_of(graph, string) == 0 || heap_string_is(&graph->strings, string, "(redacted)");
}

static bool is_text(const struct heap_graph *graph, uint32_t node)
{
	return graph->type[node] == HEAP_STRING && graph->size[node] > 0 &&
	       graph->name[node] < graph->strings.n;
}

struct text {
	uint32_t string, node;
};

static int by_string(const void *a, const void *b)
{
	const struct text *x = a, *y = b;

	if (x->string != y->string)
		return x->string < y->string ? -1 : 1;
	return x->node < y->node ? -1 : 1;
}

static int by_wasted(const void *a, const void *b)
{
	const struct heap_duplicate *x = a, *y = b;

	if (x->wasted != y->wasted)
		return x->wasted > y->wasted ? -1 : 1;
	return x->example < y->example ? -1 : 1;
}

/* Those that have a text; *ret_n of them. NULL on ENOMEM. */
static struct text *gather(struct heap_duplicates *ret, const struct heap_graph *graph,
			   size_t *ret_n)
{
	struct text *texts;
	uint64_t blank = 0;

	for (uint32_t node = 0; node < graph->nodes; node++)
		ret->texts += is_text(graph, node);
	texts = calloc((size_t)ret->texts + 1, sizeof(*texts));
	*ret_n = 0;
	for (uint32_t node = 0; texts != NULL && node < graph->nodes; node++) {
		if (!is_text(graph, node))
			continue;
		if (is_blank(graph, graph->name[node]))
			blank++;
		else
			texts[(*ret_n)++] = (struct text){ graph->name[node], node };
	}
	if (graph->foreign)
		ret->why = HEAP_TEXTS_NONE;
	else if (blank >= BLANK_MIN && blank * BLANK_SHARE >= ret->texts)
		ret->why = HEAP_TEXTS_REDACTED;
	return texts;
}

static struct heap_duplicate fold(const struct heap_graph *graph, const struct text *texts,
				  size_t n)
{
	struct heap_duplicate ret = { texts[0].string, texts[0].node, n, 0, 0 };
	uint64_t largest = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t bytes = heap_size(graph, texts[i].node);

		ret.bytes += bytes;
		largest = bytes > largest ? bytes : largest;
	}
	ret.wasted = ret.bytes - largest;
	return ret;
}

static size_t run_of(const struct text *texts, size_t n)
{
	size_t i = 1;

	while (i < n && texts[i].string == texts[0].string)
		i++;
	return i;
}

static int find(struct heap_duplicates *ret, const struct heap_graph *graph,
		const struct text *texts, size_t n)
{
	size_t groups = 0;

	for (size_t i = 0, run; i < n; i += run) {
		run = run_of(texts + i, n - i);
		groups += run > 1;
	}
	ret->items = calloc(groups + 1, sizeof(*ret->items));
	if (ret->items == NULL)
		return -ENOMEM;
	for (size_t i = 0, run; i < n; i += run) {
		run = run_of(texts + i, n - i);
		if (run > 1)
			ret->items[ret->n++] = fold(graph, texts + i, run);
	}
	for (size_t i = 0; i < ret->n; i++)
		ret->wasted += ret->items[i].wasted;
	qsort(ret->items, ret->n, sizeof(*ret->items), by_wasted);
	return 0;
}

int heap_duplicates_find(struct heap_duplicates *ret, const struct heap_graph *graph)
{
	struct text *texts;
	size_t n;
	int r = 0;

	*ret = (struct heap_duplicates){ .why = HEAP_TEXTS_KNOWN };
	texts = gather(ret, graph, &n);
	if (texts == NULL)
		return -ENOMEM;
	if (ret->why == HEAP_TEXTS_KNOWN) {
		qsort(texts, n, sizeof(*texts), by_string);
		r = find(ret, graph, texts, n);
	}
	free(texts);
	return r;
}

void heap_duplicates_fini(struct heap_duplicates *duplicates)
{
	free(duplicates->items);
	*duplicates = (struct heap_duplicates){ .n = 0 };
}

bool heap_duplicate_is_cut(const struct heap_graph *graph, const struct heap_duplicate *duplicate)
{
	size_t size;
	const char *at = heap_string_raw(&graph->strings, duplicate->string, &size);
	const char *end = at + size;
	size_t units = 0;

	for (; at < end && units < NAME_UNITS_MAX; units++)
		heap_string_unit(&at, end);
	return units >= NAME_UNITS_MAX;
}
