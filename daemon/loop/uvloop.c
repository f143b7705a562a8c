/*
 * libuv inside our loop
 *
 * libuv's whole state can be seen through one descriptor and one number: uv_backend_fd() becomes
 * readable when any of its descriptors does, uv_backend_timeout() says when its next timer is due.
 * So our loop watches the descriptor, and a hook runs one pass of libuv before each wait and bounds
 * the wait by the number. The pass must come before the wait, not after the wake-up:
 * uv_poll_start() only notes a descriptor, the epoll_ctl() happens in the next pass. The callback
 * of the watched descriptor therefore has nothing to do but to end the wait.
 */

#include "loop/uvloop.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "util/clock.h"
#include "util/log.h"

enum { DRAIN_MS = 2000, DRAIN_PAUSE_MS = 1 };

static void on_readable(void *owner, int fd, unsigned what)
{
	(void)owner;
	(void)fd;
	(void)what;
}

static int before_wait(void *owner)
{
	struct uvloop *uvloop = owner;

	uvloop_run(uvloop);
	return uv_backend_timeout(uvloop->uv);
}

int uvloop_init(struct uvloop *uvloop, struct loop *loop)
{
	uv_loop_t *uv;
	int r;

	*uvloop = (struct uvloop){ .loop = loop };
	uv = calloc(1, sizeof(*uv));
	if (!uv)
		return -ENOMEM;
	r = uv_loop_init(uv);
	if (r < 0) {
		free(uv);
		return r;
	}
	uvloop->uv = uv;
	loop_hook_add(loop, &uvloop->hook, before_wait, uvloop);
	r = loop_fd_init(&uvloop->io, loop, uv_backend_fd(uv), on_readable, uvloop);
	if (r < 0)
		return r;
	return loop_fd_want(&uvloop->io, LOOP_READ);
}

void uvloop_run(struct uvloop *uvloop)
{
	uv_run(uvloop->uv, UV_RUN_NOWAIT);
}

/* Counts its own pauses: the clock may be simulated and stand still. */
int uvloop_drain(struct uvloop *uvloop)
{
	const struct timespec pause = { .tv_nsec = DRAIN_PAUSE_MS * (long)NS_PER_MS };

	for (int waited_ms = 0; waited_ms < DRAIN_MS; waited_ms += DRAIN_PAUSE_MS) {
		if (uv_run(uvloop->uv, UV_RUN_NOWAIT) == 0)
			return 0;
		if (uv_backend_timeout(uvloop->uv) != 0)
			nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

struct reap {
	const void *data;
	bool closing;
};

static void reap_one(uv_handle_t *handle, void *arg)
{
	struct reap *reap = arg;

	if (handle->data != reap->data || handle->type != UV_POLL)
		return;
	if (uv_is_closing(handle))
		reap->closing = true;
	else
		uv_close(handle, free_handle);
}

bool uvloop_reap(struct uvloop *uvloop, const void *data)
{
	struct reap reap = { .data = data };

	uv_walk(uvloop->uv, reap_one, &reap);
	return reap.closing;
}

void uvloop_fini(struct uvloop *uvloop)
{
	if (!uvloop->uv)
		return;
	loop_fd_fini(&uvloop->io);
	loop_hook_remove(&uvloop->hook);
	if (uvloop_drain(uvloop) == 0 && uv_loop_close(uvloop->uv) == 0)
		free(uvloop->uv);
	else
		log_warn("loop", "libuv did not come to an end; its memory is given up");
	uvloop->uv = NULL;
}
