#pragma once

/*
 * The end of a process whose loop hangs.
 *
 * A program that is attached to waits for us when it wants to exit, and only the loop leaves it.
 * When the loop has not turned for a while this process ends itself, and the kernel closes its
 * connections. systemd's watchdog does the same, but not everybody has systemd. One for each
 * process: it takes SIGALRM and the process's real-time timer.
 */

#include <stdint.h>
#include "loop/loop.h"

struct hang_watch {
	struct loop_timer timer; /* feeds it */
	uint64_t limit_ns;
};

/*
 * From now on. The process aborts, with a word on stderr, when the loop has not turned for limit_ns
 * (or up to a quarter less). Time for which the process was stopped is not held against it. 0 or
 * -errno.
 */
int hang_watch_init(struct hang_watch *watch, struct loop *loop, uint64_t limit_ns);

/* The loop turns no more: what is left to be done may take so long. */
void hang_watch_last(struct hang_watch *watch, uint64_t limit_ns);

/* Safe twice, and on zeros. */
void hang_watch_fini(struct hang_watch *watch);
