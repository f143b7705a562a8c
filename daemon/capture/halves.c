/* The two captures of a tracking. */

#include "capture/halves.h"

#include <string.h>

#include "capture/job.h"
#include "capture/series.h"
#include "capture/step.h"
#include "inspect/download.h"
#include "util/log.h"
#include "watch/target.h"

void halves_lost(struct captures *captures, const struct capture *first, const char *why)
{
	char id[CAPTURE_ID_MAX];
	struct capture *second;
	int r;

	if (captures_find_second(captures, first->id, id))
		return;
	r = request_half(first, &second);
	if (r == 0) {
		step_fail(captures, second, "lost", why);
		return;
	}
	log_error("capture", "the second snapshot of the tracking %s of %s does not come: %s",
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
