/*
 * Series by growth steps: the next snapshot comes when the heap has grown, not sooner than the
 * spacing and not later than the deadline, over a restart as well.
 */

#include "capture/growth.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "capture/series.h"
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

#define SPACING_NS  (60 * NS_PER_S)
#define DEADLINE_NS (3600 * NS_PER_S)

static const struct fake_script script = { .snapshot = text, .snapshot_size = sizeof(text) - 1 };
static const struct series_settings takes = {
	.count = 3, .spacing_ns = SPACING_NS, .growth = 0.2, .deadline_ns = DEADLINE_NS
};
static const struct series_settings gives_up = { .count = 3,
						 .spacing_ns = SPACING_NS,
						 .growth = 0.2,
						 .deadline_ns = DEADLINE_NS,
						 .at_deadline = SERIES_LATE_GIVE_UP };
static struct scene scene;
static struct fake_inspector *fake;
static struct target *target;
static char told[256];

static void take_no_verdict(void *owner, const char *series, const char *why)
{
	(void)owner;
	snprintf(told, sizeof(told), "%s %s", series, why);
}

static void begin(void)
{
	scene_init(&scene);
	fake = fake_start(&script);
	target = scene_target(&scene, "a", fake_port(fake), 7);
	scene.captures.on_no_verdict = take_no_verdict;
	told[0] = '\0';
	log_setup(LEVEL_ERROR + 1, LOG_LOGFMT);
}

static void finish(void)
{
	fake_stop(fake);
	scene_fini(&scene);
}

TestSuite(growth, .init = begin, .fini = finish);

static void hold(uint64_t bytes)
{
	sample_set(&target_find_isolate(target, "main")->last, SAMPLE_HEAP_LIVE, bytes);
}

/* When it was asked for. */
static uint64_t ask(const struct series_settings *series, char id[CAPTURE_ID_MAX])
{
	const struct capture_request request = { .target_id = target->id, .series = series };
	struct err err = { .text = "" };

	cr_assert_eq(captures_request(&scene.captures, &request, id, &err), 0, "%s", err.text);
	cr_assert(scene_settle(&scene));
	return clock_mono_ns();
}

static uint64_t tick(uint64_t now_ns)
{
	uint64_t wait_ns = series_tick(&scene.captures, now_ns);

	cr_assert(scene_settle(&scene));
	return wait_ns;
}

Test(growth, each_step_is_from_the_one_before)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	hold(1000);
	now_ns = ask(&takes, id);
	cr_expect_eq(tick(now_ns), NS_PER_S, "what it grows from is looked for all the time");
	hold(1300);
	tick(now_ns + SPACING_NS - NS_PER_S);
	cr_expect_eq(scene.spool.files, 1, "not before the spacing");
	hold(1199);
	tick(now_ns + SPACING_NS + NS_PER_S);
	cr_expect_eq(scene.spool.files, 1);
	hold(1200);
	tick(now_ns + SPACING_NS + 2 * NS_PER_S);
	cr_expect_eq(scene.spool.files, 2);
	tick(now_ns + SPACING_NS + 3 * NS_PER_S);
	hold(1900);
	tick(now_ns + 2 * SPACING_NS);
	cr_expect_eq(scene.spool.files, 2, "the spacing is from the last one");
	tick(now_ns + 2 * SPACING_NS + 2 * NS_PER_S);
	cr_expect_eq(scene.spool.files, 3);
	cr_expect(list_empty(&scene.captures.series));
	cr_expect_str_eq(told, "");
}

/* A snapshot collects garbage first: what was measured before it is not what it left. */
Test(growth, from_the_least_since)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	hold(1000);
	now_ns = ask(&takes, id);
	tick(now_ns);
	hold(500);
	tick(now_ns + NS_PER_S);
	hold(600);
	tick(now_ns + SPACING_NS);
	cr_expect_eq(scene.spool.files, 2);
}

Test(growth, what_is_not_known_does_not_grow)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns = ask(&takes, id);

	cr_expect_eq(tick(now_ns + SPACING_NS), NS_PER_S);
	hold(1000);
	tick(now_ns + SPACING_NS + NS_PER_S);
	cr_expect_eq(scene.spool.files, 1);
	hold(1200);
	tick(now_ns + SPACING_NS + 2 * NS_PER_S);
	cr_expect_eq(scene.spool.files, 2);
}

Test(growth, at_the_deadline_it_is_taken)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	hold(1000);
	now_ns = ask(&takes, id);
	tick(now_ns + DEADLINE_NS - NS_PER_S);
	cr_expect_eq(scene.spool.files, 1);
	tick(now_ns + DEADLINE_NS);
	cr_expect_eq(scene.spool.files, 2);
	tick(now_ns + 2 * DEADLINE_NS - NS_PER_S);
	cr_expect_eq(scene.spool.files, 2, "the next has its own");
	tick(now_ns + 2 * DEADLINE_NS);
	cr_expect_eq(scene.spool.files, 3);
}

Test(growth, or_given_up_and_that_is_told)
{
	char id[CAPTURE_ID_MAX], expected[256];
	uint64_t now_ns;

	hold(1000);
	now_ns = ask(&gives_up, id);
	cr_expect_eq(tick(now_ns + DEADLINE_NS), UINT64_MAX);
	cr_expect_eq(scene.spool.files, 1);
	snprintf(expected, sizeof(expected),
		 "%s the series ended before 2 of 3: the heap has not grown by 20%% within 1h", id);
	cr_expect_str_eq(told, expected);
}

Test(growth, one_that_is_due_has_patience_with_its_target)
{
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	hold(1000);
	now_ns = ask(&gives_up, id);
	tick(now_ns);
	target->state = TARGET_BLOCKED;
	hold(1200);
	now_ns += DEADLINE_NS - NS_PER_S;
	cr_expect_eq(tick(now_ns), 0);
	hold(1000);
	tick(now_ns + 2 * NS_PER_S);
	cr_expect(!list_empty(&scene.captures.series), "it has grown once, that is enough");
	target->state = TARGET_UP;
	tick(now_ns + 3 * NS_PER_S);
	cr_expect_eq(scene.spool.files, 2);
	target->state = TARGET_DOWN;
	hold(1400);
	tick(now_ns + 4 * NS_PER_S);
	hold(2000);
	now_ns += 3 * NS_PER_S + SPACING_NS;
	tick(now_ns);
	cr_expect_eq(tick(now_ns + 2 * SPACING_NS), UINT64_MAX);
	cr_expect_not_null(strstr(told, "the series ended before 3 of 3: "), "%s", told);
}

/* ---- over a restart ---- */

static const struct series_plan *resumed(void)
{
	struct tree *root = scene_series(&scene);

	series_forget_all(&scene.captures);
	cr_assert_eq(series_read(&scene.captures, root), 0);
	tree_free(root);
	cr_assert(!list_empty(&scene.captures.series));
	return container_of(scene.captures.series.next, struct series_plan, link);
}

Test(growth, is_resumed_as_it_was)
{
	const struct growth *growth;
	char id[CAPTURE_ID_MAX];
	uint64_t now_ns;

	hold(1000);
	now_ns = ask(&gives_up, id);
	tick(now_ns);
	growth = &resumed()->growth;
	cr_expect_float_eq(growth->share, 0.2, 1e-9);
	cr_expect_eq(growth->base_bytes, 1000);
	cr_expect_eq(growth->patience_ns, DEADLINE_NS);
	cr_expect_leq(growth->deadline_ns, clock_mono_ns() + DEADLINE_NS);
	cr_expect_gt(growth->deadline_ns, clock_mono_ns() + DEADLINE_NS - 60 * NS_PER_S);
	cr_expect(growth->give_up && !growth->reached);
	target->state = TARGET_DOWN;
	hold(1200);
	tick(now_ns + SPACING_NS);
	cr_expect(resumed()->growth.reached);
}

Test(growth, what_makes_no_sense_is_left_out)
{
	static const char fixed[] =
		"[{\"id\":\"1\",\"target\":\"a\",\"isolate\":\"main\",\"rule\":\"\",\"cause\":\"\","
		"\"cause_value\":0,\"due_ms\":0,\"gc_before\":false,\"force\":false,\"index\":2,"
		"\"count\":3,\"spacing_ms\":1000%s}]";
	static const char rest[] = "\"base_bytes\":1,\"deadline_ms\":1,\"give_up\":false,"
				   "\"reached\":false,\"patience_ms\":";
	static const struct {
		const char *growth, *patience;
		bool good;
	} cases[] = {
		{ "0.2", "1000", true },    { "0", "1000", false },   { "-1", "1000", false },
		{ "\"x\"", "1000", false }, { "0.2", "0", false },    { "0.2", "-1", false },
		{ "0.2", "1e30", false },   { "0.2", "null", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tree *root = NULL;
		char json[1024], more[256];

		snprintf(more, sizeof(more), ",\"growth\":%s,%s%s", cases[i].growth, rest,
			 cases[i].patience);
		snprintf(json, sizeof(json), fixed, more);
		cr_assert_eq(tree_parse(json, strlen(json), &root, NULL), 0, "%s", json);
		cr_assert_eq(series_read(&scene.captures, root), 0);
		cr_expect_eq(!list_empty(&scene.captures.series), cases[i].good, "%s", json);
		series_forget_all(&scene.captures);
		tree_free(root);
	}
}

/* The state file is not written at each small step down. */
Test(growth, the_base_is_kept_when_it_has_moved)
{
	struct growth growth;

	growth_init(&growth, &takes);
	growth_begin(&growth, 0);
	cr_expect(growth_see(&growth, 1600));
	cr_expect(!growth_see(&growth, 1700));
	cr_expect(!growth_see(&growth, 1550));
	cr_expect(!growth_see(&growth, 0));
	cr_expect_eq(growth.base_bytes, 1550);
	cr_expect(growth_see(&growth, 1400));
}
