/* Small dumps of Gecko: what they are as V8's, and what damaged ones are called. */

#include "heap/load_gecko.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "foreign.h"
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
