#pragma once

/*
 * The target's process as the kernel sees it: memory, CPU, start, control group. Only for processes
 * of this host that we may read, found by pid and verified by start time, because the pid a runtime
 * tells is one of its own namespace.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/cgroup.h"

struct address;

struct process_stats {
	bool present; /* the process was found and is the right one */
	char state; /* R S D T Z as in /proc/PID/stat */
	uint64_t resident_bytes, virtual_bytes;
	double cpu_seconds, user_seconds, system_seconds; /* in all, and by mode */
	double start_seconds; /* Unix time */
	struct cgroup_memory cgroup, fullest_cgroup; /* struct cgroups */
};

/*
 * start_wall_ms is what the runtime said (0: unknown, then not verified); more than two seconds off
 * means another process. 0, -ESRCH.
 */
int procfs_read(int64_t pid, int64_t start_wall_ms, struct process_stats *ret);

/* Memory the host could still give (MemAvailable). 0, -errno. */
int procfs_available_bytes(uint64_t *ret);

/*
 * The command line as JSON texts would have it, without secrets: the program, its script and what
 * sets its memory and its inspector are shown, of every other argument only the name before the
 * "=". Arguments separated by blanks. 0, -ESRCH, -errno.
 */
int procfs_command(int64_t pid, char *dst, size_t size);

/*
 * Where the process makes its temporary files, as seen from here: below its own root. Needs the
 * right to read its environment. 0, -ESRCH, -EACCES, -errno.
 */
int procfs_temp_directory(int64_t pid, char *dst, size_t size);

/* Whose process it is. 0, -ESRCH, -errno. */
int procfs_owner(int64_t pid, uid_t *ret);

/*
 * The process of that program (inspect/runtime.h) which listens at an address of this host, and
 * when it started. 0, -ESRCH, -errno. Costs a look at every process: not for each poll.
 */
int procfs_listener(const struct address *address, const char *program, int64_t *ret_pid,
		    int64_t *ret_start_wall_ms);

/* Where /proc and /sys/fs/cgroup are: for tests. NULL goes back to the real ones. */
void procfs_set_roots(const char *proc, const char *cgroup);
