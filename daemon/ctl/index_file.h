#pragma once

/*
 * Where indexes of heap snapshots are kept
 *
 * In the folder that --index names; else beside the snapshot, as FILE.heapindex; else, where that
 * cannot be written or is the daemon's, in $XDG_CACHE_HOME/heapwatch, up to a limit. An index is as
 * confidential as its snapshot: mode 0600, and none of what was encrypted. Only one that we or root
 * wrote, and no one else can write, is looked at.
 */

#include "ctl/options.h"
#include "heap/analysis.h"
#include "heap/index.h"

/* Smaller ones are analysed before anyone notices; --index keeps theirs too. */
enum { INDEX_FROM_BYTES = 32 << 20 };

struct index_source {
	const char *path; /* of the snapshot */
	struct heap_mark mark;
	const char *text; /* of what need not be unpacked; else NULL */
	uint64_t text_size;
};

/* As heap_index_read(); -ENOENT: there is none of any use. */
int index_file_read(struct heap_analysis *ret, const struct index_source *source,
		    enum heap_parts parts, unsigned threads, const struct ctl_options *options);

/* Keep it, if there is a place. Only that --index could not be followed is said, on stderr. */
void index_file_write(const struct heap_analysis *analysis, const struct index_source *source,
		      const struct ctl_options *options);
