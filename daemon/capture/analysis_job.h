#pragma once

/* One analysis: the worker, what it says, and the thread that writes it down. */

#include <stdbool.h>
#include <stdint.h>
#include "capture/analysis.h"
#include "capture/pool.h"
#include "loop/child.h"
#include "util/buf.h"

enum analysis_phase { ANALYSIS_WORKING, ANALYSIS_WRITING };

struct analysis_job {
	struct analyses *analyses; /* borrowed */
	struct manifest manifest; /* a copy, as of the start */
	enum analysis_phase phase;
	uint64_t memory_bytes; /* what the worker may take */
	uint64_t began_ns, took_ns; /* monotonic */
	struct child child;
	struct loop_fd out;
	struct loop_timer deadline;
	int out_fd; /* owned; -1: closed */
	struct buf said;
	bool late, too_long; /* why we killed it */
	struct pool_job pool_job; /* the writing */
	struct manifest_analysis analysis; /* what will be noted */
	int result; /* of the writing */
};

/*
 * Start the worker on this capture. 0, or -errno with the reason in err. Free it in any case. The
 * end comes to analysis_worked().
 */
int analysis_job_new(struct analysis_job **ret, struct analyses *analyses,
		     const struct manifest *manifest, uint64_t memory_bytes, struct err *err);
int analysis_job_start(struct analysis_job *job, struct err *err);

/* Not while a thread has it. Kills the worker. NULL is fine. */
void analysis_job_free(struct analysis_job *job);

/* What it came to, with the verdict of the last of a series: the result, and with ANALYSIS_FAILED
 * and ANALYSIS_SKIPPED why, for people. */
enum analysis_result analysis_job_judge(struct analysis_job *job, const struct child_end *end,
					char *why, size_t size);

/* Have a thread write the report; analysis_written() follows. 0, -errno. */
int analysis_job_write(struct analysis_job *job);

/* analysis.c: the two ends, on the control thread. */
void analysis_worked(struct analysis_job *job, const struct child_end *end);
void analysis_written(struct analysis_job *job);
