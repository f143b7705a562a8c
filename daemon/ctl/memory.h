#pragma once

/*
 * Memory that an analysis may take: what this machine and the control groups of this process still
 * have, as the kernel tells it. File pages that can be dropped count as free.
 */

#include <stdint.h>

/* Bytes; UINT64_MAX: nothing is known. */
uint64_t memory_available(void);

/* The same with other places for /proc and /sys/fs/cgroup. */
uint64_t memory_available_in(const char *proc, const char *cgroups);
