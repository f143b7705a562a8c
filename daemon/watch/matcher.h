#pragma once

/*
 * Prometheus label matchers: {runtime="node", name=~"api-.*", env!="dev", zone!~"a|b"}. Regular
 * expressions are POSIX extended and anchored at both ends. An absent label is the empty string.
 */

#include <stdbool.h>
#include "util/err.h"

struct matchers;

/* text NULL or "" or "{}" matches all. -EINVAL with column in err; -ENOMEM. */
int matchers_parse(struct matchers **ret, const char *text, struct err *err);
void matchers_free(struct matchers *matchers);

/* get returns the value of a label of the thing that is matched, or NULL. */
typedef const char *matcher_get_fn(const void *thing, const char *name);
bool matchers_match(const struct matchers *matchers, matcher_get_fn *get, const void *thing);
