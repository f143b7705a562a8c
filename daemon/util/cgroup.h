#pragma once

/*
 * Memory usage and limits of a process's control groups, version 2 or 1, at the usual mount
 * points. The groups may be out of sight, and then nothing is known.
 */

#include <stdbool.h>
#include <stdint.h>

/* What one group says of itself; usage and limit are always of the same group. */
struct cgroup_memory {
	bool has_usage, has_limit;
	uint64_t usage_bytes, limit_bytes;
	uint64_t reclaimable_bytes; /* of the usage: page cache that can go (inactive_file) */
};

/*
 * Of the process's own group and those above it. Without any limit both are the own group.
 *
 * `tightest` has the smallest limit: a limit that stays the same is what a chart shows and a rule
 * compares with. `fullest` has the least left, perhaps because of others in the same slice: that
 * one the kernel enforces first.
 */
struct cgroups {
	struct cgroup_memory tightest, fullest;
};

/* process: its number, or "self". The roots are /proc and /sys/fs/cgroup but in tests. */
struct cgroups cgroups_read(const char *proc_root, const char *cgroup_root, const char *process);

/* Bytes that the group can still be given, with the cache that can go; UINT64_MAX: no limit. */
uint64_t cgroup_left_bytes(const struct cgroup_memory *memory);
