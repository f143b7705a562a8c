/*
 * What there is to say of a suspect
 */

#include "heap/leaks_words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "heap/leaks_made.h"
#include "heap/leaks_name.h"

double leaks_share(const struct leaks_answer *answer, const struct heap_suspect *suspect)
{
	double growth = (double)answer->leaks.growth;

	return growth > 0 && (double)suspect->bytes < growth ? (double)suspect->bytes / growth : 1;
}

const char *leaks_class_name(const struct leaks_answer *answer, uint32_t class)
{
	return answer->last->analysis->classes.items[class].name;
}

/* What is beside the class: the name of a function, where the engine tells it. */
static void put_function(struct buf *buf, const struct leaks_answer *answer, uint32_t node)
{
	const struct heap_graph *graph = &answer->last->analysis->graph;

	if (graph->type[node] != HEAP_CLOSURE)
		return;
	places_put_name(buf, answer->places, graph, node);
	if (buf->size == 0 && !heap_string_is(&graph->strings, graph->name[node], "Function"))
		heap_node_name(graph, node, buf);
}

/* A variable, or a property of what the holder does not hold directly. */
static bool names_chain(const struct heap_graph *graph, const struct heap_suspect *suspect)
{
	return leaks_is_name(graph, suspect->via) &&
	       (heap_edge_kind(graph->edges[suspect->via]) == HEAP_CONTEXT ||
		heap_edge_from(graph, suspect->via) != suspect->holder);
}

/*
 * The variable or property that leads to the holder, nearest first: that of the dominator, or of
 * who refers to it on the shortest path. Of a list in a variable, the variable.
 */
static uint32_t find_name(const struct heap_graph *graph, const struct heap_suspect *suspect,
			  const struct heap_path paths[2])
{
	size_t n = paths[0].n > paths[1].n ? paths[0].n : paths[1].n;

	if (names_chain(graph, suspect))
		return suspect->via;
	for (size_t i = 1; i < n; i++) {
		for (size_t k = 0; k < 2; k++) {
			if (i < paths[k].n && leaks_is_name(graph, paths[k].steps[i].edge))
				return paths[k].steps[i].edge;
		}
	}
	return UINT32_MAX;
}

/* What runs may hold it for a moment. A look at all references, which is seldom needed. */
static int find_other_name(const struct heap_analysis *analysis, uint32_t holder, uint32_t *ret)
{
	uint8_t type = analysis->graph.type[holder];

	*ret = UINT32_MAX;
	return type == HEAP_OBJECT || type == HEAP_CLOSURE
		       ? leaks_nearest_name(&analysis->graph, &analysis->tree, analysis->distances,
					    holder, ret)
		       : 0;
}

static bool has_holder(const struct heap_suspect *suspect)
{
	return suspect->kind != HEAP_LEAK_ROOTS && suspect->kind != HEAP_LEAK_UNREACHED;
}

static int find_held_as(const struct heap_analysis *analysis, const struct heap_suspect *suspect,
			const struct heap_path paths[2], uint32_t *ret)
{
	*ret = has_holder(suspect) ? find_name(&analysis->graph, suspect, paths) : UINT32_MAX;
	return *ret != UINT32_MAX || !has_holder(suspect)
		       ? 0
		       : find_other_name(analysis, suspect->holder, ret);
}

/* An object is called by its class, a root of the engine by its name. */
static void put_holder(struct buf *buf, const struct leaks_answer *answer,
		       const struct heap_suspect *suspect)
{
	const struct heap_analysis *analysis = answer->last->analysis;

	if (suspect->kind == HEAP_LEAK_ROOTS)
		heap_node_name(&analysis->graph, suspect->holder, buf);
	else if (suspect->kind != HEAP_LEAK_UNREACHED)
		buf_puts(buf, leaks_class_name(answer, analysis->classes.of[suspect->holder]));
}

/* The dominators and a shortest path of the holder; free both. */
static int find_paths(struct heap_path ret[2], const struct leaks_answer *answer, uint32_t holder)
{
	const struct heap_side *side = answer->last;
	int r = heap_path_dominators(&ret[0], side->analysis, holder);

	ret[1] = (struct heap_path){ .steps = NULL };
	return r == 0 ? heap_path_along(&ret[1], side->analysis, side->analysis->ways, holder) : r;
}

/* Where in the program that is, nearest first: of the two ways as in find_name(). */
static void put_held_at(struct buf *buf, const struct leaks_answer *answer,
			const struct heap_path paths[2])
{
	const struct heap_graph *graph = &answer->last->analysis->graph;
	size_t n = paths[0].n > paths[1].n ? paths[0].n : paths[1].n;

	for (size_t i = 0; i < n && buf->size == 0; i++) {
		for (size_t k = 0; k < 2 && buf->size == 0; k++) {
			if (i < paths[k].n)
				places_put(buf, answer->places, graph, paths[k].steps[i].node);
		}
	}
}

/* Of a function that has neither a name nor a place. */
static int put_made_in(struct leaks_words *words, const struct heap_analysis *analysis,
		       uint32_t node)
{
	uint32_t edge = UINT32_MAX;
	int r = 0;

	if (words->function.size == 0 && words->place.size == 0)
		r = leaks_made_in(analysis, node, &edge);
	if (edge != UINT32_MAX)
		heap_edge_name(&analysis->graph, edge, &words->made_in);
	return r;
}

/* Map "cache" */
static int put_one_that_may(struct buf *buf, const struct leaks_answer *answer, uint32_t node)
{
	const struct heap_analysis *analysis = answer->last->analysis;
	const struct heap_suspect holder = { .holder = node, .via = UINT32_MAX };
	struct heap_path paths[2];
	uint32_t edge = UINT32_MAX;
	int r = find_paths(paths, answer, node);

	r = r == 0 ? find_held_as(analysis, &holder, paths, &edge) : r;
	buf_puts(buf, leaks_class_name(answer, analysis->classes.of[node]));
	if (edge != UINT32_MAX) {
		buf_puts(buf, " \"");
		heap_edge_name(&analysis->graph, edge, buf);
		buf_puts(buf, "\"");
	}
	heap_path_fini(&paths[0]);
	heap_path_fini(&paths[1]);
	return r;
}

static int put_may_hold(struct buf *buf, const struct leaks_answer *answer,
			const struct heap_suspect *suspect)
{
	int r = 0;

	for (size_t i = 0; i < suspect->may_n && suspect->may_n <= HEAP_LEAK_MAY_MAX && r == 0;
	     i++) {
		buf_puts(buf, i > 0 ? " or " : "");
		r = put_one_that_may(buf, answer, suspect->may[i]);
	}
	return r;
}

/* fini in any case. */
static int words_init(struct leaks_words *ret, const struct leaks_answer *answer,
		      const struct heap_suspect *suspect)
{
	const struct heap_analysis *analysis = answer->last->analysis;
	int r = find_paths(ret->paths, answer, suspect->holder);
	uint32_t edge = UINT32_MAX;

	buf_init(&ret->holder, SIZE_MAX / 2);
	buf_init(&ret->held_as, SIZE_MAX / 2);
	buf_init(&ret->function, SIZE_MAX / 2);
	buf_init(&ret->place, SIZE_MAX / 2);
	buf_init(&ret->held_at, SIZE_MAX / 2);
	buf_init(&ret->made_in, SIZE_MAX / 2);
	buf_init(&ret->may_hold, SIZE_MAX / 2);
	r = r == 0 ? find_held_as(analysis, suspect, ret->paths, &edge) : r;
	if (r < 0)
		return r;
	put_holder(&ret->holder, answer, suspect);
	if (edge != UINT32_MAX)
		heap_edge_name(&analysis->graph, edge, &ret->held_as);
	if (has_holder(suspect))
		put_held_at(&ret->held_at, answer, ret->paths);
	put_function(&ret->function, answer, suspect->example);
	places_put(&ret->place, answer->places, &analysis->graph, suspect->example);
	r = put_made_in(ret, analysis, suspect->example);
	r = r == 0 ? put_may_hold(&ret->may_hold, answer, suspect) : r;
	if (r < 0)
		return r;
	return buf_text(&ret->holder) != NULL && buf_text(&ret->held_as) != NULL &&
			       buf_text(&ret->function) != NULL && buf_text(&ret->place) != NULL &&
			       buf_text(&ret->held_at) != NULL && buf_text(&ret->made_in) != NULL &&
			       buf_text(&ret->may_hold) != NULL
		       ? 0
		       : -ENOMEM;
}

static void words_fini(struct leaks_words *words)
{
	heap_path_fini(&words->paths[0]);
	heap_path_fini(&words->paths[1]);
	buf_fini(&words->holder);
	buf_fini(&words->held_as);
	buf_fini(&words->function);
	buf_fini(&words->place);
	buf_fini(&words->held_at);
	buf_fini(&words->made_in);
	buf_fini(&words->may_hold);
	*words = (struct leaks_words){ .made = false };
}

struct leaks_words *leaks_words_new(size_t n)
{
	return calloc(n + 1, sizeof(struct leaks_words));
}

void leaks_words_free(struct leaks_words *words, size_t n)
{
	for (size_t i = 0; words != NULL && i < n; i++) {
		if (words[i].made)
			words_fini(&words[i]);
	}
	free(words);
}

int leaks_words_get(const struct leaks_answer *answer, const struct heap_suspect *suspect,
		    const struct leaks_words **ret)
{
	struct leaks_words *words = &answer->words[suspect - answer->leaks.items];
	int r = 0;

	*ret = words;
	if (words->made)
		return 0;
	r = words_init(words, answer, suspect);
	if (r < 0)
		words_fini(words);
	words->made = r == 0;
	return r;
}

const char *leaks_why_apart(const struct leaks_answer *answer)
{
	static const char *const reasons[] = {
		[LEAKS_SAME] = "",
		[LEAKS_ASKED] = "As asked for, objects are not compared, only classes.",
		[LEAKS_OTHER_PROCESS] =
			"The snapshots are of different processes: ids are not comparable, "
			"only classes are.",
		[LEAKS_OTHER_PROGRAM] =
			"Most objects of one snapshot are not found in the other, as of different "
			"processes: ids are\nnot comparable, only classes are.",
	};

	return reasons[answer->apart];
}

const char *leaks_note(const struct leaks_answer *answer)
{
	if (answer->apart != LEAKS_SAME)
		return leaks_why_apart(answer);
	if (answer->by == HEAP_MATCH_IDS)
		return answer->untold ? HEAP_IDS_UNTOLD : NULL;
	if (answer->last->analysis->graph.addresses)
		return "There are no ids in it, only addresses, which are not comparable: objects "
		       "are the same by their\nnamed paths from the root.";
	if (heap_ids_last(&answer->agreement))
		return "Ids did last, but as asked for, objects are the same by their named paths "
		       "from the root.";
	return "Ids were given anew between the snapshots, or these are of different processes: "
	       "ids are not\ncomparable, and objects are the same by their named paths from the "
	       "root.";
}
