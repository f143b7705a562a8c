/*
 * Downloads over CDP against a scripted inspector: whatever happens on the wire, the bytes that
 * reach the sink are the beginning of the snapshot, success means all of it, and a target that can
 * still hear is told to stop tracking.
 */

#include <limits.h>
#include <sys/timerfd.h>
#include <time.h>

#include "play.h"

/* ---- what arrives ---- */

Test(download, whole)
{
	expect_whole(&(struct fake_script){ SMALL });
}

Test(download, chunks_of_every_size)
{
	for (size_t chunk = 1; chunk <= 20; chunk++)
		expect_whole(&(struct fake_script){ SMALL, .chunk = chunk });
}

Test(download, escapes)
{
	expect_whole(&(struct fake_script){ SMALL, .chunk = 7, .escape_all = true });
}

Test(download, frames_in_fragments)
{
	static const size_t sizes[] = { 1, 2, 7, 60, 125, 126 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		expect_whole(&(struct fake_script){ SMALL, .chunk = 50, .fragment = sizes[i] });
}

Test(download, writes_in_drops)
{
	expect_whole(&(struct fake_script){ SMALL, .chunk = 50, .dribble = 1 });
	expect_whole(&(struct fake_script){ SMALL, .chunk = 50, .dribble = 3, .fragment = 10 });
}

/* A chunk many times the scanner's buffer, with something to escape at every distance from its
 * border. */
static char *make_large(size_t size)
{
	char *text = malloc(size + 1);

	cr_assert_not_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = i % 97 == 0 ? '"' : i % 89 == 0 ? '\\' : i % 83 == 0 ? '\n' : 'x';
	text[0] = '{';
	text[size - 1] = '}';
	text[size] = '\0';
	return text;
}

Test(download, large)
{
	enum { SIZE = 5 * 1024 * 1024 };
	char *text = make_large(SIZE);

	expect_whole(&(struct fake_script){
		.snapshot = text, .snapshot_size = SIZE, .chunk = 1024 * 1024 + 1 });
	expect_whole(&(struct fake_script){ .snapshot = text,
					    .snapshot_size = SIZE,
					    .chunk = 1024 * 1024,
					    .worker = "[worker 3]" });
	free(text);
}

Test(download, reply_like_workerd)
{
	expect_whole(&(struct fake_script){ SMALL, .odd_reply = true });
}

Test(download, what_others_say_is_ignored)
{
	static const char *const others[] = {
		"{\"id\":100000008,\"result\":{}}",
		"{\"id\":99,\"error\":{\"code\":-32601,\"message\":\"no\"}}",
		"{\"method\":\"Other.event\",\"params\":{\"chunk\":\"not ours\"}}",
		"{\"method\":\"Other.event\",\"params\":{\"a\":{\"chunk\":\"deeper\"}}}",
		"{\"method\":\"Other.event\",\"params\":[\"chunk\",{\"chunk\":\"x\"},\"y\"]}",
		"{\"chunk\":\"at the top\",\"id\":null}",
		"{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"params\":{\"no\":[\"x\",["
		"\"y\"]]}}",
		"{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{\"sessionId\":"
		"\"\","
		"\"message\":\"{\"}}",
		"{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"params\":{\"chunk\":\"\"},"
		"\"more\":[\"not ours\",[\"x\"],{\"chunk\":\"x\"}]}",
		"{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"params\":{\"chunk\":\"\","
		"\"more\":[\"not ours\",{\"chunk\":\"x\"},[\"x\"]]}}",
		"{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"more\":{\"chunk\":\"x\"}}",
		"{}",
		"null",
		"[1,\"chunk\",{\"params\":{\"chunk\":\"x\"}}]",
		"\"text\"",
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		expect_whole(&(struct fake_script){ SMALL, .chunk = 30, .middle = others[i] });
		expect_whole(&(struct fake_script){ SMALL, .chunk = 30, .middle = others[i],
						    .fragment = 3, .dribble = 1 });
	}
}

Test(download, progress_is_told)
{
	struct result result = play(&(struct fake_script){ SMALL }, 1);

	cr_expect_float_eq(result.progress, 0.25, 1e-9);
	buf_fini(&result.bytes);
}

/* ---- what goes wrong ---- */

Test(download, refused)
{
	expect_failure(&(struct fake_script){ SMALL, .refuse = "not today" }, DOWNLOAD_E_REFUSED,
		       "not today", 1);
}

Test(download, refused_over_several_pieces)
{
	expect_failure(&(struct fake_script){ SMALL, .refuse = "not today", .dribble = 1 },
		       DOWNLOAD_E_REFUSED, "HeapProfiler.takeHeapSnapshot: not today", 1);
}

Test(download, exiting_is_left_at_once)
{
	static const char event[] =
		"{\"method\":\"NodeRuntime.waitingForDisconnect\",\"params\":{}}";
	uint64_t before_ns = clock_mono_ns();

	expect_failure(&(struct fake_script){ SMALL, .before = event, .silent = true },
		       DOWNLOAD_E_EXITING, "exiting", 0);
	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = event },
		       DOWNLOAD_E_EXITING, "exiting", 0);
	cr_expect_lt(clock_mono_ns() - before_ns, SECOND);
}

/* Told to exit before we asked to be told: no event comes, no snapshot, but its port is closed. */
Test(download, exiting_before_the_snapshot_is_noticed)
{
	uint64_t before_ns = clock_mono_ns();

	expect_failure(&(struct fake_script){ SMALL, .exiting = true }, DOWNLOAD_E_EXITING,
		       "closed its inspector", 0);
	cr_expect_lt(clock_mono_ns() - before_ns, SECOND);
}

Test(download, silence)
{
	const struct fake_script script = { SMALL, .silent = true };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	request.idle_ns = SECOND / 5;
	run(&request, &result);
	cr_expect_eq(result.r, -ETIMEDOUT);
	cr_expect_str_eq(result.err.text, "the target fell silent");
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	fake_stop(fake);
}

static int is_gone(void *owner, struct err *err)
{
	struct result *result = owner;

	return result->given_up == 0 ? err_set(err, DOWNLOAD_E_LOST, "it has died") : 0;
}

/* Nobody waits for idle_ns where it is known that nothing comes. */
Test(download, silence_of_what_has_died)
{
	const struct fake_script script = { SMALL, .silent = true };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	request.gone = is_gone;
	request.idle_ns = 60 * SECOND;
	run(&request, &result);
	cr_expect_eq(result.r, DOWNLOAD_E_LOST);
	cr_expect_str_eq(result.err.text, "it has died");
	cr_expect_lt(result.stats.duration_ns, 30 * SECOND);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	result_fini(&result);
	fake_stop(fake);
}

Test(download, endless_is_ended_by_the_clock)
{
	const struct fake_script script = { SMALL, .endless = true };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	request.total_ns = SECOND / 5;
	run(&request, &result);
	cr_expect_eq(result.r, -ETIMEDOUT);
	cr_expect_str_eq(result.err.text, "it took longer than allowed");
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	buf_fini(&result.bytes);
	fake_stop(fake);
}

Test(download, endless_is_ended_by_the_sink)
{
	const struct fake_script script = { SMALL, .endless = true, .chunk = 10 };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	result.full_at = 5000;
	run(&request, &result);
	cr_expect_eq(result.r, -ENOSPC);
	cr_expect_leq(result.bytes.size, 5000);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	buf_fini(&result.bytes);
	fake_stop(fake);
}

Test(download, cancelled_in_the_middle)
{
	const struct fake_script script = { SMALL, .chunk = 10, .hold = true };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	result.cancel_fd = request.cancel_fd = eventfd(0, EFD_CLOEXEC);
	result.release = fake;
	run(&request, &result);
	cr_expect_eq(result.r, -ECANCELED);
	cr_expect_str_eq(result.err.text, "cancelled");
	cr_expect(is_beginning(&result, small));
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	close(request.cancel_fd);
	buf_fini(&result.bytes);
	fake_stop(fake);
}

/* Of a snapshot whose rest comes a drop at a time, so many times is cancelled at its first piece,
 * or the sink is full. */
static unsigned give_up(const struct fake_script *script, unsigned cancels, int expected)
{
	struct fake_inspector *fake = fake_start(script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;
	unsigned heard;

	result_init(&result);
	request.leave_ns = SECOND / 5;
	if (cancels > 0)
		result.cancel_fd = request.cancel_fd =
			eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	else
		result.full_at = 10;
	result.cancels = cancels;
	result.watched = fake;
	run(&request, &result);
	cr_expect_eq(result.r, expected);
	cr_expect_eq(result.given_up, 1);
	cr_expect_leq(result.bytes.size, 10);
	cr_expect(is_beginning(&result, small));
	if (request.cancel_fd >= 0)
		close(request.cancel_fd);
	buf_fini(&result.bytes);
	heard = fake_heard(fake, "HeapProfiler.disable");
	fake_stop(fake);
	return heard;
}

/*
 * Node 20 and 22 may die of a client that goes before they have written all of it. As V8 does, this
 * one hears the last words only then.
 */
Test(download, what_is_given_up_is_heard_out)
{
	const struct fake_script lasting = { SMALL, .chunk = 5, .pace_ms = 50 };

	cr_expect_eq(give_up(&lasting, 1, -ECANCELED), 1);
	cr_expect_eq(give_up(&lasting, 0, -ENOSPC), 1);
}

Test(download, cancelled_once_more_it_is_not)
{
	const struct fake_script lasting = { SMALL, .chunk = 1, .pace_ms = 100 };

	cr_expect_eq(give_up(&lasting, 2, -ECANCELED), 0);
}

Test(download, cancelled_before_it_began)
{
	const struct fake_script script = { SMALL };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	request.cancel_fd = eventfd(1, EFD_CLOEXEC);
	run(&request, &result);
	cr_expect_eq(result.r, -ECANCELED);
	cr_expect_eq(fake_heard(fake, "takeHeapSnapshot"), 0);
	close(request.cancel_fd);
	fake_stop(fake);
}

Test(download, nobody_listens)
{
	const struct fake_script script = { SMALL };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	fake_stop(fake);
	result_init(&result);
	run(&request, &result);
	cr_expect_eq(result.r, -ECONNREFUSED);
	cr_expect_gt(strlen(result.err.text), 0);
}

Test(download, closed_in_good_order)
{
	expect_failure(&(struct fake_script){ SMALL, .chunk = 10, .gone = true }, DOWNLOAD_E_LOST,
		       "closed", 0);
}

static struct runtime yielding;

static void of_yielding(struct download_request *request)
{
	request->runtime = &yielding;
}

static bool is_taken(const struct fake_script *script, bool yields, const char *yields_to)
{
	struct fake_inspector *fake = fake_start(script);
	struct result result;

	yielding = *runtime_all[0];
	yielding.yields = yields;
	yielding.yields_to = yields_to;
	result = download_with(fake, script, of_yielding);
	cr_expect_eq(result.r, DOWNLOAD_E_LOST, "%s", result.err.text);
	cr_expect_eq(strstr(result.err.text, "another client") != NULL, result.stats.taken, "%s",
		     result.err.text);
	result_fini(&result);
	fake_stop(fake);
	return result.stats.taken;
}

/* Where a second client takes the connection from the first, which is told so or not. */
Test(download, taken_by_another)
{
	const struct fake_script closed = { SMALL, .chunk = 10, .gone = true };
	const struct fake_script cut = { SMALL, .chunk = 10, .cut = 300 };

	cr_expect(is_taken(&closed, true, NULL));
	cr_expect(is_taken(&cut, true, NULL));
	cr_expect(is_taken(&closed, true, "closed by the peer"));
	cr_expect_not(is_taken(&closed, true, "claimed by"));
	cr_expect_not(is_taken(&cut, true, "claimed by"));
	cr_expect_not(is_taken(&closed, false, NULL));
	cr_expect_not(is_taken(&cut, false, NULL));
}

/* Who has the one connection there can be may be leaving, and may be ourselves. */
Test(download, turned_away_for_a_moment)
{
	expect_whole(&(struct fake_script){ SMALL, .turns_away = 3 });
}

Test(download, turned_away_for_long)
{
	uint64_t began_ns = clock_mono_ns();

	expect_failure(&(struct fake_script){ SMALL, .turns_away = UINT_MAX }, DOWNLOAD_E_LOST,
		       "another client has the target's one connection", 0);
	cr_expect_geq(clock_mono_ns() - began_ns, 4 * SECOND);
	cr_expect_lt(clock_mono_ns() - began_ns, 20 * SECOND);
}

Test(download, cancelled_while_it_is_turned_away)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 300 * NS_PER_MS };
	const struct fake_script script = { SMALL, .turns_away = UINT_MAX };
	struct fake_inspector *fake = fake_start(&script);
	struct download_request request = request_to(fake_port(fake), "main");
	struct result result;

	result_init(&result);
	request.cancel_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	cr_assert_eq(timerfd_settime(request.cancel_fd, 0, &soon, NULL), 0);
	run(&request, &result);
	cr_expect_eq(result.r, -ECANCELED);
	cr_expect_str_eq(result.err.text, "cancelled");
	cr_expect_eq(fake_heard(fake, "takeHeapSnapshot"), 0);
	close(request.cancel_fd);
	fake_stop(fake);
}

/* In its midst: what has been kept of it would be there twice. */
Test(download, taken_by_another_it_is_not_begun_anew)
{
	struct fake_script script = { SMALL, .chunk = 10, .taken = true };

	expect_failure(&script, DOWNLOAD_E_LOST, "another client has the target's one connection",
		       0);
}

/* The bytes of a whole conversation, to know where it can be cut. */
static size_t conversation_bytes(const struct fake_script *script)
{
	struct fake_inspector *fake = fake_start(script);
	struct result result = download(fake, script);
	size_t sent = (size_t)fake_sent(fake);

	cr_assert_eq(result.r, 0);
	buf_fini(&result.bytes);
	fake_stop(fake);
	return sent;
}

static void cut_everywhere(struct fake_script script, size_t step)
{
	size_t end = conversation_bytes(&script);
	struct result result;
	size_t whole = 0;

	for (size_t cut = 1; cut < end; cut += step) {
		struct fake_inspector *fake;

		script.cut = cut;
		fake = fake_start(&script);
		result = download(fake, &script);
		if (result.r == 0) { /* only the answer to the last words was lost */
			cr_expect(is_all(&result, small, sizeof(small) - 1));
			whole++;
		} else {
			cr_expect_eq(result.r, DOWNLOAD_E_LOST, "cut at %zu: %s", cut,
				     result.err.text);
			cr_expect(is_beginning(&result, small));
		}
		buf_fini(&result.bytes);
		fake_stop(fake);
	}
	cr_expect_leq(whole, 200 / step);
}

Test(download, cut_at_every_byte)
{
	cut_everywhere((struct fake_script){ SMALL, .chunk = 40 }, 1);
}

Test(download, cut_in_a_worker)
{
	cut_everywhere((struct fake_script){ SMALL, .chunk = 40, .worker = "[worker 3] x" }, 5);
}

Test(download, answer_without_a_whole_snapshot)
{
	expect_failure(&(struct fake_script){ .snapshot = "" }, -EPROTO, "without a whole", 1);
	expect_failure(&(struct fake_script){ .snapshot = "{\"a\":1", .snapshot_size = 6 }, -EPROTO,
		       "without a whole", 1);
}

/* The answer to the last words is still understood after a message that was not. */
Test(download, no_json)
{
	uint64_t before_ns = clock_mono_ns();

	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = "{\"method\":}" },
		       -EPROTO, "not JSON", 1);
	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = "{\"method\":\"x\"" },
		       -EPROTO, "not JSON", 1);
	expect_failure(
		&(struct fake_script){ SMALL, .chunk = 20, .middle = "{]{]{]{]", .fragment = 1 },
		-EPROTO, "not JSON", 1);
	cr_expect_lt(clock_mono_ns() - before_ns, SECOND);
}

Test(download, params_before_method)
{
	static const char text[] = "{\"params\":{\"chunk\":\"x\"},\"method\":"
				   "\"HeapProfiler.addHeapSnapshotChunk\"}";

	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = text }, -EPROTO,
		       "before its method", 1);
}

Test(download, nested_too_deep)
{
	char text[JSON_DEPTH_MAX + 2];

	memset(text, '[', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .middle = text }, -EPROTO,
		       "too deep", 1);
}

Test(download, last_words_are_not_waited_for_for_ever)
{
	uint64_t before_ns = clock_mono_ns();

	expect_whole(&(struct fake_script){ SMALL, .deaf = true });
	cr_expect_lt(clock_mono_ns() - before_ns, 4 * SECOND);
}

/* ---- workers ---- */

Test(worker, whole)
{
	expect_whole(&(struct fake_script){ SMALL, .chunk = 9, .worker = "[worker 3]" });
	expect_whole(&(struct fake_script){ SMALL, .worker = "[worker 3] na]me [worker 1]" });
}

Test(worker, told_late)
{
	expect_whole(&(struct fake_script){ SMALL, .worker = "worker [3]", .worker_late = true });
}

Test(worker, in_fragments)
{
	expect_whole(
		&(struct fake_script){ SMALL, .chunk = 9, .worker = "[worker 3]", .fragment = 1 });
	expect_whole(&(struct fake_script){ SMALL, .chunk = 50, .worker = "[worker 3]",
					    .dribble = 1, .escape_all = true });
}

Test(worker, there_is_none)
{
	static const char *const titles[] = { "[worker 1]", "[worker 33]", "[worker 3", "worker 3",
					      "" };

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		expect_failure(&(struct fake_script){ SMALL, .worker = titles[i] },
			       DOWNLOAD_E_REFUSED, "no worker thread 3", 0);
}

Test(worker, refused)
{
	expect_failure(&(struct fake_script){ SMALL, .worker = "[worker 3]", .refuse = "busy" },
		       DOWNLOAD_E_REFUSED, "busy", 1);
}

Test(worker, ended)
{
	expect_failure(&(struct fake_script){ SMALL, .chunk = 20, .worker = "[worker 3]",
					      .worker_ends = true },
		       DOWNLOAD_E_LOST, "worker thread ended", 1);
}

Test(worker, sends_no_json)
{
	static const char text[] =
		"{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{"
		"\"sessionId\":\"7\",\"message\":\"{\\\"a\\\":\"}}";

	expect_failure(
		&(struct fake_script){ SMALL, .chunk = 20, .worker = "[worker 3]", .middle = text },
		-EPROTO, "not JSON", 1);
}

Test(worker, another_session_is_ignored)
{
	static const char text[] =
		"{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{"
		"\"sessionId\":\"8\",\"message\":\"{\\\"a\\\":\"}}";

	expect_whole(&(struct fake_script){ SMALL, .chunk = 20, .worker = "[worker 3]",
					    .middle = text });
}

Test(worker, isolates_that_cannot_be)
{
	static const char *const names[] = { "",
					     "worker",
					     "worker:",
					     "worker:x",
					     "worker:3x",
					     "worker:-1",
					     "worker:12345678901234567890" };
	const struct fake_script script = { SMALL };
	struct fake_inspector *fake = fake_start(&script);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct download_request request = request_to(fake_port(fake), names[i]);
		struct result result;

		result_init(&result);
		run(&request, &result);
		cr_expect_eq(result.r, DOWNLOAD_E_REFUSED, "%s", names[i]);
		cr_expect_eq(fake_heard(fake, "Heap"), 0);
	}
	fake_stop(fake);
}
