#pragma once

/*
 * `extends: NAME` of rules: before the option tables read the files, a rule that extends another
 * gets what it does not say itself from that one. NAME is a preset or a rule, of the same file
 * first, then of the others that are loaded; what it extends in turn comes with it.
 *
 * A key that is given wins over that of the same name; of `labels`, `annotations` and `guards` each
 * member by itself. `alert` is never taken over. A complaint about what came from elsewhere points
 * at `extends`.
 */

#include <stddef.h>
#include "conf/doc.h"

enum { EXTENDS_DEPTH_MAX = 8 };

/* What was made for it; must live as long as the documents are read. */
struct rule_extensions {
	struct node **blocks; /* owned, each owned */
	size_t blocks_n, nodes_n;
};

/* Changes the documents. 0, also with complaints; -ENOMEM. Fini in any case. */
int rules_extend(struct doc *const *docs, size_t n, struct problems *problems,
		 struct rule_extensions *ret);
void rule_extensions_fini(struct rule_extensions *extensions);
