#pragma once

/*
 * Jobs: one capture as its thread sees it. All it needs is copied in before it starts; while it
 * runs the control thread only reads `bytes` and writes to the cancel descriptor. It runs twice:
 * the making, and, when the control thread has added what only it knows, the publication.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "capture/job_file.h"
#include "capture/peek.h"
#include "capture/pool.h"
#include "capture/question.h"
#include "inspect/download.h"
#include "spool/spool.h"
#include "util/err.h"
#include "watch/pages.h"
#include "watch/procfs.h"

struct intervals;
struct profile_job;
struct state_file;

enum job_phase { JOB_DOWNLOAD, JOB_PUBLISH };

/* Where the bytes come from. */
enum job_source {
	JOB_FROM_TARGET, /* request */
	JOB_FROM_TEXT, /* text: diagnostics */
	JOB_FROM_FILE, /* source_fd: adopted */
};

struct capture_job {
	struct pool_job pool_job;
	enum job_phase phase;
	enum job_source source;
	struct download_request
		request; /* sink, owner and a hold of the access are the job's own */
	struct process_start target_start; /* with the request */
	struct pages pages; /* of the target's browser, as the capture began; n 0: not known */
	struct profile_job *profile; /* owned; NULL: it is no profile */
	struct intervals *intervals; /* owned; NULL: it is no timeline */
	uint64_t profiled_bytes; /* what the profile says was allocated, when it was made */
	char *second; /* owned: the same profile in another format, when it was made; or NULL */
	size_t second_size;
	char *text; /* owned */
	size_t text_size;
	int source_fd; /* owned; -1: none */
	char *state_text; /* owned: to be written before anything is asked of the target */
	size_t state_size;
	uint64_t state_serial;
	struct state_file *state; /* borrowed */
	struct spool *spool; /* borrowed */
	struct writer_limits limits;
	const struct recipe *recipe; /* borrowed: the capture outlives its job */
	enum content content;
	struct spool_entry *entry; /* owned until it is added to the spool */
	struct job_file main, scripts;
	int cancel_fd; /* owned; also in request */
	struct peek peek; /* at the profile, if it is one */
	struct download_stats stats; /* of the capture's own thread */
	void (*hold)(const char *id, int fd); /* as captures->on_hold; NULL: nobody does */
	bool keeps_ids; /* the connection is kept: see capture/tracking.h and halves.h */
	struct question question; /* to the guards, before what costs the target most */
	/* Owned until the thread has it: of the first half of a tracking; NULL: it is no second. */
	struct download_kept *first_kept;
	/* Owned, from when it was made until it is taken, by either thread; or NULL. */
	struct download_kept *_Atomic kept;
	_Atomic uint64_t bytes;
	bool stopped; /* the target may have stood still, whatever came of it */
	bool unsure; /* published, but may be lost if the power fails: FILE_E_UNSURE */
	int result; /* of the last phase: 0; download_result; -errno */
	const char *reason; /* of the failure, in one word */
	struct err err;
};

/*
 * The manifest says what is captured; the source is set by one of the following. 0 or -errno.
 * Recipe and spool are borrowed.
 */
int capture_job_new(struct capture_job **ret, struct spool *spool,
		    const struct writer_limits *limits, const struct recipe *recipe,
		    enum content content, const struct manifest *manifest);

/*
 * request lacks only cancel, sink and owner; formats are those of a profile (enum sampling_format).
 * 0, -ENOMEM.
 */
int capture_job_from_target(struct capture_job *job, const struct download_request *request,
			    unsigned formats);

/* Both are the job's from here on. */
void capture_job_from_text(struct capture_job *job, char *text, size_t size);
void capture_job_from_file(struct capture_job *job, int fd);

/* Not while a thread has it. What was not published is deleted. NULL is fine. */
void capture_job_free(struct capture_job *job);

/*
 * From the control thread while it runs; a publication is not cancelled. A continuous profile is
 * ended early by the first time, and kept.
 */
void capture_job_cancel(struct capture_job *job);

/* The failure of a download in one word, for the reason label: "timeout". */
const char *capture_job_reason(int result);
