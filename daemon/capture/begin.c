/*
 * The beginning of captures
 *
 * Between the request and now the target may have grown, another program may have taken the memory,
 * the quiet hours may have come: the guards judge again, on what the kernel says at this moment and
 * what the target says in a poll made for it, when the last one is not of just now.
 * Two captures at once on one host are two programs that stand still and want several times their
 * heap; hence the limit by host, and one that does not fit beside those that run waits for them,
 * while captures of other hosts may overtake.
 */

#include <errno.h>
#include <string.h>

#include "capture/collection.h"
#include "capture/continuous.h"
#include "capture/guard.h"
#include "capture/halves.h"
#include "capture/job.h"
#include "capture/state.h"
#include "capture/step.h"
#include "capture/tracking.h"
#include "inspect/abandoned.h"
#include "inspect/runtime.h"
#include "util/clock.h"
#include "util/str.h"
#include "watch/target.h"

#define CONNECT_MIN_NS (2 * NS_PER_S)

static bool name_is_taken(const struct captures *captures, const struct capture *self)
{
	list_each (link, &captures->running) {
		const struct capture *other = container_of(link, struct capture, link);

		if (other != self && manifest_clashes(&other->manifest, &self->manifest))
			return true;
	}
	return spool_name_is_taken(captures->spool, &self->manifest);
}

static void set_name(struct captures *captures, struct capture *capture)
{
	/* What a file or another capture was made of has its time already. */
	if (capture->manifest.started_wall_ms == 0) {
		capture->manifest.started_wall_ms = clock_wall_ms();
		capture->started_boot_ns = clock_boot_ns();
	}
	manifest_set_name(&capture->manifest, false);
	if (name_is_taken(captures, capture))
		manifest_set_name(&capture->manifest, true);
}

static int make_job(struct captures *captures, struct capture *capture)
{
	const struct spool_settings *limits = &captures->spool->limits;
	const struct writer_limits writer = {
		.file_max_bytes = captures->settings->file_max_bytes,
		.max_use_bytes = limits->max_use_bytes,
		.keep_free_bytes = limits->keep_free_bytes,
	};

	int r = capture_job_new(&capture->job, captures->spool, &writer, &capture->recipe,
				capture->content, &capture->manifest);

	if (r == 0)
		capture->job->pool_job.done = finish_phase;
	return r;
}

static enum download_task task_of(int kind)
{
	if (kind == CAPTURE_KIND_SAMPLING)
		return DOWNLOAD_TAKE_SAMPLES;
	if (kind == CAPTURE_KIND_TRACKING)
		return DOWNLOAD_TAKE_TRACKING;
	return kind == CAPTURE_KIND_TIMELINE ? DOWNLOAD_TAKE_TIMELINE : DOWNLOAD_TAKE_SNAPSHOT;
}

/* A poll that is given up comes again; a capture does not, and polls may be quick ones. */
static uint64_t connect_time(const struct target *target)
{
	uint64_t timeout_ns = target->spec.poll.timeout_ns;

	return timeout_ns > CONNECT_MIN_NS ? timeout_ns : CONNECT_MIN_NS;
}

/* Of its guards once more, in its middle. */
static bool asks(const struct capture *capture)
{
	return capture->continuous || capture->kind == CAPTURE_KIND_TIMELINE ||
	       (capture->kind == CAPTURE_KIND_TRACKING && capture->manifest.series_index == 2);
}

static int set_target(struct captures *captures, struct capture *capture,
		      const struct target *target)
{
	const struct capture_settings *settings = captures->settings;
	struct download_request request = {
		.runtime = target->session.runtime,
		.task = task_of(capture->kind),
		.samples = capture->samples,
		.timeline = capture->timeline,
		.address = target->session.address,
		.connect_ns = connect_time(target),
		.idle_ns = settings->idle_timeout_ns,
		.total_ns = settings->timeout_ns + capture->samples.duration_ns +
			    capture->timeline.duration_ns,
		.start_ns = settings->start_timeout_ns,
		.scripts = settings->scripts && capture_kind_is_heap(capture->kind),
		.collect_garbage = capture->gc_before,
		.partings = target->session.context->partings,
	};

	const char *path = session_path(&target->session, capture->manifest.isolate);

	/* There is none where the connection is there already. */
	str_copy(request.path, sizeof(request.path), path != NULL ? path : "");
	str_copy(request.isolate, sizeof(request.isolate), capture->manifest.isolate);
	str_copy(request.engine_version, sizeof(request.engine_version),
		 capture->manifest.engine_version);
	if (request.runtime->page_programs != NULL && address_is_local(&request.address))
		pages_note(&capture->job->pages, target->identity.pid,
			   request.runtime->page_programs);
	capture->job->peek.wake = &captures->wake;
	capture->job->target_start = target_start(target);
	capture->job->keeps_ids = capture->keeps_ids;
	capture->job->hold = captures->on_hold;
	if (asks(capture)) {
		int r = question_init(&capture->job->question, &captures->wake);

		if (r < 0)
			return r;
	}
	return capture_job_from_target(capture->job, &request, capture->formats);
}

static int set_source(struct captures *captures, struct capture *capture,
		      const struct target *target)
{
	if (capture->text != NULL) {
		capture_job_from_text(capture->job, capture->text, capture->text_size);
		capture->text = NULL;
		return 0;
	}
	if (capture->file_fd >= 0) {
		capture_job_from_file(capture->job, capture->file_fd);
		capture->file_fd = -1;
		return 0;
	}
	return set_target(captures, capture, target);
}

/* What must be on the disk before the target is asked for anything. */
static int note_state(struct captures *captures, struct capture *capture,
		      const struct target *target)
{
	struct capture_job *job = capture->job;

	/* Sampling ends with its connection, but for where that lingers; of a second half it is
	 * noted. */
	if (captures->state == NULL || job->first_kept != NULL ||
	    (!capture_kind_is_heap(capture->kind) && !target->session.runtime->lingers))
		return 0;
	state_set_open(captures, capture->manifest.target, true);
	job->state = captures->state;
	return state_text(captures, &job->state_text, &job->state_size, &job->state_serial);
}

static int prepare(struct captures *captures, struct capture *capture, const struct target *target)
{
	int r;

	set_name(captures, capture);
	r = make_job(captures, capture);
	return r == 0 ? set_source(captures, capture, target) : r;
}

/* r: of its preparation. */
static void start(struct captures *captures, struct capture *capture, const struct target *target,
		  int r)
{
	if (r == 0 && target != NULL)
		r = note_state(captures, capture, target);
	finish_hold(captures, capture, true);
	if (r == 0)
		r = capture_pool_submit(captures->pool, &capture->job->pool_job,
					step_threads(captures) + step_is_sampling(capture));
	if (r < 0) {
		finish_hold(captures, capture, false);
		if (target != NULL)
			state_set_open(captures, capture->manifest.target, false);
		capture->failure = r;
		step_fail(captures, capture, "error", strerror(-r));
		return;
	}
	step_enter(captures, capture, CAPTURE_RUNNING);
}

void begin_half(struct captures *captures, struct capture *capture, const struct target *target,
		struct download_kept *kept)
{
	int r = prepare(captures, capture, target);

	if (capture->job != NULL)
		capture->job->first_kept = kept;
	else
		download_leave(kept);
	start(captures, capture, target, r);
}

/* Or has it polled first, and stays in the queue until that poll is over. */
static void begin_of_target(struct captures *captures, struct capture *capture)
{
	struct target *target = targets_find(captures->targets, capture->target_id);
	struct manifest *manifest = &capture->manifest;
	enum capture_refusal refusal;
	struct err why = { 0 };

	if (target != NULL && target->state == TARGET_UP && guard_awaits_poll(target))
		return;
	if (target == NULL || target->state != TARGET_UP ||
	    session_path(&target->session, manifest->isolate) == NULL) {
		step_fail(captures, capture, "target",
			  target == NULL               ? "the target is gone"
			  : target->state != TARGET_UP ? "the target is no longer up"
						       : "the isolate is no longer there");
		return;
	}
	if (content_of(capture->kind, target->session.runtime) != capture->content) {
		step_fail(captures, capture, "target", "the target is another program now");
		return;
	}
	refusal = guard_judge_again(captures, target, capture, &why);
	if (refusal != REFUSAL_NONE) {
		step_refuse(captures, capture, refusal, why.text);
		return;
	}
	describe_target(manifest, target);
	start(captures, capture, target, prepare(captures, capture, target));
	if (capture->step == CAPTURE_RUNNING)
		finish_watch(captures, capture);
}

/* ---- which ---- */

static bool same_host(const struct captures *captures, const struct capture *a,
		      const struct capture *b)
{
	const struct target *one = targets_find(captures->targets, a->target_id);
	const struct target *two = targets_find(captures->targets, b->target_id);

	return one != NULL && two != NULL && target_same_host(one, two);
}

static bool fits_beside_others(const struct captures *captures, const struct capture *capture)
{
	const struct target *target = targets_find(captures->targets, capture->target_id);

	return target == NULL || safety_fits_beside(captures, target, capture);
}

/*
 * The poll under way is waited for where what it will tell is to be judged, and where nobody polls
 * meanwhile, for it is not cut off for the capture.
 */
static bool is_being_polled(const struct captures *captures, const struct capture *capture)
{
	const struct target *target = targets_find(captures->targets, capture->target_id);

	return target != NULL && target->polling &&
	       (guard_is_stale(target) || target_rests_for_captures(target));
}

/* A daemon before us was killed in a snapshot of it, which is still coming. */
static bool is_heard_out(const struct captures *captures, const struct capture *capture)
{
	const struct target *target = targets_find(captures->targets, capture->target_id);

	return captures->abandoned != NULL && target != NULL &&
	       abandoned_has(captures->abandoned, &target->session.address);
}

/* What it waits for is there and has not ended, the second of a tracking included. How it ends does
 * not matter. */
static bool waits_for_another(const struct captures *captures, const struct capture *capture)
{
	const struct capture *other =
		capture->after[0] != '\0' ? captures_find(captures, capture->after) : NULL;

	return other != NULL && (other->step == CAPTURE_WAITING || other->step == CAPTURE_RUNNING ||
				 halves_under_way(captures, other));
}

/* A few kilobytes that are there already: nobody is asked for them. */
static bool is_at_hand(const struct capture *capture)
{
	return !capture->of_target && capture->adopted == NULL;
}

static bool may_begin(const struct captures *captures, const struct capture *capture)
{
	const struct capture_settings *settings = captures->settings;
	uint64_t all = 0, host = 0;

	if (capture->awaits || waits_for_another(captures, capture))
		return false;
	if (is_at_hand(capture))
		return true;
	if (capture->of_target &&
	    (is_heard_out(captures, capture) || is_being_polled(captures, capture) ||
	     collection_precedes(captures, capture)))
		return false;
	if (capture->of_target &&
	    (continuous_is_there(captures, capture->target_id) ||
	     tracking_excludes(captures, capture->target_id, capture->manifest.series)))
		return false;
	/* It was there first, but whoever came since would wait for it. */
	if (capture->continuous && continuous_must_wait(captures, capture->target_id))
		return false;
	if (step_is_sampling(capture))
		return step_has_thread(captures, capture->continuous);
	list_each (link, &captures->running) {
		const struct capture *other = container_of(link, struct capture, link);

		if (is_at_hand(other) || step_is_sampling(other))
			continue;
		all++;
		host += other->of_target && same_host(captures, capture, other);
	}
	if (all >= settings->threads)
		return false;
	if (!capture->of_target)
		return true;
	return (settings->per_host == 0 || host < settings->per_host) &&
	       fits_beside_others(captures, capture);
}

/*
 * It was up when it was asked for. On a busy machine a program misses a poll now and then and
 * answers the next one; a program that has not begun is given as much time once its capture is
 * under way.
 */
static bool waits_for_target(const struct captures *captures, struct capture *capture)
{
	const struct target *target = targets_find(captures->targets, capture->target_id);
	uint64_t now_ns = clock_mono_ns();

	if (!capture->of_target || capture->continuous || target == NULL ||
	    !target_stands_still(target))
		return false;
	if (capture->still_since_ns == 0)
		capture->still_since_ns = now_ns;
	return now_ns - capture->still_since_ns < captures->settings->start_timeout_ns;
}

static struct capture *next_to_begin(const struct captures *captures)
{
	list_each (link, &captures->queue) {
		struct capture *capture = container_of(link, struct capture, link);

		if (may_begin(captures, capture) && !waits_for_target(captures, capture))
			return capture;
	}
	return NULL;
}

void begin_all(struct captures *captures)
{
	struct capture *capture;

	while ((capture = next_to_begin(captures)) != NULL) {
		if (capture->of_target)
			begin_of_target(captures, capture);
		else
			start(captures, capture, NULL, prepare(captures, capture, NULL));
	}
}
