/*
 * Time
 *
 * The two readings can be pinned, so that a test of a rule that waits an hour takes no time. The
 * pinned values are atomics because capture threads stamp their log lines too.
 */

#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_bool simulated;
static _Atomic uint64_t simulated_mono_ns;
static _Atomic int64_t simulated_wall_ms;

static uint64_t read_ns(clockid_t clock)
{
	struct timespec now;

	if (atomic_load_explicit(&simulated, memory_order_acquire))
		return atomic_load(&simulated_mono_ns);
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
	struct timespec now;

	if (atomic_load_explicit(&simulated, memory_order_acquire))
		return atomic_load(&simulated_wall_ms);
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + (int64_t)(now.tv_nsec / (long)NS_PER_MS);
}

int clock_boot(char dst[CLOCK_BOOT_MAX])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC), r = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, dst, CLOCK_BOOT_MAX - 1);
	if (n < 0)
		r = -errno;
	close(fd);
	dst[n > 0 ? n : 0] = '\0';
	dst[strcspn(dst, "\n")] = '\0';
	return r < 0 ? r : dst[0] == '\0' ? -EIO : 0;
}

void clock_simulate(uint64_t mono_ns, int64_t wall_ms)
{
	atomic_store(&simulated_mono_ns, mono_ns);
	atomic_store(&simulated_wall_ms, wall_ms);
	atomic_store_explicit(&simulated, true, memory_order_release);
}

void clock_real(void)
{
	atomic_store_explicit(&simulated, false, memory_order_release);
}

/* Years are cut to what RFC 3339 can write: a target may claim any start time. */
static int64_t split(int64_t wall_ms, struct tm *ret)
{
	static const int64_t first_ms = -62135596800000; /* 0001-01-01T00:00:00.000Z */
	static const int64_t last_ms = 253402300799999; /* 9999-12-31T23:59:59.999Z */
	int64_t clamped = wall_ms < first_ms ? first_ms : wall_ms > last_ms ? last_ms : wall_ms;
	int64_t ms = (clamped % 1000 + 1000) % 1000;
	time_t seconds = (time_t)((clamped - ms) / 1000);

	*ret = (struct tm){ 0 };
	gmtime_r(&seconds, ret);
	return ms;
}

char *clock_format(char dst[CLOCK_TEXT_MAX], int64_t wall_ms)
{
	struct tm tm;
	int64_t ms = split(wall_ms, &tm);
	size_t n = strftime(dst, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);

	snprintf(dst + n, CLOCK_TEXT_MAX - n, ".%03dZ", (int)ms);
	return dst;
}

char *clock_format_stamp(char dst[CLOCK_TEXT_MAX], int64_t wall_ms)
{
	struct tm tm;

	split(wall_ms, &tm);
	if (strftime(dst, CLOCK_TEXT_MAX, "%Y%m%dT%H%M%SZ", &tm) == 0)
		dst[0] = '\0';
	return dst;
}
