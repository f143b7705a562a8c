#pragma once

/* What the daemon left beside a capture. */

#include "ctl/options.h"

struct tree;

/*
 * The manifest (NAME.json beside NAME), unpacked; free it with tree_free(). NULL: there is none, or
 * none that can be read.
 */
struct tree *beside_manifest(const char *snapshot, const struct ctl_options *options);

enum beside_process { BESIDE_UNTOLD, BESIDE_SAME, BESIDE_OTHER };

/* Of which process they are by their manifests: untold where one has none that tells. */
enum beside_process beside_process(const char *snapshot, const char *other,
				   const struct ctl_options *options);
