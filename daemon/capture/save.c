/*
 * Saving the state
 *
 * Writing waits for the disk, so a thread does it. What changes while one text is being written
 * goes into the next; what could not be written is tried again with the next change.
 */

#include <stdlib.h>
#include <string.h>

#include "capture/pool.h"
#include "capture/state.h"
#include "capture/step.h"
#include "util/file.h"
#include "util/log.h"

struct save_job {
	struct pool_job pool_job;
	struct state_file *state; /* borrowed */
	char *text; /* owned */
	size_t size;
	uint64_t serial;
	int result;
};

static void run(struct pool_job *pool_job)
{
	struct save_job *job = container_of(pool_job, struct save_job, pool_job);

	job->result = state_write(job->state, job->text, job->size, job->serial);
}

static void free_job(struct save_job *job)
{
	if (job != NULL)
		free(job->text);
	free(job);
}

static void done(void *owner, struct pool_job *pool_job)
{
	struct captures *captures = owner;
	struct save_job *job = container_of(pool_job, struct save_job, pool_job);

	if (job->result != 0 && job->result != FILE_E_UNSURE)
		log_error("capture", "cannot write the state file: %s",
			  job->result == FILE_E_FULL ? "the disk is full" : strerror(-job->result));
	captures->saving = NULL;
	free_job(job);
}

/* NULL without memory. */
static struct save_job *make_job(struct captures *captures)
{
	struct save_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	link_init(&job->pool_job.link);
	job->pool_job.run = run;
	job->pool_job.done = done;
	job->state = captures->state;
	if (state_text(captures, &job->text, &job->size, &job->serial) == 0)
		return job;
	free_job(job);
	return NULL;
}

void save_soon(struct captures *captures)
{
	struct save_job *job;

	if (captures->state == NULL || !captures->unsaved || captures->saving != NULL)
		return;
	job = make_job(captures);
	if (job == NULL)
		return; /* at the next wake, then */
	if (capture_pool_submit(captures->pool, &job->pool_job, step_threads(captures)) < 0) {
		free_job(job);
		return;
	}
	captures->saving = job;
	captures->unsaved = false;
}

void save_now(struct captures *captures)
{
	struct save_job *job;

	free_job(captures->saving);
	captures->saving = NULL;
	if (captures->state == NULL)
		return;
	job = make_job(captures);
	if (job == NULL)
		return;
	run(&job->pool_job);
	done(captures, &job->pool_job);
}
