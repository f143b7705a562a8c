/*
 * Suspects of small snapshots made by hand: a store with its elements, a list, and things that stay
 * as they are.
 */

#include "heap/leaks.h"

#include <criterion/criterion.h>
#include <string.h>

#include "shots.h"
#include "util/buf.h"

/* As type and name of a node, or of an edge. */
enum { ARRAY = 1, OBJECT = 3, SYNTHETIC = 9 };
enum { ELEMENT = 1, PROPERTY, INTERNAL };
enum {
	NO_NAME,
	ROOT,
	STORE,
	ELEMENTS,
	ITEM,
	OWNER,
	LINK,
	FILLER,
	STORE_EDGE,
	OWNER_EDGE,
	HEAD,
	NEXT,
	STACK
};

enum { FILLERS = 100, ITEM_BYTES = 4000, LINK_BYTES = 1000, TWIGS = 3, DEEP = 200000 };
enum { EARLY_ID = 9, LATE_ID = 1000001 };

static const char strings[] =
	"[\"\",\"(root)\",\"Store\",\"(elements)\",\"Item\",\"Owner\",\"Link\",\"Filler\","
	"\"store\",\"owner\",\"head\",\"next\",\"(Stack roots)\"]}";

static const char head[] =
	"{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\","
	"\"edge_count\"],\"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\","
	"\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\",\"concatenated string\","
	"\"sliced string\"],\"string\",\"number\",\"number\",\"number\"],\"edge_fields\":[\"type\","
	"\"name_or_index\",\"to_node\"],\"edge_types\":[[\"context\",\"element\",\"property\","
	"\"internal\",\"hidden\",\"shortcut\",\"weak\"],\"string_or_number\",\"node\"]},"
	"\"node_count\":%u,\"edge_count\":%u},\"nodes\":[";

/* What a snapshot shows. */
struct scene {
	uint32_t items_first, items_end; /* those the store has, by number */
	uint32_t links; /* the newest first, or last when appended */
	bool appended;
	bool anew; /* ids were given anew: those of one kind are another's now */
	bool scoped; /* it is the one of compose_scoped() */
	bool beside; /* and the owner holds the link too */
	bool shared; /* it is the one of compose_shared() */
	bool twigs; /* it is the one of compose_twigs() */
	bool moves; /* it is the one of compose_moves() */
	uint32_t moved; /* of what the link had, so many are the owner's as well */
	bool stack; /* it is the one of compose_stack() */
	bool wide; /* and only the owner has the store, as the last of many */
	bool brief; /* and the stack has the store, too */
	bool list; /* it is the one of compose_list(): brief: the stack has the first link, too */
	bool table_of_two; /* it is the one of compose_table() */
	uint32_t rooted; /* of the store's items, so many the root's */
	uint32_t table; /* bytes that the store's elements take besides */
};

static void put_node(struct buf *buf, unsigned type, unsigned name, unsigned id, unsigned size,
		     unsigned edges)
{
	buf_printf(buf, "%s%u,%u,%u,%u,%u", id == 1 ? "" : ",", type, name, id, size, edges);
}

static void put_edge(struct buf *buf, unsigned type, unsigned name, unsigned to)
{
	bool first = buf->data[buf->size - 1] == '[';

	buf_printf(buf, "%s%u,%u,%u", first ? "" : ",", type, name, to * 5);
}

/* root, store, elements, owner, fillers, items, links */
static void compose(struct buf *buf, const struct scene *scene)
{
	uint32_t items = scene->items_end - scene->items_first;
	uint32_t first_item = 4 + FILLERS, first_link = first_item + items;
	uint32_t nodes = first_link + scene->links, root_edges = 2 + FILLERS + scene->rooted;
	uint32_t filler_id = scene->anew ? LATE_ID : EARLY_ID;
	uint32_t other_id = scene->anew ? EARLY_ID : LATE_ID;

	buf_printf(buf, head, nodes, root_edges + 1 + items + scene->links);
	put_node(buf, SYNTHETIC, ROOT, 1, 0, root_edges);
	put_node(buf, OBJECT, STORE, scene->anew ? 5 : 3, 32, 1);
	put_node(buf, ARRAY, ELEMENTS, scene->anew ? 7 : 5, 64 + scene->table, items);
	put_node(buf, OBJECT, OWNER, scene->anew ? 3 : 7, 32, scene->links > 0);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_node(buf, OBJECT, FILLER, filler_id + 2 * i, 100, 0);
	for (uint32_t i = scene->items_first; i < scene->items_end; i++)
		put_node(buf, OBJECT, ITEM, other_id + 4 * i, ITEM_BYTES, 0);
	for (uint32_t i = 0; i < scene->links; i++)
		put_node(buf, OBJECT, LINK,
			 other_id + 2 + 4 * (scene->appended ? i : scene->links - i), LINK_BYTES,
			 i + 1 < scene->links);
	buf_puts(buf, "],\"edges\":[");
	put_edge(buf, PROPERTY, STORE_EDGE, 1);
	put_edge(buf, PROPERTY, OWNER_EDGE, 3);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_edge(buf, ELEMENT, i, 4 + i);
	for (uint32_t i = 0; i < scene->rooted; i++)
		put_edge(buf, ELEMENT, FILLERS + i, first_item + i);
	put_edge(buf, INTERNAL, ELEMENTS, 2);
	for (uint32_t i = 0; i < items; i++)
		put_edge(buf, INTERNAL, NO_NAME, first_item + i);
	for (uint32_t i = 0; i < scene->links; i++)
		put_edge(buf, PROPERTY, i == 0 ? HEAD : NEXT, first_link + i);
	buf_printf(buf, "],\"strings\":%s", strings);
}

/*
 * root, owner, store, link, fillers, items: the owner has the store, that the link, and that the
 * items. With `beside` the owner holds the link too, which leaves the store for it.
 */
static void compose_scoped(struct buf *buf, const struct scene *scene)
{
	uint32_t items = scene->items_end - scene->items_first, first_item = 4 + FILLERS;

	buf_printf(buf, head, first_item + items, 1 + FILLERS + 2 + scene->beside + items);
	put_node(buf, SYNTHETIC, ROOT, 1, 0, 1 + FILLERS);
	put_node(buf, OBJECT, OWNER, 3, 32, 1 + scene->beside);
	put_node(buf, OBJECT, STORE, 5, 32, 1);
	put_node(buf, OBJECT, LINK, 7, 32, items);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_node(buf, OBJECT, FILLER, EARLY_ID + 2 * i, 100, 0);
	for (uint32_t i = scene->items_first; i < scene->items_end; i++)
		put_node(buf, OBJECT, ITEM, LATE_ID + 2 * i, ITEM_BYTES, 0);
	buf_puts(buf, "],\"edges\":[");
	put_edge(buf, PROPERTY, OWNER_EDGE, 1);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_edge(buf, ELEMENT, i, 4 + i);
	put_edge(buf, PROPERTY, STORE_EDGE, 2);
	if (scene->beside)
		put_edge(buf, PROPERTY, NEXT, 3);
	put_edge(buf, PROPERTY, HEAD, 3);
	for (uint32_t i = 0; i < items; i++)
		put_edge(buf, ELEMENT, i, first_item + i);
	buf_printf(buf, "],\"strings\":%s", strings);
}

/*
 * root, owner, store, elements, fillers, links: the owner has the store and the elements, and both
 * have the first link, as a scope and compiled code may.
 */
static void compose_shared(struct buf *buf, const struct scene *scene)
{
	uint32_t first_link = 4 + FILLERS;

	buf_printf(buf, head, first_link + scene->links, 1 + FILLERS + 2 + 1 + scene->links);
	put_node(buf, SYNTHETIC, ROOT, 1, 0, 1 + FILLERS);
	put_node(buf, OBJECT, OWNER, 3, 32, 2);
	put_node(buf, ARRAY, ELEMENTS, 5, 64, 1);
	put_node(buf, OBJECT, STORE, 7, 32, 1);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_node(buf, OBJECT, FILLER, EARLY_ID + 2 * i, 100, 0);
	for (uint32_t i = 0; i < scene->links; i++)
		put_node(buf, OBJECT, LINK, LATE_ID + 2 * i, LINK_BYTES, i + 1 < scene->links);
	buf_puts(buf, "],\"edges\":[");
	put_edge(buf, PROPERTY, OWNER_EDGE, 1);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_edge(buf, ELEMENT, i, 4 + i);
	put_edge(buf, INTERNAL, ELEMENTS, 2);
	put_edge(buf, PROPERTY, STORE_EDGE, 3);
	put_edge(buf, INTERNAL, NO_NAME, first_link);
	for (uint32_t i = 0; i < scene->links; i++)
		put_edge(buf, PROPERTY, i == 0 ? HEAD : NEXT, first_link + i);
	buf_printf(buf, "],\"strings\":%s", strings);
}

/*
 * root, owner, fillers, links, each with its twigs behind it: of the class of a link, one holding
 * the next, but not by the name by which links do. The newest link comes first.
 */
static void compose_twigs(struct buf *buf, const struct scene *scene)
{
	enum { EACH = 1 + TWIGS };
	uint32_t first_link = 2 + FILLERS, nodes = first_link + EACH * scene->links;

	buf_printf(buf, head, nodes, 1 + FILLERS + 1 + EACH * scene->links - 1);
	put_node(buf, SYNTHETIC, ROOT, 1, 0, 1 + FILLERS);
	put_node(buf, OBJECT, OWNER, 3, 32, 1);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_node(buf, OBJECT, FILLER, EARLY_ID + 2 * i, 100, 0);
	for (uint32_t i = 0; i < scene->links; i++) {
		uint32_t id = LATE_ID + 2 * EACH * (scene->links - i);

		put_node(buf, OBJECT, LINK, id, LINK_BYTES, 1 + (i + 1 < scene->links));
		for (uint32_t k = 1; k < EACH; k++)
			put_node(buf, OBJECT, LINK, id + 2 * k, LINK_BYTES, k + 1 < EACH);
	}
	buf_puts(buf, "],\"edges\":[");
	put_edge(buf, PROPERTY, OWNER_EDGE, 1);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_edge(buf, ELEMENT, i, 2 + i);
	put_edge(buf, PROPERTY, HEAD, first_link);
	for (uint32_t i = 0; i < scene->links; i++) {
		uint32_t link = first_link + EACH * i;

		if (i + 1 < scene->links)
			put_edge(buf, PROPERTY, NEXT, link + EACH);
		for (uint32_t k = 1; k < EACH; k++)
			put_edge(buf, PROPERTY, STORE_EDGE, link + k);
	}
	buf_printf(buf, "],\"strings\":%s", strings);
}

/*
 * root, owner, store, link, fillers, items: the owner, which is large by itself, has the store with
 * its items, and the link with the fillers, some of which the owner comes to hold too.
 */
static void compose_moves(struct buf *buf, const struct scene *scene)
{
	uint32_t items = scene->items_end - scene->items_first, first_item = 4 + FILLERS;

	buf_printf(buf, head, first_item + items, 1 + 2 + scene->moved + items + FILLERS);
	put_node(buf, SYNTHETIC, ROOT, 1, 0, 1);
	put_node(buf, OBJECT, OWNER, 3, HEAP_LEAK_MIN_BYTES * 4, 2 + scene->moved);
	put_node(buf, OBJECT, STORE, 5, 32, items);
	put_node(buf, OBJECT, LINK, 7, 32, FILLERS);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_node(buf, OBJECT, FILLER, EARLY_ID + 2 * i, ITEM_BYTES, 0);
	for (uint32_t i = scene->items_first; i < scene->items_end; i++)
		put_node(buf, OBJECT, ITEM, LATE_ID + 2 * i, ITEM_BYTES, 0);
	buf_puts(buf, "],\"edges\":[");
	put_edge(buf, PROPERTY, OWNER_EDGE, 1);
	put_edge(buf, PROPERTY, STORE_EDGE, 2);
	put_edge(buf, PROPERTY, HEAD, 3);
	for (uint32_t i = 0; i < scene->moved; i++)
		put_edge(buf, ELEMENT, i, 4 + i);
	for (uint32_t i = 0; i < items; i++)
		put_edge(buf, ELEMENT, i, first_item + i);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_edge(buf, ELEMENT, i, 4 + i);
	buf_printf(buf, "],\"strings\":%s", strings);
}

/* root, roots, stack, owner, fillers, links: new ones come at the end */
static void compose_list(struct buf *buf, const struct scene *scene)
{
	uint32_t first_link = 4 + FILLERS;

	buf_printf(buf, head, first_link + scene->links, 3 + FILLERS + scene->brief + scene->links);
	put_node(buf, SYNTHETIC, ROOT, 1, 0, 1 + FILLERS);
	put_node(buf, SYNTHETIC, FILLER, 2, 0, 2);
	put_node(buf, SYNTHETIC, STACK, 4, 0, scene->brief);
	put_node(buf, OBJECT, OWNER, 3, 32, 1);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_node(buf, OBJECT, FILLER, EARLY_ID + 2 * i, 100, 0);
	for (uint32_t i = 0; i < scene->links; i++)
		put_node(buf, OBJECT, LINK, LATE_ID + 4 * i, LINK_BYTES, i + 1 < scene->links);
	buf_puts(buf, "],\"edges\":[");
	put_edge(buf, ELEMENT, 1, 1);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_edge(buf, ELEMENT, 2 + i, 4 + i);
	put_edge(buf, ELEMENT, 1, 2);
	put_edge(buf, ELEMENT, 2, 3);
	if (scene->brief)
		put_edge(buf, INTERNAL, NO_NAME, first_link);
	put_edge(buf, PROPERTY, HEAD, first_link);
	for (uint32_t i = 0; i + 1 < scene->links; i++)
		put_edge(buf, PROPERTY, NEXT, first_link + i + 1);
	buf_printf(buf, "],\"strings\":%s", strings);
}

/*
 * root, stack, roots, owner, link, store, fillers, items: the owner and the link have the store and
 * that the items; or the owner alone does, by a name that comes after many others.
 */
static void compose_stack(struct buf *buf, const struct scene *scene)
{
	uint32_t items = scene->items_end - scene->items_first, first_item = 7 + FILLERS;
	uint32_t wide = scene->wide ? 3 * FILLERS : 0;
	uint32_t filler_id = scene->anew ? LATE_ID : EARLY_ID;
	uint32_t other_id = scene->anew ? EARLY_ID : LATE_ID;

	buf_printf(buf, head, first_item + items,
		   3 + FILLERS + 2 + scene->brief + wide + (scene->wide ? 1 : 2) + items);
	put_node(buf, SYNTHETIC, ROOT, 1, 0, 3 + FILLERS);
	put_node(buf, SYNTHETIC, STACK, 2, 0, scene->brief);
	put_node(buf, SYNTHETIC, OWNER_EDGE, 4, 0, 1);
	put_node(buf, SYNTHETIC, HEAD, 6, 0, 1);
	put_node(buf, OBJECT, OWNER, scene->anew ? 5 : 3, 32, 1 + wide);
	put_node(buf, OBJECT, LINK, scene->anew ? 7 : 5, 32, !scene->wide);
	put_node(buf, OBJECT, STORE, scene->anew ? 3 : 7, 32, items);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_node(buf, OBJECT, FILLER, filler_id + 2 * i, 100, 0);
	for (uint32_t i = 0; i < items; i++)
		put_node(buf, OBJECT, ITEM, other_id + 4 * i, ITEM_BYTES, 0);
	buf_puts(buf, "],\"edges\":[");
	put_edge(buf, ELEMENT, 1, 1);
	put_edge(buf, ELEMENT, 2, 2);
	put_edge(buf, ELEMENT, 3, 3);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_edge(buf, ELEMENT, 4 + i, 7 + i);
	if (scene->brief)
		put_edge(buf, ELEMENT, 1, 6);
	put_edge(buf, PROPERTY, OWNER_EDGE, 4);
	put_edge(buf, PROPERTY, HEAD, 5);
	for (uint32_t i = 0; i < wide; i++)
		put_edge(buf, PROPERTY, NEXT, 7 + i % FILLERS);
	put_edge(buf, scene->wide ? PROPERTY : ELEMENT, STORE_EDGE, 6);
	if (!scene->wide)
		put_edge(buf, ELEMENT, STORE_EDGE, 6);
	for (uint32_t i = 0; i < items; i++)
		put_edge(buf, ELEMENT, i, first_item + i);
	buf_printf(buf, "],\"strings\":%s", strings);
}

/*
 * root, owner, store, elements, link, fillers, items: the owner has the store and the link, the
 * store has the elements, and the link the items. With `beside` the link has the elements too, as
 * an iterator has a table, which leaves the store for the owner; with `brief` so has the root.
 */
static void compose_table(struct buf *buf, const struct scene *scene)
{
	uint32_t items = scene->items_end - scene->items_first, first_item = 5 + FILLERS;
	uint32_t two = scene->beside, brief = scene->brief;

	buf_printf(buf, head, first_item + items, 1 + FILLERS + brief + 2 + 1 + two + items);
	put_node(buf, SYNTHETIC, ROOT, 1, 0, 1 + FILLERS + brief);
	put_node(buf, OBJECT, OWNER, 3, 32, 2);
	put_node(buf, OBJECT, STORE, 5, 32, 1);
	put_node(buf, ARRAY, ELEMENTS, 7, 64 + scene->table, 0);
	put_node(buf, OBJECT, LINK, 9, 32, items + two);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_node(buf, OBJECT, FILLER, EARLY_ID + 2 + 2 * i, 100, 0);
	for (uint32_t i = scene->items_first; i < scene->items_end; i++)
		put_node(buf, OBJECT, ITEM, LATE_ID + 2 * i, ITEM_BYTES, 0);
	buf_puts(buf, "],\"edges\":[");
	put_edge(buf, PROPERTY, OWNER_EDGE, 1);
	for (uint32_t i = 0; i < FILLERS; i++)
		put_edge(buf, ELEMENT, i, 5 + i);
	if (brief > 0)
		put_edge(buf, ELEMENT, FILLERS, 3);
	put_edge(buf, PROPERTY, STORE_EDGE, 2);
	put_edge(buf, PROPERTY, HEAD, 4);
	put_edge(buf, INTERNAL, ELEMENTS, 3);
	for (uint32_t i = 0; i < items; i++)
		put_edge(buf, ELEMENT, i, first_item + i);
	if (two > 0)
		put_edge(buf, INTERNAL, ELEMENTS, 3);
	buf_printf(buf, "],\"strings\":%s", strings);
}

static void compose_scene(struct shot *shot, const void *scenes, size_t i)
{
	const struct scene *scene = (const struct scene *)scenes + i;

	if (scene->scoped)
		compose_scoped(&shot->text, scene);
	else if (scene->shared)
		compose_shared(&shot->text, scene);
	else if (scene->twigs)
		compose_twigs(&shot->text, scene);
	else if (scene->moves)
		compose_moves(&shot->text, scene);
	else if (scene->table_of_two)
		compose_table(&shot->text, scene);
	else if (scene->list)
		compose_list(&shot->text, scene);
	else if (scene->stack)
		compose_stack(&shot->text, scene);
	else
		compose(&shot->text, scene);
}

static void find(struct heap_leaks *ret, struct shot *last, const struct scene *scenes, size_t n,
		 enum heap_match_by expected)
{
	shots_find(ret, last, compose_scene, scenes, n, HEAP_MATCH_AUTO, expected);
}

static void expect(const struct shot *last, const struct heap_suspect *suspect, const char *holder,
		   const char *class, uint64_t count, uint64_t bytes)
{
	const struct heap_classes *classes = &last->analysis.classes;

	cr_expect_str_eq(classes->items[classes->of[suspect->holder]].name, holder);
	cr_expect_str_eq(classes->items[suspect->class].name, class);
	cr_expect_eq(suspect->count, count);
	cr_expect_eq(suspect->bytes, bytes);
}

static void expect_store(const struct scene scenes[3], enum heap_match_by by)
{
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, 3, by);
	cr_assert_eq(leaks.n, 1);
	expect(&last, &leaks.items[0], "Store", "Item", 40, 40 * ITEM_BYTES);
	cr_expect_eq(leaks.items[0].last_bytes, 25 * ITEM_BYTES);
	cr_expect_eq(leaks.items[0].kind, HEAP_LEAK_MANY);
	cr_expect_eq(leaks.growth, 40 * ITEM_BYTES);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

Test(leaks, a_store_by_ids)
{
	expect_store((struct scene[]){ { 0, 10 }, { 0, 25 }, { 0, 50 } }, HEAP_MATCH_IDS);
}

Test(leaks, a_store_by_paths_when_ids_are_given_anew)
{
	expect_store((struct scene[]){ { 0, 10 }, { 0, 25 }, { 0, 50, .anew = true } },
		     HEAP_MATCH_PATHS);
}

/* What runs may hold it for a moment, in some of the snapshots. */
Test(leaks, a_store_by_paths_that_a_stack_has_had)
{
	expect_store((struct scene[]){ { 0, 10, .stack = true, .brief = true },
				       { 0, 25, .stack = true, .brief = true },
				       { 0, 50, .stack = true, .anew = true } },
		     HEAP_MATCH_PATHS);
	expect_store((struct scene[]){ { 0, 10, .stack = true },
				       { 0, 25, .stack = true, .brief = true },
				       { 0, 50, .stack = true, .brief = true, .anew = true } },
		     HEAP_MATCH_PATHS);
}

/* As the last of a global object's variables. */
Test(leaks, a_store_by_paths_behind_many_names)
{
	expect_store((struct scene[]){ { 0, 10, .stack = true, .wide = true, .brief = true },
				       { 0, 25, .stack = true, .wide = true, .brief = true },
				       { 0, 50, .stack = true, .wide = true, .anew = true } },
		     HEAP_MATCH_PATHS);
}

/* The oldest are gone: what counts is how many more there are. */
Test(leaks, a_store_that_also_lets_go)
{
	expect_store((struct scene[]){ { 0, 10 }, { 5, 30 }, { 50, 100 } }, HEAP_MATCH_IDS);
}

/* What gets a second holder, as compiled code is one, was there before: nothing has grown by that.
 */
Test(leaks, a_second_holder_is_no_growth)
{
	const struct scene scenes[] = {
		{ 0, 40, .scoped = true },
		{ 0, 65, .scoped = true },
		{ 0, 90, .scoped = true, .beside = true },
	};
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, 3, HEAP_MATCH_IDS);
	cr_assert_eq(leaks.n, 1);
	expect(&last, &leaks.items[0], "Link", "Item", 50, 50 * ITEM_BYTES);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

/* As code that is compiled for several functions does: it was there before, in one of them. */
Test(leaks, what_moves_up_to_a_holder_is_no_growth_of_it)
{
	const struct scene scenes[] = {
		{ 0, 10, .moves = true },
		{ 0, 25, .moves = true, .moved = 10 },
		{ 0, 50, .moves = true, .moved = 20 },
	};
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, 3, HEAP_MATCH_IDS);
	cr_assert_eq(leaks.n, 1);
	expect(&last, &leaks.items[0], "Store", "Item", 40, 40 * ITEM_BYTES);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

/* Of these scenes nobody is larger by itself, whoever has what was there. */
static void expect_nobody_larger(const struct scene *scenes, enum heap_match_by by)
{
	struct heap_leaks leaks;
	struct shot last;

	shots_find(&leaks, &last, compose_scene, scenes, 2, by, by);
	for (size_t i = 0; i < leaks.n; i++)
		cr_expect_neq(
			leaks.items[i].kind, HEAP_LEAK_OWN, "%s",
			last.analysis.classes.items[last.analysis.classes.of[leaks.items[i].holder]]
				.name);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

/* An iterator that a stack has may have the table of a map for a moment. */
Test(leaks, a_table_that_two_have_is_no_growth_of_what_holds_both)
{
	const struct scene scenes[] = {
		{ 0, 20, .table_of_two = true, .table = 40000 },
		{ 0, 40, .table_of_two = true, .table = 40000, .beside = true },
	};

	expect_nobody_larger(scenes, HEAP_MATCH_IDS);
	expect_nobody_larger(scenes, HEAP_MATCH_PATHS);
}

/* And then no more: what a root has had as well was there. */
Test(leaks, a_table_that_a_root_lets_go_is_no_growth)
{
	const struct scene scenes[] = {
		{ 0, 20, .table_of_two = true, .table = 40000, .brief = true },
		{ 0, 20, .table_of_two = true, .table = 40000 },
	};

	expect_nobody_larger(scenes, HEAP_MATCH_IDS);
	expect_nobody_larger(scenes, HEAP_MATCH_PATHS);
}

static void expect_none(const struct scene scenes[3], size_t n)
{
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, n, HEAP_MATCH_IDS);
	cr_expect_eq(leaks.n, 0);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

Test(leaks, what_is_only_replaced_is_none)
{
	expect_none((struct scene[]){ { 0, 50 }, { 50, 100 }, { 100, 150 } }, 3);
}

Test(leaks, what_only_warmed_up_is_none)
{
	expect_none((struct scene[]){ { 0, 10 }, { 0, 100 }, { 50, 150 } }, 3);
}

/* A table may double when as much goes as comes; or before, and more does come then. */
Test(leaks, a_table_that_doubles_is_nothing_that_comes)
{
	expect_none((struct scene[]){ { 0, 10 }, { 0, 100 }, { 50, 150, .table = 40000 } }, 3);
	expect_none(
		(struct scene[]){ { 0, 10 }, { 0, 10, .table = 40000 }, { 0, 99, .table = 40000 } },
		3);
}

/* What a stack or a handle refers to as well is the store's no more, and has not come. */
Test(leaks, what_moves_up_to_a_root_is_none)
{
	expect_none((struct scene[]){ { 0, 90 }, { 0, 90, .rooted = 30 }, { 0, 90, .rooted = 60 } },
		    3);
}

Test(leaks, what_is_small_is_none)
{
	expect_none((struct scene[]){ { 0, 1 }, { 0, 2 }, { 0, 5 } }, 3);
}

/* The owner of the list is named, wherever its new links come. */
static void expect_list(uint32_t first, bool appended, bool anew)
{
	const struct scene scenes[] = {
		{ 0, 0, first, appended },
		{ 0, 0, first + 60, appended },
		{ 0, 0, first + 140, appended, anew },
	};
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, 3, anew ? HEAP_MATCH_PATHS : HEAP_MATCH_IDS);
	cr_assert_eq(leaks.n, 1);
	expect(&last, &leaks.items[0], "Owner", "Link", 140, 140 * LINK_BYTES);
	cr_expect_eq(leaks.items[0].kind, HEAP_LEAK_CHAIN);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

Test(leaks, a_list_that_grows_at_its_head)
{
	expect_list(100, false, false);
}

Test(leaks, a_list_that_grows_at_its_end)
{
	expect_list(100, true, false);
}

Test(leaks, a_list_by_paths)
{
	expect_list(100, false, true);
}

/* A list that more than its owner has is its owner's, who leads to the first link. */
static void expect_owned(const struct scene scenes[3])
{
	struct heap_leaks leaks;
	struct shot last;
	uint32_t via;

	find(&leaks, &last, scenes, 3, HEAP_MATCH_IDS);
	cr_assert_eq(leaks.n, 1);
	expect(&last, &leaks.items[0], "Owner", "Link", 140, 140 * LINK_BYTES);
	cr_expect_eq(leaks.items[0].kind, HEAP_LEAK_CHAIN);
	via = leaks.items[0].via;
	cr_assert_neq(via, UINT32_MAX);
	cr_expect_eq(heap_edge_to(last.analysis.graph.edges[via]), 4 + FILLERS);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

/* The owner does not hold it directly: what it is called is known on the shortest way. */
Test(leaks, a_list_that_two_hold)
{
	expect_owned((struct scene[]){
		{ .links = 100, .shared = true },
		{ .links = 160, .shared = true },
		{ .links = 240, .shared = true },
	});
}

/* As what compiles does: nobody of the program dominates the list then. */
Test(leaks, a_list_that_a_stack_has_for_a_moment)
{
	expect_owned((struct scene[]){
		{ .links = 100, .list = true },
		{ .links = 160, .list = true },
		{ .links = 240, .list = true, .brief = true },
	});
}

/* What the last of the new links has besides is no link, though it is of the class of one. */
Test(leaks, a_list_whose_links_hold_more_of_their_class)
{
	const struct scene scenes[] = {
		{ .links = 100, .twigs = true },
		{ .links = 160, .twigs = true },
		{ .links = 240, .twigs = true },
	};
	struct heap_leaks leaks;
	struct shot last;

	find(&leaks, &last, scenes, 3, HEAP_MATCH_IDS);
	cr_assert_eq(leaks.n, 1);
	expect(&last, &leaks.items[0], "Owner", "Link", 140, 140 * (1 + TWIGS) * LINK_BYTES);
	cr_expect_eq(leaks.items[0].kind, HEAP_LEAK_CHAIN);
	heap_leaks_fini(&leaks);
	shot_fini(&last);
}

/* Names are looked at once for each side of a pair, however many an object has. */
Test(leaks, many_names_are_looked_at_once)
{
	enum { HUBS = 40, NAMES = 200, NODES = 1 + HUBS + 1 };
	const struct heap_load_options options = { .threads = 1 };
	enum heap_match_by by = HEAP_MATCH_PATHS;
	struct heap_analysis analysis;
	struct heap_match match;
	struct heap_side side;
	struct err err = { .text = "" };
	struct v8_text text;
	struct buf buf;

	/* The root has hubs, and each of them NAMES references of as many names to one object. */
	buf_init(&buf, SIZE_MAX / 2);
	buf_printf(&buf, head, NODES, HUBS + HUBS * NAMES);
	put_node(&buf, SYNTHETIC, 1, 1, 0, HUBS);
	for (unsigned i = 0; i < HUBS; i++)
		put_node(&buf, OBJECT, 2, 3 + 2 * i, 32, NAMES);
	put_node(&buf, OBJECT, 3, 1001, 32, 0);
	buf_puts(&buf, "],\"edges\":[");
	for (unsigned i = 0; i < HUBS; i++)
		put_edge(&buf, ELEMENT, i, 1 + i);
	for (unsigned i = 0; i < HUBS * NAMES; i++)
		put_edge(&buf, PROPERTY, 4 + i % NAMES, NODES - 1);
	buf_puts(&buf, "],\"strings\":[\"\",\"(root)\",\"Hub\",\"Shared\"");
	for (unsigned i = 0; i < NAMES; i++)
		buf_printf(&buf, ",\"name%u\"", i);
	buf_puts(&buf, "]}");
	text = (struct v8_text){ .data = buf_text(&buf), .size = buf.size };
	cr_assert_eq(heap_analyse(&analysis, &text, &options, &err), 0, "%s", err.text);
	cr_assert_eq(heap_side_init(&side, &analysis), 0);
	cr_assert_eq(heap_match_init(&match, &side, &side, &by), 0);
	for (uint32_t node = 0; node < NODES; node++)
		cr_expect_eq(match.of[node], node);
	cr_expect_leq(match.looked, 2 * (HUBS + HUBS * NAMES));
	heap_match_fini(&match);
	heap_side_fini(&side);
	heap_analysis_fini(&analysis);
	buf_fini(&buf);
}

Test(leaks, a_list_as_deep_as_there_are)
{
	expect_list(DEEP, true, false);
}

/* A tenth of the ids is there in both, 19 of 20 of these agree, and they do in half of the classes.
 */
Test(agreement, what_lasts)
{
	static const struct {
		struct heap_agreement agreement;
		bool lasts;
	} cases[] = {
		{ { .base = 1000, .both = 100, .equal = 95, .classes = 10, .lasting = 5 }, true },
		{ { .base = 1001, .both = 100, .equal = 95, .classes = 10, .lasting = 5 }, false },
		{ { .base = 1000, .both = 100, .equal = 94, .classes = 10, .lasting = 5 }, false },
		{ { .base = 1000, .both = 100, .equal = 95, .classes = 10, .lasting = 4 }, false },
		{ { .base = 1000, .both = 0 }, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(heap_ids_last(&cases[i].agreement), cases[i].lasts, "%zu", i);
}
