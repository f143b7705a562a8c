/* Small V8 snapshots: what is read, and what damaged ones are called. */

#include "heap/load.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/err.h"

/* A root with an object of a type that is not known here, which has a number and a text. */
static const char whole[] =
	"{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\","
	"\"edge_count\"],\"node_types\":[[\"synthetic\",\"object\",\"novel\"],\"string\"],"
	"\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\"edge_types\":[[\"element\","
	"\"property\"],\"string_or_number\",\"node\"]},\"node_count\":3,\"edge_count\":2},\n"
	"\"nodes\":[0,0,1,0,1\n,1,1,3,16,1\n,2,2,5,5000000000,0],\n"
	"\"edges\":[0,7,5\n,1,3,10],\"novelty\":{\"a\":[{}]},\n"
	"\"strings\":[\"\",\"Thing\",\"a\\\"\\u00e9\\\\\",\"way\"]}\n";

static int load(struct heap_graph *graph, const char *text, size_t size, unsigned threads,
		struct err *err)
{
	struct v8_text source = { .data = text, .size = size };
	struct heap_load_options options = { .threads = threads };

	return heap_load_v8(graph, &source, &options, err);
}

static bool name_is(const struct heap_graph *graph, uint32_t node, const char *wanted)
{
	struct buf buf;
	bool equal;

	buf_init(&buf, 1024);
	heap_node_name(graph, node, &buf);
	equal = strcmp(buf_text(&buf), wanted) == 0;
	buf_fini(&buf);
	return equal;
}

Test(load_v8, columns_go_by_their_names)
{
	struct err err;

	for (unsigned threads = 1; threads <= 2; threads++) {
		struct heap_graph graph;

		cr_assert_eq(load(&graph, whole, strlen(whole), threads, &err), 0, "%s", err.text);
		cr_assert_eq(graph.nodes, 3);
		cr_assert_eq(graph.edges_n, 2);
		cr_assert_eq(graph.type[1], HEAP_OBJECT);
		cr_assert_str_eq(graph.type_names[graph.type[2]], "novel");
		cr_assert_eq(heap_size(&graph, 1), 16);
		cr_assert_eq(heap_size(&graph, 2), 5000000000);
		cr_assert(name_is(&graph, 1, "Thing"));
		cr_assert(name_is(&graph, 2, "a\"\u00e9\\"));
		cr_assert_eq(heap_edge_to(graph.edges[0]), 1);
		cr_assert_eq(heap_edge_kind(graph.edges[0]), HEAP_ELEMENT);
		cr_assert_eq(graph.edge_name[0], 7);
		cr_assert_eq(heap_edge_kind(graph.edges[1]), HEAP_PROPERTY);
		cr_assert_eq(heap_node_find(&graph, 5), 2);
		heap_graph_fini(&graph);
	}
}

/* Of pieces that each have a sign, and that end anywhere. */
Test(load_v8, numbers_of_elements_may_be_negative)
{
	enum { EDGES = 300000 };
	static const uint32_t numbers[] = { 0, 7, 4029123456, 4294967294, 2147483647, 2147483648 };
	const char *count = strstr(whole, "2},\n\"nodes\""), *tail = strstr(whole, "],\"novelty\"");
	char *text = malloc(EDGES * 20 + sizeof(whole) + 100);
	size_t size;

	cr_assert_not_null(text);
	size = (size_t)sprintf(text,
			       "%.*s%d},\n\"nodes\":[0,0,1,0,%d\n,1,1,3,16,0\n,2,2,5,5,0],\n"
			       "\"edges\":[",
			       (int)(count - whole), whole, EDGES, EDGES);
	for (unsigned i = 0; i < EDGES; i++)
		size += (size_t)sprintf(text + size, "%s0,%d,5", i == 0 ? "" : ",",
					(int32_t)numbers[i * 7 % 6 ^ (i % 11 == 0)]);
	size += (size_t)sprintf(text + size, "%s", tail);
	for (unsigned threads = 1; threads <= 2; threads++) {
		struct heap_graph graph;
		struct err err = { .text = "" };

		cr_assert_eq(load(&graph, text, size, threads, &err), 0, "%s", err.text);
		cr_assert_eq(graph.edges_n, EDGES);
		for (unsigned i = 0; i < EDGES; i++)
			cr_assert_eq(graph.edge_name[i], numbers[i * 7 % 6 ^ (i % 11 == 0)]);
		heap_graph_fini(&graph);
	}
	free(text);
}

/* Each as a block of its own size, so that a sanitizer sees a read past it. */
Test(load_v8, a_part_of_a_file_is_never_taken_for_a_file)
{
	for (size_t size = 0; size < strlen(whole) - 2; size++) {
		char *copy = malloc(size > 0 ? size : 1);
		struct heap_graph graph;
		struct err err = { .text = "" };
		int r;

		memcpy(copy, whole, size);
		r = load(&graph, copy, size, 1 + size % 2, &err);
		cr_assert(r == -ENODATA || r == -EBADMSG, "%zu bytes: %d", size, r);
		cr_assert_neq(err.text[0], '\0', "%zu bytes", size);
		heap_graph_fini(&graph);
		free(copy);
	}
}

/* Of a packed file that is cut short: the place in what it unpacks to, and then why. */
Test(load_v8, a_part_is_told_with_its_place)
{
	for (size_t size = 0; size <= strlen(whole); size++) {
		const struct v8_text part = { .data = whole, .size = size };
		const struct heap_load_options options = { .threads = 1 };
		struct err err = { .text = "" };
		char place[32];

		cr_assert_eq(heap_load_part(&part, &options, "a reason", &err), -EBADMSG);
		cr_assert_eq(strncmp(err.text, "unpacked, ", strlen("unpacked, ")), 0, "%s",
			     err.text);
		cr_assert_str_eq(strrchr(err.text, ':'), ": a reason");
		snprintf(place, sizeof(place), "byte %zu", size);
		cr_assert(strstr(err.text, place) != NULL || size > strlen(whole) - 2, "%zu: %s",
			  size, err.text);
		cr_assert(strstr(err.text, "section") != NULL || size >= strlen(whole) - 1,
			  "%zu: %s", size, err.text);
	}
}

Test(load_v8, a_part_that_takes_too_much_is_told_with_its_end)
{
	const struct v8_text part = { .data = whole, .size = strlen(whole) - 20 };
	const struct heap_load_options options = { .threads = 1, .memory_max = 1 };
	struct err err = { .text = "" };

	cr_assert_eq(heap_load_part(&part, &options, "a reason", &err), -EBADMSG);
	cr_assert(strstr(err.text, "it ends at byte") != NULL, "%s", err.text);
}

static const struct {
	const char *from, *to, *word;
} damages[] = {
	{ "\"edges\":[0,7,5", "\"edges\":[0,7,6", "\"edges\"" }, /* inside of a node */
	{ "\"edges\":[0,7,5", "\"edges\":[0,7,15", "\"edges\"" }, /* behind the last */
	{ "\"edges\":[0,7,5", "\"edges\":[9,7,5", "\"edges\"" }, /* no such type */
	{ "1,3,10]", "1,4,10]", "\"strings\"" },
	{ "1,3,10]", "1,,3,10]", "\"edges\"" },
	{ "1,3,10]", "1,3,-1]", "\"edges\"" },
	{ "1,3,10]", "1,-3,10]", "\"strings\"" }, /* only an element may have such */
	{ "[0,7,5", "[-0,--7,5", "\"edges\"" },
	{ "[0,7,5", "[0,-,5", "\"edges\"" },
	{ "[0,7,5", "[0,7-7,5", "\"edges\"" },
	{ "[0,7,5", "[0,- 7,5", "\"edges\"" },
	{ "[0,7,5", "[0,-1,5", "\"edges\"" }, /* no element has this number */
	{ "[0,7,5", "[0,-2147483649,5", "\"edges\"" },
	{ "2,2,5,5000000000", "2,2,-5,5000000000", "\"nodes\"" },
	{ "1,3,10]", "1,3,99999999999999999999999]", "\"edges\"" },
	{ "1,3,10]", "1,3]", "\"edges\"" },
	{ "0,0,1,0,1\n", "0,0,1,0,2\n", "\"nodes\"" }, /* more edges than there are */
	{ "\"node_count\":3", "\"node_count\":0", "node_count" },
	{ "\"node_count\":3", "\"node_count\":2", "\"nodes\"" },
	{ "\"to_node\"", "\"to_mode\"", "to_node" },
	{ "\"strings\"", "\"springs\"", "strings" },
	{ "\"Thing\",", "\"Thing\" ", "\"strings\"" },
};

Test(load_v8, damage_is_told_with_its_section)
{
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const char *at = strstr(whole, damages[i].from);
		char text[2048];
		struct heap_graph graph;
		struct err err = { .text = "" };

		cr_assert_not_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, damages[i].to,
			 at + strlen(damages[i].from));
		cr_assert_lt(load(&graph, text, strlen(text), 1 + i % 2, &err), 0, "%s",
			     damages[i].to);
		cr_assert_not_null(strstr(err.text, damages[i].word), "%s: %s", damages[i].to,
				   err.text);
		heap_graph_fini(&graph);
	}
}

/* ---- where classes are defined ---- */

enum { OBJECTS = 3000 };

/* A root and OBJECTS objects it refers to, and of each `rows` locations. */
static void write_located(struct buf *text, unsigned rows, void (*put)(struct buf *, unsigned row))
{
	buf_init(text, 64 << 20);
	buf_printf(text,
		   "{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\","
		   "\"self_size\",\"edge_count\"],\"node_types\":[[\"synthetic\",\"object\"],"
		   "\"string\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],"
		   "\"edge_types\":[[\"element\"],\"string_or_number\",\"node\"],"
		   "\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]},"
		   "\"node_count\":%d,\"edge_count\":%d},\n\"nodes\":[0,0,1,0,%d",
		   OBJECTS + 1, OBJECTS, OBJECTS);
	for (unsigned i = 0; i < OBJECTS; i++)
		buf_printf(text, ",1,1,%u,16,0", 3 + 2 * i);
	buf_puts(text, "],\n\"edges\":[");
	for (unsigned i = 0; i < OBJECTS; i++)
		buf_printf(text, "%s0,%u,%u", i > 0 ? "," : "", i, 5 * (i + 1));
	buf_puts(text, "],\n\"locations\":[");
	for (unsigned i = 0; i < rows * OBJECTS; i++) {
		buf_printf(text, "%s%u,", i > 0 ? "," : "", 5 * (i % OBJECTS + 1));
		put(text, i);
	}
	buf_puts(text, "],\n\"strings\":[\"\",\"Thing\"]}\n");
	cr_assert_not_null(buf_text(text));
}

/* What the columns of a graph take, in bytes. */
static uint64_t held(const struct heap_graph *graph)
{
	return (uint64_t)graph->nodes * (1 + 1 + 4 + 4 + 4) + 4 * ((uint64_t)graph->nodes + 1) +
	       (uint64_t)graph->edges_n * (4 + 4) +
	       (graph->place != NULL ? (uint64_t)graph->nodes * 4 : 0) +
	       graph->places_capacity * sizeof(*graph->places);
}

static void put_either(struct buf *text, unsigned row)
{
	buf_printf(text, "7,%u,5", row % 3);
}

Test(load_v8, a_place_is_kept_once)
{
	for (unsigned threads = 1; threads <= 2; threads++) {
		struct heap_graph graph;
		struct buf text;
		struct err err = { .text = "" };

		write_located(&text, 1, put_either);
		cr_assert_eq(load(&graph, buf_text(&text), text.size, threads, &err), 0, "%s",
			     err.text);
		cr_expect_eq(graph.places_n, 3);
		for (uint32_t i = 1; i <= OBJECTS; i++) {
			cr_assert_neq(graph.place[i], 0);
			cr_assert_eq(graph.places[graph.place[i] - 1].script, 7);
			cr_assert_eq(graph.places[graph.place[i] - 1].line, (i - 1) % 3);
		}
		heap_graph_fini(&graph);
		buf_fini(&text);
	}
}

static void put_another(struct buf *text, unsigned row)
{
	buf_printf(text, "%u,%u,%u", row, row, row);
}

/*
 * The estimate is made of the head, which does not tell how many locations there are. What is held
 * while dominators are computed, with their ten columns and one of references, is within it.
 */
Test(load_v8, places_are_in_the_estimate)
{
	for (unsigned rows = 1; rows <= 20; rows += 19) {
		struct heap_graph graph;
		struct buf text;
		struct err err = { .text = "" };

		write_located(&text, rows, put_another);
		cr_assert_eq(load(&graph, buf_text(&text), text.size, 1, &err), 0, "%s", err.text);
		cr_expect_geq(graph.places_n, OBJECTS);
		cr_expect_leq(held(&graph) + (uint64_t)graph.nodes * 40 + graph.edges_n * 4,
			      heap_graph_cost(graph.nodes, graph.edges_n, NULL), "%u of each",
			      rows);
		for (uint32_t i = 1; i <= OBJECTS; i++)
			cr_assert_eq(graph.places[graph.place[i] - 1].line % OBJECTS, i - 1);
		heap_graph_fini(&graph);
		buf_fini(&text);
	}
}

/* Three scripts whose one node has an address of 6 MiB, and one with a place of no script's. */
Test(load_v8, addresses_of_scripts_are_limited)
{
	enum { ADDRESS_BYTES = 6 << 20 };
	struct heap_graph graph;
	struct buf text;
	struct err err = { .text = "" };
	unsigned named = 0;

	buf_init(&text, 64 << 20);
	buf_puts(&text,
		 "{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\","
		 "\"self_size\",\"edge_count\"],\"node_types\":[[\"synthetic\",\"object\"],"
		 "\"string\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],"
		 "\"edge_types\":[[\"element\"],\"string_or_number\",\"node\"],"
		 "\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\","
		 "\"script_object_index\"]},\"node_count\":5,\"edge_count\":0},\n\"nodes\":["
		 "0,0,1,0,0,1,0,3,8,0,1,0,5,8,0,1,0,7,8,0,1,1,9,8,0],\"edges\":[],\"locations\":["
		 "5,1,0,0,20,10,2,0,0,20,15,3,0,0,20,20,4,0,0,1000],\"strings\":[\"\","
		 "\"system / Script / ");
	for (unsigned i = 0; i < ADDRESS_BYTES; i++)
		buf_append(&text, "u", 1);
	buf_puts(&text, "\"]}\n");
	cr_assert_eq(load(&graph, buf_text(&text), text.size, 1, &err), 0, "%s", err.text);
	cr_assert_eq(graph.scripts_n, 3);
	for (uint32_t script = 1; script <= 4; script++) {
		const char *url = heap_script_url(&graph, script);

		named += url != NULL && strlen(url) == ADDRESS_BYTES;
	}
	cr_expect_eq(named, 2);
	heap_graph_fini(&graph);
	buf_fini(&text);
}
