/* Forced collections: what refuses them, and whose turn it is. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "capture/collection.h"
#include "capture/step.h"
#include "inspect/runtime.h"
#include "scene.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "watch/collect.h"
#include "watch/sampling.h"

enum { PORT = 1 };

static struct scene scene;
static struct target *shop;
static struct collection_end last;
static char last_failure[256];
static unsigned ended;

static void on_collected(void *owner, const struct collection_end *end)
{
	(void)owner;
	last = *end;
	str_copy(last_failure, sizeof(last_failure), end->failure != NULL ? end->failure : "");
	ended++;
}

static void setup(void)
{
	scene_init(&scene);
	scene.settings.gc_interval_ns = 60 * NS_PER_S;
	scene.captures.on_collected = on_collected;
	shop = scene_target(&scene, "shop", PORT, 10 << 20);
}

static void teardown(void)
{
	scene_fini(&scene);
}

TestSuite(collection, .init = setup, .fini = teardown, .timeout = 60);

static int ask(const char *isolate, const struct rule_guards *guards, bool force, struct err *err)
{
	const struct capture_request request = { .target_id = shop->id,
						 .kind = CAPTURE_KIND_GC,
						 .isolate = isolate,
						 .rule = guards != NULL ? "r" : NULL,
						 .guards = guards,
						 .force = force };

	*err = (struct err){ .text = "" };
	return captures_request(&scene.captures, &request, NULL, err);
}

static void end_it(int result)
{
	const struct collected collected = { .isolate = "main",
					     .result = result,
					     .reason = result < 0 ? "it would not" : NULL,
					     .before_bytes = 20,
					     .after_bytes = 5,
					     .duration_ns = 30 * NS_PER_MS };

	list_each (link, &scene.captures.collections)
		container_of(link, struct collection_run, link)->running = true;
	shop->gc_forced_ns = clock_mono_ns();
	collection_ended(&scene.captures, shop, &collected);
}

/* V8 collects at the end of one, SpiderMonkey does not. */
Test(collection, a_sampling_profile_is_judged_by_its_end)
{
	struct capture_request request = { .target_id = shop->id, .kind = CAPTURE_KIND_SAMPLING };
	struct sampling_settings sampling = { .duration_ns = 59 * NS_PER_S,
					      .interval_bytes = 1 << 15,
					      .stack_depth = 1 };
	struct err err = { .text = "" };

	shop->gc_forced_ns = clock_mono_ns();
	request.sampling = &sampling;
	request.force = request.dry_run = true;
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_GC_INTERVAL);
	cr_expect_str_eq(err.text, "gc_interval: 1m left of 1m");
	shop->session.runtime = runtime_named("firefox");
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_DRY_RUN);
	shop->session.runtime = runtime_named("node");
	sampling.duration_ns = 60 * NS_PER_S;
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_DRY_RUN);
	request.sampling = NULL; /* a minute too */
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_DRY_RUN);

	request.force = false;
	scene.settings.guards.max_heap_bytes = 1;
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_MAX_HEAP);
	shop->session.runtime = runtime_named("firefox");
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_DRY_RUN);
}

Test(collection, one_at_a_time_and_then_not_again_for_a_while)
{
	struct err err;

	cr_assert_eq(ask(NULL, NULL, false, &err), 0);
	cr_expect_eq(ask(NULL, NULL, false, &err), REFUSAL_BUSY);
	cr_expect_str_eq(err.text, "busy: a collection of garbage is waiting");
	end_it(0);
	cr_assert_eq(ended, 1);
	cr_expect_eq(scene.captures.gc_duration.counts[3], 1); /* up to 50 ms */
	cr_expect_eq(ask(NULL, NULL, false, &err), REFUSAL_GC_INTERVAL);
	cr_expect_str_eq(err.text, "gc_interval: 1m left of 1m");
	cr_expect_eq(ask(NULL, NULL, true, &err), REFUSAL_GC_INTERVAL, "force is no way around it");
	shop->gc_forced_ns -= 60 * NS_PER_S;
	cr_expect_eq(collection_wait_ns(&scene.captures, shop), 0);
	cr_assert_eq(ask(NULL, NULL, false, &err), 0);
	end_it(-ETIMEDOUT);
	cr_expect_str_eq(last_failure, "it would not");
}

Test(collection, guards_hold_but_headroom_is_for_snapshots)
{
	struct rule_guards guards = { .safety = { .has_headroom = true, .headroom = 1000 } };
	struct err err;

	guards.safety.has_max_heap = true;
	guards.safety.max_heap_bytes = 1 << 20;
	cr_expect_eq(ask("main", &guards, false, &err), REFUSAL_MAX_HEAP);
	guards.safety.max_heap_bytes = 1ull << 30;
	cr_expect_eq(ask("main", &guards, false, &err), 0);
	end_it(0);
	shop->gc_forced_ns = 0;
	guards.cooldown_ns = 3600 * NS_PER_S;
	cr_expect_eq(ask("main", &guards, false, &err), REFUSAL_COOLDOWN);
}

Test(collection, what_is_not_there_is_not_collected)
{
	struct err err;

	cr_expect_eq(ask("worker:7", NULL, false, &err), REFUSAL_TARGET);
	shop->state = TARGET_DOWN;
	cr_expect_eq(ask(NULL, NULL, false, &err), REFUSAL_TARGET);
}

Test(collection, a_target_that_goes_ends_it)
{
	struct err err;

	cr_assert_eq(ask(NULL, NULL, false, &err), 0);
	collection_target_removed(&scene.captures, shop->id);
	cr_assert_eq(ended, 1);
	cr_expect_str_eq(last_failure, "the target is gone");
	cr_expect(list_empty(&scene.captures.collections));
}

Test(collection, captures_that_were_asked_for_later_wait)
{
	struct capture before = { .target_id = shop->id, .requested_ns = clock_mono_ns() };
	struct capture after = before, other = before;
	struct err err;

	cr_assert_eq(ask(NULL, NULL, false, &err), 0);
	after.requested_ns = clock_mono_ns();
	other.target_id = shop->id + 1;
	other.requested_ns = after.requested_ns;
	cr_expect_not(collection_precedes(&scene.captures, &before));
	cr_expect(collection_precedes(&scene.captures, &after));
	cr_expect_not(collection_precedes(&scene.captures, &other));
	/* Once it runs nothing begins beside it. */
	container_of(scene.captures.collections.next, struct collection_run, link)->running = true;
	cr_expect(collection_precedes(&scene.captures, &before));
}

/* A rule of gc and sampling has them in this order, though a profile waits for nothing else. */
Test(collection, a_profile_waits_for_its_turn_too)
{
	const struct capture_request request = { .target_id = shop->id,
						 .kind = CAPTURE_KIND_SAMPLING };
	struct err err = { .text = "" };
	char id[CAPTURE_ID_MAX];

	cr_assert_eq(ask(NULL, NULL, false, &err), 0);
	cr_assert_eq(captures_request(&scene.captures, &request, id, &err), 0, "%s", err.text);
	begin_all(&scene.captures);
	cr_expect_eq(captures_find(&scene.captures, id)->step, CAPTURE_WAITING);
	end_it(0);
	begin_all(&scene.captures);
	cr_expect_neq(captures_find(&scene.captures, id)->step, CAPTURE_WAITING);
}

/* One that was refused, or went with its target, while it waited has stopped nobody. */
Test(collection, the_interval_is_that_of_collections_that_were_begun)
{
	struct err err;

	cr_assert_eq(ask(NULL, NULL, false, &err), 0);
	collection_target_removed(&scene.captures, shop->id);
	cr_expect_eq(collection_wait_ns(&scene.captures, shop), 0);
	cr_expect_eq(ask(NULL, NULL, false, &err), 0);
}
