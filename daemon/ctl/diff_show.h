#pragma once

/* What `diff` found, for people and for programs (docs/ANALYSIS.md). */

#include <stdbool.h>
#include <stddef.h>
#include "heap/agreement.h"
#include "heap/class_growth.h"
#include "heap/collections.h"
#include "heap/diff.h"

struct buf;

/* That objects are told apart by their ids, or why only classes are compared. */
enum diff_by {
	DIFF_IDS,
	DIFF_ASKED,
	DIFF_OTHER_PROCESS,
	DIFF_ADDRESSES,
	DIFF_ANEW,
};

/* By what it is known which collection is which. */
enum diff_grown { DIFF_GROWN_UNKNOWN, DIFF_GROWN_IDS, DIFF_GROWN_PATHS };

struct diff_answer {
	enum diff_by by;
	bool addresses; /* there are no ids, but in their place */
	bool untold; /* nothing tells that they are of one process */
	bool has_agreement; /* the ids were looked at */
	struct heap_agreement agreement;
	struct heap_difference *rows; /* owned; NULL unless by ids */
	struct heap_class_growth *classes; /* owned; NULL by ids */
	size_t rows_n, classes_n;
	bool wants_collections;
	enum diff_grown grown_by;
	const struct heap_classes *grown_classes; /* borrowed, as is what follows */
	struct heap_collection_growth *grown;
	size_t grown_n;
};

void diff_answer_fini(struct diff_answer *answer); /* zeroed is fine */

/* One object. */
void diff_put_json(struct buf *buf, const struct diff_answer *answer);

/* Tables, below a sentence that says what is compared. 0, -ENOMEM; also buf's error. */
int diff_put_text(struct buf *buf, const struct diff_answer *answer, bool legend);
