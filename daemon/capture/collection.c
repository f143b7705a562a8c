/*
 * Forced collections
 *
 * Accepted ones stand in one list with the time they were asked for, by which they and the captures
 * of the same target take turns. The motor is that of the captures: whatever ends pulls it.
 */

#include "capture/collection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/account.h"
#include "capture/continuous.h"
#include "capture/guard.h"
#include "capture/step.h"
#include "capture/support.h"
#include "inspect/download.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/rand.h"
#include "util/str.h"
#include "watch/target.h"

/* Who asked has stopped waiting by then, and the heap it was about is another. */
#define WAIT_MAX_NS (5 * 60 * NS_PER_S)

static struct collection_run *run_of(struct link *link)
{
	return container_of(link, struct collection_run, link);
}

static struct collection_run *find_run(const struct captures *captures, uint64_t target_id)
{
	list_each (link, &captures->collections)
		if (run_of(link)->target_id == target_id)
			return run_of(link);
	return NULL;
}

/* ---- guards ---- */

uint64_t collection_wait_ns(const struct captures *captures, const struct target *target)
{
	uint64_t since_ns = clock_mono_ns() - target->gc_forced_ns;
	uint64_t interval_ns = captures->settings->gc_interval_ns;

	if (target->gc_forced_ns == 0 || since_ns >= interval_ns)
		return 0;
	return interval_ns - since_ns;
}

/* Of a collection that is to come after so long, where none may for wait_ns. */
static enum capture_refusal judge_wait(const struct captures *captures, uint64_t wait_ns,
				       uint64_t after_ns, struct err *err)
{
	char left[STR_UNIT_MAX], all[STR_UNIT_MAX];

	if (wait_ns <= after_ns)
		return REFUSAL_NONE;
	/* Whole seconds, rounded up: "0s left" would be a lie. */
	wait_ns += NS_PER_S - 1;
	str_format_duration(left, wait_ns - wait_ns % NS_PER_S);
	str_format_duration(all, captures->settings->gc_interval_ns);
	return (enum capture_refusal)err_set(err, REFUSAL_GC_INTERVAL, "gc_interval: %s left of %s",
					     left, all);
}

static enum capture_refusal judge_target(const struct target *target, const char *isolate,
					 struct err *err)
{
	if (target->state != TARGET_UP && target->state != TARGET_CAPTURING)
		return (enum capture_refusal)err_set(err, REFUSAL_TARGET, "target: it is %s",
						     target_state_name(target->state));
	if (target_find_isolate(target, isolate) == NULL)
		return (enum capture_refusal)err_set(err, REFUSAL_TARGET,
						     "target: it has no isolate %s", isolate);
	return REFUSAL_NONE;
}

enum capture_refusal collection_judge(const struct captures *captures, const struct target *target,
				      const struct capture_request *request, struct err *err)
{
	const struct collection_run *other = find_run(captures, target->id);
	enum capture_refusal refusal = support_judge(captures, target, request, err);

	if (refusal == REFUSAL_NONE && other != NULL)
		refusal = (enum capture_refusal)err_set(err, REFUSAL_BUSY,
							"busy: a collection of garbage is %s",
							other->running ? "running" : "waiting");
	if (refusal == REFUSAL_NONE)
		refusal = judge_target(target, request->isolate, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_wait(captures, collection_wait_ns(captures, target), 0, err);
	if (refusal == REFUSAL_NONE && !request->force)
		refusal = safety_judge(captures, target, request->isolate, CAPTURE_KIND_GC,
				       request->guards, false, err);
	return refusal;
}

enum capture_refusal collection_judge_profile(const struct captures *captures,
					      const struct target *target, uint64_t duration_ns,
					      struct err *err)
{
	if (!download_samples_collect(target->session.runtime))
		return REFUSAL_NONE;
	/* For which one of those that follow one another would end, and collect, first. */
	if (continuous_is_there(captures, target->id))
		return judge_wait(captures, captures->settings->gc_interval_ns, duration_ns, err);
	return judge_wait(captures, collection_wait_ns(captures, target), duration_ns, err);
}

/* ---- from the request to the end ---- */

int collection_accept(struct captures *captures, const struct target *target,
		      const struct capture_request *request, char ret_id[CAPTURE_ID_MAX])
{
	struct collection_run *run = calloc(1, sizeof(*run));
	int r;

	if (run == NULL)
		return -ENOMEM;
	r = rand_hex(run->id, (CAPTURE_ID_MAX - 1) / 2);
	if (r < 0) {
		free(run);
		return r;
	}
	run->target_id = target->id;
	str_copy(run->target, sizeof(run->target), target->spec.name);
	str_copy(run->isolate, sizeof(run->isolate), request->isolate);
	str_copy(run->rule, sizeof(run->rule), request->rule != NULL ? request->rule : "");
	str_copy(run->rule_step, sizeof(run->rule_step),
		 request->step != NULL ? request->step : "");
	str_copy(run->requested_by, sizeof(run->requested_by),
		 request->requested_by != NULL ? request->requested_by : "");
	str_copy(run->cause, sizeof(run->cause), request->cause != NULL ? request->cause : "");
	run->has_guards = request->guards != NULL;
	if (run->has_guards)
		run->guards = *request->guards;
	run->force = request->force;
	run->requested_ns = clock_mono_ns();
	list_append(&captures->collections, &run->link);
	if (ret_id != NULL)
		str_copy(ret_id, CAPTURE_ID_MAX, run->id);
	loop_wake_up(&captures->wake);
	return 0;
}

static void end(struct captures *captures, struct collection_run *run,
		const struct collection_end *how)
{
	link_remove(&run->link);
	if (captures->on_collected != NULL)
		captures->on_collected(captures->owner, how);
	free(run);
	loop_wake_up(&captures->wake);
}

static void succeed(struct captures *captures, struct collection_run *run,
		    const struct collected *collected)
{
	account_collected(captures, run, collected);
	end(captures, run, &(struct collection_end){ .run = run, .collected = collected });
}

static void fail(struct captures *captures, struct collection_run *run, const char *reason,
		 const char *text)
{
	account_collection_failed(captures, run, reason, text);
	end(captures, run, &(struct collection_end){ .run = run, .failure = text });
}

static void refuse(struct captures *captures, struct collection_run *run,
		   enum capture_refusal refusal, const char *text)
{
	const struct capture_request request = {
		.target_id = run->target_id,
		.kind = CAPTURE_KIND_GC,
		.isolate = run->isolate,
		.rule = run->rule[0] != '\0' ? run->rule : NULL,
		.step = run->rule_step,
		.requested_by = run->requested_by,
		.cause = run->cause,
	};

	guard_forget(captures, run->target, run->rule, run->rule_step, CAPTURE_KIND_GC);
	account_refused(captures, run->target, &request, refusal, text);
	end(captures, run,
	    &(struct collection_end){ .run = run, .failure = text, .refusal = refusal });
}

static const char *reason_of(int result)
{
	if (result == -ETIMEDOUT)
		return "timeout";
	return result == -ENOENT ? "target" : "error";
}

void collection_ended(struct captures *captures, const struct target *target,
		      const struct collected *collected)
{
	struct collection_run *run = find_run(captures, target->id);

	if (run == NULL || !run->running)
		return;
	if (collected->result == 0)
		succeed(captures, run, collected);
	else
		fail(captures, run, reason_of(collected->result), collected->reason);
}

void collection_target_removed(struct captures *captures, uint64_t target_id)
{
	struct collection_run *run = find_run(captures, target_id);

	if (run != NULL)
		fail(captures, run, "target", "the target is gone");
}

/* ---- turns ---- */

bool collection_precedes(const struct captures *captures, const struct capture *capture)
{
	const struct collection_run *run = find_run(captures, capture->target_id);

	return run != NULL && (run->running || run->requested_ns <= capture->requested_ns);
}

static bool in_the_way(const struct link *list, const struct collection_run *run, bool runs)
{
	list_each (link, list) {
		const struct capture *capture = container_of(link, struct capture, link);

		if (capture->target_id == run->target_id && capture->of_target &&
		    !capture->continuous && (runs || capture->requested_ns < run->requested_ns))
			return true;
	}
	return false;
}

/* Or has the target polled first, for the guards, and is called again when that poll is over. */
static void begin(struct captures *captures, struct collection_run *run)
{
	struct target *target = targets_find(captures->targets, run->target_id);
	enum capture_refusal refusal;
	struct err why = { .text = "" };

	if (target == NULL) {
		fail(captures, run, "target", "the target is gone");
		return;
	}
	refusal = judge_target(target, run->isolate, &why);
	if (refusal == REFUSAL_NONE && guard_awaits_poll(target))
		return;
	if (refusal == REFUSAL_NONE && !run->force)
		refusal = safety_judge(captures, target, run->isolate, CAPTURE_KIND_GC,
				       run->has_guards ? &run->guards : NULL, true, &why);
	if (refusal != REFUSAL_NONE) {
		refuse(captures, run, refusal, why.text);
		return;
	}
	/* The end may be told before it returns, and the run is gone then. */
	run->running = true;
	target->gc_forced_ns = clock_mono_ns();
	(void)target_collect(target, run->isolate);
}

void collection_begin_all(struct captures *captures)
{
	list_each_safe (link, &captures->collections) {
		struct collection_run *run = run_of(link);

		if (run->running)
			continue;
		if (clock_mono_ns() - run->requested_ns > WAIT_MAX_NS)
			fail(captures, run, "timeout", "captures of the target take too long");
		else if (!in_the_way(&captures->running, run, true) &&
			 !in_the_way(&captures->queue, run, false))
			begin(captures, run);
	}
}

void collection_forget_all(struct captures *captures)
{
	list_each_safe (link, &captures->collections) {
		link_remove(link);
		free(run_of(link));
	}
}
