/*
 * Two or three snapshots compared
 *
 * The last one stays; of each earlier one only what it retained is kept, object by object of the
 * last.
 */

#include "heap/leaks_answer.h"

#include <errno.h>

#include "heap/ids.h"
#include "heap/leaks_words.h"
#include "heap/seed.h"

/*
 * Per object, besides its analysis: the trees and ways of both; what is matched, and the list of
 * that, which grows by doubling; what two earlier snapshots retained, had in tables, and had.
 */
enum { NODE_BYTES = 2 * 4 * 4 + 4 + 3 * 4 + 1 + HEAP_PASTS_MAX * (8 + 4 + 4) };

uint64_t leaks_answer_cost(uint64_t nodes)
{
	return nodes * NODE_BYTES + heap_ids_cost(nodes); /* and then its ids */
}

/* Two snapshots of one program have most of their objects in common, or ids that go on. */
static bool is_same_program(const struct heap_match *match, const struct heap_graph *base,
			    enum heap_match_by by)
{
	return (by == HEAP_MATCH_IDS && heap_ids_go_on(&match->agreement)) ||
	       heap_match_most(match, base->nodes);
}

/* The snapshots say so, where nothing else does. 0, -ENOMEM. */
static int look_apart(struct leaks_answer *answer, const struct heap_graph *base)
{
	struct heap_seed before = { .texts = NULL }, now = before;
	int r = heap_seed_init(&before, base);

	if (r == 0)
		r = heap_seed_init(&now, &answer->last->analysis->graph);
	if (r == 0)
		r = heap_seeds_differ(&before, &now);
	if (r > 0)
		answer->apart = LEAKS_OTHER_PROCESS;
	answer->untold |= !heap_seeds_tell(&before, &now);
	heap_seed_fini(&now);
	heap_seed_fini(&before);
	return r < 0 ? r : 0;
}

static int add_past(struct leaks_answer *answer, const struct heap_side *base,
		    enum heap_match_by wish)
{
	enum heap_match_by by = wish;
	struct heap_match match;
	int r = heap_match_init(&match, base, answer->last, &by);

	if (r == 0)
		r = heap_past_init(&answer->pasts[answer->pasts_n++], &match, base,
				   &answer->last->analysis->shapes);
	if (r == 0) {
		if (answer->pasts_n == 1 || by == HEAP_MATCH_PATHS) {
			answer->by = by;
			answer->agreement = match.agreement;
		}
		if (wish == HEAP_MATCH_AUTO && !answer->same_process &&
		    !is_same_program(&match, &base->analysis->graph, by))
			answer->apart = LEAKS_OTHER_PROGRAM;
	}
	heap_match_fini(&match);
	return r;
}

static int add_classes(struct leaks_answer *answer, struct heap_analysis *base)
{
	const struct heap_analysis *last = answer->last->analysis;
	int r = heap_analysis_reshape(base, &last->shapes);

	if (r < 0)
		return r;
	return heap_class_growth(&(struct heap_class_rows){ &base->classes, base->rows },
				 &(struct heap_class_rows){ &last->classes, last->rows },
				 &answer->classes, &answer->classes_n);
}

int leaks_answer_add(struct leaks_answer *answer, const struct heap_side *base,
		     enum heap_match_by wish)
{
	int r = 0;

	if (answer->apart == LEAKS_SAME && wish == HEAP_MATCH_AUTO && !answer->same_process)
		r = look_apart(answer, &base->analysis->graph);
	if (r == 0 && answer->apart == LEAKS_SAME)
		r = add_past(answer, base, wish);
	if (r == 0 && answer->apart != LEAKS_SAME)
		r = add_classes(answer, base->analysis);
	return r;
}

int leaks_answer_find(struct leaks_answer *answer)
{
	int r;

	if (answer->apart != LEAKS_SAME)
		return 0;
	r = heap_leaks_find(&answer->leaks, answer->last, answer->pasts, answer->pasts_n);
	if (r < 0)
		return r;
	answer->words = leaks_words_new(answer->leaks.n);
	answer->words_n = answer->leaks.n;
	return answer->words != NULL ? 0 : -ENOMEM;
}

void leaks_answer_fini(struct leaks_answer *answer)
{
	for (size_t i = 0; i < answer->pasts_n; i++)
		heap_past_fini(&answer->pasts[i]);
	leaks_words_free(answer->words, answer->words_n);
	heap_leaks_fini(&answer->leaks);
	heap_class_growth_free(answer->classes, answer->classes_n);
}
