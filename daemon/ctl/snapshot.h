#pragma once

/* A snapshot as it is needed to find its objects again in another one of the program. */

#include "ctl/heap_file.h"
#include "heap/match.h"

struct snapshot {
	struct heap_file file;
	struct heap_analysis analysis;
	struct heap_side side;
};

/* What is asked of its file. path has to live as long as what is read of it. */
struct heap_request snapshot_request(const char *path);

/*
 * taken: bytes of memory that the command uses for others. path has to live as long as the
 * snapshot. CTL_OK, or the exit status; fini in any case.
 */
int snapshot_init(struct snapshot *ret, const char *path, uint64_t taken,
		  const struct ctl_options *options, struct err *err);
void snapshot_fini(struct snapshot *snapshot); /* zeroed is fine */

/* Bytes of memory at the most: its own, and what comparing others with it takes besides. */
uint64_t snapshot_taken(const struct snapshot *snapshot);
