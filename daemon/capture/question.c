/* Questions of capture threads to the guards. */

#include "capture/question.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "capture/guard.h"
#include "capture/job.h"
#include "inspect/download.h"
#include "loop/wake.h"
#include "util/clock.h"
#include "watch/target.h"

int question_init(struct question *question, struct loop_wake *wake)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	*question = (struct question){ .wake = wake, .answer_fd = fd };
	return 0;
}

void question_fini(struct question *question)
{
	if (question->wake != NULL)
		close(question->answer_fd);
	*question = (struct question){ .wake = NULL };
}

/* ---- the capture's thread ---- */

/* Until one of both is readable; 0, -ETIMEDOUT, -errno. */
static int wait_for(struct pollfd fds[2], uint64_t timeout_ns)
{
	uint64_t until_ns = clock_mono_ns() + timeout_ns, now_ns;
	int n = 0;

	while (n == 0 && (now_ns = clock_mono_ns()) < until_ns) {
		uint64_t left_ms = (until_ns - now_ns) / NS_PER_MS + 1;

		n = poll(fds, 2, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX);
		if (n < 0 && errno != EINTR)
			return -errno;
		n = n < 0 ? 0 : n;
	}
	return n == 0 ? -ETIMEDOUT : 0;
}

int question_ask(struct question *question, int cancel_fd, uint64_t timeout_ns, uint64_t heap_bytes,
		 struct err *err)
{
	struct pollfd fds[] = { { .fd = cancel_fd, .events = POLLIN },
				{ .fd = question->answer_fd, .events = POLLIN } };
	int r;

	question->heap_bytes = heap_bytes;
	atomic_store(&question->asked, true);
	loop_wake_up(question->wake);
	r = wait_for(fds, timeout_ns);
	if (r < 0)
		return err_set(err, r, "the guards were not heard: %s", strerror(-r));
	if (fds[0].revents != 0)
		return err_set(err, -ECANCELED, "cancelled");
	if (question->refusal == REFUSAL_NONE)
		return 0;
	return err_set(err, DOWNLOAD_E_REFUSED, "%s", question->err.text);
}

/* ---- the control thread ---- */

void question_answer(struct captures *captures, struct capture *capture)
{
	struct question *question = &capture->job->question;
	struct target *target = targets_find(captures->targets, capture->target_id);
	struct isolate *isolate;
	uint64_t one = 1;

	if (!atomic_exchange(&question->asked, false))
		return;
	isolate = target != NULL ? target_find_isolate(target, capture->manifest.isolate) : NULL;
	if (isolate != NULL && question->heap_bytes != 0)
		isolate->heap_seen_bytes = question->heap_bytes;
	question->refusal = capture->continuous
				    ? guard_judge_end(captures, target, capture, &question->err)
				    : guard_judge_half(captures, target, capture, &question->err);
	while (write(question->answer_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}
