/* Small dumps of Gecko: what they are as V8's, and what damaged ones are called. */

#include "heap/load_gecko.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"
#include "heap/save_v8.h"
#include "heap/stacks.h"
#include "util/buf.h"
#include "util/err.h"

/* Put together rather than counted by hand. */
struct dump {
	unsigned char data[2048];
	size_t size;
};

static void put(struct dump *dump, const void *data, size_t size)
{
	cr_assert_leq(dump->size + size, sizeof(dump->data));
	memcpy(dump->data + dump->size, data, size);
	dump->size += size;
}

static void put_number(struct dump *dump, unsigned field, uint64_t value)
{
	unsigned char c = (unsigned char)(field << 3);

	put(dump, &c, 1);
	do {
		c = (unsigned char)((value & 127) | (value > 127 ? 128 : 0));
		put(dump, &c, 1);
		value >>= 7;
	} while (value > 0);
}

static void put_bytes(struct dump *dump, unsigned field, const void *data, size_t size)
{
	unsigned char head[] = { (unsigned char)(field << 3 | 2), (unsigned char)size };

	cr_assert_lt(size, 128);
	put(dump, head, field > 0 ? 2 : 0);
	if (field == 0)
		put(dump, head + 1, 1);
	put(dump, data, size);
}

static void put_narrow(struct dump *dump, unsigned field, const char *text)
{
	put_bytes(dump, field, text, strlen(text));
}

static void put_wide(struct dump *dump, unsigned field, const char *text)
{
	unsigned char wide[128] = { 0 };

	for (size_t i = 0; text[i] != '\0'; i++)
		wide[i * 2] = (unsigned char)text[i];
	put_bytes(dump, field, wide, strlen(text) * 2);
}

static void put_edge(struct dump *dump, uint64_t to, const char *name, unsigned number)
{
	struct dump edge = { .size = 0 };

	put_number(&edge, 1, to);
	if (name != NULL)
		put_wide(&edge, 2, name);
	else
		put_number(&edge, 3, number);
	put_bytes(dump, 5, edge.data, edge.size);
}

static void put_message(struct dump *dump, const struct dump *message)
{
	put_bytes(dump, 0, message->data, message->size);
}

static const uint64_t far = 0x7f0012345678;

/* The root leads to a Window, which holds an object far away, and that an element. */
static void build(struct dump *dump)
{
	struct dump node = { .size = 0 };

	put(dump, "\2\10\1", 3);
	put_number(&node, 1, 1);
	put_wide(&node, 2, "R");
	put_edge(&node, 2, "why, 0x7", 0);
	put_message(dump, &node);
	node.size = 0;
	put_number(&node, 1, 2);
	put_wide(&node, 2, "JSObject");
	put_number(&node, 4, 48);
	put_edge(&node, far, "p", 0);
	put_narrow(&node, 7, "Window");
	put_message(dump, &node);
	node.size = 0;
	put_number(&node, 1, far);
	put_number(&node, 3, 2); /* JSObject */
	put_edge(&node, 2, "objectElements[3]", 0);
	put_narrow(&node, 7, "Array");
	put_message(dump, &node);
}

Test(load_gecko, is_what_v8_would_have_written)
{
	struct dump dump = { .size = 0 };
	struct heap_graph graph;
	struct err err;

	build(&dump);
	cr_assert_eq(foreign_load(&graph, dump.data, dump.size, &err), 0, "%s", err.text);
	cr_assert_eq(graph.nodes, 5);
	foreign_check_name(&graph, 2, "why");
	foreign_check_name(&graph, 3, "Window");
	foreign_check_edge(&graph, 0, 3, HEAP_SHORTCUT, "Window");
	foreign_check_edge(&graph, 2, 3, HEAP_INTERNAL, "why, 0x7");
	foreign_check_edge(&graph, 3, 4, HEAP_PROPERTY, "p");
	foreign_check_edge(&graph, 4, 3, HEAP_ELEMENT, "3");
	cr_assert_eq(heap_size(&graph, 3), 48);
	cr_assert_eq(heap_node_find(&graph, far), 4);
	heap_graph_fini(&graph);
}

Test(load_gecko, a_part_of_a_file_is_never_taken_for_a_file)
{
	struct dump dump = { .size = 0 };

	build(&dump);
	foreign_check_cuts(dump.data, dump.size);
}

/* ---- stacks of allocations ---- */

enum { FIRST = 3, SECOND, THIRD, ALONE, SIZE = 48 };
enum { INNER = 100, OUTER, LATER };

/* A message StackFrame in *ret: the frame itself, with the one that called it. */
static void make_frame(struct dump *ret, uint64_t id, uint64_t line, const char *source,
		       const char *function, const struct dump *parent)
{
	struct dump data = { .size = 0 };

	*ret = (struct dump){ .size = 0 };
	put_number(&data, 1, id);
	if (parent != NULL)
		put_bytes(&data, 2, parent->data, parent->size);
	put_number(&data, 3, line);
	put_number(&data, 4, 2);
	if (source != NULL)
		put_wide(&data, 5, source);
	if (function != NULL)
		put_wide(&data, 7, function);
	put_bytes(ret, 1, data.data, data.size);
}

static void make_known(struct dump *ret, uint64_t id)
{
	*ret = (struct dump){ .size = 0 };
	put_number(ret, 2, id);
}

static void put_object(struct dump *dump, uint64_t id, const struct dump *stack)
{
	struct dump node = { .size = 0 };

	put_number(&node, 1, id);
	put_number(&node, 3, 0);
	put_number(&node, 4, SIZE);
	if (stack != NULL)
		put_bytes(&node, 6, stack->data, stack->size);
	put_message(dump, &node);
}

/* A root of four objects, the first of which was allocated by what is in *first. */
static void build_stacks(struct dump *dump, const struct dump *first)
{
	struct dump node = { .size = 0 }, frame, parent;

	put(dump, "\2\10\1", 3);
	put_number(&node, 1, 1);
	put_wide(&node, 2, "R");
	for (uint64_t id = 2; id < 6; id++) {
		if (id == 2)
			put_edge(&node, id, "e", 0);
		else
			put_edge(&node, id, NULL, 1);
	}
	put_message(dump, &node);
	put_object(dump, 2, first);
	make_known(&parent, OUTER);
	make_frame(&frame, LATER, 9, NULL, NULL, &parent);
	put_object(dump, 3, &frame);
	make_known(&frame, INNER);
	put_object(dump, 4, &frame);
	put_object(dump, 5, NULL);
}

static void build_good(struct dump *dump)
{
	struct dump outer, inner;

	make_frame(&outer, OUTER, 7, "u.js", "out", NULL);
	make_frame(&inner, INNER, 3, "u.js", "in", &outer);
	build_stacks(dump, &inner);
}

static int read_stacks(struct heap_stacks *ret, struct heap_graph *graph, const void *data,
		       size_t size, struct err *err)
{
	const struct v8_text text = { .data = data, .size = size };

	cr_assert_eq(foreign_load(graph, data, size, err), 0, "%s", err->text);
	return heap_stacks_read(ret, graph, &text, 0, err);
}

/* "in u.js:3 < out u.js:7 < (root) :0" */
static void check_stack(const struct heap_stacks *stacks, uint32_t node, const char *wanted)
{
	uint32_t i = heap_stacks_of(stacks, node);
	struct buf buf;

	buf_init(&buf, 1024);
	for (; i != HEAP_NO_CALL; i = stacks->calls[i].parent) {
		const struct heap_call *call = &stacks->calls[i];
		const struct heap_function *function = &stacks->functions[call->function];

		buf_puts(&buf, buf.size > 0 ? " < " : "");
		heap_string_put(stacks->strings, function->name, &buf);
		buf_puts(&buf, " ");
		heap_string_put(stacks->strings, function->source, &buf);
		buf_printf(&buf, ":%u", call->line);
	}
	cr_assert_str_eq(buf.size > 0 ? buf_text(&buf) : "", wanted);
	buf_fini(&buf);
}

static void check_stacks(const struct heap_stacks *stacks)
{
	struct heap_allocation *sums;
	uint32_t n;

	check_stack(stacks, FIRST, "in u.js:3 < out u.js:7 < (root) :0");
	check_stack(stacks, SECOND, " :9 < out u.js:7 < (root) :0");
	check_stack(stacks, THIRD, "in u.js:3 < out u.js:7 < (root) :0");
	check_stack(stacks, ALONE, "");
	cr_assert_eq(stacks->traced, 3);
	cr_assert_eq(heap_stacks_sum(stacks, &sums, &n), 0);
	cr_assert_eq(n, 2);
	cr_assert_eq(sums[0].count, 2);
	cr_assert_eq(sums[0].live_bytes, 2 * SIZE);
	cr_assert_eq(sums[1].live, 1);
	free(sums);
}

static int gather(void *owner, const void *data, size_t size)
{
	return buf_append(owner, data, size);
}

/* Also when they have become V8's. */
Test(load_gecko, stacks_of_allocations_are_those_of_v8)
{
	struct dump dump = { .size = 0 };
	struct heap_stacks stacks, again;
	struct heap_graph graph, converted;
	struct err err;
	struct buf buf;

	build_good(&dump);
	cr_assert_eq(read_stacks(&stacks, &graph, dump.data, dump.size, &err), 0, "%s", err.text);
	cr_assert(stacks.live_only);
	check_stacks(&stacks);
	buf_init(&buf, 1 << 20);
	cr_assert_eq(heap_save_v8(&graph, &stacks, gather, &buf), 0);
	cr_assert_eq(read_stacks(&again, &converted, buf.data, buf.size, &err), 0, "%s", err.text);
	cr_assert_eq(converted.nodes, graph.nodes);
	cr_assert(!again.live_only);
	check_stacks(&again);
	heap_stacks_fini(&again);
	heap_stacks_fini(&stacks);
	heap_graph_fini(&converted);
	heap_graph_fini(&graph);
	buf_fini(&buf);
}

static void refused(const struct dump *first, const char *word)
{
	struct dump dump = { .size = 0 };
	struct heap_stacks stacks;
	struct heap_graph graph;
	struct err err = { .text = "" };

	build_stacks(&dump, first);
	cr_assert_eq(read_stacks(&stacks, &graph, dump.data, dump.size, &err), -EBADMSG, "%s",
		     word);
	cr_assert_not_null(strstr(err.text, word), "%s: %s", word, err.text);
	cr_assert_not_null(strstr(err.text, "stack of node 2, before byte "), "%s", err.text);
	heap_stacks_fini(&stacks);
	heap_graph_fini(&graph);
}

Test(load_gecko, frames_that_are_not_there_are_told)
{
	struct dump known, frame, parent;

	make_known(&known, 999);
	refused(&known, "not there yet: 999");
	make_frame(&frame, INNER, 3, NULL, NULL, &known);
	refused(&frame, "not there yet: 999");
	make_known(&known, INNER);
	make_frame(&frame, INNER, 3, NULL, NULL, &known); /* above itself */
	refused(&frame, "not there yet: 100");
	make_known(&known, INNER);
	make_frame(&parent, OUTER, 3, NULL, NULL, &known); /* and two in a ring */
	make_frame(&frame, INNER, 3, NULL, NULL, &parent);
	refused(&frame, "not there yet: 100");
	make_frame(&parent, INNER, 3, NULL, NULL, NULL);
	make_frame(&frame, INNER, 3, NULL, NULL, &parent);
	refused(&frame, "another frame 100");
}

Test(load_gecko, frames_that_are_none_are_damage_for_everyone)
{
	static const struct {
		unsigned field;
		const char *word;
	} cases[] = {
		{ 9, "a frame is empty" },
		{ 1, "a frame is no message" },
	};
	struct heap_graph graph;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dump dump = { .size = 0 }, frame = { .size = 0 };

		put_number(&frame, cases[i].field, 1);
		build_stacks(&dump, &frame);
		cr_assert_eq(foreign_load(&graph, dump.data, dump.size, &err), -EBADMSG);
		cr_assert_not_null(strstr(err.text, cases[i].word), "%s", err.text);
		cr_assert_not_null(strstr(err.text, "node 2, near byte "), "%s", err.text);
		heap_graph_fini(&graph);
	}
}

Test(load_gecko, stacks_take_no_more_memory_than_they_may)
{
	struct dump dump = { .size = 0 };
	struct heap_stacks stacks;
	struct heap_graph graph;
	struct err err;

	build_good(&dump);
	cr_assert_eq(foreign_load(&graph, dump.data, dump.size, &err), 0);
	cr_assert_eq(
		heap_stacks_read(&stacks, &graph,
				 &(struct v8_text){ .data = (char *)dump.data, .size = dump.size },
				 1000, &err),
		-EFBIG);
	cr_assert_not_null(strstr(err.text, "stacks of allocations"), "%s", err.text);
	heap_stacks_fini(&stacks);
	heap_graph_fini(&graph);
}
