/*
 * Objects matched by their named dominator paths
 *
 * From each pair on to what both dominate; and to what both refer to by the same name, which
 * something else may have come to dominate, or to share: code that was compiled meanwhile.
 *
 * One step of a path is a number over texts that do not change from one snapshot to the next: the
 * class of the object, what it is called (functions, engine's own), and the reference that leads to
 * it: from its dominator, else the last of a shortest path. Several of one such step may be told
 * apart by a name yet, and what runs holds objects for a moment, by paths that are shorter: these
 * wait until all others are matched, and then go by their size, and by what they are.
 */

#include "heap/match_paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/hash.h"

/* ---- one step ---- */

static bool is_number(const struct heap_graph *graph, uint32_t string)
{
	size_t size = 0;
	const char *text =
		string < graph->strings.n ? heap_string_raw(&graph->strings, string, &size) : "";

	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return size > 0;
}

/* Places in tables move: of what is numbered only that it is. */
static uint64_t hash_edge(const struct heap_graph *graph, uint32_t edge)
{
	uint32_t word = graph->edges[edge];
	uint64_t hash = hash_mix(FNV1A_FIRST, heap_edge_kind(word));

	if (!heap_edge_named(word) || is_number(graph, graph->edge_name[edge]))
		return hash;
	return hash_mix(hash, hash_string(graph, graph->edge_name[edge]));
}

/* In no order; 0 where there are none. */
static uint64_t hash_variables(const struct heap_graph *graph, uint32_t node)
{
	uint64_t sum = 0;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		if (heap_edge_kind(graph->edges[i]) == HEAP_CONTEXT)
			sum += hash_string(graph, graph->edge_name[i]);
	}
	return sum;
}

static bool has_lasting_name(uint8_t type)
{
	return type == HEAP_CLOSURE || type == HEAP_SYNTHETIC || type == HEAP_HIDDEN ||
	       type == HEAP_CODE;
}

/* V8's roots for what runs: stacks, handles, and what a compiler works on. */
static const char *const momentary[] = { "(Handle scope)", "(Identity map)", "(Relocatable)",
					 "(Stack roots)", "(Thread manager)" };

enum { MOMENTARY = sizeof(momentary) / sizeof(momentary[0]) };

struct texts {
	const struct heap_side *side;
	uint64_t *classes; /* owned: by class */
	uint32_t context, momentary[MOMENTARY]; /* strings; UINT32_MAX: there is none */
	uint32_t object; /* the string "Object"; UINT32_MAX: there is none */
};

/* "system / Context / scope @4711": the number is given anew. */
static size_t lasting_size(const char *key)
{
	const char *at = strstr(key, " @");

	return at != NULL ? (size_t)(at - key) : strlen(key);
}

static int texts_init(struct texts *ret, const struct heap_side *side)
{
	const struct heap_classes *classes = &side->analysis->classes;

	*ret = (struct texts){
		.side = side,
		.classes = calloc((size_t)classes->n + 1, sizeof(uint64_t)),
		.context = heap_string_find(&side->analysis->graph.strings, "context"),
		.object = heap_string_find(&side->analysis->graph.strings, "Object"),
	};
	if (ret->classes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < MOMENTARY; i++)
		ret->momentary[i] = heap_string_find(&side->analysis->graph.strings, momentary[i]);
	for (uint32_t i = 0; i < classes->n; i++) {
		const char *key = classes->items[i].key;

		ret->classes[i] = hash_bytes(FNV1A_FIRST, key, lasting_size(key));
	}
	return 0;
}

/* A plain object's shape is no lasting name: what was null has no place in it. */
static uint64_t hash_class(const struct texts *texts, uint32_t node)
{
	const struct heap_analysis *analysis = texts->side->analysis;

	if (analysis->graph.type[node] == HEAP_OBJECT &&
	    analysis->graph.name[node] == texts->object)
		return FNV1A_FIRST;
	return texts->classes[analysis->classes.of[node]];
}

/* Without where it is found. */
static uint64_t hash_what(const struct texts *texts, uint32_t node)
{
	const struct heap_graph *graph = &texts->side->analysis->graph;
	uint64_t hash = hash_mix(hash_class(texts, node), graph->type[node]);

	return has_lasting_name(graph->type[node])
		       ? hash_mix(hash, hash_string(graph, graph->name[node]))
		       : hash;
}

static uint64_t hash_step(const struct texts *texts, uint32_t node)
{
	const struct heap_graph *graph = &texts->side->analysis->graph;
	uint32_t via = texts->side->analysis->tree.via[node];
	uint32_t way = texts->side->analysis->ways[node];
	uint64_t hash = hash_what(texts, node);

	if (via != 0)
		return hash_mix(hash, hash_edge(graph, via - 1));
	if (way == 0)
		return hash;
	hash = hash_mix(hash, hash_class(texts, heap_edge_from(graph, way - 1)));
	return hash_mix(hash, hash_edge(graph, way - 1));
}

/* Its shortest path is one that the next snapshot will hardly have. */
static bool is_of_the_moment(const struct texts *texts, uint32_t node)
{
	const struct heap_graph *graph = &texts->side->analysis->graph;
	uint32_t way = texts->side->analysis->ways[node], from;

	if (texts->side->analysis->tree.via[node] != 0 || way == 0)
		return false;
	from = heap_edge_from(graph, way - 1);
	for (size_t i = 0; i < MOMENTARY && graph->type[from] == HEAP_SYNTHETIC; i++) {
		if (graph->name[from] == texts->momentary[i])
			return true;
	}
	return false;
}

/* ---- children of a pair ---- */

struct child {
	uint64_t step, variables, shape, retained;
	uint32_t node;
	bool shared; /* its dominator does not refer to it */
};

struct children {
	struct child *items; /* owned */
	size_t n, capacity;
};

static int add(struct children *children, struct child child)
{
	if (children->n == children->capacity) {
		size_t capacity = children->capacity > 0 ? children->capacity * 2 : 256;
		struct child *items = reallocarray(children->items, capacity, sizeof(*items));

		if (items == NULL)
			return -ENOMEM;
		children->items = items;
		children->capacity = capacity;
	}
	children->items[children->n++] = child;
	return 0;
}

static int by_step(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	if (x->variables != y->variables)
		return x->variables < y->variables ? -1 : 1;
	if (x->shape != y->shape)
		return x->shape < y->shape ? -1 : 1;
	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static void sort(struct children *children)
{
	if (children->n > 1)
		qsort(children->items, children->n, sizeof(*children->items), by_step);
}

/* Those without a partner yet; with *late those of the moment wait, and it says whether any do. */
static int gather(struct children *children, const struct texts *texts, uint32_t node,
		  const uint64_t *matched, bool *late)
{
	const struct heap_tree *tree = &texts->side->analysis->tree;
	int r = 0;

	children->n = 0;
	for (uint32_t i = tree->first[node]; i < tree->first[node + 1] && r == 0; i++) {
		uint32_t kid = tree->kids[i];
		uint64_t variables;

		if (heap_bit(matched, kid))
			continue;
		variables = hash_variables(&texts->side->analysis->graph, kid);
		if (late != NULL && variables == 0 && is_of_the_moment(texts, kid))
			*late = true;
		else
			r = add(children,
				(struct child){
					hash_step(texts, kid), variables,
					texts->classes[texts->side->analysis->classes.of[kid]],
					texts->side->analysis->retained[kid], kid,
					tree->via[kid] == 0 });
	}
	sort(children);
	return r;
}

struct walk {
	struct heap_match *match;
	struct texts base, last;
	uint64_t *base_matched, *last_matched; /* owned: bits by node */
	/*
	 * owned, by node of the last: it may lead to one without a partner. Only these are asked,
	 * for where ids last hardly any are.
	 */
	uint64_t *open;
	struct children before, now;
	bool hasty; /* what a name may tell apart yet is paired by size */
	bool waits; /* for a name */
	struct heap_stack pairs; /* owned: nodes of the last, in the order they were matched */
	size_t next; /* of the pairs */
	struct heap_stack late; /* owned: those with children that wait for all pairs */
};

static int join(struct walk *walk, uint32_t before, uint32_t now)
{
	walk->match->of[now] = before;
	heap_bit_set(walk->base_matched, before);
	heap_bit_set(walk->last_matched, now);
	return heap_bit(walk->open, now) ? heap_stack_push(&walk->pairs, now) : 0;
}

static int compare(const struct child *a, const struct child *b)
{
	if (a->step != b->step)
		return a->step < b->step ? -1 : 1;
	if (a->variables != b->variables)
		return a->variables < b->variables ? -1 : 1;
	return a->shape < b->shape ? -1 : a->shape > b->shape;
}

/* Those behind it that cannot be told from it. */
static size_t alike(const struct child *first, const struct child *end)
{
	const struct child *at = first + 1;

	while (at < end && compare(first, at) == 0)
		at++;
	return (size_t)(at - first);
}

static int pair_sorted(struct walk *walk)
{
	const struct child *a = walk->before.items, *a_end = a + walk->before.n;
	const struct child *b = walk->now.items, *b_end = b + walk->now.n;
	int r = 0;

	while (a < a_end && b < b_end && r == 0) {
		int order = compare(a, b);
		size_t a_n = order <= 0 ? alike(a, a_end) : 0;
		size_t b_n = order >= 0 ? alike(b, b_end) : 0;
		bool waits = !walk->hasty && a->shared && b->shared && (a_n > 1 || b_n > 1);

		for (size_t i = 0; i < a_n && i < b_n && r == 0 && !waits; i++)
			r = join(walk, a[i].node, b[i].node);
		walk->waits |= waits && order == 0;
		a += a_n;
		b += b_n;
	}
	return r;
}

/* Those that have no partner yet, whatever their shape. */
static void forget_shapes(struct children *children, const uint64_t *matched)
{
	size_t kept = 0;

	for (size_t i = 0; i < children->n; i++) {
		children->items[kept] = children->items[i];
		children->items[kept].shape = 0;
		kept += !heap_bit(matched, children->items[i].node);
	}
	children->n = kept;
	sort(children);
}

/* Those of one shape first: of many plain objects in a table it is all that tells them apart. */
static int pair(struct walk *walk)
{
	int r = pair_sorted(walk);

	if (r < 0)
		return r;
	forget_shapes(&walk->before, walk->base_matched);
	forget_shapes(&walk->now, walk->last_matched);
	return pair_sorted(walk);
}

/* Contexts that have no partner yet. */
static void keep_contexts(struct children *children, const uint64_t *matched)
{
	size_t kept = 0;

	for (size_t i = 0; i < children->n; i++) {
		struct child child = children->items[i];

		if (child.variables != 0 && !heap_bit(matched, child.node))
			children->items[kept++] = child;
	}
	children->n = kept;
}

/* A stack or a handle may be a shorter way to it for a moment. */
static void by_variables(struct children *children, const struct texts *texts)
{
	for (size_t i = 0; i < children->n; i++)
		children->items[i].step = hash_what(texts, children->items[i].node);
	sort(children);
}

/* A variable that is null is not told. */
static void whatever_variables(struct children *children, const struct texts *texts)
{
	for (size_t i = 0; i < children->n; i++) {
		children->items[i].step = hash_step(texts, children->items[i].node);
		children->items[i].variables = 0;
	}
	sort(children);
}

/* What a step and its variables together did not find. */
static int pair_contexts(struct walk *walk)
{
	keep_contexts(&walk->before, walk->base_matched);
	keep_contexts(&walk->now, walk->last_matched);
	by_variables(&walk->before, &walk->base);
	by_variables(&walk->now, &walk->last);
	return pair(walk);
}

static int pair_whatever_variables(struct walk *walk)
{
	keep_contexts(&walk->before, walk->base_matched);
	keep_contexts(&walk->now, walk->last_matched);
	whatever_variables(&walk->before, &walk->base);
	whatever_variables(&walk->now, &walk->last);
	return pair(walk);
}

/* Those that have no partner yet, in the order of what they are; brief: only those of the moment.
 */
static int gather_what(struct children *children, const struct texts *texts, uint32_t node,
		       const uint64_t *matched, bool brief)
{
	size_t kept = 0;
	int r = gather(children, texts, node, matched, NULL);

	for (size_t i = 0; i < children->n; i++) {
		if (!brief || is_of_the_moment(texts, children->items[i].node))
			children->items[kept++] = children->items[i];
	}
	children->n = kept;
	for (size_t i = 0; i < kept; i++) {
		children->items[i].step = hash_what(texts, children->items[i].node);
		children->items[i].variables = 0;
	}
	sort(children);
	return r;
}

/* What was held for a moment only in one of the two, by what it is. */
static int pair_of_the_moment(struct walk *walk, uint32_t before, uint32_t now)
{
	int r = 0;

	for (int which = 0; which < 2 && r == 0; which++) {
		r = gather_what(&walk->before, &walk->base, before, walk->base_matched, which == 0);
		if (r == 0 && walk->before.n > 0)
			r = gather_what(&walk->now, &walk->last, now, walk->last_matched,
					which == 1);
		if (r == 0 && walk->before.n > 0 && walk->now.n > 0)
			r = pair(walk);
	}
	return r;
}

static bool has_kids(const struct texts *texts, uint32_t node)
{
	const struct heap_tree *tree = &texts->side->analysis->tree;

	return tree->first[node] < tree->first[node + 1];
}

static int match_kids(struct walk *walk, uint32_t before, uint32_t now, bool *late)
{
	int r;

	if (!has_kids(&walk->last, now) || !has_kids(&walk->base, before))
		return 0;
	walk->hasty = late == NULL;
	walk->waits = false;
	r = gather(&walk->now, &walk->last, now, walk->last_matched, late);
	if (r < 0 || (walk->now.n == 0 && (late == NULL || !*late)))
		return r;
	r = gather(&walk->before, &walk->base, before, walk->base_matched, late);
	r = r == 0 ? pair(walk) : r;
	r = r == 0 ? pair_contexts(walk) : r;
	if (late == NULL) {
		r = r == 0 ? pair_whatever_variables(walk) : r;
		return r == 0 ? pair_of_the_moment(walk, before, now) : r;
	}
	keep_contexts(&walk->now, walk->last_matched);
	*late |= walk->now.n > 0 || walk->waits;
	return r;
}

/* ---- by a name ---- */

enum { NAMED_MAX = 256 }; /* references of one object to what has no partner that are looked at */

struct named {
	uint64_t hash; /* of the name, and of what it leads to */
	uint32_t edge;
};

/* Properties and variables, and what V8's functions have their variables from. */
static bool is_named(const struct texts *texts, uint32_t from, uint32_t edge)
{
	const struct heap_graph *graph = &texts->side->analysis->graph;
	enum heap_edge_kind kind = heap_edge_kind(graph->edges[edge]);
	uint8_t type = graph->type[heap_edge_to(graph->edges[edge])];

	if (kind == HEAP_INTERNAL)
		return graph->type[from] == HEAP_CLOSURE &&
		       graph->edge_name[edge] == texts->context;
	return (kind == HEAP_CONTEXT || kind == HEAP_PROPERTY) &&
	       (type == HEAP_OBJECT || type == HEAP_CLOSURE || type == HEAP_NATIVE);
}

static uint64_t hash_target(const struct texts *texts, uint32_t edge)
{
	const struct heap_graph *graph = &texts->side->analysis->graph;
	uint32_t to = heap_edge_to(graph->edges[edge]);

	uint64_t hash = hash_mix(hash_class(texts, to), graph->type[to]);

	if (heap_edge_kind(graph->edges[edge]) == HEAP_INTERNAL)
		hash = hash_mix(hash, hash_variables(graph, to));
	return hash_mix(hash_edge(graph, edge), hash);
}

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->edge < y->edge ? -1 : 1;
}

/* What this object refers to by a name, and has no partner yet. */
static size_t gather_named(struct walk *walk, struct named ret[NAMED_MAX],
			   const struct texts *texts, uint32_t node, const uint64_t *matched)
{
	const struct heap_graph *graph = &texts->side->analysis->graph;
	size_t n = 0;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1] && n < NAMED_MAX;
	     i++) {
		if (!is_named(texts, node, i) || heap_bit(matched, heap_edge_to(graph->edges[i])))
			continue;
		walk->match->looked++;
		ret[n++] = (struct named){ hash_target(texts, i), i };
	}
	if (n > 1)
		qsort(ret, n, sizeof(*ret), by_name);
	return n;
}

/* Two may lead to one object: the first that comes decides. */
static int match_named(struct walk *walk, uint32_t before, uint32_t now)
{
	const struct heap_graph *base = &walk->base.side->analysis->graph;
	const struct heap_graph *last = &walk->last.side->analysis->graph;
	struct named a[NAMED_MAX], b[NAMED_MAX];
	size_t b_n = gather_named(walk, b, &walk->last, now, walk->last_matched);
	size_t a_n = b_n > 0 ? gather_named(walk, a, &walk->base, before, walk->base_matched) : 0;
	int r = 0;

	for (size_t i = 0, k = 0; i < a_n && k < b_n && r == 0;) {
		uint32_t from = heap_edge_to(base->edges[a[i].edge]);
		uint32_t to = heap_edge_to(last->edges[b[k].edge]);
		bool from_done = heap_bit(walk->base_matched, from);
		bool to_done = heap_bit(walk->last_matched, to);

		if (!from_done && !to_done && a[i].hash == b[k].hash) {
			r = join(walk, from, to);
			from_done = to_done = true;
		} else if (!from_done && !to_done) {
			from_done = a[i].hash < b[k].hash;
			to_done = !from_done;
		}
		i += from_done;
		k += to_done;
	}
	return r;
}

/* ---- all of it ---- */

/* A reference by a name to what has no partner. */
static bool names_unmatched(const struct walk *walk, uint32_t node)
{
	const struct heap_graph *graph = &walk->last.side->analysis->graph;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		if (!heap_bit(walk->last_matched, heap_edge_to(graph->edges[i])) &&
		    is_named(&walk->last, node, i))
			return true;
	}
	return false;
}

/* Later there are fewer, never more. */
static void find_open(struct walk *walk)
{
	const uint32_t *dominator = walk->last.side->analysis->dominators.dominator;

	for (uint32_t node = 0; node < walk->match->nodes; node++) {
		if (!heap_bit(walk->last_matched, node))
			heap_bit_set(walk->open, dominator[node]);
		if (names_unmatched(walk, node))
			heap_bit_set(walk->open, node);
	}
}

static int start(struct walk *walk)
{
	const uint32_t *order = walk->last.side->analysis->dominators.order;
	const uint32_t *of = walk->match->of;
	int r = 0;

	for (uint32_t node = 0; node < walk->match->nodes; node++) {
		if (of[node] == UINT32_MAX)
			continue;
		heap_bit_set(walk->base_matched, of[node]);
		heap_bit_set(walk->last_matched, node);
	}
	find_open(walk);
	for (uint32_t i = 0; i < walk->match->nodes && r == 0; i++) {
		if (heap_bit(walk->open, order[i]) && of[order[i]] != UINT32_MAX)
			r = heap_stack_push(&walk->pairs, order[i]);
	}
	return r;
}

static int walk_init(struct walk *ret, struct heap_match *match, const struct heap_side *base,
		     const struct heap_side *last)
{
	int r;

	*ret = (struct walk){ .match = match };
	ret->base_matched = heap_bits_alloc(base->analysis->graph.nodes);
	ret->last_matched = heap_bits_alloc(last->analysis->graph.nodes);
	ret->open = heap_bits_alloc(last->analysis->graph.nodes);
	if (ret->base_matched == NULL || ret->last_matched == NULL || ret->open == NULL)
		return -ENOMEM;
	r = texts_init(&ret->base, base);
	return r == 0 ? texts_init(&ret->last, last) : r;
}

static void walk_fini(struct walk *walk, const struct heap_side *base)
{
	heap_bits_free(walk->base_matched, base->analysis->graph.nodes);
	heap_bits_free(walk->last_matched, walk->match->nodes);
	heap_bits_free(walk->open, walk->match->nodes);
	free(walk->base.classes);
	free(walk->last.classes);
	free(walk->before.items);
	free(walk->now.items);
	heap_stack_fini(&walk->pairs);
	heap_stack_fini(&walk->late);
}

/* From the pairs to those they lead to, until there are no more. */
static int go_on(struct walk *walk)
{
	int r = 0;

	while (r == 0 && walk->next < walk->pairs.n) {
		uint32_t now = walk->pairs.items[walk->next++], before = walk->match->of[now];
		bool late = false;

		r = match_kids(walk, before, now, &late);
		r = r == 0 ? match_named(walk, before, now) : r;
		if (r == 0 && late)
			r = heap_stack_push(&walk->late, now);
	}
	return r;
}

int heap_match_paths(struct heap_match *match, const struct heap_side *base,
		     const struct heap_side *last)
{
	struct walk walk;
	int r = walk_init(&walk, match, base, last);

	r = r == 0 ? start(&walk) : r;
	r = r == 0 ? go_on(&walk) : r;
	for (size_t i = 0; r == 0 && i < walk.late.n; i++) {
		uint32_t now = walk.late.items[i];

		r = match_kids(&walk, match->of[now], now, NULL);
		r = r == 0 ? go_on(&walk) : r;
	}
	walk_fini(&walk, base);
	return r;
}
