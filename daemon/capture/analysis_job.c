/*
 * One analysis
 *
 * The worker may have been taken over by what it reads: what it says is bounded, must be a report
 * by its looks, and is text for people otherwise, cut to one line of plain characters.
 */

#include "capture/analysis_job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/step.h"
#include "capture/verdict.h"
#include "capture/worker.h"
#include "inspect/runtime.h"
#include "json/tree.h"
#include "spool/report.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"

enum { PIECE_BYTES = 65536 };

/* ---- what it says ---- */

static void close_out(struct analysis_job *job)
{
	loop_fd_fini(&job->out);
	if (job->out_fd >= 0)
		close(job->out_fd);
	job->out_fd = -1;
}

/* Until there is no more for now. */
static void hear(struct analysis_job *job)
{
	char piece[PIECE_BYTES];
	ssize_t n;

	while (job->out_fd >= 0) {
		n = read(job->out_fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close_out(job);
			return;
		}
		if (buf_append(&job->said, piece, (size_t)n) != 0) {
			job->too_long = true;
			child_kill(&job->child);
			close_out(job);
		}
	}
}

static void on_out(void *owner, int fd, unsigned what)
{
	(void)fd;
	(void)what;
	hear(owner);
}

static void on_deadline(void *owner)
{
	struct analysis_job *job = owner;

	job->late = true;
	child_kill(&job->child);
}

static void on_end(void *owner, const struct child_end *end)
{
	struct analysis_job *job = owner;

	hear(job);
	close_out(job);
	loop_timer_clear(&job->deadline);
	job->took_ns = clock_mono_ns() - job->began_ns;
	analysis_worked(job, end);
}

/* ---- what it came to ---- */

static bool is_profile(const struct analysis_job *job)
{
	return strcmp(job->manifest.kind, "sampling") == 0;
}

/*
 * By its looks: whoever shows a report must expect anything in it. One of a series has a verdict,
 * which is taken over.
 */
static bool take_report(struct analysis_job *job)
{
	const struct buf *said = &job->said;
	struct tree *root;
	uint64_t nodes;
	bool is;

	if (said->error != 0 || tree_parse(said->data, said->size, &root, NULL) < 0)
		return false;
	if (is_profile(job))
		is = tree_is_array(tree_get(root, "functions")) &&
		     tree_is_array(tree_get(root, "calls"));
	else
		is = tree_uint(root, "nodes", &nodes) && tree_is_array(tree_get(root, "classes"));
	if (is && verdict_is_due(&job->manifest))
		verdict_read(root, &job->analysis.verdict);
	if (is && manifest_is_tracking(&job->manifest))
		verdict_read_arrived(root, &job->analysis);
	tree_free(root);
	return is;
}

static void first_line(const struct buf *said, char *dst, size_t size)
{
	size_t n = 0;

	for (; n < said->size && n + 1 < size && said->data[n] != '\n'; n++) {
		char c = said->data[n];

		dst[n] = c >= 0x20 && c < 0x7f ? c : '?';
	}
	dst[n] = '\0';
	if (n == 0)
		str_copy(dst, size, "the worker did not say why");
}

static void explain_signal(int signo, char *why, size_t size)
{
	if (signo == SIGSYS)
		str_copy(why, size, "the worker asked the kernel for what it may not (SIGSYS)");
	else if (signo == SIGKILL)
		str_copy(why, size,
			 "the worker was killed from outside: out of memory, most likely");
	else
		snprintf(why, size, "the worker crashed (signal %d)", signo);
}

enum analysis_result analysis_job_judge(struct analysis_job *job, const struct child_end *end,
					char *why, size_t size)
{
	char text[STR_UNIT_MAX];

	why[0] = '\0';
	if (job->too_long) {
		snprintf(why, size, "the worker wrote more than %d bytes", WORKER_REPORT_MAX);
	} else if (job->late || (!end->exited && end->code == SIGXCPU)) {
		snprintf(why, size, "it took longer than the deadline of %s",
			 str_format_duration(text, job->analyses->settings->deadline_ns));
	} else if (!end->exited) {
		explain_signal(end->code, why, size);
	} else if (end->code == WORKER_REFUSED) {
		first_line(&job->said, why, size);
		return ANALYSIS_SKIPPED;
	} else if (end->code == WORKER_FAILED) {
		first_line(&job->said, why, size);
	} else if (end->code != WORKER_DONE) {
		snprintf(why, size, "the worker ended with status %d", end->code);
	} else if (!take_report(job)) {
		str_copy(why, size, "the worker wrote no report");
	}
	return why[0] == '\0' ? ANALYSIS_DONE : ANALYSIS_FAILED;
}

/* ---- writing it down ---- */

static void write_down(struct pool_job *pool_job)
{
	struct analysis_job *job = container_of(pool_job, struct analysis_job, pool_job);

	job->result = report_write(job->analyses->spool, &job->manifest, job->said.data,
				   job->said.size, &job->analysis);
}

static void on_written(void *owner, struct pool_job *pool_job)
{
	(void)owner;
	analysis_written(container_of(pool_job, struct analysis_job, pool_job));
}

int analysis_job_write(struct analysis_job *job)
{
	struct captures *captures = job->analyses->captures;

	job->phase = ANALYSIS_WRITING;
	job->pool_job.run = write_down;
	job->pool_job.done = on_written;
	return capture_pool_submit(captures->pool, &job->pool_job,
				   captures->settings->threads + POOL_THREADS_SPARE);
}

/* ---- starting ---- */

static int open_file(const struct analysis_job *job, const char *name, uint64_t size,
		     struct err *err)
{
	int fd = openat(job->analyses->spool->ready_fd, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_set(err, -errno, "it cannot be opened: %s", strerror(errno));
	/* What was cut short the worker can tell the place of. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > size) {
		close(fd);
		return err_set(err, -EBADMSG, "the file is not as its manifest says");
	}
	return fd;
}

/* What the worker gets besides the snapshot, and is told of it. */
struct besides {
	struct child_fds fds;
	bool scripts, same_process;
	unsigned earlier_n;
	char earlier_names[VERDICT_EARLIER_MAX][SPOOL_NAME_MAX]; /* of snapshots */
	struct err refused; /* why nothing is compared; "": there is nothing to compare */
};

static void besides_fini(struct besides *besides)
{
	for (unsigned i = 0; i < besides->fds.more_n; i++)
		close(besides->fds.more[i]);
}

static bool add(struct besides *besides, int fd)
{
	if (fd < 0)
		return false;
	besides->fds.more[besides->fds.more_n++] = fd;
	return true;
}

/* One of those that come before it and are told together with it. */
static bool is_before(const struct manifest *manifest, const struct manifest *last)
{
	return manifest->continuous != 0 && strcmp(manifest->id, last->id) != 0 &&
	       strcmp(manifest->target, last->target) == 0 &&
	       strcmp(manifest->isolate, last->isolate) == 0 &&
	       strcmp(manifest->encrypt, "age") != 0 &&
	       manifest->finished_wall_ms <= last->finished_wall_ms;
}

static void open_profiles(const struct analysis_job *job, struct besides *ret)
{
	const struct link *list = &job->analyses->spool->ready;
	struct err ignored;

	for (struct link *at = list->prev; at != list && ret->earlier_n < WORKER_PROFILES_MAX;
	     at = at->prev) {
		const struct manifest *manifest =
			&container_of(at, struct spool_entry, link)->manifest;

		if (is_before(manifest, &job->manifest) &&
		    add(ret, open_file(job, manifest->name, manifest->file_bytes, &ignored)))
			ret->earlier_n++;
	}
}

/* One that is gone is not compared; one that is another file than it was forbids it. */
static void open_earlier(const struct analysis_job *job, const struct manifest *earlier,
			 struct besides *ret)
{
	struct err why = { .text = "" };

	if (add(ret, open_file(job, earlier->name, earlier->file_bytes, &why)))
		str_copy(ret->earlier_names[ret->earlier_n++], SPOOL_NAME_MAX, earlier->name);
	else if (why.code == -EBADMSG)
		err_set(&ret->refused, 0, "%s: %s", earlier->name, why.text);
}

/* Does its pid say which process the heap was in? */
static bool tells_process(const struct manifest *manifest)
{
	const struct runtime *runtime = runtime_named(manifest->runtime);

	return manifest->pid > 0 && runtime != NULL && !runtime->apart;
}

/* Of the last of a series the earlier ones, and the list of scripts, which may be missing. */
static void open_besides(const struct analysis_job *job, struct besides *ret)
{
	const struct manifest *earlier[VERDICT_EARLIER_MAX], *last = &job->manifest;
	struct err ignored;
	unsigned n;

	*ret = (struct besides){ .refused = { .text = "" } };
	if (last->continuous != 0)
		open_profiles(job, ret);
	if (!verdict_is_due(last))
		return;
	n = verdict_earlier(job->analyses->spool, last, earlier, &ret->refused);
	if (n > 0 && last->scripts_name[0] != '\0')
		ret->scripts =
			add(ret, open_file(job, last->scripts_name, last->scripts_bytes, &ignored));
	ret->same_process = tells_process(last);
	for (unsigned i = 0; i < n; i++) {
		ret->same_process &= earlier[i]->pid > 0; /* they are not of different ones */
		open_earlier(job, earlier[i], ret);
	}
	if (ret->refused.text[0] != '\0')
		ret->earlier_n = 0;
	else if (n > 0 && ret->earlier_n == 0)
		err_set(&ret->refused, 0, "the earlier snapshots of the series cannot be read");
}

/* All there are at once, and of each earlier snapshot its name. */
enum { ARGUMENTS_MAX = 10 + VERDICT_EARLIER_MAX };

static int run(struct analysis_job *job, struct besides *besides)
{
	const struct analyses *analyses = job->analyses;
	char name[SPOOL_NAME_MAX + 16], memory[48], deadline[48], top[48], more[ERR_TEXT_MAX + 16];
	char earlier[VERDICT_EARLIER_MAX][SPOOL_NAME_MAX + 16];
	char *kind = (char *)(is_profile(job) ? "--kind=sampling" : "--kind=snapshot");
	char *argv[ARGUMENTS_MAX + 1] = { (char *)"heapwatch-analyze", kind, name };
	size_t n = 3;

	snprintf(name, sizeof(name), "--name=%s", job->manifest.name);
	for (unsigned i = 0; i < besides->earlier_n && !is_profile(job); i++) {
		snprintf(earlier[i], sizeof(earlier[i]), "--earlier-name=%s",
			 besides->earlier_names[i]);
		argv[n++] = earlier[i];
	}
	snprintf(memory, sizeof(memory), "--memory-max=%" PRIu64, job->memory_bytes);
	/* The timer is the limit; this one holds should we be gone. */
	snprintf(deadline, sizeof(deadline), "--deadline=%llu",
		 analyses->settings->deadline_ns / NS_PER_S + 1);
	snprintf(top, sizeof(top), "--top=%" PRIu64, analyses->settings->top);
	argv[n++] = memory;
	argv[n++] = deadline;
	argv[n++] = top;
	if (besides->refused.text[0] != '\0')
		snprintf(more, sizeof(more), "--no-verdict=%s", besides->refused.text);
	else
		snprintf(more, sizeof(more), "--earlier=%u", besides->earlier_n);
	if (verdict_is_due(&job->manifest) || besides->earlier_n > 0)
		argv[n++] = more;
	if (besides->same_process && besides->earlier_n > 0)
		argv[n++] = (char *)"--same-process";
	if (manifest_is_tracking(&job->manifest) && besides->earlier_n > 0)
		argv[n++] = (char *)"--tracked";
	if (besides->scripts)
		argv[n++] = (char *)"--scripts";
	return child_start(&job->child, analyses->loop, analyses->program, argv, &besides->fds,
			   on_end, job);
}

static int listen_to(struct analysis_job *job)
{
	int r = loop_fd_init(&job->out, job->analyses->loop, job->out_fd, on_out, job);

	if (r == 0)
		r = loop_fd_want(&job->out, LOOP_READ);
	if (r == 0)
		r = loop_timer_set(&job->deadline, job->analyses->settings->deadline_ns);
	return r;
}

int analysis_job_start(struct analysis_job *job, struct err *err)
{
	const struct manifest *manifest = &job->manifest;
	int in_fd = open_file(job, manifest->name, manifest->file_bytes, err), pipe_fds[2], r = 0;
	struct besides besides;

	if (in_fd < 0)
		return in_fd;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		r = err_set(err, -errno, "no pipe: %s", strerror(errno));
		close(in_fd);
		return r;
	}
	open_besides(job, &besides);
	besides.fds.in = in_fd;
	besides.fds.out = pipe_fds[1];
	job->out_fd = pipe_fds[0];
	job->began_ns = clock_mono_ns();
	if (fcntl(job->out_fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0)
		r = listen_to(job);
	if (r == 0)
		r = run(job, &besides);
	besides_fini(&besides);
	close(pipe_fds[1]);
	close(in_fd);
	return r < 0 ? err_set(err, r, "%s cannot be started: %s", job->analyses->program,
			       strerror(-r))
		     : 0;
}

int analysis_job_new(struct analysis_job **ret, struct analyses *analyses,
		     const struct manifest *manifest, uint64_t memory_bytes, struct err *err)
{
	struct analysis_job *job = calloc(1, sizeof(*job));
	int r;

	if (job == NULL)
		return err_set(err, -ENOMEM, "out of memory");
	*job = (struct analysis_job){
		.analyses = analyses,
		.manifest = *manifest,
		.memory_bytes = memory_bytes,
		.out_fd = -1,
		.analysis = manifest->analysis,
	};
	link_init(&job->pool_job.link);
	buf_init(&job->said, WORKER_REPORT_MAX);
	*ret = job;
	r = loop_timer_init(&job->deadline, analyses->loop, on_deadline, job);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

void analysis_job_free(struct analysis_job *job)
{
	if (job == NULL)
		return;
	child_fini(&job->child);
	close_out(job);
	loop_timer_fini(&job->deadline);
	buf_fini(&job->said);
	free(job);
}
