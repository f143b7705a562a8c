/* The two captures of a tracking. */

#include "capture/halves.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "capture/guard.h"
#include "capture/job.h"
#include "capture/series.h"
#include "capture/step.h"
#include "inspect/download.h"
#include "loop/wake.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"

int half_init(struct half *half, struct download_kept *kept, struct loop_wake *wake)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = fd < 0 ? -errno : 0;

	*half = (struct half){ .kept = kept, .wake = wake, .answer_fd = fd };
	if (r < 0)
		half_fini(half);
	return r;
}

void half_fini(struct half *half)
{
	download_leave(half->kept);
	if (half->wake != NULL && half->answer_fd >= 0)
		close(half->answer_fd);
	*half = (struct half){ .kept = NULL };
}

/* ---- the capture's thread ---- */

/* Until one of both is readable; 0, -ETIMEDOUT, -errno. */
static int wait_for(struct pollfd fds[2], uint64_t timeout_ns)
{
	uint64_t until_ns = clock_mono_ns() + timeout_ns, now_ns;
	int n = 0;

	while (n == 0 && (now_ns = clock_mono_ns()) < until_ns) {
		uint64_t left_ms = (until_ns - now_ns) / NS_PER_MS + 1;

		n = poll(fds, 2, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX);
		if (n < 0 && errno != EINTR)
			return -errno;
		n = n < 0 ? 0 : n;
	}
	return n == 0 ? -ETIMEDOUT : 0;
}

int half_ask(struct half *half, int cancel_fd, uint64_t timeout_ns, uint64_t heap_bytes,
	     struct err *err)
{
	struct pollfd fds[] = { { .fd = cancel_fd, .events = POLLIN },
				{ .fd = half->answer_fd, .events = POLLIN } };
	int r;

	half->heap_bytes = heap_bytes;
	atomic_store(&half->asks, true);
	loop_wake_up(half->wake);
	r = wait_for(fds, timeout_ns);
	if (r < 0)
		return err_set(err, r, "the guards were not heard: %s", strerror(-r));
	if (fds[0].revents != 0)
		return err_set(err, -ECANCELED, "cancelled");
	if (half->refusal == REFUSAL_NONE)
		return 0;
	return err_set(err, DOWNLOAD_E_REFUSED, "%s", half->err.text);
}

/* ---- the control thread ---- */

void halves_lost(struct captures *captures, const struct capture *first, const char *why)
{
	log_warn("capture", "the second snapshot of the tracking %s of %s does not come: %s",
		 first->id, first->manifest.target, why);
	series_no_verdict(captures, first->manifest.series, why);
}

void halves_take(struct captures *captures, struct capture *first)
{
	const struct target *target = targets_find(captures->targets, first->target_id);
	struct download_kept *kept;
	struct capture *second;
	int r;

	/* Leaving may wait for the program: the capture's thread does it then, with its file. */
	if (target == NULL)
		return;
	kept = atomic_exchange(&first->job->kept, NULL);
	if (kept == NULL)
		return;
	r = request_half(first, &second);
	if (r < 0) {
		download_leave(kept);
		log_error("capture", "%s: nobody can go on with the tracking: %s",
			  first->manifest.name, strerror(-r));
		return;
	}
	begin_half(captures, second, target, kept);
	first->tracked = second->step == CAPTURE_RUNNING;
}

static struct capture *second_of(const struct captures *captures, const struct capture *first)
{
	if (first->kind != CAPTURE_KIND_TRACKING)
		return NULL;
	list_each (link, &captures->running) {
		struct capture *capture = container_of(link, struct capture, link);

		if (capture != first && strcmp(capture->manifest.series, first->id) == 0)
			return capture;
	}
	return NULL;
}

bool halves_under_way(const struct captures *captures, const struct capture *first)
{
	return second_of(captures, first) != NULL;
}

bool halves_cancel(struct captures *captures, const struct capture *first)
{
	struct capture *second = second_of(captures, first);

	if (second == NULL || second->job->phase != JOB_DOWNLOAD)
		return false;
	capture_job_cancel(second->job);
	return true;
}

void halves_answer(struct captures *captures, struct capture *second)
{
	struct half *half = &second->job->half;
	struct target *target = targets_find(captures->targets, second->target_id);
	struct isolate *isolate;
	uint64_t one = 1;

	if (!atomic_exchange(&half->asks, false))
		return;
	isolate = target != NULL ? target_find_isolate(target, second->manifest.isolate) : NULL;
	if (isolate != NULL)
		isolate->heap_seen_bytes = half->heap_bytes;
	half->refusal = guard_judge_half(captures, target, second, &half->err);
	while (write(half->answer_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}
