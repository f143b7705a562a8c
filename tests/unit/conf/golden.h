#pragma once

/*
 * Golden cases: a file of many, each a configuration and the exact complaints it must draw.
 *
 *   ### name of the case
 *   the text of the file
 *   --- json            (or --- yaml)
 *   c.json:1:2: the complaints, a line each; none when it is good
 */

#include <stddef.h>

struct golden {
	char *name, *text, *kind, *expected; /* owned */
};

/* All cases of a file; aborts the test when it is not well-formed. */
size_t golden_read(const char *path, struct golden **ret);
void golden_free(struct golden *cases, size_t n);

/*
 * The complaints about a configuration file of this text, loaded without flags, as one text
 * (free it).
 */
char *golden_run(const char *text, size_t size, const char *kind);
