#pragma once

/*
 * What is packed, unpacked: zstd, gzip and age, one in the other. It goes into memory that has no
 * name; where that is to be spared, what was never encrypted may go into a file without a name.
 */

#include <stdbool.h>
#include <stdint.h>
#include "ctl/options.h"
#include "pipeline/stage.h"

struct err;

#define UNPACK_SPILL_HINT "; --spill=FOLDER puts it into files"

struct unpack {
	uint64_t memory_max; /* bytes of memory that it may take; UINT64_MAX: any */
	const char *spill; /* a folder for files in place of memory; or NULL */
	bool packed, sealed; /* set: it was; of that, by age */
	bool part; /* set, with CTL_FAILURE: it is damaged, and *fd is what there is in it before */
	char damage[STAGE_ERROR_MAX]; /* which, if so */
};

/* Whether and how the file is packed, from the outside, by its first bytes. */
bool unpack_is_packed(int fd, bool *ret_sealed);

/*
 * Take all layers off *fd, which becomes another descriptor then. CTL_OK; CTL_REFUSED: it takes too
 * much; CTL_FAILURE; err has the reason. *fd is to be closed in any case.
 */
int unpack_all(struct unpack *unpack, int *fd, const char *path, const struct ctl_options *options,
	       struct err *err);
