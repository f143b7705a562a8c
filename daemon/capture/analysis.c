/*
 * Analyses
 *
 * A queue of ids and at most one job. The job's ends come in callbacks of the loop; the next one
 * starts in deferred work, when no callback is on the stack. Captures are looked up by id whenever
 * they are needed and may be gone.
 */

#include "capture/analysis.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/analysis_job.h"
#include "capture/capture.h"
#include "capture/verdict.h"
#include "spool/report.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/procfs.h"

enum { ATTEMPTS_MAX = 2 };

#define MEMORY_LEAST_BYTES (32ull << 20) /* below that nothing is worth a start */
#define RESUME_AGE_MS      (24 * 3600 * 1000ll)

static const double duration_bounds[] = { 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600 };

static const struct outcome {
	const char *name;
	const char *log_id;
	enum log_level level;
} outcomes[] = {
	[ANALYSIS_DONE] = { "done", LOG_ID_ANALYSIS_DONE, LEVEL_INFO },
	[ANALYSIS_FAILED] = { "failed", LOG_ID_ANALYSIS_FAILED, LEVEL_WARN },
	[ANALYSIS_SKIPPED] = { "skipped", LOG_ID_ANALYSIS_SKIPPED, LEVEL_INFO },
};
_Static_assert(sizeof(outcomes) / sizeof(outcomes[0]) == ANALYSIS_RESULTS, "one each");

const char *analysis_result_name(enum analysis_result result)
{
	return outcomes[result].name;
}

/* ---- the end of one ---- */

static void tell(const struct manifest *manifest, enum analysis_result result, const char *why)
{
	const struct log_field fields[] = {
		{ "target", manifest->target },
		{ "isolate", manifest->isolate },
		{ "capture_id", manifest->id },
		{ "filename", manifest->name },
		{ "reason", why[0] != '\0' ? why : NULL },
	};

	log_event(outcomes[result].level, "analysis", outcomes[result].log_id, fields,
		  sizeof(fields) / sizeof(fields[0]), "the analysis of %s is %s%s%s",
		  manifest->name, outcomes[result].name, why[0] != '\0' ? ": " : "", why);
}

static void tell_verdict(const struct analyses *analyses, const struct manifest *before,
			 const struct manifest_analysis *analysis)
{
	struct manifest manifest = *before;

	manifest.analysis = *analysis;
	verdict_tell(&manifest);
	if (analyses->on_verdict != NULL)
		analyses->on_verdict(analyses->owner, &manifest);
}

/* analysis has the report's members, verdict and attempts, the rest is set here. */
static void conclude(struct analyses *analyses, const struct manifest *manifest,
		     struct manifest_analysis *analysis, enum analysis_result result,
		     const char *why)
{
	int r;

	str_copy(analysis->state, sizeof(analysis->state), analysis_result_name(result));
	str_copy(analysis->reason, sizeof(analysis->reason), why);
	if (result != ANALYSIS_DONE && verdict_is_due(manifest))
		verdict_none(&analysis->verdict, why);
	r = report_note(analyses->spool, manifest->id, analysis);
	if (r != 0)
		report_take_back(analyses->spool, analysis);
	if (r == -ENOENT)
		return; /* deleted meanwhile: nobody asks any more */
	if (r != 0)
		log_error("analysis", "%s: its manifest cannot be written: %s", manifest->name,
			  r < 0 ? strerror(-r) : "the disk is full");
	analyses->results[result]++;
	tell(manifest, result, why);
	if (analysis->verdict.state[0] != '\0')
		tell_verdict(analyses, manifest, analysis);
}

static void conclude_job(struct analysis_job *job, enum analysis_result result, const char *why)
{
	struct analyses *analyses = job->analyses;

	conclude(analyses, &job->manifest, &job->analysis, result, why);
	if (result == ANALYSIS_DONE)
		histogram_observe(&analyses->duration, (double)job->took_ns / 1e9);
	analyses->job = NULL;
	analysis_job_free(job);
	loop_defer(analyses->loop, &analyses->next);
}

static void conclude_without(struct analyses *analyses, const struct manifest *manifest,
			     enum analysis_result result, const char *why)
{
	struct manifest_analysis analysis = { .attempts = manifest->analysis.attempts };

	conclude(analyses, manifest, &analysis, result, why);
}

static bool has_room(const struct analysis_job *job)
{
	return spool_room(job->analyses->spool, 0, job->said.size) == 0;
}

void analysis_worked(struct analysis_job *job, const struct child_end *end)
{
	char why[sizeof(job->analysis.reason)];
	enum analysis_result result = analysis_job_judge(job, end, why, sizeof(why));
	int r;

	job->analyses->peak_resident_bytes = end->peak_resident_bytes;
	if (result == ANALYSIS_DONE && !has_room(job)) {
		conclude_job(job, ANALYSIS_SKIPPED, "the spool has no room for the report");
		return;
	}
	if (result != ANALYSIS_DONE) {
		conclude_job(job, result, why);
		return;
	}
	r = analysis_job_write(job);
	if (r < 0)
		conclude_job(job, ANALYSIS_FAILED, strerror(-r));
}

void analysis_written(struct analysis_job *job)
{
	if (job->result == 0)
		conclude_job(job, ANALYSIS_DONE, "");
	else
		conclude_job(job, ANALYSIS_FAILED,
			     job->result < 0 ? strerror(-job->result) : "the disk is full");
}

/* ---- the beginning of one ---- */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* What the worker may take now. What is not known is no. */
static uint64_t may_take(const struct analysis_settings *settings, struct err *why)
{
	uint64_t host = 0, take = settings->max_memory_bytes;
	char available[STR_UNIT_MAX], headroom[STR_UNIT_MAX];
	struct process_stats self = { .present = false };

	if (procfs_available_bytes(&host) < 0) {
		err_set(why, 0, "the kernel does not say what memory is available");
		return 0;
	}
	if (less(host, settings->headroom_bytes) < take) {
		take = less(host, settings->headroom_bytes);
		err_set(why, 0, "the host has %s available, and %s of it are headroom",
			str_format_bytes(available, host),
			str_format_bytes(headroom, settings->headroom_bytes));
	}
	if (procfs_read(getpid(), NULL, &self) == 0 && self.fullest_cgroup.has_limit) {
		uint64_t left = cgroup_left_bytes(&self.fullest_cgroup);

		if (left < take) {
			take = left;
			err_set(why, 0, "the daemon's control group has %s left",
				str_format_bytes(available, left));
		}
	}
	return take;
}

static bool is(const char *stage, const char *name)
{
	return strcmp(stage, name) == 0;
}

static uint64_t expanded_bytes(const struct manifest *manifest)
{
	return manifest->redacted_bytes > 0 ? manifest->redacted_bytes : manifest->size_bytes;
}

/* True when it can be begun within *ret_memory; else why not. */
static bool may_begin(const struct analyses *analyses, const struct manifest *manifest,
		      uint64_t *ret_memory, struct err *why)
{
	char needed[STR_UNIT_MAX], limit[STR_UNIT_MAX];
	uint64_t bytes = expanded_bytes(manifest);

	if (is(manifest->encrypt, "age")) {
		err_set(why, 0, "it is encrypted, and the daemon has no key");
		return false;
	}
	*ret_memory = may_take(analyses->settings, why);
	if (*ret_memory < MEMORY_LEAST_BYTES)
		return false;
	if (is(manifest->compress, "zstd") && bytes > *ret_memory) {
		err_set(why, 0, "it needs more than %s, %s may be taken",
			str_format_bytes(needed, bytes), str_format_bytes(limit, *ret_memory));
		return false;
	}
	return true;
}

/* That it has begun must be known before the worker runs. */
static int note_begin(struct analysis_job *job, struct err *err)
{
	int r;

	str_copy(job->analysis.state, sizeof(job->analysis.state), "running");
	job->analysis.reason[0] = '\0';
	job->analysis.attempts++;
	r = report_note(job->analyses->spool, job->manifest.id, &job->analysis);
	if (r != 0)
		return err_set(err, r < 0 ? r : -ENOSPC, "its manifest cannot be written: %s",
			       r < 0 ? strerror(-r) : "the disk is full");
	return 0;
}

static void begin(struct analyses *analyses, const struct manifest *manifest)
{
	struct err why = { .text = "" };
	uint64_t memory = 0;
	int r;

	if (manifest->analysis.attempts >= ATTEMPTS_MAX) {
		conclude_without(analyses, manifest, ANALYSIS_FAILED,
				 "twice the daemon ended while it was analysed");
		return;
	}
	if (!may_begin(analyses, manifest, &memory, &why)) {
		conclude_without(analyses, manifest, ANALYSIS_SKIPPED, why.text);
		return;
	}
	r = analysis_job_new(&analyses->job, analyses, manifest, memory, &why);
	if (r == 0)
		r = note_begin(analyses->job, &why);
	if (r == 0)
		r = analysis_job_start(analyses->job, &why);
	if (r == 0)
		return;
	analysis_job_free(analyses->job);
	analyses->job = NULL;
	conclude_without(analyses, manifest, ANALYSIS_FAILED, why.text);
}

/* What it is to be compared with is not in the spool yet: a disk takes its time over it. */
static bool waits(const struct analyses *analyses, const char *id)
{
	const struct spool_entry *entry = spool_find(analyses->spool, id);
	const struct capture *first;

	if (entry == NULL || !verdict_is_due(&entry->manifest))
		return false;
	first = captures_find(analyses->captures, entry->manifest.series);
	return first != NULL && first->step == CAPTURE_RUNNING;
}

/* Of those that need not wait. False: there is none. */
static bool take_first(struct analyses *analyses, char ret_id[CAPTURE_ID_MAX])
{
	unsigned i = 0;

	while (i < analyses->queue_n && waits(analyses, analyses->queue[i]))
		i++;
	if (i == analyses->queue_n)
		return false;
	str_copy(ret_id, CAPTURE_ID_MAX, analyses->queue[i]);
	analyses->queue_n--;
	memmove(analyses->queue + i, analyses->queue + i + 1,
		(analyses->queue_n - i) * CAPTURE_ID_MAX);
	return true;
}

static void next(void *owner)
{
	struct analyses *analyses = owner;
	const struct spool_entry *entry;
	struct manifest manifest;
	char id[CAPTURE_ID_MAX];

	while (analyses->job == NULL && analyses->settings->enabled && take_first(analyses, id)) {
		entry = spool_find(analyses->spool, id);
		if (entry == NULL)
			continue;
		manifest = entry->manifest;
		begin(analyses, &manifest);
	}
}

/* ---- what there is to do ---- */

static bool is_queued(const struct analyses *analyses, const char *id)
{
	for (unsigned i = 0; i < analyses->queue_n; i++) {
		if (strcmp(analyses->queue[i], id) == 0)
			return true;
	}
	return false;
}

static bool is_running(const struct analyses *analyses, const char *id)
{
	return analyses->job != NULL && strcmp(analyses->job->manifest.id, id) == 0;
}

static bool is_wanted(const struct analyses *analyses, const struct manifest *manifest)
{
	const char *state = manifest->analysis.state;

	return manifest_can_have_report(manifest) && (state[0] == '\0' || is(state, "running")) &&
	       !is_running(analyses, manifest->id) && !is_queued(analyses, manifest->id);
}

static void enqueue(struct analyses *analyses, const struct manifest *manifest)
{
	str_copy(analyses->queue[analyses->queue_n++], CAPTURE_ID_MAX, manifest->id);
	loop_defer(analyses->loop, &analyses->next);
}

void analyses_add(struct analyses *analyses, const struct manifest *manifest)
{
	if (!analyses->settings->enabled || !is_wanted(analyses, manifest))
		return;
	if (analyses->queue_n == ANALYSIS_QUEUE_MAX)
		conclude_without(analyses, manifest, ANALYSIS_SKIPPED, "the queue is full");
	else
		enqueue(analyses, manifest);
}

void analyses_captured(struct analyses *analyses, const struct capture *capture)
{
	if (capture->step == CAPTURE_SUCCEEDED)
		analyses_add(analyses, &capture->manifest);
	if (analyses->queue_n > 0)
		loop_defer(analyses->loop, &analyses->next);
}

void analyses_resume(struct analyses *analyses)
{
	const struct spool *spool = analyses->spool;
	int64_t since = clock_wall_ms() - RESUME_AGE_MS;

	if (!analyses->settings->enabled)
		return;
	for (struct link *at = spool->ready.prev; at != &spool->ready; at = at->prev) {
		const struct spool_entry *entry = container_of(at, struct spool_entry, link);

		if (entry->manifest.finished_wall_ms >= since &&
		    analyses->queue_n < ANALYSIS_QUEUE_MAX && is_wanted(analyses, &entry->manifest))
			enqueue(analyses, &entry->manifest);
	}
}

const char *analyses_state(const struct analyses *analyses, const struct manifest *manifest,
			   const char **ret_reason)
{
	*ret_reason = manifest->analysis.reason;
	if (analyses != NULL && is_running(analyses, manifest->id))
		return "running";
	if (analyses != NULL && is_queued(analyses, manifest->id))
		return "queued";
	if (manifest->analysis.state[0] != '\0' && !is(manifest->analysis.state, "running"))
		return manifest->analysis.state;
	if (!manifest_can_have_report(manifest))
		*ret_reason = "it is no snapshot and no profile, or the second file of one";
	else if (analyses == NULL || !analyses->settings->enabled)
		*ret_reason = "analysis.enabled is off";
	else
		*ret_reason = "it was older than a day, or the queue full, when the daemon started";
	return "none";
}

/* ---- the whole ---- */

void analyses_init(struct analyses *analyses, struct loop *loop, struct captures *captures,
		   const struct analysis_settings *settings, const char *program)
{
	*analyses = (struct analyses){
		.loop = loop,
		.captures = captures,
		.spool = captures->spool,
		.settings = settings,
		.program = program,
	};
	loop_deferred_init(&analyses->next, next, analyses);
	histogram_init(&analyses->duration, duration_bounds,
		       sizeof(duration_bounds) / sizeof(duration_bounds[0]));
}

void analyses_set(struct analyses *analyses, const struct analysis_settings *settings)
{
	analyses->settings = settings;
	analyses_resume(analyses);
	loop_defer(analyses->loop, &analyses->next); /* what waited while it was off */
}

/* As if it had not been begun: that we stop is not its fault. */
static void give_up(struct analyses *analyses, struct analysis_job *job)
{
	const struct manifest_analysis before = { .attempts = job->manifest.analysis.attempts };

	report_take_back(analyses->spool, &job->analysis);
	(void)report_note(analyses->spool, job->manifest.id, &before);
}

void analyses_fini(struct analyses *analyses)
{
	struct analysis_job *job = analyses->job;

	if (analyses->loop == NULL)
		return;
	loop_deferred_cancel(&analyses->next);
	analyses->job = NULL;
	if (job != NULL)
		give_up(analyses, job);
	analysis_job_free(job);
	analyses->loop = NULL;
}
