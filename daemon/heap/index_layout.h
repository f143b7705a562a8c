#pragma once

/*
 * The file of an index: a header, then sections, each on a page of its own, in the byte order of
 * the machine that made it. There are no pointers in it; texts are places in one section.
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/analysis.h"
#include "heap/index.h"

/* Another number whenever the file is laid out otherwise, or an analysis comes to other results. */
enum { INDEX_VERSION = 7, INDEX_PAGE = 4096, INDEX_PIECE_BYTES = 64 << 10 };

#define INDEX_MAGIC                                                                                \
	0x7865646e69706168ull /* "hapindex"; swapped on a machine of the other order               \
			       */

enum index_kind {
	INDEX_TYPE,
	INDEX_FLAGS,
	INDEX_NAME,
	INDEX_ID,
	INDEX_SIZE,
	INDEX_PLACE,
	INDEX_ID64,
	INDEX_EDGE_FIRST,
	INDEX_EDGES,
	INDEX_EDGE_NAME,
	INDEX_REFERRER_FIRST,
	INDEX_REFERRERS,
	INDEX_DOMINATOR,
	INDEX_ORDER,
	INDEX_TREE_FIRST,
	INDEX_TREE_KIDS,
	INDEX_TREE_VIA,
	INDEX_WAYS,
	INDEX_RETAINED,
	INDEX_DISTANCE,
	INDEX_CLASS,
	INDEX_WIDE,
	INDEX_PLACES,
	INDEX_SCRIPTS,
	INDEX_STRINGS, /* where they begin, and the last one ends */
	INDEX_STRING_TEXT, /* none where they are in the snapshot itself */
	INDEX_CLASSES,
	INDEX_ROWS,
	INDEX_SHAPES,
	INDEX_SHAPE_PARTS, /* numbers of properties */
	INDEX_PROPERTIES,
	INDEX_TEXTS, /* zero-terminated */
	INDEX_KINDS,
};

struct index_class {
	uint32_t key, name; /* texts */
};

struct index_script {
	uint32_t id, url; /* url: a text; UINT32_MAX: none */
};

struct index_shape {
	uint32_t text, first, n; /* first, n: parts */
};

struct index_property {
	uint32_t text, name; /* name: a string of the snapshot */
};

struct index_section {
	uint64_t at, n, size; /* at: bytes from the beginning; size: bytes of one of n */
	uint64_t sum;
};

struct index_header {
	uint64_t magic;
	uint32_t version, bytes; /* bytes: of the header */
	uint64_t file_bytes;
	struct heap_mark source, self;
	uint64_t nodes, edges, root, extra_native_bytes;
	uint64_t foreign, addresses, traced; /* not 0: so it is */
	struct heap_statistics statistics;
	struct heap_digest digest;
	char type_names[HEAP_TYPES_MAX][HEAP_TYPE_NAME_MAX];
	struct index_section sections[INDEX_KINDS];
	uint64_t sum; /* of all before */
};

/* By which a damaged file is told; it is no proof against who means to deceive. */
uint64_t index_sum(const void *data, size_t bytes);

/* The sum of a section, from 0, piece by piece. */
uint64_t index_sum_more(uint64_t sum, const void *data, size_t bytes);

/* Of an index itself: which file it is, and when that was made. 0, -EOPNOTSUPP, -errno. */
int index_mark_self(int fd, struct heap_mark *ret);

/* So many of its items are summed at once. */
static inline uint64_t index_piece(const struct index_section *section)
{
	return INDEX_PIECE_BYTES / section->size;
}

static inline size_t index_bytes(const struct index_section *section)
{
	return (size_t)(section->n * section->size);
}
