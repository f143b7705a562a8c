/*
 * What comes back from the threads
 *
 * First the download, whole and synced: the control thread adds to its manifest what only it has
 * seen, how long the target stood still and how large it grew. Then the publication, after which
 * the capture is in the spool, and vacuum may make room for the next one.
 */

#include <errno.h>
#include <string.h>

#include "capture/continuous.h"
#include "capture/halves.h"
#include "capture/job.h"
#include "capture/series.h"
#include "capture/state.h"
#include "capture/step.h"
#include "capture/tracking.h"
#include "inspect/runtime.h"
#include "spool/vacuum.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"

void finish_hold(struct captures *captures, const struct capture *capture, bool on)
{
	struct target *target = targets_find(captures->targets, capture->target_id);

	if (target == NULL || !capture->of_target || target->capturing == on)
		return;
	/* Sampling stops nothing, but is a client: of one that bears no other nobody polls. */
	if (capture_kind_is_heap(capture->kind) ||
	    (target->session.runtime != NULL && target->session.runtime->alone))
		target_set_capturing(target, on);
}

/* The process may not be ours to see; then its size stays unknown. */
static void watch_resident(struct captures *captures, struct capture *capture)
{
	const struct target *target = targets_find(captures->targets, capture->target_id);
	struct manifest *manifest = &capture->manifest;
	struct process_stats stats;

	if (capture->job->source != JOB_FROM_TARGET || target == NULL ||
	    !target_see_isolate_process(target, manifest->isolate, &stats))
		return;
	if (manifest->resident_before_bytes == 0)
		manifest->resident_before_bytes = stats.resident_bytes;
	if (stats.resident_bytes > manifest->resident_peak_bytes)
		manifest->resident_peak_bytes = stats.resident_bytes;
}

void finish_watch(struct captures *captures, struct capture *capture)
{
	if (capture->job->phase != JOB_DOWNLOAD)
		return;
	capture->bytes = atomic_load_explicit(&capture->job->bytes, memory_order_relaxed);
	watch_resident(captures, capture);
}

static struct capture *capture_with(const struct captures *captures, const struct capture_job *job)
{
	list_each (link, &captures->running) {
		struct capture *capture = container_of(link, struct capture, link);

		if (capture->job == job)
			return capture;
	}
	return NULL;
}

void finish_kept(struct captures *captures, struct capture *capture)
{
	if (capture->kind == CAPTURE_KIND_TRACKING)
		halves_take(captures, capture);
	else
		tracking_take(captures, capture);
}

static void lost(struct captures *captures, const struct capture *capture, const char *why)
{
	if (capture->kind == CAPTURE_KIND_TRACKING)
		halves_lost(captures, capture, why);
	else
		series_lost(captures, capture->manifest.series, why);
}

/* The second half of a tracking has the target now. */
static bool is_gone_on_with(const struct capture *capture)
{
	return capture->kind == CAPTURE_KIND_TRACKING && capture->tracked;
}

/* It was noted where sampling may linger. */
static void leave_sampled(struct captures *captures, const struct capture *capture,
			  struct target *target)
{
	if (capture->job->state == NULL)
		return;
	state_set_open(captures, capture->manifest.target, false);
	captures->unsaved = true;
	if (capture->job->result != 0 && target != NULL)
		session_settle(&target->session);
}

/* The target has been left. Whether our last words reached it, only its next session can say. */
static void leave_target(struct captures *captures, struct capture *capture)
{
	struct target *target = targets_find(captures->targets, capture->target_id);

	if (capture->job->source != JOB_FROM_TARGET)
		return;
	finish_kept(captures, capture);
	if (is_gone_on_with(capture))
		return;
	finish_hold(captures, capture, false);
	if (target != NULL && capture->job->stats.taken)
		session_taken(&target->session, capture->manifest.isolate);
	if (target != NULL && capture->job->stats.collected)
		target->gc_forced_ns = clock_mono_ns();
	if (!capture_kind_is_heap(capture->kind)) {
		leave_sampled(captures, capture, target);
		return;
	}
	if (capture->keeps_ids && !capture->tracked && capture->job->result == 0)
		lost(captures, capture, "the connection has ended");
	if (!capture->tracked || capture->job->result != 0)
		tracking_end(captures, capture->manifest.series);
	if (tracking_series(captures, capture->target_id) != NULL)
		return;
	if (captures->state != NULL)
		state_set_open(captures, capture->manifest.target, false);
	captures->unsaved = true;
	if (capture->job->result != 0 && target != NULL)
		session_settle(&target->session);
}

/* It is told in the journal only, for the first is there. */
static void second(struct captures *captures, const struct capture *capture)
{
	char *text = capture->job->second;
	int r;

	if (text == NULL)
		return;
	capture->job->second = NULL;
	r = request_second(captures, capture, text, capture->job->second_size);
	if (r < 0)
		log_error("capture", "%s cannot be kept as pprof: %s", capture->manifest.name,
			  strerror(-r));
}

static void made(struct captures *captures, struct capture *capture)
{
	struct manifest *manifest = &capture->job->entry->manifest;
	const struct target *target = targets_find(captures->targets, capture->target_id);
	int r;

	finish_watch(captures, capture);
	if (target != NULL && target->capture_pause_ns > manifest->pause_ns &&
	    capture->job->source == JOB_FROM_TARGET && capture_kind_is_heap(capture->kind))
		manifest->pause_ns = target->capture_pause_ns;
	manifest->resident_before_bytes = capture->manifest.resident_before_bytes;
	manifest->resident_peak_bytes = capture->manifest.resident_peak_bytes;
	leave_target(captures, capture);
	capture->manifest = *manifest;
	second(captures, capture);
	if (capture->continuous)
		continuous_made(captures, capture, capture->job->profiled_bytes);
	capture->job->phase = JOB_PUBLISH;
	r = capture_pool_submit(captures->pool, &capture->job->pool_job, step_threads(captures));
	if (r < 0) {
		capture->failure = r;
		step_fail(captures, capture, "error", strerror(-r));
	}
}

static void failed(struct captures *captures, struct capture *capture)
{
	const struct capture_job *job = capture->job;

	if (job->phase == JOB_DOWNLOAD) {
		capture->bytes = atomic_load(&job->bytes);
		leave_target(captures, capture);
	}
	if (is_gone_on_with(capture))
		halves_cancel(captures, capture);
	if (job->result == DOWNLOAD_E_REFUSED && job->question.refusal != REFUSAL_NONE)
		step_refuse(captures, capture, job->question.refusal, job->err.text);
	else
		step_fail(captures, capture, job->reason, job->err.text);
}

/* Diagnostics are no reason to delete the snapshot of yesterday while that of today is coming. */
static bool may_vacuum(const struct captures *captures, const struct capture *capture)
{
	return capture->kind != CAPTURE_KIND_DIAGNOSTICS ||
	       (captures->queue_n == 0 && captures->running_n == 1);
}

static void make_room(struct captures *captures, const struct capture *capture)
{
	struct vacuum_result result = { 0 };
	/* Nor is a profile, of which there are many, to make room for one more. */
	uint64_t room = capture->continuous ? 0 : manifest_disk_bytes(&capture->manifest);
	int r;

	if (!may_vacuum(captures, capture))
		return;
	r = vacuum_run(captures->spool, &captures->spool->limits, room, &result);
	if (r < 0)
		log_error("spool", "cannot delete what is over the limits: %s", strerror(-r));
}

static void published(struct captures *captures, struct capture *capture)
{
	capture->unsure = capture->job->unsure;
	capture->job->entry->started_boot_ns = capture->started_boot_ns;
	spool_add(captures->spool, capture->job->entry);
	capture->job->entry = NULL;
	make_room(captures, capture);
	step_succeed(captures, capture);
}

void finish_phase(void *owner, struct pool_job *pool_job)
{
	struct captures *captures = owner;
	struct capture_job *job = container_of(pool_job, struct capture_job, pool_job);
	struct capture *capture = capture_with(captures, job);

	peek_take(captures, capture, true);
	if (job->result != 0)
		failed(captures, capture);
	else if (job->phase == JOB_DOWNLOAD)
		made(captures, capture);
	else
		published(captures, capture);
}
