/*
 * Looks at a profile that cannot be sent: whoever wished for one is told, and the profile goes on
 * where the conversation can. The dialect is the test's own; the wire is a real one.
 */

#include <stdatomic.h>

#include "inspect/dialect.h"
#include "play.h"

static struct {
	int result; /* of asking */
	bool torn; /* a part of it went out */
	unsigned asked, told;
	const char *why;
	int fd;
	struct download_peek peek;
} look;

static int begin(struct download *download)
{
	uint64_t one = 1;

	download_sleep(download, SECOND / 10);
	cr_assert(atomic_load(&look.peek.possible));
	atomic_store(&look.peek.wanted, true);
	return write(look.fd, &one, sizeof(one)) == (ssize_t)sizeof(one) ? 0 : -EIO;
}

/* As download_send() leaves it. */
static int ask(struct download *download)
{
	look.asked++;
	if (look.result == 0)
		return 0;
	download->broken = true;
	download->wire.torn = look.torn;
	return err_set(download->err, look.result, "a request was not taken");
}

static int woken(struct download *download)
{
	download->done = true;
	return 0;
}

static int nothing(struct download *download)
{
	(void)download;
	return 0;
}

static void peeked(void *owner, uint64_t sampled_ns, const char *why)
{
	(void)owner;
	cr_expect_lt(sampled_ns, 10 * SECOND);
	look.told++;
	look.why = why;
}

static const struct dialect dialect = {
	.download_size = 1,
	.snapshot_begin = begin,
	.snapshot_message_end = nothing,
	.snapshot_overdue = nothing,
	.snapshot_woken = woken,
	.snapshot_peek = ask,
};

/* The whole download, in which somebody looks once. */
static struct result run_with(int of_asking, bool torn)
{
	static const struct fake_script script = { .silent = true };
	static struct runtime runtime;
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	runtime = *runtime_all[0];
	runtime.dialect = &dialect;
	look = (typeof(look)){ .result = of_asking, .torn = torn };
	look.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	cr_assert_geq(look.fd, 0);
	request.runtime = &runtime;
	request.task = DOWNLOAD_TAKE_SAMPLES;
	request.cancel_fd = look.fd;
	request.peek = &look.peek;
	request.peeked = peeked;
	result_init(&result);
	run(&request, &result);
	cr_expect_eq(look.asked, 1);
	close(look.fd);
	fake_stop(fake);
	return result;
}

Test(peek, sent)
{
	struct result result = run_with(0, false);

	cr_expect_eq(result.r, 0, "%s", result.err.text);
	cr_expect_eq(look.told, 0, "the answer has not come");
}

Test(peek, what_is_not_sent_ends_no_profile)
{
	static const struct {
		int result;
		const char *why;
	} cases[] = {
		{ -ENOMEM, "the request could not be sent" },
		{ -ETIMEDOUT, "the target does not take the request" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct result result = run_with(cases[i].result, false);

		cr_expect_eq(result.r, 0, "%s", result.err.text);
		cr_expect_eq(result.err.text[0], '\0');
		cr_expect_eq(look.told, 1);
		cr_expect_str_eq(look.why, cases[i].why);
	}
}

Test(peek, half_a_request_ends_the_conversation)
{
	cr_expect_eq(run_with(-ETIMEDOUT, true).r, -ETIMEDOUT);
}

Test(peek, cancelled_while_it_is_sent)
{
	cr_expect_eq(run_with(-ECANCELED, false).r, -ECANCELED);
}
