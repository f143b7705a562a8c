#pragma once

/* The one way from another thread into the loop: an eventfd that runs fn on the control thread. */

#include "loop/loop.h"

struct loop_wake {
	struct loop_fd io;
	int fd; /* owned */
	loop_fn *fn;
	void *owner;
};

int loop_wake_init(struct loop_wake *wake, struct loop *loop, loop_fn *fn, void *owner);
void loop_wake_fini(struct loop_wake *wake);

/* From any thread, also a signal handler. Several wakes may arrive as one call of fn. */
void loop_wake_up(struct loop_wake *wake);
