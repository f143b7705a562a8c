/*
 * Isolates that nothing is told of for a while: their past goes on when they are told of again, and
 * goes when it is another program, or none of it counts any more. What the session says is played;
 * nothing is listening.
 */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "inspect/runtime.h"
#include "net/http_call.h"
#include "util/clock.h"
#include "watch/target.h"

#define SLOW_NS  (24 * 3600 * NS_PER_S)
#define START_NS (1000 * 3600 * NS_PER_S)

static struct loop loop;
static struct http_client *http;
static struct targets targets;
static struct target *target;
static uint64_t now_ns;

static const struct runtime runtime = { .name = "node", .program = NULL };

/* The processes are of another host: only what is told here is known of them. */
static void watch(uint32_t isolates_max)
{
	const struct target_spec spec = {
		.name = (char *)"api",
		.address = { .family = ADDRESS_INET, .host = "192.0.2.1", .port = 1 },
		.poll = { .interval_ns = 5 * NS_PER_S,
			  .timeout_ns = 2 * NS_PER_S,
			  .backoff_max_ns = 60 * NS_PER_S },
	};

	targets.isolates_max = isolates_max;
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	target = targets_find_name(&targets, "api");
}

static void set_up(void)
{
	struct session_context context = { .loop = &loop };

	now_ns = START_NS;
	clock_simulate(now_ns, 1700000000000);
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(http_client_new(&http, &loop), 0);
	context.http = http;
	cr_assert_eq(targets_init(&targets, &context), 0);
	watch(64);
}

static void tear_down(void)
{
	targets_fini(&targets);
	http_client_free(http);
	loop_fini(&loop);
	clock_real();
}

TestSuite(missing, .init = set_up, .fini = tear_down, .timeout = 20);

static void pass(uint64_t ns)
{
	now_ns += ns;
	clock_simulate(now_ns, 1700000000000 + (int64_t)((now_ns - START_NS) / NS_PER_MS));
}

static const struct session_events *session(void)
{
	return target->session.events;
}

static void tells(int64_t pid, const char *inspector_id)
{
	struct identity identity = { .pid = pid, .start_wall_ms = pid * 1000000 };

	snprintf(identity.inspector_id, sizeof(identity.inspector_id), "%s", inspector_id);
	target->session.runtime = &runtime;
	target->session.identity = identity;
	session()->identified(target, &identity);
}

static void polled(const char *const *isolates)
{
	struct sample sample = { .mono_ns = now_ns };

	sample_set(&sample, SAMPLE_HEAP_USED, 1 << 20);
	for (; *isolates != NULL; isolates++)
		session()->sample(target, *isolates, &sample);
	session()->polled(target, ACTIVITY_UNKNOWN, 0);
}

#define POLLED(...) polled((const char *const[]){ __VA_ARGS__, NULL })

static void lost(void)
{
	session()->closed(target, SESSION_END_LOST, "the connection is lost");
	cr_assert_eq(target->state, TARGET_DOWN);
}

/* So many samples of it are known; -1: it is not there. */
static int64_t past_of(const char *name)
{
	const struct isolate *isolate = target_find_isolate(target, name);

	return isolate != NULL ? (int64_t)isolate->series.count : -1;
}

/* Three polls of a program with a worker, and the connection is lost. */
static void lose(int64_t pid, const char *inspector_id)
{
	tells(pid, inspector_id);
	for (int i = 0; i < 3; i++) {
		pass(5 * NS_PER_S);
		POLLED("main", "worker:1");
	}
	cr_assert_eq(past_of("worker:1"), 3);
	lost();
	cr_assert_eq(past_of("worker:1"), -1, "nothing is shown of it");
	cr_assert_eq(target->isolates_n, 1);
}

Test(missing, the_past_goes_on)
{
	int64_t start_ns;

	lose(7, "");
	start_ns = target_find_missing(target, "worker:1")->start_ns;
	pass(3600 * NS_PER_S);
	tells(7, "");
	POLLED("main", "worker:1", "worker:2");
	cr_expect_eq(past_of("main"), 4);
	cr_expect_eq(past_of("worker:1"), 4);
	cr_expect_eq(past_of("worker:2"), 1);
	cr_expect_eq(target_find_isolate(target, "worker:1")->start_ns, start_ns,
		     "it does not begin anew, nor does its warm-up");
	cr_expect_eq(target->isolates_n, 3);
	cr_expect_eq(target->missing_n, 0);
}

Test(missing, an_inspector_tells_the_program_too)
{
	lose(0, "0b9e55");
	tells(0, "0b9e55");
	POLLED("main", "worker:1");
	cr_expect_eq(past_of("worker:1"), 4);
}

Test(missing, another_program_has_none)
{
	lose(7, "");
	tells(8, "");
	cr_expect_eq(target->restarts, 1);
	cr_expect_eq(target->missing_n, 0);
	POLLED("main", "worker:1");
	cr_expect_eq(past_of("main"), 1);
	cr_expect_eq(past_of("worker:1"), 1);
}

/* Its workers may be those of another, and nobody could tell. */
Test(missing, of_who_is_not_known_nothing_is_kept)
{
	lose(0, "");
	cr_expect_eq(target->missing_n, 0);
	tells(0, "");
	POLLED("main", "worker:1");
	cr_expect_eq(past_of("worker:1"), 1);
}

Test(missing, who_is_not_known_any_more_gets_nothing)
{
	lose(0, "0b9e55");
	cr_expect_eq(target->missing_n, 1);
	tells(0, "");
	POLLED("main", "worker:1");
	cr_expect_eq(past_of("worker:1"), 1);
}

Test(missing, who_has_ended_is_gone)
{
	tells(7, "");
	POLLED("main", "worker:1");
	session()->isolate_gone(target, "worker:1");
	cr_expect_eq(target->isolates_n, 1);
	cr_expect_eq(target->missing_n, 0);
	lose(7, "");
	session()->isolate_gone(target, "worker:1");
	cr_expect_eq(target->missing_n, 0, "also of one that was missing");
	session()->isolate_gone(target, "worker:1");
}

/* A page has a connection of its own, which another Web Inspector may take. */
Test(missing, one_connection_of_many)
{
	tells(7, "");
	POLLED("page:1", "page:2");
	session()->isolate_lost(target, "page:1");
	session()->isolate_lost(target, "page:3");
	cr_expect_eq(past_of("page:1"), -1);
	cr_expect_eq(past_of("page:2"), 1);
	POLLED("page:1", "page:2");
	cr_expect_eq(past_of("page:1"), 2);
}

/* Five polls in which nothing but the main one is told. */
static void poll_main_only(void)
{
	for (int i = 0; i < 5; i++) {
		pass(5 * NS_PER_S);
		target->poll_started_ns = now_ns;
		POLLED("main");
	}
}

/* Where the daemon leaves after each poll, nobody tells that a worker has ended. */
Test(missing, who_is_not_told_of_while_others_are_is_gone)
{
	tells(7, "");
	POLLED("main", "worker:1");
	poll_main_only();
	cr_expect_eq(past_of("worker:1"), -1);
	cr_expect_eq(target->missing_n, 0);
}

Test(missing, who_does_not_come_back_with_the_program_is_gone)
{
	lose(7, "");
	pass(3600 * NS_PER_S);
	tells(7, "");
	POLLED("main");
	cr_expect_eq(target->missing_n, 1);
	poll_main_only();
	cr_expect_eq(target->missing_n, 0);
}

/* Stopped by a signal for an hour: its workers come with the second poll, as Deno's do. */
Test(missing, who_comes_back_a_poll_later_is_the_same)
{
	tells(7, "");
	POLLED("main", "worker:1");
	session()->closed(target, SESSION_END_SILENT, "it answers nothing");
	cr_assert_eq(target->state, TARGET_STOPPED);
	pass(3600 * NS_PER_S);
	tells(7, "");
	target->poll_started_ns = now_ns;
	POLLED("main");
	pass(5 * NS_PER_S);
	target->poll_started_ns = now_ns;
	POLLED("main", "worker:1");
	cr_expect_eq(past_of("worker:1"), 2);
	poll_main_only();
	cr_expect_eq(past_of("worker:1"), -1, "then it has ended");
}

/* The other Web Inspector may stay for an hour. */
Test(missing, whose_own_connection_is_lost_waits_for_longer)
{
	tells(7, "");
	POLLED("main", "page:1");
	pass(5 * NS_PER_S);
	session()->isolate_lost(target, "page:1");
	poll_main_only();
	cr_expect_eq(target->missing_n, 1);
	POLLED("main", "page:1");
	cr_expect_eq(past_of("page:1"), 2);
}

Test(missing, what_is_too_old_to_count_is_dropped)
{
	lose(7, "");
	pass(SLOW_NS - NS_PER_S);
	lost();
	cr_expect_eq(target->missing_n, 1);
	pass(NS_PER_S);
	lost();
	cr_expect_eq(target->missing_n, 0);
	cr_expect_eq(past_of("main"), 3, "the main one stays");
}

/* Those that are there come first; the longest missing goes first. */
Test(missing, the_limit_holds_for_both)
{
	watch(4);
	tells(7, "");
	POLLED("main", "worker:1", "worker:2", "worker:3");
	session()->isolate_lost(target, "worker:2");
	session()->isolate_lost(target, "worker:1");
	session()->isolate_lost(target, "worker:3");
	POLLED("main", "worker:4");
	cr_expect_eq(target->isolates_n + target->missing_n, 4);
	cr_expect_null(target_find_missing(target, "worker:2"));
	POLLED("main", "worker:4", "worker:3", "worker:5", "worker:6");
	cr_expect_eq(past_of("worker:3"), 2);
	cr_expect_eq(past_of("worker:5"), 1);
	cr_expect_eq(past_of("worker:6"), -1);
	cr_expect_eq(target->isolates_n, 4);
	cr_expect_eq(target->missing_n, 0);
}
