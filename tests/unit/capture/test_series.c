/*
 * Series: the later captures come when they are due, are given up visibly when they cannot, and are
 * not forgotten when the daemon ends.
 */

#include "capture/series.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/tracking.h"
#include "fake_inspector.h"
#include "json/tree.h"
#include "json/write.h"
#include "scene.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"

static const char text[] = "{\"snapshot\":{\"meta\":{}},\"nodes\":[1,2,3],\"strings\":[]}";

#define SPACING_NS (600 * NS_PER_S)

static const struct fake_script script = { .snapshot = text, .snapshot_size = sizeof(text) - 1 };
static const struct series_settings three = { .count = 3, .spacing_ns = SPACING_NS };
static struct scene scene;
static struct fake_inspector *fake;
static struct target *target;

static void begin(void)
{
	scene_init(&scene);
	fake = fake_start(&script);
	target = scene_target(&scene, "a", fake_port(fake), 7);
}

static void finish(void)
{
	fake_stop(fake);
	scene_fini(&scene);
}

TestSuite(series, .init = begin, .fini = finish);

static void ask(char id[CAPTURE_ID_MAX])
{
	const struct capture_request request = {
		.target_id = target->id, .rule = "r", .cause = "heap_used > 1", .series = &three
	};
	struct err err = { .text = "" };

	cr_assert_eq(captures_request(&scene.captures, &request, id, &err), 0, "%s", err.text);
	cr_assert(scene_settle(&scene));
}

static uint64_t tick(uint64_t now_ns)
{
	uint64_t wait_ns = series_tick(&scene.captures, now_ns);

	cr_assert(scene_settle(&scene));
	return wait_ns;
}

static const struct manifest *nth(unsigned n)
{
	list_each (link, &scene.spool.ready)
		if (n-- == 0)
			return &container_of(link, struct spool_entry, link)->manifest;
	return NULL;
}

Test(series, each_is_taken_when_it_is_due)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	ask(id);
	now_ns = clock_mono_ns();
	cr_expect_gt(tick(now_ns), SPACING_NS - 60 * NS_PER_S);
	cr_expect_eq(scene.spool.files, 1, "nothing is due");
	cr_expect_eq(tick(now_ns + SPACING_NS), SPACING_NS);
	cr_expect_eq(scene.spool.files, 2);
	cr_expect_eq(tick(now_ns + SPACING_NS), SPACING_NS, "the next is not due");
	cr_expect_eq(tick(now_ns + 2 * SPACING_NS), UINT64_MAX, "it was the last");
	cr_expect_eq(scene.spool.files, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_str_eq(nth(i)->series, id);
		cr_expect_eq(nth(i)->series_index, i + 1);
		cr_expect_eq(nth(i)->series_count, 3);
		cr_expect_str_eq(nth(i)->rule, "r");
		cr_expect_str_eq(nth(i)->cause, "heap_used > 1");
	}
	cr_expect_eq(scene.captures.history_n, 1, "a series counts as one");
}

/* Of a series whose last capture a restart has taken nobody is to expect a verdict. */
Test(series, is_over_when_its_last_cannot_come)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	cr_expect(series_is_over(&scene.captures, "0123"));
	ask(id);
	now_ns = clock_mono_ns();
	cr_expect_not(series_is_over(&scene.captures, id), "the others are to come");
	tick(now_ns + SPACING_NS);
	cr_expect_not(series_is_over(&scene.captures, id));
	series_tick(&scene.captures, now_ns + 2 * SPACING_NS);
	cr_expect_not(series_is_over(&scene.captures, id), "the last waits");
	cr_assert(scene_settle(&scene));
	cr_expect_not(series_is_over(&scene.captures, id), "it is there");
	cr_assert_eq(spool_remove(&scene.spool, nth(2)->id), 0);
	cr_expect(series_is_over(&scene.captures, id));
}

Test(series, waits_for_a_target_that_is_away_and_gives_up_in_the_end)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	ask(id);
	now_ns = clock_mono_ns();
	target->state = TARGET_DOWN;
	cr_expect_eq(tick(now_ns + SPACING_NS), 0, "again at the next tick");
	cr_expect_eq(scene.captures.refused_n, 0, "quietly");
	target->state = TARGET_UP;
	tick(now_ns + SPACING_NS + NS_PER_S);
	cr_expect_eq(scene.spool.files, 2);
	target->state = TARGET_DOWN;
	tick(now_ns + 3 * SPACING_NS);
	cr_expect_eq(scene.captures.refused_n, 0);
	cr_expect_eq(tick(now_ns + 5 * SPACING_NS), UINT64_MAX);
	cr_expect_eq(scene.captures.refused_n, 1);
	cr_expect_eq(scene.captures.refused[0].reason, REFUSAL_TARGET);
	cr_expect_eq(scene.spool.files, 2);
}

/* However long that takes: of a large heap, or behind others in the queue. And the program is to
 * have gone on since. */
Test(series, waits_for_the_one_before)
{
	const struct fake_script holds = { text, sizeof(text) - 1, .chunk = 10, .hold = true };
	struct fake_inspector *other = fake_start(&holds);
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	ask(id);
	now_ns = clock_mono_ns();
	target->session.address.port = fake_port(other);
	series_tick(&scene.captures, now_ns + SPACING_NS);
	for (unsigned i = 2; i < 9; i++)
		series_tick(&scene.captures, now_ns + i * SPACING_NS);
	cr_expect_eq(scene.captures.refused_n, 0);
	container_of(scene.captures.series.next, struct series_plan, link)->due_ns = now_ns;
	fake_release(other);
	cr_assert(scene_settle(&scene));
	cr_expect_gt(tick(clock_mono_ns()), SPACING_NS / 2 - 60 * NS_PER_S);
	cr_expect_eq(scene.spool.files, 2);
	target->session.address.port = fake_port(fake);
	cr_expect_eq(tick(now_ns + 9 * SPACING_NS), UINT64_MAX, "that was the last");
	cr_expect_eq(scene.spool.files, 3);
	fake_stop(other);
}

Test(series, leaves_out_what_a_guard_forbids)
{
	static const struct rule_guards guards = {
		.safety = { .has_max_heap = true, .max_heap_bytes = 100, .has_headroom = true }
	};
	const struct capture_request request = { .target_id = target->id,
						 .guards = &guards,
						 .series = &three };
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns = clock_mono_ns();

	cr_assert_eq(captures_request(&scene.captures, &request, id, NULL), 0);
	cr_assert(scene_settle(&scene));
	target_find_isolate(target, "main")->last.value[SAMPLE_HEAP_USED] = 101;
	tick(now_ns + SPACING_NS + NS_PER_S);
	cr_expect_eq(scene.captures.refused_n, 1);
	cr_expect_eq(scene.captures.refused[0].reason, REFUSAL_MAX_HEAP);
	target_find_isolate(target, "main")->last.value[SAMPLE_HEAP_USED] = 99;
	tick(now_ns + 2 * SPACING_NS + 2 * NS_PER_S);
	cr_expect_eq(scene.spool.files, 2);
	cr_expect_eq(nth(1)->series_index, 3);
}

Test(series, ends_with_its_first_capture)
{
	const struct fake_script refuses = { .refuse = "no" };
	struct fake_inspector *other = fake_start(&refuses);
	const struct capture_request request = {
		.target_id = scene_target(&scene, "b", fake_port(other), 7)->id, .series = &three
	};
	char id[CAPTURE_ID_MAX];

	cr_assert_eq(captures_request(&scene.captures, &request, id, NULL), 0);
	cr_expect(!list_empty(&scene.captures.series));
	cr_assert(scene_settle(&scene));
	cr_expect(list_empty(&scene.captures.series));
	fake_stop(other);
}

Test(series, ends_when_its_target_is_lost)
{
	const struct fake_script dies = { text, sizeof(text) - 1, .chunk = 10, .gone = true };
	struct fake_inspector *other = fake_start(&dies);
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	ask(id);
	now_ns = clock_mono_ns();
	target->session.address.port = fake_port(other);
	tick(now_ns + SPACING_NS);
	cr_expect_eq(scene.spool.files, 1);
	cr_expect(list_empty(&scene.captures.series));
	fake_stop(other);
}

Test(series, a_person_ends_it)
{
	char id[CAPTURE_ID_MAX];

	ask(id);
	cr_expect(!series_cancel(&scene.captures, "0123"));
	cr_expect(series_cancel(&scene.captures, id));
	cr_expect(list_empty(&scene.captures.series));
}

Test(series, only_so_many)
{
	const struct capture_request request = { .target_id = target->id, .series = &three };
	struct err err = { .text = "" };

	for (unsigned i = 0; i < SERIES_MAX; i++)
		cr_assert_eq(series_begin(&scene.captures,
					  &(struct capture_request){ .isolate = "main",
								     .series = &three },
					  "a", "0123"),
			     0);
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_QUEUE);
	cr_expect_not_null(strstr(err.text, "series"), "%s", err.text);
}

/* ---- with exact ids: until the end V8 is not told to stop tracking ---- */

static const struct series_settings exact = { .count = 3,
					      .spacing_ns = SPACING_NS,
					      .ids = SERIES_IDS_EXACT };
static const char disable[] = "HeapProfiler.disable";
static char no_verdict[256];

static void on_no_verdict(void *owner, const char *series, const char *why)
{
	(void)owner;
	(void)series;
	str_copy(no_verdict, sizeof(no_verdict), why);
}

static void ask_exact(char id[CAPTURE_ID_MAX], const struct rule_guards *guards)
{
	const struct capture_request request = { .target_id = target->id,
						 .guards = guards,
						 .series = &exact };

	scene.captures.on_no_verdict = on_no_verdict;
	cr_assert_eq(captures_request(&scene.captures, &request, id, NULL), 0);
	cr_assert(scene_settle(&scene));
	cr_assert_eq(scene.spool.files, 1);
	cr_assert_eq(tracking_n(&scene.captures), 1);
	cr_assert_eq(fake_heard(fake, disable), 0);
	cr_assert_str_eq(tracking_series(&scene.captures, target->id), id);
}

/* So many connections have been left, each with the words. */
static void expect_left(unsigned n)
{
	for (int i = 0; i < 200 && tracking_n(&scene.captures) > 0; i++)
		loop_turn(&scene.loop, 100);
	cr_expect_eq(tracking_n(&scene.captures), 0);
	cr_expect_eq(fake_heard(fake, disable), n);
	cr_expect(list_empty(&scene.captures.series));
}

Test(series, exact_ids_are_kept_to_the_last)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns = clock_mono_ns();

	ask_exact(id, NULL);
	cr_expect_leq(tick(now_ns), NS_PER_S, "looked at each second");
	tick(now_ns + SPACING_NS + NS_PER_S);
	cr_expect_eq(scene.spool.files, 2);
	cr_expect_eq(tracking_n(&scene.captures), 2);
	cr_expect_eq(fake_heard(fake, disable), 0);
	tick(now_ns + 2 * SPACING_NS + 2 * NS_PER_S);
	cr_expect_eq(scene.spool.files, 3);
	expect_left(3);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_str_eq(nth(i)->ids, "exact");
	cr_expect_str_eq(no_verdict, "");
}

Test(series, exact_ids_end_with_a_refusal)
{
	static const struct rule_guards guards = {
		.safety = { .has_max_heap = true, .max_heap_bytes = 100, .has_headroom = true }
	};
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns = clock_mono_ns();

	ask_exact(id, &guards);
	target_find_isolate(target, "main")->last.value[SAMPLE_HEAP_USED] = 101;
	tick(now_ns + SPACING_NS + NS_PER_S);
	expect_left(1);
	cr_expect_not_null(strstr(no_verdict, "2 of 3: max_heap: "), "%s", no_verdict);
}

Test(series, exact_ids_end_when_their_time_is_over)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns = clock_mono_ns();

	ask_exact(id, NULL);
	target->state = TARGET_DOWN;
	tick(now_ns + 2 * SPACING_NS);
	cr_expect_eq(tracking_n(&scene.captures), 1);
	tick(now_ns + 2 * SPACING_NS + 60 * NS_PER_S);
	expect_left(1);
	cr_expect_not_null(strstr(no_verdict, "its time is over"), "%s", no_verdict);
}

/* Whatever becomes of the control thread's ticks. */
Test(series, exact_ids_end_by_the_clock_of_the_connection)
{
	const struct capture_request request = { .target_id = target->id, .series = &exact };
	char id[CAPTURE_ID_MAX];

	scene.captures.on_no_verdict = on_no_verdict;
	cr_assert_eq(captures_request(&scene.captures, &request, id, NULL), 0);
	container_of(scene.captures.series.next, struct series_plan, link)->until_ns =
		clock_mono_ns();
	cr_assert(scene_settle(&scene));
	expect_left(1);
	cr_expect_not_null(strstr(no_verdict, "its time is over"), "%s", no_verdict);
}

Test(series, exact_ids_end_with_their_target)
{
	char id[CAPTURE_ID_MAX];

	ask_exact(id, NULL);
	scene_drop(target);
	tracking_run(&scene.captures);
	expect_left(1);
	cr_expect_not_null(strstr(no_verdict, "the target is gone"), "%s", no_verdict);
}

Test(series, exact_ids_end_with_a_connection)
{
	char id[CAPTURE_ID_MAX];

	ask_exact(id, NULL);
	fake_stop(fake);
	fake = fake_start(&script);
	expect_left(0);
	cr_expect_not_null(strstr(no_verdict, "the ids of objects are lost: "), "%s", no_verdict);
}

Test(series, exact_ids_end_with_captures)
{
	char id[CAPTURE_ID_MAX];

	ask_exact(id, NULL);
	captures_fini(&scene.captures);
	cr_expect_eq(fake_heard(fake, disable), 1);
}

Test(series, exact_ids_do_not_outlive_the_daemon)
{
	const struct capture_request request = { .isolate = "main", .series = &exact };
	struct tree *root;

	scene.captures.on_no_verdict = on_no_verdict;
	cr_assert_eq(series_begin(&scene.captures, &request, "a", "0123"), 0);
	root = scene_series(&scene);
	series_forget_all(&scene.captures);
	cr_assert_eq(series_read(&scene.captures, root), 0);
	tree_free(root);
	cr_assert(!list_empty(&scene.captures.series));
	cr_expect_eq(tick(clock_mono_ns()), UINT64_MAX);
	cr_expect(list_empty(&scene.captures.series));
	cr_expect_not_null(strstr(no_verdict, "heapwatchd was restarted"), "%s", no_verdict);
}

/* Each of the first two captures may come to have a connection. */
Test(series, only_so_many_with_exact_ids)
{
	const struct capture_request request = { .target_id = target->id, .series = &exact };
	const struct capture_request other = { .target_id = target->id, .series = &three };

	for (unsigned i = 0; i < TRACKED_MAX / 2; i++)
		cr_assert_eq(series_begin(&scene.captures,
					  &(struct capture_request){ .isolate = "main",
								     .series = &exact },
					  "a", "0123"),
			     0);
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, NULL), REFUSAL_QUEUE);
	cr_expect_eq(captures_request(&scene.captures, &other, NULL, NULL), 0);
}

Test(series, others_wait_for_the_end_of_exact_ids)
{
	const struct capture_request one = { .target_id = target->id, .isolate = "main" };
	char id[CAPTURE_ID_MAX];
	struct err err = { .text = "" };

	ask_exact(id, NULL);
	cr_expect_eq(captures_request(&scene.captures, &one, NULL, &err), REFUSAL_BUSY);
	cr_expect_not_null(strstr(err.text, id), "%s", err.text);
	cr_expect(series_cancel(&scene.captures, id));
	expect_left(1);
	cr_expect_eq(captures_request(&scene.captures, &one, NULL, &err), 0);
	cr_expect(scene_settle(&scene));
}

/* ---- which there is ---- */

static void expect_newest(const char *isolate, const char *rule, const char *expected)
{
	char id[CAPTURE_ID_MAX] = "";

	cr_expect_eq(series_newest(&scene.captures, target, isolate, rule, id),
		     expected[0] != '\0');
	cr_expect_str_eq(id, expected);
}

Test(series, the_newest_of_a_rule)
{
	char first[CAPTURE_ID_MAX], second[CAPTURE_ID_MAX];
	uint64_t now_ns = clock_mono_ns();

	expect_newest("main", "r", "");
	ask(first);
	expect_newest("main", "r", first);
	expect_newest("main", "other", "");
	expect_newest("worker:1", "r", "");
	tick(now_ns + 2 * SPACING_NS);
	tick(now_ns + 4 * SPACING_NS);
	cr_assert(list_empty(&scene.captures.series));
	expect_newest("main", "r", first);
	ask(second);
	expect_newest("main", "r", second);
	series_forget_all(&scene.captures);
	expect_newest("main", "r", second);
	target->identity.pid++; /* it has been started anew */
	expect_newest("main", "r", "");
}

/* ---- over a restart ---- */

Test(series, is_resumed_as_it_was)
{
	static const char recipient[] =
		"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
	const struct rule_guards guards = {
		.safety = { .has_headroom = true,
			    .has_max_heap = true,
			    .max_heap_bytes = 1 << 30,
			    .has_min_uptime = true,
			    .min_uptime_ns = 5 * NS_PER_S,
			    .has_quiet = true,
			    .quiet = { .n = 1, .items = { { .from_min = 1320, .to_min = 360 } } } },
	};
	struct recipe_choice recipe = { .has_redact = true,
					.redact = REDACT_ALL,
					.has_encrypt = true };
	const struct capture_request request = { .isolate = "main",
						 .rule = "r",
						 .cause = "c",
						 .cause_value = 0.5,
						 .guards = &guards,
						 .recipe = &recipe,
						 .series = &three,
						 .gc_before = true };
	const struct series_plan *plan;
	struct tree *root;

	cr_assert_eq(text_list_add(&recipe.encrypt, recipient), 0);
	cr_assert_eq(series_begin(&scene.captures, &request, "a", "0123"), 0);
	text_list_fini(&recipe.encrypt);
	root = scene_series(&scene);
	series_forget_all(&scene.captures);
	cr_assert_eq(series_read(&scene.captures, root), 0);
	tree_free(root);
	cr_assert(!list_empty(&scene.captures.series));
	plan = container_of(scene.captures.series.next, struct series_plan, link);
	cr_expect_str_eq(plan->id, "0123");
	cr_expect_str_eq(plan->target, "a");
	cr_expect_str_eq(plan->rule, "r");
	cr_expect_eq(plan->index, 2);
	cr_expect_eq(plan->count, 3);
	cr_expect_eq(plan->spacing_ns, SPACING_NS);
	cr_expect_leq(plan->due_ns, clock_mono_ns() + SPACING_NS);
	cr_expect_gt(plan->due_ns, clock_mono_ns() + SPACING_NS - 60 * NS_PER_S);
	cr_expect(plan->gc_before && !plan->force && plan->has_guards);
	cr_expect(plan->guards.safety.has_headroom && !plan->guards.safety.has_max_cpu);
	cr_expect_eq(plan->guards.safety.max_heap_bytes, 1 << 30);
	cr_expect_eq(plan->guards.safety.min_uptime_ns, 5 * NS_PER_S);
	cr_expect(day_times_equal(&plan->guards.safety.quiet, &guards.safety.quiet));
	cr_expect(plan->recipe.has_redact && plan->recipe.has_compress);
	cr_expect_eq(plan->recipe.redact, REDACT_ALL);
	cr_assert_eq(plan->recipe.encrypt.n, 1);
	cr_expect_str_eq(plan->recipe.encrypt.items[0], recipient);
}

static void set_recipe(struct recipe *recipe, uint64_t level, const char *const *allow)
{
	text_list_fini(&recipe->redact_allow);
	recipe->compress = COMPRESS_ZSTD;
	recipe->compress_level = level;
	for (; *allow != NULL; allow++)
		cr_assert_eq(text_list_add(&recipe->redact_allow, *allow), 0);
}

/* What was configured when it began counts for all of it, whatever is configured when it goes on.
 */
Test(series, keeps_the_whole_recipe)
{
	static const char *const then[] = { "mine", "\"quoted\"", NULL };
	static const char *const now[] = { "secret", NULL }, *const none[] = { NULL };
	const struct capture_request request = { .isolate = "main", .series = &three };
	struct recipe *configured = &scene.settings.recipe, recipe;
	const struct series_plan *plan;
	struct tree *root;

	for (int names = 0; names < 2; names++) {
		set_recipe(configured, 7, names ? then : none);
		cr_assert_eq(series_begin(&scene.captures, &request, "a", "0123"), 0);
		set_recipe(configured, 1, now);
		for (int restarted = 0; restarted < 2; restarted++) {
			plan = container_of(scene.captures.series.next, struct series_plan, link);
			cr_assert_eq(recipe_choose(&recipe, configured, &plan->recipe), 0);
			cr_expect_eq(recipe.compress_level, 7);
			cr_assert_eq(recipe.redact_allow.n, names ? 2 : 0);
			for (int i = 0; i < 2 * names; i++)
				cr_expect_str_eq(recipe.redact_allow.items[i], then[i]);
			recipe_fini(&recipe);
			root = scene_series(&scene);
			series_forget_all(&scene.captures);
			cr_assert_eq(series_read(&scene.captures, root), 0);
			tree_free(root);
		}
		series_forget_all(&scene.captures);
	}
	set_recipe(configured, 1, none);
}

#define N9   "nnnnnnnnn"
#define N63  N9 N9 N9 N9 N9 N9 N9
#define N252 N63 N63 N63 N63

/* A series that would be sealed otherwise than was said is not resumed. */
Test(series, what_makes_no_sense_is_left_out)
{
	static const char fixed[] =
		"{\"id\":\"1\",\"target\":\"a\",\"isolate\":\"main\",\"rule\":\"\","
		"\"cause\":\"\",\"cause_value\":0,\"due_ms\":0,"
		"\"gc_before\":false,\"force\":false";
	static const char times[] = "\"index\":2,\"count\":3,\"spacing_ms\":1000";
	static const struct {
		const char *times, *more;
		unsigned n;
	} cases[] = {
		{ times, "", 1 },
		{ times, ",\"ids\":\"exact\"", 1 },
		{ times, ",\"ids\":true", 0 },
		{ times, ",\"redact\":\"all\"", 1 },
		{ times, ",\"redact\":\"most\"", 0 },
		{ times, ",\"redact\":1", 0 },
		{ times, ",\"encrypt\":[]", 1 },
		{ times, ",\"encrypt\":[\"age1nobody\"]", 0 },
		{ times, ",\"encrypt\":\"age1nobody\"", 0 },
		{ times, ",\"redact_allow\":[]", 1 },
		{ times, ",\"redact_allow\":[\"x\"]", 1 },
		{ times, ",\"redact_allow\":[\"" N252 "\"]", 1 },
		{ times, ",\"redact_allow\":[\"" N252 "n\"]", 0 },
		{ times, ",\"redact_allow\":[1]", 0 },
		{ times, ",\"redact_allow\":\"x\"", 0 },
		{ times, ",\"compress_level\":19", 1 },
		{ times, ",\"compress_level\":20", 0 },
		{ times, ",\"compress_level\":0", 0 },
		{ times, ",\"compress_level\":\"1\"", 0 },
		{ times, ",\"guards\":{}", 1 },
		{ times, ",\"guards\":[]", 0 },
		{ times, ",\"guards\":{\"headroom\":-1}", 0 },
		{ times, ",\"guards\":{\"headroom\":\"3\"}", 0 },
		{ times, ",\"guards\":{\"quiet_minutes\":[1]}", 0 },
		{ times, ",\"guards\":{\"quiet_minutes\":[1,99999]}", 0 },
		{ "\"index\":1,\"count\":3,\"spacing_ms\":1000", "", 0 },
		{ "\"index\":4,\"count\":3,\"spacing_ms\":1000", "", 0 },
		{ "\"index\":2,\"count\":100000000,\"spacing_ms\":1000", "", 0 },
		{ "\"index\":2,\"count\":3,\"spacing_ms\":0", "", 0 },
		{ "\"index\":2,\"count\":3", "", 0 },
	};

	log_setup(LEVEL_ERROR + 1, LOG_LOGFMT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tree *root = NULL;
		char json[1024];
		unsigned n = 0;

		snprintf(json, sizeof(json), "[%s,%s%s}]", fixed, cases[i].times, cases[i].more);
		cr_assert_eq(tree_parse(json, strlen(json), &root, NULL), 0, "%s", json);
		cr_assert_eq(series_read(&scene.captures, root), 0);
		list_each (link, &scene.captures.series)
			n++;
		cr_expect_eq(n, cases[i].n, "%s", json);
		series_forget_all(&scene.captures);
		tree_free(root);
	}
}

Test(series, what_fell_due_in_between_has_patience_left)
{
	struct tree *root = NULL;
	const struct series_plan *plan;
	static const char json[] =
		"[{\"id\":\"1\",\"target\":\"a\",\"isolate\":\"main\",\"rule\":\"\",\"cause\":\"\","
		"\"cause_value\":0,\"index\":2,\"count\":3,\"spacing_ms\":60000,\"due_ms\":1000,"
		"\"gc_before\":false,\"force\":false}]";

	cr_assert_eq(tree_parse(json, strlen(json), &root, NULL), 0);
	cr_assert_eq(series_read(&scene.captures, root), 0);
	tree_free(root);
	plan = container_of(scene.captures.series.next, struct series_plan, link);
	cr_expect_leq(plan->due_ns, clock_mono_ns());
	target->state = TARGET_CONNECTING;
	cr_expect_eq(tick(clock_mono_ns()), 0, "not given up at once");
	target->state = TARGET_UP;
	tick(clock_mono_ns());
	cr_expect_eq(scene.spool.files, 1);
}
