#pragma once

/*
 * Memory usage and limit of a process's control group, version 2 or 1, at the usual mount points.
 * A part of procfs.c: the group may be out of sight, and then its fields stay false.
 */

#include <stddef.h>
#include <stdint.h>

struct process_stats;

void cgroup_read(const char *proc_root, const char *cgroup_root, int64_t pid,
		 struct process_stats *stats);

/* A small file of the kernel in one read, zero-terminated; longer is cut. 0 or -errno. */
int cgroup_read_file(const char *path, char *dst, size_t size);
