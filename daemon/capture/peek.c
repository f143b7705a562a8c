/* Looks at profiles. */

#include "capture/peek.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/job.h"
#include "capture/profile_job.h"
#include "capture/step.h"
#include "loop/wake.h"
#include "util/log.h"
#include "util/str.h"

static void forget(struct peek *peek)
{
	free(peek->text);
	free(peek->second);
	peek->text = peek->second = NULL;
	peek->err = (struct err){ 0 };
	peek->id[0] = '\0';
	atomic_store(&peek->ended, false);
}

void peek_fini(struct peek *peek)
{
	profile_job_free(peek->profile);
	peek->profile = NULL;
	forget(peek);
}

int peek_wish(struct peek *peek, int cancel_fd, const char *id)
{
	uint64_t one = 1;
	ssize_t n;

	if (!atomic_load(&peek->wish.possible))
		return -EALREADY;
	str_copy(peek->id, sizeof(peek->id), id);
	atomic_store(&peek->wish.wanted, true);
	do {
		n = write(cancel_fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
	return 0;
}

/* ---- the capture's thread ---- */

void peek_event(struct peek *peek, const struct json_event *event)
{
	int r = 0;

	if (peek->err.code != 0)
		return;
	if (peek->profile == NULL)
		r = profile_job_new(&peek->profile, false, peek->formats, peek->level,
				    peek->samples, peek->started_wall_ms);
	if (r < 0)
		err_set(&peek->err, r, "out of memory");
	else
		profile_job_event(peek->profile, event, &peek->err);
}

void peek_end(struct peek *peek, uint64_t sampled_ns, const char *why)
{
	if (why != NULL)
		err_set(&peek->err, -EALREADY, "%s", why);
	else if (peek->err.code == 0 &&
		 profile_job_finish(peek->profile, sampled_ns, &peek->err) == 0)
		profile_job_take(peek->profile, &peek->text, &peek->text_size, &peek->second,
				 &peek->second_size);
	profile_job_free(peek->profile);
	peek->profile = NULL;
	atomic_store(&peek->ended, true);
	loop_wake_up(peek->wake);
}

/* ---- the control thread ---- */

static void give(struct captures *captures, struct capture *to, struct peek *peek)
{
	int r = 0;

	to->text = peek->text;
	to->text_size = peek->text_size;
	peek->text = NULL;
	to->awaits = false;
	if (peek->second != NULL)
		r = request_second(captures, to, peek->second, peek->second_size);
	peek->second = NULL;
	if (r < 0)
		log_error("capture", "the look at a profile cannot be kept as pprof: %s",
			  strerror(-r));
}

static const char *reason_of(const struct peek *peek, bool ended)
{
	return !ended || peek->err.code == -EALREADY ? "refused"
						     : capture_job_reason(peek->err.code);
}

void peek_take(struct captures *captures, struct capture *capture, bool ending)
{
	struct peek *peek = &capture->job->peek;
	bool ended = atomic_load(&peek->ended);
	struct capture *to;

	if (peek->id[0] == '\0' || (!ended && !ending))
		return;
	to = step_waiting(captures, peek->id);
	if (to != NULL && ended && peek->err.code == 0)
		give(captures, to, peek);
	else if (to != NULL)
		step_fail(captures, to, reason_of(peek, ended),
			  ended ? peek->err.text : "the profile has ended");
	forget(peek);
}
