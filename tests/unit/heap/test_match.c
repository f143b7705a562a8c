/*
 * Objects found again in a later snapshot by their paths
 */

#include "heap/match.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "util/err.h"

#define META                                                                                       \
	"{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\","        \
	"\"edge_count\"],\"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\","    \
	"\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\"],\"string\",\"number\","       \
	"\"number\",\"number\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],"         \
	"\"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\","           \
	"\"shortcut\",\"weak\"],\"string_or_number\",\"node\"]},"
#define STRINGS                                                                                    \
	"\"strings\":[\"\",\"(root)\",\"(GC roots)\",\"(Handle scope)\",\"(Global handles)\","     \
	"\"system / Context / scope @9\",\"work\",\"start\",\"once\",\"twice\",\"context\","       \
	"\"sessions\",\"other\",\"Map\"]}"

/* A snapshot and what is needed to match it. */
struct shot {
	struct heap_analysis analysis;
	struct heap_side side;
};

static void shot_init(struct shot *shot, const char *text)
{
	struct heap_load_options options = { .threads = 1 };
	struct v8_text v8 = { .data = text, .size = strlen(text) };
	struct err err = { .text = "" };

	cr_assert_eq(heap_analyse(&shot->analysis, &v8, &options, &err), 0, "%s", err.text);
	cr_assert_eq(heap_side_init(&shot->side, &shot->analysis), 0);
}

static void shot_fini(struct shot *shot)
{
	heap_side_fini(&shot->side);
	heap_analysis_fini(&shot->analysis);
}

static void expect_found(const char *base_text, const char *last_text, uint32_t old)
{
	enum heap_match_by by = HEAP_MATCH_PATHS;
	struct heap_match match;
	struct shot base, last;

	shot_init(&base, base_text);
	shot_init(&last, last_text);
	cr_assert_eq(heap_match_init(&match, &base.side, &last.side, &by), 0);
	for (uint32_t node = 0; node < match.nodes; node++)
		cr_expect_eq(match.of[node], node < old ? node : UINT32_MAX, "%u of the last is %u",
			     node, match.of[node]);
	heap_match_fini(&match);
	shot_fini(&last);
	shot_fini(&base);
}

/*
 * root, GC roots, handle scope, global handles; work, start, their scope and its Map. While code is
 * compiled, handles hold the scope and the Map: both have another shortest path then. In the base
 * two more functions share a scope, that has the path of the other one later; in the last snapshot
 * a handle holds another Map.
 */
Test(match, what_handles_held_for_a_moment)
{
	static const char base_text[] =
		META "\"node_count\":12,\"edge_count\":15},\"nodes\":["
		     "9,1,1,0,1, 9,2,3,0,2, 9,3,5,0,2, 9,4,7,0,4, "
		     "5,6,9,64,1, 5,7,11,64,1, 3,5,13,40,1, 3,13,15,32,0, "
		     "5,8,17,64,1, 5,9,19,64,1, 3,5,21,40,1, 3,13,23,4000,0],\"edges\":["
		     "1,1,5, 1,1,10, 1,2,15, 1,1,30, 1,2,35, 1,1,20, 1,2,25, 1,3,40, 1,4,45, "
		     "3,10,30, 3,10,30, 0,11,35, 3,10,50, 3,10,50, 0,12,55]," STRINGS;
	static const char last_text[] =
		META "\"node_count\":9,\"edge_count\":10},\"nodes\":["
		     "9,1,1,0,1, 9,2,3,0,2, 9,3,5,0,1, 9,4,7,0,3, "
		     "5,6,109,64,1, 5,7,111,64,1, 3,5,113,40,1, 3,13,115,32,0, "
		     "3,13,125,80,0],\"edges\":["
		     "1,1,5, 1,1,10, 1,2,15, 1,1,40, 1,1,20, 1,2,25, 1,3,40, "
		     "3,10,30, 3,10,30, 0,11,35]," STRINGS;
	expect_found(base_text, last_text, 8);
}

/* Two plain objects with x and three with y in one table, and two more with x, larger than y's. */
Test(match, plain_objects_of_one_shape_first)
{
	static const char strings[] =
		"\"strings\":[\"\",\"(root)\",\"(GC roots)\",\"Object\",\"x\",\"y\",\"text\"]}";
	static const char base_head[] =
		META "\"node_count\":8,\"edge_count\":11},\"nodes\":["
		     "9,1,1,0,1, 9,2,3,0,5, 3,3,5,100,1, 3,3,7,100,1, 3,3,9,50,1, 3,3,11,50,1, "
		     "3,3,13,50,1, 2,6,15,20,0],\"edges\":["
		     "1,1,5, 1,1,10, 1,2,15, 1,3,20, 1,4,25, 1,5,30, "
		     "2,4,35, 2,4,35, 2,5,35, 2,5,35, 2,5,35],";
	static const char last_head[] =
		META "\"node_count\":10,\"edge_count\":15},\"nodes\":["
		     "9,1,1,0,1, 9,2,3,0,7, 3,3,5,100,1, 3,3,7,100,1, 3,3,9,50,1, 3,3,11,50,1, "
		     "3,3,13,50,1, 2,6,15,20,0, 3,3,17,80,1, 3,3,19,80,1],\"edges\":["
		     "1,1,5, 1,1,10, 1,2,15, 1,3,20, 1,4,25, 1,5,30, 1,6,40, 1,7,45, "
		     "2,4,35, 2,4,35, 2,5,35, 2,5,35, 2,5,35, 2,4,35, 2,4,35],";
	char base[2048], last[2048];

	snprintf(base, sizeof(base), "%s%s", base_head, strings);
	snprintf(last, sizeof(last), "%s%s", last_head, strings);
	expect_found(base, last, 8);
}

static void expect_agreement(const char *base_text, const char *last_text, uint64_t came,
			     uint64_t missed)
{
	enum heap_match_by by = HEAP_MATCH_IDS;
	struct heap_match match;
	struct shot base, last;

	shot_init(&base, base_text);
	shot_init(&last, last_text);
	cr_assert_eq(heap_match_init(&match, &base.side, &last.side, &by), 0);
	cr_expect_eq(match.agreement.came, came);
	cr_expect_eq(match.agreement.missed, missed);
	cr_expect_eq(heap_ids_go_on(&match.agreement), missed == 0);
	heap_match_fini(&match);
	shot_fini(&last);
	shot_fini(&base);
}

#define TWO_STRINGS(first, second)                                                                 \
	META "\"node_count\":4,\"edge_count\":3},\"nodes\":[9,1,1,0,1, 9,2,3,0,2, 2,3," first      \
	     ",20,0, 2,3," second ",20,0],\"edges\":[1,1,5, 1,1,10, 1,2,15],"                      \
	     "\"strings\":[\"\",\"(root)\",\"(GC roots)\",\"text\"]}"

/* What came since the first snapshot of a process has higher ids than all that was there. */
Test(match, ids_go_on)
{
	expect_agreement(TWO_STRINGS("5", "9"), TWO_STRINGS("9", "11"), 1, 0);
	expect_agreement(TWO_STRINGS("5", "9"), TWO_STRINGS("7", "9"), 1, 1);
}

#define TABLE(nodes, edges, count, refs)                                                           \
	META "\"node_count\":" count ",\"edge_count\":" refs "},\"nodes\":[" nodes                 \
	     "],\"edges\":[" edges "],\"strings\":[\"\",\"(root)\",\"(GC "                         \
	     "roots)\",\"Object\",\"x\",\"y\",\"z\",\"text\"]}"

/* One with z went, and three with x, of which there was one, came: none of them is that of z. */
Test(match, what_has_nothing_in_common_came)
{
	expect_found(
		TABLE("9,1,1,0,1, 9,2,3,0,2, 2,7,15,20,0, 3,3,5,50,1, 3,3,7,100,1",
		      "1,1,5, 1,1,15, 1,2,20, 2,4,10, 2,6,10", "5", "5"),
		TABLE("9,1,1,0,1, 9,2,3,0,4, 2,7,15,20,0, 3,3,5,50,1, 3,3,17,40,1, 3,3,19,40,1, "
		      "3,3,21,40,1",
		      "1,1,5, 1,1,15, 1,2,20, 1,3,25, 1,4,30, "
		      "2,4,10, 2,4,10, 2,4,10, 2,4,10",
		      "7", "9"),
		4);
}

/* Both with x got a y, and two with z came. */
Test(match, what_changes_its_shape_is_known_by_what_it_keeps)
{
	expect_found(TABLE("9,1,1,0,1, 9,2,3,0,2, 2,7,15,20,0, 3,3,5,100,1, 3,3,7,50,1",
			   "1,1,5, 1,1,15, 1,2,20, 2,4,10, 2,4,10", "5", "5"),
		     TABLE("9,1,1,0,1, 9,2,3,0,4, 2,7,15,20,0, 3,3,5,100,2, 3,3,7,50,2, "
			   "3,3,17,200,1, 3,3,19,200,1",
			   "1,1,5, 1,1,15, 1,2,20, 1,3,25, 1,4,30, "
			   "2,4,10, 2,5,10, 2,4,10, 2,5,10, 2,6,10, 2,6,10",
			   "7", "11"),
		     5);
}

/* JSC tells one of the names of a function, now this one, now that. */
Test(match, what_has_another_name_now)
{
#define NAMED(name)                                                                                \
	META "\"node_count\":4,\"edge_count\":3},\"nodes\":[9,1,1,0,1, 9,2,3,0,1, 3,3,5,50,1, "    \
	     "3,6,7,100,0],\"edges\":[1,1,5, 1,1,10, 2," name ",15],"                              \
	     "\"strings\":[\"\",\"(root)\",\"(GC roots)\",\"Store\",\"x\",\"y\",\"Item\"]}"
	expect_found(NAMED("4"), NAMED("5"), 4);
}

/*
 * Two functions and the prototype of each, to which its shape leads as well: nothing but the
 * function's name tells one from the other. Their sizes are those of the other later.
 */
Test(match, a_name_tells_apart_what_a_step_does_not)
{
#define PROTOTYPES(first, second)                                                                  \
	META "\"node_count\":8,\"edge_count\":9},\"nodes\":["                                      \
	     "9,1,1,0,1, 9,2,3,0,4, 0,3,5,80,1, 0,3,7,80,1, 5,4,9,64,1, 5,5,11,64,1, "             \
	     "3,7,13," first ",0, 3,7,15," second ",0],\"edges\":["                                \
	     "1,1,5, 1,1,10, 1,2,15, 1,3,20, 1,4,25, 3,6,30, 3,6,35, 2,6,30, 2,6,35],"             \
	     "\"strings\":[\"\",\"(root)\",\"(GC roots)\",\"system / Map\",\"work\","              \
	     "\"start\",\"prototype\",\"Map\"]}"
	expect_found(PROTOTYPES("100", "50"), PROTOTYPES("50", "100"), 8);
}
