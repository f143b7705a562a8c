#pragma once

/*
 * The event loop of the control thread. loop.c is the only file that includes libevent.
 *
 * Each turn: hooks run (other loops nested in ours arm their descriptors), the loop waits,
 * callbacks run, then deferred work runs. `now_ns` is read once per turn. Nothing here is
 * thread-safe; other threads come in by loop/wake.h.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/list.h"

struct event;
struct event_base;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop {
	struct event_base *base; /* owned */
	struct event *bound; /* owned: ends a wait that a hook bounded */
	struct link hooks;
	struct link deferred;
	struct link deferred_end; /* on `deferred` while it runs: where this turn's work ends */
	uint64_t now_ns; /* monotonic, read once per turn */
	uint64_t lag_ns; /* longest time between waits since loop_take_lag() */
	int exit_code;
	bool stopping;
	bool awake; /* now_ns is of this turn */
};

typedef void loop_fd_fn(void *owner, int fd, unsigned what);
typedef void loop_fn(void *owner);

struct loop_fd {
	struct event *event; /* owned */
	struct loop *loop;
	loop_fd_fn *fn;
	void *owner;
	int fd; /* borrowed */
};

struct loop_timer {
	struct event *event; /* owned */
	struct loop *loop;
	loop_fn *fn;
	void *owner;
	bool armed;
	uint64_t due_ns;
};

struct loop_signal {
	struct event *event; /* owned */
	struct loop *loop;
	loop_fn *fn;
	void *owner;
};

/* A hook runs before every wait and says how long the wait may be: milliseconds, or -1. */
typedef int loop_hook_fn(void *owner);

struct loop_hook {
	struct link link;
	loop_hook_fn *fn;
	void *owner;
};

/* Work to be done at the end of this turn, when no callback of the object is on the stack. */
struct loop_deferred {
	struct link link;
	loop_fn *fn;
	void *owner;
};

int loop_init(struct loop *loop);
void loop_fini(struct loop *loop);

/* Turns until loop_stop(); returns its exit code. */
int loop_run(struct loop *loop);

/* One turn, waiting at most max_wait_ms (-1: as long as needed). For tests and for draining. */
int loop_turn(struct loop *loop, int max_wait_ms);
void loop_stop(struct loop *loop, int exit_code);

/* The worst lateness of the loop since the last call. */
uint64_t loop_take_lag(struct loop *loop);

/* 0 or -ENOMEM. fd is watched for nothing until loop_fd_want(). fini before close(fd); safe twice.
 */
int loop_fd_init(struct loop_fd *f, struct loop *loop, int fd, loop_fd_fn *fn, void *owner);
int loop_fd_want(struct loop_fd *f, unsigned what); /* LOOP_READ | LOOP_WRITE, or 0 */
void loop_fd_fini(struct loop_fd *f);

/* A timer fires once; set again moves it. */
int loop_timer_init(struct loop_timer *t, struct loop *loop, loop_fn *fn, void *owner);
int loop_timer_set(struct loop_timer *t, uint64_t delay_ns);
void loop_timer_clear(struct loop_timer *t);
void loop_timer_fini(struct loop_timer *t);

int loop_signal_init(struct loop_signal *s, struct loop *loop, int signo, loop_fn *fn, void *owner);
void loop_signal_fini(struct loop_signal *s);

void loop_hook_add(struct loop *loop, struct loop_hook *hook, loop_hook_fn *fn, void *owner);
void loop_hook_remove(struct loop_hook *hook);

void loop_deferred_init(struct loop_deferred *d, loop_fn *fn, void *owner);
void loop_defer(struct loop *loop, struct loop_deferred *d); /* once, however often it is asked */
void loop_deferred_cancel(struct loop_deferred *d);
