#pragma once

/*
 * One process of this host as /proc has it: what a JavaScript runtime is known by, and the sockets
 * of its inspector. Any user may read the command line and the status; the rest is for the
 * process's own user and for those who may trace it (ptrace(2)).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESS_NAME_MAX = 64 };

struct process {
	const char *proc; /* where /proc is; borrowed */
	int64_t pid;
	bool readable; /* its program, descriptors and environment */
	/* The file name of its program; where that is hidden, what it calls itself. */
	char program[PROCESS_NAME_MAX];
	char *args; /* owned; NUL-separated, terminated */
	size_t args_size;
};

/* 0, -ESRCH (gone, or a thread of the kernel), -ENOMEM. process_fini() after 0 only. */
int process_read(struct process *process, const char *proc, int64_t pid);
void process_fini(struct process *process);

/* Of its exec and its life so far, which a signal must know. */
struct process_status {
	uid_t uid; /* real, effective and saved */
	bool many_uids; /* the three differ */
	uint64_t caught; /* signals that it has a handler for: bit N - 1 is signal N */
	uint64_t start_ticks; /* since boot: with the pid it is this process and no other */
};

/* 0, -ESRCH. */
int process_status(const struct process *process, struct process_status *ret);

/*
 * Is it this program? "node", "node-24", "node24"; not "node_exporter". What hides its program is
 * taken at its word.
 */
bool process_is(const struct process *process, const char *program);

/* The arguments in turn, argv[0] first: pass NULL, then the last one. NULL after the last. */
const char *process_next_arg(const struct process *process, const char *arg);

/* The value of a variable of the environment it was started with. 0, -ENOENT, -errno. */
int process_environment(const struct process *process, const char *name, char *dst, size_t size);

/* Is it in the network namespace that we are in? */
bool process_shares_network(const struct process *process);

/* The parent's pid; 0 when it has none, or none is known. */
int64_t process_parent(const struct process *process);

/* Called with the inode of each socket that it holds; not 0 ends the walk. 0, -errno, or fn's. */
int process_each_socket(const struct process *process, int (*fn)(void *owner, uint64_t inode),
			void *owner);
