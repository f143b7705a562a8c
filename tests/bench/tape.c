/*
 * Tapes
 *
 * The load of a bench is recorded when it starts, from the daemon and a real Node, so that it is
 * what they say to each other today.
 */

#include "tape.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;
	ssize_t n;

	if (file == NULL)
		err(1, "%s", path);
	n = getdelim(&text, &room, '\0', file);
	fclose(file);
	if (n <= 0)
		errx(1, "%s is empty", path);
	return text;
}

void tape_load(struct tape *tape, const char *path)
{
	char *rest;

	*tape = (struct tape){ .text = read_file(path) };
	for (char *line = strtok_r(tape->text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (tape->n == TAPE_MAX)
			errx(1, "%s is too long", path);
		tape->requests[tape->n] = line;
		tape->answers[tape->n] = strtok_r(NULL, "\n", &rest);
		if (tape->answers[tape->n++] == NULL)
			errx(1, "%s ends in a request", path);
	}
}

void tape_fini(struct tape *tape)
{
	free(tape->text);
	*tape = (struct tape){ 0 };
}

const char *tape_answer(const struct tape *tape, const char *request, size_t size)
{
	for (size_t i = 0; i < tape->n; i++)
		if (strlen(tape->requests[i]) == size &&
		    memcmp(tape->requests[i], request, size) == 0)
			return tape->answers[i];
	return NULL;
}
