/*
 * The loop
 *
 * libevent does the waiting; what it lacks is added here. It has no public way to run code before
 * each wait, and the loops nested in ours need that: libuv, for one, only queues its epoll changes
 * and applies them in its own next pass. So the loop is cranked by hand, one EVLOOP_ONCE per turn,
 * with the hooks before it.
 *
 * Time: the base uses the precise clock and no cached time. With libevent's default (a coarse
 * clock, read once per turn) a timer may fire up to a tick before clock_mono_ns() says that it is
 * due, and whoever compares the two arms it again and spins. The price is one timerfd_settime(2)
 * per turn in which the nearest timer changed.
 *
 * Every callback enters through loop_awake(), which reads the clock at the first callback after a
 * wait: that is the turn's time, and where its lag starts.
 */

#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/time.h>

#include "util/clock.h"
#include "util/log.h"

static void loop_awake(struct loop *loop)
{
	if (loop->awake)
		return;
	loop->awake = true;
	loop->now_ns = clock_mono_ns();
}

/* Rounded up, so that nothing fires early. */
static struct timeval to_timeval(uint64_t ns)
{
	uint64_t us = ns / 1000 + (ns % 1000 != 0);

	return (struct timeval){ .tv_sec = (time_t)(us / 1000000),
				 .tv_usec = (suseconds_t)(us % 1000000) };
}

/* libevent does not promise an errno; when it gave none it was out of memory. */
static int add_event(struct event *event, const struct timeval *timeout)
{
	errno = 0;
	if (event_add(event, timeout) == 0)
		return 0;
	return errno ? -errno : -ENOMEM;
}

static void log_libevent(int severity, const char *text)
{
	if (severity >= EVENT_LOG_WARN)
		log_warn("loop", "libevent: %s", text);
	else
		log_debug("loop", "libevent: %s", text);
}

static void on_bound(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_awake(arg);
}

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (!config)
		return NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0 &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME) == 0 &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

int loop_init(struct loop *loop)
{
	*loop = (struct loop){ 0 };
	link_init(&loop->hooks);
	link_init(&loop->deferred);
	link_init(&loop->deferred_end);
	event_set_log_callback(log_libevent);
	loop->base = new_base();
	if (!loop->base)
		return -ENOMEM;
	loop->bound = evtimer_new(loop->base, on_bound, loop);
	if (!loop->bound)
		return -ENOMEM;
	loop->now_ns = clock_mono_ns();
	return 0;
}

void loop_fini(struct loop *loop)
{
	if (!loop->base)
		return;
	assert(list_empty(&loop->hooks));
	assert(list_empty(&loop->deferred));
	if (loop->bound)
		event_free(loop->bound);
	event_base_free(loop->base);
	*loop = (struct loop){ 0 };
}

/* The shorter of two waits, where -1 is for ever. */
static int shorter(int a, int b)
{
	if (a < 0)
		return b;
	if (b < 0)
		return a;
	return a < b ? a : b;
}

static int run_hooks(struct loop *loop, int wait_ms)
{
	list_each_safe (pos, &loop->hooks) {
		struct loop_hook *hook = container_of(pos, struct loop_hook, link);

		wait_ms = shorter(wait_ms, hook->fn(hook->owner));
	}
	if (loop->stopping || !list_empty(&loop->deferred))
		return 0;
	return wait_ms;
}

/* Only what was deferred before this call: work that defers itself again must not starve the rest.
 */
static void run_deferred(struct loop *loop)
{
	list_append(&loop->deferred, &loop->deferred_end);
	while (loop->deferred.next != &loop->deferred_end) {
		struct loop_deferred *d =
			container_of(loop->deferred.next, struct loop_deferred, link);

		link_remove(&d->link);
		d->fn(d->owner);
	}
	link_remove(&loop->deferred_end);
}

static int wait_and_dispatch(struct loop *loop, int wait_ms)
{
	struct timeval tv = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;
	int r;

	if (wait_ms == 0) {
		flags |= EVLOOP_NONBLOCK;
	} else if (wait_ms > 0) {
		r = add_event(loop->bound, &tv);
		if (r < 0)
			return r;
	}
	errno = 0;
	r = event_base_loop(loop->base, flags);
	if (r < 0)
		r = errno ? -errno : -EIO;
	event_del(loop->bound);
	return r < 0 ? r : 0;
}

int loop_turn(struct loop *loop, int max_wait_ms)
{
	uint64_t busy_ns;
	int wait_ms, r;

	loop_awake(loop);
	wait_ms = run_hooks(loop, max_wait_ms);
	busy_ns = clock_mono_ns() - loop->now_ns;
	if (busy_ns > loop->lag_ns)
		loop->lag_ns = busy_ns;
	loop->awake = false;
	r = wait_and_dispatch(loop, wait_ms);
	loop_awake(loop);
	run_deferred(loop);
	return r;
}

int loop_run(struct loop *loop)
{
	while (!loop->stopping) {
		int r = loop_turn(loop, -1);

		if (r < 0) {
			log_error("loop", "cannot wait for events: error %d", -r);
			loop_stop(loop, EXIT_FAILURE);
		}
	}
	return loop->exit_code;
}

void loop_stop(struct loop *loop, int exit_code)
{
	loop->exit_code = exit_code;
	loop->stopping = true;
}

uint64_t loop_take_lag(struct loop *loop)
{
	uint64_t lag_ns = loop->lag_ns;

	loop->lag_ns = 0;
	return lag_ns;
}

/* ---- descriptors ---- */

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
	struct loop_fd *f = arg;
	unsigned ready = 0;

	loop_awake(f->loop);
	if (what & EV_READ)
		ready |= LOOP_READ;
	if (what & EV_WRITE)
		ready |= LOOP_WRITE;
	f->fn(f->owner, fd, ready);
}

int loop_fd_init(struct loop_fd *f, struct loop *loop, int fd, loop_fd_fn *fn, void *owner)
{
	*f = (struct loop_fd){ .loop = loop, .fn = fn, .owner = owner, .fd = fd };
	f->event = event_new(loop->base, fd, 0, on_fd, f);
	return f->event ? 0 : -ENOMEM;
}

int loop_fd_want(struct loop_fd *f, unsigned what)
{
	short flags = 0;

	if (what & LOOP_READ)
		flags |= EV_READ;
	if (what & LOOP_WRITE)
		flags |= EV_WRITE;
	if (event_pending(f->event, EV_READ | EV_WRITE, NULL) == flags)
		return 0;
	event_del(f->event);
	event_assign(f->event, f->loop->base, f->fd, (short)(flags | EV_PERSIST), on_fd, f);
	return flags ? add_event(f->event, NULL) : 0;
}

void loop_fd_fini(struct loop_fd *f)
{
	if (f->event)
		event_free(f->event);
	f->event = NULL;
}

/* ---- timers ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	loop_awake(t->loop);
	t->armed = false;
	t->fn(t->owner);
}

int loop_timer_init(struct loop_timer *t, struct loop *loop, loop_fn *fn, void *owner)
{
	*t = (struct loop_timer){ .loop = loop, .fn = fn, .owner = owner };
	t->event = evtimer_new(loop->base, on_timer, t);
	return t->event ? 0 : -ENOMEM;
}

int loop_timer_set(struct loop_timer *t, uint64_t delay_ns)
{
	struct timeval tv = to_timeval(delay_ns);
	int r = add_event(t->event, &tv);

	if (r < 0)
		return r;
	t->armed = true;
	t->due_ns = clock_mono_ns() + delay_ns;
	return 0;
}

void loop_timer_clear(struct loop_timer *t)
{
	if (t->event)
		event_del(t->event);
	t->armed = false;
}

void loop_timer_fini(struct loop_timer *t)
{
	if (t->event)
		event_free(t->event);
	t->event = NULL;
	t->armed = false;
}

/* ---- signals ---- */

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)signo;
	(void)what;
	loop_awake(s->loop);
	s->fn(s->owner);
}

int loop_signal_init(struct loop_signal *s, struct loop *loop, int signo, loop_fn *fn, void *owner)
{
	*s = (struct loop_signal){ .loop = loop, .fn = fn, .owner = owner };
	s->event = evsignal_new(loop->base, signo, on_signal, s);
	if (!s->event)
		return -ENOMEM;
	return add_event(s->event, NULL);
}

void loop_signal_fini(struct loop_signal *s)
{
	if (s->event)
		event_free(s->event);
	s->event = NULL;
}

/* ---- hooks and deferred work ---- */

void loop_hook_add(struct loop *loop, struct loop_hook *hook, loop_hook_fn *fn, void *owner)
{
	hook->fn = fn;
	hook->owner = owner;
	list_append(&loop->hooks, &hook->link);
}

void loop_hook_remove(struct loop_hook *hook)
{
	if (hook->link.next)
		link_remove(&hook->link);
}

void loop_deferred_init(struct loop_deferred *d, loop_fn *fn, void *owner)
{
	*d = (struct loop_deferred){ .fn = fn, .owner = owner };
	link_init(&d->link);
}

void loop_defer(struct loop *loop, struct loop_deferred *d)
{
	if (list_empty(&d->link))
		list_append(&loop->deferred, &d->link);
}

void loop_deferred_cancel(struct loop_deferred *d)
{
	if (d->link.next)
		link_remove(&d->link);
}
