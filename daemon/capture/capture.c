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

#include "capture/account.h"
#include "capture/guard.h"
#include "capture/job.h"
#include "util/clock.h"
#include "util/err.h"
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
	[REFUSAL_SPACE] = "space",
	[REFUSAL_TARGET] = "target",
	[REFUSAL_DRY_RUN] = "dry_run",
};
_Static_assert(sizeof(refusal_names) / sizeof(refusal_names[0]) == REFUSALS, "a name each");

static const char *const step_names[] = {
	[CAPTURE_WAITING] = "waiting",
	[CAPTURE_RUNNING] = "running",
	[CAPTURE_SUCCEEDED] = "succeeded",
	[CAPTURE_FAILED] = "failed",
};

const char *capture_refusal_name(enum capture_refusal refusal)
{
	return refusal_names[refusal];
}

const char *capture_step_name(enum capture_step step)
{
	return step_names[step];
}

/* ---- steps ---- */

/* The one place where a capture changes its list. */
static void enter(struct captures *captures, struct capture *capture, enum capture_step step)
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

static void capture_free(struct capture *capture)
{
	link_remove(&capture->link);
	capture_job_free(capture->job);
	free(capture);
}

static void set_capturing(struct captures *captures, const struct capture *capture, bool on)
{
	struct target *target = targets_find(captures->targets, capture->target_id);

	if (target != NULL && target->capturing != on)
		target_set_capturing(target, on);
}

static void end(struct captures *captures, struct capture *capture, enum capture_step step)
{
	capture_job_free(capture->job);
	capture->job = NULL;
	enter(captures, capture, step);
	if (step == CAPTURE_SUCCEEDED)
		account_succeeded(captures, capture);
	else
		account_failed(captures, capture);
	if (captures->on_done != NULL)
		captures->on_done(captures->owner, capture);
	while (captures->ended_n > ENDED_MAX) {
		capture_free(container_of(captures->ended.next, struct capture, link));
		captures->ended_n--;
	}
}

static void fail(struct captures *captures, struct capture *capture, const char *reason,
		 const char *text)
{
	str_copy(capture->reason, sizeof(capture->reason), reason);
	str_copy(capture->error, sizeof(capture->error), text);
	/*
	 * What gave no byte left nothing to look at: the rule may try again. Not so when a person
	 * said no.
	 */
	if (capture->bytes == 0 && strcmp(reason, "cancelled") != 0)
		guard_forget(captures, capture->manifest.target, capture->manifest.rule,
			     capture->kind);
	end(captures, capture, CAPTURE_FAILED);
}

/* ---- beginning ---- */

static void describe_target(struct manifest *manifest, const struct target *target)
{
	const struct identity *identity = &target->identity;
	char address[ADDRESS_TEXT_MAX];

	address_format(address, &target->spec.address);
	str_copy(manifest->target, sizeof(manifest->target), target->spec.name);
	str_copy(manifest->address, sizeof(manifest->address), address);
	str_copy(manifest->runtime, sizeof(manifest->runtime), identity->runtime);
	str_copy(manifest->runtime_version, sizeof(manifest->runtime_version),
		 identity->runtime_version);
	str_copy(manifest->engine, sizeof(manifest->engine), identity->engine);
	str_copy(manifest->engine_version, sizeof(manifest->engine_version),
		 identity->engine_version);
	manifest->pid = identity->pid;
	manifest->target_start_wall_ms = identity->start_wall_ms;
	manifest->heap_used_bytes = guard_heap_used_bytes(target, manifest->isolate);
}

static void describe_request(struct manifest *manifest, const struct capture_request *request)
{
	str_copy(manifest->kind, sizeof(manifest->kind), "snapshot");
	str_copy(manifest->isolate, sizeof(manifest->isolate), request->isolate);
	str_copy(manifest->rule, sizeof(manifest->rule),
		 request->rule != NULL ? request->rule : "");
	str_copy(manifest->cause, sizeof(manifest->cause),
		 request->cause != NULL ? request->cause : "");
	manifest->cause_value = request->cause_value;
}

static bool name_is_taken(const struct captures *captures, const struct capture *self)
{
	list_each (link, &captures->running) {
		const struct capture *other = container_of(link, struct capture, link);

		if (other != self && strcmp(other->manifest.name, self->manifest.name) == 0)
			return true;
	}
	return spool_find_name(captures->spool, self->manifest.name) != NULL;
}

static int make_job(struct captures *captures, struct capture *capture, const struct target *target)
{
	const struct capture_settings *settings = captures->settings;
	const struct spool_settings *limits = &captures->spool->limits;
	const struct writer_limits writer = {
		.file_max_bytes = settings->file_max_bytes,
		.max_use_bytes = limits->max_use_bytes,
		.keep_free_bytes = limits->keep_free_bytes,
	};
	struct download_request request = {
		.dialect = target->session.dialect,
		.address = target->session.address,
		.connect_ns = target->spec.poll.timeout_ns,
		.idle_ns = settings->idle_timeout_ns,
		.total_ns = settings->timeout_ns,
	};

	str_copy(request.path, sizeof(request.path), target->session.path);
	str_copy(request.isolate, sizeof(request.isolate), capture->manifest.isolate);
	return capture_job_new(&capture->job, captures->spool, &writer, &request,
			       &capture->manifest);
}

static void begin(struct captures *captures, struct capture *capture)
{
	struct target *target = targets_find(captures->targets, capture->target_id);
	int r;

	if (target == NULL || target->state != TARGET_UP || target->session.path[0] == '\0') {
		fail(captures, capture, "target",
		     target == NULL ? "the target is gone" : "the target is no longer up");
		return;
	}
	describe_target(&capture->manifest, target);
	capture->manifest.started_wall_ms = clock_wall_ms();
	manifest_set_name(&capture->manifest, false);
	if (name_is_taken(captures, capture))
		manifest_set_name(&capture->manifest, true);
	r = make_job(captures, capture, target);
	if (r == 0)
		r = capture_pool_submit(captures->pool, &capture->job->pool_job,
					captures->settings->threads);
	if (r < 0) {
		fail(captures, capture, "error", strerror(-r));
		return;
	}
	enter(captures, capture, CAPTURE_RUNNING);
	set_capturing(captures, capture, true);
}

/* ---- what comes back ---- */

static struct capture *capture_with(const struct captures *captures, const struct capture_job *job)
{
	list_each (link, &captures->running) {
		struct capture *capture = container_of(link, struct capture, link);

		if (capture->job == job)
			return capture;
	}
	return NULL;
}

static void downloaded(struct captures *captures, struct capture *capture)
{
	struct manifest *manifest = &capture->job->entry->manifest;
	const struct target *target;
	int r;

	set_capturing(captures, capture, false);
	target = targets_find(captures->targets, capture->target_id);
	if (target != NULL && target->capture_pause_ns > manifest->pause_ns)
		manifest->pause_ns = target->capture_pause_ns;
	capture->manifest = *manifest;
	capture->bytes = manifest->size_bytes;
	capture->job->phase = JOB_PUBLISH;
	r = capture_pool_submit(captures->pool, &capture->job->pool_job,
				captures->settings->threads);
	if (r < 0)
		fail(captures, capture, "error", strerror(-r));
}

static void came_back(struct captures *captures, struct capture_job *job)
{
	struct capture *capture = capture_with(captures, job);

	if (job->result != 0) {
		capture->bytes = atomic_load(&job->bytes);
		set_capturing(captures, capture, false);
		fail(captures, capture, capture_job_reason(job->result), job->err.text);
		return;
	}
	if (job->phase == JOB_DOWNLOAD) {
		downloaded(captures, capture);
		return;
	}
	spool_add(captures->spool, job->entry);
	job->entry = NULL;
	end(captures, capture, CAPTURE_SUCCEEDED);
}

static void on_wake(void *owner)
{
	struct captures *captures = owner;
	struct pool_job *done;

	while ((done = capture_pool_take(captures->pool)) != NULL)
		came_back(captures, container_of(done, struct capture_job, pool_job));
	while (!list_empty(&captures->queue) && captures->running_n < captures->settings->threads)
		begin(captures, container_of(captures->queue.next, struct capture, link));
	if (captures->running_n > 0 && !captures->tick.armed)
		loop_timer_set(&captures->tick, TICK_NS);
}

static void on_tick(void *owner)
{
	struct captures *captures = owner;

	list_each (link, &captures->running) {
		struct capture *capture = container_of(link, struct capture, link);

		capture->bytes = atomic_load_explicit(&capture->job->bytes, memory_order_relaxed);
	}
	if (captures->running_n > 0)
		loop_timer_set(&captures->tick, TICK_NS);
}

/* ---- asking ---- */

static int accept_request(struct captures *captures, const struct target *target,
			  const struct capture_request *request, char ret_id[CAPTURE_ID_MAX])
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int r;

	if (capture == NULL)
		return -ENOMEM;
	link_init(&capture->link);
	r = rand_hex(capture->id, (CAPTURE_ID_MAX - 1) / 2);
	if (r == 0 && request->rule != NULL)
		r = guard_remember(captures, target->spec.name, request->isolate, request->rule,
				   request->kind,
				   request->guards != NULL && request->guards->has_rearm);
	if (r < 0) {
		free(capture);
		return r;
	}
	capture->target_id = target->id;
	capture->requested_ns = clock_mono_ns();
	str_copy(capture->manifest.id, sizeof(capture->manifest.id), capture->id);
	describe_request(&capture->manifest, request);
	describe_target(&capture->manifest, target);
	enter(captures, capture, CAPTURE_WAITING);
	if (ret_id != NULL)
		str_copy(ret_id, CAPTURE_ID_MAX, capture->id);
	loop_wake_up(&captures->wake);
	return 0;
}

int captures_request(struct captures *captures, const struct capture_request *request,
		     char ret_id[CAPTURE_ID_MAX], struct err *err)
{
	const struct target *target = targets_find(captures->targets, request->target_id);
	struct capture_request whole = *request;
	enum capture_refusal refusal;
	struct err why = { 0 };

	if (whole.isolate == NULL)
		whole.isolate = "main";
	refusal = guard_judge(captures, target, &whole, &why);
	if (refusal == REFUSAL_NONE)
		return accept_request(captures, target, &whole, ret_id);
	account_refused(captures, target != NULL ? target->spec.name : "", &whole, refusal,
			why.text);
	return err_set(err, (int)refusal, "%s", why.text);
}

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

const struct capture *captures_find(const struct captures *captures, const char *id)
{
	return find(captures, id);
}

int captures_cancel(struct captures *captures, const char *id)
{
	struct capture *capture = find(captures, id);

	if (capture == NULL)
		return -ENOENT;
	if (capture->step == CAPTURE_WAITING) {
		fail(captures, capture, "cancelled", "cancelled");
		return 0;
	}
	if (capture->step != CAPTURE_RUNNING || capture->job->phase != JOB_DOWNLOAD)
		return -EALREADY;
	capture_job_cancel(capture->job);
	return 0;
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
	(void)state_dir_fd;
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
	account_init(captures);
	r = loop_wake_init(&captures->wake, loop, on_wake, captures);
	if (r == 0)
		r = loop_timer_init(&captures->tick, loop, on_tick, captures);
	if (r == 0)
		r = capture_pool_new(&captures->pool, &captures->wake);
	if (r < 0)
		captures_fini(captures);
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

		capture_job_cancel(capture->job);
		set_capturing(captures, capture, false);
	}
	capture_pool_stop(captures->pool);
	do {
		done = capture_pool_take(captures->pool);
	} while (done != NULL);
	capture_pool_free(captures->pool);
	captures->pool = NULL;
}

void captures_fini(struct captures *captures)
{
	if (captures->loop == NULL)
		return;
	if (captures->pool != NULL)
		stop_threads(captures);
	loop_timer_fini(&captures->tick);
	loop_wake_fini(&captures->wake);
	free_all(&captures->queue);
	free_all(&captures->running);
	free_all(&captures->ended);
	guard_forget_all(captures);
	account_fini(captures);
	captures->loop = NULL;
}
