/* The stacks of V8's timelines: what is read, and what damaged ones are called. Those of Gecko are
 * in test_load_gecko.c. */

#include "heap/stacks.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/load.h"
#include "util/buf.h"
#include "util/err.h"

/* (root) calls a twice, one of which calls b; one object is of each, and one of none. */
static const char timeline[] =
	"{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\","
	"\"edge_count\",\"trace_node_id\",\"detachedness\"],\"node_types\":[[\"synthetic\","
	"\"object\"],\"string\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],"
	"\"edge_types\":[[\"element\"],\"string_or_number\",\"node\"],"
	"\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\",\"script_id\","
	"\"line\",\"column\"],\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\","
	"\"size\",\"children\"]},\"node_count\":5,\"edge_count\":4,\"trace_function_count\":3},\n"
	"\"nodes\":[0,0,1,0,4,0,0\n,1,1,3,16,0,2,0\n,1,1,5,24,0,3,0\n,1,1,7,40,0,9,0\n"
	",1,1,9,8,0,0,0],\n\"edges\":[0,1,7\n,0,2,14\n,0,3,21\n,0,4,28],\n"
	"\"trace_function_infos\":[1,2,0,0,0,0\n,2,3,5,4,11,2\n,3,4,5,4,12,3],\n"
	"\"trace_tree\":[1,0,0,0,[2,1,10,160,[9,2,30,1200,[]],3,1,1,24,[]]],\n\"samples\":[],\n"
	"\"strings\":[\"\",\"Thing\",\"(root)\",\"a\",\"b\",\"x.js\"]}\n";

enum { IN_A = 1, IN_A_AGAIN, IN_B, IN_NONE };

static int read_stacks(struct heap_stacks *ret, struct heap_graph *graph, const char *text,
		       size_t size, struct err *err)
{
	const struct v8_text source = { .data = text, .size = size };
	const struct heap_load_options options = { .threads = 1 };

	cr_assert_eq(heap_load(graph, &source, &options, err), 0, "%s", err->text);
	return heap_stacks_read(ret, graph, &source, 0, err);
}

static const struct heap_call *call_of(const struct heap_stacks *stacks, uint32_t node)
{
	uint32_t i = heap_stacks_of(stacks, node);

	return i != HEAP_NO_CALL ? &stacks->calls[i] : NULL;
}

Test(stacks, a_tree_of_calls)
{
	struct heap_allocation *sums;
	struct heap_stacks stacks;
	struct heap_graph graph;
	const struct heap_call *in_b;
	struct err err;
	uint32_t n;

	cr_assert_eq(read_stacks(&stacks, &graph, timeline, strlen(timeline), &err), 0, "%s",
		     err.text);
	cr_assert(graph.traced && !stacks.live_only);
	cr_assert_eq(stacks.calls_n, 4);
	cr_assert_eq(stacks.traced, 3);
	cr_assert_null(call_of(&stacks, IN_NONE));
	in_b = call_of(&stacks, IN_B);
	cr_assert_eq(in_b->id, 9);
	cr_assert_eq(in_b->live_bytes, 40);
	cr_assert_eq(in_b->line, 12);
	cr_assert_eq(&stacks.calls[in_b->parent], call_of(&stacks, IN_A));
	cr_assert_eq(call_of(&stacks, IN_A)->parent, 0);
	cr_assert_eq(call_of(&stacks, IN_A_AGAIN)->parent, 0);
	cr_assert_eq(stacks.calls[0].parent, HEAP_NO_CALL);
	cr_assert_eq(heap_stacks_sum(&stacks, &sums, &n), 0);
	cr_assert_eq(n, 2);
	cr_assert(heap_string_is(stacks.strings, stacks.functions[sums[0].function].name, "b"));
	cr_assert_eq(sums[0].bytes, 1200);
	cr_assert_eq(sums[0].live, 1);
	cr_assert_eq(sums[1].count, 11);
	cr_assert_eq(sums[1].bytes, 184);
	cr_assert_eq(sums[1].live_bytes, 40);
	free(sums);
	heap_stacks_fini(&stacks);
	heap_graph_fini(&graph);
}

static const struct {
	const char *from, *to, *word;
} damages[] = {
	{ "1,1,7,40,0,9,0", "1,1,7,40,0,8,0", "\"nodes\"" }, /* no such call */
	{ "1,1,7,40,0,9,0", "1,1,7,40,0,4294967296,0", "\"nodes\"" },
	{ "9,2,30,1200,[]", "9,3,30,1200,[]", "there is no function 3" },
	{ "9,2,30,1200,[]", "2,2,30,1200,[]", "there is another call of id 2" },
	{ "9,2,30,1200,[]", "0,2,30,1200,[]", "a call of id 0" },
	{ "9,2,30,1200,[]", "4294967295,2,30,1200,[]", "a call of id 4294967295" },
	{ "9,2,30,1200,[]", "9,2,30,[]", "a number was expected" },
	{ "9,2,30,1200,[]", "9,2,30,1200,[],", "a number was expected" },
	{ "9,2,30,1200,[]", "9,2,30,1200,7", "'[' was expected" },
	{ "9,2,30,1200,[]", "9,2,30", "so many of its numbers: 3" },
	{ "9,2,30,1200,[]", "9,2,99999999999999999999,0,[]", "a smaller number" },
	{ ",3,4,5,4,12,3]", ",3,4,6,4,12,3]", "\"trace_function_infos\"" }, /* no such string */
	{ ",3,4,5,4,12,3]", ",3,4,5,4,12]", "\"trace_function_infos\"" },
	{ "\"samples\":[]", "\"trace_tree\":[]", "it comes twice" },
	{ "\"trace_tree\"", "\"trace_trie\"", "trace_tree" },
};

Test(stacks, damage_is_told_with_its_section)
{
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const char *at = strstr(timeline, damages[i].from);
		struct heap_stacks stacks;
		struct heap_graph graph;
		struct err err = { .text = "" };
		char text[4096];

		cr_assert_not_null(at, "%s", damages[i].from);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - timeline), timeline,
			 damages[i].to, at + strlen(damages[i].from));
		cr_assert_eq(read_stacks(&stacks, &graph, text, strlen(text), &err), -EBADMSG, "%s",
			     damages[i].to);
		cr_assert_not_null(strstr(err.text, damages[i].word), "%s: %s", damages[i].to,
				   err.text);
		heap_stacks_fini(&stacks);
		heap_graph_fini(&graph);
	}
}

/* Calls in one another as deep as a file can have them. */
Test(stacks, deep_calls_take_no_stack)
{
	enum { DEPTH = 1 << 20 };
	const char *tree = strstr(timeline, "[9,2,30,1200,[]]"), *rest = strstr(tree, ",3,1,1,24");
	struct heap_stacks stacks;
	struct heap_graph graph;
	struct err err;
	struct buf buf;

	buf_init(&buf, SIZE_MAX / 2);
	buf_append(&buf, timeline, (size_t)(tree - timeline));
	buf_puts(&buf, "[9,2,30,1200,[");
	for (unsigned i = 0; i < DEPTH; i++)
		buf_printf(&buf, "%u,2,1,8,[", i + 10);
	for (unsigned i = 0; i < DEPTH; i++)
		buf_puts(&buf, "]");
	buf_puts(&buf, "]]");
	buf_puts(&buf, rest);
	cr_assert_eq(read_stacks(&stacks, &graph, buf_text(&buf), buf.size, &err), 0, "%s",
		     err.text);
	cr_assert_eq(stacks.calls_n, 4 + DEPTH);
	cr_assert_eq(stacks.calls[stacks.calls_n - 1].parent, 0);
	heap_stacks_fini(&stacks);
	heap_graph_fini(&graph);
	buf_fini(&buf);
}

Test(stacks, a_snapshot_without_has_none)
{
	char text[sizeof(timeline)];
	struct heap_stacks stacks;
	struct heap_graph graph;
	struct err err;

	strcpy(text, timeline);
	*strstr(text, "3},\n\"nodes\"") = '0';
	cr_assert_eq(read_stacks(&stacks, &graph, text, strlen(text), &err), 0, "%s", err.text);
	cr_assert_null(stacks.of);
	cr_assert_eq(heap_stacks_of(&stacks, 1), HEAP_NO_CALL);
	heap_stacks_fini(&stacks);
	heap_graph_fini(&graph);
}
