#pragma once

/*
 * The target's process as the kernel sees it: memory, CPU, start, control group. Only for processes
 * of this host that we may read, found by pid and verified by start time, because the pid a runtime
 * tells is one of its own namespace, and a pid is used again.
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
	uint64_t start_ticks; /* since boot: with the pid it tells processes apart */
	double start_seconds; /* Unix time by the clock as it is set now: for people */
	struct cgroup_memory cgroup, fullest_cgroup; /* struct cgroups */
};

/*
 * When a process began, as far as it is known; 0: not known. The ticks decide when they are known.
 * Else one of the other two has to agree within two seconds, for the wall clock may have been set
 * since the runtime read it, and the monotonic one stands still while the machine sleeps.
 */
struct process_start {
	uint64_t ticks; /* since boot, as struct process_stats has them */
	int64_t wall_ms, mono_ms; /* as struct identity has them */
};

/* Whoever has the pid now, without the control groups, which take longer. 0, -ESRCH. */
int procfs_read_stat(int64_t pid, struct process_stats *ret);

/* The process that began then; NULL or nothing known: whoever has the pid. 0, -ESRCH. */
int procfs_read(int64_t pid, const struct process_start *start, struct process_stats *ret);

/* How long ago it began, by a clock that nobody sets. */
uint64_t procfs_age_ns(const struct process_stats *stats);

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
 * when it started (ticks and wall_ms). 0, -ESRCH, -errno. Costs a look at every process: not for
 * each poll.
 */
int procfs_listener(const struct address *address, const char *program, int64_t *ret_pid,
		    struct process_start *ret_start);

/*
 * The processes below this one, children and theirs, that are called one of these (NULL-terminated;
 * the kernel cuts names to 15 bytes): as many as there is room for. How many. Costs a look at every
 * process.
 */
size_t procfs_descendants(int64_t pid, const char *const *programs, int64_t *dst, size_t max);

/* Does this process hold the socket that listens at an address of this host? False also when its
 * descriptors may not be read. */
bool procfs_listens(int64_t pid, const struct address *address);

/* Where /proc and /sys/fs/cgroup are: for tests. NULL goes back to the real ones. */
void procfs_set_roots(const char *proc, const char *cgroup);
