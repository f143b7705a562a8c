#pragma once

/*
 * A look at a profile while it goes on: what is sampled so far becomes a capture of its own. The
 * control thread wishes it, the capture's thread hears it and makes the files, the control thread
 * takes them. One at a time for each profile.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/capture.h"
#include "inspect/download.h"
#include "pipeline/recipe.h"
#include "util/err.h"

struct json_event;
struct loop_wake;
struct profile_job;

/* Zeroed is none, of a job without a profile. */
struct peek {
	struct download_peek wish;
	struct loop_wake *wake; /* borrowed: of the control thread */
	/* Of the profile, as profile_job_new() has them; samples are borrowed. */
	unsigned formats;
	enum redact_level level;
	const struct download_samples *samples;
	int64_t started_wall_ms;
	char id[CAPTURE_ID_MAX]; /* what it is to be; "" while nobody wishes; control thread */
	struct profile_job *profile; /* owned by the capture's thread until it has ended */
	_Atomic bool ended; /* what follows is the control thread's */
	struct err err; /* code 0: it was made */
	char *text, *second; /* owned; second NULL: it has one format */
	size_t text_size, second_size;
};

void peek_fini(struct peek *peek);

/* From the control thread, while none is under way. 0; -EALREADY: it is not sampling now. */
int peek_wish(struct peek *peek, int cancel_fd, const char *id);

/* From the capture's thread, as download_request has them. */
void peek_event(struct peek *peek, const struct json_event *event);
void peek_end(struct peek *peek, uint64_t sampled_ns, const char *why);

/*
 * From the control thread: what has come goes to the capture that waits for it. ending: nothing
 * will come any more.
 */
void peek_take(struct captures *captures, struct capture *capture, bool ending);
