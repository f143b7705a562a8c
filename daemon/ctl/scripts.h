#pragma once

/*
 * The list of scripts beside a snapshot (STEM.scripts.json, as Debugger.scriptParsed told them):
 * the files behind the script numbers of a snapshot's places.
 */

#include <stddef.h>
#include <stdint.h>
#include "ctl/options.h"

struct err;
struct script;

struct scripts {
	struct script *items; /* owned: by id */
	size_t n;
};

/*
 * options->heap.scripts_file, else the companion of the snapshot, which need not be there. CTL_OK,
 * or CTL_FAILURE with the reason; fini in any case.
 */
int scripts_open(struct scripts *ret, const char *snapshot, const struct ctl_options *options,
		 struct err *err);
void scripts_fini(struct scripts *scripts); /* zeroed is fine */

/* The URL; NULL: not known. */
const char *scripts_find(const struct scripts *scripts, uint64_t id);

/* Of its source map, as the script names it; NULL: none, or not known. */
const char *scripts_find_map(const struct scripts *scripts, uint64_t id);
