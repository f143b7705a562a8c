/*
 * A loop that hangs
 *
 * The kernel's timer goes off when the loop has not set it anew in time. That alone proves nothing:
 * it runs on while the whole process is stopped (SIGSTOP, a frozen cgroup), and then its signal
 * comes before the loop could turn. So the first signal only warns, and the second, for which the
 * process must have had a third of the limit to run in, ends it.
 */

#include "loop/hang.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "util/clock.h"

enum { FEEDS_PER_LIMIT = 4 };

static const char last_words[] = "heapwatchd: the control loop hangs; the process ends, or "
				 "programs that it is attached to could "
				 "not exit\n";

static volatile sig_atomic_t warned;

/* All it calls is safe in a handler. A stderr that is full may be what the loop hangs at. */
static void on_alarm(int signo)
{
	struct pollfd stderr_poll = { .fd = STDERR_FILENO, .events = POLLOUT };

	(void)signo;
	if (!warned) {
		warned = 1;
		return;
	}
	if (poll(&stderr_poll, 1, 0) > 0 &&
	    write(STDERR_FILENO, last_words, sizeof(last_words) - 1) < 0)
		_exit(EXIT_FAILURE);
	abort();
}

static struct timeval timeval_of(uint64_t ns)
{
	return (struct timeval){ .tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_usec = (suseconds_t)(ns % NS_PER_S / 1000) };
}

/* 0 or -errno. limit_ns 0: never. */
static int set_alarm(uint64_t limit_ns)
{
	const struct itimerval value = { .it_value = timeval_of(limit_ns - limit_ns / 3),
					 .it_interval = timeval_of(limit_ns / 3) };

	warned = 0;
	return setitimer(ITIMER_REAL, &value, NULL) < 0 ? -errno : 0;
}

static void feed(void *owner)
{
	struct hang_watch *watch = owner;

	/* Neither can fail with what it was given the first time. */
	set_alarm(watch->limit_ns);
	loop_timer_set(&watch->timer, watch->limit_ns / FEEDS_PER_LIMIT);
}

int hang_watch_init(struct hang_watch *watch, struct loop *loop, uint64_t limit_ns)
{
	/* Without SA_RESTART a warning would end what a thread waits for. */
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	int r;

	*watch = (struct hang_watch){ .limit_ns = limit_ns };
	r = loop_timer_init(&watch->timer, loop, feed, watch);
	if (r < 0)
		return r;
	if (sigemptyset(&action.sa_mask) < 0 || sigaction(SIGALRM, &action, NULL) < 0)
		return -errno;
	r = set_alarm(limit_ns);
	return r < 0 ? r : loop_timer_set(&watch->timer, limit_ns / FEEDS_PER_LIMIT);
}

void hang_watch_last(struct hang_watch *watch, uint64_t limit_ns)
{
	loop_timer_clear(&watch->timer);
	if (watch->limit_ns > 0)
		set_alarm(limit_ns);
}

void hang_watch_fini(struct hang_watch *watch)
{
	if (watch->limit_ns > 0)
		set_alarm(0);
	watch->limit_ns = 0;
	loop_timer_fini(&watch->timer);
}
