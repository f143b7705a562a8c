/*
 * What tests of the other engines' loaders have in common
 */

#include "foreign.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/err.h"

int foreign_load(struct heap_graph *graph, const void *data, size_t size, struct err *err)
{
	struct v8_text source = { .data = data, .size = size };
	struct heap_load_options options = { .threads = 1 };

	return heap_load(graph, &source, &options, err);
}

void foreign_check_name(const struct heap_graph *graph, uint32_t node, const char *wanted)
{
	struct buf buf;

	buf_init(&buf, 1024);
	heap_node_name(graph, node, &buf);
	cr_assert_str_eq(buf_text(&buf), wanted);
	buf_fini(&buf);
}

void foreign_check_edge(const struct heap_graph *graph, uint32_t from, uint32_t to,
			enum heap_edge_kind kind, const char *wanted)
{
	uint32_t i = graph->edge_first[from], end = graph->edge_first[from + 1];
	struct buf buf;

	while (i < end && heap_edge_to(graph->edges[i]) != to)
		i++;
	cr_assert_lt(i, end, "no reference from %u to %u", from, to);
	cr_assert_eq(heap_edge_kind(graph->edges[i]), kind, "from %u to %u", from, to);
	buf_init(&buf, 1024);
	heap_edge_name(graph, i, &buf);
	cr_assert_str_eq(buf_text(&buf), wanted);
	buf_fini(&buf);
}

/* Each as a block of its own size, so that a sanitizer sees a read past it. */
void foreign_check_cuts(const void *data, size_t size)
{
	for (size_t cut = 0; cut < size; cut++) {
		char *copy = malloc(cut > 0 ? cut : 1);
		struct heap_graph graph;
		struct err err = { .text = "" };
		int r;

		memcpy(copy, data, cut);
		r = foreign_load(&graph, copy, cut, &err);
		cr_assert(r == -ENODATA || r == -EBADMSG, "%zu bytes: %d", cut, r);
		cr_assert_neq(err.text[0], '\0', "%zu bytes", cut);
		heap_graph_fini(&graph);
		free(copy);
	}
}
