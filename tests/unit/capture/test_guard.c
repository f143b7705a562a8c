/*
 * Guards: who may be captured when. Time is simulated and no thread ever starts, because the loop
 * is not turned.
 */

#include "capture/guard.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "inspect/channel.h"
#include "inspect/runtime.h"
#include "scene.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "watch/sampling.h"

#define SECOND NS_PER_S
#define MINUTE (60 * NS_PER_S)
#define HOUR   (60 * MINUTE)

enum { PORT = 9 }; /* nobody connects */

static struct scene scene;
static struct target *shop;

static void begin(void)
{
	clock_simulate(100 * HOUR, 1769903999000);
	scene_init(&scene);
	scene.settings.queue_max = 2;
	shop = scene_target(&scene, "shop", PORT, 10 * 1024 * 1024);
}

static void finish(void)
{
	scene_fini(&scene);
}

TestSuite(guard, .init = begin, .fini = finish);

static uint64_t now_ns = 100 * HOUR;

static void pass(uint64_t ns)
{
	now_ns += ns;
	clock_simulate(now_ns, 1769903999000);
}

static const struct rule_guards half_hour = { .cooldown_ns = 30 * MINUTE,
					      .max_captures = 3,
					      .window_ns = 24 * HOUR };

static int ask(const struct target *target, const char *rule, const struct rule_guards *guards,
	       struct err *err)
{
	const struct capture_request request = {
		.target_id = target != NULL ? target->id : 4711,
		.rule = rule,
		.cause = "because",
		.cause_value = 0.9,
		.guards = guards,
	};

	return captures_request(&scene.captures, &request, NULL, err);
}

/* Asks, and takes an accepted one back so that it is not in the way of the next. */
static int ask_alone(const struct target *target, const char *rule,
		     const struct rule_guards *guards, struct err *err)
{
	char id[CAPTURE_ID_MAX];
	const struct capture_request request = { .target_id = target->id,
						 .rule = rule,
						 .guards = guards };
	int r = captures_request(&scene.captures, &request, id, err);

	if (r == 0)
		cr_assert_eq(captures_cancel(&scene.captures, id), 0);
	return r;
}

static void expect_refused(int r, const struct err *err, enum capture_refusal refusal,
			   const char *text)
{
	const struct refused *last =
		&scene.captures.refused[(scene.captures.refused_n - 1) % REFUSED_MAX];

	cr_expect_eq(r, (int)refusal, "%d %s", r, err->text);
	cr_expect_str_eq(err->text, text);
	cr_assert_gt(scene.captures.refused_n, 0);
	cr_expect_eq(last->reason, refusal);
	cr_expect_str_eq(last->text, text);
}

static uint64_t refusals(const char *target, const char *rule, const char *reason)
{
	list_each (link, &scene.captures.counters) {
		const struct capture_counter *row =
			container_of(link, struct capture_counter, link);

		if (strcmp(row->target, target) == 0 && strcmp(row->rule, rule) == 0 &&
		    strcmp(row->reason, reason) == 0)
			return row->refused;
	}
	return 0;
}

/* Not even by force: its process would not survive it. */
Test(guard, what_the_runtime_does_not_survive)
{
	struct runtime frail = *shop->session.runtime;
	const struct capture_request request = { .target_id = shop->id, .force = true };
	char id[CAPTURE_ID_MAX];
	struct err err;

	frail.name = "frail";
	frail.heap_max = 10 * 1024 * 1024;
	frail.heap_max_why = "it dies";
	shop->session.runtime = &frail;
	cr_assert_eq(captures_request(&scene.captures, &request, id, &err), 0);
	cr_assert_eq(captures_cancel(&scene.captures, id), 0);
	frail.heap_max--;
	expect_refused(
		captures_request(&scene.captures, &request, NULL, &err), &err, REFUSAL_MAX_HEAP,
		"max_heap: the heap uses 10 MiB, frail can capture at most 9.9 MiB: it dies");
}

Test(guard, names)
{
	static const char *const names[] = { "none",        "busy",         "queue",
					     "cooldown",    "max_captures", "rearm",
					     "quiet_hours", "min_uptime",   "max_heap",
					     "max_cpu",     "headroom",     "gc_interval",
					     "space",       "target",       "unsupported",
					     "dry_run" };

	for (int i = 0; i < REFUSALS; i++)
		cr_expect_str_eq(capture_refusal_name((enum capture_refusal)i), names[i]);
}

Test(guard, accepted)
{
	struct err err = { 0 };
	char id[CAPTURE_ID_MAX];
	const struct capture_request request = { .target_id = shop->id };
	const struct capture *capture;

	cr_assert_eq(captures_request(&scene.captures, &request, id, &err), 0);
	cr_expect_eq(strlen(id), 32);
	capture = captures_find(&scene.captures, id);
	cr_assert_not_null(capture);
	cr_expect_eq(capture->step, CAPTURE_WAITING);
	cr_expect_str_eq(capture->manifest.target, "shop");
	cr_expect_str_eq(capture->manifest.isolate, "main");
	cr_expect_str_eq(capture->manifest.rule, "");
	cr_expect_eq(capture->manifest.heap_used_bytes, 10 * 1024 * 1024);
	cr_expect_eq(capture->manifest.pid, 4711);
	cr_expect_eq(scene.captures.refused_n, 0);
}

Test(guard, busy)
{
	struct err err = { 0 };
	char text[128];
	const struct capture_request request = { .target_id = shop->id };
	char id[CAPTURE_ID_MAX];

	cr_assert_eq(captures_request(&scene.captures, &request, id, NULL), 0);
	snprintf(text, sizeof(text), "busy: capture %s is waiting", id);
	expect_refused(ask(shop, NULL, NULL, &err), &err, REFUSAL_BUSY, text);
	expect_refused(ask(shop, "r", &half_hour, &err), &err, REFUSAL_BUSY, text);
	cr_expect_eq(refusals("shop", "", "busy"), 1);
	cr_expect_eq(refusals("shop", "r", "busy"), 1);
	cr_expect_eq(captures_cancel(&scene.captures, id), 0);
	cr_expect_eq(ask(shop, NULL, NULL, &err), 0);
}

Test(guard, queue)
{
	struct err err = { 0 };

	cr_assert_eq(ask(shop, NULL, NULL, &err), 0);
	cr_assert_eq(ask(scene_target(&scene, "b", PORT, 1), NULL, NULL, &err), 0);
	expect_refused(ask(scene_target(&scene, "c", PORT, 1), NULL, NULL, &err), &err,
		       REFUSAL_QUEUE, "queue: 2 captures wait already");
}

Test(guard, cooldown)
{
	struct err err = { 0 };

	cr_assert_eq(ask_alone(shop, "r", &half_hour, &err), 0);
	expect_refused(ask(shop, "r", &half_hour, &err), &err, REFUSAL_COOLDOWN,
		       "cooldown: 30m left of 30m");
	pass(18 * MINUTE);
	expect_refused(ask(shop, "r", &half_hour, &err), &err, REFUSAL_COOLDOWN,
		       "cooldown: 12m left of 30m");
	pass(12 * MINUTE - 1);
	expect_refused(ask(shop, "r", &half_hour, &err), &err, REFUSAL_COOLDOWN,
		       "cooldown: 1s left of 30m");
	pass(1);
	cr_expect_eq(ask_alone(shop, "r", &half_hour, &err), 0);
	cr_expect_eq(refusals("shop", "r", "cooldown"), 3);
}

Test(guard, cooldown_is_of_the_rule_and_the_target)
{
	struct target *other = scene_target(&scene, "other", PORT, 1);
	struct err err = { 0 };

	cr_assert_eq(ask_alone(shop, "r", &half_hour, &err), 0);
	cr_expect_eq(ask_alone(other, "r", &half_hour, &err), 0);
	cr_expect_eq(ask_alone(shop, "s", &half_hour, &err), 0);
	cr_expect_eq(ask_alone(shop, NULL, NULL, &err), 0, "a person is not bound by it");
	cr_expect_eq(ask_alone(shop, "r", NULL, &err), 0, "nor a rule without guards");
	cr_expect_eq(ask_alone(shop, "r", &half_hour, &err), REFUSAL_COOLDOWN);
}

/* Takes an accepted one back, as ask_alone(). */
static int ask_step(const char *step, const struct rule_guards *guards, struct err *err)
{
	const struct capture_request request = { .target_id = shop->id,
						 .isolate = "main",
						 .rule = "r",
						 .step = step,
						 .guards = guards };
	char id[CAPTURE_ID_MAX];
	int r = captures_request(&scene.captures, &request, id, err);

	if (r == 0)
		cr_assert_eq(captures_cancel(&scene.captures, id), 0);
	return r;
}

/* A rule that asks again is one story, and each of its steps one of its own. */
Test(guard, steps_are_refused_by_name)
{
	struct rule_guards guards = half_hour;
	const struct refused *refused = scene.captures.refused;
	struct err err = { 0 };

	for (int i = 0; i < 3; i++) {
		ask_step("60%", &guards, &err);
		ask_step("75%", &guards, &err);
	}
	cr_assert_eq(scene.captures.refused_n, 2);
	cr_expect_str_eq(refused[0].step, "60%");
	cr_expect_str_eq(refused[1].step, "75%");
	cr_expect_eq(refused[0].times, 2);
	cr_expect_eq(refused[1].times, 2);
}

/* Once per step; how many there are in a window is the rule's all the same. */
Test(guard, steps_have_a_cooldown_of_their_own)
{
	struct rule_guards guards = half_hour;
	struct err err = { 0 };

	guards.has_rearm = true;
	cr_expect_eq(ask_step("60%", &guards, &err), 0);
	cr_expect_eq(ask_step("75%", &guards, &err), 0, "%s", err.text);
	cr_expect_eq(ask_step("60%", &guards, &err), REFUSAL_COOLDOWN);
	pass(31 * MINUTE);
	cr_expect_eq(ask_step("60%", &guards, &err), REFUSAL_REARM);
	cr_expect(guard_rearm(&scene.captures, "shop", "main", "r"));
	cr_expect_eq(ask_step("60%", &guards, &err), 0);
	cr_expect_eq(ask_step("75%", &guards, &err), REFUSAL_MAX_CAPTURES);
}

/* What waits for another of its rule finds the target free then. */
Test(guard, busy_with_what_it_waits_for)
{
	const struct capture_request first = { .target_id = shop->id, .rule = "r" };
	struct capture_request second = { .target_id = shop->id, .rule = "r" };
	char id[CAPTURE_ID_MAX];
	struct err err = { 0 };

	cr_assert_eq(captures_request(&scene.captures, &first, id, NULL), 0);
	cr_expect_eq(captures_request(&scene.captures, &second, NULL, &err), REFUSAL_BUSY);
	second.after = id;
	second.rule = "s";
	cr_expect_eq(captures_request(&scene.captures, &second, NULL, &err), REFUSAL_BUSY);
	second.rule = "r";
	cr_expect_eq(captures_request(&scene.captures, &second, NULL, &err), 0);
}

/* It goes by the name: a target that comes back is the same. */
Test(guard, cooldown_survives_the_target)
{
	struct err err = { 0 };

	cr_assert_eq(ask_alone(shop, "r", &half_hour, &err), 0);
	scene_drop(shop);
	shop = scene_target(&scene, "shop", PORT, 1);
	cr_expect_eq(ask(shop, "r", &half_hour, &err), REFUSAL_COOLDOWN);
}

Test(guard, max_captures)
{
	struct err err = { 0 };

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(ask_alone(shop, "r", &half_hour, &err), 0, "%d %s", i, err.text);
		pass(HOUR);
	}
	expect_refused(ask(shop, "r", &half_hour, &err), &err, REFUSAL_MAX_CAPTURES,
		       "max_captures: 3 of 3 in 1d");
	pass(21 * HOUR - 1);
	cr_expect_eq(ask_alone(shop, "r", &half_hour, &err), REFUSAL_MAX_CAPTURES);
	pass(1);
	cr_expect_eq(ask_alone(shop, "r", &half_hour, &err), 0, "the first has left the window");
	pass(30 * MINUTE);
	cr_expect_eq(ask_alone(shop, "r", &half_hour, &err), REFUSAL_MAX_CAPTURES);
}

Test(guard, max_captures_of_zero_is_no_limit)
{
	const struct rule_guards guards = { .window_ns = 24 * HOUR };
	struct err err = { 0 };

	for (int i = 0; i < 20; i++)
		cr_expect_eq(ask_alone(shop, "r", &guards, &err), 0);
}

Test(guard, cooldown_is_told_before_max_captures)
{
	const struct rule_guards guards = { .cooldown_ns = HOUR,
					    .max_captures = 1,
					    .window_ns = HOUR };
	struct err err = { 0 };

	cr_assert_eq(ask_alone(shop, "r", &guards, &err), 0);
	cr_expect_eq(ask(shop, "r", &guards, &err), REFUSAL_COOLDOWN);
}

/* ---- rearm ---- */

static const struct rule_guards until_back = { .has_rearm = true };

Test(guard, rearm)
{
	struct err err = { 0 };

	cr_assert_eq(ask_alone(shop, "r", &until_back, &err), 0);
	pass(90 * SECOND);
	expect_refused(ask(shop, "r", &until_back, &err), &err, REFUSAL_REARM,
		       "rearm: the value has not been back since the last capture, 1m30s ago");
	cr_expect_eq(ask_alone(shop, "s", &until_back, &err), 0, "another rule");
	captures_rearm(&scene.captures, "shop", "worker:1", "r");
	captures_rearm(&scene.captures, "other", "main", "r");
	cr_expect_eq(ask(shop, "r", &until_back, &err), REFUSAL_REARM);
	captures_rearm(&scene.captures, "shop", "main", "r");
	cr_expect_eq(ask_alone(shop, "r", &until_back, &err), 0);
	cr_expect_eq(ask(shop, "r", &until_back, &err), REFUSAL_REARM);
}

Test(guard, rearm_tells_its_level)
{
	static const struct rule_guards level = { .has_rearm = true, .rearm_text = "below 70%" };
	struct err err = { 0 };

	cr_assert_eq(ask_alone(shop, "r", &level, &err), 0);
	pass(90 * SECOND);
	expect_refused(ask(shop, "r", &level, &err), &err, REFUSAL_REARM,
		       "rearm: the value has not been back below 70% since the last capture, "
		       "1m30s ago");
}

Test(guard, rearm_is_of_the_isolate)
{
	struct capture_request request = {
		.target_id = shop->id, .isolate = "worker:3", .rule = "r", .guards = &until_back
	};
	char id[CAPTURE_ID_MAX];
	struct err err = { 0 };

	scene_isolate(shop, "worker:3", 1000);
	cr_assert_eq(ask_alone(shop, "r", &until_back, &err), 0);
	cr_assert_eq(captures_request(&scene.captures, &request, id, &err), 0);
	cr_assert_eq(captures_cancel(&scene.captures, id), 0);
	cr_expect_eq(captures_request(&scene.captures, &request, id, &err), REFUSAL_REARM);
}

/* A reload has taken rearm_below away. */
Test(guard, rearm_that_is_no_longer_asked_for)
{
	const struct rule_guards none = { 0 };
	struct err err = { 0 };

	cr_assert_eq(ask_alone(shop, "r", &until_back, &err), 0);
	cr_expect_eq(ask_alone(shop, "r", &none, &err), 0);
}

Test(guard, rearm_goes_with_what_came_to_nothing)
{
	struct err err = { 0 };

	cr_assert_eq(ask_alone(shop, "r", &until_back, &err), 0);
	cr_expect_eq(scene.captures.unarmed_n, 1);
	guard_forget(&scene.captures, "shop", "r", "", CAPTURE_KIND_DIAGNOSTICS);
	cr_expect_eq(scene.captures.unarmed_n, 1);
	guard_forget(&scene.captures, "shop", "r", "", CAPTURE_KIND_SNAPSHOT);
	cr_expect(scene.captures.unarmed_n == 0 && scene.captures.history_n == 0);
	cr_expect_eq(ask_alone(shop, "r", &until_back, &err), 0);
}

/* ---- kinds ---- */

/* A rule may take both: neither is in the other's way. */
Test(guard, diagnostics_and_snapshots_are_judged_apart)
{
	struct capture_request request = { .target_id = shop->id,
					   .kind = CAPTURE_KIND_DIAGNOSTICS,
					   .rule = "r",
					   .guards = &half_hour };
	struct err err = { 0 };

	shop->identified = true;
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), 0, "%s", err.text);
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_COOLDOWN);
	request.kind = CAPTURE_KIND_SNAPSHOT;
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), 0, "%s", err.text);
	request.kind = CAPTURE_KIND_DIAGNOSTICS;
	request.rule = "s";
	scene.settings.queue_max = 10;
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), 0,
		     "while a snapshot waits: %s", err.text);
}

/* The first of a series was judged; the later ones are the same capture to its rule. */
Test(guard, later_ones_of_a_series)
{
	const struct rule_guards strict = {
		.cooldown_ns = HOUR, .max_captures = 1, .window_ns = HOUR, .has_rearm = true
	};
	struct capture_request request = {
		.target_id = shop->id, .isolate = "main", .rule = "r", .guards = &strict
	};
	struct err err = { 0 };

	cr_assert_eq(ask_alone(shop, "r", &strict, &err), 0);
	cr_expect_eq(guard_judge(&scene.captures, shop, &request, &err), REFUSAL_COOLDOWN);
	request.series_id = "0123";
	request.series_index = 2;
	cr_expect_eq(guard_judge(&scene.captures, shop, &request, &err), REFUSAL_NONE);
	shop->state = TARGET_DOWN;
	cr_expect_eq(guard_judge(&scene.captures, shop, &request, &err), REFUSAL_TARGET);
}

Test(guard, dry_run)
{
	const struct capture_request request = { .target_id = shop->id,
						 .isolate = "main",
						 .rule = "r",
						 .guards = &half_hour,
						 .dry_run = true };
	struct err err = { 0 };

	expect_refused(captures_request(&scene.captures, &request, NULL, &err), &err,
		       REFUSAL_DRY_RUN,
		       "dry_run: would have captured a snapshot of shop (isolate main)");
	cr_expect_eq(scene.captures.history_n, 0, "it does not count");
	cr_expect_eq(scene.captures.queue_n, 0);
	cr_expect_eq(refusals("shop", "r", "dry_run"), 1);
}

Test(guard, space)
{
	struct err err = { 0 };

	scene.spool.limits.max_use_bytes = 36 * 1024 * 1024; /* 16 MiB + 2 * 10 MiB */
	cr_expect_eq(ask_alone(shop, NULL, NULL, &err), 0);
	scene.spool.limits.max_use_bytes--;
	cr_expect_eq(ask(shop, NULL, NULL, &err), REFUSAL_SPACE);
	cr_expect_not_null(strstr(err.text, "space: about 36 MiB needed; the spool has 0 files"),
			   "%s", err.text);
	scene.spool.limits = (struct spool_settings){ .keep_free_bytes = UINT64_MAX };
	cr_expect_eq(ask(shop, NULL, NULL, &err), REFUSAL_SPACE);
}

Test(guard, space_counts_what_waits)
{
	struct target *other = scene_target(&scene, "other", PORT, 10 * 1024 * 1024);
	struct err err = { 0 };

	scene.spool.limits.max_use_bytes = 71 * 1024 * 1024;
	cr_assert_eq(ask(other, NULL, NULL, &err), 0);
	cr_expect_eq(ask(shop, NULL, NULL, &err), REFUSAL_SPACE);
	scene.spool.limits.max_use_bytes = 72 * 1024 * 1024;
	scene.spool.limits.max_files = 1;
	cr_expect_eq(ask(shop, NULL, NULL, &err), REFUSAL_SPACE);
	scene.spool.limits.max_files = 2;
	cr_expect_eq(ask(shop, NULL, NULL, &err), 0);
}

Test(guard, target)
{
	static const enum target_state states[] = { TARGET_CONNECTING, TARGET_CAPTURING,
						    TARGET_BLOCKED,    TARGET_PAUSED,
						    TARGET_STOPPED,    TARGET_EXITING,
						    TARGET_DOWN,       TARGET_INVALID };
	struct err err = { 0 };
	char text[64];

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		shop->state = states[i];
		snprintf(text, sizeof(text), "target: it is %s", target_state_name(states[i]));
		expect_refused(ask(shop, "r", &half_hour, &err), &err, REFUSAL_TARGET, text);
	}
	shop->state = TARGET_UP;
	cr_expect_eq(ask_alone(shop, "r", &half_hour, &err), 0,
		     "what was refused does not count for the cooldown");
	channel_free(container_of(shop->session.channels.next, struct channel, link));
	expect_refused(ask(shop, NULL, NULL, &err), &err, REFUSAL_TARGET,
		       "target: its inspector offers no snapshots");
	expect_refused(ask(NULL, "r", &half_hour, &err), &err, REFUSAL_TARGET,
		       "target: there is none");
}

Test(guard, isolate)
{
	struct capture_request request = { .target_id = shop->id, .isolate = "worker:3" };
	struct err err = { 0 };

	expect_refused(captures_request(&scene.captures, &request, NULL, &err), &err,
		       REFUSAL_TARGET, "target: it has no isolate worker:3");
	scene_isolate(shop, "worker:3", 1000);
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), 0);
}

/* Between the halves of a tracking nobody polls: what was measured counts, until somebody does. */
Test(guard, of_a_second_half)
{
	const struct rule_guards most = {
		.safety = { .max_heap_bytes = 2000, .has_max_heap = true, .has_headroom = true }
	};
	struct capture second = { .kind = CAPTURE_KIND_TRACKING,
				  .has_guards = true,
				  .guards = most };
	struct isolate *isolate = target_find_isolate(shop, "main");
	struct sample sample = isolate->last;
	struct err err = { 0 };

	str_copy(second.manifest.isolate, sizeof(second.manifest.isolate), "main");
	shop->state = TARGET_CAPTURING;
	isolate->heap_seen_bytes = 2000;
	cr_expect_eq(guard_judge_half(&scene.captures, shop, &second, &err), REFUSAL_NONE, "%s",
		     err.text);
	isolate->heap_seen_bytes = 3000;
	cr_expect_eq(guard_judge_half(&scene.captures, shop, &second, &err), REFUSAL_MAX_HEAP);
	cr_expect_str_eq(err.text, "max_heap: the heap uses 2.9 KiB, at most 1.9 KiB");
	second.force = true;
	cr_expect_eq(guard_judge_half(&scene.captures, shop, &second, &err), REFUSAL_NONE);
	cr_expect_eq(guard_judge_half(&scene.captures, NULL, &second, &err), REFUSAL_TARGET);
	sample_set(&sample, SAMPLE_HEAP_USED, 1500);
	cr_assert_eq(target_take_sample(shop, "main", &sample), 0);
	cr_expect_eq(guard_heap_used_bytes(shop, "main"), 1500);
}

/* No force helps where the program would die of it. */
Test(guard, of_a_tracking_of_what_is_too_large)
{
	struct runtime other = *shop->session.runtime;
	struct capture second = { .kind = CAPTURE_KIND_TRACKING, .force = true };
	struct isolate *isolate = target_find_isolate(shop, "main");
	struct err err = { 0 };

	str_copy(second.manifest.isolate, sizeof(second.manifest.isolate), "main");
	other.tracking_max = 1000;
	other.tracking_max_why = "it dies";
	shop->session.runtime = &other;
	isolate->heap_seen_bytes = 1001;
	cr_expect_eq(guard_judge_half(&scene.captures, shop, &second, &err), REFUSAL_MAX_HEAP);
	cr_expect_not_null(strstr(err.text, "can capture at most 1000 B: it dies"), "%s", err.text);
	second.kind = CAPTURE_KIND_SNAPSHOT;
	cr_expect_eq(guard_judge_half(&scene.captures, shop, &second, &err), REFUSAL_NONE);
}

/* What can never be: told before what may pass, with or without force, and without a version where
 * there is none. */
Test(guard, what_the_runtime_cannot)
{
	struct runtime plain = *shop->session.runtime;
	struct capture_request request = { .target_id = shop->id,
					   .isolate = "worker:3",
					   .force = true };
	const struct recipe_choice all = { .has_redact = true, .redact = REDACT_ALL };
	struct err err = { 0 };

	plain.name = "plain";
	plain.cannot[ABILITY_WORKERS] = "it has none";
	plain.cannot[ABILITY_REDACT_ALL] = "they cannot be replaced";
	shop->session.runtime = &plain;
	str_copy(shop->identity.runtime_version, sizeof(shop->identity.runtime_version), "7.5");
	shop->state = TARGET_PAUSED;
	expect_refused(captures_request(&scene.captures, &request, NULL, &err), &err,
		       REFUSAL_UNSUPPORTED, "worker:3: not supported by plain 7.5: it has none");
	request.isolate = "main";
	request.recipe = &all;
	shop->identity.runtime_version[0] = '\0';
	expect_refused(captures_request(&scene.captures, &request, NULL, &err), &err,
		       REFUSAL_UNSUPPORTED,
		       "redact: all: not supported by plain: they cannot be replaced");
	cr_expect_not(captures_can_have(shop, "worker:3"));
	cr_expect(captures_can_have(shop, "page:3"));
	/* It is known to nobody what runs there. */
	shop->session.runtime = NULL;
	cr_expect(captures_can_have(shop, "worker:3"));
}

/* What V8 bears for an hour makes a tab of Firefox slow all the while. */
Test(guard, how_long_a_runtime_may_be_sampled)
{
	struct sampling_settings sampling = { .duration_ns = HOUR,
					      .interval_bytes = 1 << 15,
					      .stack_depth = 1 };
	const struct capture_request request = { .target_id = shop->id,
						 .kind = CAPTURE_KIND_SAMPLING,
						 .sampling = &sampling,
						 .dry_run = true };
	struct err err = { .text = "" };

	shop->session.runtime = runtime_named("node");
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_DRY_RUN);
	shop->session.runtime = runtime_named("firefox");
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_UNSUPPORTED);
	cr_expect_not_null(strstr(err.text, "sampling for 1h: firefox bears at most 5m: its log"),
			   "%s", err.text);
	sampling.duration_ns = 5 * MINUTE;
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_DRY_RUN);
}

Test(guard, the_newest_refusals_are_kept)
{
	struct err err = { 0 };

	shop->state = TARGET_DOWN;
	for (int i = 0; i < REFUSED_MAX; i++) {
		char rule[16];

		snprintf(rule, sizeof(rule), "old%d", i);
		ask(shop, rule, NULL, &err);
	}
	cr_expect_str_eq(scene.captures.refused[0].rule, "old0");
	ask(shop, "new", NULL, &err);
	cr_expect_eq(scene.captures.refused_n, REFUSED_MAX + 1);
	cr_expect_str_eq(scene.captures.refused[0].rule, "new");
	cr_expect_str_eq(scene.captures.refused[1].rule, "old1");
	/* Told again, it is the newest, also where the ring has turned. */
	ask(shop, "old1", NULL, &err);
	cr_expect_eq(scene.captures.refused_n, REFUSED_MAX + 1);
	cr_expect_str_eq(scene.captures.refused[0].rule, "old1");
	cr_expect_str_eq(scene.captures.refused[1].rule, "old2");
	cr_expect_str_eq(scene.captures.refused[REFUSED_MAX - 1].rule, "new");
	cr_expect_eq(refusals("shop", "old1", "target"), 2);
}

/* However many names there are, the rows have an end, and nothing is lost in the sum. */
Test(guard, counters_are_bounded)
{
	struct err err = { 0 };
	uint64_t sum = 0;
	char rule[32];

	shop->state = TARGET_DOWN;
	for (int i = 0; i < COUNTERS_MAX + 50; i++) {
		snprintf(rule, sizeof(rule), "rule%d", i);
		ask(shop, rule, NULL, &err);
	}
	list_each (link, &scene.captures.counters)
		sum += container_of(link, struct capture_counter, link)->refused;
	cr_expect_eq(scene.captures.counters_n, COUNTERS_MAX + 1);
	cr_expect_eq(sum, COUNTERS_MAX + 50);
	cr_expect_eq(refusals("", "", "target"), 50);
}

/* A rule asks again at each evaluation: one entry, the newest, with the last numbers. */
Test(guard, a_rule_refused_again_is_one_story)
{
	struct target *other = scene_target(&scene, "other", PORT, 1);
	struct err err = { .text = "" };

	shop->state = other->state = TARGET_DOWN;
	for (int i = 0; i < 3; i++) {
		ask_alone(shop, "r", NULL, &err);
		ask_alone(other, "r", NULL, &err);
	}
	cr_expect_eq(scene.captures.refused_n, 2);
	cr_expect_str_eq(scene.captures.refused[1].target, "other");
	cr_expect_eq(scene.captures.refused[0].times, 3);
	ask_alone(shop, "r", NULL, &err);
	cr_expect_str_eq(scene.captures.refused[1].target, "shop");
	cr_expect_eq(scene.captures.refused[1].times, 4);
	cr_expect_eq(refusals("shop", "r", "target"), 4);
	/* A person gets an answer each time. */
	ask_alone(shop, NULL, NULL, &err);
	ask_alone(shop, NULL, NULL, &err);
	cr_expect_eq(scene.captures.refused_n, 4);
}

Test(guard, a_story_ends_by_a_clock_that_nobody_sets)
{
	static const int64_t steps_ms[] = { -3600000, 3600000 };
	struct err err = { .text = "" };

	shop->state = TARGET_DOWN;
	ask_alone(shop, "r", NULL, &err);
	for (size_t i = 0; i < 2; i++) {
		clock_simulate(clock_mono_ns() + 5 * 60 * SECOND, clock_wall_ms() + steps_ms[i]);
		ask_alone(shop, "r", NULL, &err);
	}
	cr_expect_eq(scene.captures.refused_n, 1, "five minutes later each time");
	clock_simulate(clock_mono_ns() + 11 * 60 * SECOND, clock_wall_ms() - 3600000);
	ask_alone(shop, "r", NULL, &err);
	cr_expect_eq(scene.captures.refused_n, 2);
}
