#pragma once

/*
 * Building a document: what the YAML and the JSON reader have in common. They call open, key,
 * scalar, close in the order of the text; limits on depth and number of values, and what no value
 * may contain, are checked here once.
 */

#include "conf/doc.h"

struct build_mark {
	int line, column; /* from 1 */
};

/* A list or table that is not closed yet. */
struct build_frame {
	struct node node;
	struct node *items; /* owned until the frame is closed */
	size_t n, capacity;
	size_t nodes_before; /* build.nodes when it was opened */
	char *key; /* TABLE: the key whose value comes next, or NULL */
	struct build_mark key_mark;
};

struct build {
	struct doc *doc;
	struct problems *problems;
	/* The outermost frame is a list that holds the root alone. */
	struct build_frame frames[DOC_DEPTH_MAX + 1];
	unsigned depth; /* of the innermost frame */
	size_t nodes;
};

void build_init(struct build *build, struct doc *doc, struct problems *problems);

/* Safe after success and failure; the document stays. */
void build_fini(struct build *build);

/* All: 0, -EINVAL with a problem, -ENOMEM. */
int build_open(struct build *build, enum node_kind kind, struct build_mark mark);
int build_key(struct build *build, const char *text, size_t size, struct build_mark mark);
int build_scalar(struct build *build, const char *text, size_t size, bool plain,
		 struct build_mark mark);

/* ret_nodes (may be NULL): how many values it holds, itself included. */
int build_close(struct build *build, size_t *ret_nodes);

/* The value last completed; valid until the next call. */
const struct node *build_last(const struct build *build);

/* Once more what was completed earlier, of that many values. */
int build_repeat(struct build *build, const struct node *node, size_t nodes);

/* The next thing must be a key. */
bool build_wants_key(const struct build *build);

/* The document is over: its root is set. */
int build_end(struct build *build);

/* Memory of the document; NULL on ENOMEM. */
char *doc_keep(struct doc *doc, const char *text, size_t size);

/* The readers. Size is within DOC_SIZE_MAX. */
int yaml_read(struct build *build, const char *text, size_t size);
int json_read(struct build *build, const char *text, size_t size);
