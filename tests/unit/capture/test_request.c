/*
 * What becomes of a request besides its snapshot: stages, scripts, diagnostics, limits by host; and
 * files that are taken over.
 */

#include "capture/capture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_inspector.h"
#include "json/tree.h"
#include "scene.h"
#include "util/clock.h"
#include "util/err.h"

static const char text[] =
	"{\"snapshot\":{\"meta\":{}},\"nodes\":[1,2,3],\"strings\":[\"a\\\"b\"]}";

#define TEXT .snapshot = text, .snapshot_size = sizeof(text) - 1, .chunk = 10

static struct scene scene;
static struct fake_inspector *fake;
static const struct fake_script script = { TEXT };

static void begin(void)
{
	scene_init(&scene);
	fake = fake_start(&script);
}

static void finish(void)
{
	fake_stop(fake);
	scene_fini(&scene);
}

TestSuite(request, .init = begin, .fini = finish);

/* The newest in the spool of this kind, or NULL. */
static const struct manifest *newest(const char *kind)
{
	for (struct link *link = scene.spool.ready.prev; link != &scene.spool.ready;
	     link = link->prev) {
		const struct manifest *manifest =
			&container_of(link, struct spool_entry, link)->manifest;

		if (strcmp(manifest->kind, kind) == 0)
			return manifest;
	}
	return NULL;
}

static void expect_bytes(const char *name, const void *data, size_t size)
{
	char path[FOLDER_PATH_MAX], *read;
	size_t n = 0;

	snprintf(path, sizeof(path), "ready/%s", name);
	read = folder_read(scene.dir, path, &n);
	cr_assert_not_null(read, "%s", path);
	cr_expect_geq(n, size);
	cr_expect_eq(memcmp(read, data, size), 0, "%s", path);
	free(read);
}

static const struct capture *ask(const struct capture_request *request)
{
	char id[CAPTURE_ID_MAX];
	struct err err = { .text = "" };

	cr_assert_eq(captures_request(&scene.captures, request, id, &err), 0, "%s", err.text);
	return captures_find(&scene.captures, id);
}

Test(request, passes_the_stages_of_the_settings)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	const struct manifest *manifest;

	scene.settings.recipe.compress = COMPRESS_ZSTD;
	scene.settings.recipe.compress_level = 1;
	ask(&(struct capture_request){ .target_id = target->id });
	cr_assert(scene_settle(&scene));
	manifest = newest("snapshot");
	cr_assert_not_null(manifest);
	cr_expect_str_eq(manifest->redact, "none");
	cr_expect_str_eq(manifest->compress, "zstd");
	cr_expect_str_eq(manifest->encrypt, "none");
	cr_expect_eq(manifest->size_bytes, sizeof(text) - 1);
	cr_expect_eq(manifest->redacted_bytes, 0);
	cr_expect_eq(manifest->compressed_bytes, manifest->file_bytes);
	cr_expect_neq(manifest->file_bytes, manifest->size_bytes);
	cr_expect_not_null(strstr(manifest->name, ".heapsnapshot.zst"));
	expect_bytes(manifest->name, "\x28\xb5\x2f\xfd", 4);
}

Test(request, chooses_otherwise)
{
	static const char recipient[] =
		"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	struct recipe_choice choice = { .has_encrypt = true };
	const struct manifest *manifest;

	cr_assert_eq(text_list_add(&choice.encrypt, recipient), 0);
	ask(&(struct capture_request){ .target_id = target->id, .recipe = &choice });
	text_list_fini(&choice.encrypt);
	cr_assert(scene_settle(&scene));
	manifest = newest("snapshot");
	cr_assert_not_null(manifest);
	cr_expect_str_eq(manifest->encrypt, "age");
	cr_expect_str_eq(manifest->recipients, recipient);
	cr_expect_not_null(strstr(manifest->name, ".heapsnapshot.age"));
	expect_bytes(manifest->name, "age-encryption.org/v1\n", 22);
}

Test(request, tells_by_what_it_was_packed_and_which_names_may_stay)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	struct recipe_choice none = { .redact = REDACT_NONE, .has_redact = true };
	const struct manifest *manifest;

	scene.settings.recipe.redact = REDACT_ALL;
	scene.settings.recipe.compress = COMPRESS_ZSTD;
	scene.settings.recipe.compress_level = 7;
	cr_assert_eq(text_list_add(&scene.settings.recipe.redact_allow, "id"), 0);
	cr_assert_eq(text_list_add(&scene.settings.recipe.redact_allow, "order"), 0);
	manifest = &ask(&(struct capture_request){ .target_id = target->id })->manifest;
	cr_expect_eq(manifest->compress_level, 7);
	cr_expect_eq(manifest->redact_allow_names, 2);
	/* printf 'id\norder\n' | sha256sum */
	cr_expect_str_eq(manifest->redact_allow_sha256,
			 "b21f3462717a3504f3438cdb0418fc567a5933d4b8c79aa53429995b621e1fa2");
	cr_assert(scene_settle(&scene));
	manifest = &ask(&(struct capture_request){ .target_id = target->id, .recipe = &none })
			    ->manifest;
	cr_expect_eq(manifest->redact_allow_names, 0);
	cr_expect_str_eq(manifest->redact_allow_sha256, "");
	text_list_fini(&scene.settings.recipe.redact_allow);
}

Test(request, tells_who_asked)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	const struct manifest *manifest;

	ask(&(struct capture_request){ .target_id = target->id,
				       .rule = "r",
				       .step = "80%",
				       .requested_by = "192.0.2.7 (curl/7.88.1)" });
	cr_assert(scene_settle(&scene));
	manifest = newest("snapshot");
	cr_assert_not_null(manifest);
	cr_expect_str_eq(manifest->rule_step, "80%");
	cr_expect_str_eq(manifest->requested_by, "192.0.2.7 (curl/7.88.1)");
}

/* What the last poll has told is old: it waits for another, and is judged by what that tells. */
Test(request, waits_for_a_poll_to_be_judged_by)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	const struct capture *capture;

	scene.settings.guards.has_max_heap = true;
	scene.settings.guards.max_heap_bytes = 10;
	target->last_poll_mono_ns = 0;
	target->polling = true;
	capture = ask(&(struct capture_request){ .target_id = target->id });
	for (int i = 0; i < 15; i++)
		loop_turn(&scene.loop, 100);
	cr_assert_eq(capture->step, CAPTURE_WAITING);
	sample_set(&target_find_isolate(target, "main")->last, SAMPLE_HEAP_USED, 11);
	target->last_poll_mono_ns = UINT64_MAX / 2;
	target->polling = false;
	captures_polled(&scene.captures, target);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(capture->step, CAPTURE_FAILED);
	cr_expect_str_eq(capture->reason, "max_heap");
	cr_expect_str_eq(capture->error, "max_heap: the heap uses 11 B, at most 10 B");
}

/* Told long ago, of a heap that is no more: a person waits for another poll, a rule asks again. */
Test(request, is_refused_by_no_old_poll)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	struct capture_request request = { .target_id = target->id };
	const struct rule_guards guards = { 0 };
	const struct capture *capture;
	struct err err = { .text = "" };

	scene.settings.guards.has_max_heap = true;
	scene.settings.guards.max_heap_bytes = 10;
	sample_set(&target_find_isolate(target, "main")->last, SAMPLE_HEAP_USED, 11);
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_MAX_HEAP);
	target->last_poll_mono_ns = 0;
	target->polling = true;
	request.dry_run = true;
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_MAX_HEAP);
	request.dry_run = false;
	request.rule = "r";
	request.guards = &guards;
	cr_expect_eq(captures_request(&scene.captures, &request, NULL, &err), REFUSAL_MAX_HEAP);
	capture = ask(&(struct capture_request){ .target_id = target->id });
	loop_turn(&scene.loop, 100);
	cr_assert_eq(capture->step, CAPTURE_WAITING);
	sample_set(&target_find_isolate(target, "main")->last, SAMPLE_HEAP_USED, 9);
	target->last_poll_mono_ns = UINT64_MAX / 2;
	target->polling = false;
	captures_polled(&scene.captures, target);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(capture->step, CAPTURE_SUCCEEDED, "%s", capture->error);
}

/* On a busy machine a program misses a poll now and then; what has waited for its turn till then is
 * not lost. */
Test(request, waits_for_a_target_that_stands_still)
{
	static const enum target_state still[] = { TARGET_BLOCKED, TARGET_STOPPED, TARGET_PAUSED };
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	const struct capture *capture;

	scene.settings.start_timeout_ns = 20 * NS_PER_S;
	capture = ask(&(struct capture_request){ .target_id = target->id });
	for (unsigned i = 0; i < sizeof(still) / sizeof(still[0]); i++) {
		target->state = still[i];
		captures_polled(&scene.captures, target);
		loop_turn(&scene.loop, 100);
		cr_assert_eq(capture->step, CAPTURE_WAITING, "%s", capture->error);
	}
	target->state = TARGET_UP;
	captures_polled(&scene.captures, target);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(capture->step, CAPTURE_SUCCEEDED, "%s", capture->error);
}

Test(request, does_not_wait_for_what_stands_still_for_ever)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	const struct capture *capture;

	scene.settings.start_timeout_ns = NS_PER_S;
	capture = ask(&(struct capture_request){ .target_id = target->id });
	target->state = TARGET_BLOCKED;
	cr_assert(scene_settle(&scene));
	cr_expect_str_eq(capture->error, "the target is no longer up");
	cr_expect_geq(clock_mono_ns() - capture->requested_ns, NS_PER_S);
}

/* Whose poll is never over is given up with its target. */
Test(request, does_not_wait_for_a_target_that_is_gone)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	const struct capture *capture;

	target->last_poll_mono_ns = 0;
	target->polling = true;
	capture = ask(&(struct capture_request){ .target_id = target->id });
	loop_turn(&scene.loop, 100);
	cr_assert_eq(capture->step, CAPTURE_WAITING);
	scene_drop(target);
	cr_assert(scene_settle(&scene));
	cr_expect_str_eq(capture->error, "the target is gone");
}

/* What cannot be redacted for sure is not written at all. */
Test(request, what_is_no_snapshot_is_not_redacted_but_refused)
{
	static const char odd[] = "{\"secret\":\"hunter2\"}";
	const struct fake_script other = { .snapshot = odd, .snapshot_size = sizeof(odd) - 1 };
	struct fake_inspector *liar = fake_start(&other);
	struct target *target = scene_target(&scene, "a", fake_port(liar), 7);
	const struct capture *capture;

	scene.settings.recipe.redact = REDACT_STRINGS;
	capture = ask(&(struct capture_request){ .target_id = target->id });
	cr_assert(scene_settle(&scene));
	cr_expect_eq(capture->step, CAPTURE_FAILED);
	cr_expect_str_eq(capture->reason, "redact");
	cr_expect_str_neq(capture->error, "");
	cr_expect_eq(folder_count(scene.dir, "incoming"), 0);
	cr_expect_eq(folder_count(scene.dir, "ready"), 0);
	cr_expect_eq(scene.spool.claimed, 0);
	fake_stop(liar);
}

/* ---- diagnostics ---- */

static struct tree *document(const struct manifest *manifest)
{
	char path[FOLDER_PATH_MAX], *data;
	struct tree *root = NULL;
	size_t size = 0;

	snprintf(path, sizeof(path), "ready/%s", manifest->name);
	data = folder_read(scene.dir, path, &size);
	cr_assert_not_null(data, "%s", path);
	cr_assert_eq(tree_parse(data, size, &root, NULL), 0);
	free(data);
	return root;
}

static void expect_member(const struct tree *root, const char *path, const char *wanted)
{
	const char *value = "";

	cr_expect(tree_string(root, path, &value), "%s", path);
	cr_expect_str_eq(value, wanted, "%s", path);
}

Test(request, diagnostics_come_before_their_snapshot)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7000000);
	const struct capture *capture, *first;
	const struct manifest *manifest;
	struct tree *root;
	double used = 0;

	scene.settings.diagnostics = true;
	capture = ask(&(struct capture_request){
		.target_id = target->id, .rule = "r", .cause = "heap_used > 1" });
	cr_expect_eq(scene.captures.queue_n, 2);
	first = container_of(scene.captures.queue.next, struct capture, link);
	cr_expect_eq(first->kind, CAPTURE_KIND_DIAGNOSTICS);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(capture->step, CAPTURE_SUCCEEDED);
	manifest = newest("diagnostics");
	cr_assert_not_null(manifest);
	cr_expect_not_null(strstr(manifest->name, ".diagnostics.json"));
	cr_expect_str_eq(manifest->rule, "r");
	root = document(manifest);
	expect_member(root, "capture", capture->id);
	expect_member(root, "cause", "heap_used > 1");
	expect_member(root, "target.name", "a");
	cr_expect(tree_double(tree_at(tree_get(root, "isolates"), 0), "values.heap_used", &used));
	cr_expect_eq(used, 7000000);
	tree_free(root);
}

static unsigned queued_with(bool continuous)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);

	scene.settings.diagnostics = true;
	ask(&(struct capture_request){
		.target_id = target->id, .kind = CAPTURE_KIND_SAMPLING, .continuous = continuous });
	return scene.captures.queue_n;
}

Test(request, diagnostics_come_before_a_profile)
{
	cr_expect_eq(queued_with(false), 2);
}

Test(request, continuous_profiles_have_no_diagnostics)
{
	cr_expect_eq(queued_with(true), 1);
}

Test(request, diagnostics_alone_ask_the_target_nothing)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	const struct capture *capture;

	target->identified = true;
	capture = ask(&(struct capture_request){ .target_id = target->id,
						 .kind = CAPTURE_KIND_DIAGNOSTICS });
	cr_assert(scene_settle(&scene));
	cr_expect_eq(capture->step, CAPTURE_SUCCEEDED);
	cr_expect_str_eq(capture->manifest.kind, "diagnostics");
	cr_expect_eq(scene.spool.files, 1);
	cr_expect(!target->capturing);
	cr_expect_eq(fake_heard(fake, ""), 0);
}

/* The second of a rule's actions waits for the first, whatever room there is. */
Test(request, one_after_the_other)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	struct capture_request request = { .target_id = target->id, .rule = "r" };
	const struct capture *first = ask(&request), *second;

	request.after = first->id;
	second = ask(&request);
	cr_expect_str_eq(second->after, first->id);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(first->step, CAPTURE_SUCCEEDED);
	cr_expect_eq(second->step, CAPTURE_SUCCEEDED, "%s", second->error);
	cr_expect_geq(second->manifest.started_wall_ms,
		      first->manifest.started_wall_ms +
			      (int64_t)(first->manifest.duration_ns / NS_PER_MS));
	cr_expect_eq(scene.spool.files, 2);
}

/* However it ended. */
Test(request, after_one_that_was_taken_back)
{
	struct target *target = scene_target(&scene, "a", fake_port(fake), 7);
	struct capture_request request = { .target_id = target->id, .rule = "r" };
	const struct capture *first = ask(&request), *second;

	request.after = first->id;
	second = ask(&request);
	cr_assert_eq(captures_cancel(&scene.captures, first->id), 0);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(second->step, CAPTURE_SUCCEEDED, "%s", second->error);
}

/* ---- limits ---- */

static unsigned running_of(struct target *const *targets, unsigned n)
{
	unsigned running = 0;

	for (unsigned i = 0; i < n; i++)
		running += targets[i]->capturing;
	return running;
}

Test(request, so_many_at_once_of_one_host)
{
	const struct fake_script hold = { TEXT, .hold = true };
	struct fake_inspector *slow = fake_start(&hold);
	struct target *targets[3], *far;

	scene.settings.threads = 4;
	scene.settings.per_host = 2;
	for (unsigned i = 0; i < 3; i++) {
		const char name[] = { (char)('a' + i), '\0' };

		targets[i] = scene_target(&scene, name, fake_port(slow), 1);
		ask(&(struct capture_request){ .target_id = targets[i]->id });
	}
	far = scene_target(&scene, "far", fake_port(slow), 1);
	snprintf(far->spec.address.host, sizeof(far->spec.address.host), "127.0.0.2");
	ask(&(struct capture_request){ .target_id = far->id });
	for (int i = 0; i < 100 && !far->capturing; i++)
		loop_turn(&scene.loop, 100);
	cr_expect(far->capturing, "it overtakes");
	cr_expect_eq(running_of(targets, 3), 2);
	cr_expect_eq(scene.captures.queue_n, 1);
	fake_release(slow);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(scene.spool.files, 4);
	fake_stop(slow);
}

/* Whichever way it is reached. */
Test(request, a_unix_socket_is_of_the_host_too)
{
	const struct fake_script hold = { TEXT, .hold = true };
	struct fake_inspector *slow = fake_start(&hold);
	struct target *first = scene_target(&scene, "a", fake_port(slow), 1);
	struct target *second = scene_target(&scene, "b", fake_port(slow), 1);
	const struct capture *waits;

	scene.settings.threads = 4;
	scene.settings.per_host = 1;
	second->spec.address = (struct address){ .family = ADDRESS_UNIX, .host = "/run/b.sock" };
	ask(&(struct capture_request){ .target_id = first->id });
	waits = ask(&(struct capture_request){ .target_id = second->id });
	for (int i = 0; i < 100 && !first->capturing; i++)
		loop_turn(&scene.loop, 100);
	cr_expect(first->capturing);
	cr_expect_eq(waits->step, CAPTURE_WAITING);
	cr_assert_eq(captures_cancel(&scene.captures, waits->id), 0);
	fake_release(slow);
	cr_assert(scene_settle(&scene));
	fake_stop(slow);
}

/* ---- adoption ---- */

static struct {
	unsigned n;
	enum capture_step step;
} adopted;

static void on_adopted(void *owner, const struct capture *capture)
{
	(void)owner;
	adopted.n++;
	adopted.step = capture->step;
}

static int file_with(const char *data)
{
	char path[FOLDER_PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/native", scene.dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, data, strlen(data)), (ssize_t)strlen(data));
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

Test(request, adopts_a_file)
{
	struct manifest manifest = { .kind = "snapshot",
				     .target = "a",
				     .isolate = "main",
				     .source = "/dumps/Heap.1.heapsnapshot",
				     .started_wall_ms = 1769903999000 };

	cr_assert_eq(captures_adopt(&scene.captures, file_with(text), &manifest,
				    CONTENT_V8_SNAPSHOT, on_adopted, NULL, NULL),
		     0);
	cr_expect_eq(adopted.n, 0, "not before the loop turns");
	cr_assert(scene_settle(&scene));
	cr_expect_eq(adopted.n, 1);
	cr_expect_eq(adopted.step, CAPTURE_SUCCEEDED);
	cr_assert_not_null(newest("snapshot"));
	cr_expect_str_eq(newest("snapshot")->source, "/dumps/Heap.1.heapsnapshot");
	cr_expect_eq(newest("snapshot")->started_wall_ms, 1769903999000);
	expect_bytes(newest("snapshot")->name, text, sizeof(text) - 1);
	cr_expect_eq(scene.captures.adopted_n, 1);
}

Test(request, a_file_that_cannot_be_redacted_is_not_adopted)
{
	struct manifest manifest = { .kind = "snapshot", .target = "a", .isolate = "main" };

	scene.settings.recipe.redact = REDACT_STRINGS;
	cr_assert_eq(captures_adopt(&scene.captures, file_with("[1]"), &manifest,
				    CONTENT_V8_SNAPSHOT, on_adopted, NULL, NULL),
		     0);
	cr_assert(scene_settle(&scene));
	cr_expect_eq(adopted.n, 1);
	cr_expect_eq(adopted.step, CAPTURE_FAILED);
	cr_expect_eq(folder_count(scene.dir, "ready"), 0);
}

Test(request, adopts_nothing_without_room)
{
	struct manifest manifest = { .kind = "snapshot", .target = "a", .isolate = "main" };
	struct err err = { .text = "" };

	scene.spool.limits.max_use_bytes = 10;
	cr_expect_eq(captures_adopt(&scene.captures, file_with(text), &manifest,
				    CONTENT_V8_SNAPSHOT, on_adopted, NULL, &err),
		     REFUSAL_SPACE);
	cr_expect_eq(strncmp(err.text, "space: ", 7), 0, "%s", err.text);
	cr_expect_eq(captures_adopt(&scene.captures, file_with(text), &manifest,
				    CONTENT_V8_SNAPSHOT, on_adopted, NULL, &err),
		     REFUSAL_SPACE);
	cr_expect_eq(scene.captures.refused_n, 1, "asked every ten seconds, told once");
	cr_expect_eq(scene.captures.refused[0].times, 2);
	cr_expect_eq(adopted.n, 0);
}
