/*
 * Samples of an isolate on the simulated clock: for how long a collection that the runtime has told
 * of says what the heap holds, and what that means for leaks.
 */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_call.h"
#include "util/clock.h"
#include "watch/leak.h"
#include "watch/target.h"
#include "watch/value.h"

#define MB       1000000ull
#define HOUR_NS  (3600 * NS_PER_S)
#define POLL_NS  (120 * NS_PER_S)
#define START_NS (1000 * HOUR_NS)

static struct loop loop;
static struct http_client *http;
static struct targets targets;
static struct target target;
static uint64_t now_ns;

static void set_up(void)
{
	struct session_context context = { .loop = &loop };

	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(http_client_new(&http, &loop), 0);
	context.http = http;
	cr_assert_eq(targets_init(&targets, &context), 0);
	target = (struct target){ .targets = &targets, .state = TARGET_UP };
	link_init(&target.isolates);
	link_init(&target.missing);
	now_ns = START_NS;
}

static void tear_down(void)
{
	target_drop_isolates(&target);
	targets_fini(&targets);
	http_client_free(http);
	loop_fini(&loop);
	clock_real();
}

TestSuite(isolate, .init = set_up, .fini = tear_down);

static const struct isolate *poll(uint64_t used_bytes)
{
	struct sample sample = { .mono_ns = now_ns };

	clock_simulate(now_ns, 1700000000000 + (int64_t)((now_ns - START_NS) / NS_PER_MS));
	sample_set(&sample, SAMPLE_HEAP_USED, used_bytes);
	cr_assert_eq(target_take_sample(&target, "main", &sample), 0);
	now_ns += POLL_NS;
	return target_main_isolate(&target);
}

static void collect(uint64_t live_bytes)
{
	const struct gc_event event = {
		.kind = GC_MAJOR, .is_end = true, .has_sizes = true, .after_bytes = live_bytes
	};

	target_take_gc(&target, "main", &event);
}

static double live_of(const struct isolate *isolate)
{
	double value = -1;

	(void)value_read(value_find("heap_live"), &target, isolate, &value);
	return value;
}

Test(isolate, a_collection_counts_for_a_quarter_of_the_slow_window)
{
	const uint64_t bound_ns = 6 * HOUR_NS;
	uint64_t collected_ns;
	double live;

	poll(300 * MB);
	collect(200 * MB);
	collected_ns = now_ns - POLL_NS;
	while (now_ns <= collected_ns + bound_ns)
		cr_assert_eq(live_of(poll(300 * MB)), 200 * MB);
	for (int i = 0; i < 3; i++)
		poll(300 * MB);
	live = live_of(poll(300 * MB));
	cr_expect_float_eq(live, 300 * MB, 1024);
	collect(220 * MB);
	cr_expect_eq(live_of(poll(300 * MB)), 220 * MB);
	cr_expect_eq(live_of(poll(210 * MB)), 210 * MB);
}

/* MB of 200 and ten more each hour, with a collection each ten; is a leak suspected, and when? */
static bool watch(double hours, bool leaks, unsigned *suspected)
{
	const struct isolate *isolate = NULL;
	uint64_t end_ns = now_ns + (uint64_t)(hours * HOUR_NS);

	while (now_ns < end_ns) {
		uint64_t since_ns = now_ns - START_NS;
		double grown = (double)(leaks ? since_ns : since_ns % (10 * HOUR_NS)) / HOUR_NS;
		uint64_t used = 200 * MB + (uint64_t)(10 * MB * grown);

		isolate = poll(used);
		if (since_ns % (10 * HOUR_NS) == 0)
			collect(used);
		*suspected += leak_is_suspected(&isolate->leak);
	}
	return leak_is_suspected(&isolate->leak);
}

Test(isolate, what_leaks_between_rare_collections_is_seen)
{
	unsigned n = 0;

	cr_expect_not(watch(7, true, &n));
	cr_expect_eq(n, 0, "nothing is known yet");
	watch(33, true, &n);
	cr_expect_gt(n, 100, "%u", n);
}

/* Before the second time its height is not known: as with what follows the day. */
Test(isolate, garbage_that_waits_for_rare_collections_is_no_leak)
{
	unsigned n = 0;

	watch(11, false, &n);
	n = 0;
	watch(39, false, &n);
	cr_expect_eq(n, 0);
}
