#pragma once

/*
 * A snapshot, analysed: loads it and computes everything the commands ask for, on two threads
 * where that pays. One owner of all of it.
 */

#include <stdint.h>
#include "heap/classes.h"
#include "heap/dominate.h"
#include "heap/index.h"
#include "heap/load.h"
#include "heap/referrers.h"
#include "heap/rows.h"
#include "heap/tree.h"

struct err;

struct heap_analysis {
	struct heap_graph graph;
	struct heap_dominators dominators;
	uint64_t *retained; /* by node */
	int32_t *distances; /* by node */
	struct heap_shapes shapes;
	struct heap_classes classes;
	struct heap_referrers referrers; /* where they are wanted */
	struct heap_tree tree; /* where it is wanted */
	uint32_t *ways; /* by node: heap_ways(); with the tree */
	struct heap_row *rows; /* by class */
	struct heap_statistics statistics;
	struct heap_index *index; /* owned: columns may lie in it; NULL: they are its own */
	struct heap_digest digest; /* that of the index */
};

/* As heap_load(), which also says what text has to do; fini in any case. */
int heap_analyse(struct heap_analysis *ret, const struct v8_text *text,
		 const struct heap_load_options *options, struct err *err);

/*
 * Only what a comparison takes: the graph, sizes and classes. shapes: those of the snapshot it is
 * compared with; NULL: its own.
 */
int heap_analyse_classes(struct heap_analysis *ret, const struct v8_text *text,
			 const struct heap_shapes *shapes, const struct heap_load_options *options,
			 struct err *err);

/*
 * Classes anew, by the shapes of another snapshot; rows as well, where the order of dominators is
 * there. 0, -ENOMEM; fini in any case.
 */
int heap_analysis_reshape(struct heap_analysis *analysis, const struct heap_shapes *shapes);

/* Its referrers, unless they are there. 0, -ENOMEM. */
int heap_analysis_refer(struct heap_analysis *analysis);

/* Its tree and ways, unless they are there. 0, -ENOMEM. */
int heap_analysis_descend(struct heap_analysis *analysis);

/* That of heap_digest(), which need not be computed where an index has it. */
struct heap_digest heap_analysis_digest(const struct heap_analysis *analysis);
void heap_analysis_fini(struct heap_analysis *analysis);
