#pragma once

/*
 * A child process: a program with the descriptors it is given and nothing else of ours. Its end is
 * heard of once, in a turn of the loop, and it is always waited for. One that was killed from
 * outside ends as one that crashed does.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "loop/loop.h"

struct child_end {
	bool exited; /* else killed by a signal */
	int code; /* the exit status, or the signal */
	uint64_t peak_resident_bytes;
	uint64_t cpu_ns;
};

typedef void child_fn(void *owner, const struct child_end *end);

struct child {
	struct loop_fd io;
	pid_t pid; /* 0: none */
	int pidfd; /* owned */
	child_fn *fn;
	void *owner;
};

enum { CHILD_MORE_MAX = 12, CHILD_MORE_FIRST = 3 };

/* What a child gets, all borrowed. */
struct child_fds {
	int in, out; /* its descriptors 0 and 1 */
	int more[CHILD_MORE_MAX]; /* 3 and what follows; its 2 is closed */
	unsigned more_n;
};

/*
 * Start the program at path: it has no descriptors but these, no environment, a process group of
 * its own and no signal blocked or ignored. 0, -errno; fn is called once after 0, unless
 * child_fini() comes first.
 */
int child_start(struct child *child, struct loop *loop, const char *path, char *const argv[],
		const struct child_fds *fds, child_fn *fn, void *owner);

void child_kill(struct child *child); /* its end is heard of as any */

/* Kills it and waits. Safe on a zeroed one, and twice. */
void child_fini(struct child *child);
