/*
 * Tracking
 *
 * The threads only listen and leave. That a connection has ended before it was told to is the end
 * of its series: whatever comes after it has new ids. Whether an orderly end has reached the target
 * nobody knows, so the words are said again by the target's session, which costs nothing.
 */

#include "capture/tracking.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "capture/job.h"
#include "capture/series.h"
#include "capture/state.h"
#include "capture/step.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"

static struct tracked *tracked_of(struct link *link)
{
	return container_of(link, struct tracked, link);
}

static void leave(struct tracked *tracked)
{
	if (tracked->kept == NULL)
		return;
	tracked->result =
		download_keep(tracked->kept, tracked->cancel_fd, tracked->until_ns, &tracked->err);
	tracked->kept = NULL;
}

static void run(struct pool_job *pool_job)
{
	leave(container_of(pool_job, struct tracked, pool_job));
}

static void tracked_free(struct tracked *tracked)
{
	link_remove(&tracked->link);
	tracked->until_ns = 0;
	leave(tracked);
	if (tracked->cancel_fd >= 0)
		close(tracked->cancel_fd);
	free(tracked);
}

static void tell(struct tracked *tracked)
{
	uint64_t one = 1;

	if (tracked->told)
		return;
	tracked->told = true;
	while (write(tracked->cancel_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

const char *tracking_series(const struct captures *captures, uint64_t target_id)
{
	list_each (link, &captures->tracked) {
		const struct tracked *tracked = tracked_of(link);

		if (tracked->target_id == target_id)
			return tracked->series;
	}
	return NULL;
}

bool tracking_excludes(const struct captures *captures, uint64_t target_id, const char *series)
{
	const char *of = tracking_series(captures, target_id);

	return of != NULL && strcmp(of, series) != 0;
}

unsigned tracking_n(const struct captures *captures)
{
	unsigned n = 0;

	list_each (link, &captures->tracked)
		n++;
	return n;
}

/* ---- ends ---- */

static bool is_captured(const struct captures *captures, uint64_t target_id)
{
	list_each (link, &captures->running) {
		const struct capture *capture = container_of(link, struct capture, link);

		if (capture->target_id == target_id && capture_kind_is_heap(capture->kind) &&
		    capture->job->phase == JOB_DOWNLOAD)
			return true;
	}
	return false;
}

/* The last connection to this target has been left. */
static void settle_target(struct captures *captures, const struct tracked *tracked)
{
	struct target *target = targets_find(captures->targets, tracked->target_id);

	if (!is_captured(captures, tracked->target_id))
		state_set_open(captures, tracked->target, false);
	captures->unsaved = true;
	log_info("capture", "V8 tracks the objects of %s no more: the series %s has ended",
		 tracked->target, tracked->series);
	if (target != NULL && tracked->result != DOWNLOAD_E_EXITING)
		session_settle(&target->session);
}

static void ended(void *owner, struct pool_job *pool_job)
{
	struct captures *captures = owner;
	struct tracked *tracked = container_of(pool_job, struct tracked, pool_job);

	link_remove(&tracked->link);
	if (!tracked->told)
		series_lost(captures, tracked->series,
			    tracked->result == -ETIMEDOUT ? "its time is over" : tracked->err.text);
	tracking_end(captures, tracked->series);
	if (tracking_series(captures, tracked->target_id) == NULL)
		settle_target(captures, tracked);
	tracked_free(tracked);
}

void tracking_end(struct captures *captures, const char *series)
{
	list_each (link, &captures->tracked) {
		if (strcmp(tracked_of(link)->series, series) == 0)
			tell(tracked_of(link));
	}
}

void tracking_lose(struct captures *captures, uint64_t target_id, const char *why)
{
	const char *of = tracking_series(captures, target_id);
	char series[CAPTURE_ID_MAX];

	if (of == NULL)
		return;
	str_copy(series, sizeof(series), of);
	series_lost(captures, series, why);
	tracking_end(captures, series);
}

void tracking_run(struct captures *captures)
{
	list_each (link, &captures->tracked) {
		struct tracked *tracked = tracked_of(link);

		if (tracked->told || targets_find(captures->targets, tracked->target_id) != NULL)
			continue;
		tell(tracked);
		series_lost(captures, tracked->series, "the target is gone");
	}
}

/* ---- the beginning ---- */

static struct tracked *tracked_new(const struct captures *captures, struct capture *capture)
{
	struct tracked *tracked = calloc(1, sizeof(*tracked));

	if (tracked == NULL)
		return NULL;
	link_init(&tracked->link);
	link_init(&tracked->pool_job.link);
	tracked->pool_job.run = run;
	tracked->pool_job.done = ended;
	tracked->target_id = capture->target_id;
	str_copy(tracked->series, sizeof(tracked->series), capture->manifest.series);
	str_copy(tracked->target, sizeof(tracked->target), capture->manifest.target);
	tracked->until_ns = series_until_ns(captures, capture->manifest.series);
	tracked->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	if (tracked->cancel_fd < 0) {
		free(tracked);
		return NULL;
	}
	return tracked;
}

static void give_up(struct captures *captures, struct capture *capture, struct download_kept *kept)
{
	log_error("capture", "%s: no room to keep the ids of objects of %s", capture->manifest.name,
		  capture->manifest.target);
	download_leave(kept);
	series_lost(captures, capture->manifest.series, "there is no room to keep the ids");
}

/* Once a series: it is what somebody looks for who wonders why the program has become slow. */
static void tell_began(const struct captures *captures, const struct capture *capture)
{
	const struct manifest *manifest = &capture->manifest;

	if (tracking_series(captures, capture->target_id) == NULL)
		log_info("capture",
			 "V8 tracks the objects of %s until the series %s ends, for its exact ids: "
			 "meanwhile it allocates several times slower",
			 manifest->target, manifest->series);
}

void tracking_take(struct captures *captures, struct capture *capture)
{
	struct download_kept *kept = atomic_exchange(&capture->job->kept, NULL);
	struct tracked *tracked;
	int r;

	if (kept == NULL)
		return;
	capture->tracked = true;
	tracked = tracked_new(captures, capture);
	if (tracked == NULL) {
		give_up(captures, capture, kept);
		return;
	}
	tracked->kept = kept;
	tell_began(captures, capture);
	list_append(&captures->tracked, &tracked->link);
	r = capture_pool_start(captures->pool, &tracked->pool_job, step_threads(captures));
	if (r == 0)
		return;
	tracked_free(tracked);
	give_up(captures, capture, NULL);
}

void tracking_end_all(struct captures *captures)
{
	list_each (link, &captures->tracked)
		tell(tracked_of(link));
}

void tracking_forget_all(struct captures *captures)
{
	list_each_safe (link, &captures->tracked) {
		state_set_open(captures, tracked_of(link)->target, false);
		tracked_free(tracked_of(link));
	}
}
