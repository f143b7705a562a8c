/*
 * State over restarts: captures are ended and begun anew on the same folder, with the clocks set as
 * a restart, a reboot or a hand would set them.
 */

#include "capture/state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/guard.h"
#include "capture/kept.h"
#include "scene.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"

#define MINUTE    (60 * NS_PER_S)
#define HOUR      (60 * MINUTE)
#define MINUTE_MS 60000

static const int64_t wall_ms = 1782893550000;

static struct scene scene;
static struct target *shop;
static char dir[FOLDER_PATH_MAX / 2];
static int dir_fd;

static const struct rule_guards half_hour = {
	.cooldown_ns = 30 * MINUTE, .max_captures = 3, .window_ns = 24 * HOUR, .has_rearm = true
};

/* As the daemon does between two lives: what is written, all forgotten, what is read. */
static void restart(uint64_t mono_ns, int64_t now_wall_ms)
{
	struct captures *captures = &scene.captures;

	guard_forget_all(captures);
	kept_forget_all(captures);
	state_close(captures);
	clock_simulate(mono_ns, now_wall_ms);
	cr_assert_eq(state_open(captures, dir_fd), 0);
}

static void save(void)
{
	uint64_t serial;
	size_t size;
	char *text;

	cr_assert_eq(state_text(&scene.captures, &text, &size, &serial), 0);
	cr_assert_eq(state_write(scene.captures.state, text, size, serial), 0);
	free(text);
}

static void begin(void)
{
	clock_simulate(100 * HOUR, wall_ms);
	folder_new(dir);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir_fd, 0);
	scene_init(&scene);
	shop = scene_target(&scene, "shop", 9, 10 << 20);
	cr_assert_eq(state_open(&scene.captures, dir_fd), 0);
	cr_assert_eq(scene.captures.history_n, 0);
}

static void finish(void)
{
	scene_fini(&scene);
	close(dir_fd);
	folder_remove(dir);
}

TestSuite(state, .init = begin, .fini = finish);

static enum capture_refusal judge(struct err *err)
{
	const struct capture_request request = {
		.target_id = shop->id, .isolate = "main", .rule = "r", .guards = &half_hour
	};

	*err = (struct err){ 0 };
	return guard_judge(&scene.captures, shop, &request, err);
}

static void remember(bool rearm)
{
	cr_assert_eq(guard_remember(&scene.captures, "shop", "main", "r", "", CAPTURE_KIND_SNAPSHOT,
				    rearm),
		     0);
	save();
}

Test(state, cooldown_survives_a_restart)
{
	struct err err;

	remember(false);
	/* Ten minutes later, in another boot whose clock began anew. */
	restart(5 * NS_PER_S, wall_ms + 10 * MINUTE_MS);
	cr_expect_eq(judge(&err), REFUSAL_COOLDOWN);
	cr_expect_str_eq(err.text, "cooldown: 20m left of 30m");
	clock_simulate(5 * NS_PER_S + 20 * MINUTE, wall_ms);
	cr_expect_eq(judge(&err), REFUSAL_NONE, "%s", err.text);
}

Test(state, max_captures_survive_a_restart)
{
	struct err err;

	for (int i = 0; i < 3; i++)
		remember(false);
	restart(HOUR, wall_ms + 60 * MINUTE_MS);
	cr_expect_eq(judge(&err), REFUSAL_MAX_CAPTURES);
	cr_expect_str_eq(err.text, "max_captures: 3 of 3 in 1d");
	restart(HOUR, wall_ms + 24 * 60 * MINUTE_MS);
	cr_expect_eq(judge(&err), REFUSAL_NONE);
}

Test(state, rearm_survives_a_restart)
{
	struct err err;

	remember(true);
	restart(HOUR, wall_ms + 60 * MINUTE_MS);
	cr_expect_eq(judge(&err), REFUSAL_REARM);
	cr_expect_str_eq(err.text,
			 "rearm: the value has not been back since the last capture, 1h ago");
	cr_expect_not(guard_rearm(&scene.captures, "shop", "worker:1", "r"));
	cr_expect_not(guard_rearm(&scene.captures, "shop", "main", "s"));
	cr_expect(guard_rearm(&scene.captures, "shop", "main", "r"));
	cr_expect_not(guard_rearm(&scene.captures, "shop", "main", "r"));
	cr_expect_eq(judge(&err), REFUSAL_NONE);
	save();
	restart(HOUR, wall_ms + 60 * MINUTE_MS);
	cr_expect_eq(judge(&err), REFUSAL_NONE);
	cr_expect_eq(scene.captures.unarmed_n, 0);
}

/* A clock that was put back, while we lived or not: never a shorter cooldown. */
Test(state, jumps_of_the_clock)
{
	struct err err;

	remember(false);
	clock_simulate(100 * HOUR + 10 * MINUTE, wall_ms - 3600 * 1000);
	cr_expect_eq(judge(&err), REFUSAL_COOLDOWN);
	cr_expect_str_eq(err.text, "cooldown: 20m left of 30m", "wall time does not count");
	save();
	restart(MINUTE, wall_ms - 3600 * 1000);
	cr_expect_eq(judge(&err), REFUSAL_COOLDOWN);
	cr_expect_str_eq(err.text, "cooldown: 20m left of 30m", "written by the clock of then");
	restart(MINUTE, wall_ms - 48ll * 3600 * 1000);
	cr_expect_eq(judge(&err), REFUSAL_COOLDOWN);
	cr_expect_str_eq(err.text, "cooldown: 30m left of 30m", "ahead of the clock is just now");
	restart(MINUTE, 0);
	cr_expect_eq(judge(&err), REFUSAL_COOLDOWN);
}

Test(state, what_is_too_old_is_forgotten)
{
	remember(false);
	remember(true);
	restart(HOUR, wall_ms + 40ll * 24 * 60 * MINUTE_MS);
	cr_expect_eq(scene.captures.history_n, 1, "but not what waits for its value");
	cr_expect_eq(scene.captures.unarmed_n, 1);
}

Test(state, order_and_fields)
{
	const struct past *past;

	guard_remember(&scene.captures, "b", "worker:1", "\"quoted\" \xc3\xa9", "80%",
		       CAPTURE_KIND_DIAGNOSTICS, true);
	clock_simulate(101 * HOUR, wall_ms + 60 * MINUTE_MS);
	guard_remember(&scene.captures, "a", "main", "r", "", CAPTURE_KIND_SNAPSHOT, false);
	save();
	restart(2 * HOUR, wall_ms + 120 * MINUTE_MS);
	cr_assert_eq(scene.captures.history_n, 2);
	past = container_of(scene.captures.history.next, struct past, link);
	cr_expect_str_eq(past->target, "b");
	cr_expect_str_eq(past->isolate, "worker:1");
	cr_expect_str_eq(past->rule, "\"quoted\" \xc3\xa9");
	cr_expect_eq(past->kind, CAPTURE_KIND_DIAGNOSTICS);
	cr_expect(past->unarmed && past->at_ns == 0);
	past = container_of(scene.captures.history.prev, struct past, link);
	cr_expect_str_eq(past->target, "a");
	cr_expect(!past->unarmed && past->at_ns == (int64_t)HOUR);
}

Test(state, captures_cut_off)
{
	state_set_open(&scene.captures, "shop", true);
	state_set_open(&scene.captures, "shop", true);
	state_set_open(&scene.captures, "other", true);
	cr_expect_not(state_take_open(&scene.captures, "shop"), "it is ours");
	state_set_open(&scene.captures, "other", false);
	save();
	restart(HOUR, wall_ms);
	cr_expect(state_take_open(&scene.captures, "shop"));
	cr_expect_not(state_take_open(&scene.captures, "shop"), "asked once");
	cr_expect_not(state_take_open(&scene.captures, "other"));
	/* Nobody came to put it right in this life: the next one knows still. */
	restart(HOUR, wall_ms);
	save();
	restart(HOUR, wall_ms);
	cr_expect(state_take_open(&scene.captures, "shop"));
}

Test(state, texts_in_order)
{
	uint64_t first_serial, second_serial;
	size_t first_size, second_size, size;
	char *first, *second, *text;

	cr_assert_eq(state_text(&scene.captures, &first, &first_size, &first_serial), 0);
	state_set_open(&scene.captures, "shop", true);
	cr_assert_eq(state_text(&scene.captures, &second, &second_size, &second_serial), 0);
	cr_assert_eq(state_write(scene.captures.state, second, second_size, second_serial), 0);
	cr_assert_eq(state_write(scene.captures.state, first, first_size, first_serial), 0);
	text = folder_read(dir, "state.json", &size);
	cr_assert_not_null(text);
	cr_expect(size == second_size && memcmp(text, second, size) == 0, "the older is dropped");
	free(text);
	free(first);
	free(second);
}

static unsigned errors;

static void count_errors(const struct log_record *record)
{
	errors += record->level == LEVEL_ERROR;
}

Test(state, files_that_make_no_sense)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"null",
		"{\"version\": 2, \"history\": []}",
		"{\"version\": 1}",
		"{\"version\": 1, \"history\": {}}",
		"{\"version\":1,\"history\":[",
		"\xff\xfe",
	};
	size_t size;

	log_set_sink(count_errors);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *bad;

		folder_write(dir, "state.json", texts[i], strlen(texts[i]));
		errors = 0;
		restart(HOUR, wall_ms);
		cr_expect_eq(errors, 1, "%s", texts[i]);
		cr_expect_not(folder_exists(dir, "state.json"));
		bad = folder_read(dir, "state.json.bad", &size);
		cr_assert_not_null(bad);
		cr_expect(size == strlen(texts[i]) && memcmp(bad, texts[i], size) == 0);
		free(bad);
		cr_expect_eq(scene.captures.history_n, 0);
		save();
	}
	log_set_sink(NULL);
}

/* For want of a descriptor; it is there, and good. */
Test(state, a_file_that_cannot_be_read_now)
{
	struct rlimit few = { .rlim_cur = 0, .rlim_max = 1024 }, many = { 1024, 1024 };

	remember(false);
	state_close(&scene.captures);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	cr_expect_eq(state_open(&scene.captures, dir_fd), -EMFILE);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &many), 0);
	cr_expect(folder_exists(dir, "state.json"));
	cr_expect_not(folder_exists(dir, "state.json.bad"));
	restart(HOUR, wall_ms);
	cr_expect_eq(scene.captures.history_n, 1);
}

/* An entry that makes no sense costs itself only. */
Test(state, entries_that_make_no_sense)
{
	static const char text[] =
		"{\"version\": 1, \"history\": [1, {}, null, {\"target\": 5},"
		"{\"target\":\"t\",\"isolate\":\"i\",\"rule\":\"r\",\"kind\":\"photo\","
		"\"at_ms\":1782893550000,\"unarmed\":false},"
		"{\"target\":\"t\",\"isolate\":\"i\",\"rule\":\"r\",\"kind\":\"snapshot\","
		"\"at_ms\":-9223372036854775808,\"unarmed\":true},"
		"{\"target\":\"t\",\"isolate\":\"i\",\"rule\":\"r\",\"kind\":\"snapshot\","
		"\"at_ms\":9223372036854775807,\"unarmed\":false},"
		"{\"target\":\"t\",\"isolate\":\"i\",\"rule\":\"r\",\"kind\":\"snapshot\","
		"\"at_ms\":1782893550000,\"unarmed\":\"no\"}],"
		"\"open\": [1, \"shop\", null, \"shop\"], \"series\": 7, \"more\": {}}";
	const struct past *newest;

	folder_write(dir, "state.json", text, strlen(text));
	restart(HOUR, wall_ms);
	cr_assert_eq(scene.captures.history_n, 2);
	newest = container_of(scene.captures.history.prev, struct past, link);
	cr_expect_eq(newest->at_ns, (int64_t)HOUR);
	cr_expect(state_take_open(&scene.captures, "shop"));
	cr_expect(folder_exists(dir, "state.json"));
}

Test(state, what_a_kill_left_is_swept)
{
	folder_write(dir, ".#0123", "{", 1);
	restart(HOUR, wall_ms);
	cr_expect_not(folder_exists(dir, ".#0123"));
}

Test(state, bounded)
{
	for (int i = 0; i < HISTORY_MAX + 10; i++)
		guard_remember(&scene.captures, "t", "main", "r", "", CAPTURE_KIND_SNAPSHOT, true);
	cr_expect_eq(scene.captures.history_n, HISTORY_MAX);
	cr_expect_eq(scene.captures.unarmed_n, HISTORY_MAX);
	save();
	restart(HOUR, wall_ms);
	cr_expect_eq(scene.captures.history_n, HISTORY_MAX);
}

Test(state, a_folder_that_cannot_be_written)
{
	uint64_t serial;
	size_t size;
	char *text, path[FOLDER_PATH_MAX];
	int no_folder;

	folder_write(dir, "x", "", 0);
	snprintf(path, sizeof(path), "%s/x", dir);
	no_folder = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_eq(state_text(&scene.captures, &text, &size, &serial), 0);
	state_close(&scene.captures);
	cr_assert_eq(state_open(&scene.captures, no_folder), 0, "it goes on without");
	cr_expect_eq(state_write(scene.captures.state, text, size, serial), -ENOTDIR);
	free(text);
}

/* ---- files that were adopted and kept ---- */

static const struct kept_directory here = { .dev = UINT64_MAX, .ino = 2 },
				   there = { .dev = 3, .ino = 4 };

static struct adopt_stamp stamp_of(uint64_t ino)
{
	return (struct adopt_stamp){
		.dev = UINT64_MAX, .ino = UINT64_MAX - ino, .size = 7, .mtime_ns = INT64_MAX
	};
}

static void note(const struct kept_directory *directory, uint64_t ino)
{
	const struct adopt_stamp stamp = stamp_of(ino);

	kept_note(&scene.captures, directory, &stamp);
}

static bool see(const struct kept_directory *directory, uint64_t ino)
{
	const struct adopt_stamp stamp = stamp_of(ino);

	return kept_see(&scene.captures, directory, &stamp);
}

Test(state, what_was_adopted_and_kept_survives_a_restart)
{
	struct adopt_stamp changed = stamp_of(1);

	note(&here, 1);
	note(&here, 1);
	note(&there, 2);
	cr_expect_eq(scene.captures.kept_n, 2);
	cr_expect(scene.captures.unsaved);
	save();
	restart(HOUR, wall_ms);
	cr_expect_eq(scene.captures.kept_n, 2);
	cr_expect(see(&here, 1));
	cr_expect(see(&there, 2));
	cr_expect_not(see(&here, 3));
	changed.mtime_ns--;
	cr_expect_not(kept_see(&scene.captures, &here, &changed));
}

Test(state, what_is_gone_from_its_directory_is_forgotten)
{
	note(&here, 1);
	note(&here, 2);
	note(&there, 3);
	save();
	restart(HOUR, wall_ms);
	kept_list(&scene.captures, &here);
	cr_expect(see(&here, 1));
	kept_forget_unseen(&scene.captures, &here);
	cr_expect_eq(scene.captures.kept_n, 2);
	cr_expect_not(see(&here, 2));
	/* Moved to another directory of ours it is the same still. */
	cr_expect(see(&there, 1));
	kept_list(&scene.captures, &here);
	kept_forget_unseen(&scene.captures, &here);
	cr_expect(see(&there, 1));
	cr_expect(see(&there, 3));
}

Test(state, no_more_than_so_many_kept_files_are_known)
{
	for (uint64_t i = 0; i < KEPT_MAX + 3; i++)
		note(&here, i);
	cr_expect_eq(scene.captures.kept_n, KEPT_MAX);
	cr_expect_not(see(&here, 2), "the oldest give way");
	cr_expect(see(&here, 3));
	save();
	restart(HOUR, wall_ms);
	cr_expect_eq(scene.captures.kept_n, KEPT_MAX);
	cr_expect(see(&here, KEPT_MAX + 2));
}

Test(state, kept_files_that_make_no_sense_are_left_out)
{
	static const char text[] =
		"{\"version\":1,\"history\":[],\"kept\":[1,{},null,{\"device\":\"x\"},"
		"{\"directory_device\":1,\"directory_inode\":2,\"device\":3,\"inode\":4,\"size\":5}"
		","
		"{\"directory_device\":1,\"directory_inode\":2,\"device\":-1,\"inode\":-2,"
		"\"size\":7,\"mtime_ns\":9223372036854775807}]}";

	folder_write(dir, "state.json", text, sizeof(text) - 1);
	restart(HOUR, wall_ms);
	cr_expect_eq(scene.captures.kept_n, 1);
	cr_expect(see(&here, 1));
}
