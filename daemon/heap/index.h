#pragma once

/*
 * Index of a snapshot
 *
 * What an analysis has found, kept in a file, so that the next one of the same snapshot maps it and
 * uses it where it lies. It is of one snapshot, told by its mark, and it is itself the file that we
 * wrote: it names its own inode and the nanosecond in which that was made, which no copy has.
 *
 * Nothing in it is believed all the same. Every section that is used was summed, and every number
 * that leads somewhere was compared with its bound; what does not hold is as if it were not there.
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/graph.h"

struct heap_analysis;
struct heap_index;

/* By which a file is known again. */
struct heap_mark {
	uint64_t device, inode, size;
	int64_t made_ns, changed_ns, touched_ns; /* birth (0: not known), change, modification */
	uint64_t sample; /* a hash of its ends and of pieces in between */
};

/* The mark of a file, from its descriptor. 0, -errno. */
int heap_mark_of(int fd, struct heap_mark *ret);

/* What is wanted of an index. */
enum heap_parts {
	HEAP_PARTS_SUMMARY = 0, /* rows of classes, statistics, digest */
	HEAP_PARTS_NODES = 1, /* columns by node, strings, shapes */
	HEAP_PARTS_EDGES = 2,
	HEAP_PARTS_ORDER = 4, /* that of the dominators: their tree is known to be one */
	HEAP_PARTS_REFERRERS = 8,
	HEAP_PARTS_TREE = 16, /* and ways; with the nodes, and with the order, which bears it out */
	HEAP_PARTS_ALL = HEAP_PARTS_NODES | HEAP_PARTS_EDGES | HEAP_PARTS_ORDER |
			 HEAP_PARTS_REFERRERS | HEAP_PARTS_TREE,
};

/*
 * Write the index of an analysis by its own shapes to an empty file. with_text: the strings as
 * well, for a snapshot that has to be unpacked to read them. 0; -EOVERFLOW; -EOPNOTSUPP: the file
 * system does not tell when a file was made; -errno.
 */
int heap_index_write(int fd, const struct heap_analysis *analysis, const struct heap_mark *source,
		     bool with_text);

/*
 * The analysis that is in an index. text: the snapshot, if it is one that need not be unpacked, and
 * then it has to live as long; NULL: only an index that has the strings will do. What is not among
 * parts is NULL. 0; -ESTALE: of another snapshot, or version, or copied; -EBADMSG: damaged; -errno.
 * *ret is as zeroed after a failure; else heap_analysis_fini() ends it.
 */
int heap_index_read(struct heap_analysis *ret, int fd, const struct heap_mark *source,
		    const char *text, uint64_t text_size, enum heap_parts parts, unsigned threads);

/* The column is in the index, and not memory of its own. index may be NULL. */
bool heap_index_has(const struct heap_index *index, const void *column);
void heap_index_free(struct heap_index *index);
