/*
 * libuv nested in the loop: its timers and descriptors work with nothing else going on. When they
 * do not, the loop waits for ever and the suite's time-out ends the test.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>
#include <uv.h>

#include "loop/loop.h"
#include "loop/uvloop.h"
#include "util/clock.h"

static struct loop loop;
static struct uvloop uvloop;
static int timer_n, poll_n, fds[2];

static void setup(void)
{
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(uvloop_init(&uvloop, &loop), 0);
}

static void teardown(void)
{
	uvloop_fini(&uvloop);
	uvloop_fini(&uvloop);
	loop_fini(&loop);
}

TestSuite(uvloop, .init = setup, .fini = teardown, .timeout = 10);

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
	timer_n++;
	loop_stop(&loop, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	char byte;

	(void)poll;
	cr_assert_eq(status, 0);
	cr_assert(events & UV_READABLE);
	cr_assert_eq(read(fds[0], &byte, 1), 1);
	poll_n++;
	loop_stop(&loop, 0);
}

Test(uvloop, its_timer_bounds_our_wait)
{
	uv_timer_t timer;

	uv_timer_init(uvloop.uv, &timer);
	uv_timer_start(&timer, on_timer, 50, 0);
	cr_assert_eq(loop_run(&loop), 0);
	cr_assert_eq(timer_n, 1);
	uv_close((uv_handle_t *)&timer, NULL);
	cr_assert_eq(uvloop_drain(&uvloop), 0);
}

static void write_byte(void *owner)
{
	(void)owner;
	cr_assert_eq(write(fds[1], "x", 1), 1);
}

/* uv_poll_start() only queues: without a pass before the wait the byte would never be seen. */
Test(uvloop, its_descriptor_ends_our_wait)
{
	struct loop_timer later;
	uv_poll_t poll;

	cr_assert_eq(pipe(fds), 0);
	uv_poll_init(uvloop.uv, &poll, fds[0]);
	uv_poll_start(&poll, UV_READABLE, on_poll);
	cr_assert_eq(loop_timer_init(&later, &loop, write_byte, NULL), 0);
	loop_timer_set(&later, 10 * NS_PER_MS);
	cr_assert_eq(loop_run(&loop), 0);
	cr_assert_eq(poll_n, 1);
	uv_close((uv_handle_t *)&poll, NULL);
	cr_assert_eq(uvloop_drain(&uvloop), 0);
	loop_timer_fini(&later);
	close(fds[0]);
	close(fds[1]);
}

Test(uvloop, drain_does_not_wait_for_ever)
{
	uv_timer_t timer;

	uv_timer_init(uvloop.uv, &timer);
	uv_timer_start(&timer, on_timer, 3600 * 1000, 0);
	cr_assert_eq(uvloop_drain(&uvloop), -ETIMEDOUT);
	uv_close((uv_handle_t *)&timer, NULL);
	cr_assert_eq(uvloop_drain(&uvloop), 0);
}

Test(uvloop, fini_of_what_never_was)
{
	struct uvloop none = { 0 };

	uvloop_fini(&none);
}
