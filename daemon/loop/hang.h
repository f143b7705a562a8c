#pragma once

/*
 * The end of a process whose loop hangs.
 *
 * A program that is attached to waits for us when it wants to exit, and only the loop leaves it.
 * When the loop has not turned for a while, a thread of its own shuts all sockets, so that
 * everybody is left, and ends the process. systemd's watchdog does so, too, but not everybody has
 * systemd.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include "loop/loop.h"

struct hang_watch {
	struct loop_hook hook; /* tells that the loop turns */
	pthread_t thread;
	int stop_fd;
	bool running;
	int slice_ms;
	atomic_uint turns;
	atomic_uint slices_max; /* without a turn */
};

/*
 * From now on: the process aborts, with a word on stderr, when the loop has not turned for
 * limit_ns. Time for which the process was stopped is not held against it. 0 or -errno; fini in any
 * case.
 */
int hang_watch_init(struct hang_watch *watch, struct loop *loop, uint64_t limit_ns);

/* The loop turns no more: what is left to be done may take so long. */
void hang_watch_last(struct hang_watch *watch, uint64_t limit_ns);

/* Safe twice, and on zeros. */
void hang_watch_fini(struct hang_watch *watch);
