/*
 * The account of captures
 *
 * Every end of a request passes here once, so that the metrics, the journal and the list of
 * refusals cannot tell different stories. Rows appear when they are first needed and stay: a
 * counter that vanishes would look like a restart.
 */

#include "capture/account.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/collection.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/collect.h"

/* A rule that is refused again within this time is not told again, only counted. */
#define STORY_NS (10 * 60 * NS_PER_S)

static const double duration_bounds[] = { 1, 2.5, 5, 10, 30, 60, 120, 300, 600 };
static const double gc_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };
static const double pause_bounds[] = { 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120 };
static const double size_bounds[] = { 1048576,    10485760,   104857600,  524288000,
				      1073741824, 4294967296, 17179869184 };

#define BOUNDS_N(bounds) (sizeof(bounds) / sizeof((bounds)[0]))

void account_init(struct captures *captures)
{
	link_init(&captures->counters);
	histogram_init(&captures->duration, duration_bounds, BOUNDS_N(duration_bounds));
	histogram_init(&captures->pause, pause_bounds, BOUNDS_N(pause_bounds));
	histogram_init(&captures->gc_duration, gc_bounds, BOUNDS_N(gc_bounds));
	histogram_init(&captures->size, size_bounds, BOUNDS_N(size_bounds));
}

void account_fini(struct captures *captures)
{
	list_each_safe (link, &captures->counters) {
		link_remove(link);
		free(container_of(link, struct capture_counter, link));
	}
	captures->counters_n = 0;
}

static struct capture_counter *row_find(const struct captures *captures, int kind,
					const char *target, const char *rule, const char *reason)
{
	list_each (link, &captures->counters) {
		struct capture_counter *row = container_of(link, struct capture_counter, link);

		if (row->kind == kind && strcmp(row->target, target) == 0 &&
		    strcmp(row->rule, rule) == 0 && strcmp(row->reason, reason) == 0)
			return row;
	}
	return NULL;
}

static struct capture_counter *row_add(struct captures *captures, int kind, const char *target,
				       const char *rule, const char *reason)
{
	struct capture_counter *row = calloc(1, sizeof(*row));

	if (row == NULL)
		return NULL;
	row->kind = kind;
	str_copy(row->target, sizeof(row->target), target);
	str_copy(row->rule, sizeof(row->rule), rule);
	str_copy(row->reason, sizeof(row->reason), reason);
	list_append(&captures->counters, &row->link);
	captures->counters_n++;
	return row;
}

/* NULL when memory is out: then this one is not counted. */
static struct capture_counter *row_of(struct captures *captures, int kind, const char *target,
				      const char *rule, const char *reason)
{
	struct capture_counter *row = row_find(captures, kind, target, rule, reason);

	if (row != NULL)
		return row;
	if (captures->counters_n < COUNTERS_MAX)
		return row_add(captures, kind, target, rule, reason);
	row = row_find(captures, kind, "", "", reason);
	return row != NULL ? row : row_add(captures, kind, "", "", reason);
}

/* Of the log: a field that has nothing to say is left out. */
static const char *known(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *rule_of(const struct capture_request *request)
{
	return request->rule != NULL ? request->rule : "";
}

static const char *step_of(const struct capture_request *request)
{
	return request->step != NULL ? request->step : "";
}

static struct refused *refused_at(struct captures *captures, uint64_t nth)
{
	return &captures->refused[nth % REFUSED_MAX];
}

static bool is_story(const struct refused *refused, const char *target,
		     const struct capture_request *request, enum capture_refusal refusal)
{
	return refused->reason == refusal && strcmp(refused->target, target) == 0 &&
	       strcmp(refused->isolate, request->isolate) == 0 &&
	       strcmp(refused->rule, rule_of(request)) == 0 &&
	       strcmp(refused->step, step_of(request)) == 0;
}

/* The entry of the same story, which becomes the newest; NULL: there is none. */
static struct refused *refused_again(struct captures *captures, const char *target,
				     const struct capture_request *request,
				     enum capture_refusal refusal)
{
	uint64_t end = captures->refused_n, nth = end > REFUSED_MAX ? end - REFUSED_MAX : 0;
	struct refused story;

	while (nth < end && !is_story(refused_at(captures, nth), target, request, refusal))
		nth++;
	if (nth == end)
		return NULL;
	story = *refused_at(captures, nth);
	for (; nth + 1 < end; nth++)
		*refused_at(captures, nth) = *refused_at(captures, nth + 1);
	*refused_at(captures, nth) = story;
	return refused_at(captures, nth);
}

/* The entry of this refusal: that of the same story when a rule asks again, or adoption (it asks no
 * target); else the oldest's place. */
static struct refused *refused_entry(struct captures *captures, const char *target,
				     const struct capture_request *request,
				     enum capture_refusal refusal)
{
	struct refused *refused = NULL;

	if (request->rule != NULL || request->target_id == 0)
		refused = refused_again(captures, target, request, refusal);
	if (refused != NULL && clock_mono_ns() - refused->last_ns < STORY_NS)
		return refused;
	refused = refused_at(captures, captures->refused_n++);
	*refused = (struct refused){ .reason = refusal };
	str_copy(refused->target, sizeof(refused->target), target);
	str_copy(refused->isolate, sizeof(refused->isolate), request->isolate);
	str_copy(refused->rule, sizeof(refused->rule), rule_of(request));
	str_copy(refused->step, sizeof(refused->step), step_of(request));
	return refused;
}

void account_refused(struct captures *captures, const char *target,
		     const struct capture_request *request, enum capture_refusal refusal,
		     const char *text)
{
	struct refused *refused = refused_entry(captures, target, request, refusal);
	const char *reason = capture_refusal_name(refusal);
	struct capture_counter *row =
		row_of(captures, request->kind, target, rule_of(request), reason);
	const struct log_field fields[] = {
		{ "target", target },
		{ "isolate", request->isolate },
		{ "rule", request->rule },
		{ "step", known(request->step) },
		{ "requested_by", known(request->requested_by) },
		{ "reason", reason },
		{ "cause", request->cause },
	};
	uint64_t now_ns = clock_mono_ns();

	if (row != NULL)
		row->refused++;
	refused->wall_ms = clock_wall_ms();
	refused->last_ns = now_ns;
	refused->times++;
	str_copy(refused->text, sizeof(refused->text), text);
	if (refused->told_ns != 0 && now_ns - refused->told_ns < STORY_NS)
		return;
	refused->told_ns = now_ns;
	log_event(LEVEL_INFO, "capture", LOG_ID_CAPTURE_SUPPRESSED, fields,
		  sizeof(fields) / sizeof(fields[0]), "capture of %s suppressed: %s", target, text);
}

static void log_done(const struct capture *capture)
{
	const struct manifest *manifest = &capture->manifest;
	char size[24], duration[32], pause[32], about[STR_UNIT_MAX], took[STR_UNIT_MAX];
	const struct log_field fields[] = {
		{ "target", manifest->target },
		{ "isolate", manifest->isolate },
		{ "kind", manifest->kind },
		{ "rule", known(manifest->rule) },
		{ "step", known(manifest->rule_step) },
		{ "requested_by", known(manifest->requested_by) },
		{ "cause", known(manifest->cause) },
		{ "capture_id", capture->id },
		{ "filename", manifest->name },
		{ "size", size },
		{ "duration", duration },
		{ "pause", pause },
	};

	snprintf(size, sizeof(size), "%" PRIu64, manifest->size_bytes);
	snprintf(duration, sizeof(duration), "%.3f", (double)manifest->duration_ns / NS_PER_S);
	snprintf(pause, sizeof(pause), "%.3f", (double)manifest->pause_ns / NS_PER_S);
	str_format_bytes(about, manifest->size_bytes);
	str_format_duration(took, manifest->duration_ns - manifest->duration_ns % NS_PER_MS);
	log_event(capture->continuous ? LEVEL_DEBUG : LEVEL_INFO, "capture", LOG_ID_CAPTURE_DONE,
		  fields, sizeof(fields) / sizeof(fields[0]), "%s of %s captured: %s in %s",
		  manifest->kind, manifest->target, about, took);
}

/* How much a snapshot took of its target and of the disk. */
static void observe(struct captures *captures, const struct capture *capture)
{
	const struct manifest *manifest = &capture->manifest;
	uint64_t whole_ns = clock_mono_ns() - capture->requested_ns;

	histogram_observe(&captures->duration, (double)whole_ns / NS_PER_S);
	histogram_observe(&captures->pause, (double)manifest->pause_ns / NS_PER_S);
	histogram_observe(&captures->size, (double)manifest->size_bytes);
}

void account_succeeded(struct captures *captures, const struct capture *capture)
{
	const struct manifest *manifest = &capture->manifest;
	struct capture_counter *row =
		row_of(captures, capture->kind, manifest->target, manifest->rule, "");

	if (row != NULL)
		row->succeeded++;
	row = row_of(captures, capture->kind, manifest->target, "", "");
	if (row != NULL)
		row->last_wall_ms = manifest->finished_wall_ms;
	captures->input_bytes[capture->kind] += manifest->size_bytes;
	captures->output_bytes[capture->kind] += manifest->file_bytes;
	captures->adopted_n += capture->adopted != NULL;
	if (capture->kind == CAPTURE_KIND_SNAPSHOT && capture->of_target)
		observe(captures, capture);
	log_done(capture);
}

void account_failed(struct captures *captures, const struct capture *capture)
{
	const struct manifest *manifest = &capture->manifest;
	struct capture_counter *row =
		row_of(captures, capture->kind, manifest->target, "", capture->reason);
	const struct log_field fields[] = {
		{ "target", manifest->target },
		{ "isolate", manifest->isolate },
		{ "kind", manifest->kind },
		{ "rule", known(manifest->rule) },
		{ "step", known(manifest->rule_step) },
		{ "requested_by", known(manifest->requested_by) },
		{ "cause", known(manifest->cause) },
		{ "capture_id", capture->id },
		{ "reason", capture->reason },
	};

	if (row != NULL)
		row->failed++;
	/* What a program that ended took along was nobody's wish. */
	log_event(capture->continuous ? LEVEL_INFO : LEVEL_WARN, "capture", LOG_ID_CAPTURE_FAILED,
		  fields, sizeof(fields) / sizeof(fields[0]), "%s of %s failed: %s", manifest->kind,
		  manifest->target, capture->error);
}

void account_collected(struct captures *captures, const struct collection_run *run,
		       const struct collected *collected)
{
	struct capture_counter *row = row_of(captures, CAPTURE_KIND_GC, run->target, run->rule, "");
	char before[STR_UNIT_MAX], after[STR_UNIT_MAX], took[STR_UNIT_MAX], seconds[32];
	const struct log_field fields[] = {
		{ "target", run->target },
		{ "isolate", run->isolate },
		{ "rule", known(run->rule) },
		{ "step", known(run->rule_step) },
		{ "requested_by", known(run->requested_by) },
		{ "cause", known(run->cause) },
		{ "duration", seconds },
	};

	if (row != NULL)
		row->succeeded++;
	histogram_observe(&captures->gc_duration, (double)collected->duration_ns / NS_PER_S);
	snprintf(seconds, sizeof(seconds), "%.3f", (double)collected->duration_ns / NS_PER_S);
	str_format_duration(took, collected->duration_ns - collected->duration_ns % NS_PER_MS);
	log_event(
		LEVEL_INFO, "capture", LOG_ID_GC_FORCED, fields, sizeof(fields) / sizeof(fields[0]),
		"garbage of %s collected: %s before, %s "
		"after, in %s",
		run->target,
		str_format_known_bytes(before, collected->has_before, collected->before_bytes),
		str_format_known_bytes(after, collected->has_after, collected->after_bytes), took);
}

void account_collection_failed(struct captures *captures, const struct collection_run *run,
			       const char *reason, const char *text)
{
	struct capture_counter *row = row_of(captures, CAPTURE_KIND_GC, run->target, "", reason);
	const struct log_field fields[] = {
		{ "target", run->target },
		{ "isolate", run->isolate },
		{ "rule", known(run->rule) },
		{ "reason", reason },
	};

	if (row != NULL)
		row->failed++;
	log_event(LEVEL_WARN, "capture", LOG_ID_GC_FAILED, fields,
		  sizeof(fields) / sizeof(fields[0]), "garbage of %s not collected: %s",
		  run->target, text);
}
