/*
 * Jobs
 *
 * The download ends with a synced file under a temporary name. It is not published in the same
 * breath because the manifest tells how long the target stood still, which only the control thread
 * has measured.
 */

#include "capture/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

/* What the disk says, in the words of a download: its positive codes mean other things there. */
static int disk_failure(struct capture_job *job, int r)
{
	if (r == 0)
		return 0;
	if (r == FILE_E_FULL)
		return err_set(&job->err, -ENOSPC, "%s",
			       job->main.writer.full != NULL ? job->main.writer.full
							     : "the disk is full");
	return err_set(&job->err, r, "cannot write: %s", strerror(-r));
}

static int on_bytes(void *owner, enum download_part part, const char *data, size_t size)
{
	struct capture_job *job = owner;

	(void)part;
	atomic_fetch_add_explicit(&job->bytes, size, memory_order_relaxed);
	return disk_failure(job, writer_put(&job->main.writer, data, size));
}

static int download(struct capture_job *job)
{
	struct manifest *manifest = &job->entry->manifest;
	struct download_stats stats;
	uint64_t started_ns = clock_mono_ns();
	int r;

	r = disk_failure(job, writer_open(&job->main.writer, job->spool, &job->limits));
	if (r == 0)
		r = download_run(&job->request, &stats, &job->err);
	if (r == 0)
		r = disk_failure(job, writer_finish(&job->main.writer, manifest->sha256));
	if (r != 0) {
		writer_fini(&job->main.writer);
		return r;
	}
	manifest->size_bytes = stats.bytes;
	manifest->file_bytes = job->main.writer.file.size;
	manifest->finished_wall_ms = clock_wall_ms();
	manifest->duration_ns = clock_mono_ns() - started_ns;
	/* V8 does nothing else meanwhile; the control thread may have seen a longer one. */
	manifest->pause_ns = stats.busy_ns;
	return 0;
}

static int publish(struct capture_job *job)
{
	int r = spool_publish(job->spool, &job->main.writer.file, NULL, &job->entry->manifest);

	if (r == FILE_E_UNSURE)
		log_warn("capture",
			 "%s is whole, but the spool's folder could not be synced: it may "
			 "be lost if the power fails now",
			 job->entry->manifest.name);
	if (r == 0 || r == FILE_E_UNSURE) {
		writer_keep(&job->main.writer);
		r = 0;
	}
	writer_fini(&job->main.writer);
	return disk_failure(job, r);
}

static void run(struct pool_job *pool_job)
{
	struct capture_job *job = container_of(pool_job, struct capture_job, pool_job);

	job->result = job->phase == JOB_DOWNLOAD ? download(job) : publish(job);
}

int capture_job_new(struct capture_job **ret, struct spool *spool,
		    const struct writer_limits *limits, const struct download_request *request,
		    const struct manifest *manifest)
{
	struct capture_job *job = calloc(1, sizeof(*job));
	int r;

	if (job == NULL)
		return -ENOMEM;
	link_init(&job->pool_job.link);
	job->pool_job.run = run;
	job->spool = spool;
	job->limits = *limits;
	job->request = *request;
	job->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = job->cancel_fd < 0 ? -errno : 0;
	job->entry = calloc(1, sizeof(*job->entry));
	if (r == 0 && job->entry == NULL)
		r = -ENOMEM;
	if (r < 0) {
		capture_job_free(job);
		return r;
	}
	link_init(&job->entry->link);
	job->entry->manifest = *manifest;
	job->request.cancel_fd = job->cancel_fd;
	job->request.sink = on_bytes;
	job->request.owner = job;
	*ret = job;
	return 0;
}

void capture_job_free(struct capture_job *job)
{
	if (job == NULL)
		return;
	writer_fini(&job->main.writer);
	if (job->cancel_fd >= 0)
		close(job->cancel_fd);
	free(job->entry);
	free(job);
}

void capture_job_cancel(struct capture_job *job)
{
	uint64_t one = 1;

	while (write(job->cancel_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

const char *capture_job_reason(int result)
{
	switch (result) {
	case DOWNLOAD_E_REFUSED:
		return "refused";
	case DOWNLOAD_E_EXITING:
		return "exiting";
	case DOWNLOAD_E_LOST:
	case -ECONNRESET:
		return "lost";
	case -ECONNREFUSED:
		return "unreachable";
	case -ETIMEDOUT:
		return "timeout";
	case -ECANCELED:
		return "cancelled";
	case -EPROTO:
		return "protocol";
	case -ENOSPC:
		return "space";
	default:
		return "error";
	}
}
