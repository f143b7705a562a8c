#pragma once

/*
 * Configuration documents
 *
 * A YAML or JSON text as a tree of nodes that know their line and column, so that every complaint
 * can point. YAML by libyaml (yaml.c, the only file that includes it), JSON by our scanner
 * (json.c). One document per file; aliases are followed under a cap on nodes (alias bombs), size
 * and depth are capped.
 */

#include "util/err.h"
#include <stdbool.h>
#include <stddef.h>

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_TABLE };

struct node {
	enum node_kind kind;
	int line, column; /* from 1 */
	bool plain; /* a scalar without quotes: may be a number, bool or null */
	char *text; /* SCALAR: its value, owned by the document */
	char *name; /* of a TABLE's member: its key */
	int name_line, name_column;
	struct node *children; /* LIST and TABLE, in order */
	size_t children_n;
};

struct doc {
	char *file; /* for messages; owned */
	struct node root;
	void *memory; /* owned */
};

/*
 * Complaints gathered over a whole run, so that a person mends several at once. Each is printed as
 * `file:line:col: path: what is wrong (what was meant)`.
 */
enum { PROBLEMS_MAX = 100 };

struct problem {
	char *text; /* "file:line:col: path: ...", owned */
};

struct problems {
	struct problem *items; /* owned */
	size_t n;
	bool more; /* there were over PROBLEMS_MAX */
};

void problems_init(struct problems *problems);
void problems_fini(struct problems *problems);
void problems_add(struct problems *problems, const char *file, int line, int column,
		  const char *path, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* 0; -EINVAL with the reasons in problems; -errno of open/read with a problem as well. */
int doc_load(struct doc **ret, const char *file, struct problems *problems);

/* The same from memory; file is the name for messages. JSON when it begins with [ or {, else YAML.
 */
int doc_parse(struct doc **ret, const char *text, size_t size, const char *file,
	      struct problems *problems);
void doc_free(struct doc *doc);

/* The member of a table, or NULL. */
const struct node *node_member(const struct node *table, const char *name);
