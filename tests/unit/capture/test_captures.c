/*
 * The life of captures, against scripted inspectors: from the request to the file in ready/, or to
 * the reason why there is none.
 */

#include "capture/capture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fake_inspector.h"
#include "inspect/abandoned.h"
#include "scene.h"
#include "spool/digest.h"
#include "util/clock.h"
#include "util/err.h"

static const char text[] =
	"{\"snapshot\":{\"meta\":{}},\"nodes\":[1,2,3],\"strings\":[\"a\\\"b\"]}";

#define TEXT .snapshot = text, .snapshot_size = sizeof(text) - 1, .chunk = 10

static struct scene scene;
static struct {
	unsigned n;
	enum capture_step step;
	char id[CAPTURE_ID_MAX], reason[16];
} done;

static void on_done(void *owner, const struct capture *capture)
{
	(void)owner;
	done.n++;
	done.step = capture->step;
	snprintf(done.id, sizeof(done.id), "%s", capture->id);
	snprintf(done.reason, sizeof(done.reason), "%s", capture->reason);
}

static void begin(void)
{
	scene_init(&scene);
	scene.captures.on_done = on_done;
}

static void finish(void)
{
	scene_fini(&scene);
}

TestSuite(captures, .init = begin, .fini = finish);

static const struct capture *ask(const struct target *target, const char *rule)
{
	const struct capture_request request = {
		.target_id = target->id,
		.rule = rule,
		.cause = "heap_used > 1",
		.cause_value = 2.5,
	};
	char id[CAPTURE_ID_MAX];
	struct err err = { 0 };

	cr_assert_eq(captures_request(&scene.captures, &request, id, &err), 0, "%s", err.text);
	return captures_find(&scene.captures, id);
}

static struct capture_counter row(const char *target, const char *rule, const char *reason)
{
	list_each (link, &scene.captures.counters) {
		const struct capture_counter *it = container_of(link, struct capture_counter, link);

		if (strcmp(it->target, target) == 0 && strcmp(it->rule, rule) == 0 &&
		    strcmp(it->reason, reason) == 0)
			return *it;
	}
	return (struct capture_counter){ 0 };
}

static void expect_file(const struct manifest *manifest)
{
	char path[FOLDER_PATH_MAX], sum[DIGEST_HEX_MAX], *data;
	struct digest *digest = NULL;
	size_t size = 0;

	snprintf(path, sizeof(path), "ready/%s", manifest->name);
	data = folder_read(scene.dir, path, &size);
	cr_assert_not_null(data, "%s", path);
	cr_expect_eq(size, sizeof(text) - 1);
	cr_expect_str_eq(data, text);
	cr_assert_eq(digest_new(&digest), 0);
	digest_update(digest, data, size);
	cr_assert_eq(digest_final(digest, sum), 0);
	cr_expect_str_eq(sum, manifest->sha256);
	digest_free(digest);
	free(data);
}

/* The manifest on the disk is the one in the index. */
static void expect_manifest(const struct manifest *manifest)
{
	char path[FOLDER_PATH_MAX], *data;
	struct manifest read;
	size_t size = 0;

	snprintf(path, sizeof(path), "ready/%s.json", manifest->name);
	data = folder_read(scene.dir, path, &size);
	cr_assert_not_null(data, "%s", path);
	cr_assert_eq(manifest_read(data, size, &read, NULL), 0);
	cr_expect_eq(memcmp(&read, manifest, sizeof(read)), 0);
	free(data);
}

Test(captures, succeeds)
{
	const struct fake_script script = { TEXT };
	struct fake_inspector *fake = fake_start(&script);
	struct target *target = scene_target(&scene, "sh/op", fake_port(fake), 3000000);
	const struct capture *capture = ask(target, "HeapNearLimit");
	const struct spool_entry *entry;

	cr_expect_eq(capture->step, CAPTURE_WAITING, "nothing starts before the loop turns");
	cr_expect(!target->capturing);
	cr_assert(scene_settle(&scene));

	cr_expect_eq(capture->step, CAPTURE_SUCCEEDED, "%s", capture->error);
	cr_expect_eq(capture->bytes, sizeof(text) - 1);
	cr_expect(!target->capturing);
	cr_expect_eq(target->state, TARGET_UP);
	cr_expect_eq(done.n, 1);
	cr_expect_eq(done.step, CAPTURE_SUCCEEDED);
	cr_expect_str_eq(done.id, capture->id);
	entry = spool_find(&scene.spool, capture->id);
	cr_assert_not_null(entry);
	expect_file(&entry->manifest);
	expect_manifest(&entry->manifest);
	cr_expect_eq(strncmp(entry->manifest.name, "sh_op.main.20", 13), 0);
	cr_expect_str_eq(entry->manifest.target, "sh/op");
	cr_expect_str_eq(entry->manifest.rule, "HeapNearLimit");
	cr_expect_str_eq(entry->manifest.cause, "heap_used > 1");
	cr_expect_float_eq(entry->manifest.cause_value, 2.5, 1e-12);
	cr_expect_eq(entry->manifest.heap_used_bytes, 3000000);
	cr_expect_gt(entry->manifest.pause_ns, 0);
	cr_expect_geq(entry->manifest.duration_ns, entry->manifest.pause_ns);
	cr_expect_geq(entry->manifest.finished_wall_ms, entry->manifest.started_wall_ms);
	cr_expect_eq(scene.spool.bytes, sizeof(text) - 1);
	cr_expect_eq(scene.spool.claimed, sizeof(text) - 1);
	cr_expect_eq(folder_count(scene.dir, "incoming"), 0);
	cr_expect_eq(row("sh/op", "HeapNearLimit", "").succeeded, 1);
	cr_expect_eq(row("sh/op", "", "").last_wall_ms, entry->manifest.finished_wall_ms);
	cr_expect_eq(scene.captures.size.counts[0], 1);
	cr_expect_eq(scene.captures.duration.counts[0], 1);
	cr_expect_eq(scene.captures.pause.counts[0], 1);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	fake_stop(fake);
}

/* Two targets whose names look alike in a file name, in the same second. */
Test(captures, names_do_not_clash)
{
	const struct fake_script script = { TEXT };
	struct fake_inspector *fake = fake_start(&script);
	const struct capture *a = ask(scene_target(&scene, "a:b", fake_port(fake), 7), NULL);
	const struct capture *b = ask(scene_target(&scene, "a/b", fake_port(fake), 7), NULL);
	const struct capture *c;

	clock_simulate(clock_mono_ns(), 1769903999000);
	cr_assert(scene_settle(&scene));
	c = ask(scene_target(&scene, "a b", fake_port(fake), 7), NULL);
	cr_assert(scene_settle(&scene));
	clock_real();
	cr_expect_str_neq(a->manifest.name, b->manifest.name);
	cr_expect_str_neq(a->manifest.name, c->manifest.name);
	cr_expect_str_neq(b->manifest.name, c->manifest.name);
	cr_expect_eq(scene.spool.files, 3);
	cr_expect_eq(folder_count(scene.dir, "ready"), 6);
	fake_stop(fake);
}

static void expect_failure(const struct fake_script *script, const char *reason, const char *why)
{
	struct fake_inspector *fake = fake_start(script);
	const struct capture *capture =
		ask(scene_target(&scene, reason, fake_port(fake), 1), "rule");
	uint64_t before = row(reason, "", reason).failed;

	cr_assert(scene_settle(&scene));
	cr_expect_eq(capture->step, CAPTURE_FAILED);
	cr_expect_str_eq(capture->reason, reason);
	cr_expect_not_null(strstr(capture->error, why), "%s", capture->error);
	cr_expect_str_eq(done.reason, reason);
	cr_expect_eq(row(reason, "", reason).failed, before + 1);
	cr_expect_eq(row(reason, "rule", "").succeeded, 0);
	cr_expect_null(spool_find(&scene.spool, capture->id));
	cr_expect_eq(folder_count(scene.dir, "incoming"), 0);
	cr_expect_eq(folder_count(scene.dir, "ready"), 0);
	cr_expect_eq(scene.spool.claimed, 0);
	fake_stop(fake);
}

Test(captures, failures_have_reasons)
{
	static const char event[] =
		"{\"method\":\"NodeRuntime.waitingForDisconnect\",\"params\":{}}";

	expect_failure(&(struct fake_script){ TEXT, .refuse = "no" }, "refused", "no");
	expect_failure(&(struct fake_script){ TEXT, .middle = event }, "exiting", "exiting");
	expect_failure(&(struct fake_script){ TEXT, .gone = true }, "lost", "closed");
	expect_failure(&(struct fake_script){ TEXT, .cut = 300 }, "lost", "ended");
	expect_failure(&(struct fake_script){ TEXT, .middle = "}" }, "protocol", "JSON");
	scene.settings.idle_timeout_ns = NS_PER_S / 10;
	expect_failure(&(struct fake_script){ TEXT, .silent = true }, "timeout", "silent");
	scene.settings.file_max_bytes = 20;
	expect_failure(&(struct fake_script){ TEXT }, "space", "file_max");
}

Test(captures, nobody_listens)
{
	const struct fake_script script = { TEXT };
	struct fake_inspector *fake = fake_start(&script);
	uint16_t port = fake_port(fake);
	const struct capture *capture;

	fake_stop(fake);
	capture = ask(scene_target(&scene, "a", port, 1), NULL);
	cr_assert(scene_settle(&scene));
	cr_expect_str_eq(capture->reason, "unreachable");
}

static void turn_until_running(const struct capture *capture, struct fake_inspector *fake)
{
	while (capture->step == CAPTURE_WAITING)
		loop_turn(&scene.loop, 100);
	cr_assert_eq(capture->step, CAPTURE_RUNNING);
	cr_assert(fake_await(fake, "takeHeapSnapshot", 1));
}

/*
 * A rule whose capture came to nothing may ask again; one whose capture brought bytes may not, nor
 * one whose target was lost while it may have stood still.
 */
Test(captures, what_gave_nothing_does_not_count_for_the_cooldown)
{
	static const struct rule_guards guards = { .cooldown_ns = 1800 * NS_PER_S };
	static const char *const names[] = { "a", "b", "c" };
	const struct fake_script refuses = { TEXT, .refuse = "no" },
				 breaks = { TEXT, .gone = true }, dies = { TEXT, .before = "}" };
	const struct fake_script *const scripts[] = { &refuses, &breaks, &dies };
	const int again[] = { 0, REFUSAL_COOLDOWN, REFUSAL_COOLDOWN };

	for (int i = 0; i < 3; i++) {
		struct fake_inspector *fake = fake_start(scripts[i]);
		struct target *target = scene_target(&scene, names[i], fake_port(fake), 1);
		const struct capture_request request = { .target_id = target->id,
							 .rule = "r",
							 .guards = &guards };

		cr_assert_eq(captures_request(&scene.captures, &request, NULL, NULL), 0);
		cr_assert(scene_settle(&scene));
		cr_expect_eq(captures_request(&scene.captures, &request, NULL, NULL), again[i]);
		cr_assert(scene_settle(&scene));
		fake_stop(fake);
	}
}

Test(captures, one_thread_serves_in_order)
{
	const struct fake_script hold = { TEXT, .hold = true }, script = { TEXT };
	struct fake_inspector *slow = fake_start(&hold), *fast = fake_start(&script);
	const struct capture *first, *second;
	struct target *target;

	scene.settings.threads = 1;
	target = scene_target(&scene, "slow", fake_port(slow), 1);
	first = ask(target, NULL);
	second = ask(scene_target(&scene, "fast", fake_port(fast), 1), NULL);
	turn_until_running(first, slow);
	cr_expect(target->capturing);
	cr_expect_eq(target->state, TARGET_CAPTURING);
	cr_expect_eq(second->step, CAPTURE_WAITING);
	cr_expect_eq(scene.captures.running_n, 1);
	cr_expect_eq(scene.captures.queue_n, 1);
	cr_expect_eq(fake_heard(fast, "takeHeapSnapshot"), 0);
	fake_release(slow);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(first->step, CAPTURE_SUCCEEDED);
	cr_expect_eq(second->step, CAPTURE_SUCCEEDED);
	cr_expect_eq(done.n, 2);
	fake_stop(slow);
	fake_stop(fast);
}

Test(captures, more_threads_by_reload)
{
	const struct fake_script hold = { TEXT, .hold = true };
	struct fake_inspector *a = fake_start(&hold), *b = fake_start(&hold);
	struct capture_settings settings = scene.settings;
	const struct capture *first, *second;

	scene.settings.threads = 1;
	first = ask(scene_target(&scene, "a", fake_port(a), 1), NULL);
	second = ask(scene_target(&scene, "b", fake_port(b), 1), NULL);
	turn_until_running(first, a);
	cr_expect_eq(second->step, CAPTURE_WAITING);
	settings.threads = 2;
	captures_set(&scene.captures, &settings);
	turn_until_running(second, b);
	cr_expect_eq(scene.captures.running_n, 2);
	fake_release(a);
	fake_release(b);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(scene.spool.files, 2);
	fake_stop(a);
	fake_stop(b);
}

Test(captures, cancel)
{
	const struct fake_script hold = { TEXT, .hold = true };
	struct fake_inspector *fake = fake_start(&hold);
	struct target *target = scene_target(&scene, "a", fake_port(fake), 1);
	const struct capture *running, *waiting;

	scene.settings.threads = 1;
	running = ask(target, NULL);
	waiting = ask(scene_target(&scene, "b", fake_port(fake), 1), NULL);
	turn_until_running(running, fake);

	cr_expect_eq(captures_cancel(&scene.captures, "none"), -ENOENT);
	cr_expect_eq(captures_cancel(&scene.captures, waiting->id), 0);
	cr_expect_eq(waiting->step, CAPTURE_FAILED);
	cr_expect_str_eq(waiting->reason, "cancelled");
	cr_expect_eq(captures_cancel(&scene.captures, waiting->id), -EALREADY);

	cr_expect_eq(captures_cancel(&scene.captures, running->id), 0);
	fake_release(fake);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(running->step, CAPTURE_FAILED);
	cr_expect_str_eq(running->reason, "cancelled");
	cr_expect_eq(captures_cancel(&scene.captures, running->id), -EALREADY);
	cr_expect(!target->capturing);
	cr_expect_eq(fake_heard(fake, "HeapProfiler.disable"), 1);
	cr_expect_eq(folder_count(scene.dir, "incoming"), 0);
	cr_expect_eq(done.n, 2);
	fake_stop(fake);
}

Test(captures, the_target_vanishes_in_the_middle)
{
	const struct fake_script hold = { TEXT, .hold = true };
	struct fake_inspector *fake = fake_start(&hold);
	struct target *target = scene_target(&scene, "a", fake_port(fake), 1);
	const struct capture *capture = ask(target, NULL);

	turn_until_running(capture, fake);
	scene_drop(target);
	fake_release(fake);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(capture->step, CAPTURE_SUCCEEDED);
	cr_expect_eq(scene.spool.files, 1);
	fake_stop(fake);
}

Test(captures, the_target_vanishes_or_falls_while_it_waits)
{
	const struct fake_script script = { TEXT };
	struct fake_inspector *fake = fake_start(&script);
	struct target *gone = scene_target(&scene, "a", fake_port(fake), 1);
	struct target *down = scene_target(&scene, "b", fake_port(fake), 1);
	const struct capture *first = ask(gone, NULL), *second = ask(down, NULL);

	scene_drop(gone);
	down->state = TARGET_DOWN;
	cr_assert(scene_settle(&scene));
	cr_expect_eq(first->step, CAPTURE_FAILED);
	cr_expect_str_eq(first->reason, "target");
	cr_expect_str_eq(second->reason, "target");
	cr_expect_eq(fake_heard(fake, ""), 0);
	fake_stop(fake);
}

/* The suite's fini does the rest: it must neither hang nor leak. */
Test(captures, the_daemon_ends_in_the_middle)
{
	const struct fake_script script = { TEXT, .endless = true };
	struct fake_inspector *fake = fake_start(&script);
	struct target *target = scene_target(&scene, "a", fake_port(fake), 1);
	const struct capture *capture = ask(target, NULL);
	uint64_t before_ns = clock_mono_ns();

	ask(scene_target(&scene, "b", fake_port(fake), 1), NULL);
	ask(scene_target(&scene, "c", fake_port(fake), 1), NULL);
	turn_until_running(capture, fake);
	captures_fini(&scene.captures);
	cr_expect_lt(clock_mono_ns() - before_ns, 5 * NS_PER_S);
	cr_expect(!target->capturing);
	cr_expect_eq(folder_count(scene.dir, "incoming"), 0);
	cr_expect_eq(scene.spool.claimed, 0);
	fake_stop(fake);
}

/* ---- over a daemon that is killed ---- */

static struct {
	unsigned held, over;
	char id[CAPTURE_ID_MAX];
} kept;

static void on_hold(const char *id, int fd)
{
	if (fd >= 0)
		kept.held++;
	else
		kept.over++;
	snprintf(kept.id, sizeof(kept.id), "%s", id);
}

Test(captures, somebody_has_the_connection_too)
{
	const struct fake_script script = { TEXT };
	struct fake_inspector *fake = fake_start(&script);
	struct target *target = scene_target(&scene, "app", fake_port(fake), 3000000);
	const struct capture *capture;

	scene.captures.on_hold = on_hold;
	capture = ask(target, NULL);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(capture->step, CAPTURE_SUCCEEDED, "%s", capture->error);
	cr_expect_eq(kept.held, 1);
	cr_expect_eq(kept.over, 1);
	cr_expect_str_eq(kept.id, capture->id);
	scene_drop(target);
	fake_stop(fake);
}

static int connected_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* What a daemon before us did not finish is still coming. */
Test(captures, one_waits_until_another_has_been_heard_out)
{
	const struct fake_script script = { TEXT };
	struct fake_inspector *fake = fake_start(&script), *other = fake_start(&script);
	struct target *target = scene_target(&scene, "app", fake_port(fake), 3000000);
	struct target *free_one = scene_target(&scene, "free", fake_port(other), 3000000);
	const struct capture *waits, *goes;
	struct abandoned abandoned;

	abandoned_init(&abandoned, &scene.loop);
	abandoned.silence_ns = 60 * NS_PER_S;
	scene.captures.abandoned = &abandoned;
	abandoned_add(&abandoned, connected_to(fake_port(fake)), "before", 2 * NS_PER_S);
	waits = ask(target, NULL);
	goes = ask(free_one, NULL);
	for (uint64_t until_ns = clock_mono_ns() + 20 * NS_PER_S; goes->step < CAPTURE_SUCCEEDED;) {
		cr_assert_lt(clock_mono_ns(), until_ns);
		cr_assert_eq(loop_turn(&scene.loop, 10), 0);
	}
	cr_expect_eq(goes->step, CAPTURE_SUCCEEDED, "%s", goes->error);
	cr_expect_eq(abandoned.n, 1);
	cr_expect_eq(waits->step, CAPTURE_WAITING);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(abandoned.n, 0);
	cr_expect_eq(waits->step, CAPTURE_SUCCEEDED, "%s", waits->error);
	abandoned_fini(&abandoned);
	scene_drop(target);
	scene_drop(free_one);
	fake_stop(fake);
	fake_stop(other);
}

Test(captures, bytes_are_told_while_it_runs)
{
	const struct fake_script hold = { TEXT, .hold = true };
	struct fake_inspector *fake = fake_start(&hold);
	const struct capture *capture = ask(scene_target(&scene, "a", fake_port(fake), 1), NULL);

	turn_until_running(capture, fake);
	for (int i = 0; i < 100 && capture->bytes == 0; i++)
		loop_turn(&scene.loop, 100);
	cr_expect_eq(capture->bytes, 10, "the first chunk");
	fake_release(fake);
	cr_assert(scene_settle(&scene));
	fake_stop(fake);
}

Test(captures, only_the_newest_ends_are_remembered)
{
	const struct fake_script script = { TEXT };
	struct fake_inspector *fake = fake_start(&script);
	struct target *target = scene_target(&scene, "a", fake_port(fake), 1);
	char first[CAPTURE_ID_MAX];

	snprintf(first, sizeof(first), "%s", ask(target, NULL)->id);
	cr_assert_eq(captures_cancel(&scene.captures, first), 0);
	for (int i = 0; i < 40; i++)
		cr_assert_eq(captures_cancel(&scene.captures, ask(target, NULL)->id), 0);
	cr_expect_eq(scene.captures.ended_n, 32);
	cr_expect_null(captures_find(&scene.captures, first));
	fake_stop(fake);
}

Test(captures, of_a_worker)
{
	const struct fake_script script = { TEXT, .worker = "[worker 3] pool" };
	struct fake_inspector *fake = fake_start(&script);
	struct target *target = scene_target(&scene, "a", fake_port(fake), 1);
	struct capture_request request = { .target_id = target->id, .isolate = "worker:3" };
	char id[CAPTURE_ID_MAX];

	scene_isolate(target, "worker:3", 555);
	cr_assert_eq(captures_request(&scene.captures, &request, id, NULL), 0);
	cr_assert(scene_settle(&scene));
	cr_assert_not_null(spool_find(&scene.spool, id));
	expect_file(&spool_find(&scene.spool, id)->manifest);
	cr_expect_not_null(strstr(spool_find(&scene.spool, id)->manifest.name, "a.worker_3."));
	cr_expect_eq(spool_find(&scene.spool, id)->manifest.heap_used_bytes, 555);
	fake_stop(fake);
}
