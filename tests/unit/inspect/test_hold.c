/* While a snapshot comes, somebody else has its connection too: no sooner, and no longer. */

#include "play.h"

#include <fcntl.h>
#include <sys/socket.h>

static struct fake_inspector *fake;
static struct {
	unsigned begun, over;
	int fd; /* what somebody else has; -1: nothing */
	unsigned asked, left; /* what the inspector had been told by then */
} held;

static void hold(void *owner, int fd)
{
	(void)owner;
	if (fd < 0) {
		held.over++;
		held.left = fake_heard(fake, "HeapProfiler.disable");
		return;
	}
	held.begun++;
	held.asked =
		fake_heard(fake, "takeHeapSnapshot") + fake_heard(fake, "stopTrackingHeapObjects");
	held.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* Though the other one has it: nobody can say anything on it any more. */
static bool is_ended(void)
{
	bool ended = send(held.fd, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE;

	close(held.fd);
	return ended;
}

static struct download_request request_for(const struct fake_script *script)
{
	struct download_request request;

	memset(&held, 0, sizeof(held));
	held.fd = -1;
	fake = fake_start(script);
	cr_assert_not_null(fake);
	request = request_to(fake_port(fake), script->worker != NULL ? "worker:3" : "main");
	request.hold = hold;
	return request;
}

static void expect_held(const struct fake_script *script, int r, unsigned left)
{
	struct download_request request = request_for(script);
	struct result result;

	result_init(&result);
	run(&request, &result);
	cr_expect_eq(result.r, r, "%s", result.err.text);
	cr_expect_eq(held.begun, 1);
	cr_expect_eq(held.asked, 0, "before it is asked");
	cr_expect_eq(held.over, 1);
	cr_expect_eq(held.left, left, "after the last words");
	cr_expect(is_ended());
	result_fini(&result);
	fake_stop(fake);
}

Test(hold, until_all_of_it_is_there)
{
	expect_held(&(struct fake_script){ SMALL }, 0, 1);
	expect_held(&(struct fake_script){ SMALL, .worker = "[worker 3]" }, 0, 1);
}

Test(hold, ends_with_the_connection)
{
	expect_held(&(struct fake_script){ SMALL, .gone = true }, DOWNLOAD_E_LOST, 0);
	expect_held(&(struct fake_script){ SMALL, .chunk = 5, .cut = 800 }, DOWNLOAD_E_LOST, 0);
}

Test(hold, ends_with_a_refusal)
{
	expect_held(&(struct fake_script){ SMALL, .refuse = "not today" }, DOWNLOAD_E_REFUSED, 1);
}

Test(hold, ends_when_the_program_wants_to_exit)
{
	static const char event[] =
		"{\"method\":\"NodeRuntime.waitingForDisconnect\",\"params\":{}}";

	expect_held(&(struct fake_script){ SMALL, .chunk = 20, .middle = event },
		    DOWNLOAD_E_EXITING, 0);
}

Test(hold, lasts_while_what_was_given_up_is_heard_out)
{
	const struct fake_script script = { SMALL, .chunk = 5, .pace_ms = 20 };
	struct download_request request = request_for(&script);
	struct result result;

	result_init(&result);
	result.full_at = 10;
	run(&request, &result);
	cr_expect_eq(result.r, -ENOSPC);
	cr_expect_eq(held.over, 1);
	cr_expect_eq(held.left, 1);
	cr_expect(is_ended());
	result_fini(&result);
	fake_stop(fake);
}

/* It tracks until the connection ends, which somebody else would put off. */
Test(hold, is_of_the_snapshot_of_a_timeline_only)
{
	const struct fake_script script = { SMALL, .tracking = "" };
	struct download_request request = request_for(&script);
	struct result result;

	request.task = DOWNLOAD_TAKE_TIMELINE;
	request.timeline.duration_ns = SECOND / 10;
	result_init(&result);
	run(&request, &result);
	cr_expect_eq(result.r, 0, "%s", result.err.text);
	cr_expect_eq(held.begun, 1);
	cr_expect_eq(fake_heard(fake, "startTrackingHeapObjects"), 1);
	cr_expect_eq(held.asked, 0);
	cr_expect_eq(held.over, 1);
	cr_expect(is_ended());
	result_fini(&result);
	fake_stop(fake);
}

Test(hold, is_not_of_a_connection_that_is_kept_after_it)
{
	const struct fake_script script = { SMALL };
	struct download_request request = request_for(&script);
	struct download_kept *kept = NULL;
	struct result result;

	result_init(&result);
	request.owner = &result;
	result.r = download_run_and_keep(&request, &result.stats, &result.err, &kept);
	cr_expect_eq(result.r, 0, "%s", result.err.text);
	cr_assert_not_null(kept);
	cr_expect_eq(held.over, 1);
	cr_expect_eq(held.left, 0);
	download_leave(kept);
	cr_expect_eq(held.begun + held.over, 2);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	cr_expect(is_ended());
	result_fini(&result);
	fake_stop(fake);
}

Test(hold, is_not_of_one_that_does_not_mind)
{
	static const char *const names[] = { "deno", "workerd" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct fake_script script = { SMALL };
		struct download_request request = request_for(&script);
		struct result result;

		request.runtime = runtime_named(names[i]);
		result_init(&result);
		run(&request, &result);
		cr_expect_eq(result.r, 0, "%s: %s", names[i], result.err.text);
		cr_expect_eq(held.begun + held.over, 0, "%s", names[i]);
		result_fini(&result);
		fake_stop(fake);
	}
}

/* Nor before anything was asked for, nor where nobody would. */
Test(hold, is_not_of_what_never_began)
{
	const struct fake_script script = { SMALL };
	struct download_request request = request_for(&script);
	struct result result;

	result_init(&result);
	request.cancel_fd = eventfd(1, EFD_CLOEXEC);
	run(&request, &result);
	cr_expect_eq(result.r, -ECANCELED);
	cr_expect_eq(held.begun + held.over, 0);
	close(request.cancel_fd);
	result_fini(&result);
	fake_stop(fake);
}
