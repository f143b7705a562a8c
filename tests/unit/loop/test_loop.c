/* The loop's promises: when things run, in which order, and what may go away meanwhile. */

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "util/clock.h"

enum { PATIENCE_MS = 5000, TIMERS = 100 };

static struct loop loop;

static void setup(void)
{
	cr_assert_eq(loop_init(&loop), 0);
}

static void teardown(void)
{
	loop_fini(&loop);
	loop_fini(&loop);
}

TestSuite(loop, .init = setup, .fini = teardown, .timeout = 60);

/* Turns until *done is what is wanted. */
static void turn_until(const int *done, int wanted)
{
	uint64_t end_ns = clock_mono_ns() + PATIENCE_MS * NS_PER_MS;

	while (*done != wanted) {
		cr_assert_lt(clock_mono_ns(), end_ns, "%d instead of %d", *done, wanted);
		cr_assert_eq(loop_turn(&loop, PATIENCE_MS), 0);
	}
}

static void count(void *owner)
{
	++*(int *)owner;
}

Test(loop, fini_of_what_never_was)
{
	struct loop none = { 0 };
	struct loop_fd f = { 0 };
	struct loop_timer t = { 0 };
	struct loop_signal s = { 0 };

	loop_fini(&none);
	loop_fd_fini(&f);
	loop_timer_fini(&t);
	loop_signal_fini(&s);
}

/* ---- timers ---- */

static struct loop_timer timers[TIMERS];
static int fired, early;

static void on_timer(void *owner)
{
	struct loop_timer *t = owner;

	fired++;
	cr_assert_not(t->armed);
	if (clock_mono_ns() < t->due_ns)
		early++;
}

/* A coarse clock or a cached time fires some of them up to a tick too soon. */
Test(loop, no_timer_fires_early)
{
	for (int i = 0; i < TIMERS; i++) {
		cr_assert_eq(loop_timer_init(&timers[i], &loop, on_timer, &timers[i]), 0);
		cr_assert_eq(loop_timer_set(&timers[i], (uint64_t)i * 337123), 0);
		cr_assert(timers[i].armed);
	}
	turn_until(&fired, TIMERS);
	cr_assert_eq(early, 0, "%d timers fired early", early);
	for (int i = 0; i < TIMERS; i++)
		loop_timer_fini(&timers[i]);
}

static void burn_and_set(void *owner)
{
	uint64_t end_ns = clock_mono_ns() + 20 * NS_PER_MS;

	while (clock_mono_ns() < end_ns)
		;
	cr_assert_eq(loop_timer_set(owner, 10 * NS_PER_MS), 0);
}

/* The delay counts from the call, not from the start of a turn that has taken long. */
Test(loop, delay_counts_from_the_call)
{
	struct loop_timer slow;

	cr_assert_eq(loop_timer_init(&timers[0], &loop, on_timer, &timers[0]), 0);
	cr_assert_eq(loop_timer_init(&slow, &loop, burn_and_set, &timers[0]), 0);
	cr_assert_eq(loop_timer_set(&slow, 0), 0);
	turn_until(&fired, 1);
	cr_assert_eq(early, 0);
	loop_timer_fini(&timers[0]);
	loop_timer_fini(&slow);
}

Test(loop, timer_moves_and_clears)
{
	struct loop_timer moved, cleared, last;
	int moved_n = 0, cleared_n = 0, last_n = 0;

	cr_assert_eq(loop_timer_init(&moved, &loop, count, &moved_n), 0);
	cr_assert_eq(loop_timer_init(&cleared, &loop, count, &cleared_n), 0);
	cr_assert_eq(loop_timer_init(&last, &loop, count, &last_n), 0);
	loop_timer_set(&moved, 3600 * NS_PER_S);
	loop_timer_set(&moved, NS_PER_MS);
	loop_timer_set(&cleared, NS_PER_MS);
	loop_timer_clear(&cleared);
	cr_assert_not(cleared.armed);
	loop_timer_set(&last, 20 * NS_PER_MS);
	turn_until(&last_n, 1);
	cr_assert_eq(moved_n, 1);
	cr_assert_eq(cleared_n, 0);
	loop_timer_fini(&moved);
	loop_timer_fini(&cleared);
	loop_timer_fini(&last);
}

static void end_timer(void *owner)
{
	loop_timer_fini(owner);
	fired++;
}

Test(loop, timer_ends_in_its_own_callback)
{
	struct loop_timer *t = malloc(sizeof(*t));

	cr_assert_eq(loop_timer_init(t, &loop, end_timer, t), 0);
	loop_timer_set(t, 0);
	turn_until(&fired, 1);
	free(t);
}

/* ---- descriptors ---- */

static int fds[2];
static unsigned seen;
static int calls;

static void on_fd(void *owner, int fd, unsigned what)
{
	(void)owner;
	cr_assert_eq(fd, fds[0]);
	seen = what;
	calls++;
}

Test(loop, descriptor_is_watched_for_what_is_wanted)
{
	struct loop_fd f;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	cr_assert_eq(loop_fd_init(&f, &loop, fds[0], on_fd, NULL), 0);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_eq(calls, 0, "nothing was wanted yet");

	cr_assert_eq(loop_fd_want(&f, LOOP_READ), 0);
	turn_until(&calls, 1);
	cr_assert_eq(seen, LOOP_READ);
	turn_until(&calls, 2); /* as long as it is readable */

	cr_assert_eq(loop_fd_want(&f, LOOP_WRITE), 0);
	turn_until(&calls, 3);
	cr_assert_eq(seen, LOOP_WRITE);

	cr_assert_eq(loop_fd_want(&f, LOOP_READ | LOOP_WRITE), 0);
	turn_until(&calls, 4);
	cr_assert_eq(seen, LOOP_READ | LOOP_WRITE);

	cr_assert_eq(loop_fd_want(&f, 0), 0);
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_eq(calls, 4);
	loop_fd_fini(&f);
	loop_fd_fini(&f);
	close(fds[0]);
	close(fds[1]);
}

Test(loop, unwatchable_descriptor_is_an_error)
{
	struct loop_fd f;
	FILE *file = tmpfile();

	cr_assert_eq(loop_fd_init(&f, &loop, fileno(file), on_fd, NULL), 0);
	cr_assert_eq(loop_fd_want(&f, LOOP_READ), -EPERM);
	loop_fd_fini(&f);
	fclose(file);
}

static struct loop_fd *doomed;

static void end_fd(void *owner, int fd, unsigned what)
{
	(void)owner;
	(void)what;
	loop_fd_fini(doomed);
	free(doomed);
	close(fd);
	calls++;
}

Test(loop, descriptor_ends_in_its_own_callback)
{
	doomed = malloc(sizeof(*doomed));
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	cr_assert_eq(loop_fd_init(doomed, &loop, fds[0], end_fd, NULL), 0);
	cr_assert_eq(loop_fd_want(doomed, LOOP_READ | LOOP_WRITE), 0);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	turn_until(&calls, 1);
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_eq(calls, 1);
	close(fds[1]);
}

/* ---- hooks ---- */

struct hooked {
	struct loop_hook hook;
	int calls, bound_ms;
	bool leave;
};

static int on_hook(void *owner)
{
	struct hooked *h = owner;

	h->calls++;
	if (h->leave)
		loop_hook_remove(&h->hook);
	return h->bound_ms;
}

Test(loop, hooks_bound_the_wait)
{
	struct hooked a = { .bound_ms = 30 }, b = { .bound_ms = -1 }, c = { .bound_ms = 60000 };
	uint64_t start_ns = clock_mono_ns(), waited_ns;

	loop_hook_add(&loop, &a.hook, on_hook, &a);
	loop_hook_add(&loop, &b.hook, on_hook, &b);
	loop_hook_add(&loop, &c.hook, on_hook, &c);
	cr_assert_eq(loop_turn(&loop, -1), 0);
	waited_ns = clock_mono_ns() - start_ns;
	cr_assert_geq(waited_ns, 30 * NS_PER_MS);
	cr_assert_lt(waited_ns, PATIENCE_MS * NS_PER_MS);
	cr_assert(a.calls == 1 && b.calls == 1 && c.calls == 1);

	/* The bound of one turn is not that of the next. */
	a.bound_ms = 0;
	start_ns = clock_mono_ns();
	cr_assert_eq(loop_turn(&loop, -1), 0);
	cr_assert_lt(clock_mono_ns() - start_ns, PATIENCE_MS * NS_PER_MS);
	loop_hook_remove(&a.hook);
	loop_hook_remove(&b.hook);
	loop_hook_remove(&c.hook);
	loop_hook_remove(&c.hook);
}

Test(loop, hook_leaves_while_it_runs)
{
	struct hooked a = { .leave = true }, b = { 0 };

	loop_hook_add(&loop, &a.hook, on_hook, &a);
	loop_hook_add(&loop, &b.hook, on_hook, &b);
	cr_assert_eq(loop_turn(&loop, -1), 0);
	cr_assert_eq(loop_turn(&loop, -1), 0);
	cr_assert_eq(a.calls, 1);
	cr_assert_eq(b.calls, 2);
	loop_hook_remove(&b.hook);
}

static int stop_in_hook(void *owner)
{
	(void)owner;
	loop_stop(&loop, 7);
	return -1;
}

Test(loop, stop_in_a_hook_does_not_wait)
{
	struct loop_hook hook;

	loop_hook_add(&loop, &hook, stop_in_hook, NULL);
	cr_assert_eq(loop_run(&loop), 7);
	loop_hook_remove(&hook);
}

/* ---- deferred work ---- */

static struct loop_deferred first, second;
static int again_n, second_n;

static void again(void *owner)
{
	(void)owner;
	again_n++;
	loop_defer(&loop, &first);
}

static void cancel_second(void *owner)
{
	(void)owner;
	loop_deferred_cancel(&second);
}

Test(loop, deferred_work_runs_once_at_the_end_of_the_turn)
{
	struct loop_timer t;
	int timer_n = 0, done = 0;

	loop_deferred_init(&first, count, &done);
	loop_defer(&loop, &first);
	loop_defer(&loop, &first);
	cr_assert_eq(loop_timer_init(&t, &loop, count, &timer_n), 0);
	loop_timer_set(&t, 0);
	cr_assert_eq(loop_turn(&loop, -1), 0); /* returns: with work to do it must not wait */
	cr_assert_eq(done, 1);
	cr_assert_eq(timer_n, 1);
	loop_defer(&loop, &first);
	cr_assert_eq(loop_turn(&loop, -1), 0);
	cr_assert_eq(done, 2);
	loop_timer_fini(&t);
}

Test(loop, work_that_defers_itself_takes_turns)
{
	loop_deferred_init(&first, again, NULL);
	loop_deferred_init(&second, count, &second_n);
	loop_defer(&loop, &first);
	loop_defer(&loop, &second);
	cr_assert_eq(loop_turn(&loop, -1), 0);
	cr_assert_eq(again_n, 1);
	cr_assert_eq(second_n, 1);
	cr_assert_eq(loop_turn(&loop, -1), 0);
	cr_assert_eq(again_n, 2);
	loop_deferred_cancel(&first);
	loop_deferred_cancel(&first);
}

Test(loop, deferred_work_is_cancelled_by_other_deferred_work)
{
	loop_deferred_init(&first, cancel_second, NULL);
	loop_deferred_init(&second, count, &second_n);
	loop_defer(&loop, &first);
	loop_defer(&loop, &second);
	cr_assert_eq(loop_turn(&loop, -1), 0);
	cr_assert_eq(second_n, 0);
}

/* ---- signals, stop, time ---- */

Test(loop, signal_arrives_as_a_callback)
{
	struct loop_signal s;
	int hups = 0;

	cr_assert_eq(loop_signal_init(&s, &loop, SIGHUP, count, &hups), 0);
	cr_assert_eq(kill(getpid(), SIGHUP), 0);
	turn_until(&hups, 1);
	cr_assert_eq(kill(getpid(), SIGHUP), 0);
	turn_until(&hups, 2);
	loop_signal_fini(&s);
	loop_signal_fini(&s);
}

static void stop_with_three(void *owner)
{
	(void)owner;
	loop_stop(&loop, 3);
}

Test(loop, run_returns_the_exit_code)
{
	struct loop_timer t;

	cr_assert_eq(loop_timer_init(&t, &loop, stop_with_three, NULL), 0);
	loop_timer_set(&t, NS_PER_MS);
	cr_assert_eq(loop_run(&loop), 3);
	cr_assert_eq(loop_run(&loop), 3, "stopped before the run: no turn");
	loop_timer_fini(&t);
}

static uint64_t now_in_callback[2];
static int now_n;

static void note_now(void *owner)
{
	uint64_t end_ns = clock_mono_ns() + 2 * NS_PER_MS;

	(void)owner;
	now_in_callback[now_n++] = loop.now_ns;
	while (clock_mono_ns() < end_ns)
		;
}

Test(loop, now_is_read_once_per_turn)
{
	struct loop_timer a, b;
	uint64_t before_ns = clock_mono_ns();

	cr_assert_eq(loop_timer_init(&a, &loop, note_now, NULL), 0);
	cr_assert_eq(loop_timer_init(&b, &loop, note_now, NULL), 0);
	loop_timer_set(&a, 20 * NS_PER_MS);
	loop_timer_set(&b, 20 * NS_PER_MS);
	cr_assert_eq(loop_turn(&loop, 10), 0);
	while (clock_mono_ns() < b.due_ns)
		;
	turn_until(&now_n, 2);
	cr_assert_eq(now_in_callback[0], now_in_callback[1]);
	cr_assert_geq(now_in_callback[0], before_ns + 20 * NS_PER_MS, "now is after the wait");
	loop_timer_fini(&a);
	loop_timer_fini(&b);
}

static void burn_50_ms(void *owner)
{
	uint64_t end_ns = clock_mono_ns() + 50 * NS_PER_MS;

	while (clock_mono_ns() < end_ns)
		;
	count(owner);
}

Test(loop, lag_is_the_time_between_waits)
{
	struct loop_timer t;
	int done = 0;

	cr_assert_eq(loop_timer_init(&t, &loop, burn_50_ms, &done), 0);
	cr_assert_eq(loop_turn(&loop, 100), 0);
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_lt(loop_take_lag(&loop), 100 * NS_PER_MS, "waiting is no lag");
	loop_timer_set(&t, 0);
	turn_until(&done, 1);
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_geq(loop_take_lag(&loop), 50 * NS_PER_MS);
	cr_assert_eq(loop_take_lag(&loop), 0);
	loop_timer_fini(&t);
}
