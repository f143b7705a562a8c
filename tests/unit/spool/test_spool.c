/*
 * The spool: what becomes visible and when, what a start makes of any folder it may find, and who
 * may fill it how far.
 */

#include "spool/spool.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "util/log.h"

#define SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char dir[FOLDER_PATH_MAX / 2];
static const struct spool_settings no_limits;

static void begin(void)
{
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	folder_new(dir);
}

static void finish(void)
{
	folder_remove(dir);
}

TestSuite(spool, .init = begin, .fini = finish);

static struct manifest manifest_of(unsigned i, const char *content)
{
	struct manifest manifest = {
		.kind = "snapshot",
		.isolate = "main",
		.started_wall_ms = 1769903999000 + 1000 * (int64_t)i,
		.size_bytes = strlen(content),
		.file_bytes = strlen(content),
		.sha256 = SUM,
	};

	snprintf(manifest.id, sizeof(manifest.id), "%032x", i);
	snprintf(manifest.target, sizeof(manifest.target), "t%u", i);
	manifest_set_name(&manifest, false);
	manifest_drop_scripts(&manifest);
	return manifest;
}

static int publish(struct spool *spool, const struct manifest *manifest, const char *content)
{
	struct file file;

	cr_assert_eq(file_begin(&file, spool->incoming_fd, 1 << 20), 0);
	cr_assert_eq(file_write(&file, content, strlen(content)), 0);
	return spool_publish(spool, &file, NULL, manifest);
}

/* As captures do it: claim, publish, add. */
static struct manifest put(struct spool *spool, unsigned i, const char *content)
{
	struct manifest manifest = manifest_of(i, content);
	struct spool_entry *entry = calloc(1, sizeof(*entry));

	cr_assert_not_null(entry);
	cr_assert(spool_claim(spool, manifest.file_bytes, 0));
	cr_assert_eq(publish(spool, &manifest, content), 0);
	entry->manifest = manifest;
	spool_add(spool, entry);
	return manifest;
}

static void open_spool(struct spool *spool)
{
	cr_assert_eq(spool_open(spool, dir, &no_limits), 0);
}

static void path_in(char dst[FOLDER_PATH_MAX], const char *folder, const char *name,
		    const char *end)
{
	snprintf(dst, FOLDER_PATH_MAX, "%.20s/%.230s%.20s", folder, name, end);
}

static bool is_in(const char *folder, const char *name, const char *end)
{
	char path[FOLDER_PATH_MAX];

	path_in(path, folder, name, end);
	return folder_exists(dir, path);
}

static void write_in(const char *folder, const char *name, const char *end, const char *content)
{
	char path[FOLDER_PATH_MAX];

	path_in(path, folder, name, end);
	folder_write(dir, path, content, strlen(content));
}

static mode_t mode_of(const char *name)
{
	char path[FOLDER_PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%.200s", dir, name);
	cr_assert_eq(stat(path, &st), 0);
	return st.st_mode & 0777;
}

/* ---- life ---- */

Test(spool, a_fresh_one)
{
	struct spool spool;

	umask(0);
	open_spool(&spool);
	cr_expect_eq(mode_of("incoming"), 0750);
	cr_expect_eq(mode_of("ready"), 0750);
	cr_expect_eq(mode_of("corrupt"), 0750);
	cr_expect_eq(spool.files, 0);
	cr_expect_eq(spool.bytes, 0);
	cr_expect_gt(spool_available_bytes(&spool), 0);
	spool_close(&spool);
	spool_close(&spool);
}

Test(spool, a_folder_that_cannot_be_made)
{
	char path[FOLDER_PATH_MAX];
	struct spool spool;

	snprintf(path, sizeof(path), "%s/a/b", dir);
	cr_expect_eq(spool_open(&spool, path, &no_limits), -ENOENT);
	folder_write(dir, "file", "x", 1);
	snprintf(path, sizeof(path), "%s/file", dir);
	cr_expect_eq(spool_open(&spool, path, &no_limits), -ENOTDIR);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	cr_expect_eq(spool_open(&spool, path, &no_limits), -ENAMETOOLONG);
	spool_close(&spool);
	spool = (struct spool){ 0 };
	spool_close(&spool);
}

Test(spool, one_daemon_at_a_time)
{
	struct spool first, second;

	open_spool(&first);
	cr_expect_eq(spool_open(&second, dir, &no_limits), -EBUSY);
	spool_close(&first);
	open_spool(&second);
	spool_close(&second);
}

Test(spool, published_listed_and_listed_again)
{
	struct manifest manifest;
	struct spool spool;
	char path[FOLDER_PATH_MAX], *content;

	open_spool(&spool);
	manifest = put(&spool, 1, "{}");
	cr_expect_eq(folder_count(dir, "incoming"), 0);
	cr_expect_eq(folder_count(dir, "ready"), 2);
	path_in(path, "ready", manifest.name, "");
	cr_expect_eq(mode_of(path), 0600);
	content = folder_read(dir, path, NULL);
	cr_assert_not_null(content);
	cr_expect_str_eq(content, "{}");
	free(content);
	path_in(path, "ready", manifest.name, ".json");
	cr_expect_eq(mode_of(path), 0600);
	cr_assert_not_null(spool_find(&spool, manifest.id));
	cr_assert_not_null(spool_find_name(&spool, manifest.name));
	cr_expect_null(spool_find(&spool, "x"));
	cr_expect_null(spool_find_name(&spool, "x"));
	cr_expect(spool_name_is_taken(&spool, &manifest));
	spool_close(&spool);

	open_spool(&spool);
	cr_expect_eq(spool.files, 1);
	cr_expect_eq(spool.bytes, 2);
	cr_expect_eq(spool.claimed, 2);
	cr_assert_not_null(spool_find(&spool, manifest.id));
	cr_expect_eq(
		memcmp(&spool_find(&spool, manifest.id)->manifest, &manifest, sizeof(manifest)), 0);
	cr_expect_eq(folder_count(dir, "corrupt"), 0);
	spool_close(&spool);
}

Test(spool, oldest_first)
{
	static const unsigned order[] = { 5, 2, 9, 1, 7 };
	struct spool spool;
	int64_t last = 0;
	unsigned n = 0;

	open_spool(&spool);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		put(&spool, order[i], "{}");
	spool_close(&spool);
	open_spool(&spool);
	list_each (link, &spool.ready) {
		const struct spool_entry *entry = container_of(link, struct spool_entry, link);

		cr_expect_gt(entry->manifest.started_wall_ms, last);
		last = entry->manifest.started_wall_ms;
		n++;
	}
	cr_expect_eq(n, 5);
	spool_close(&spool);
}

/* The thread that unlinks is not ours to wait for; what counts is what readers see at once. */
Test(spool, removed)
{
	struct manifest keep, gone;
	struct spool spool;

	open_spool(&spool);
	keep = put(&spool, 1, "{1}");
	gone = put(&spool, 2, "{22}");
	cr_expect_eq(spool_remove(&spool, "none"), -ENOENT);
	cr_assert_eq(spool_remove(&spool, gone.id), 0);
	cr_expect_eq(folder_count(dir, "ready"), 2);
	cr_expect(!is_in("ready", gone.name, ""));
	cr_expect_eq(spool.files, 1);
	cr_expect_eq(spool.bytes, 3);
	cr_expect_eq(spool.claimed, 3);
	cr_expect_eq(spool.removed[SPOOL_API], 1);
	cr_expect_null(spool_find(&spool, gone.id));
	cr_expect_eq(spool_remove(&spool, gone.id), -ENOENT);
	cr_expect_not_null(spool_find(&spool, keep.id));
	spool_close(&spool);
	while (folder_count(dir, "incoming") > 0)
		sched_yield();
}

Test(spool, removed_by_somebody_else_first)
{
	char path[FOLDER_PATH_MAX], whole[FOLDER_PATH_MAX * 2];
	struct manifest manifest;
	struct spool spool;

	open_spool(&spool);
	manifest = put(&spool, 1, "{}");
	path_in(path, "ready", manifest.name, "");
	snprintf(whole, sizeof(whole), "%s/%s", dir, path);
	cr_assert_eq(unlink(whole), 0);
	cr_expect_eq(spool_remove(&spool, manifest.id), 0);
	cr_expect_eq(folder_count(dir, "ready"), 0);
	cr_expect_eq(spool.files, 0);
	spool_close(&spool);
}

/* ---- starts ---- */

Test(spool, incoming_is_emptied)
{
	struct spool spool;

	open_spool(&spool);
	spool_close(&spool);
	write_in("incoming", ".#0123", "", "half a capture");
	write_in("incoming", "anything", "", "x");
	open_spool(&spool);
	cr_expect_eq(folder_count(dir, "incoming"), 0);
	cr_expect_eq(folder_count(dir, "corrupt"), 0);
	spool_close(&spool);
}

/* Opens once more and tells how the capture of manifest fared. */
static void expect_corrupt(const struct manifest *manifest, bool with_manifest)
{
	struct spool spool;

	open_spool(&spool);
	cr_expect_eq(spool.files, 0);
	cr_expect_eq(spool.claimed, 0);
	cr_expect_eq(folder_count(dir, "ready"), 0);
	cr_expect(is_in("corrupt", manifest->name, ""));
	cr_expect_eq(is_in("corrupt", manifest->name, ".json"), with_manifest);
	spool_close(&spool);
}

static struct manifest put_one(void)
{
	struct spool spool;
	struct manifest manifest;

	open_spool(&spool);
	manifest = put(&spool, 1, "{\"a\":1}");
	spool_close(&spool);
	return manifest;
}

Test(spool, capture_without_manifest)
{
	struct manifest manifest = put_one();
	char path[FOLDER_PATH_MAX * 2];

	snprintf(path, sizeof(path), "%s/ready/%s.json", dir, manifest.name);
	cr_assert_eq(unlink(path), 0);
	expect_corrupt(&manifest, false);
}

Test(spool, capture_with_damaged_manifest)
{
	struct manifest manifest = put_one();

	write_in("ready", manifest.name, ".json", "{\"version\":1,");
	expect_corrupt(&manifest, true);
}

Test(spool, capture_with_huge_manifest)
{
	struct manifest manifest = put_one();
	char *text = malloc(MANIFEST_BYTES_MAX + 2);

	memset(text, ' ', MANIFEST_BYTES_MAX + 1);
	text[MANIFEST_BYTES_MAX + 1] = '\0';
	write_in("ready", manifest.name, ".json", text);
	free(text);
	expect_corrupt(&manifest, true);
}

Test(spool, capture_of_another_size)
{
	struct manifest manifest = put_one();

	write_in("ready", manifest.name, "", "{\"a\":");
	expect_corrupt(&manifest, true);
}

Test(spool, capture_under_another_name)
{
	struct manifest manifest = put_one(), other = manifest;
	char from[FOLDER_PATH_MAX * 2], to[FOLDER_PATH_MAX * 2];

	snprintf(other.name, sizeof(other.name), "renamed.heapsnapshot");
	snprintf(from, sizeof(from), "%s/ready/%s", dir, manifest.name);
	snprintf(to, sizeof(to), "%s/ready/%s", dir, other.name);
	cr_assert_eq(rename(from, to), 0);
	strcat(from, ".json");
	strcat(to, ".json");
	cr_assert_eq(rename(from, to), 0);
	expect_corrupt(&other, true);
}

Test(spool, symlinks_and_strangers)
{
	struct spool spool;
	char path[FOLDER_PATH_MAX];

	open_spool(&spool);
	spool_close(&spool);
	snprintf(path, sizeof(path), "%s/ready/link.heapsnapshot", dir);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof(path), "%s/ready/folder", dir);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/ready/pipe", dir);
	cr_assert_eq(mkfifo(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/ready/pipe.json", dir);
	cr_assert_eq(mkfifo(path, 0700), 0);
	write_in("ready", "notes.txt", "", "mine");
	write_in("ready", ".#abc", "", "half a manifest");
	open_spool(&spool);
	cr_expect_eq(spool.files, 0);
	cr_expect(is_in("corrupt", "link.heapsnapshot", ""));
	cr_expect(is_in("corrupt", "notes.txt", ""));
	cr_expect(is_in("corrupt", "pipe", ""));
	cr_expect(is_in("corrupt", "pipe.json", ""));
	cr_expect(is_in("ready", "folder", ""));
	cr_expect_eq(folder_count(dir, "ready"), 1);
	spool_close(&spool);
}

Test(spool, manifest_without_capture)
{
	struct manifest manifest = put_one();
	char path[FOLDER_PATH_MAX * 2];
	struct spool spool;

	snprintf(path, sizeof(path), "%s/ready/%s", dir, manifest.name);
	cr_assert_eq(unlink(path), 0);
	write_in("ready", "package", ".json", "{\"name\":\"of a stranger\"}");
	open_spool(&spool);
	cr_expect_eq(folder_count(dir, "ready"), 0);
	cr_expect_eq(folder_count(dir, "corrupt"), 1);
	cr_expect(is_in("corrupt", "package", ".json"), "not ours to delete");
	spool_close(&spool);
}

Test(spool, corrupt_keeps_both_of_a_name)
{
	struct spool spool;

	open_spool(&spool);
	spool_close(&spool);
	write_in("ready", "a.heapsnapshot", "", "first");
	open_spool(&spool);
	spool_close(&spool);
	write_in("ready", "a.heapsnapshot", "", "second");
	open_spool(&spool);
	spool_close(&spool);
	cr_expect_eq(folder_count(dir, "corrupt"), 2);
	cr_expect_eq(folder_count(dir, "ready"), 0);
}

Test(spool, an_id_twice)
{
	struct manifest manifest = put_one(), copy = manifest;
	struct spool spool;

	snprintf(copy.name, sizeof(copy.name), "copy.heapsnapshot");
	open_spool(&spool);
	cr_assert_eq(publish(&spool, &copy, "{\"a\":1}"), 0);
	spool_close(&spool);
	open_spool(&spool);
	cr_expect_eq(spool.files, 1);
	cr_expect_eq(folder_count(dir, "corrupt"), 2);
	spool_close(&spool);
}

/* ---- faults ---- */

/* In a child: its file size limit lets the manifest not be written. */
Test(spool, no_room_for_the_manifest)
{
	struct manifest manifest = manifest_of(1, "{}");
	struct spool spool;
	int status;
	pid_t pid;

	open_spool(&spool);
	pid = fork();
	if (pid == 0) {
		const struct rlimit limit = { 100, 100 };
		struct file file;

		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0 ||
		    file_begin(&file, spool.incoming_fd, 100) != 0 ||
		    file_write(&file, "{}", 2) != 0)
			_exit(1);
		_exit(spool_publish(&spool, &file, NULL, &manifest) == FILE_E_FULL ? 0 : 2);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
	cr_expect_eq(folder_count(dir, "incoming"), 0, "the capture was consumed");
	cr_expect_eq(folder_count(dir, "ready"), 0);
	spool_close(&spool);
}

/* The capture cannot take its name: the manifest must not stay alone. */
Test(spool, the_name_is_a_folder)
{
	struct manifest manifest = manifest_of(1, "{}");
	char path[FOLDER_PATH_MAX * 2];
	struct spool spool;

	open_spool(&spool);
	snprintf(path, sizeof(path), "%s/ready/%s", dir, manifest.name);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect_eq(publish(&spool, &manifest, "{}"), -EISDIR);
	cr_expect_eq(folder_count(dir, "ready"), 1);
	cr_expect_eq(folder_count(dir, "incoming"), 0);
	spool_close(&spool);
}

/* ---- room ---- */

Test(spool, room)
{
	struct manifest manifest;
	struct spool spool;
	uint64_t available;

	open_spool(&spool);
	manifest = put(&spool, 1, "12345");
	cr_expect_eq(spool_room(&spool, 1, 1), 0);

	/* All that is there could go, so a capture may take its place. */
	spool.limits = (struct spool_settings){ .max_use_bytes = 10, .max_files = 1 };
	cr_expect_eq(spool_room(&spool, 1, 10), 0);
	cr_expect_eq(spool_room(&spool, 1, 11), SPOOL_E_FULL);
	cr_expect_eq(spool_room(&spool, 2, 10), SPOOL_E_FULL);
	cr_expect_eq(spool_room(&spool, 1, UINT64_MAX), SPOOL_E_FULL);

	cr_assert_eq(spool_pin(&spool, manifest.id, true), 0);
	cr_expect_eq(spool_room(&spool, 0, 5), 0);
	cr_expect_eq(spool_room(&spool, 0, 6), SPOOL_E_FULL);
	cr_expect_eq(spool_room(&spool, 1, 0), SPOOL_E_FULL);
	spool.limits.max_files = 2;
	cr_expect_eq(spool_room(&spool, 1, 5), 0);
	spool.limits.max_use_bytes = 4;
	cr_expect_eq(spool_room(&spool, 1, 0), SPOOL_E_FULL);

	available = spool_available_bytes(&spool);
	spool.limits = (struct spool_settings){ .keep_free_bytes = available / 2 };
	cr_expect_eq(spool_room(&spool, 1, available / 4), 0);
	cr_expect_eq(spool_room(&spool, 1, available), SPOOL_E_FULL);
	spool.limits.keep_free_bytes = UINT64_MAX;
	cr_expect_eq(spool_room(&spool, 1, 0), SPOOL_E_FULL);
	spool_close(&spool);
}

Test(spool, claims)
{
	struct spool spool;

	open_spool(&spool);
	cr_expect(spool_claim(&spool, 6, 10));
	cr_expect(!spool_claim(&spool, 5, 10));
	cr_expect(spool_claim(&spool, 4, 10));
	cr_expect(!spool_claim(&spool, 1, 10));
	cr_expect(!spool_claim(&spool, UINT64_MAX, 10));
	spool_release(&spool, 6);
	cr_expect_eq(spool.claimed, 4);
	cr_expect(spool_claim(&spool, 1ull << 40, 0), "no limit");
	spool_close(&spool);
}
