#pragma once

/*
 * What is known of places from files: the list of scripts, which lies beside a snapshot or is
 * named, and the source maps of a directory.
 */

#include "ctl/options.h"
#include "ctl/source_maps.h"
#include "heap/places.h"

struct err;

struct places_file {
	struct places places;
	struct source_maps maps;
};

/*
 * For the snapshot at this path. The list is options->heap.scripts_file, else the companion of the
 * snapshot, which need not be there. CTL_OK, or CTL_FAILURE with the reason; fini in any case. ret
 * stays where it is.
 */
int places_file_open(struct places_file *ret, const char *snapshot,
		     const struct ctl_options *options, struct err *err);
void places_file_fini(struct places_file *file); /* zeroed is fine */
