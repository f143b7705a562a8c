#pragma once

/*
 * What was said to a real target and what it answered: pairs of lines in a file. A line of requests
 * is "GET /path", or a message without the "{"id":N," that it begins with, as is its answer.
 */

#include <stddef.h>

enum { TAPE_MAX = 32 };

/* In an answer this stands for eight digits that grow, as the turns of an event loop do. */
#define TAPE_COUNTER "@@@@@@@@"

struct tape {
	char *text; /* owned */
	const char *requests[TAPE_MAX], *answers[TAPE_MAX];
	size_t n;
};

/* Ends the program with a message when the file is none. */
void tape_load(struct tape *tape, const char *path);
void tape_fini(struct tape *tape);

/* NULL when this was never asked. */
const char *tape_answer(const struct tape *tape, const char *request, size_t size);
