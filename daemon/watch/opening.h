#pragma once

/*
 * How a Node inspector may be opened: what the configuration says of the process (`open_by_sigusr1`
 * of a target), and whether a signal may be sent to it now.
 *
 * SIGUSR1 ends a process that has no handler for it: any other program, and Node in its first
 * milliseconds, or with --disable-sigusr1. So the process is looked at first, through a pidfd that
 * is opened before: the signal goes to what was looked at, or nowhere.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct address;
struct err;

struct opening {
	bool wanted;
	char *pid_file; /* owned; NULL: by command */
	char *command; /* owned; NULL: by pid_file */
	uid_t uid; /* whose process it must be */
};

int opening_copy(struct opening *dst, const struct opening *src);
void opening_fini(struct opening *opening);
bool opening_equal(const struct opening *a, const struct opening *b);

/* A process that was found and looked at. */
struct opening_process {
	int64_t pid;
	uint64_t start_ticks; /* since boot */
	int pidfd; /* owned; opening_process_fini() */
	bool catches; /* it has a handler of SIGUSR1 */
	bool listens; /* it listens where the target is */
	bool exposed; /* it listens there, and from other hosts it can be reached too */
	bool taken; /* another process listens there */
};

/*
 * The process, and what it does at the address. 0; -errno with text in err: it is not there, not
 * one but several, no Node, of another user, in another network namespace, or told to open
 * elsewhere. fini after 0 only. proc is where /proc is.
 */
int opening_find(const struct opening *opening, const char *proc, const struct address *address,
		 struct opening_process *ret, struct err *err);
void opening_process_fini(struct opening_process *process);

/* SIGUSR1, to that process or to none. 0, -errno with text in err. */
int opening_signal(const struct opening_process *process, struct err *err);

/* Does the process with that start still listen at the address? */
bool opening_still_listens(const char *proc, int64_t pid, uint64_t start_ticks,
			   const struct address *address);
