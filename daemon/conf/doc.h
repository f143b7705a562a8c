#pragma once

/*
 * Configuration documents
 *
 * A YAML or JSON text as a tree of nodes that know their line and column, so that every complaint
 * can point. YAML by libyaml (yaml.c, the only file that includes it), JSON by our scanner
 * (json.c). One document per file; aliases are followed under a cap on nodes (alias bombs), size
 * and depth are capped.
 */

#include <stdbool.h>
#include <stddef.h>
#include "util/err.h"

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
	struct doc_chunk *memory; /* owned: all nodes and texts */
};

/*
 * Limits on what a file may make us build: ten thousand targets with ten labels each fit. Values
 * count as often as they are used, so an alias costs what it stands for.
 */
enum { DOC_SIZE_MAX = 8 << 20, DOC_NODES_MAX = 250000, DOC_DEPTH_MAX = 32 };

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

/* line 0: no place in the file; path NULL or "": about the whole. */
void problems_add(struct problems *problems, const char *file, int line, int column,
		  const char *path, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* All of them, a line each. */
struct buf;
int problems_print(const struct problems *problems, struct buf *buf);

/* A value as a message may show it: cut, without control characters. dst is returned. */
enum { SHOWN_MAX = 68 };
char *problem_shown(char dst[SHOWN_MAX], const char *text);

/* 0; -EINVAL with the reasons in problems; -errno of open/read with a problem as well. */
int doc_load(struct doc **ret, const char *file, struct problems *problems);

/*
 * The same from memory; file is the name for messages. JSON when it begins with [ or { and the name
 * does not end in .yaml or .yml, else YAML.
 */
int doc_parse(struct doc **ret, const char *text, size_t size, const char *file,
	      struct problems *problems);
void doc_free(struct doc *doc);

/* The first member of that name, or NULL; also NULL when it is no table. */
const struct node *node_member(const struct node *table, const char *name);

/* Nothing was given: an empty value, ~ or null without quotes. */
bool node_is_null(const struct node *node);

/* The node at a path as messages write it ("targets[2].address"), or the nearest one around it. */
const struct node *doc_find(const struct doc *doc, const char *path);
