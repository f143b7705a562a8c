/*
 * Continuous profiles: when the next one is asked for, what comes before it, what is counted.
 * Nobody is connected to; tests/e2e/test_continuous.py has the profiles.
 */

#include "capture/continuous.h"

#include <criterion/criterion.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/step.h"
#include "inspect/runtime.h"
#include "scene.h"
#include "util/clock.h"
#include "util/err.h"

static struct scene scene;

static void begin(void)
{
	scene_init(&scene);
	scene.settings.profile_sampling_bytes = 512 << 10;
}

static void finish(void)
{
	scene_fini(&scene);
}

TestSuite(continuous, .init = begin, .fini = finish);

static struct target *profiled(const char *name)
{
	struct target *target = scene_target(&scene, name, 1, 1000);

	target->spec.poll.profile_interval_ns = 60 * NS_PER_S;
	return target;
}

static struct capture *first_waiting(void)
{
	cr_assert_neq(scene.captures.queue_n, 0);
	return container_of(scene.captures.queue.next, struct capture, link);
}

Test(continuous, one_that_is_due_is_asked_for_once)
{
	struct target *target = profiled("a");
	const struct capture *capture;

	continuous_polled(&scene.captures, target);
	continuous_polled(&scene.captures, target);
	continuous_run(&scene.captures);
	continuous_run(&scene.captures);
	cr_expect_eq(scene.captures.queue_n, 1);
	capture = first_waiting();
	cr_expect(capture->continuous && capture->samples.continuous && capture->samples.collected);
	cr_expect_eq(capture->manifest.continuous, 1);
	cr_expect_eq(capture->samples.duration_ns, 60 * NS_PER_S);
	cr_expect_eq(capture->samples.interval_bytes, 512 << 10);
	cr_expect_eq(capture->formats, (unsigned)SAMPLING_HEAPPROFILE);
}

Test(continuous, none_without_the_option_or_while_it_is_not_up)
{
	struct target *off = scene_target(&scene, "off", 1, 1000), *down = profiled("down");

	down->state = TARGET_DOWN;
	continuous_polled(&scene.captures, off);
	continuous_polled(&scene.captures, down);
	continuous_run(&scene.captures);
	cr_expect_eq(scene.captures.queue_n, 0);
	cr_expect_eq(scene.captures.refused_n, 0);
}

Test(continuous, switched_off_what_waits_is_dropped)
{
	struct target *target = profiled("a");

	continuous_polled(&scene.captures, target);
	continuous_run(&scene.captures);
	target->spec.poll.profile_interval_ns = 0;
	continuous_run(&scene.captures);
	cr_expect_eq(scene.captures.queue_n, 0);
	cr_expect(list_empty(&scene.captures.continuous));
}

Test(continuous, it_is_in_nobodys_way_and_waits_for_all)
{
	struct target *target = profiled("a"), *other = profiled("b");
	struct capture_request request = { .target_id = target->id, .kind = CAPTURE_KIND_SNAPSHOT };
	struct err err;

	continuous_polled(&scene.captures, target);
	continuous_run(&scene.captures);
	cr_assert_eq(captures_request(&scene.captures, &request, NULL, &err), 0, "%s", err.text);
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_BUSY);
	cr_expect_eq(scene.captures.queue_n, 2);
	begin_all(&scene.captures);
	cr_expect_eq(scene.captures.running_n, 1);
	cr_expect(first_waiting()->continuous);

	request.target_id = other->id;
	cr_assert_eq(captures_request(&scene.captures, &request, NULL, &err), 0, "%s", err.text);
	continuous_polled(&scene.captures, other);
	continuous_run(&scene.captures);
	cr_expect_eq(scene.captures.queue_n, 2);
}

Test(continuous, what_cannot_be_is_told)
{
	struct target *target = profiled("a");

	target->session.runtime = runtime_named("workerd");
	continuous_polled(&scene.captures, target);
	continuous_run(&scene.captures);
	continuous_run(&scene.captures);
	cr_expect_eq(scene.captures.queue_n, 0);
	cr_expect_eq(scene.captures.refused_n, 1);
	cr_expect_eq(scene.captures.refused[0].reason, REFUSAL_UNSUPPORTED);
	cr_expect_not_null(strstr(scene.captures.refused[0].text, "not supported by workerd"));
}

/* Its end is a collection of V8's: so long after the last, and of such a heap. */
Test(continuous, none_begins_whose_end_would_be_refused)
{
	struct target *target = profiled("a");

	scene.settings.gc_interval_ns = 120 * NS_PER_S;
	target->gc_forced_ns = clock_mono_ns();
	continuous_polled(&scene.captures, target);
	continuous_run(&scene.captures);
	cr_expect_eq(scene.captures.queue_n, 0);
	cr_expect_eq(scene.captures.refused_n, 1);
	cr_expect_eq(scene.captures.refused[0].reason, REFUSAL_GC_INTERVAL);

	scene.settings.gc_interval_ns = 60 * NS_PER_S;
	target = profiled("b");
	target->gc_forced_ns = clock_mono_ns();
	scene.settings.guards.max_heap_bytes = 999;
	continuous_polled(&scene.captures, target);
	continuous_run(&scene.captures);
	cr_expect_eq(scene.captures.queue_n, 0);
	cr_expect_eq(scene.captures.refused[1].reason, REFUSAL_MAX_HEAP);

	target = profiled("c");
	target->gc_forced_ns = clock_mono_ns();
	scene.settings.guards.max_heap_bytes = 1000;
	continuous_polled(&scene.captures, target);
	continuous_run(&scene.captures);
	cr_expect_eq(scene.captures.queue_n, 1);
}

Test(continuous, one_that_failed_is_not_asked_for_at_once)
{
	struct target *target = profiled("a");

	continuous_polled(&scene.captures, target);
	continuous_run(&scene.captures);
	step_fail(&scene.captures, first_waiting(), "refused", "somebody else samples");
	continuous_run(&scene.captures);
	cr_expect_eq(scene.captures.queue_n, 0);
}

Test(continuous, the_sum_of_them_is_what_was_allocated_where_the_engine_does_not_say)
{
	struct target *target = profiled("a");
	struct isolate *isolate = target_main_isolate(target);
	struct capture capture = { .target_id = target->id };
	uint64_t value;

	strcpy(capture.manifest.isolate, isolate->name);
	continuous_polled(&scene.captures, target);
	cr_expect_not(isolate_value(isolate, SAMPLE_ALLOCATED, &value));
	continuous_made(&scene.captures, &capture, 100);
	continuous_made(&scene.captures, &capture, 23);
	cr_expect(isolate_value(isolate, SAMPLE_ALLOCATED, &value));
	cr_expect_eq(value, 123);
	sample_set(&isolate->last, SAMPLE_ALLOCATED, 7);
	cr_expect(isolate_value(isolate, SAMPLE_ALLOCATED, &value));
	cr_expect_eq(value, 7);
}
