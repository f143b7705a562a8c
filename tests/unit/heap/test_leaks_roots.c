/*
 * Suspects of small snapshots of JSC made by hand: functions below one root that two others make,
 * and things to which nothing leads, beside maps with and without room for them.
 */

#include "heap/leaks.h"

#include <criterion/criterion.h>

#include "heap/leaks_made.h"
#include "shots.h"
#include "util/buf.h"

enum { FUNCTION_BYTES = 400, THING_BYTES = 400, SMALL_TABLE = 600, MAKERS = 2, KEPT = 1000 };

/* nodeClassNames, edgeTypes, edgeNames */
enum { ROOT, WINDOW, FUNCTION, EXECUTABLE, UNLINKED, BLOCK, MAP, TABLE, THING, KEEP };
enum { INTERNAL, PROPERTY };
enum { NAMES_MAKERS, NAME_CACHE = MAKERS, NAME_SMALL, NAME_KEPT };

static const char tail[] = "],\"edgeTypes\":[\"Internal\",\"Property\"],"
			   "\"edgeNames\":[\"onTimer\",\"onClick\",\"cache\",\"small\",\"kept\"]}";
static const char classes[] =
	"],\"nodeClassNames\":[\"<root>\",\"Window\",\"Function\",\"FunctionExecutable\","
	"\"UnlinkedFunctionExecutable\",\"UnlinkedFunctionCodeBlock\",\"Map\","
	"\"Immutable Butterfly\",\"Thing\",\"Keep\"],\"edges\":[0,1,0,0";

/* What a snapshot shows. */
struct scene {
	uint32_t made[MAKERS]; /* functions of each */
	bool unwritten; /* what makes them is not told */
	uint32_t things; /* to which nothing leads */
	uint32_t table; /* bytes of that of the cache */
	bool anew; /* ids are another's now */
};

/* Ids: what makes functions, then the maps, what is kept, functions, things. */
enum { FIRST_MAKER = 2, EACH_MAKER = 6, FIRST_MAP = FIRST_MAKER + MAKERS * EACH_MAKER };
enum { FIRST_KEPT = FIRST_MAP + 4, FIRST_MADE = FIRST_KEPT + KEPT, MADE_MAX = 10000 };

static void node(struct shot *shot, const struct scene *scene, uint32_t id, uint32_t size,
		 uint32_t class)
{
	uint32_t shift = scene->anew && id >= FIRST_KEPT ? 7 : 0;

	buf_printf(&shot->nodes, ",%u,%u,%u,0", id + shift, size, class);
}

static void edge(struct shot *shot, const struct scene *scene, uint32_t from, uint32_t to,
		 uint32_t type, uint32_t name)
{
	uint32_t shift = scene->anew && to >= FIRST_KEPT ? 7 : 0;
	uint32_t from_shift = scene->anew && from >= FIRST_KEPT ? 7 : 0;

	buf_printf(&shot->edges, ",%u,%u,%u,%u", from + from_shift, to + shift, type, name);
}

/* A function with its code, in which that of those it makes is written. */
static void put_maker(struct shot *shot, const struct scene *scene, uint32_t i)
{
	uint32_t first = FIRST_MAKER + i * EACH_MAKER;
	const uint32_t kinds[EACH_MAKER] = { FUNCTION, EXECUTABLE, UNLINKED,
					     BLOCK,    UNLINKED,   EXECUTABLE };

	for (uint32_t k = 0; k < EACH_MAKER; k++)
		node(shot, scene, first + k, 64, kinds[k]);
	edge(shot, scene, 1, first, PROPERTY, NAMES_MAKERS + i);
	for (uint32_t k = 0; k + 2 < EACH_MAKER - 1; k++)
		edge(shot, scene, first + k, first + k + 1, INTERNAL, 0);
	edge(shot, scene, scene->unwritten ? 0 : first + 3, first + 4, INTERNAL, 0);
	edge(shot, scene, first + 5, first + 4, INTERNAL, 0);
	for (uint32_t k = 0; k < scene->made[i]; k++) {
		uint32_t id = FIRST_MADE + i * MADE_MAX + k;

		node(shot, scene, id, FUNCTION_BYTES, FUNCTION);
		edge(shot, scene, 0, id, INTERNAL, 0);
		edge(shot, scene, id, first + 5, INTERNAL, 0);
	}
}

static void put_map(struct shot *shot, const struct scene *scene, uint32_t id, uint32_t table,
		    uint32_t name)
{
	node(shot, scene, id, 32, MAP);
	node(shot, scene, id + 1, table, TABLE);
	edge(shot, scene, 1, id, PROPERTY, name);
	edge(shot, scene, id, id + 1, INTERNAL, 0);
}

static void compose(struct shot *shot, const struct scene *scene)
{
	buf_puts(&shot->nodes, "{\"version\":3,\"type\":\"Inspector\",\"nodes\":[0,0,0,0,1,64,1,0");
	buf_puts(&shot->edges, classes);
	for (uint32_t i = 0; i < MAKERS; i++)
		put_maker(shot, scene, i);
	put_map(shot, scene, FIRST_MAP, scene->table, NAME_CACHE);
	put_map(shot, scene, FIRST_MAP + 2, SMALL_TABLE, NAME_SMALL);
	for (uint32_t i = 0; i < KEPT; i++) {
		node(shot, scene, FIRST_KEPT + i, 16, KEEP);
		edge(shot, scene, 1, FIRST_KEPT + i, PROPERTY, NAME_KEPT);
	}
	for (uint32_t i = 0; i < scene->things; i++)
		node(shot, scene, FIRST_MADE + MAKERS * MADE_MAX + i, THING_BYTES, THING);
	buf_append(&shot->text, shot->nodes.data, shot->nodes.size);
	buf_append(&shot->text, shot->edges.data, shot->edges.size);
	buf_puts(&shot->text, tail);
}

static void compose_scene(struct shot *shot, const void *scenes, size_t i)
{
	compose(shot, (const struct scene *)scenes + i);
}

static void find(struct heap_leaks *ret, struct shot *last, const struct scene *scenes, size_t n,
		 enum heap_match_by wish)
{
	shots_find(ret, last, compose_scene, scenes, n, wish, wish);
}

static void expect_roots(const struct shot *last, const struct heap_suspect *suspect,
			 uint64_t count, const char *made_in)
{
	const struct heap_graph *graph = &last->analysis.graph;
	uint32_t edge;

	cr_expect_eq(suspect->kind, HEAP_LEAK_ROOTS);
	cr_expect_eq(suspect->count, count);
	cr_expect_eq(suspect->others, 0);
	cr_expect_eq(suspect->bytes, count * FUNCTION_BYTES);
	cr_assert_eq(leaks_made_in(&last->analysis, suspect->example, &edge), 0);
	if (made_in == NULL) {
		cr_expect_eq(edge, UINT32_MAX);
		return;
	}
	cr_assert_neq(edge, UINT32_MAX);
	cr_expect(heap_string_is(&graph->strings, graph->edge_name[edge], made_in));
}

static const enum heap_match_by ways[] = { HEAP_MATCH_IDS, HEAP_MATCH_PATHS };

Test(leaks_roots, functions_of_two_codes_are_two_leaks)
{
	static const struct scene scenes[] = {
		{ { 100, 90 } },
		{ { 200, 240 } },
		{ { 300, 390 } },
	};

	for (size_t i = 0; i < 2; i++) {
		struct heap_leaks leaks;
		struct shot last;

		find(&leaks, &last, scenes, 3, ways[i]);
		cr_assert_eq(leaks.n, 2);
		expect_roots(&last, &leaks.items[0], 300, "onClick");
		expect_roots(&last, &leaks.items[1], 200, "onTimer");
		heap_leaks_fini(&leaks);
		shot_fini(&last);
	}
}

/* Whichever of them were there, by their size. */
Test(leaks_roots, of_two_codes_one_leaks)
{
	static const struct scene scenes[] = {
		{ { 400, 100 } },
		{ { 400, 200 } },
		{ { 300, 300 }, .anew = true },
	};
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, 3, HEAP_MATCH_PATHS);
	cr_assert_leq(leaks.n, 1);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
	find(&leaks, &last,
	     (struct scene[]){ { { 400, 100 } }, { { 400, 200 } }, { { 400, 300 } } }, 3,
	     HEAP_MATCH_PATHS);
	cr_assert_eq(leaks.n, 1);
	expect_roots(&last, &leaks.items[0], 200, "onClick");
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

/* Where it is not told which code is which, counts of each are not comparable. */
Test(leaks_roots, codes_that_are_not_known_are_told_as_one)
{
	static const struct scene scenes[] = {
		{ { 100, 90 }, .unwritten = true },
		{ { 200, 240 }, .unwritten = true },
		{ { 300, 390 }, .unwritten = true },
	};
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, 3, HEAP_MATCH_PATHS);
	cr_assert_eq(leaks.n, 1);
	expect_roots(&last, &leaks.items[0], 500, NULL);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

static void expect_cache(const struct scene *scenes, size_t n, uint64_t count, uint64_t bytes)
{
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, n, HEAP_MATCH_IDS);
	cr_assert_eq(leaks.n, 1);
	cr_expect_eq(leaks.items[0].kind, HEAP_LEAK_UNREACHED);
	cr_expect_eq(leaks.items[0].count, count);
	cr_expect_eq(leaks.items[0].all, scenes[n - 1].things);
	cr_expect_eq(leaks.items[0].bytes, bytes);
	cr_assert_eq(leaks.items[0].may_n, 1);
	cr_expect_eq(heap_id(&last.analysis.graph, leaks.items[0].may[0]), 2 * FIRST_MAP + 3);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

Test(leaks_roots, what_nothing_leads_to_is_held_by_what_has_room_for_it)
{
	expect_cache((struct scene[]){ { .things = 100, .table = 40000 },
				       { .things = 200, .table = 40000 },
				       { .things = 300, .table = 40000 } },
		     3, 200, 200 * THING_BYTES);
}

/* Its table is larger for what it has come to hold. */
Test(leaks_roots, a_map_that_has_grown_for_what_nothing_leads_to_is_no_other_leak)
{
	expect_cache((struct scene[]){ { .things = 100, .table = 20000 },
				       { .things = 300, .table = 60000 } },
		     2, 200, 200 * THING_BYTES + 40000);
}

/* There is none that could. */
Test(leaks_roots, what_nothing_has_room_for)
{
	static const struct scene scenes[] = {
		{ .things = 100, .table = 600 },
		{ .things = 200, .table = 600 },
		{ .things = 300, .table = 600 },
	};
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, 3, HEAP_MATCH_IDS);
	cr_assert_eq(leaks.n, 1);
	cr_expect_eq(leaks.items[0].may_n, 0);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}
