#pragma once

/*
 * The sections of a JSC heap snapshot (JavaScriptCore: heap/HeapSnapshotBuilder.cpp)
 *
 *   {"version":3,"type":"Inspector","nodes":[...],"nodeClassNames":[...],"edges":[...],
 *    "edgeTypes":[...],"edgeNames":[...]}, and of type GCDebugging "roots" and "labels"
 *
 * What names mean stands behind the arrays that use them, so where each section is gets found first
 * and rows are read then.
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/v8_walk.h"

struct err;

struct jsc_section {
	uint64_t at; /* of its '['; 0: there is none */
	uint64_t values; /* numbers and texts in it */
	uint64_t bytes; /* of all of it */
};

struct jsc_file {
	const struct v8_text *text; /* borrowed */
	bool debugging; /* GCDebugging: seven values to a node, two of which are texts */
	unsigned node_fields;
	struct jsc_section nodes, class_names, edges, edge_types, edge_names, roots, labels;
};

/* 0; -EBADMSG: no snapshot, or damaged; -ENODATA: empty, or cut short. err names the place. */
int jsc_file_read(struct jsc_file *ret, const struct v8_text *text, struct err *err);

/* Values of an array, one after the other. */
struct jsc_reader {
	struct v8_walk walk;
	struct err *err;
	uint64_t left; /* values */
};

void jsc_reader_init(struct jsc_reader *reader, const struct jsc_file *file,
		     const struct jsc_section *section, const char *name, struct err *err);

/* 0, -EBADMSG. There has to be one left. The text is without its quotes, in the file. */
int jsc_read_number(struct jsc_reader *reader, uint64_t *ret);
int jsc_read_numbers(struct jsc_reader *reader, uint64_t *ret, unsigned n);
int jsc_read_text(struct jsc_reader *reader, const char **ret, size_t *ret_size);
