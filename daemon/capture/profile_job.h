#pragma once

/*
 * The profile of a job: from the events of a download to the bytes of its files. It is held in
 * memory, for it is a few hundred kilobytes and is only right as a whole; names and addresses are
 * redacted before, so that no format shows more than another. Lives on a capture thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pipeline/recipe.h"

struct download_frame;
struct download_samples;
struct err;
struct json_event;
struct profile_job;

enum { PROFILE_BYTES_MAX = 64 << 20 }; /* of one file */

/* by_allocation: it comes so, not by events. formats: bits of enum sampling_format. 0, -ENOMEM. */
int profile_job_new(struct profile_job **ret, bool by_allocation, unsigned formats,
		    enum redact_level level, const struct download_samples *samples,
		    int64_t started_wall_ms);
void profile_job_free(struct profile_job *job); /* NULL is fine */

/* All of these: 0; -EPROTO: no profile of V8's, -EFBIG, -ENOMEM, with the text in err. */

/* As download_request.profile. */
int profile_job_event(struct profile_job *job, const struct json_event *event, struct err *err);

/* As download_request.allocation. */
int profile_job_allocation(struct profile_job *job, const struct download_frame *stack, size_t n,
			   uint64_t bytes, uint64_t objects, struct err *err);

/*
 * All events were there: make the files. sampled_ns: for how long, where that is not what was asked
 * for; else 0.
 */
int profile_job_finish(struct profile_job *job, uint64_t sampled_ns, struct err *err);

/* What it says was allocated; when it is finished. */
uint64_t profile_job_bytes(const struct profile_job *job);

/*
 * The file of a capture, and the second one of two (data NULL: there is none), whose memory is the
 * caller's.
 */
void profile_job_take(struct profile_job *job, char **ret, size_t *ret_size, char **ret_second,
		      size_t *ret_second_size);
