/*
 * What a forced collection has come to, where its isolate does not answer in the polls around it:
 * what was told before a collection is not what it left.
 */

#include "watch/collect.h"

#include <criterion/criterion.h>
#include <string.h>

#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/runtime.h"
#include "net/http_call.h"
#include "util/clock.h"
#include "watch/target.h"

static struct loop loop;
static struct http_client *http;
static struct targets targets;
static struct target *app;
static struct collected told;
static unsigned ended;
static uint64_t now_ns;

static void pass(uint64_t ns)
{
	now_ns += ns;
	clock_simulate(now_ns, 1700000000000 + (int64_t)(now_ns / NS_PER_MS));
}

static void on_collected(void *owner, struct target *target, const struct collected *collected)
{
	(void)owner;
	cr_assert_eq(target, app);
	told = *collected;
	ended++;
}

static void set_up(void)
{
	struct session_context context = { .loop = &loop };
	struct target_spec spec = {
		.name = (char *)"app",
		.address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = 1 },
		.poll = { .interval_ns = 5 * NS_PER_S,
			  .timeout_ns = 2 * NS_PER_S,
			  .backoff_max_ns = 60 * NS_PER_S },
	};

	now_ns = 1000 * NS_PER_S;
	pass(0);
	ended = 0;
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(http_client_new(&http, &loop), 0);
	context.http = http;
	cr_assert_eq(targets_init(&targets, &context), 0);
	targets.isolates_max = 4;
	targets.series_points = 8;
	targets.on_collected = on_collected;
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	app = targets_find_name(&targets, "app");
	app->polling = true; /* what is polled is ours to say */
}

static void tear_down(void)
{
	targets_fini(&targets);
	http_client_free(http);
	loop_fini(&loop);
}

TestSuite(collect, .init = set_up, .fini = tear_down, .timeout = 20);

static void tells(uint64_t used)
{
	struct sample sample = { .mono_ns = now_ns };

	sample_set(&sample, SAMPLE_HEAP_USED, used);
	cr_assert_eq(target_take_sample(app, "worker:1", &sample), 0);
}

/* The next one; the isolate may have told something in it. */
static void polled(void)
{
	pass(NS_PER_MS);
	collect_polled(app);
}

/* The runtime has done as it was asked. */
static void collected(void)
{
	app->collection.phase = COLLECTION_RUNNING;
	pass(NS_PER_MS);
	collect_answered(app, 0, 30 * NS_PER_MS, NULL);
}

Test(collect, what_was_told_before_is_not_what_is_left)
{
	tells(90);
	pass(NS_PER_S);
	cr_assert_eq(target_collect(app, "worker:1"), 0);
	app->collection.has_before = true;
	app->collection.before_bytes = 90;
	collected();
	polled();
	cr_assert_eq(ended, 0, "it was late in that poll");
	pass(NS_PER_S);
	tells(10);
	polled();
	cr_assert_eq(ended, 1);
	cr_expect_eq(told.result, 0);
	cr_expect(told.has_before && told.has_after);
	cr_expect_eq(told.before_bytes, 90);
	cr_expect_eq(told.after_bytes, 10);
}

Test(collect, what_is_not_told_in_time_is_not_known)
{
	tells(90);
	cr_assert_eq(target_collect(app, "worker:1"), 0);
	collected();
	polled();
	pass(4 * NS_PER_S);
	polled();
	cr_assert_eq(ended, 0);
	pass(2 * NS_PER_S);
	polled();
	cr_assert_eq(ended, 1);
	cr_expect_eq(told.result, 0, "it has collected");
	cr_expect_not(told.has_after);
	cr_expect_eq(told.duration_ns, 30 * NS_PER_MS);
}

/* Who has collected is not told to have failed for what comes after. */
Test(collect, a_poll_that_fails_afterwards_leaves_it_unknown)
{
	tells(90);
	cr_assert_eq(target_collect(app, "worker:1"), 0);
	collected();
	collect_failed(app, -5, "the connection was lost");
	cr_assert_eq(ended, 1);
	cr_expect_eq(told.result, 0);
	cr_expect_not(told.has_after);
}

Test(collect, an_isolate_that_has_gone_is_told)
{
	tells(90);
	cr_assert_eq(target_collect(app, "worker:1"), 0);
	collected();
	target_drop_isolate(app, target_find_isolate(app, "worker:1"));
	polled();
	cr_assert_eq(ended, 1);
	cr_expect_lt(told.result, 0);
	cr_expect_str_eq(told.reason, "the isolate is gone");
}

static bool soon;

static bool tells_soon(const struct channel *channel)
{
	(void)channel;
	return soon;
}

/* A runtime that tells of collections, but not at this moment, for so long. */
static void poll_until(uint64_t ns)
{
	static const struct dialect dialect = { .tells_soon = tells_soon };
	static const struct runtime runtime = { .dialect = &dialect };
	struct channel channel = { .state = CHANNEL_IDLE };

	list_append(&app->session.channels, &channel.link);
	app->session.runtime = &runtime;
	app->session.limits.gc_events = true;
	soon = true;
	cr_assert_eq(target_collect(app, "worker:1"), 0);
	tells(90);
	polled();
	cr_assert_eq(app->collection.phase, COLLECTION_BEFORE, "it is asked again");
	pass(ns);
	tells(95);
	soon = ns > 5 * NS_PER_S;
	polled();
	link_remove(&channel.link);
	app->session.runtime = NULL;
}

Test(collect, it_waits_until_it_will_be_told_of)
{
	poll_until(NS_PER_S);
	/* Nobody is connected: to collect has failed. */
	cr_assert_eq(ended, 1);
	cr_expect_eq(told.before_bytes, 95);
}

Test(collect, but_not_for_ever)
{
	poll_until(6 * NS_PER_S);
	cr_assert_eq(ended, 1);
}

Test(collect, what_is_used_before_is_of_after_the_request)
{
	tells(90);
	pass(NS_PER_S);
	cr_assert_eq(target_collect(app, "worker:1"), 0);
	polled();
	cr_assert_eq(app->collection.phase, COLLECTION_BEFORE, "it is asked again");
	cr_assert(collect_holds(app), "so the connection stays");
	tells(95);
	polled();
	/* Nobody is connected: to collect has failed. */
	cr_assert_eq(ended, 1);
	cr_expect_lt(told.result, 0);
	cr_expect(told.has_before);
	cr_expect_eq(told.before_bytes, 95);
}
