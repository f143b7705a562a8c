/*
 * Series
 *
 * What a series needs is copied when it begins: the rule that began it may be another one by the
 * time the last capture is due, and what was promised about redaction and encryption must hold for
 * all of them. The spacing runs from one beginning to the next, by the clock that does not jump; in
 * the state file it is wall time, for that is all that survives the daemon.
 */

#include "capture/series.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/account.h"
#include "capture/step.h"
#include "capture/tracking.h"
#include "capture/verdict.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"

#define PATIENCE_SPACINGS 2

/* With exact ids: by so much may all waiting for a busy target make it longer. */
#define EXACT_PATIENCE_NS (30 * NS_PER_S)

/* How often a heap is looked at that has to grow first; the values are those of the last poll. */
#define LOOK_NS NS_PER_S

static void plan_free(struct series_plan *plan)
{
	link_remove(&plan->link);
	recipe_choice_fini(&plan->recipe);
	free(plan);
}

/* The whole recipe of today, so that a reload does not change it under the series. */
static int keep_recipe(struct recipe_choice *dst, const struct recipe *defaults,
		       const struct recipe_choice *choice)
{
	struct recipe whole;
	int r = recipe_choose(&whole, defaults, choice);

	recipe_keep(dst, &whole);
	return r;
}

/* Connections that series with exact ids have or may come to have. */
static uint64_t tracked_at_most(const struct captures *captures)
{
	uint64_t n = tracking_n(captures);

	list_each (link, &captures->series) {
		const struct series_plan *plan = container_of(link, struct series_plan, link);

		/* The one before the next may not be there yet, and the last is none. */
		n += plan->exact ? plan->count - plan->index + 1 : 0;
	}
	return n;
}

bool series_full(const struct captures *captures, const struct series_settings *settings)
{
	unsigned n = 0;

	list_each (link, &captures->series)
		n++;
	return n >= SERIES_MAX || (settings->ids == SERIES_IDS_EXACT &&
				   tracked_at_most(captures) + settings->count - 1 > TRACKED_MAX);
}

int series_begin(struct captures *captures, const struct capture_request *request,
		 const char *target, const char *id)
{
	struct series_plan *plan = calloc(1, sizeof(*plan));

	if (plan == NULL)
		return -ENOMEM;
	link_init(&plan->link);
	if (keep_recipe(&plan->recipe, &captures->settings->recipe, request->recipe) < 0) {
		plan_free(plan);
		return -ENOMEM;
	}
	str_copy(plan->id, sizeof(plan->id), id);
	str_copy(plan->target, sizeof(plan->target), target);
	str_copy(plan->isolate, sizeof(plan->isolate), request->isolate);
	str_copy(plan->rule, sizeof(plan->rule), request->rule != NULL ? request->rule : "");
	str_copy(plan->step, sizeof(plan->step), request->step != NULL ? request->step : "");
	str_copy(plan->requested_by, sizeof(plan->requested_by),
		 request->requested_by != NULL ? request->requested_by : "");
	str_copy(plan->cause, sizeof(plan->cause), request->cause != NULL ? request->cause : "");
	plan->cause_value = request->cause_value;
	plan->index = 2;
	plan->count = request->series->count;
	plan->spacing_ns = request->series->spacing_ns;
	plan->due_ns = clock_mono_ns() + plan->spacing_ns;
	plan->exact = request->series->ids == SERIES_IDS_EXACT;
	plan->until_ns = clock_mono_ns() + (plan->count - 1) * plan->spacing_ns + EXACT_PATIENCE_NS;
	growth_init(&plan->growth, request->series);
	growth_begin(&plan->growth, clock_mono_ns());
	plan->gc_before = request->gc_before || request->series->gc_before;
	plan->force = request->force;
	plan->has_guards = request->guards != NULL;
	if (plan->has_guards)
		plan->guards = *request->guards;
	list_append(&captures->series, &plan->link);
	return 0;
}

/* ---- asking for the later ones ---- */

static bool any_of(const struct link *list, const char *id)
{
	list_each (link, list) {
		if (strcmp(container_of(link, struct capture, link)->manifest.series, id) == 0)
			return true;
	}
	return false;
}

static bool is_under_way(const struct captures *captures, const char *id)
{
	return any_of(&captures->queue, id) || any_of(&captures->running, id);
}

static struct capture_request request_of(const struct captures *captures,
					 const struct series_plan *plan,
					 const struct series_settings *settings)
{
	const struct target *target = targets_find_name(captures->targets, plan->target);

	return (struct capture_request){
		.target_id = target != NULL ? target->id : 0,
		.kind = CAPTURE_KIND_SNAPSHOT,
		.isolate = plan->isolate,
		.rule = plan->rule[0] != '\0' ? plan->rule : NULL,
		.step = plan->step,
		.requested_by = plan->requested_by,
		.cause = plan->cause,
		.cause_value = plan->cause_value,
		.guards = plan->has_guards ? &plan->guards : NULL,
		.recipe = &plan->recipe,
		.series = settings,
		.force = plan->force,
		.gc_before = plan->gc_before,
		.series_id = plan->id,
		.series_index = (int64_t)plan->index,
	};
}

static void next(struct captures *captures, struct series_plan *plan, uint64_t now_ns)
{
	captures->unsaved = true;
	plan->index++;
	plan->due_ns = now_ns + plan->spacing_ns;
	growth_begin(&plan->growth, now_ns);
	if (plan->index > plan->count)
		plan_free(plan);
}

static bool may_pass(int refusal)
{
	return refusal == REFUSAL_BUSY || refusal == REFUSAL_TARGET || refusal == REFUSAL_QUEUE ||
	       refusal == REFUSAL_SPACE || refusal < 0;
}

void series_no_verdict(const struct captures *captures, const char *id, const char *why)
{
	if (captures->on_no_verdict != NULL)
		captures->on_no_verdict(captures->owner, id, why);
}

static void tell_no_verdict(struct captures *captures, const char *series, const char *fmt, ...)
{
	struct err why = { .text = "" };
	va_list args;

	va_start(args, fmt);
	vsnprintf(why.text, sizeof(why.text), fmt, args);
	va_end(args);
	series_no_verdict(captures, series, why.text);
}

static void give_up(struct captures *captures, struct series_plan *plan, const char *text)
{
	log_warn("capture", "the series %s of %s ends before %llu of %llu: %s", plan->id,
		 plan->target, (unsigned long long)plan->index, (unsigned long long)plan->count,
		 text);
	tell_no_verdict(captures, plan->id, "the series ended before %llu of %llu: %s",
			(unsigned long long)plan->index, (unsigned long long)plan->count, text);
	captures->unsaved = true;
	tracking_end(captures, plan->id);
	plan_free(plan);
}

/*
 * Quietly asked: a target that is away for an hour is not refused a thousand times. What decides is
 * told: a guard that will not change its mind soon takes this one capture, patience at its end the
 * series.
 */
static void ask(struct captures *captures, struct series_plan *plan, uint64_t now_ns)
{
	const struct series_settings settings = { .count = plan->count,
						  .spacing_ns = plan->spacing_ns,
						  .gc_before = plan->gc_before,
						  .ids = plan->exact ? SERIES_IDS_EXACT
								     : SERIES_IDS_ANY };
	const struct capture_request request = request_of(captures, plan, &settings);
	bool late = !plan->exact && now_ns - plan->due_ns >= PATIENCE_SPACINGS * plan->spacing_ns;
	struct err err = { .text = "" };
	int r;

	if (is_under_way(captures, plan->id))
		return;
	r = request_quietly(captures, &request, plan->asked, &err);
	if (r == 0) {
		next(captures, plan, now_ns);
		return;
	}
	if (may_pass(r) && !late)
		return;
	if (r > 0)
		account_refused(captures, plan->target, &request, (enum capture_refusal)r,
				err.text);
	if (may_pass(r) || plan->index == plan->count || plan->exact)
		give_up(captures, plan, r > 0 ? err.text : strerror(-r));
	else
		next(captures, plan, now_ns);
}

/* ---- by growth ---- */

static void tell_step(const struct series_plan *plan, enum growth_step step, uint64_t live_bytes)
{
	const struct growth *growth = &plan->growth;
	char base[STR_UNIT_MAX], live[STR_UNIT_MAX], patience[STR_UNIT_MAX];

	str_format_bytes(base, growth->base_bytes);
	str_format_bytes(live, live_bytes);
	if (step == GROWTH_REACHED)
		log_info("capture", "the heap of %s has grown from %s to %s: %llu of the series %s",
			 plan->target, base, live, (unsigned long long)plan->index, plan->id);
	else
		log_info("capture",
			 "the heap of %s has not grown by %g%% within %s: %llu of the series %s "
			 "is taken nonetheless",
			 plan->target, 100 * growth->share,
			 str_format_duration(patience, growth->patience_ns),
			 (unsigned long long)plan->index, plan->id);
}

/* The patience with a target that is busy runs from here. */
static void reach(struct captures *captures, struct series_plan *plan, uint64_t now_ns)
{
	plan->growth.reached = true;
	plan->due_ns = now_ns;
	captures->unsaved = true;
}

static void give_up_growth(struct captures *captures, struct series_plan *plan)
{
	char patience[STR_UNIT_MAX];
	struct err why = { .text = "" };

	err_set(&why, 0, "the heap has not grown by %g%% within %s", 100 * plan->growth.share,
		str_format_duration(patience, plan->growth.patience_ns));
	give_up(captures, plan, why.text);
}

/* Is it to be asked for now? Nobody is to touch the plan after false: it may be given up. */
static bool is_grown(struct captures *captures, struct series_plan *plan, uint64_t now_ns)
{
	const struct target *target = targets_find_name(captures->targets, plan->target);
	const struct isolate *isolate =
		target != NULL ? target_find_isolate(target, plan->isolate) : NULL;
	uint64_t live_bytes = growth_live_bytes(target, isolate);
	enum growth_step step;

	if (growth_see(&plan->growth, live_bytes))
		captures->unsaved = true;
	if (now_ns < plan->due_ns)
		return false;
	step = growth_judge(&plan->growth, live_bytes, now_ns);
	if (step == GROWTH_WAITS)
		return false;
	if (step == GROWTH_LATE && plan->growth.give_up) {
		give_up_growth(captures, plan);
		return false;
	}
	tell_step(plan, step, live_bytes);
	reach(captures, plan, now_ns);
	return true;
}

static bool waits_for_growth(const struct series_plan *plan)
{
	return plan->growth.share > 0 && !plan->growth.reached;
}

static bool is_due(struct captures *captures, struct series_plan *plan, uint64_t now_ns)
{
	return waits_for_growth(plan) ? is_grown(captures, plan, now_ns) : plan->due_ns <= now_ns;
}

static uint64_t time_left(const struct series_plan *plan, uint64_t now_ns)
{
	uint64_t left_ns = plan->due_ns > now_ns ? plan->due_ns - now_ns : 0;

	return waits_for_growth(plan) || plan->exact ? LOOK_NS : left_ns;
}

/* Why one with exact ids is not gone on with; NULL: it is. */
static const char *why_over(const struct captures *captures, const struct series_plan *plan,
			    uint64_t now_ns)
{
	if (!plan->exact)
		return NULL;
	if (plan->until_ns == 0)
		return "the ids of objects are lost: heapwatchd was restarted";
	if (targets_find_name(captures->targets, plan->target) == NULL)
		return "the target is gone";
	return now_ns >= plan->until_ns ? "its time is over" : NULL;
}

uint64_t series_tick(struct captures *captures, uint64_t now_ns)
{
	uint64_t wait_ns = UINT64_MAX;

	list_each_safe (link, &captures->series) {
		struct series_plan *plan = container_of(link, struct series_plan, link);
		const char *why = why_over(captures, plan, now_ns);

		if (why != NULL)
			give_up(captures, plan, why);
		else if (is_due(captures, plan, now_ns))
			ask(captures, plan, now_ns);
	}
	list_each (link, &captures->series) {
		const struct series_plan *plan = container_of(link, struct series_plan, link);
		uint64_t left_ns = time_left(plan, now_ns);

		if (left_ns < wait_ns)
			wait_ns = left_ns;
	}
	return wait_ns;
}

/* ---- ends ---- */

static struct series_plan *find(const struct captures *captures, const char *id)
{
	list_each (link, &captures->series) {
		struct series_plan *plan = container_of(link, struct series_plan, link);

		if (strcmp(plan->id, id) == 0)
			return plan;
	}
	return NULL;
}

/* The program died of it, most likely, or stood still for as long as is allowed. */
static bool did_harm(const struct capture *capture)
{
	return capture->stopped &&
	       (strcmp(capture->reason, "lost") == 0 || strcmp(capture->reason, "timeout") == 0);
}

/*
 * A capture that took long is not followed by the next at once: the program has to have gone on, or
 * there is nothing to compare. Patience with the target begins with that time, too.
 */
static void rest(struct series_plan *plan)
{
	uint64_t now_ns = clock_mono_ns();
	uint64_t least_ns = now_ns + (plan->exact ? 0 : plan->spacing_ns / 2);

	if (plan->due_ns < least_ns)
		plan->due_ns = least_ns;
}

void series_ended(struct captures *captures, const struct capture *capture)
{
	struct series_plan *plan = find(captures, capture->manifest.series);

	if (plan != NULL)
		rest(plan);
	if (capture->step != CAPTURE_FAILED)
		return;
	tracking_end(captures, capture->manifest.series);
	if (verdict_is_due(&capture->manifest))
		tell_no_verdict(captures, capture->manifest.series, "its last snapshot failed: %s",
				capture->error);
	else if (capture->kind == CAPTURE_KIND_TRACKING)
		tell_no_verdict(captures, capture->manifest.series, "its first snapshot failed: %s",
				capture->error);
	if (plan == NULL)
		return;
	if (strcmp(plan->id, capture->id) == 0)
		give_up(captures, plan, "its first capture failed");
	else if (did_harm(capture) || plan->exact)
		give_up(captures, plan, capture->error);
}

bool series_is_over(const struct captures *captures, const char *id)
{
	if (find(captures, id) != NULL || is_under_way(captures, id))
		return false;
	list_each (link, &captures->spool->ready) {
		const struct manifest *manifest =
			&container_of(link, struct spool_entry, link)->manifest;

		if (verdict_is_due(manifest) && strcmp(manifest->series, id) == 0)
			return false;
	}
	return true;
}

uint64_t series_until_ns(const struct captures *captures, const char *id)
{
	const struct series_plan *plan = find(captures, id);

	return plan != NULL && plan->exact ? plan->until_ns : 0;
}

void series_lost(struct captures *captures, const char *id, const char *why)
{
	struct series_plan *plan = find(captures, id);
	char text[256];

	/* The last, which waits for others, has the ids of its own then. */
	list_each (link, &captures->queue) {
		struct capture *capture = container_of(link, struct capture, link);

		if (strcmp(capture->manifest.series, id) == 0)
			capture->manifest.ids[0] = '\0';
	}
	if (plan == NULL)
		return;
	snprintf(text, sizeof(text), "the ids of objects are lost: %s", why);
	give_up(captures, plan, text);
}

/* ---- which there is ---- */

static bool is_of(const struct manifest *manifest, const struct target *target, const char *isolate,
		  const char *rule)
{
	return manifest->series[0] != '\0' && strcmp(manifest->target, target->spec.name) == 0 &&
	       strcmp(manifest->isolate, isolate) == 0 && strcmp(manifest->rule, rule) == 0 &&
	       !manifest_is_of_another(manifest, target->identity.pid,
				       target->identity.start_wall_ms);
}

bool series_newest(const struct captures *captures, const struct target *target,
		   const char *isolate, const char *rule, char ret_id[CAPTURE_ID_MAX])
{
	const struct link *const lists[] = { &captures->running, &captures->queue };
	const char *newest = NULL;

	list_each (link, &captures->spool->ready) {
		const struct spool_entry *entry = container_of(link, struct spool_entry, link);

		if (is_of(&entry->manifest, target, isolate, rule))
			newest = entry->manifest.series;
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		list_each (link, lists[i]) {
			const struct capture *at = container_of(link, struct capture, link);

			if (is_of(&at->manifest, target, isolate, rule))
				newest = at->manifest.series;
		}
	}
	list_each (link, &captures->series) {
		const struct series_plan *plan = container_of(link, struct series_plan, link);

		if (strcmp(plan->target, target->spec.name) == 0 &&
		    strcmp(plan->isolate, isolate) == 0 && strcmp(plan->rule, rule) == 0)
			newest = plan->id;
	}
	return newest != NULL && str_copy(ret_id, CAPTURE_ID_MAX, newest);
}

bool series_cancel(struct captures *captures, const char *id)
{
	struct series_plan *plan = find(captures, id);

	if (plan == NULL)
		return false;
	give_up(captures, plan, "cancelled");
	loop_wake_up(&captures->wake); /* which saves it */
	return true;
}

void series_forget_all(struct captures *captures)
{
	list_each_safe (link, &captures->series)
		plan_free(container_of(link, struct series_plan, link));
}
