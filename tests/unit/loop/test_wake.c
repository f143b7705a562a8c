/* Waking the loop from other threads and from signal handlers. */

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

#include "loop/loop.h"
#include "loop/wake.h"
#include "util/clock.h"

enum { THREADS = 4, WAKES = 10000, PATIENCE_MS = 5000 };

static struct loop loop;
static struct loop_wake wake;
static int calls;
static unsigned posted; /* atomic */

static void on_wake(void *owner)
{
	cr_assert_eq(owner, &calls);
	calls++;
}

static void setup(void)
{
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(loop_wake_init(&wake, &loop, on_wake, &calls), 0);
}

static void teardown(void)
{
	loop_wake_fini(&wake);
	loop_wake_fini(&wake);
	loop_fini(&loop);
}

TestSuite(wake, .init = setup, .fini = teardown, .timeout = 60);

Test(wake, fini_of_what_never_was)
{
	struct loop_wake none = { 0 };

	loop_wake_fini(&none);
}

Test(wake, several_wakes_may_be_one_call)
{
	errno = ENOENT;
	loop_wake_up(&wake);
	loop_wake_up(&wake);
	cr_assert_eq(errno, ENOENT, "a signal handler must not change errno");
	cr_assert_eq(loop_turn(&loop, PATIENCE_MS), 0);
	cr_assert_eq(calls, 1);
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_assert_eq(calls, 1);
}

static void *post(void *arg)
{
	(void)arg;
	for (int i = 0; i < WAKES; i++) {
		__atomic_add_fetch(&posted, 1, __ATOMIC_SEQ_CST);
		loop_wake_up(&wake);
	}
	return NULL;
}

/* What was posted before a wake is seen by a call after it: no wake is lost. */
Test(wake, no_wake_of_a_thread_is_lost)
{
	pthread_t threads[THREADS];
	uint64_t end_ns = clock_mono_ns() + PATIENCE_MS * NS_PER_MS;
	unsigned seen = 0;

	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, post, NULL), 0);
	while (seen < THREADS * WAKES) {
		int before = calls;

		cr_assert_lt(clock_mono_ns(), end_ns, "seen %u", seen);
		cr_assert_eq(loop_turn(&loop, PATIENCE_MS), 0);
		if (calls > before)
			seen = __atomic_load_n(&posted, __ATOMIC_SEQ_CST);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}
