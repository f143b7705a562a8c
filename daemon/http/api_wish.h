#pragma once

/*
 * Wishes: what a person's request for a capture says, in its JSON body or as query arguments, the
 * body first. Whatever it does not understand is refused, for a misspelt "redact" would be taken
 * for the default.
 */

#include <stdbool.h>
#include "pipeline/recipe.h"
#include "watch/rule.h"

struct err;
struct http_exchange;
struct tree;

struct wish {
	struct tree *body; /* owned; the texts point into it or into the query */
	int kind; /* enum capture_kind */
	const char *isolate;
	struct recipe_choice recipe; /* owned */
	struct series_settings series;
	struct sampling_settings sampling; /* owned */
	struct timeline_settings timeline;
	bool gc_before, force, dry_run;
};

/* 0; -EINVAL with the reason in err; -ENOMEM. fini in any case. */
int wish_read(struct http_exchange *exchange, struct wish *wish, struct err *err);

/* The same of a forced collection: of the members only isolate, force and dry_run. */
int wish_read_gc(struct http_exchange *exchange, struct wish *wish, struct err *err);
void wish_fini(struct wish *wish);
