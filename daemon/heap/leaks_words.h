#pragma once

/* What there is to say of a suspect, in texts: for people and for programs alike. */

#include "heap/leaks_answer.h"
#include "heap/retain.h"
#include "util/buf.h"

struct leaks_words {
	bool made;
	struct heap_path paths[2]; /* dominators of the holder, and a shortest path to it */
	struct buf holder, held_as, function, place; /* empty: there is none */
	struct buf
		made_in; /* what the function is called in which that of the example is written */
	struct buf may_hold; /* what has room for what is not reached: Map "cache" or Set "seen" */
	struct buf held_at; /* place of the holder, or of what is nearest on the way to it */
};

/* For so many suspects; none are made yet. NULL on ENOMEM. */
struct leaks_words *leaks_words_new(size_t n);
void leaks_words_free(struct leaks_words *words, size_t n); /* NULL is fine */

/* Of a suspect of the answer, which keeps them: made when they are first asked for. 0, -ENOMEM. */
int leaks_words_get(const struct leaks_answer *answer, const struct heap_suspect *suspect,
		    const struct leaks_words **ret);

const char *leaks_class_name(const struct leaks_answer *answer, uint32_t class);

/* Of the heap's growth: 1 at the most. */
double leaks_share(const struct leaks_answer *answer, const struct heap_suspect *suspect);

/* Why only classes are compared; "" when that is not so. */
const char *leaks_why_apart(const struct leaks_answer *answer);

/* By what objects are the same, when it is not ids, or why only classes are; else NULL. */
const char *leaks_note(const struct leaks_answer *answer);
