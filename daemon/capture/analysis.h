#pragma once

/*
 * Analyses: a report beside each snapshot and profile in the spool. One worker at a time, a
 * program of its own that is given the file and a pipe and can do nothing else; the daemon itself
 * never parses what lies there. What is encrypted is not analysed: the daemon has no key, which is
 * the point of it.
 *
 * How it went is in the manifest, so that it is known after a restart. An analysis counts as begun
 * before the worker starts: one that takes the daemon down with it is tried once more, not forever.
 */

#include <stdbool.h>
#include <stdint.h>
#include "capture/settings.h"
#include "loop/loop.h"
#include "spool/manifest.h"
#include "util/metric.h"

struct analysis_job;
struct capture;
struct captures;
struct spool;

enum analysis_result { ANALYSIS_DONE, ANALYSIS_FAILED, ANALYSIS_SKIPPED, ANALYSIS_RESULTS };

/* Captures that wait; one more is skipped. */
enum { ANALYSIS_QUEUE_MAX = 64 };

struct analyses {
	struct loop *loop; /* borrowed */
	struct captures *captures; /* borrowed: whose threads write, and whose spool it is */
	struct spool *spool; /* borrowed */
	const struct analysis_settings *settings; /* borrowed */
	const char *program; /* borrowed: path of the worker */
	struct loop_deferred next;
	char queue[ANALYSIS_QUEUE_MAX][CAPTURE_ID_MAX]; /* the next one first */
	unsigned queue_n;
	struct analysis_job *job; /* owned; NULL: none runs */
	uint64_t results[ANALYSIS_RESULTS];
	struct histogram duration; /* of those that were done */
	uint64_t peak_resident_bytes; /* of the last worker that ended; 0: none yet */
	/* Hook of the root, may be NULL: a verdict on a series is in this manifest (borrowed). */
	void (*on_verdict)(void *owner, const struct manifest *manifest);
	void *owner;
};

/* settings as in captures_init(), program likewise. Nothing starts before analyses_resume(). */
void analyses_init(struct analyses *analyses, struct loop *loop, struct captures *captures,
		   const struct analysis_settings *settings, const char *program);

/* After captures_fini(), before the spool is closed. Kills the worker; it is begun again later. */
void analyses_fini(struct analyses *analyses);
void analyses_set(struct analyses *analyses, const struct analysis_settings *settings);

/* A capture has come to the spool. */
void analyses_add(struct analyses *analyses, const struct manifest *manifest);

/*
 * A capture has ended: what has come to the spool is added, and one that waited for it may begin.
 */
void analyses_captured(struct analyses *analyses, const struct capture *capture);

/* What an earlier life of the daemon left undone: the newest of the last day. */
void analyses_resume(struct analyses *analyses);

/*
 * "none", "queued", "running", "done", "failed", "skipped", and why (borrowed; "": nothing to say).
 * analyses may be NULL.
 */
const char *analyses_state(const struct analyses *analyses, const struct manifest *manifest,
			   const char **ret_reason);
const char *analysis_result_name(enum analysis_result result); /* "done" */
