#pragma once

/* What there is to say of a suspect, in texts: for people and for programs alike. */

#include "heap/leaks_answer.h"
#include "heap/retain.h"
#include "util/buf.h"

struct leaks_words {
	struct heap_path paths[2]; /* dominators of the holder, and a shortest path to it */
	struct buf holder, held_as, function, place; /* empty: there is none */
	struct buf held_at; /* place of the holder, or of what is nearest on the way to it */
};

/* 0, -ENOMEM; fini in any case. */
int leaks_words_init(struct leaks_words *ret, const struct leaks_answer *answer,
		     const struct heap_suspect *suspect);
void leaks_words_fini(struct leaks_words *words);

/* The dominators and a shortest path of the holder; free both. 0, -ENOMEM. */
int leaks_find_paths(struct heap_path ret[2], const struct leaks_answer *answer, uint32_t holder);

const char *leaks_class_name(const struct leaks_answer *answer, uint32_t class);

/* Of the heap's growth: 1 at the most. */
double leaks_share(const struct leaks_answer *answer, const struct heap_suspect *suspect);

/* Why only classes are compared; "" when that is not so. */
const char *leaks_why_apart(const struct leaks_answer *answer);
