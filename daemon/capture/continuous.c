/*
 * Continuous profiles
 *
 * A profile that V8 is to keep the dead in grows as long as it lasts, in the target's memory: hence
 * one after the other, each started and stopped, instead of one that is looked at again and again.
 * What a profile says is then also what was allocated in its own time, and needs no subtraction.
 * Between two of them there are some milliseconds of which nothing is known.
 *
 * The end of each makes V8 collect its garbage, and the guards of forced collections hold: where
 * they would refuse one, there is no next profile. Right before the end what protects the target is
 * asked again, for its heap may have outgrown max_heap meanwhile: where it says no, the profile is
 * given up and the connection left, which ends the sampling without a collection.
 *
 * Each has a connection of its own, so that nothing is left on in the target whatever becomes of
 * us.
 */

#include "capture/continuous.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/account.h"
#include "capture/collection.h"
#include "capture/guard.h"
#include "capture/job.h"
#include "capture/step.h"
#include "capture/tracking.h"
#include "inspect/runtime.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "watch/sampling.h"
#include "watch/target.h"

/* One that fails is not tried again before. */
#define RETRY_MAX_NS (60 * NS_PER_S)

/* What forbids one is looked at again, for it may change at any time. */
#define LOOK_NS NS_PER_S

/* A program that cannot say that it waits for us to leave goes when we have left. */
#define REST_NS NS_PER_S

static const char cause[] = "continuous";

struct continuous {
	struct link link;
	uint64_t target_id;
	uint64_t due_ns; /* the next one, if nothing is in its way */
	enum capture_refusal told; /* why there is none; REFUSAL_NONE: there are */
	bool told_interval; /* that gc_interval holds them back */
};

static struct continuous *find(const struct captures *captures, uint64_t target_id)
{
	list_each (link, &captures->continuous) {
		struct continuous *it = container_of(link, struct continuous, link);

		if (it->target_id == target_id)
			return it;
	}
	return NULL;
}

static void forget(struct continuous *it)
{
	link_remove(&it->link);
	free(it);
}

/* Waiting, or not yet back from the target. */
static struct capture *under_way(const struct captures *captures, uint64_t target_id,
				 bool continuous)
{
	const struct link *const lists[] = { &captures->running, &captures->queue };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		list_each (link, lists[i]) {
			struct capture *capture = container_of(link, struct capture, link);

			if (capture->target_id == target_id && capture->of_target &&
			    capture->continuous == continuous &&
			    (capture->job == NULL || capture->job->phase == JOB_DOWNLOAD))
				return capture;
		}
	}
	return NULL;
}

bool continuous_is_there(const struct captures *captures, uint64_t target_id)
{
	const struct capture *capture = under_way(captures, target_id, true);

	return capture != NULL && capture->step == CAPTURE_RUNNING;
}

bool continuous_must_wait(const struct captures *captures, uint64_t target_id)
{
	return under_way(captures, target_id, false) != NULL ||
	       tracking_series(captures, target_id) != NULL;
}

/* Once: the second time it would be cancelled. */
static void end_early(struct captures *captures, struct capture *capture)
{
	if (capture->step == CAPTURE_WAITING) {
		step_fail(captures, capture, "cancelled", "it is no longer wanted");
		return;
	}
	if (!capture->ending)
		capture_job_cancel(capture->job);
	capture->ending = true;
}

void continuous_yield(struct captures *captures, uint64_t target_id)
{
	struct capture *capture = under_way(captures, target_id, true);

	if (capture != NULL && capture->step == CAPTURE_RUNNING)
		end_early(captures, capture);
}

void continuous_polled(struct captures *captures, const struct target *target)
{
	struct continuous *it;

	if (target->spec.poll.profile_interval_ns == 0 || find(captures, target->id) != NULL)
		return;
	it = calloc(1, sizeof(*it));
	if (it == NULL)
		return; /* the next poll tries again */
	it->target_id = target->id;
	list_append(&captures->continuous, &it->link);
	loop_wake_up(&captures->wake);
}

/* ---- what became of one ---- */

void continuous_made(struct captures *captures, const struct capture *capture, uint64_t bytes)
{
	const struct target *target = targets_find(captures->targets, capture->target_id);
	struct continuous *it = find(captures, capture->target_id);
	struct isolate *isolate;

	if (target == NULL || it == NULL)
		return;
	isolate = target_find_isolate(target, capture->manifest.isolate);
	if (isolate != NULL) {
		isolate->profiled = true;
		isolate->profiled_bytes += bytes;
	}
	it->due_ns = clock_mono_ns();
	if (target->session.runtime != NULL && target->session.runtime->per_poll)
		it->due_ns += REST_NS;
	/* Where there are more than may run at once they take turns. */
	link_remove(&it->link);
	list_append(&captures->continuous, &it->link);
}

void continuous_failed(struct captures *captures, const struct capture *capture)
{
	const struct target *target = targets_find(captures->targets, capture->target_id);
	struct continuous *it = find(captures, capture->target_id);
	uint64_t wait_ns = RETRY_MAX_NS;

	if (target == NULL || it == NULL)
		return;
	if (target->spec.poll.profile_interval_ns < wait_ns)
		wait_ns = target->spec.poll.profile_interval_ns;
	it->due_ns = clock_mono_ns() + wait_ns;
}

void continuous_refused(struct captures *captures, const struct capture *capture,
			enum capture_refusal refusal)
{
	struct continuous *it = find(captures, capture->target_id);

	if (it == NULL)
		return;
	it->told = refusal;
	it->due_ns = clock_mono_ns() + LOOK_NS;
}

/* ---- asking for the next one ---- */

/* Told once: it is asked for again and again, and that is one story. */
static void refused(struct captures *captures, struct continuous *it, const struct target *target,
		    const struct capture_request *request, enum capture_refusal refusal,
		    const char *why)
{
	if (refusal == REFUSAL_BUSY || refusal == REFUSAL_QUEUE || refusal == REFUSAL_TARGET ||
	    refusal == it->told)
		return;
	it->told = refusal;
	account_refused(captures, target->spec.name, request, refusal, why);
}

/*
 * What would end too soon after another collection is put off: there are as many as gc_interval
 * lets be, each of the length that is configured. Told once, not between any two of them.
 */
static bool put_off(struct captures *captures, struct continuous *it, const struct target *target,
		    const struct capture_request *request)
{
	struct err why = { .text = "" };

	if (collection_judge_profile(captures, target, request->sampling->duration_ns, &why) ==
	    REFUSAL_NONE)
		return false;
	it->due_ns = clock_mono_ns() + LOOK_NS;
	if (!it->told_interval)
		account_refused(captures, target->spec.name, request, REFUSAL_GC_INTERVAL,
				why.text);
	it->told_interval = true;
	return true;
}

static void ask(struct captures *captures, struct continuous *it, const struct target *target)
{
	const struct isolate *isolate = target_main_isolate(target);
	const struct sampling_settings sampling = {
		.duration_ns = target->spec.poll.profile_interval_ns,
		.interval_bytes = captures->settings->profile_sampling_bytes,
		.stack_depth = SAMPLING_DEPTH_V8,
		.objects = SAMPLING_ALL,
	};
	const struct capture_request request = {
		.target_id = target->id,
		.kind = CAPTURE_KIND_SAMPLING,
		.isolate = isolate != NULL ? isolate->name : "main",
		.cause = cause,
		.sampling = &sampling,
		.continuous = true,
	};
	struct err why = { .text = "" };
	int r;

	if (put_off(captures, it, target, &request))
		return;
	r = request_quietly(captures, &request, NULL, &why);
	if (r == 0) {
		it->told = REFUSAL_NONE;
		return;
	}
	it->due_ns = clock_mono_ns() + LOOK_NS;
	if (r > 0)
		refused(captures, it, target, &request, (enum capture_refusal)r, why.text);
	else
		log_error("capture", "no continuous profile of %s: %s", target->spec.name,
			  strerror(-r));
}

/* True when it was forgotten. */
static bool is_over(struct captures *captures, struct continuous *it, const struct target *target,
		    struct capture *capture)
{
	uint64_t interval_ns = target != NULL ? target->spec.poll.profile_interval_ns : 0;

	if (capture != NULL && capture->samples.duration_ns != interval_ns)
		end_early(captures, capture);
	if (interval_ns > 0)
		return false;
	forget(it);
	return true;
}

void continuous_run(struct captures *captures)
{
	uint64_t now_ns = clock_mono_ns();

	list_each_safe (link, &captures->continuous) {
		struct continuous *it = container_of(link, struct continuous, link);
		const struct target *target = targets_find(captures->targets, it->target_id);
		struct capture *capture = under_way(captures, it->target_id, true);

		if (is_over(captures, it, target, capture))
			continue;
		if (capture == NULL && now_ns >= it->due_ns && target->state == TARGET_UP &&
		    !continuous_must_wait(captures, it->target_id) &&
		    step_has_thread(captures, true))
			ask(captures, it, target);
	}
}

void continuous_forget_all(struct captures *captures)
{
	list_each_safe (link, &captures->continuous)
		forget(container_of(link, struct continuous, link));
}
