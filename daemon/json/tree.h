#pragma once

/*
 * A small JSON document as a tree: messages of an inspector up to a cap, answers of HTTP. jansson
 * lives in tree.c. Paths are member names joined by dots: "result.value.rss". A name with a dot in
 * it cannot be reached; none of the protocols has one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct tree; /* a node; the root owns all below it */

/* Deeper documents are refused before the parser, which recurses, sees them. */
enum { TREE_DEPTH_MAX = 64 };

/* 0; -EBADMSG with line and column in err (may be NULL); -ENOMEM. Free the root with tree_free().
 */
int tree_parse(const char *data, size_t size, struct tree **ret, struct err *err);
void tree_free(struct tree *root);

/* The node at path (NULL or "" is the node itself); NULL when there is none. */
const struct tree *tree_get(const struct tree *node, const char *path);

bool tree_is_object(const struct tree *node);
bool tree_is_array(const struct tree *node);

/*
 * False (and *ret untouched) when there is no such member or it is of another type. Reals in range
 * count as integers and are truncated: JavaScript has one kind of number.
 */
bool tree_string(const struct tree *node, const char *path, const char **ret);
bool tree_int(const struct tree *node, const char *path, int64_t *ret);
bool tree_uint(const struct tree *node, const char *path, uint64_t *ret);
bool tree_double(const struct tree *node, const char *path, double *ret);
bool tree_bool(const struct tree *node, const char *path, bool *ret);

/* Elements of an array, or members of an object; 0 for anything else. */
size_t tree_size(const struct tree *node);
const struct tree *tree_at(const struct tree *node, size_t index); /* of an array; or NULL */

/* Object members in turn: `for (void *it = tree_first(n); it; it = tree_next(n, it))`. */
void *tree_first(const struct tree *node);
void *tree_next(const struct tree *node, void *it);
const char *tree_name(void *it);
const struct tree *tree_value(void *it);
