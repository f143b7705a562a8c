/*
 * Captures
 *
 * A capture is on one of three lists, by its step: waiting in the queue, running, ended. All of
 * this is the control thread's; a running capture has a job, which is a thread's until it comes
 * back. The wake of the loop is the only motor: it takes back what the threads have done and starts
 * what waits. A new request pulls it too, so that nothing starts, ends or calls back while the
 * caller of captures_request() is still on the stack.
 *
 * The target is looked up by its id whenever it is needed and may be gone; a capture that runs goes
 * on without it.
 */

#include "capture/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/account.h"
#include "capture/collection.h"
#include "capture/continuous.h"
#include "capture/guard.h"
#include "capture/halves.h"
#include "capture/job.h"
#include "capture/kept.h"
#include "capture/leftover.h"
#include "capture/question.h"
#include "capture/series.h"
#include "capture/state.h"
#include "capture/step.h"
#include "capture/tracking.h"
#include "inspect/runtime.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/rand.h"
#include "util/str.h"
#include "watch/target.h"

enum { ENDED_MAX = 32 }; /* remembered for the API and the page */

#define TICK_NS NS_PER_S

static const char *const refusal_names[] = {
	[REFUSAL_NONE] = "none",
	[REFUSAL_BUSY] = "busy",
	[REFUSAL_QUEUE] = "queue",
	[REFUSAL_COOLDOWN] = "cooldown",
	[REFUSAL_MAX_CAPTURES] = "max_captures",
	[REFUSAL_REARM] = "rearm",
	[REFUSAL_QUIET_HOURS] = "quiet_hours",
	[REFUSAL_MIN_UPTIME] = "min_uptime",
	[REFUSAL_MAX_HEAP] = "max_heap",
	[REFUSAL_MAX_CPU] = "max_cpu",
	[REFUSAL_HEADROOM] = "headroom",
	[REFUSAL_GC_INTERVAL] = "gc_interval",
	[REFUSAL_SPACE] = "space",
	[REFUSAL_TARGET] = "target",
	[REFUSAL_UNSUPPORTED] = "unsupported",
	[REFUSAL_DRY_RUN] = "dry_run",
};
_Static_assert(sizeof(refusal_names) / sizeof(refusal_names[0]) == REFUSALS, "a name each");

static const char *const step_names[] = {
	[CAPTURE_WAITING] = "waiting",
	[CAPTURE_RUNNING] = "running",
	[CAPTURE_SUCCEEDED] = "succeeded",
	[CAPTURE_FAILED] = "failed",
};

static const char *const kind_names[] = {
	[CAPTURE_KIND_SNAPSHOT] = "snapshot",
	[CAPTURE_KIND_DIAGNOSTICS] = "diagnostics",
	[CAPTURE_KIND_PROFILE] = "profile",
	[CAPTURE_KIND_SAMPLING] = "sampling",
	[CAPTURE_KIND_TIMELINE] = "timeline",
	[CAPTURE_KIND_TRACKING] = "tracking",
	[CAPTURE_KIND_GC] = "gc",
};

const char *capture_refusal_name(enum capture_refusal refusal)
{
	return refusal_names[refusal];
}

const char *capture_step_name(enum capture_step step)
{
	return step_names[step];
}

const char *capture_kind_name(int kind)
{
	return kind_names[kind];
}

bool capture_kind_is_heap(int kind)
{
	return kind == CAPTURE_KIND_SNAPSHOT || kind == CAPTURE_KIND_TIMELINE ||
	       kind == CAPTURE_KIND_TRACKING;
}

/* ---- one capture ---- */

int capture_new(struct capture **ret)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int r;

	if (capture == NULL)
		return -ENOMEM;
	link_init(&capture->link);
	capture->file_fd = -1;
	capture->requested_ns = clock_mono_ns();
	r = rand_hex(capture->id, (CAPTURE_ID_MAX - 1) / 2);
	if (r < 0) {
		capture_free(capture);
		return r;
	}
	str_copy(capture->manifest.id, sizeof(capture->manifest.id), capture->id);
	*ret = capture;
	return 0;
}

void capture_free(struct capture *capture)
{
	link_remove(&capture->link);
	capture_job_free(capture->job);
	if (capture->file_fd >= 0)
		close(capture->file_fd);
	free(capture->text);
	recipe_fini(&capture->recipe);
	free(capture);
}

/* ---- steps ---- */

bool step_is_sampling(const struct capture *capture)
{
	return capture->kind == CAPTURE_KIND_SAMPLING && capture->of_target;
}

unsigned step_samplings_running(const struct captures *captures)
{
	unsigned n = 0;

	list_each (link, &captures->running)
		n += step_is_sampling(container_of(link, struct capture, link));
	return n;
}

bool step_has_thread(const struct captures *captures, bool continuous)
{
	unsigned n = 0;

	list_each (link, &captures->running) {
		const struct capture *capture = container_of(link, struct capture, link);

		n += step_is_sampling(capture) && capture->continuous == continuous;
	}
	return n < (continuous ? POOL_THREADS_CONTINUOUS : POOL_THREADS_SAMPLING);
}

uint64_t step_threads(const struct captures *captures)
{
	return captures->settings->threads + POOL_THREADS_SPARE + step_samplings_running(captures) +
	       tracking_n(captures);
}

void step_enter(struct captures *captures, struct capture *capture, enum capture_step step)
{
	if (!list_empty(&capture->link)) {
		link_remove(&capture->link);
		if (capture->step == CAPTURE_WAITING)
			captures->queue_n--;
		else if (capture->step == CAPTURE_RUNNING)
			captures->running_n--;
		else
			captures->ended_n--;
	}
	capture->step = step;
	if (step == CAPTURE_WAITING) {
		list_append(&captures->queue, &capture->link);
		captures->queue_n++;
	} else if (step == CAPTURE_RUNNING) {
		list_append(&captures->running, &capture->link);
		captures->running_n++;
	} else {
		list_append(&captures->ended, &capture->link);
		captures->ended_n++;
	}
}

static void end(struct captures *captures, struct capture *capture, enum capture_step step)
{
	capture_job_free(capture->job);
	capture->job = NULL;
	step_enter(captures, capture, step);
	series_ended(captures, capture);
	if (capture->adopted != NULL)
		capture->adopted(capture->adopted_owner, capture);
	if (captures->on_done != NULL)
		captures->on_done(captures->owner, capture);
	while (captures->ended_n > ENDED_MAX) {
		capture_free(container_of(captures->ended.next, struct capture, link));
		captures->ended_n--;
	}
	captures->unsaved = true;
}

void step_succeed(struct captures *captures, struct capture *capture)
{
	account_succeeded(captures, capture);
	end(captures, capture, CAPTURE_SUCCEEDED);
	/* Nobody waits for it, and it would push out those that somebody does. */
	if (capture->continuous) {
		captures->ended_n--;
		capture_free(capture);
	}
}

static void explain(struct capture *capture, const char *reason, const char *text)
{
	str_copy(capture->reason, sizeof(capture->reason), reason);
	str_copy(capture->error, sizeof(capture->error), text);
}

/* A series counts as one, and by its first; a second format was not counted by itself. */
static void forget(struct captures *captures, const struct capture *capture)
{
	const struct manifest *manifest = &capture->manifest;
	bool second = capture->kind == CAPTURE_KIND_SAMPLING && !capture->of_target;

	if (manifest->series_index <= 1 && !second)
		guard_forget(captures, manifest->target, manifest->rule, manifest->rule_step,
			     capture->kind);
}

void step_fail(struct captures *captures, struct capture *capture, const char *reason,
	       const char *text)
{
	capture->stopped = capture->job != NULL && capture->job->stopped;
	if (capture->job != NULL && capture->job->result < 0)
		capture->failure = capture->job->result;
	explain(capture, reason, text);
	/*
	 * What gave no byte left nothing to look at: the rule may try again. Not so when a person
	 * said no, nor when the target may have stood still for it: most of that time no byte
	 * comes, and it is then that a snapshot takes the memory of which a program dies.
	 */
	if (capture->bytes == 0 && !capture->stopped && strcmp(reason, "cancelled") != 0)
		forget(captures, capture);
	account_failed(captures, capture);
	if (capture->continuous)
		continuous_failed(captures, capture);
	end(captures, capture, CAPTURE_FAILED);
}

void step_refuse(struct captures *captures, struct capture *capture, enum capture_refusal refusal,
		 const char *text)
{
	const struct manifest *manifest = &capture->manifest;
	const struct capture_request request = {
		.target_id = capture->target_id,
		.kind = capture->kind,
		.isolate = manifest->isolate,
		.rule = manifest->rule[0] != '\0' ? manifest->rule : NULL,
		.step = manifest->rule_step,
		.requested_by = manifest->requested_by,
		.cause = manifest->cause,
	};

	explain(capture, capture_refusal_name(refusal), text);
	capture->refused = true;
	forget(captures, capture);
	account_refused(captures, manifest->target, &request, refusal, text);
	if (capture->continuous)
		continuous_refused(captures, capture, refusal);
	end(captures, capture, CAPTURE_FAILED);
}

/* ---- the motor ---- */

static void set_tick(struct captures *captures)
{
	uint64_t wait_ns;

	tracking_run(captures);
	wait_ns = series_tick(captures, clock_mono_ns());
	if (!list_empty(&captures->tracked) || captures->running_n > 0 || captures->queue_n > 0 ||
	    !list_empty(&captures->continuous))
		wait_ns = TICK_NS;
	if (wait_ns == UINT64_MAX)
		loop_timer_clear(&captures->tick);
	else
		loop_timer_set(&captures->tick, wait_ns < TICK_NS ? TICK_NS : wait_ns);
}

static void on_wake(void *owner)
{
	struct captures *captures = owner;
	struct pool_job *done;

	list_each (link, &captures->running) {
		peek_take(captures, container_of(link, struct capture, link), false);
		finish_kept(captures, container_of(link, struct capture, link));
		question_answer(captures, container_of(link, struct capture, link));
	}
	while ((done = capture_pool_take(captures->pool)) != NULL)
		done->done(captures, done);
	continuous_run(captures);
	begin_all(captures);
	collection_begin_all(captures);
	save_soon(captures);
	/* One that waits for a series may be hours away. */
	if (!captures->tick.armed || captures->tick.due_ns > captures->loop->now_ns + TICK_NS)
		set_tick(captures);
}

static void on_tick(void *owner)
{
	struct captures *captures = owner;

	list_each (link, &captures->running)
		finish_watch(captures, container_of(link, struct capture, link));
	begin_all(captures); /* what one waited for may be gone without a word */
	collection_begin_all(captures);
	continuous_run(captures);
	set_tick(captures);
	save_soon(captures);
}

/* ---- looking and cancelling ---- */

static struct capture *find_in(const struct link *list, const char *id)
{
	list_each (link, list) {
		struct capture *capture = container_of(link, struct capture, link);

		if (strcmp(capture->id, id) == 0)
			return capture;
	}
	return NULL;
}

static struct capture *find(const struct captures *captures, const char *id)
{
	struct capture *capture = find_in(&captures->running, id);

	if (capture == NULL)
		capture = find_in(&captures->queue, id);
	if (capture == NULL)
		capture = find_in(&captures->ended, id);
	return capture;
}

struct capture *step_waiting(const struct captures *captures, const char *id)
{
	return find_in(&captures->queue, id);
}

const struct capture *captures_find(const struct captures *captures, const char *id)
{
	return find(captures, id);
}

static bool is_second(const struct manifest *manifest, const char *first_id)
{
	if (manifest_is_tracking(manifest))
		return manifest->series_index == 2 && strcmp(manifest->series, first_id) == 0;
	return strcmp(manifest->profile, first_id) == 0 && strcmp(manifest->id, first_id) != 0;
}

bool captures_find_second(const struct captures *captures, const char *first_id,
			  char ret_id[CAPTURE_ID_MAX])
{
	const struct link *const lists[] = { &captures->running, &captures->queue,
					     &captures->ended };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		list_each (link, lists[i]) {
			const struct capture *capture = container_of(link, struct capture, link);

			if (is_second(&capture->manifest, first_id))
				return str_copy(ret_id, CAPTURE_ID_MAX, capture->id);
		}
	}
	list_each (link, &captures->spool->ready) {
		const struct manifest *manifest =
			&container_of(link, struct spool_entry, link)->manifest;

		if (is_second(manifest, first_id))
			return str_copy(ret_id, CAPTURE_ID_MAX, manifest->id);
	}
	return false;
}

static bool is_of_rule(const struct capture *capture, uint64_t target_id, const char *isolate,
		       const char *rule, const char *step)
{
	return capture->target_id == target_id && capture->manifest.series_index <= 1 &&
	       strcmp(capture->manifest.rule, rule) == 0 &&
	       strcmp(capture->manifest.isolate, isolate) == 0 &&
	       strcmp(capture->manifest.rule_step, step) == 0;
}

uint32_t captures_under_way(const struct captures *captures, uint64_t target_id,
			    const char *isolate, const char *rule, const char *step)
{
	const struct link *const lists[] = { &captures->queue, &captures->running };
	uint32_t kinds = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		list_each (link, lists[i]) {
			const struct capture *at = container_of(link, struct capture, link);

			if (is_of_rule(at, target_id, isolate, rule, step))
				kinds |= 1u << at->kind;
		}
	}
	return kinds;
}

int captures_peek(struct captures *captures, const char *id, const char *requested_by,
		  char ret_id[CAPTURE_ID_MAX], struct err *err)
{
	const struct capture *capture = find(captures, id);

	if (capture == NULL)
		return -ENOENT;
	if (!step_is_sampling(capture) || capture->continuous)
		return err_set(err, -EINVAL, "%s",
			       capture->continuous
				       ? "it is one of a row: the next is there soon"
				       : "it is no sampling profile that is taken of a target");
	if (capture->step != CAPTURE_RUNNING || capture->job->phase != JOB_DOWNLOAD)
		return err_set(err, -EALREADY, "it is not sampling now (%s)",
			       capture_step_name(capture->step));
	return request_peek(captures, capture, requested_by, ret_id, err);
}

int captures_cancel(struct captures *captures, const char *id)
{
	struct capture *capture = find(captures, id);

	if (capture == NULL)
		return -ENOENT;
	if (capture->step == CAPTURE_WAITING) {
		step_fail(captures, capture, "cancelled", "cancelled");
		loop_wake_up(&captures->wake); /* which saves it */
		return 0;
	}
	/* Who has asked for a tracking knows the first of the two only. */
	if (halves_cancel(captures, capture))
		return 0;
	if (capture->step != CAPTURE_RUNNING || capture->job->phase != JOB_DOWNLOAD)
		return -EALREADY;
	capture_job_cancel(capture->job);
	return 0;
}

/* ---- what others tell ---- */

void captures_rearm(struct captures *captures, const char *target, const char *isolate,
		    const char *rule)
{
	if (!guard_rearm(captures, target, isolate, rule))
		return;
	captures->unsaved = true;
	loop_wake_up(&captures->wake);
}

void captures_polled(struct captures *captures, struct target *target)
{
	continuous_polled(captures, target);
	if (captures->queue_n > 0 || !list_empty(&captures->collections))
		loop_wake_up(&captures->wake);
}

void captures_target_up(struct captures *captures, struct target *target)
{
	if (captures->state == NULL || !state_take_open(captures, target->spec.name))
		return;
	session_settle(&target->session);
	if (target->session.runtime->format == SNAPSHOT_GECKO) {
		const struct process_start start = target_start(target);

		leftover_tell(target->spec.name, "was being captured when heapwatchd ended",
			      target->identity.pid, &start, state_left_wall_ms(captures));
	}
	captures->unsaved = true;
	loop_wake_up(&captures->wake);
}

/* ---- the whole ---- */

void captures_set(struct captures *captures, const struct capture_settings *settings)
{
	captures->settings = settings;
	loop_wake_up(&captures->wake);
}

int captures_init(struct captures *captures, struct loop *loop, struct targets *targets,
		  struct spool *spool, const struct capture_settings *settings, int state_dir_fd)
{
	int r;

	*captures = (struct captures){
		.loop = loop,
		.targets = targets,
		.spool = spool,
		.settings = settings,
	};
	link_init(&captures->queue);
	link_init(&captures->running);
	link_init(&captures->ended);
	link_init(&captures->history);
	link_init(&captures->series);
	link_init(&captures->collections);
	link_init(&captures->continuous);
	link_init(&captures->kept);
	map_init(&captures->kept_by_stamp);
	link_init(&captures->tracked);
	account_init(captures);
	r = loop_wake_init(&captures->wake, loop, on_wake, captures);
	if (r == 0)
		r = loop_timer_init(&captures->tick, loop, on_tick, captures);
	if (r == 0)
		r = capture_pool_new(&captures->pool, &captures->wake);
	if (r == 0 && state_dir_fd >= 0)
		r = state_open(captures, state_dir_fd);
	if (r < 0)
		captures_fini(captures);
	else
		loop_wake_up(&captures->wake); /* for the series that were read */
	return r;
}

static void free_all(struct link *list)
{
	list_each_safe (link, list)
		capture_free(container_of(link, struct capture, link));
}

static void stop_threads(struct captures *captures)
{
	struct pool_job *done;

	list_each (link, &captures->running) {
		const struct capture *capture = container_of(link, struct capture, link);

		/* Twice: what it had given up before is not heard out to the end now. */
		capture_job_cancel(capture->job);
		capture_job_cancel(capture->job);
		if (capture->continuous)
			capture_job_cancel(capture->job);
		finish_hold(captures, capture, false);
	}
	tracking_end_all(captures);
	capture_pool_stop(captures->pool);
	do {
		done = capture_pool_take(captures->pool);
	} while (done != NULL);
	capture_pool_free(captures->pool);
	captures->pool = NULL;
	tracking_forget_all(captures);
}

void captures_fini(struct captures *captures)
{
	if (captures->loop == NULL)
		return;
	if (captures->pool != NULL) {
		stop_threads(captures);
		save_now(captures);
	}
	state_close(captures);
	loop_timer_fini(&captures->tick);
	loop_wake_fini(&captures->wake);
	free_all(&captures->queue);
	free_all(&captures->running);
	free_all(&captures->ended);
	series_forget_all(captures);
	collection_forget_all(captures);
	continuous_forget_all(captures);
	guard_forget_all(captures);
	kept_forget_all(captures);
	map_fini(&captures->kept_by_stamp);
	account_fini(captures);
	captures->loop = NULL;
}
