/*
 * Simulated time
 *
 * What tells the time and what waits for it is replaced for the whole program: clock_gettime(2),
 * and of the event loop timerfd_settime(2) and epoll_wait(2). libevent arms its one timer before
 * each wait for as long as the nearest of its timers is away.
 */

#include "simulated.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define REPLACED __attribute__((visibility("default")))

static struct {
	bool on, armed;
	uint64_t mono_ns, asleep_ns, wait_ns;
	int64_t wall_ns, off_ns; /* the wall clock where the monotonic one is 0; how it is set */
} sim;

static void tell(struct timespec *now, int64_t ns)
{
	now->tv_sec = ns / (int64_t)NS_PER_S;
	now->tv_nsec = ns % (int64_t)NS_PER_S;
}

REPLACED int clock_gettime(clockid_t id, struct timespec *now)
{
	int64_t mono_ns = (int64_t)sim.mono_ns, boot_ns = mono_ns + (int64_t)sim.asleep_ns;

	if (!sim.on)
		return (int)syscall(SYS_clock_gettime, id, now);
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		tell(now, boot_ns + sim.wall_ns + sim.off_ns);
	else if (id == CLOCK_BOOTTIME)
		tell(now, boot_ns);
	else
		tell(now, mono_ns);
	return 0;
}

REPLACED int timerfd_settime(int fd, int flags, const struct itimerspec *value,
			     struct itimerspec *before)
{
	if (!sim.on)
		return (int)syscall(SYS_timerfd_settime, fd, flags, value, before);
	if (flags != 0)
		abort();
	sim.wait_ns =
		(uint64_t)value->it_value.tv_sec * NS_PER_S + (uint64_t)value->it_value.tv_nsec;
	sim.armed = sim.wait_ns > 0;
	return 0;
}

static void pass(int timeout_ms)
{
	if (sim.armed) {
		sim.mono_ns += sim.wait_ns;
	} else if (timeout_ms > 0) {
		sim.mono_ns += (uint64_t)timeout_ms * (uint64_t)NS_PER_MS;
	} else {
		fprintf(stderr, "nothing is ready and no timer is armed: this wait has no end\n");
		abort();
	}
}

REPLACED int epoll_wait(int fd, struct epoll_event *events, int n, int timeout_ms)
{
	int ready = (int)syscall(SYS_epoll_pwait, fd, events, n, sim.on ? 0 : timeout_ms, NULL, 0);

	if (sim.on && ready == 0 && timeout_ms != 0)
		pass(timeout_ms);
	return ready;
}

void simulated_begin(uint64_t mono_ns, int64_t wall_ms)
{
	sim.mono_ns = mono_ns;
	sim.asleep_ns = 0;
	sim.wall_ns = wall_ms * (int64_t)NS_PER_MS - (int64_t)mono_ns;
	sim.off_ns = 0;
	sim.armed = false;
	sim.on = true;
}

void simulated_end(void)
{
	sim.on = false;
}

void simulated_set_wall(int64_t off_ms)
{
	sim.off_ns = off_ms * (int64_t)NS_PER_MS;
}

void simulated_sleep(uint64_t asleep_ns)
{
	sim.asleep_ns += asleep_ns;
}

uint64_t simulated_real_ns(void)
{
	struct timespec now;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}
