/*
 * What commands find in random graphs, against what the documentation says of it
 * (docs/ANALYSIS.md), found by looking at everything: retainers, shortest paths, collections,
 * things that no object holds. Dominators and retained sizes have a test of their own.
 */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "heap/collections.h"
#include "heap/match.h"
#include "heap/retain.h"
#include "heap/retainers.h"
#include "heap/root_groups.h"
#include "util/buf.h"
#include "util/err.h"

enum { GRAPHS = 600, NODES_MAX = 40, EDGES_MAX = 160, FIELDS = 5 };

/* As the head below numbers them. */
enum { HIDDEN, ARRAY, STRING, OBJECT, CLOSURE = 5, NATIVE = 8, SYNTHETIC = 9 };
enum { CONTEXT, ELEMENT, PROPERTY, INTERNAL, EDGE_HIDDEN, SHORTCUT, WEAK, EDGE_TYPES };

static const char head[] =
	"{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\","
	"\"edge_count\"],\"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\","
	"\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\",\"concatenated string\","
	"\"sliced string\"],\"string\",\"number\",\"number\",\"number\"],\"edge_fields\":[\"type\","
	"\"name_or_index\",\"to_node\"],\"edge_types\":[[\"context\",\"element\",\"property\","
	"\"internal\",\"hidden\",\"shortcut\",\"weak\"],\"string_or_number\",\"node\"]},"
	"\"node_count\":%u,\"edge_count\":%u},\"nodes\":[";

static const char *const strings[] = {
	"", /* of the root */
	"Map",
	"WeakMap",
	"Set",
	"Array",
	"Thing",
	"table",
	"__proto__",
	"a",
	"12",
	"7 / part of key",
	"OrderedHashMapObject value",
	"OrderedHashSetObject value",
	"HashableValue",
	"system / Context",
	"blink::HeapVector<int>",
};

enum { STRINGS = sizeof(strings) / sizeof(strings[0]), TABLE = 6 };

struct edge {
	unsigned from, type, name, to;
};

struct model {
	unsigned nodes, edges_n;
	unsigned type[NODES_MAX], name[NODES_MAX];
	struct edge edges[NODES_MAX * (EDGES_MAX + 1)]; /* those of each node in a row */
	struct buf text;
	struct heap_analysis analysis;
};

static unsigned below(unsigned *seed, unsigned n)
{
	return (unsigned)rand_r(seed) % n;
}

/* ---- graphs ---- */

static bool is_numbered(unsigned edge_type)
{
	return edge_type == ELEMENT || edge_type == EDGE_HIDDEN;
}

static void add_edges(struct model *model, unsigned from, unsigned *seed)
{
	unsigned n = below(seed, 4) > 0 ? below(seed, 4) : below(seed, EDGES_MAX);
	unsigned kind = below(seed, EDGE_TYPES);

	for (unsigned i = 0; i <= n; i++) {
		unsigned type = below(seed, 4) > 0 ? kind : below(seed, EDGE_TYPES);
		struct edge edge = { from, type, below(seed, is_numbered(type) ? 300 : STRINGS),
				     below(seed, model->nodes) };

		/* A map that has a table. */
		if (i == n && model->type[edge.to] == ARRAY) {
			edge.type = INTERNAL;
			edge.name = TABLE;
		}
		model->edges[model->edges_n++] = edge;
	}
}

static void make(struct model *model, unsigned *seed)
{
	static const unsigned types[] = { HIDDEN, ARRAY,   STRING, OBJECT,   OBJECT,
					  OBJECT, CLOSURE, NATIVE, SYNTHETIC };

	model->nodes = 1 + below(seed, NODES_MAX);
	model->edges_n = 0;
	for (unsigned i = 0; i < model->nodes; i++) {
		model->type[i] =
			i == 0 ? SYNTHETIC : types[below(seed, sizeof(types) / sizeof(types[0]))];
		model->name[i] = i == 0 ? 0 : 1 + below(seed, STRINGS - 1);
	}
	for (unsigned i = 0; i < model->nodes; i++)
		add_edges(model, i, seed);
}

static void compose(struct model *model)
{
	struct buf *buf = &model->text;

	buf_printf(buf, head, model->nodes, model->edges_n);
	for (unsigned i = 0, at = 0; i < model->nodes; i++) {
		unsigned first = at;

		while (at < model->edges_n && model->edges[at].from == i)
			at++;
		buf_printf(buf, "%s%u,%u,%u,%u,%u", i > 0 ? "," : "", model->type[i],
			   model->name[i], 2 * i + 1, 16 + i, at - first);
	}
	buf_puts(buf, "],\"edges\":[");
	for (unsigned i = 0; i < model->edges_n; i++)
		buf_printf(buf, "%s%u,%u,%u", i > 0 ? "," : "", model->edges[i].type,
			   model->edges[i].name, model->edges[i].to * FIELDS);
	buf_puts(buf, "],\"strings\":[");
	for (unsigned i = 0; i < STRINGS; i++)
		buf_printf(buf, "%s\"%s\"", i > 0 ? "," : "", strings[i]);
	buf_puts(buf, "]}");
}

static void each_graph(void (*check)(struct model *model, unsigned *seed))
{
	static struct model model;

	for (unsigned round = 0; round < GRAPHS; round++) {
		struct heap_load_options options = { .threads = 1 };
		struct v8_text text;
		struct err err = { .text = "" };
		unsigned seed = round;

		make(&model, &seed);
		buf_init(&model.text, SIZE_MAX / 2);
		compose(&model);
		text = (struct v8_text){ .data = buf_text(&model.text), .size = model.text.size };
		cr_assert_eq(heap_analyse(&model.analysis, &text, &options, &err), 0, "%u: %s",
			     round, err.text);
		cr_assert_eq(heap_analysis_refer(&model.analysis), 0);
		check(&model, &seed);
		heap_analysis_fini(&model.analysis);
		buf_fini(&model.text);
	}
}

/* The first reference that is not weak; UINT32_MAX: none. */
static uint32_t first_edge(const struct model *model, unsigned from, unsigned to)
{
	for (unsigned i = 0; i < model->edges_n; i++) {
		const struct edge *edge = &model->edges[i];

		if (edge->from == from && edge->to == to && edge->type != WEAK)
			return i;
	}
	return UINT32_MAX;
}

/* ---- retainers ---- */

struct tree {
	struct heap_retainer items[NODES_MAX];
	unsigned parent[NODES_MAX];
	unsigned n, most;
};

static bool is_in(const struct tree *tree, uint32_t node)
{
	for (unsigned i = 0; i < tree->n; i++) {
		if (tree->items[i].node == node)
			return true;
	}
	return false;
}

static bool refers(const struct model *model, const struct tree *tree, unsigned from, uint32_t to)
{
	return from != to && !is_in(tree, from) && first_edge(model, from, to) != UINT32_MAX;
}

/* The nearest that is not in the tree; of equal ones the first. */
static uint32_t nearest(const struct model *model, const struct tree *tree, uint32_t to)
{
	const int32_t *distances = model->analysis.distances;
	uint32_t best = UINT32_MAX;

	for (unsigned from = 0; from < model->nodes; from++) {
		if (!refers(model, tree, from, to))
			continue;
		if (best == UINT32_MAX ||
		    (distances[from] >= 0 &&
		     (distances[best] < 0 || distances[from] < distances[best])))
			best = from;
	}
	return best;
}

static void grow_tree(const struct model *model, struct tree *tree)
{
	for (unsigned i = 0; i < tree->n; i++) {
		uint32_t to = tree->items[i].node, from;

		for (unsigned n = 0; n < 5 && tree->items[i].depth < 8 && tree->n < tree->most;
		     n++) {
			from = nearest(model, tree, to);
			if (from == UINT32_MAX)
				break;
			tree->parent[tree->n] = i;
			tree->items[tree->n++] =
				(struct heap_retainer){ from, first_edge(model, from, to),
							tree->items[i].depth + 1, 0 };
		}
	}
	for (unsigned i = 0; i < tree->n; i++) {
		for (unsigned from = 0; from < model->nodes; from++)
			tree->items[i].more += refers(model, tree, from, tree->items[i].node);
	}
}

/* Eight deep at the most. */
static void compare_below(const struct tree *tree, unsigned item,
			  const struct heap_retainers *found, size_t *at)
{
	const struct heap_retainer *a = &tree->items[item], *b = &found->items[(*at)++];

	cr_assert_leq(*at, found->n);
	cr_assert(a->node == b->node && a->edge == b->edge && a->depth == b->depth &&
			  a->more == b->more,
		  "node %u %u, edge %u %u, depth %u %u, more %u %u", a->node, b->node, a->edge,
		  b->edge, a->depth, b->depth, a->more, b->more);
	for (unsigned i = item + 1; i < tree->n; i++) {
		if (tree->parent[i] == item)
			compare_below(tree, i, found, at);
	}
}

static void check_retainers(struct model *model, unsigned *seed)
{
	uint32_t node = below(seed, model->nodes);
	unsigned most = below(seed, 3) > 0 ? 0 : 1 + below(seed, 12);
	struct tree tree = { .n = 1, .most = most > 0 ? most : NODES_MAX };
	struct heap_retainers found;
	size_t at = 0;

	tree.items[0] = (struct heap_retainer){ node, UINT32_MAX, 0, 0 };
	grow_tree(model, &tree);
	cr_assert_eq(heap_retainers_find(&found, &model->analysis, node, most), 0);
	cr_assert_eq(found.n, tree.n);
	compare_below(&tree, 0, &found, &at);
	cr_assert_eq(at, found.n);
	heap_retainers_fini(&found);
}

Test(random, retainers)
{
	each_graph(check_retainers);
}

/* ---- shortest paths ---- */

/* Each step is one nearer, by a reference that is not weak, and there is none before it. */
static void check_path(const struct model *model, const struct heap_path *path)
{
	const int32_t *distances = model->analysis.distances;
	uint32_t last = path->steps[path->n - 1].node;

	for (size_t i = 1; i < path->n; i++) {
		const struct heap_step *step = &path->steps[i];
		int32_t away = distances[path->steps[i - 1].node] - distances[step->node];

		cr_assert_eq(away, (int32_t)step->times);
		cr_assert_eq(model->edges[step->edge].from, step->node);
		cr_assert_neq(model->edges[step->edge].type, WEAK);
	}
	for (unsigned from = 0; from < model->nodes; from++)
		cr_assert(distances[last] <= 0 || distances[from] != distances[last] - 1 ||
			  first_edge(model, from, last) == UINT32_MAX);
}

static void check_paths(struct model *model, unsigned *seed)
{
	uint32_t *ways = heap_ways(&model->analysis);

	(void)seed;
	cr_assert_not_null(ways);
	for (uint32_t node = 0; node < model->nodes; node++) {
		struct heap_path one, all;

		cr_assert_eq(heap_path_shortest(&one, &model->analysis, node), 0);
		cr_assert_eq(heap_path_along(&all, &model->analysis, ways, node), 0);
		cr_assert_eq(one.n, all.n);
		cr_assert_eq(memcmp(one.steps, all.steps, one.n * sizeof(*one.steps)), 0);
		check_path(model, &one);
		heap_path_fini(&one);
		heap_path_fini(&all);
	}
	heap_free(ways, model->nodes, sizeof(*ways));
}

Test(random, shortest_paths)
{
	each_graph(check_paths);
}

/* ---- collections ---- */

static bool is_called(const struct edge *edge, const char *name)
{
	return !is_numbered(edge->type) && strcmp(strings[edge->name], name) == 0;
}

/* Places of the table with a number that is `place` beyond a multiple of `stride`. */
static uint64_t in_table(const struct model *model, unsigned table, unsigned stride, unsigned place)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < model->edges_n; i++) {
		const struct edge *edge = &model->edges[i];
		unsigned long number = edge->name;
		char *end = NULL;
		const char *text;

		if (edge->from != table || edge->type == WEAK)
			continue;
		text = is_numbered(edge->type) ? "0" : strings[edge->name];
		if (!is_numbered(edge->type))
			number = strtoul(text, &end, 10);
		if (end != text)
			n += number % stride == place;
	}
	return n;
}

static uint64_t in_keyed(const struct model *model, unsigned node, unsigned stride)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < model->edges_n; i++) {
		const struct edge *edge = &model->edges[i];
		uint64_t most = 0;

		if (edge->from != node)
			continue;
		if (is_called(edge, "table") && model->type[edge->to] == ARRAY) {
			for (unsigned place = 0; place < stride; place++) {
				n = in_table(model, edge->to, stride, place);
				most = n > most ? n : most;
			}
			return most;
		}
		n += edge->type == INTERNAL && (is_called(edge, "OrderedHashMapObject value") ||
						is_called(edge, "OrderedHashSetObject value"));
	}
	return n;
}

static uint64_t entries_of(const struct model *model, unsigned node)
{
	const char *name = strings[model->name[node]];
	uint64_t n = 0;

	if (model->type[node] != OBJECT)
		return 0;
	if (strcmp(name, "Map") == 0 || strcmp(name, "WeakMap") == 0)
		return in_keyed(model, node, 3);
	if (strcmp(name, "Set") == 0)
		return in_keyed(model, node, 2);
	for (unsigned i = 0; i < model->edges_n; i++) {
		const struct edge *edge = &model->edges[i];

		if (edge->from == node)
			n += edge->type == ELEMENT ||
			     (edge->type == PROPERTY && strcmp(name, "Array") != 0 &&
			      !is_called(edge, "__proto__"));
	}
	return n;
}

static unsigned collections_seen;

static void check_collections(struct model *model, unsigned *seed)
{
	const struct heap_analysis *analysis = &model->analysis;
	struct heap_collection_growth *grown;
	struct heap_collections found;
	size_t grown_n, expected = 0;

	(void)seed;
	cr_assert_eq(heap_collections_find(&found, &analysis->graph, &analysis->classes,
					   analysis->retained),
		     0);
	for (unsigned node = 0; node < model->nodes; node++)
		expected += entries_of(model, node) >= HEAP_COLLECTION_MIN;
	cr_assert_eq(found.n, expected);
	for (size_t i = 0; i < found.n; i++) {
		const struct heap_collection *item = &found.items[i];

		cr_assert_eq(item->entries, entries_of(model, item->node));
		cr_assert_geq(item->entries, HEAP_COLLECTION_MIN);
		cr_assert_eq(item->id, 2 * item->node + 1);
		cr_assert_eq(item->retained, analysis->retained[item->node]);
		cr_assert(i == 0 || item->retained <= item[-1].retained);
		cr_assert(i == 0 || item->node != item[-1].node);
	}
	/* Nothing grows from a snapshot to itself, whatever the order of its ids. */
	cr_assert_eq(heap_collections_grown(&analysis->graph, &found, &grown, &grown_n), 0);
	cr_assert_eq(grown_n, 0);
	free(grown);
	collections_seen += (unsigned)found.n;
	heap_collections_fini(&found);
}

Test(random, collections)
{
	each_graph(check_collections);
	cr_assert_gt(collections_seen, GRAPHS / 10);
}

/* ---- things that no object holds ---- */

static bool is_part(const struct model *model, unsigned node)
{
	const char *name = strings[model->name[node]];

	switch (model->type[node]) {
	case ARRAY:
		return true;
	case HIDDEN:
		return strcmp(name, "system / Context") != 0;
	case NATIVE:
		return strchr(name, '<') != NULL;
	default:
		return false;
	}
}

struct thing {
	unsigned node, holder;
	bool unreached, counts;
};

static struct thing thing_of(const struct model *model, unsigned node)
{
	const struct heap_analysis *analysis = &model->analysis;
	const uint32_t *dominator = analysis->dominators.dominator;
	struct thing ret = { .node = node, .holder = dominator[node] };
	unsigned type = model->type[node];
	bool shared = dominator[node] == 0 && first_edge(model, 0, node) == UINT32_MAX;

	while (is_part(model, ret.holder))
		ret.holder = dominator[ret.holder];
	ret.unreached = ret.holder == 0 && analysis->distances[node] == -5;
	ret.counts = node != 0 && (type == OBJECT || type == CLOSURE || type == NATIVE) &&
		     !is_part(model, node) && model->type[ret.holder] == SYNTHETIC &&
		     (ret.unreached || !shared);
	return ret;
}

static bool is_of(const struct model *model, const struct thing *a, const struct thing *b)
{
	const struct heap_classes *classes = &model->analysis.classes;
	const char *x = classes->items[classes->of[a->node]].key;
	const char *y = classes->items[classes->of[b->node]].key;

	return a->counts && b->counts && strcmp(x, y) == 0 && a->unreached == b->unreached &&
	       model->name[a->holder] == model->name[b->holder] &&
	       (model->type[a->node] == CLOSURE) == (model->type[b->node] == CLOSURE) &&
	       (model->type[a->node] != CLOSURE || model->name[a->node] == model->name[b->node]);
}

static void check_group(const struct model *model, const struct root_group *group)
{
	const uint64_t *retained = model->analysis.retained;
	struct thing example = thing_of(model, group->example);
	uint64_t count = 0, bytes = 0;

	cr_assert(example.counts);
	cr_assert_eq(example.holder, group->holder);
	cr_assert_eq(example.unreached, group->unreached);
	for (unsigned node = 0; node < model->nodes; node++) {
		struct thing thing = thing_of(model, node);

		if (!is_of(model, &thing, &example))
			continue;
		count++;
		bytes += retained[node];
		cr_assert_leq(retained[node], retained[group->example]);
	}
	cr_assert_eq(group->count, count);
	cr_assert_eq(group->bytes, bytes);
}

static unsigned unreached_seen, held_seen;

static void check_groups(struct model *model, unsigned *seed)
{
	struct root_groups found;
	struct heap_side side;
	uint64_t counted = 0, expected = 0;
	size_t n;

	(void)seed;
	cr_assert_eq(heap_side_init(&side, &model->analysis), 0);
	cr_assert_eq(root_groups_init(&found, &side, &model->analysis.shapes, NULL, NULL), 0);
	for (size_t i = 0; i < found.n; i++) {
		check_group(model, &found.items[i]);
		cr_assert_eq(root_groups_find(&found, found.items[i].key, &n), &found.items[i]);
		cr_assert_eq(n, 1);
		counted += found.items[i].count;
		unreached_seen += found.items[i].unreached;
		held_seen += !found.items[i].unreached;
	}
	for (unsigned node = 0; node < model->nodes; node++)
		expected += thing_of(model, node).counts;
	cr_assert_eq(counted, expected);
	root_groups_fini(&found);
	heap_side_fini(&side);
}

Test(random, things_that_no_object_holds)
{
	each_graph(check_groups);
	cr_assert_gt(unreached_seen, GRAPHS / 10);
	cr_assert_gt(held_seen, GRAPHS / 2);
}
