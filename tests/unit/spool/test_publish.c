/*
 * Publishing, pinning and removing: their steps, their failures, and a kill after every system call
 * that changes a folder.
 */

#include "spool/publish.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shelf.h"

static struct spool spool;

static void begin(void)
{
	shelf_new();
	shelf_open(&spool);
}

static void finish(void)
{
	spool_close(&spool);
	shelf_remove();
}

TestSuite(publish, .init = begin, .fini = finish);

static struct manifest sample(unsigned i)
{
	struct manifest manifest = shelf_manifest(i, 10);

	shelf_add_scripts(&manifest, 5);
	return manifest;
}

static void open_file(struct file *file)
{
	cr_assert_eq(file_begin(file, spool.incoming_fd, 100), 0);
	cr_assert_eq(file_write(file, "xxxxx", 5), 0);
}

static int publish(const struct manifest *manifest, bool with_scripts)
{
	struct file file, scripts;

	open_file(&file);
	if (with_scripts)
		open_file(&scripts);
	return spool_publish(&spool, &file, with_scripts ? &scripts : NULL, manifest);
}

Test(publish, three_files)
{
	struct manifest manifest = sample(1);

	cr_assert_eq(publish(&manifest, true), 0);
	cr_expect(shelf_has("ready", manifest.name, ""));
	cr_expect(shelf_has("ready", manifest.name, ".json"));
	cr_expect(shelf_has("ready", manifest.scripts_name, ""));
	cr_expect_eq(folder_count(shelf_dir, "incoming"), 0);
}

Test(publish, scripts_and_manifest_must_agree)
{
	struct manifest manifest = sample(1);

	cr_expect_eq(publish(&manifest, false), -EINVAL);
	manifest_drop_scripts(&manifest);
	cr_expect_eq(publish(&manifest, true), -EINVAL);
	cr_expect_eq(folder_count(shelf_dir, "incoming"), 0);
	cr_expect_eq(folder_count(shelf_dir, "ready"), 0);
}

/* A folder stands where one of the three wants to go: nothing of the group stays. */
static void expect_taken_back(const struct manifest *manifest, const char *name, const char *end)
{
	char path[FOLDER_PATH_MAX * 2];

	snprintf(path, sizeof(path), "%s/ready/%s%s", shelf_dir, name, end);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect_eq(publish(manifest, true), -EISDIR);
	cr_expect_eq(folder_count(shelf_dir, "ready"), 1);
	cr_expect_eq(folder_count(shelf_dir, "incoming"), 0);
	cr_assert_eq(rmdir(path), 0);
}

Test(publish, taken_back)
{
	struct manifest manifest = sample(1);

	expect_taken_back(&manifest, manifest.name, ".json");
	expect_taken_back(&manifest, manifest.scripts_name, "");
	expect_taken_back(&manifest, manifest.name, "");
}

static void expect_attribute(const char *path, const char *name, const char *value)
{
	char text[512] = "";
	ssize_t n = getxattr(path, name, text, sizeof(text) - 1);

	if (n < 0 && errno == ENOTSUP)
		return; /* this folder has none, as publishing found too */
	if (value == NULL)
		cr_expect(n < 0 && errno == ENODATA, "%s is '%s'", name, text);
	else
		cr_expect_str_eq(text, value, "%s", name);
}

Test(publish, attributes)
{
	struct manifest manifest = sample(1);
	char path[FOLDER_PATH_MAX * 2];

	snprintf(manifest.rule, sizeof(manifest.rule), "leak");
	manifest.pid = 42;
	cr_assert_eq(publish(&manifest, true), 0);
	snprintf(path, sizeof(path), "%s/ready/%s", shelf_dir, manifest.name);
	expect_attribute(path, "user.heapwatch.id", manifest.id);
	expect_attribute(path, "user.heapwatch.kind", "snapshot");
	expect_attribute(path, "user.heapwatch.target", "t1");
	expect_attribute(path, "user.heapwatch.isolate", "main");
	expect_attribute(path, "user.heapwatch.rule", "leak");
	expect_attribute(path, "user.heapwatch.cause", NULL);
	expect_attribute(path, "user.heapwatch.pid", "42");
	expect_attribute(path, "user.heapwatch.heap_used_bytes", NULL);
	expect_attribute(path, "user.heapwatch.started", "2026-02-01T00:00:00.000Z");
	expect_attribute(path, "user.heapwatch.sha256", SHELF_SUM);
}

/* ---- pins ---- */

Test(publish, pin)
{
	struct manifest manifest = sample(1), diagnostics = shelf_manifest(2, 4);

	snprintf(diagnostics.kind, sizeof(diagnostics.kind), "diagnostics");
	shelf_put(&spool, &manifest);
	shelf_put(&spool, &diagnostics);
	cr_expect_eq(spool_pin(&spool, "none", true), -ENOENT);
	cr_expect_eq(spool.reclaimable, 15);
	cr_expect_eq(spool_pin(&spool, manifest.id, true), 0);
	cr_expect_eq(spool_pin(&spool, manifest.id, true), 0);
	cr_expect_eq(spool_pin(&spool, diagnostics.id, true), 0);
	cr_expect_eq(spool.pinned, 1);
	cr_expect_eq(spool.reclaimable, 0);
	cr_expect_eq(spool_pin(&spool, manifest.id, false), 0);
	cr_expect_eq(spool_pin(&spool, diagnostics.id, false), 0);
	cr_expect_eq(spool.pinned, 0);
	cr_expect_eq(spool.reclaimable, 15);
	cr_expect_eq(folder_count(shelf_dir, "ready"), 5);
	cr_expect_eq(spool_pin(&spool, manifest.id, true), 0);
	cr_expect_eq(spool_remove(&spool, manifest.id), 0, "a person may");
	cr_expect_eq(spool.pinned, 0);
	cr_expect_eq(spool.reclaimable, 0);
	cr_expect_eq(spool.claimed, 4);
	cr_expect_eq(folder_count(shelf_dir, "ready"), 2);
}

Test(publish, a_pin_that_cannot_be_written)
{
	struct manifest manifest = sample(1);
	int fd = spool.incoming_fd;

	shelf_put(&spool, &manifest);
	spool.incoming_fd = -1;
	cr_expect_eq(spool_pin(&spool, manifest.id, true), -EBADF);
	spool.incoming_fd = fd;
	cr_expect_eq(spool_find(&spool, manifest.id)->manifest.pinned, 0);
	cr_expect_eq(spool.pinned, 0);
	cr_expect_eq(spool.reclaimable, 15);
}

/* ---- the disk ---- */

Test(publish, room_asks_for_inodes)
{
	uint64_t bytes, inodes;

	cr_assert_eq(spool_available(&spool, &bytes, &inodes), 0);
	cr_expect_eq(bytes, spool_available_bytes(&spool));
	if (inodes != UINT64_MAX)
		cr_expect_eq(spool_room(&spool, inodes / 2, 0), SPOOL_E_FULL);
	cr_expect_eq(spool_room(&spool, 1, 0), 0);
}

Test(publish, a_disk_that_says_nothing)
{
	uint64_t bytes, inodes;
	int fd = spool.ready_fd;

	spool.ready_fd = -1;
	spool.limits.keep_free_bytes = 1ull << 60;
	cr_expect_eq(spool_available(&spool, &bytes, &inodes), -EBADF);
	cr_expect_eq(spool_available_bytes(&spool), 0);
	cr_expect_eq(spool_room(&spool, 1, 1), 0, "writing will tell");
	spool.ready_fd = fd;
}

Test(publish, names_of_reasons)
{
	cr_expect_str_eq(spool_reason_name(SPOOL_MAX_AGE), "max_age");
	cr_expect_str_eq(spool_reason_name(SPOOL_API), "api");
}

/* ---- kills ---- */

/* In a child: publishes and removes for ever, pins now and then, until it is killed. */
static void churn(void)
{
	for (unsigned i = 1;; i++) {
		struct manifest manifest = sample(i % 4 + 1);

		shelf_put(&spool, &manifest);
		if (i % 3 == 0)
			spool_pin(&spool, manifest.id, true);
		if (i % 4 == 3) {
			while (spool.files > 0)
				spool_remove(&spool, container_of(spool.ready.next,
								  struct spool_entry, link)
							     ->manifest.id);
		}
	}
}

static void start_and_judge(void)
{
	uint64_t names;

	shelf_open(&spool);
	names = 3 * spool.files;
	cr_expect_eq(folder_count(shelf_dir, "ready"), names);
	cr_expect_eq(folder_count(shelf_dir, "incoming"), 0);
	cr_expect_eq(folder_count(shelf_dir, "corrupt"), 0);
	list_each (link, &spool.ready) {
		const struct spool_entry *entry = container_of(link, struct spool_entry, link);

		cr_expect_str_neq(entry->manifest.scripts_name, "");
		cr_expect(shelf_has("ready", entry->manifest.scripts_name, ""));
	}
	while (spool.files > 0)
		cr_assert_eq(spool_remove(&spool,
					  container_of(spool.ready.next, struct spool_entry, link)
						  ->manifest.id),
			     0);
}

Test(publish, killed_at_any_moment)
{
	const char *scale = getenv("HEAPWATCH_TEST_SCALE");
	unsigned rounds = (unsigned)(2000 * (scale != NULL ? atof(scale) : 0.1));

	for (unsigned i = 0; i < rounds; i++) {
		int status;
		pid_t pid;

		spool_close(&spool);
		pid = fork();
		if (pid == 0) {
			shelf_open(&spool);
			churn();
		}
		usleep((useconds_t)(2000 + 37 * i % 9000));
		cr_assert_eq(kill(pid, SIGKILL), 0);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert(WIFSIGNALED(status));
		start_and_judge();
	}
}
