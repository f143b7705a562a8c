/*
 * The order of V8's own texts in two snapshots
 */

#include "heap/seed.h"

#include <criterion/criterion.h>

#include "heap/load.h"
#include "util/buf.h"
#include "util/err.h"

enum { TEXTS = 450, TEXT_BYTES_MAX = 1 << 20 };

/* By place in the table: which text stands there. */
typedef unsigned order_fn(unsigned place, unsigned n);

static unsigned as_it_is(unsigned place, unsigned n)
{
	(void)n;
	return place;
}

/* The table has doubled four times: parts, each in the order of before. */
static unsigned grown(unsigned place, unsigned n)
{
	for (unsigned part = 0, first = 0; part < 16; part++) {
		unsigned size = (n - part + 15) / 16;

		if (place < first + size)
			return (place - first) * 16 + part;
		first += size;
	}
	return n;
}

/* Steps that know nothing of the order of before: those of a generator's whole period, mixed. */
static unsigned of_another_seed(unsigned place, unsigned n)
{
	static unsigned mixed[2 * TEXTS];
	uint32_t state = 12345;

	for (unsigned i = 0; i < n; i++)
		mixed[i] = i;
	for (unsigned i = n - 1; i > 0; i--) {
		unsigned other, was = mixed[i];

		state = state * 1664525 + 1013904223;
		other = (state >> 8) % (i + 1);
		mixed[i] = mixed[other];
		mixed[other] = was;
	}
	return mixed[place];
}

/*
 * root, GC roots, the engine's texts by their names, the table; then one text as a program has it,
 * and the engine's, whose values are blank as in a redacted capture. others: places in the table
 * that the program's text has, behind the engine's.
 */
static void write_shot(struct buf *buf, order_fn *order, unsigned n, unsigned others)
{
	buf_printf(
		buf,
		"{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\","
		"\"edge_count\"],\"node_types\":[[\"hidden\",\"array\",\"string\",\"object\","
		"\"code\",\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\"],"
		"\"string\",\"number\",\"number\",\"number\"],\"edge_fields\":[\"type\","
		"\"name_or_index\",\"to_node\"],\"edge_types\":[[\"context\",\"element\","
		"\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],"
		"\"string_or_number\",\"node\"]},\"node_count\":%u,\"edge_count\":%u},"
		"\"nodes\":[9,0,1,0,1,9,1,3,0,2,9,2,5,0,%u,9,3,7,0,%u,2,4,9,16,0",
		5 + n, 3 + n + n + others, n, n + others);
	for (unsigned i = 0; i < n; i++)
		buf_printf(buf, ",2,4,%u,16,0", 2 * i + 11);
	buf_puts(buf, "],\"edges\":[1,1,5,1,1,10,1,2,15");
	for (unsigned i = 0; i < n; i++)
		buf_printf(buf, ",3,%u,%u", 5 + i, 5 * (5 + i));
	for (unsigned i = 0; i < n; i++)
		buf_printf(buf, ",6,0,%u", 5 * (5 + order(i, n)));
	for (unsigned i = 0; i < others; i++)
		buf_puts(buf, ",6,0,20");
	buf_puts(buf, "],\"strings\":[\"\",\"(GC roots)\",\"(Read-only roots)\","
		      "\"(Internalized strings)\",\"***\"");
	for (unsigned i = 0; i < n; i++)
		buf_printf(buf, ",\"text%u_string\"", i);
	buf_puts(buf, "]}");
	cr_assert_eq(buf->error, 0);
}

static void seed_of(struct heap_seed *ret, order_fn *order, unsigned n, unsigned others)
{
	struct heap_load_options options = { .threads = 1 };
	struct err err = { .text = "" };
	struct heap_graph graph;
	struct v8_text text;
	struct buf buf;

	buf_init(&buf, TEXT_BYTES_MAX);
	write_shot(&buf, order, n, others);
	text = (struct v8_text){ .data = buf.data, .size = buf.size };
	cr_assert_eq(heap_load(&graph, &text, &options, &err), 0, "%s", err.text);
	cr_assert_eq(heap_seed_init(ret, &graph), 0);
	cr_expect_eq(ret->n, n);
	heap_graph_fini(&graph);
	buf_fini(&buf);
}

struct shot {
	order_fn *order;
	unsigned n, others;
};

/* Whichever is the earlier one. */
static void expect(struct shot one, struct shot two, int differ)
{
	struct heap_seed a, b;

	seed_of(&a, one.order, one.n, one.others);
	seed_of(&b, two.order, two.n, two.others);
	cr_expect_eq(heap_seeds_differ(&a, &b), differ);
	cr_expect_eq(heap_seeds_differ(&b, &a), differ);
	heap_seed_fini(&a);
	heap_seed_fini(&b);
}

Test(seed, one_process_keeps_one_order)
{
	expect((struct shot){ as_it_is, TEXTS, 0 }, (struct shot){ as_it_is, TEXTS, 100 }, 0);
}

Test(seed, a_table_that_has_grown_has_it_in_each_part)
{
	expect((struct shot){ as_it_is, TEXTS, 0 }, (struct shot){ grown, TEXTS, 15 * TEXTS }, 0);
}

Test(seed, two_processes_have_two)
{
	expect((struct shot){ as_it_is, TEXTS, 0 },
	       (struct shot){ of_another_seed, TEXTS, 15 * TEXTS }, 1);
	/* Of two releases, one of which has more. */
	expect((struct shot){ as_it_is, TEXTS, 0 }, (struct shot){ of_another_seed, 2 * TEXTS, 0 },
	       1);
}

Test(seed, of_few_texts_or_a_much_larger_table_nothing_is_said)
{
	expect((struct shot){ as_it_is, 199, 0 }, (struct shot){ of_another_seed, 199, 0 }, 0);
	expect((struct shot){ as_it_is, TEXTS, 0 },
	       (struct shot){ of_another_seed, TEXTS, 15 * TEXTS + 1 }, 0);
}

/* As JSC's and Firefox's are read: without such roots. */
Test(seed, without_a_table_nothing_is_said)
{
	uint32_t edge_first[] = { 0, 0 }, name[] = { 0 };
	uint8_t type[] = { HEAP_SYNTHETIC };
	struct heap_graph graph = {
		.nodes = 1, .type = type, .name = name, .edge_first = edge_first
	};
	struct heap_seed seed, other;

	cr_assert_eq(heap_seed_init(&seed, &graph), 0);
	seed_of(&other, as_it_is, TEXTS, 0);
	cr_expect_eq(heap_seeds_differ(&seed, &other), 0);
	cr_expect_eq(heap_seeds_differ(&seed, &seed), 0);
	heap_seed_fini(&seed);
	heap_seed_fini(&other);
}
