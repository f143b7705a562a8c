/* Profiles of jobs. */

#include "capture/profile_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/download.h"
#include "pipeline/gzip.h"
#include "pipeline/redact_profile.h"
#include "profile/copy_v8.h"
#include "profile/pprof.h"
#include "profile/read_v8.h"
#include "profile/save_v8.h"
#include "util/buf.h"
#include "util/err.h"
#include "watch/sampling.h"

struct profile_job {
	unsigned formats;
	bool by_allocation;
	struct profile profile;
	struct profile_reader *reader; /* owned */
	struct redact_profile redact;
	struct profile_copy copy;
	struct buf heapprofile, pprof;
};

int profile_job_new(struct profile_job **ret, bool by_allocation, unsigned formats,
		    enum redact_level level, const struct download_samples *samples,
		    int64_t started_wall_ms)
{
	struct profile_job *job = calloc(1, sizeof(*job));
	int r;

	if (job == NULL)
		return -ENOMEM;
	job->formats = formats;
	buf_init(&job->heapprofile, PROFILE_BYTES_MAX);
	buf_init(&job->pprof, PROFILE_BYTES_MAX);
	profile_copy_init(&job->copy, &job->heapprofile);
	redact_profile_init(&job->redact, level);
	r = profile_reader_new(&job->reader, &job->profile);
	if (r < 0) {
		profile_job_free(job);
		return r;
	}
	job->profile.what = by_allocation || samples->collected ? PROFILE_ALLOCATED : PROFILE_LIVE;
	job->by_allocation = job->profile.has_objects = by_allocation;
	/* Objects are taken by chance whatever their size: there is no interval in bytes. */
	job->profile.interval_bytes = by_allocation ? 0 : samples->interval_bytes;
	job->profile.duration_ns = samples->duration_ns;
	job->profile.started_wall_ms = started_wall_ms;
	*ret = job;
	return 0;
}

void profile_job_free(struct profile_job *job)
{
	if (job == NULL)
		return;
	profile_reader_free(job->reader);
	redact_profile_wipe(&job->redact);
	profile_fini(&job->profile);
	buf_fini(&job->heapprofile);
	buf_fini(&job->pprof);
	free(job);
}

static int fail(struct err *err, int r)
{
	if (r == -EBADMSG)
		return err_set(err, -EPROTO, "the answer is no profile of V8's");
	if (r == -E2BIG)
		return err_set(err, -EFBIG, "the profile is larger than %d MiB",
			       PROFILE_BYTES_MAX >> 20);
	return err_set(err, r, "out of memory");
}

int profile_job_event(struct profile_job *job, const struct json_event *event, struct err *err)
{
	struct json_event seen = *event;
	int r = redact_profile_event(&job->redact, &seen);

	if (r == 0)
		r = profile_reader_event(job->reader, &seen);
	if (r == 0)
		r = profile_copy_event(&job->copy, &seen);
	return r == 0 ? 0 : fail(err, r);
}

static int enter_frame(struct profile_job *job, const struct download_frame *frame, uint32_t *ret)
{
	char name[REDACT_FRAME_MAX], url[REDACT_FRAME_MAX];

	redact_frame_name(job->redact.level, name, frame->name, strlen(frame->name));
	redact_frame_url(job->redact.level, url, frame->url, strlen(frame->url));
	return profile_function(&job->profile, name, strlen(name), url, strlen(url), frame->line,
				frame->column, ret);
}

int profile_job_allocation(struct profile_job *job, const struct download_frame *stack, size_t n,
			   uint64_t bytes, uint64_t objects, struct err *err)
{
	struct profile *profile = &job->profile;
	uint32_t node = 0, function = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = enter_frame(job, &stack[i], &function);
		if (r == 0)
			r = profile_node(profile, node, function, &node);
	}
	if (r < 0)
		return fail(err, r);
	profile->nodes[node].self_bytes += bytes;
	profile->nodes[node].self_count += objects;
	return 0;
}

static int make_pprof(struct profile_job *job)
{
	int r = profile_write_pprof(&job->profile, &job->pprof);

	return r < 0 ? r : gzip_pack(&job->pprof);
}

int profile_job_finish(struct profile_job *job, uint64_t sampled_ns, struct err *err)
{
	int r;

	if (sampled_ns > 0)
		job->profile.duration_ns = sampled_ns;
	r = job->by_allocation ? profile_save_v8(&job->profile, &job->heapprofile)
			       : profile_reader_finish(job->reader);

	if (r == 0 && !job->by_allocation)
		r = profile_copy_finish(&job->copy, &job->profile);
	if (r == 0 && (job->formats & SAMPLING_PPROF) != 0)
		r = make_pprof(job);
	return r == 0 ? 0 : fail(err, r);
}

uint64_t profile_job_bytes(const struct profile_job *job)
{
	return profile_total_bytes(&job->profile);
}

void profile_job_take(struct profile_job *job, char **ret, size_t *ret_size, char **ret_second,
		      size_t *ret_second_size)
{
	*ret_second = NULL;
	*ret_second_size = 0;
	if ((job->formats & SAMPLING_HEAPPROFILE) == 0) {
		*ret = buf_take(&job->pprof, ret_size);
		return;
	}
	*ret = buf_take(&job->heapprofile, ret_size);
	if ((job->formats & SAMPLING_PPROF) != 0)
		*ret_second = buf_take(&job->pprof, ret_second_size);
}
