/* Small JSC snapshots: what they are as V8's, and what damaged ones are called. */

#include "heap/load_jsc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "foreign.h"
#include "heap/save_v8.h"
#include "util/buf.h"
#include "util/err.h"

/* A global with a Thing, of which an array, a text, its Structure and an element of the DOM hang.
 */
static const char inspector[] =
	"{\"version\":3,\"type\":\"Inspector\",\"nodes\":[0,0,0,0, 9,64,1,0,7,5000000000,2,2,\n"
	"3,16,3,0,4,24,4,0,5,112,5,1,6,8,6,4],"
	"\"nodeClassNames\":[\"<root>\",\"Window\",\"Th\\u00efng\",\"Array\",\"string\","
	"\"Structure\",\"HTMLDivElement\"],"
	"\"edges\":[0,9,0,0,3,4,2,12,7,3,1,0,7,5,0,0,7,5,0,0,9,6,1,2,9,7,3,1],"
	"\"edgeTypes\":[\"Internal\",\"Property\",\"Index\",\"Variable\"],"
	"\"edgeNames\":[\"tags\",\"held\",\"d\\\"iv\"]}";

enum { GLOBAL = 2, THING, ARRAY, TEXT, STRUCTURE, DIV };

Test(load_jsc, is_what_v8_would_have_written)
{
	static const uint8_t types[] = { HEAP_SYNTHETIC, HEAP_SYNTHETIC, HEAP_OBJECT,
					 HEAP_OBJECT,    HEAP_OBJECT,    HEAP_STRING };
	struct heap_graph graph;
	struct err err;

	cr_assert_eq(foreign_load(&graph, inspector, strlen(inspector), &err), 0, "%s", err.text);
	cr_assert_eq(graph.nodes, 8);
	cr_assert_eq(graph.edges_n, 7 + 1 + 1);
	for (uint32_t i = 0; i < sizeof(types); i++)
		cr_assert_eq(graph.type[i], types[i], "node %u", i);
	cr_assert_str_eq(graph.type_names[graph.type[STRUCTURE]], "object shape");
	cr_assert_eq(graph.type[DIV], HEAP_NATIVE);
	foreign_check_name(&graph, 1, "(GC roots)");
	foreign_check_name(&graph, THING, "Th\u00efng");
	foreign_check_name(&graph, TEXT, "(string)");
	cr_assert_eq(heap_size(&graph, THING), 5000000000);
	cr_assert_eq(heap_node_find(&graph, 2 * 7 + 3), THING);
	foreign_check_edge(&graph, 0, 1, HEAP_ELEMENT, "1");
	foreign_check_edge(&graph, 0, GLOBAL, HEAP_SHORTCUT, "Window");
	foreign_check_edge(&graph, 1, GLOBAL, HEAP_INTERNAL, "");
	foreign_check_edge(&graph, GLOBAL, THING, HEAP_CONTEXT, "held");
	foreign_check_edge(&graph, GLOBAL, DIV, HEAP_PROPERTY, "d\"iv");
	foreign_check_edge(&graph, THING, STRUCTURE, HEAP_INTERNAL, "");
	foreign_check_edge(&graph, ARRAY, TEXT, HEAP_ELEMENT, "12");
	heap_graph_fini(&graph);
}

static const char debugging[] =
	"{\"version\":2,\"type\":\"GCDebugging\","
	"\"nodes\":[0,0,0,0,0,\"0x0\",\"0x0\",1,32,1,0,2,\"0x1\",\"0x0\",2,8,2,0,0,\"0x2\",\"0x0\"]"
	","
	"\"nodeClassNames\":[\"<root>\",\"Function\",\"Thing\"],\"edges\":[0,1,0,0,0,2,0,0],"
	"\"edgeTypes\":[\"Internal\"],\"edgeNames\":[],"
	"\"roots\":[1,1,0],\"labels\":[\"\",\"StrongHandles\",\"grow\"]}";

Test(load_jsc, a_root_stands_under_its_reason)
{
	struct heap_graph graph;
	struct err err;

	cr_assert_eq(foreign_load(&graph, debugging, strlen(debugging), &err), 0, "%s", err.text);
	cr_assert_eq(graph.nodes, 5);
	foreign_check_name(&graph, 2, "StrongHandles");
	foreign_check_edge(&graph, 1, 2, HEAP_ELEMENT, "0");
	foreign_check_edge(&graph, 2, 3, HEAP_INTERNAL, "");
	foreign_check_edge(&graph, 1, 4, HEAP_INTERNAL, "");
	foreign_check_name(&graph, 3, "grow");
	cr_assert_eq(graph.type[3], HEAP_CLOSURE);
	heap_graph_fini(&graph);
}

/* An environment with two variables, each told twice: not named first, and named first. */
static const char twice[] =
	"{\"version\":3,\"type\":\"Inspector\","
	"\"nodes\":[0,0,0,0, 1,64,1,0, 2,8,2,0, 3,8,2,0, 4,8,2,0],"
	"\"nodeClassNames\":[\"<root>\",\"JSModuleEnvironment\",\"Array\"],"
	"\"edges\":[0,1,0,0, 1,2,0,0, 1,4,0,0, 1,3,3,1, 1,3,0,0, 1,2,3,0, 1,4,2,7],"
	"\"edgeTypes\":[\"Internal\",\"Property\",\"Index\",\"Variable\"],"
	"\"edgeNames\":[\"things\",\"others\"]}";

Test(load_jsc, what_is_told_with_a_name_and_without_has_one)
{
	struct heap_graph graph;
	struct err err;
	uint32_t first;

	cr_assert_eq(foreign_load(&graph, twice, strlen(twice), &err), 0, "%s", err.text);
	foreign_check_edge(&graph, 2, 3, HEAP_CONTEXT, "things");
	foreign_check_edge(&graph, 2, 4, HEAP_CONTEXT, "others");
	foreign_check_edge(&graph, 2, 5, HEAP_ELEMENT, "7");
	first = graph.edge_first[2];
	cr_assert_eq(graph.edge_first[3] - first, 6, "none is lost");
	for (uint32_t i = first + 3; i < first + 6; i++)
		cr_assert_eq(heap_edge_kind(graph.edges[i]), HEAP_INTERNAL);
	heap_graph_fini(&graph);
}

Test(load_jsc, a_part_of_a_file_is_never_taken_for_a_file)
{
	foreign_check_cuts(inspector, strlen(inspector));
	foreign_check_cuts(debugging, strlen(debugging));
}

static const struct {
	const char *from, *to, *word;
} damages[] = {
	{ "\"version\":3", "\"version\":4", "\"version\"" },
	{ "Inspector", "Inspektor", "\"type\"" },
	{ "0,0,0,0, 9", "1,0,0,0, 9", "\"nodes\"" }, /* no root */
	{ "3,16,3,0", "7,16,3,0", "\"nodes\"" }, /* twice */
	{ "3,16,3,0", "3,16,7,0", "\"nodes\"" }, /* no such class */
	{ "3,16,3,0", "3,16,3,", "\"nodes\"" },
	{ "3,16,3,0", "3,16,,0", "\"nodes\"" },
	{ "3,16,3,0", "3,16,\"3\",0", "\"nodes\"" },
	{ "3,16,3,0", "9223372036854775807,16,3,0", "\"nodes\"" }, /* of no 64-bit id */
	{ "3,16,3,0", "3,99999999999999999999,3,0", "\"nodes\"" },
	{ "0,9,0,0,3", "0,8,0,0,3", "\"edges\"" }, /* no such node */
	{ "0,9,0,0,3", "0,9,4,0,3", "\"edges\"" }, /* no such type */
	{ "7,3,1,0", "7,3,1,3", "\"edges\"" }, /* no such name */
	{ "7,3,1,0", "7,3,1", "\"edges\"" },
	{ "\"edgeNames\":[", "\"edgeNames\":[7,", "\"edgeNames\"" },
	{ "\"edgeNames\"", "\"edgeGames\"", "edgeNames" },
	{ "\"edgeTypes\"", "\"edges\"", "\"edges\"" },
};

Test(load_jsc, damage_is_told_with_its_section)
{
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const char *at = strstr(inspector, damages[i].from);
		char text[2048];
		struct heap_graph graph;
		struct err err = { .text = "" };

		cr_assert_not_null(at, "%s", damages[i].from);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - inspector), inspector,
			 damages[i].to, at + strlen(damages[i].from));
		cr_assert_lt(foreign_load(&graph, text, strlen(text), &err), 0, "%s",
			     damages[i].to);
		cr_assert_not_null(strstr(err.text, damages[i].word), "%s: %s", damages[i].to,
				   err.text);
		heap_graph_fini(&graph);
	}
}

static int gather(void *owner, const void *data, size_t size)
{
	return buf_append(owner, data, size);
}

static int fail(void *owner, const void *data, size_t size)
{
	(void)owner;
	(void)data;
	(void)size;
	return -ENOSPC;
}

Test(load_jsc, what_is_saved_is_loaded_again)
{
	struct heap_graph graph, again;
	struct err err;
	struct buf buf;

	buf_init(&buf, 1 << 20);
	cr_assert_eq(foreign_load(&graph, inspector, strlen(inspector), &err), 0);
	cr_assert_eq(heap_save_v8(&graph, NULL, fail, NULL), -ENOSPC);
	cr_assert_eq(heap_save_v8(&graph, NULL, gather, &buf), 0);
	cr_assert_eq(foreign_load(&again, buf.data, buf.size, &err), 0, "%s", err.text);
	cr_assert_eq(again.nodes, graph.nodes);
	cr_assert_eq(again.edges_n, graph.edges_n);
	for (uint32_t node = 0; node < graph.nodes; node++) {
		cr_assert_eq(heap_size(&again, node), heap_size(&graph, node));
		cr_assert_eq(again.id[node], graph.id[node]);
		cr_assert_str_eq(again.type_names[again.type[node]],
				 graph.type_names[graph.type[node]]);
	}
	foreign_check_name(&again, THING, "Th\u00efng");
	foreign_check_edge(&again, GLOBAL, DIV, HEAP_PROPERTY, "d\"iv");
	heap_graph_fini(&graph);
	heap_graph_fini(&again);
	buf_fini(&buf);
}

/* A Thing of an id beyond 2^31, one of the last there can be, and what refers to them. */
static const char wide[] =
	"{\"version\":3,\"type\":\"Inspector\",\"nodes\":[0,0,0,0, 9,64,1,0,\n"
	"4294967295,16,2,0,9223372036854775806,24,2,0],"
	"\"nodeClassNames\":[\"<root>\",\"Window\",\"Thing\"],"
	"\"edges\":[0,9,0,0,9,4294967295,1,0,4294967295,9223372036854775806,1,0],"
	"\"edgeTypes\":[\"Internal\",\"Property\"],\"edgeNames\":[\"held\"]}";

enum { FIRST_THING = GLOBAL + 1, LAST_THING };

/* Ids last in JSC, so they are compared whatever their width; other tools have 32 bits for them. */
Test(load_jsc, ids_have_64_bits)
{
	struct heap_graph graph, again;
	struct err err;
	struct buf buf;

	buf_init(&buf, 1 << 20);
	cr_assert_eq(foreign_load(&graph, wide, strlen(wide), &err), 0, "%s", err.text);
	cr_assert(!graph.addresses);
	cr_assert_eq(heap_id(&graph, 1), 3);
	cr_assert_eq(heap_id(&graph, GLOBAL), 2 * 9 + 3);
	cr_assert_eq(heap_id(&graph, FIRST_THING), 2 * (uint64_t)UINT32_MAX + 3);
	cr_assert_eq(heap_id(&graph, LAST_THING), UINT64_MAX);
	cr_assert_eq(heap_node_find(&graph, UINT64_MAX), LAST_THING);
	foreign_check_edge(&graph, FIRST_THING, LAST_THING, HEAP_PROPERTY, "held");
	cr_assert_eq(heap_save_v8(&graph, NULL, gather, &buf), 0);
	cr_assert_eq(foreign_load(&again, buf.data, buf.size, &err), 0, "%s", err.text);
	for (uint32_t node = 0; node < graph.nodes; node++) {
		cr_assert_eq(again.id[node], graph.id[node]);
		for (uint32_t other = 0; other < node; other++)
			cr_assert_neq(again.id[node], again.id[other]);
	}
	heap_graph_fini(&graph);
	heap_graph_fini(&again);
	buf_fini(&buf);
}

/* The id of a reason for a root is no object's, whatever JSC calls that. */
Test(load_jsc, ids_are_of_one_node_each)
{
	struct heap_graph graph;
	struct err err;

	cr_assert_eq(foreign_load(&graph, debugging, strlen(debugging), &err), 0, "%s", err.text);
	for (uint32_t node = 0; node < graph.nodes; node++)
		cr_assert_eq(heap_node_find(&graph, heap_id(&graph, node)), node);
	heap_graph_fini(&graph);
}
