#pragma once

/* What the daemon left beside a capture. */

#include <stdbool.h>
#include "ctl/options.h"

struct tree;

/*
 * The manifest (NAME.json beside NAME), unpacked; free it with tree_free(). NULL: there is none, or
 * none that can be read.
 */
struct tree *beside_manifest(const char *snapshot, const struct ctl_options *options);

/* Both have a manifest, and by these they are of two processes. */
bool beside_other_process(const char *snapshot, const char *other,
			  const struct ctl_options *options);
