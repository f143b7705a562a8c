/*
 * Jobs
 *
 * The making ends with a synced file under a temporary name. It is not published in the same breath
 * because the manifest tells how long the target stood still, which only the control thread has
 * measured.
 *
 * The state file is written first: a daemon that is killed in the middle of a capture must know
 * afterwards that it has asked for it, or a rule would stop its target again at every start.
 */

#include "capture/job.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "capture/intervals.h"
#include "capture/leftover.h"
#include "capture/profile_job.h"
#include "capture/state.h"
#include "inspect/runtime.h"
#include "json/scan.h"
#include "net/access.h"
#include "util/clock.h"
#include "util/log.h"

enum { READ_BYTES = 64 * 1024 };

/* What one of the files complained about comes first: the source only passed it on. */
static int failure(struct capture_job *job, int r)
{
	const struct job_file *file = job->scripts.err.code != 0 ? &job->scripts : &job->main;

	if (r == 0)
		return 0;
	if (file->err.code != 0) {
		job->err = file->err;
		job->reason = file->reason;
		return file->err.code;
	}
	if (job->reason == NULL)
		job->reason = capture_job_reason(r);
	if (job->err.text[0] == '\0')
		err_set(&job->err, r, "%s", r < 0 ? strerror(-r) : "it failed");
	return r;
}

static int put_scripts(struct capture_job *job, const char *data, size_t size)
{
	struct job_file *file = &job->scripts;
	int r = 0;

	if (!file->open)
		r = job_file_open(file, job->spool, &job->limits, job->recipe, CONTENT_OWN);
	return r < 0 ? r : job_file_put(file, data, size);
}

static void drop_leftover(struct capture_job *job)
{
	if (job->stats.leftover[0] != '\0')
		leftover_remove(&job->entry->manifest, &job->target_start, job->stats.leftover);
	job->stats.leftover[0] = '\0';
}

static void tell_unnamed(const struct capture_job *job)
{
	const struct manifest *manifest = &job->entry->manifest;

	if (job->stats.unnamed)
		leftover_tell(manifest->target, "was saving a snapshot when its capture ended",
			      manifest->pid, &job->target_start, manifest->started_wall_ms);
}

static int on_bytes(void *owner, enum download_part part, const char *data, size_t size)
{
	struct capture_job *job = owner;

	/* Of a file that is being sent only the name goes: a later end of ours leaves nothing. */
	drop_leftover(job);
	if (part == DOWNLOAD_SCRIPTS)
		return put_scripts(job, data, size);
	atomic_fetch_add_explicit(&job->bytes, size, memory_order_relaxed);
	return job_file_put(&job->main, data, size);
}

/* Whoever listens on for the target's sake needs no room on the disk for that. */
static void on_given_up(void *owner)
{
	struct capture_job *job = owner;

	job_file_fini(&job->main);
	job_file_fini(&job->scripts);
}

static int on_gone(void *owner, struct err *err)
{
	struct capture_job *job = owner;

	if (!pages_ended(&job->pages))
		return 0;
	return err_set(err, DOWNLOAD_E_LOST,
		       "the page's process has ended without a word: one of its browser's pages "
		       "has, and nothing works on an answer");
}

static void on_hold(void *owner, int fd)
{
	const struct capture_job *job = owner;

	if (job->hold != NULL)
		job->hold(job->entry->manifest.id, fd);
}

static int on_profile(void *owner, const struct json_event *event)
{
	struct capture_job *job = owner;

	return profile_job_event(job->profile, event, &job->err);
}

static void on_peek(void *owner, const struct json_event *event)
{
	struct capture_job *job = owner;

	peek_event(&job->peek, event);
}

static void on_peeked(void *owner, uint64_t sampled_ns, const char *why)
{
	struct capture_job *job = owner;

	peek_end(&job->peek, sampled_ns, why);
}

static int on_allocation(void *owner, const struct download_frame *stack, size_t n, uint64_t bytes,
			 uint64_t objects)
{
	struct capture_job *job = owner;

	return profile_job_allocation(job->profile, stack, n, bytes, objects, &job->err);
}

static void on_interval(void *owner, uint64_t index, uint64_t bytes, uint64_t after_ns)
{
	struct capture_job *job = owner;

	intervals_take(job->intervals, index, bytes, after_ns);
}

/* The profile is whole: one file is this capture's, the other waits for another. */
static int put_profile(struct capture_job *job, uint64_t sampled_ns)
{
	char *data;
	size_t size;
	int r = profile_job_finish(job->profile, sampled_ns, &job->err);

	if (r != 0)
		return r;
	job->profiled_bytes = profile_job_bytes(job->profile);
	profile_job_take(job->profile, &data, &size, &job->second, &job->second_size);
	r = on_bytes(job, DOWNLOAD_SNAPSHOT, data, size);
	free(data);
	return r;
}

/* What the heap has been polled to use is old by then. */
static int on_judge(void *owner, uint64_t heap_bytes, struct err *err)
{
	struct capture_job *job = owner;

	if (heap_bytes != 0)
		job->entry->manifest.heap_used_bytes = heap_bytes;
	return question_ask(&job->question, job->cancel_fd, job->request.idle_ns, heap_bytes, err);
}

static int converse(struct capture_job *job)
{
	struct download_kept *kept = job->first_kept;
	int r;

	job->first_kept = NULL;
	if (kept != NULL)
		return download_go_on(kept, &job->request, &job->stats, &job->err);
	if (!job->keeps_ids)
		return download_run(&job->request, &job->stats, &job->err);
	r = download_run_and_keep(&job->request, &job->stats, &job->err, &kept);
	atomic_store(&job->kept, kept);
	return r;
}

static int run_download(struct capture_job *job)
{
	struct manifest *manifest = &job->entry->manifest;
	const struct download_stats *stats = &job->stats;
	int r = converse(job);

	drop_leftover(job);
	tell_unnamed(job);
	/* V8 does nothing else meanwhile; the control thread may have seen a longer one. */
	manifest->pause_ns = stats->busy_ns;
	manifest->received_bytes = stats->wire_bytes;
	if (r == 0 && job->profile != NULL)
		r = put_profile(job, stats->sampled_ns);
	if (r == 0 && job->intervals != NULL)
		intervals_chart(job->intervals, job->request.timeline.duration_ns,
				&manifest->timeline);
	job->stopped = stats->asked && r != DOWNLOAD_E_REFUSED && r != DOWNLOAD_E_BUSY &&
		       r != DOWNLOAD_E_EXITING;
	return r;
}

static bool is_cancelled(const struct capture_job *job)
{
	struct pollfd pollfd = { .fd = job->cancel_fd, .events = POLLIN };

	return poll(&pollfd, 1, 0) > 0;
}

static int read_some(struct capture_job *job, char *block, size_t *ret)
{
	ssize_t n;

	if (is_cancelled(job))
		return err_set(&job->err, -ECANCELED, "cancelled");
	do {
		n = read(job->source_fd, block, READ_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(&job->err, -errno, "cannot read the file: %s", strerror(errno));
	*ret = (size_t)n;
	return 0;
}

static int ignore_event(void *owner, const struct json_event *event)
{
	(void)owner;
	(void)event;
	return 0;
}

/* Whoever wrote it may have been killed in the middle, which without redaction no stage would see.
 */
static int scan_failure(struct capture_job *job, const struct json_scan *scan, int r)
{
	if (r == 0)
		return 0;
	return err_set(&job->err, r, "%s at byte %llu",
		       r == -E2BIG ? "nested too deep, or a key or a number too long"
				   : "not whole: no valid JSON",
		       (unsigned long long)scan->offset);
}

static int run_file(struct capture_job *job)
{
	char *block = malloc(READ_BYTES), text[1024];
	struct json_scan scan;
	size_t n = 1;
	int r = block == NULL ? -ENOMEM : 0;

	json_scan_init(&scan, text, sizeof(text), ignore_event, NULL);
	while (r == 0 && n > 0) {
		r = read_some(job, block, &n);
		if (r == 0 && n > 0)
			r = scan_failure(job, &scan, json_scan_feed(&scan, block, n));
		if (r == 0 && n > 0)
			r = on_bytes(job, DOWNLOAD_SNAPSHOT, block, n);
	}
	if (r == 0)
		r = scan_failure(job, &scan, json_scan_end(&scan));
	free(block);
	return r;
}

static int run_source(struct capture_job *job)
{
	switch (job->source) {
	case JOB_FROM_TARGET:
		return run_download(job);
	case JOB_FROM_TEXT:
		return on_bytes(job, DOWNLOAD_SNAPSHOT, job->text, job->text_size);
	default:
		return run_file(job);
	}
}

static int write_state(struct capture_job *job)
{
	int r;

	if (job->state_text == NULL || job->state == NULL)
		return 0;
	r = state_write(job->state, job->state_text, job->state_size, job->state_serial);
	if (r == 0 || r == FILE_E_UNSURE)
		return 0;
	job->reason = r == FILE_E_FULL ? "space" : "error";
	if (r == FILE_E_FULL)
		r = -ENOSPC;
	return err_set(&job->err, r, "cannot note it in the state file: %s", strerror(-r));
}

static int finish_files(struct capture_job *job)
{
	struct manifest *manifest = &job->entry->manifest;
	struct job_file_sizes sizes;
	int r = job_file_finish(&job->main, manifest->sha256);

	if (r == 0 && job->scripts.open)
		r = job_file_finish(&job->scripts, manifest->scripts_sha256);
	if (r < 0)
		return r;
	job_file_measure(&job->main, job->recipe, &sizes);
	manifest->size_bytes = atomic_load_explicit(&job->bytes, memory_order_relaxed);
	manifest->redacted_bytes = sizes.redacted;
	manifest->compressed_bytes = sizes.compressed;
	manifest->file_bytes = sizes.file;
	if (job->scripts.open)
		manifest->scripts_bytes = job->scripts.writer.file.size;
	else
		manifest_drop_scripts(manifest);
	return 0;
}

/* Without its file nothing is to be compared with. */
static void leave_kept(struct capture_job *job)
{
	download_leave(atomic_exchange(&job->kept, NULL));
}

/* Somebody has to listen on it while the file is finished: a disk may take its time. */
static void hand_over(struct capture_job *job)
{
	if (job->kept != NULL && job->peek.wake != NULL)
		loop_wake_up(job->peek.wake);
}

static int make(struct capture_job *job)
{
	struct manifest *manifest = &job->entry->manifest;
	uint64_t started_ns = clock_mono_ns();
	int r = write_state(job);

	if (r == 0)
		r = job_file_open(&job->main, job->spool, &job->limits, job->recipe, job->content);
	if (r == 0)
		r = run_source(job);
	if (r == 0) {
		hand_over(job);
		r = finish_files(job);
	}
	if (r != 0) {
		r = failure(job, r);
		leave_kept(job);
		job_file_fini(&job->main);
		job_file_fini(&job->scripts);
		return r;
	}
	manifest->finished_wall_ms = clock_wall_ms();
	manifest->duration_ns = clock_mono_ns() - started_ns;
	return 0;
}

static int publish(struct capture_job *job)
{
	struct file *scripts = job->scripts.open ? &job->scripts.writer.file : NULL;
	int r;

	leave_kept(job); /* which nobody has taken */
	r = spool_publish(job->spool, &job->main.writer.file, scripts, &job->entry->manifest);

	job->unsure = r == FILE_E_UNSURE;
	if (job->unsure)
		log_warn("capture",
			 "%s is whole, but the spool's folder could not be synced: it may "
			 "be lost if the power fails now",
			 job->entry->manifest.name);
	if (r == 0 || job->unsure) {
		writer_keep(&job->main.writer);
		if (scripts != NULL)
			writer_keep(&job->scripts.writer);
		r = 0;
	}
	r = failure(job, job_file_disk(&job->main, r));
	job_file_fini(&job->main);
	job_file_fini(&job->scripts);
	return r;
}

static void run(struct pool_job *pool_job)
{
	struct capture_job *job = container_of(pool_job, struct capture_job, pool_job);

	job->result = job->phase == JOB_DOWNLOAD ? make(job) : publish(job);
}

int capture_job_new(struct capture_job **ret, struct spool *spool,
		    const struct writer_limits *limits, const struct recipe *recipe,
		    enum content content, const struct manifest *manifest)
{
	struct capture_job *job = calloc(1, sizeof(*job));
	int r;

	if (job == NULL)
		return -ENOMEM;
	link_init(&job->pool_job.link);
	job->pool_job.run = run;
	job->spool = spool;
	job->limits = *limits;
	job->recipe = recipe;
	job->content = content;
	job->source_fd = -1;
	job->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
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
	*ret = job;
	return 0;
}

int capture_job_from_target(struct capture_job *job, const struct download_request *request,
			    unsigned formats)
{
	job->source = JOB_FROM_TARGET;
	job->request = *request;
	access_ref(job->request.address.access);
	job->request.cancel_fd = job->cancel_fd;
	job->request.sink = on_bytes;
	job->request.given_up = on_given_up;
	job->request.gone = on_gone;
	job->request.hold = on_hold;
	job->request.profile = on_profile;
	job->request.peek = &job->peek.wish;
	job->request.peek_profile = on_peek;
	job->request.peeked = on_peeked;
	job->request.allocation = on_allocation;
	job->request.interval = on_interval;
	job->request.judge = on_judge;
	job->request.owner = job;
	if (request->task == DOWNLOAD_TAKE_TIMELINE)
		return intervals_new(&job->intervals);
	if (request->task != DOWNLOAD_TAKE_SAMPLES)
		return 0;
	job->peek.formats = formats;
	job->peek.level = (enum redact_level)job->recipe->redact;
	job->peek.samples = &job->request.samples;
	job->peek.started_wall_ms = job->entry->manifest.started_wall_ms;
	return profile_job_new(&job->profile, request->runtime->format == SNAPSHOT_GECKO, formats,
			       (enum redact_level)job->recipe->redact, &request->samples,
			       job->entry->manifest.started_wall_ms);
}

void capture_job_from_text(struct capture_job *job, char *text, size_t size)
{
	job->source = JOB_FROM_TEXT;
	job->text = text;
	job->text_size = size;
}

void capture_job_from_file(struct capture_job *job, int fd)
{
	job->source = JOB_FROM_FILE;
	job->source_fd = fd;
}

void capture_job_free(struct capture_job *job)
{
	if (job == NULL)
		return;
	leave_kept(job);
	download_leave(job->first_kept);
	question_fini(&job->question);
	job_file_fini(&job->main);
	job_file_fini(&job->scripts);
	if (job->cancel_fd >= 0)
		close(job->cancel_fd);
	if (job->source_fd >= 0)
		close(job->source_fd);
	access_unref(job->request.address.access);
	profile_job_free(job->profile);
	peek_fini(&job->peek);
	intervals_free(job->intervals);
	free(job->second);
	free(job->state_text);
	free(job->text);
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
	case DOWNLOAD_E_BUSY:
		return "blocked";
	case DOWNLOAD_E_LOST:
	case -ECONNRESET:
	case -EPIPE: /* what TCP calls a reset that comes after the end of the stream */
		return "lost";
	case -ECONNREFUSED:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
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
