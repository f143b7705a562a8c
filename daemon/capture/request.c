/*
 * Asking for captures
 *
 * What is accepted is copied whole, because rules, settings and the target may all be other ones
 * when it begins. Diagnostics go into the queue before their snapshot, with the text they were made
 * of at this moment; they are taken too when what protects the target says no to the snapshot, for
 * they are all the evidence there will be.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/account.h"
#include "capture/collection.h"
#include "capture/continuous.h"
#include "capture/diagnostics.h"
#include "capture/guard.h"
#include "capture/job.h"
#include "capture/peek.h"
#include "capture/series.h"
#include "capture/step.h"
#include "inspect/runtime.h"
#include "spool/digest.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"

void describe_target(struct manifest *manifest, const struct target *target)
{
	const struct identity *identity = &target->identity;
	const struct isolate *isolate = target_find_isolate(target, manifest->isolate);
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
	manifest->heap_limit_bytes = 0;
	str_copy(manifest->page, sizeof(manifest->page), isolate != NULL ? isolate->page : "");
	if (isolate != NULL && sample_has(&isolate->last, SAMPLE_HEAP_LIMIT))
		manifest->heap_limit_bytes = isolate->last.value[SAMPLE_HEAP_LIMIT];
}

static void join(char *dst, size_t size, const struct text_list *list)
{
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < list->n; i++) {
		size_t more = strlen(list->items[i]) + (used > 0);

		if (used + more >= size)
			return;
		if (used > 0)
			dst[used++] = ' ';
		memcpy(dst + used, list->items[i], more - (used > 0));
		used += strlen(list->items[i]);
		dst[used] = '\0';
	}
}

/*
 * Which names may stay is what the file itself does not tell. They are names of the program, and
 * manifests are neither redacted nor encrypted: so their number, and what they can be recognised
 * by. 0 or -errno.
 */
static int describe_allowed(struct manifest *manifest, const struct text_list *names)
{
	struct digest *digest;
	int r = names->n > 0 ? digest_new(&digest) : 0;

	manifest->redact_allow_names = names->n;
	if (names->n == 0 || r < 0)
		return r;
	for (size_t i = 0; i < names->n; i++) {
		digest_update(digest, names->items[i], strlen(names->items[i]));
		digest_update(digest, "\n", 1);
	}
	r = digest_final(digest, manifest->redact_allow_sha256);
	digest_free(digest);
	return r;
}

/* Of our own there is nothing to be taken out. 0 or -errno. */
static int describe_recipe(struct manifest *manifest, const struct recipe *recipe,
			   enum content content)
{
	int level = content == CONTENT_OWN ? REDACT_NONE : recipe->redact;

	str_copy(manifest->redact, sizeof(manifest->redact), redact_level_name(level));
	manifest->compress_level = recipe->compress == COMPRESS_ZSTD ? recipe->compress_level : 0;
	str_copy(manifest->compress, sizeof(manifest->compress),
		 compress_kind_name(recipe->compress));
	str_copy(manifest->encrypt, sizeof(manifest->encrypt),
		 recipe->encrypt.n > 0 ? "age" : "none");
	join(manifest->recipients, sizeof(manifest->recipients), &recipe->encrypt);
	return level == REDACT_ALL ? describe_allowed(manifest, &recipe->redact_allow) : 0;
}

_Static_assert(sizeof(((struct manifest *)0)->rule_step) == RULE_STEP_MAX, "all of a step");

static void describe_request(struct manifest *manifest, const struct capture_request *request)
{
	str_copy(manifest->kind, sizeof(manifest->kind), capture_kind_name(request->kind));
	str_copy(manifest->isolate, sizeof(manifest->isolate), request->isolate);
	str_copy(manifest->rule, sizeof(manifest->rule),
		 request->rule != NULL ? request->rule : "");
	str_copy(manifest->rule_step, sizeof(manifest->rule_step),
		 request->step != NULL ? request->step : "");
	str_copy(manifest->requested_by, sizeof(manifest->requested_by),
		 request->requested_by != NULL ? request->requested_by : "");
	str_copy(manifest->cause, sizeof(manifest->cause),
		 request->cause != NULL ? request->cause : "");
	manifest->cause_value = request->cause_value;
	manifest->continuous = request->continuous;
}

static bool is_series(const struct capture_request *request)
{
	return request->series != NULL && request->series->count > 1;
}

static bool has_exact_ids(const struct capture_request *request)
{
	return is_series(request) && request->series->ids == SERIES_IDS_EXACT;
}

static void describe_series(struct manifest *manifest, const struct capture_request *request)
{
	if (!is_series(request))
		return;
	str_copy(manifest->series, sizeof(manifest->series),
		 request->series_id != NULL ? request->series_id : manifest->id);
	manifest->series_index = request->series_id != NULL ? request->series_index : 1;
	manifest->series_count = (int64_t)request->series->count;
	str_copy(manifest->ids, sizeof(manifest->ids), has_exact_ids(request) ? "exact" : "");
}

/* The first of the two, which the second is compared with as the last of a series is. */
static void describe_tracking(struct manifest *manifest)
{
	str_copy(manifest->series, sizeof(manifest->series), manifest->id);
	manifest->series_index = 1;
	manifest->series_count = 2;
	str_copy(manifest->ids, sizeof(manifest->ids), "exact");
}

static void describe_format(struct manifest *manifest, enum content content, unsigned formats)
{
	bool timeline = strcmp(manifest->kind, capture_kind_name(CAPTURE_KIND_TIMELINE)) == 0;
	const char *format = timeline && content == CONTENT_V8_SNAPSHOT ? "heaptimeline"
			     : formats == SAMPLING_PPROF                ? "pb.gz"
			     : content == CONTENT_V8_PROFILE            ? "heapprofile"
			     : content == CONTENT_SAMPLED               ? "heapprofile"
			     : content == CONTENT_JSC_SNAPSHOT          ? "jsc.json"
			     : content == CONTENT_GECKO_SNAPSHOT        ? "fxsnapshot"
			     : content == CONTENT_V8_SNAPSHOT           ? "heapsnapshot"
									: "";

	str_copy(manifest->format, sizeof(manifest->format), format);
}

/* ---- what a request becomes ---- */

enum content content_of(int kind, const struct runtime *runtime)
{
	static const enum content by_format[] = {
		[SNAPSHOT_V8] = CONTENT_V8_SNAPSHOT,
		[SNAPSHOT_JSC] = CONTENT_JSC_SNAPSHOT,
		[SNAPSHOT_GECKO] = CONTENT_GECKO_SNAPSHOT,
	};

	if (kind == CAPTURE_KIND_TRACKING)
		return CONTENT_JSC_SNAPSHOT;
	if (capture_kind_is_heap(kind))
		return runtime != NULL ? by_format[runtime->format] : CONTENT_V8_SNAPSHOT;
	return kind == CAPTURE_KIND_DIAGNOSTICS ? CONTENT_OWN : CONTENT_SAMPLED;
}

/* Two files are to come of one profile, of which this is the first. */
static void describe_both(struct capture *capture)
{
	if (capture->formats == (SAMPLING_HEAPPROFILE | SAMPLING_PPROF))
		str_copy(capture->manifest.profile, sizeof(capture->manifest.profile), capture->id);
}

/* What is packed already is not packed again. */
static void choose_pprof(struct capture *capture)
{
	capture->formats = SAMPLING_PPROF;
	capture->recipe.compress = COMPRESS_NONE;
}

static void describe_samples(struct capture *capture, const struct sampling_settings *wish)
{
	capture->samples = (struct download_samples){
		.duration_ns = wish->duration_ns,
		.interval_bytes = wish->interval_bytes,
		.stack_depth = (unsigned)wish->stack_depth,
		.collected = wish->objects == SAMPLING_ALL,
		.continuous = capture->continuous,
	};
	capture->formats = sampling_formats(wish);
	if (capture->formats == SAMPLING_PPROF)
		choose_pprof(capture);
	describe_both(capture);
}

static void choose_timeline(struct capture *capture, const struct capture_request *request)
{
	const struct sampling_settings none = { 0 };

	capture->timeline = (struct download_timeline){
		.duration_ns =
			timeline_duration_ns(request->sampling != NULL ? request->sampling : &none),
		.stacks = request->timeline != NULL && request->timeline->stacks,
	};
}

static int choose_samples(struct capture *capture, const struct capture_request *request)
{
	struct sampling_settings defaults = { 0 };
	int r = 0;

	if (request->kind == CAPTURE_KIND_TIMELINE || request->kind == CAPTURE_KIND_TRACKING)
		choose_timeline(capture, request);
	if (request->kind != CAPTURE_KIND_SAMPLING)
		return 0;
	if (request->sampling == NULL)
		r = options_defaults(sampling_options, &defaults);
	if (r == 0)
		describe_samples(capture,
				 request->sampling != NULL ? request->sampling : &defaults);
	options_fini(sampling_options, &defaults);
	return r;
}

static int compose(struct captures *captures, const struct target *target,
		   const struct capture_request *request, struct capture **ret)
{
	struct capture *capture = NULL;
	int r = capture_new(&capture);

	if (r < 0)
		return r;
	capture->target_id = target->id;
	capture->kind = request->kind;
	capture->content = content_of(request->kind, target->session.runtime);
	capture->force = request->force;
	str_copy(capture->after, sizeof(capture->after),
		 request->after != NULL ? request->after : "");
	capture->gc_before =
		request->gc_before || (is_series(request) && request->series->gc_before);
	capture->has_guards = request->guards != NULL;
	if (request->guards != NULL)
		capture->guards = *request->guards;
	capture->of_target = request->kind != CAPTURE_KIND_DIAGNOSTICS;
	capture->continuous = request->continuous;
	r = recipe_choose(&capture->recipe, &captures->settings->recipe, request->recipe);
	if (r == 0)
		r = choose_samples(capture, request);
	if (r == 0)
		r = describe_recipe(&capture->manifest, &capture->recipe, capture->content);
	if (r < 0) {
		capture_free(capture);
		return r;
	}
	describe_request(&capture->manifest, request);
	describe_target(&capture->manifest, target);
	describe_series(&capture->manifest, request);
	if (request->kind == CAPTURE_KIND_TRACKING)
		describe_tracking(&capture->manifest);
	capture->keeps_ids = strcmp(capture->manifest.ids, "exact") == 0 &&
			     capture->manifest.series_index < capture->manifest.series_count;
	describe_format(&capture->manifest, capture->content, capture->formats);
	*ret = capture;
	return 0;
}

static int write_text(struct capture *capture, const struct target *target,
		      const struct diagnostics_context *context)
{
	struct buf buf;
	int r;

	buf_init(&buf, DIAGNOSTICS_BYTES_MAX);
	r = diagnostics_write(target, &capture->manifest, context, &buf);
	if (r == 0)
		capture->text = buf_take(&buf, &capture->text_size);
	buf_fini(&buf);
	return r;
}

/* Into the queue, with what is known at this moment. */
static int queue_diagnostics(struct captures *captures, const struct target *target,
			     const struct capture_request *request,
			     const struct diagnostics_context *context, char ret_id[CAPTURE_ID_MAX])
{
	struct capture_request own = *request;
	struct capture *capture = NULL;
	int r;

	own.kind = CAPTURE_KIND_DIAGNOSTICS;
	own.series = NULL;
	own.after = NULL; /* of what is known now, so not for later */
	r = compose(captures, target, &own, &capture);
	if (r < 0)
		return r;
	r = write_text(capture, target, context);
	if (r < 0) {
		capture_free(capture);
		return r;
	}
	step_enter(captures, capture, CAPTURE_WAITING);
	if (ret_id != NULL)
		str_copy(ret_id, CAPTURE_ID_MAX, capture->id);
	loop_wake_up(&captures->wake);
	return 0;
}

/* The ladder: what is at hand comes before whatever the target is asked for. */
static bool wants_diagnostics(const struct captures *captures,
			      const struct capture_request *request)
{
	return captures->settings->diagnostics && !request->continuous &&
	       (capture_kind_is_heap(request->kind) || request->kind == CAPTURE_KIND_SAMPLING);
}

static void precede(struct captures *captures, const struct target *target,
		    const struct capture_request *request, const char *id, const char *refusal)
{
	const struct diagnostics_context context = { .capture_id = id,
						     .refusal = refusal,
						     .version = captures->version };
	int r;

	if (!wants_diagnostics(captures, request))
		return;
	r = queue_diagnostics(captures, target, request, &context, NULL);
	if (r < 0)
		log_error("capture", "no diagnostics of %s: %s", target->spec.name, strerror(-r));
}

/* A capture of the same, of what is at hand: the target is not asked for it. */
static int derive(const struct capture *first, struct capture **ret)
{
	struct capture *capture = NULL;
	int r = capture_new(&capture);

	if (r < 0)
		return r;
	capture->target_id = first->target_id;
	capture->kind = first->kind;
	capture->content = first->content;
	capture->manifest = first->manifest;
	str_copy(capture->manifest.id, sizeof(capture->manifest.id), capture->id);
	r = recipe_choose(&capture->recipe, &first->recipe, NULL);
	if (r < 0)
		capture_free(capture);
	else
		*ret = capture;
	return r;
}

int request_half(const struct capture *first, struct capture **ret)
{
	struct capture *capture;
	int r = derive(first, &capture);

	if (r < 0)
		return r;
	capture->force = first->force;
	capture->gc_before = first->gc_before;
	capture->has_guards = first->has_guards;
	capture->guards = first->guards;
	capture->of_target = true;
	capture->timeline = first->timeline;
	capture->manifest.series_index = 2;
	capture->manifest.started_wall_ms = 0; /* its own, and with it its name */
	capture->manifest.resident_before_bytes = capture->manifest.resident_peak_bytes = 0;
	*ret = capture;
	return 0;
}

/*
 * The same profile in its second format: a capture of its own, of what the first has brought, which
 * the target is not asked for again. text is taken over, whatever is returned.
 */
int request_second(struct captures *captures, const struct capture *first, char *text, size_t size)
{
	struct capture *capture;
	int r = derive(first, &capture);

	if (r < 0) {
		free(text);
		return r;
	}
	capture->text = text;
	capture->text_size = size;
	choose_pprof(capture);
	capture->manifest.compress_level = 0;
	str_copy(capture->manifest.compress, sizeof(capture->manifest.compress),
		 compress_kind_name(capture->recipe.compress));
	describe_format(&capture->manifest, capture->content, capture->formats);
	step_enter(captures, capture, CAPTURE_WAITING);
	return 0;
}

/* Somebody's wish, whoever wanted the profile. */
static void describe_peek(struct manifest *manifest, const struct capture *of,
			  const char *requested_by)
{
	manifest->rule[0] = manifest->rule_step[0] = '\0';
	str_copy(manifest->requested_by, sizeof(manifest->requested_by),
		 requested_by != NULL ? requested_by : "");
	manifest->cause_value = 0;
	snprintf(manifest->cause, sizeof(manifest->cause), "a look at %s, which goes on", of->id);
}

/* What a look makes V8 do is what a forced collection does. */
static enum capture_refusal judge_peek(struct captures *captures, const struct target *target,
				       const struct capture *of, const char *requested_by,
				       struct err *err)
{
	const struct runtime *runtime = of->job->request.runtime;
	struct capture_request request = { .target_id = of->target_id,
					   .kind = CAPTURE_KIND_GC,
					   .isolate = of->manifest.isolate,
					   .requested_by = requested_by,
					   .cause = "a look at a profile" };
	enum capture_refusal refusal;

	if (download_can_peek(runtime))
		refusal = collection_judge(captures, target, &request, err);
	else
		refusal = (enum capture_refusal)err_set(err, REFUSAL_UNSUPPORTED,
							"%s tells of nothing before the end",
							runtime->name);
	request.kind = of->kind;
	if (refusal != REFUSAL_NONE)
		account_refused(captures, target->spec.name, &request, refusal, err->text);
	return refusal;
}

int request_peek(struct captures *captures, const struct capture *of, const char *requested_by,
		 char ret_id[CAPTURE_ID_MAX], struct err *err)
{
	struct target *target = targets_find(captures->targets, of->target_id);
	struct capture *capture;
	int r;

	if (target == NULL)
		return err_set(err, -EALREADY, "its target is gone");
	if (of->job->peek.id[0] != '\0')
		return err_set(err, -EBUSY, "another look at it is under way");
	r = judge_peek(captures, target, of, requested_by, err);
	if (r == 0)
		r = derive(of, &capture);
	if (r != 0)
		return r;
	describe_peek(&capture->manifest, of, requested_by);
	capture->formats = of->formats;
	describe_both(capture);
	capture->awaits = true;
	r = peek_wish(&of->job->peek, of->job->cancel_fd, capture->id);
	if (r < 0) {
		capture_free(capture);
		return err_set(err, r, "it is not sampling now: it has not begun, or is ending");
	}
	target->gc_forced_ns = clock_mono_ns();
	str_copy(ret_id, CAPTURE_ID_MAX, capture->id);
	step_enter(captures, capture, CAPTURE_WAITING);
	return 0;
}

/* ---- judging and accepting ---- */

static int remember(struct captures *captures, const struct target *target,
		    const struct capture_request *request)
{
	/* A series counts as one. */
	if (request->rule == NULL || request->series_id != NULL)
		return 0;
	captures->unsaved = true;
	return guard_remember(captures, target->spec.name, request->isolate, request->rule,
			      request->step != NULL ? request->step : "", request->kind,
			      request->guards != NULL && request->guards->has_rearm);
}

static int accept_taking(struct captures *captures, const struct target *target,
			 const struct capture_request *request, char ret_id[CAPTURE_ID_MAX])
{
	struct capture *capture = NULL;
	int r = compose(captures, target, request, &capture);

	if (r < 0)
		return r;
	if (is_series(request) && request->series_id == NULL)
		r = series_begin(captures, request, target->spec.name, capture->id);
	if (r < 0) {
		capture_free(capture);
		return r;
	}
	precede(captures, target, request, capture->id, NULL);
	if (!capture->continuous)
		continuous_yield(captures, target->id);
	step_enter(captures, capture, CAPTURE_WAITING);
	if (ret_id != NULL)
		str_copy(ret_id, CAPTURE_ID_MAX, capture->id);
	loop_wake_up(&captures->wake);
	return 0;
}

static int accept_request(struct captures *captures, const struct target *target,
			  const struct capture_request *request, char ret_id[CAPTURE_ID_MAX])
{
	const struct diagnostics_context alone = { .version = captures->version };
	int r = remember(captures, target, request);

	if (r < 0)
		return r;
	if (request->kind == CAPTURE_KIND_GC)
		r = collection_accept(captures, target, request, ret_id);
	else if (request->kind == CAPTURE_KIND_DIAGNOSTICS)
		r = queue_diagnostics(captures, target, request, &alone, ret_id);
	else
		r = accept_taking(captures, target, request, ret_id);
	if (r < 0 && request->rule != NULL && request->series_id == NULL)
		guard_forget(captures, target->spec.name, request->rule,
			     request->step != NULL ? request->step : "", request->kind);
	return r;
}

/* The target itself is well enough to be looked at, but not to be stopped. */
static bool protects(enum capture_refusal refusal)
{
	return refusal == REFUSAL_QUIET_HOURS || refusal == REFUSAL_MIN_UPTIME ||
	       refusal == REFUSAL_MAX_HEAP || refusal == REFUSAL_MAX_CPU ||
	       refusal == REFUSAL_HEADROOM || refusal == REFUSAL_SPACE;
}

/* A rule asks again at each evaluation: its diagnostics have a cooldown too, of their own. */
static void instead(struct captures *captures, const struct target *target,
		    const struct capture_request *request, const char *refusal)
{
	struct capture_request own = *request;

	own.kind = CAPTURE_KIND_DIAGNOSTICS;
	if (guard_judge(captures, target, &own, NULL) == REFUSAL_NONE &&
	    remember(captures, target, &own) == 0)
		precede(captures, target, request, NULL, refusal);
}

int request_quietly(struct captures *captures, const struct capture_request *request,
		    char ret_id[CAPTURE_ID_MAX], struct err *err)
{
	const struct target *target = targets_find(captures->targets, request->target_id);
	enum capture_refusal refusal = guard_judge(captures, target, request, err);

	if (refusal != REFUSAL_NONE)
		return (int)refusal;
	if (is_series(request) && request->series_id == NULL &&
	    series_full(captures, request->series))
		return err_set(err, REFUSAL_QUEUE, "queue: too many series are under way already");
	return accept_request(captures, target, request, ret_id);
}

static const char *default_isolate(const struct target *target)
{
	const struct isolate *isolate = target != NULL ? target_main_isolate(target) : NULL;

	return isolate != NULL ? isolate->name : "main";
}

int captures_request(struct captures *captures, const struct capture_request *request,
		     char ret_id[CAPTURE_ID_MAX], struct err *err)
{
	const struct target *target = targets_find(captures->targets, request->target_id);
	struct capture_request whole = *request;
	struct err why = { 0 };
	int r;

	if (whole.isolate == NULL)
		whole.isolate = default_isolate(target);
	r = request_quietly(captures, &whole, ret_id, &why);
	if (r <= 0)
		return r;
	account_refused(captures, target != NULL ? target->spec.name : "", &whole,
			(enum capture_refusal)r, why.text);
	if (protects((enum capture_refusal)r) && !whole.dry_run &&
	    wants_diagnostics(captures, &whole))
		instead(captures, target, &whole, why.text);
	return err_set(err, r, "%s", why.text);
}

/* ---- adoption ---- */

static enum capture_refusal judge_adoption(const struct captures *captures, uint64_t bytes,
					   struct err *err)
{
	char about[STR_UNIT_MAX];

	if (captures->queue_n >= captures->settings->queue_max)
		return (enum capture_refusal)err_set(
			err, REFUSAL_QUEUE, "queue: %u captures wait already", captures->queue_n);
	if (spool_room(captures->spool, 1, bytes) == 0)
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(err, REFUSAL_SPACE,
					     "space: the spool has no room for a file of %s",
					     str_format_bytes(about, bytes));
}

static int adopt(struct captures *captures, int fd, const struct manifest *manifest,
		 enum content content, capture_adopted_fn *adopted, void *owner)
{
	struct capture *capture = NULL;
	int r = capture_new(&capture);

	if (r < 0)
		return r;
	capture->manifest = *manifest;
	r = recipe_choose(&capture->recipe, &captures->settings->recipe, NULL);
	if (r == 0)
		r = describe_recipe(&capture->manifest, &capture->recipe, content);
	if (r < 0) {
		capture_free(capture);
		return r;
	}
	str_copy(capture->manifest.id, sizeof(capture->manifest.id), capture->id);
	capture->kind =
		content == CONTENT_V8_PROFILE ? CAPTURE_KIND_PROFILE : CAPTURE_KIND_SNAPSHOT;
	capture->content = content;
	capture->file_fd = fd;
	capture->adopted = adopted;
	capture->adopted_owner = owner;
	describe_format(&capture->manifest, content, 0);
	step_enter(captures, capture, CAPTURE_WAITING);
	loop_wake_up(&captures->wake);
	return 0;
}

int captures_adopt(struct captures *captures, int fd, const struct manifest *manifest,
		   enum content content, capture_adopted_fn *adopted, void *owner, struct err *err)
{
	const struct capture_request request = { .isolate = manifest->isolate,
						 .cause = manifest->cause };
	enum capture_refusal refusal;
	struct err why = { 0 };
	struct stat stat;
	int r;

	if (fstat(fd, &stat) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	refusal = judge_adoption(captures, (uint64_t)stat.st_size, &why);
	if (refusal == REFUSAL_NONE) {
		r = adopt(captures, fd, manifest, content, adopted, owner);
		if (r < 0)
			close(fd);
		return r;
	}
	close(fd);
	account_refused(captures, manifest->target, &request, refusal, why.text);
	return err_set(err, (int)refusal, "%s", why.text);
}
