#pragma once

/*
 * Memory that can still be had, as the kernel tells it. File pages that can be dropped count as
 * free.
 */

#include <stdint.h>

/* Bytes the host could still give (MemAvailable). proc: /proc but in tests. 0, -errno. */
int memory_of_host(const char *proc, uint64_t *ret);

/* Bytes that this process may still take of host and control groups; UINT64_MAX: unknown. */
uint64_t memory_available(void);

/* The same with other places for /proc and /sys/fs/cgroup. */
uint64_t memory_available_in(const char *proc, const char *cgroups);
