/* What a runtime cannot give. */

#include "capture/support.h"

#include <string.h>

#include "inspect/download.h"
#include "inspect/runtime.h"
#include "inspect/v8_version.h"
#include "util/err.h"
#include "util/str.h"
#include "watch/sampling.h"
#include "watch/target.h"

static enum capture_refusal refuse(const struct target *target, enum ability ability,
				   const char *wish, struct err *err)
{
	const struct runtime *runtime = target->session.runtime;
	const char *why = runtime != NULL ? runtime->cannot[ability] : NULL;
	char who[RUNTIME_TITLE_MAX];

	if (why == NULL)
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(
		err, REFUSAL_UNSUPPORTED, "%.80s: not supported by %s: %s", wish,
		runtime_title(who, runtime, target->identity.runtime_version), why);
}

/* Where a snapshot cannot be rewritten, nobody gets it as it is who wants less. */
static enum capture_refusal judge_redact(const struct captures *captures,
					 const struct target *target,
					 const struct capture_request *request, struct err *err)
{
	const struct recipe_choice *choice = request->recipe;
	int level = choice != NULL && choice->has_redact ? choice->redact
							 : captures->settings->recipe.redact;

	if (!capture_kind_is_heap(request->kind) || level != REDACT_ALL)
		return REFUSAL_NONE;
	if (request->kind == CAPTURE_KIND_TRACKING)
		return (enum capture_refusal)err_set(
			err, REFUSAL_UNSUPPORTED,
			"redact: all: not supported by tracking: the names of properties in JSC's "
			"snapshots cannot be replaced; redact: strings can be had");
	return refuse(target, ABILITY_REDACT_ALL, "redact: all", err);
}

/* Of an older V8 (seen: 10.2 of Node 18) it would be the living ones under a false name. */
static enum capture_refusal judge_objects(const struct target *target,
					  const struct sampling_settings *sampling, struct err *err)
{
	const struct identity *identity = &target->identity;
	char who[RUNTIME_TITLE_MAX];

	if (sampling == NULL || sampling->objects != SAMPLING_ALL ||
	    strcmp(identity->engine, "v8") != 0 || identity->engine_version[0] == '\0' ||
	    !v8_before(identity->engine_version, 11, 0))
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(
		err, REFUSAL_UNSUPPORTED,
		"objects: all: not supported by %s: its V8 keeps nothing of what has died; "
		"objects: live can be had",
		runtime_title(who, target->session.runtime, identity->runtime_version));
}

/*
 * An older V8 (seen: up to 13.6 of Node 24) takes no such parameter, and answers as if it had. Node
 * tells its V8 only where expressions may be evaluated.
 */
static bool heeds_depth(const struct identity *identity)
{
	bool is_node = strcmp(identity->runtime, "node") == 0;
	const char *version = is_node ? identity->runtime_version : identity->engine_version;

	return strcmp(identity->engine, "v8") != 0 || version[0] == '\0' ||
	       !v8_before(version, is_node ? 26 : 14, is_node ? 0 : 6);
}

static enum capture_refusal judge_depth(const struct target *target,
					const struct sampling_settings *sampling, struct err *err)
{
	const struct identity *identity = &target->identity;
	char who[RUNTIME_TITLE_MAX];

	if (sampling == NULL || sampling->stack_depth == SAMPLING_DEPTH_V8 || heeds_depth(identity))
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(
		err, REFUSAL_UNSUPPORTED,
		"stack_depth: %u: not supported by %s: its V8 takes %d calls of each stack, "
		"whatever it is asked for",
		(unsigned)sampling->stack_depth,
		runtime_title(who, target->session.runtime, identity->runtime_version),
		SAMPLING_DEPTH_V8);
}

static enum capture_refusal judge_options(const struct target *target,
					  const struct sampling_settings *sampling, struct err *err)
{
	enum capture_refusal refusal = judge_objects(target, sampling, err);

	return refusal != REFUSAL_NONE ? refusal : judge_depth(target, sampling, err);
}

/* One that is to last longer than its runtime bears. */
static enum capture_refusal judge_samples(const struct target *target,
					  const struct sampling_settings *sampling, struct err *err)
{
	const struct runtime *runtime = target->session.runtime;
	uint64_t ns = sampling != NULL ? sampling->duration_ns : SAMPLING_DURATION_NS;
	char wanted[STR_UNIT_MAX], max[STR_UNIT_MAX];

	if (runtime == NULL || runtime->sampling_max_ns == 0 || ns <= runtime->sampling_max_ns) {
		enum capture_refusal refusal = refuse(target, ABILITY_SAMPLING, "sampling", err);

		return refusal != REFUSAL_NONE ? refusal : judge_options(target, sampling, err);
	}
	return (enum capture_refusal)err_set(
		err, REFUSAL_UNSUPPORTED, "sampling for %s: %s bears at most %s: %s",
		str_format_duration(wanted, ns), runtime->name,
		str_format_duration(max, runtime->sampling_max_ns), runtime->sampling_max_why);
}

static bool is_worker(const struct target *target, const char *isolate)
{
	return str_has_prefix(isolate, "worker:") && target_find_isolate(target, isolate) == NULL;
}

/* Whoever comes for each poll and leaves ends it each time. */
static enum capture_refusal judge_ids(const struct target *target,
				      const struct capture_request *request, struct err *err)
{
	const struct runtime *runtime = target->session.runtime;
	enum capture_refusal refusal;

	if (request->series == NULL || request->series->count < 2 ||
	    request->series->ids != SERIES_IDS_EXACT)
		return REFUSAL_NONE;
	refusal = refuse(target, ABILITY_EXACT_IDS, "ids: exact", err);
	if (refusal != REFUSAL_NONE || runtime == NULL)
		return refusal;
	if (request->isolate != NULL && str_has_prefix(request->isolate, "service_worker:"))
		return (enum capture_refusal)err_set(
			err, REFUSAL_UNSUPPORTED,
			"ids: exact: not supported by %s of a service worker, which is left after "
			"each poll: that is the end of the ids",
			runtime->name);
	if (!target_leaves_after_poll(target))
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(
		err, REFUSAL_UNSUPPORTED,
		"ids: exact: not supported by %s with a connection for each poll, whose end is the "
		"end of the ids; with policy: attached they can be had",
		runtime->name);
}

static bool has_stacks(const struct capture_request *request)
{
	return request->timeline != NULL && request->timeline->stacks;
}

enum capture_refusal support_judge(const struct captures *captures, const struct target *target,
				   const struct capture_request *request, struct err *err)
{
	if (is_worker(target, request->isolate) &&
	    refuse(target, ABILITY_WORKERS, request->isolate, err) != REFUSAL_NONE)
		return REFUSAL_UNSUPPORTED;
	if (request->continuous &&
	    refuse(target, ABILITY_CONTINUOUS, "continuous profiles", err) != REFUSAL_NONE)
		return REFUSAL_UNSUPPORTED;
	if (request->kind == CAPTURE_KIND_SAMPLING)
		return judge_samples(target, request->sampling, err);
	if (request->kind == CAPTURE_KIND_TIMELINE &&
	    refuse(target, has_stacks(request) ? ABILITY_TIMELINE_STACKS : ABILITY_TIMELINE,
		   "timeline", err) != REFUSAL_NONE)
		return REFUSAL_UNSUPPORTED;
	if (request->kind == CAPTURE_KIND_TRACKING &&
	    refuse(target, ABILITY_TRACKING, "tracking", err) != REFUSAL_NONE)
		return REFUSAL_UNSUPPORTED;
	if (judge_ids(target, request, err) != REFUSAL_NONE)
		return REFUSAL_UNSUPPORTED;
	return judge_redact(captures, target, request, err);
}

bool captures_can_have(const struct target *target, const char *isolate)
{
	return !is_worker(target, isolate) ||
	       refuse(target, ABILITY_WORKERS, isolate, NULL) == REFUSAL_NONE;
}
