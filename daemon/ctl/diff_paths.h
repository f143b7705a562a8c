#pragma once

/*
 * Collections that grew between two snapshots in which ids do not last: an object is the same when
 * it is found again by its named path, as for `leaks`.
 */

#include <stdbool.h>
#include "ctl/snapshot.h"
#include "heap/collections.h"

struct diff_paths {
	bool known; /* most objects of one of them are found in the other */
	struct snapshot last;
	struct heap_collections collections; /* of the last */
	struct heap_collection_growth *grown; /* owned */
	size_t grown_n;
};

/*
 * paths: of the base and of the last; taken: bytes of memory that the command uses for others.
 * CTL_OK, or the exit status; fini in any case.
 */
int diff_paths_init(struct diff_paths *ret, char *const paths[2], uint64_t taken,
		    const struct ctl_options *options, struct err *err);
void diff_paths_fini(struct diff_paths *paths); /* zeroed is fine */
