#pragma once

/*
 * Redaction of V8 heap snapshots, as a stream. V8 writes nodes and edges before the strings they
 * name, so bitmaps of string indices are enough to decide about each string when it comes: what
 * nothing names that may be kept is blanked. Nodes, edges, sizes and ids stay as they are, so that
 * every tool computes the same numbers as from the whole file; of a key that is a number only its
 * place among the others is left by REDACT_ALL.
 */

#include "pipeline/recipe.h"

struct stage;

/* level is not REDACT_NONE; allow is copied. 0, -ENOMEM. */
int redact_new(struct stage **ret, enum redact_level level, const struct text_list *allow,
	       struct stage *next);
