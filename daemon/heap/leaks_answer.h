#pragma once

/* What a comparison of two or three snapshots came to, for people and for programs. */

#include "heap/class_growth.h"
#include "heap/leaks.h"
#include "heap/places.h"

struct buf;
struct json_writer;
struct leaks_words;

/* Why objects are not compared one by one, which `classes` says. */
enum leaks_apart { LEAKS_SAME, LEAKS_ASKED, LEAKS_OTHER_PROCESS, LEAKS_OTHER_PROGRAM };

struct leaks_answer {
	struct heap_side *last; /* borrowed */
	struct places *places; /* borrowed: files are read as they are needed */
	bool same_process; /* that is known, however much has come since */
	bool untold; /* of an earlier one nothing tells that it is of the same process */
	struct heap_leaks leaks; /* owned, as is what follows */
	struct leaks_words *words; /* by suspect: heap/leaks_words.h */
	size_t words_n;
	struct heap_past pasts[HEAP_PASTS_MAX];
	size_t pasts_n;
	enum heap_match_by by;
	struct heap_agreement agreement; /* the worse of the two */
	enum leaks_apart apart;
	struct heap_class_growth *classes; /* when it is not LEAKS_SAME */
	size_t classes_n;
};

/* Bytes that comparing takes besides the analyses, of a last snapshot of so many objects. */
uint64_t leaks_answer_cost(uint64_t nodes);

/*
 * Compare with an earlier snapshot, the oldest first; of its objects nothing is needed after. When
 * only classes can be compared, `classes` is there, those of the base are by the shapes of the last
 * one, and no other has to be added. 0, -ENOMEM.
 */
int leaks_answer_add(struct leaks_answer *answer, const struct heap_side *base,
		     enum heap_match_by wish);

/*
 * After all were added: what accumulates, unless only classes are compared. Suspects may be dropped
 * until words are asked for. 0, -ENOMEM.
 */
int leaks_answer_find(struct leaks_answer *answer);
void leaks_answer_fini(struct leaks_answer *answer);

/* The members of the JSON (docs/ANALYSIS.md); top: so many suspects or rows, 0: all. 0, -ENOMEM. */
int leaks_put_members(struct json_writer *w, const struct leaks_answer *answer, uint64_t top);
