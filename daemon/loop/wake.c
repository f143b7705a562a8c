/*
 * Waking the loop
 *
 * An eventfd counts wakes until the loop reads it: writers never block (a full counter means that
 * the loop has yet to look, so nothing is lost), and any number of wakes costs one callback. What
 * there is to do travels by other means; fn looks for it.
 */

#include "loop/wake.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_readable(void *owner, int fd, unsigned what)
{
	struct loop_wake *wake = owner;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
		wake->fn(wake->owner);
}

int loop_wake_init(struct loop_wake *wake, struct loop *loop, loop_fn *fn, void *owner)
{
	int r;

	*wake = (struct loop_wake){ .fn = fn, .owner = owner };
	wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake->fd < 0)
		return -errno;
	r = loop_fd_init(&wake->io, loop, wake->fd, on_readable, wake);
	if (r < 0)
		return r;
	return loop_fd_want(&wake->io, LOOP_READ);
}

void loop_wake_fini(struct loop_wake *wake)
{
	loop_fd_fini(&wake->io);
	if (wake->fn && wake->fd >= 0)
		close(wake->fd);
	*wake = (struct loop_wake){ .fd = -1 };
}

void loop_wake_up(struct loop_wake *wake)
{
	uint64_t one = 1;
	int saved = errno;

	while (write(wake->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}
