/*
 * A loop that hangs
 *
 * The thread sleeps a slice of the limit at a time and counts those in which the loop did not turn.
 * It counts slices, not time: when the process was stopped (SIGSTOP, a frozen cgroup), the thread
 * was as well, and the loop gets all but one of its slices after that.
 *
 * Sockets are shut before the end: a thread that is stuck in the kernel, as at a disk that does not
 * answer, keeps the descriptors of a process that has been killed open.
 */

#include "loop/hang.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/thread.h"

enum { SLICES = 8, DESCRIPTORS_MAX = 1 << 20 };

static const char last_words[] = "heapwatchd: the control loop hangs; the process ends, or "
				 "programs that it is attached to could "
				 "not exit\n";

static void shut_sockets(void)
{
	struct rlimit limit;
	int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_MAX
			  ? (int)limit.rlim_cur
			  : DESCRIPTORS_MAX;

	/* Of what is no socket it does nothing. */
	for (int fd = STDERR_FILENO + 1; fd < end; fd++)
		shutdown(fd, SHUT_RDWR);
}

/* A stderr that nobody reads may be what the loop hangs at. */
static _Noreturn void end_process(void)
{
	struct pollfd stderr_poll = { .fd = STDERR_FILENO, .events = POLLOUT };

	shut_sockets();
	if (poll(&stderr_poll, 1, 0) > 0 &&
	    write(STDERR_FILENO, last_words, sizeof(last_words) - 1) < 0)
		_exit(EXIT_FAILURE);
	abort();
}

static void *watch_loop(void *owner)
{
	struct hang_watch *watch = owner;
	struct pollfd stop = { .fd = watch->stop_fd, .events = POLLIN };
	unsigned seen = atomic_load(&watch->turns), slices = 0;

	for (;;) {
		int n = poll(&stop, 1, watch->slice_ms);
		unsigned turns = atomic_load(&watch->turns);

		if (n > 0)
			return NULL;
		if (n < 0)
			continue;
		slices = turns == seen ? slices + 1 : 0;
		seen = turns;
		if (slices >= atomic_load(&watch->slices_max))
			end_process();
	}
}

/* Two turns a slice, also of a loop that has nothing to do. */
static int on_turn(void *owner)
{
	struct hang_watch *watch = owner;

	atomic_fetch_add(&watch->turns, 1);
	return watch->slice_ms / 2;
}

int hang_watch_init(struct hang_watch *watch, struct loop *loop, uint64_t limit_ns)
{
	int r;

	memset(watch, 0, sizeof(*watch));
	watch->slice_ms = (int)(limit_ns / SLICES / NS_PER_MS);
	atomic_store(&watch->slices_max, SLICES);
	watch->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (watch->stop_fd < 0)
		return -errno;
	r = thread_start(&watch->thread, NULL, watch_loop, watch);
	watch->running = r == 0;
	if (r < 0) {
		close(watch->stop_fd);
		return r;
	}
	loop_hook_add(loop, &watch->hook, on_turn, watch);
	return 0;
}

void hang_watch_last(struct hang_watch *watch, uint64_t limit_ns)
{
	if (!watch->running)
		return;
	atomic_store(&watch->slices_max,
		     (unsigned)(limit_ns / NS_PER_MS / (unsigned)watch->slice_ms));
	atomic_fetch_add(&watch->turns, 1);
}

void hang_watch_fini(struct hang_watch *watch)
{
	if (!watch->running)
		return;
	loop_hook_remove(&watch->hook);
	eventfd_write(watch->stop_fd, 1);
	pthread_join(watch->thread, NULL);
	close(watch->stop_fd);
	watch->running = false;
}
