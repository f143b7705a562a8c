/*
 * A wall clock that is off, preloaded into a real program: by CLOCK_OFF_SECONDS of its environment,
 * or by as many milliseconds as the file CLOCK_OFF_FILE holds at the moment, eight bytes of this
 * machine's order. No other clock is touched, and no time stamp of a file.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REPLACED __attribute__((visibility("default")))

static int64_t fixed_ms;
static const int64_t *off_ms = &fixed_ms;

/* Without a word in what is printed: it may be compared. */
__attribute__((constructor)) static void take_environment(void)
{
	const char *text = getenv("CLOCK_OFF_SECONDS"), *path = getenv("CLOCK_OFF_FILE");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *shared = MAP_FAILED;

	fixed_ms = text != NULL ? strtoll(text, NULL, 10) * 1000 : 0;
	if (fd >= 0) {
		shared = mmap(NULL, sizeof(*off_ms), PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (shared != MAP_FAILED)
		off_ms = shared;
	else if (path != NULL)
		abort();
}

static void set_off(struct timespec *now)
{
	int64_t off = __atomic_load_n(off_ms, __ATOMIC_RELAXED);
	int64_t ns = now->tv_nsec + off % 1000 * 1000000;

	now->tv_sec += off / 1000;
	if (ns < 0) {
		now->tv_sec--;
		ns += 1000000000;
	} else if (ns >= 1000000000) {
		now->tv_sec++;
		ns -= 1000000000;
	}
	now->tv_nsec = ns;
}

REPLACED int clock_gettime(clockid_t id, struct timespec *now)
{
	int r = (int)syscall(SYS_clock_gettime, id, now);

	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		set_off(now);
	return r;
}

REPLACED int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*tv = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
	return 0;
}

REPLACED time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret != NULL)
		*ret = now.tv_sec;
	return now.tv_sec;
}
