#pragma once

/* A sorted set of Prometheus labels. Names match [a-zA-Z_][a-zA-Z0-9_]*; values are UTF-8. */

#include <stdbool.h>
#include <stddef.h>

struct tree;

struct label {
	char *name, *value; /* owned */
};

struct labels {
	struct label *items; /* owned, sorted by name */
	size_t n;
};

/* In one set; a target with more is a mistake of the source that made it. */
enum { LABELS_MAX = 64 };

void labels_fini(struct labels *labels);

/* Add or replace. 0, -EINVAL (bad name, value not UTF-8), -E2BIG (LABELS_MAX), -ENOMEM. */
int labels_set(struct labels *labels, const char *name, const char *value);

/* Add those of a JSON object of texts. 0, -EBADMSG (a value is no text), or as labels_set(). */
int labels_read(struct labels *labels, const struct tree *object);
const char *labels_get(const struct labels *labels, const char *name); /* NULL when absent */
/* dst is overwritten, not freed. */
int labels_copy(struct labels *dst, const struct labels *src);
bool labels_equal(const struct labels *a, const struct labels *b);
bool labels_name_ok(const char *name);
