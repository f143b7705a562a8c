/*
 * Guards
 *
 * A snapshot stops its target for seconds and takes several times the heap in memory, so every
 * guard errs on the side of no. Those of a rule judge by the history of accepted requests, kept by
 * the target's name: a target that restarts, or leaves the configuration and comes back, is the
 * same to them. What protects the target is safety.c's.
 */

#include "capture/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/collection.h"
#include "capture/diagnostics.h"
#include "capture/step.h"
#include "capture/support.h"
#include "capture/tracking.h"
#include "inspect/dialect.h"
#include "inspect/runtime.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "watch/sampling.h"
#include "watch/target.h"

enum {
	SNAPSHOT_BASE_BYTES = 16 * 1024 * 1024, /* the runtime's own objects make 4 to 7 MB */
	SNAPSHOT_PER_HEAP = 2, /* file bytes per heap byte; seen: 0.05 to 2 */
	PROFILE_ESTIMATE_BYTES = 1 << 20, /* seen: 4 KB to 1.1 MB */
};

/* So old may what the last poll has told be right before something is done. */
#define FRESH_NS NS_PER_S

/* A poll that is given up comes again, what waits for this one does not. */
#define POLL_PATIENCE_NS (2 * NS_PER_S)

bool guard_is_stale(const struct target *target)
{
	return clock_mono_ns() > target->last_poll_mono_ns + FRESH_NS;
}

bool guard_awaits_poll(struct target *target)
{
	if (!guard_is_stale(target))
		return false;
	/* One that is under way does as well. */
	(void)target_poll_patiently(target, POLL_PATIENCE_NS);
	return target->polling;
}

/* What a capture of this kind may write. */
static uint64_t estimate_bytes(int kind, uint64_t heap_used_bytes)
{
	if (kind == CAPTURE_KIND_DIAGNOSTICS)
		return DIAGNOSTICS_BYTES_MAX;
	return kind == CAPTURE_KIND_SAMPLING ? PROFILE_ESTIMATE_BYTES
					     : guard_estimate_bytes(heap_used_bytes);
}

uint64_t guard_estimate_bytes(uint64_t heap_used_bytes)
{
	return SNAPSHOT_BASE_BYTES + SNAPSHOT_PER_HEAP * heap_used_bytes;
}

static const struct capture *capture_of(const struct link *list, uint64_t target_id)
{
	list_each (link, list) {
		const struct capture *capture = container_of(link, struct capture, link);

		if (capture->target_id == target_id && capture->of_target && !capture->continuous)
			return capture;
	}
	return NULL;
}

/*
 * Who stands in the way of a capture of this series. Where objects are tracked for it, what else
 * waits, waits for the end of the series.
 */
static const struct capture *in_the_way(const struct captures *captures, uint64_t target_id,
					const char *series)
{
	const char *tracked = tracking_series(captures, target_id);
	const struct capture *other = capture_of(&captures->running, target_id);

	if (other != NULL || tracked == NULL || strcmp(tracked, series) != 0)
		return other != NULL ? other : capture_of(&captures->queue, target_id);
	list_each (link, &captures->queue) {
		other = container_of(link, struct capture, link);
		if (other->target_id == target_id && strcmp(other->manifest.series, series) == 0)
			return other;
	}
	return NULL;
}

static enum capture_refusal judge_busy(const struct captures *captures, const struct target *target,
				       const struct capture_request *request, struct err *err)
{
	const char *series = request->series_id != NULL ? request->series_id : "";
	const struct capture *other = in_the_way(captures, target->id, series);

	if (other == NULL && request->after == NULL &&
	    tracking_excludes(captures, target->id, series))
		return (enum capture_refusal)err_set(
			err, REFUSAL_BUSY,
			"busy: the series %s has exact ids, which last until another client leaves",
			tracking_series(captures, target->id));
	/* What waits for others of its rule comes after them, not beside them. */
	if (other == NULL || (request->after != NULL && request->rule != NULL &&
			      strcmp(other->manifest.rule, request->rule) == 0))
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(err, REFUSAL_BUSY, "busy: capture %s is %s", other->id,
					     capture_step_name(other->step));
}

static enum capture_refusal judge_queue(const struct captures *captures, struct err *err)
{
	if (captures->queue_n < captures->settings->queue_max)
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(err, REFUSAL_QUEUE, "queue: %u captures wait already",
					     captures->queue_n);
}

static bool is_of(const struct past *past, const struct target *target,
		  const struct capture_request *request)
{
	return past->kind == request->kind && strcmp(past->target, target->spec.name) == 0 &&
	       strcmp(past->rule, request->rule) == 0;
}

/* Steps are judged each by itself, but for the number of captures in a window. */
static bool is_of_step(const struct past *past, const struct capture_request *request)
{
	return strcmp(past->step, request->step != NULL ? request->step : "") == 0;
}

/* Time since; one that lies ahead counts as of now. */
static uint64_t age_of(const struct past *past, uint64_t now_ns)
{
	return (int64_t)now_ns > past->at_ns ? now_ns - (uint64_t)past->at_ns : 0;
}

static enum capture_refusal judge_cooldown(const struct captures *captures,
					   const struct target *target,
					   const struct capture_request *request, uint64_t now_ns,
					   struct err *err)
{
	uint64_t cooldown_ns = request->guards->cooldown_ns, since_ns = cooldown_ns;
	char left[STR_UNIT_MAX], all[STR_UNIT_MAX];

	list_each (link, &captures->history) {
		const struct past *past = container_of(link, struct past, link);

		if (is_of(past, target, request) && is_of_step(past, request) &&
		    age_of(past, now_ns) < since_ns)
			since_ns = age_of(past, now_ns);
	}
	if (since_ns >= cooldown_ns)
		return REFUSAL_NONE;
	/* Whole seconds, rounded up: "0s left" would be a lie. */
	since_ns = cooldown_ns - since_ns + NS_PER_S - 1;
	str_format_duration(left, since_ns - since_ns % NS_PER_S);
	str_format_duration(all, cooldown_ns);
	return (enum capture_refusal)err_set(err, REFUSAL_COOLDOWN, "cooldown: %s left of %s", left,
					     all);
}

static enum capture_refusal judge_window(const struct captures *captures,
					 const struct target *target,
					 const struct capture_request *request, uint64_t now_ns,
					 struct err *err)
{
	const struct rule_guards *guards = request->guards;
	char window[STR_UNIT_MAX];
	uint64_t n = 0;

	list_each (link, &captures->history) {
		const struct past *past = container_of(link, struct past, link);

		if (is_of(past, target, request) && age_of(past, now_ns) < guards->window_ns)
			n++;
	}
	if (guards->max_captures == 0 || n < guards->max_captures)
		return REFUSAL_NONE;
	str_format_duration(window, guards->window_ns);
	return (enum capture_refusal)err_set(
		err, REFUSAL_MAX_CAPTURES, "max_captures: %llu of %llu in %s",
		(unsigned long long)n, (unsigned long long)guards->max_captures, window);
}

static enum capture_refusal judge_rearm(const struct captures *captures,
					const struct target *target,
					const struct capture_request *request, uint64_t now_ns,
					struct err *err)
{
	char ago[STR_UNIT_MAX];

	if (!request->guards->has_rearm)
		return REFUSAL_NONE;
	list_each (link, &captures->history) {
		const struct past *past = container_of(link, struct past, link);
		uint64_t age_ns = age_of(past, now_ns);

		if (!past->unarmed || !is_of(past, target, request) || !is_of_step(past, request) ||
		    strcmp(past->isolate, request->isolate) != 0)
			continue;
		str_format_duration(ago, age_ns - age_ns % NS_PER_S);
		return (enum capture_refusal)err_set(
			err, REFUSAL_REARM,
			"rearm: the value has not been back %s%ssince the last capture, %s ago",
			request->guards->rearm_text,
			request->guards->rearm_text[0] != '\0' ? " " : "", ago);
	}
	return REFUSAL_NONE;
}

/* What a capture will be, as far as one can tell. */
static uint64_t expected_bytes(const struct capture *capture)
{
	return estimate_bytes(capture->kind, capture->manifest.heap_used_bytes);
}

/* What the captures of a list but `self` (may be NULL) have yet to write. */
static uint64_t promised_bytes(const struct link *list, const struct capture *self)
{
	uint64_t bytes = 0;

	list_each (link, list) {
		const struct capture *capture = container_of(link, struct capture, link);
		uint64_t all = expected_bytes(capture);

		if (capture != self && all > capture->bytes)
			bytes += all - capture->bytes;
	}
	return bytes;
}

/* How many of a list but `self` (may be NULL) will be of those that max_files counts. */
static uint64_t counted(const struct link *list, const struct capture *self)
{
	uint64_t n = 0;

	list_each (link, list) {
		const struct capture *capture = container_of(link, struct capture, link);

		n += capture != self && !capture->continuous;
	}
	return n;
}

uint64_t guard_heap_used_bytes(const struct target *target, const char *isolate_name)
{
	const struct isolate *isolate = target_find_isolate(target, isolate_name);

	if (isolate == NULL)
		return 0;
	if (isolate->heap_seen_bytes != 0)
		return isolate->heap_seen_bytes;
	if (!sample_has(&isolate->last, SAMPLE_HEAP_USED))
		return 0;
	return isolate->last.value[SAMPLE_HEAP_USED];
}

static enum capture_refusal refuse_space(const struct spool *spool, uint64_t need, struct err *err)
{
	char about[STR_UNIT_MAX], used[STR_UNIT_MAX], max[STR_UNIT_MAX], left[STR_UNIT_MAX];
	uint64_t bytes = 0, inodes = 0;
	char nodes[48] = "";

	(void)spool_available(spool, &bytes, &inodes);
	if (inodes != UINT64_MAX)
		snprintf(nodes, sizeof(nodes), " and %llu inodes", (unsigned long long)inodes);
	str_format_bytes(about, need);
	str_format_bytes(used, spool->bytes);
	str_format_bytes(max, spool->limits.max_use_bytes);
	str_format_bytes(left, bytes);
	return (enum capture_refusal)err_set(
		err, REFUSAL_SPACE,
		"space: about %s needed; the spool has %llu files with %s of %s, the disk %s%s "
		"free",
		about, (unsigned long long)spool->files, used, max, left, nodes);
}

/* Room for bytes more, besides what the captures accepted before will take. */
static enum capture_refusal judge_space(const struct captures *captures, uint64_t bytes,
					const struct capture *self, struct err *err)
{
	uint64_t files = 1 + counted(&captures->queue, self) + counted(&captures->running, self);
	uint64_t need = bytes + promised_bytes(&captures->queue, self) +
			promised_bytes(&captures->running, self);

	if (spool_room(captures->spool, files, need) == 0)
		return REFUSAL_NONE;
	return refuse_space(captures->spool, need, err);
}

static enum capture_refusal judge_target(const struct target *target, const char *isolate,
					 struct err *err)
{
	if (target->state != TARGET_UP)
		return (enum capture_refusal)err_set(err, REFUSAL_TARGET, "target: it is %s",
						     target_state_name(target->state));
	if (session_path(&target->session, isolate) == NULL ||
	    target->session.runtime->dialect->snapshot_begin == NULL)
		return (enum capture_refusal)err_set(err, REFUSAL_TARGET,
						     "target: its inspector offers no snapshots");
	if ((strcmp(isolate, "main") != 0 || target->isolates_n > 0) &&
	    target_find_isolate(target, isolate) == NULL)
		return (enum capture_refusal)err_set(err, REFUSAL_TARGET,
						     "target: it has no isolate %s", isolate);
	return REFUSAL_NONE;
}

/* What its runtime would not survive, whoever asks for it. */
static enum capture_refusal judge_runtime(const struct target *target, const char *isolate,
					  int kind, struct err *err)
{
	const struct runtime *runtime = target->session.runtime;
	uint64_t heap = guard_heap_used_bytes(target, isolate), most;
	char used[STR_UNIT_MAX], max[STR_UNIT_MAX];
	const char *why;

	if (!capture_kind_is_heap(kind) || runtime == NULL)
		return REFUSAL_NONE;
	most = runtime_heap_max(runtime, kind == CAPTURE_KIND_TRACKING, &why);
	if (most == 0 || heap <= most)
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(
		err, REFUSAL_MAX_HEAP, "max_heap: the heap uses %s, %s can capture at most %s: %s",
		str_format_bytes(used, heap), runtime->name, str_format_bytes(max, most), why);
}

/* What the end of a profile makes V8 do is judged before its beginning. */
static enum capture_refusal judge_end(const struct captures *captures, const struct target *target,
				      int kind, uint64_t duration_ns, struct err *err)
{
	return kind == CAPTURE_KIND_SAMPLING
		       ? collection_judge_profile(captures, target, duration_ns, err)
		       : REFUSAL_NONE;
}

/* What the rule has done before. A later one of a series is not the rule's doing. */
static enum capture_refusal judge_history(const struct captures *captures,
					  const struct target *target,
					  const struct capture_request *request, struct err *err)
{
	uint64_t now_ns = clock_mono_ns();
	enum capture_refusal refusal;

	if (request->rule == NULL || request->guards == NULL || request->series_id != NULL)
		return REFUSAL_NONE;
	refusal = judge_cooldown(captures, target, request, now_ns, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_window(captures, target, request, now_ns, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_rearm(captures, target, request, now_ns, err);
	return refusal;
}

/*
 * A no by what an old poll has told decides nothing for who waits anyway: right before it begins it
 * has the target polled and is judged by that. Not so a rule's request, which comes again at the
 * next evaluation and would have the target polled at each, nor one of the continuous profiles; nor
 * a try, which nothing follows.
 */
static enum capture_refusal unless_old(const struct target *target,
				       const struct capture_request *request,
				       enum capture_refusal refusal)
{
	bool by_poll = refusal == REFUSAL_MAX_HEAP || refusal == REFUSAL_MAX_CPU ||
		       refusal == REFUSAL_HEADROOM;
	bool once = request->rule == NULL || request->series_id != NULL;

	return by_poll && once && !request->continuous && !request->dry_run &&
			       guard_is_stale(target)
		       ? REFUSAL_NONE
		       : refusal;
}

/*
 * What can never be comes first. A target that cannot be captured now has nothing to be protected
 * from; space is told before it.
 */
static enum capture_refusal judge_taking(const struct captures *captures,
					 const struct target *target,
					 const struct capture_request *request, struct err *err)
{
	uint64_t heap = guard_heap_used_bytes(target, request->isolate);
	uint64_t bytes = estimate_bytes(request->kind, heap);
	enum capture_refusal refusal = support_judge(captures, target, request, err);

	if (refusal == REFUSAL_NONE && !request->force &&
	    judge_target(target, request->isolate, NULL) == REFUSAL_NONE)
		refusal = unless_old(target, request,
				     safety_judge(captures, target, request->isolate, request->kind,
						  request->guards, false, err));
	if (refusal == REFUSAL_NONE)
		refusal = judge_space(captures, bytes, NULL, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_target(target, request->isolate, err);
	if (refusal == REFUSAL_NONE)
		refusal = unless_old(target, request,
				     judge_runtime(target, request->isolate, request->kind, err));
	if (refusal == REFUSAL_NONE)
		refusal = judge_end(captures, target, request->kind,
				    request->sampling != NULL ? request->sampling->duration_ns
							      : SAMPLING_DURATION_NS,
				    err);
	return refusal;
}

static enum capture_refusal judge_diagnostics(const struct captures *captures,
					      const struct target *target, struct err *err)
{
	enum capture_refusal refusal = judge_space(captures, DIAGNOSTICS_BYTES_MAX, NULL, err);

	if (refusal == REFUSAL_NONE && !target->identified)
		refusal = (enum capture_refusal)err_set(err, REFUSAL_TARGET,
							"target: nothing is known of it, it is %s",
							target_state_name(target->state));
	return refusal;
}

static enum capture_refusal judge_dry_run(const struct target *target,
					  const struct capture_request *request, struct err *err)
{
	if (!request->dry_run)
		return REFUSAL_NONE;
	if (request->kind == CAPTURE_KIND_GC)
		return (enum capture_refusal)err_set(
			err, REFUSAL_DRY_RUN,
			"dry_run: would have collected the garbage of %s (isolate %s)",
			target->spec.name, request->isolate);
	return (enum capture_refusal)err_set(
		err, REFUSAL_DRY_RUN, "dry_run: would have captured %s of %s (isolate %s)",
		request->kind == CAPTURE_KIND_DIAGNOSTICS ? "diagnostics"
		: request->kind == CAPTURE_KIND_SAMPLING  ? "a sampling profile"
		: request->kind == CAPTURE_KIND_TIMELINE  ? "a timeline"
		: request->kind == CAPTURE_KIND_TRACKING  ? "a tracking"
							  : "a snapshot",
		target->spec.name, request->isolate);
}

/* What is not yet over stands in nobody's way: see collection.c. */
static enum capture_refusal judge_gc(const struct captures *captures, const struct target *target,
				     const struct capture_request *request, struct err *err)
{
	enum capture_refusal refusal = judge_history(captures, target, request, err);

	/* What protects the target is the last that it judges: nothing is left out. */
	if (refusal == REFUSAL_NONE)
		refusal = unless_old(target, request,
				     collection_judge(captures, target, request, err));
	return refusal != REFUSAL_NONE ? refusal : judge_dry_run(target, request, err);
}

enum capture_refusal guard_judge(const struct captures *captures, const struct target *target,
				 const struct capture_request *request, struct err *err)
{
	bool stops = request->kind != CAPTURE_KIND_DIAGNOSTICS;
	enum capture_refusal refusal = REFUSAL_NONE;

	if (target == NULL)
		return (enum capture_refusal)err_set(err, REFUSAL_TARGET, "target: there is none");
	if (request->kind == CAPTURE_KIND_GC)
		return judge_gc(captures, target, request, err);
	if (stops)
		refusal = judge_busy(captures, target, request, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_queue(captures, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_history(captures, target, request, err);
	if (refusal == REFUSAL_NONE)
		refusal = stops ? judge_taking(captures, target, request, err)
				: judge_diagnostics(captures, target, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_dry_run(target, request, err);
	return refusal;
}

enum capture_refusal guard_judge_again(const struct captures *captures, const struct target *target,
				       const struct capture *capture, struct err *err)
{
	const char *isolate = capture->manifest.isolate;
	enum capture_refusal refusal = REFUSAL_NONE;
	uint64_t bytes;

	if (target == NULL)
		return (enum capture_refusal)err_set(err, REFUSAL_TARGET, "target: there is none");
	bytes = estimate_bytes(capture->kind, guard_heap_used_bytes(target, isolate));
	if (!capture->force && judge_target(target, isolate, NULL) == REFUSAL_NONE)
		refusal = safety_judge(captures, target, isolate, capture->kind,
				       capture->has_guards ? &capture->guards : NULL, true, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_space(captures, bytes, capture, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_target(target, isolate, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_runtime(target, isolate, capture->kind, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_end(captures, target, capture->kind, capture->samples.duration_ns,
				    err);
	return refusal;
}

/*
 * Nobody has polled since the first half of a tracking, so that the target is not up, and the heap
 * is what the second has measured.
 */
enum capture_refusal guard_judge_half(const struct captures *captures, const struct target *target,
				      const struct capture *capture, struct err *err)
{
	const char *isolate = capture->manifest.isolate;
	enum capture_refusal refusal = REFUSAL_NONE;

	if (target == NULL)
		return (enum capture_refusal)err_set(err, REFUSAL_TARGET, "target: there is none");
	if (!capture->force)
		refusal = safety_judge(captures, target, isolate, capture->kind,
				       capture->has_guards ? &capture->guards : NULL, true, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_space(
			captures,
			estimate_bytes(capture->kind, guard_heap_used_bytes(target, isolate)),
			capture, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_runtime(target, isolate, capture->kind, err);
	return refusal;
}

/* gc_interval has judged it at its beginning: what else was forced since does not take it away. */
enum capture_refusal guard_judge_end(const struct captures *captures, const struct target *target,
				     const struct capture *capture, struct err *err)
{
	if (target == NULL)
		return (enum capture_refusal)err_set(err, REFUSAL_TARGET, "target: there is none");
	return safety_judge(captures, target, capture->manifest.isolate, capture->kind, NULL, true,
			    err);
}

/* ---- history ---- */

static void drop_past(struct captures *captures, struct past *past)
{
	link_remove(&past->link);
	captures->history_n--;
	captures->unarmed_n -= past->unarmed;
	free(past);
}

int guard_remember(struct captures *captures, const char *target, const char *isolate,
		   const char *rule, const char *step, int kind, bool rearm)
{
	struct past *past = calloc(1, sizeof(*past));

	if (past == NULL)
		return -ENOMEM;
	str_copy(past->target, sizeof(past->target), target);
	str_copy(past->isolate, sizeof(past->isolate), isolate);
	str_copy(past->rule, sizeof(past->rule), rule);
	str_copy(past->step, sizeof(past->step), step);
	past->kind = kind;
	past->unarmed = rearm;
	past->at_ns = (int64_t)clock_mono_ns();
	list_append(&captures->history, &past->link);
	captures->history_n++;
	captures->unarmed_n += rearm;
	if (captures->history_n > HISTORY_MAX)
		drop_past(captures, container_of(captures->history.next, struct past, link));
	return 0;
}

void guard_forget(struct captures *captures, const char *target, const char *rule, const char *step,
		  int kind)
{
	for (struct link *link = captures->history.prev; link != &captures->history;
	     link = link->prev) {
		struct past *past = container_of(link, struct past, link);

		if (past->kind != kind || strcmp(past->target, target) != 0 ||
		    strcmp(past->rule, rule) != 0 || strcmp(past->step, step) != 0)
			continue;
		drop_past(captures, past);
		return;
	}
}

bool guard_rearm(struct captures *captures, const char *target, const char *isolate,
		 const char *rule)
{
	bool any = false;

	if (captures->unarmed_n == 0)
		return false;
	list_each (link, &captures->history) {
		struct past *past = container_of(link, struct past, link);

		if (!past->unarmed || strcmp(past->target, target) != 0 ||
		    strcmp(past->isolate, isolate) != 0 || strcmp(past->rule, rule) != 0)
			continue;
		past->unarmed = false;
		captures->unarmed_n--;
		any = true;
	}
	return any;
}

void guard_forget_all(struct captures *captures)
{
	list_each_safe (link, &captures->history)
		drop_past(captures, container_of(link, struct past, link));
}
