#pragma once

/*
 * A libuv loop nested in ours, for libwebsockets, which on Debian 12 can ride on libuv but not on
 * libevent. Our loop watches uv_backend_fd() and, before each wait, runs what is due
 * (docs/ARCHITECTURE.md, "Three libraries, one loop"). uvloop.c is the only file that includes
 * uv.h.
 */

#include "loop/loop.h"

struct uvloop {
	void *uv; /* uv_loop_t, owned */
	struct loop *loop;
	struct loop_hook hook;
	struct loop_fd io;
};

int uvloop_init(struct uvloop *uvloop, struct loop *loop);

/* Runs what is left until nothing is alive: 0, or -ETIMEDOUT after two seconds. */
int uvloop_drain(struct uvloop *uvloop);

/* Drains, then closes. */
void uvloop_fini(struct uvloop *uvloop);

/*
 * What became of the descriptor watcher that carries `data`? True when its owner is closing it and
 * will hear of the end. One that was forgotten is closed and free()d here; libwebsockets forgets
 * its own when connect(2) fails at once (net/ws.c).
 */
bool uvloop_reap(struct uvloop *uvloop, const void *data);

/* One pass over what is due, without waiting. */
void uvloop_run(struct uvloop *uvloop);
