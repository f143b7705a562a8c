/*
 * The writer: every limit ends a capture cleanly, the sum is that of the bytes on the disk, and
 * what is not kept leaves no trace.
 */

#include "spool/writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "spool/spool.h"
#include "util/log.h"

enum { MIB = 1024 * 1024 };

static char dir[FOLDER_PATH_MAX / 2];
static struct spool spool;
static const struct spool_settings no_limits;
static const struct writer_limits wide = { .file_max_bytes = 1ull << 40 };

static void begin(void)
{
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	folder_new(dir);
	cr_assert_eq(spool_open(&spool, dir, &no_limits), 0);
}

static void finish(void)
{
	spool_close(&spool);
	folder_remove(dir);
}

TestSuite(writer, .init = begin, .fini = finish);

/* Bytes that differ everywhere, handed over in pieces of a size that meets no border. */
static int put_bytes(struct writer *writer, size_t size)
{
	static char piece[65521];
	int r = 0;

	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (char)(i * 31 >> 3);
	while (r == 0 && size > 0) {
		size_t n = size < sizeof(piece) ? size : sizeof(piece);

		r = writer_put(writer, piece, n);
		size -= n;
	}
	return r;
}

static void sum_of_file(const char *name, char hex[DIGEST_HEX_MAX], size_t *ret_size)
{
	struct digest *digest = NULL;
	char path[FOLDER_PATH_MAX], *data;

	snprintf(path, sizeof(path), "incoming/%.100s", name);
	data = folder_read(dir, path, ret_size);
	cr_assert_not_null(data);
	cr_assert_eq(digest_new(&digest), 0);
	digest_update(digest, data, *ret_size);
	cr_assert_eq(digest_final(digest, hex), 0);
	digest_free(digest);
	free(data);
}

static void expect_written(size_t size)
{
	char sum[DIGEST_HEX_MAX] = "", again[DIGEST_HEX_MAX];
	struct writer writer;
	size_t on_disk = 0;

	cr_assert_eq(writer_open(&writer, &spool, &wide), 0);
	cr_assert_eq(put_bytes(&writer, size), 0);
	cr_assert_eq(writer_finish(&writer, sum), 0);
	sum_of_file(writer.file.name, again, &on_disk);
	cr_expect_eq(on_disk, size);
	cr_expect_str_eq(sum, again);
	cr_expect_eq(spool.claimed, size);
	writer_fini(&writer);
	cr_expect_eq(spool.claimed, 0);
	cr_expect_eq(folder_count(dir, "incoming"), 0);
	writer_fini(&writer);
}

Test(writer, sizes)
{
	expect_written(0);
	expect_written(1);
	expect_written(MIB - 1);
	expect_written(MIB);
	expect_written(MIB + 1);
	expect_written(50 * MIB + 17);
}

Test(writer, kept)
{
	char sum[DIGEST_HEX_MAX];
	struct writer writer;
	struct file file;

	cr_assert_eq(writer_open(&writer, &spool, &wide), 0);
	cr_assert_eq(put_bytes(&writer, 1000), 0);
	cr_assert_eq(writer_finish(&writer, sum), 0);
	file = writer.file;
	writer.file = (struct file){ .fd = -1 };
	writer_keep(&writer);
	writer_fini(&writer);
	cr_expect_eq(spool.claimed, 1000);
	cr_expect_eq(folder_count(dir, "incoming"), 1);
	file_abort(&file);
}

/* Writes up to size bytes within the limits: how it ends. */
static int write_within(struct writer *writer, const struct writer_limits *limits, size_t size)
{
	char sum[DIGEST_HEX_MAX];
	int r = writer_open(writer, &spool, limits);

	if (r == 0)
		r = put_bytes(writer, size);
	return r != 0 ? r : writer_finish(writer, sum);
}

static void expect_full(const struct writer_limits *limits, size_t size, const char *why)
{
	struct writer writer;

	cr_expect_eq(write_within(&writer, limits, size), FILE_E_FULL, "%s", why);
	cr_expect_not_null(writer.full);
	cr_expect_not_null(strstr(writer.full, why), "%s", writer.full);
	writer_fini(&writer);
	cr_expect_eq(spool.claimed, 0);
	cr_expect_eq(folder_count(dir, "incoming"), 0);
}

static void expect_fits(const struct writer_limits *limits, size_t size)
{
	struct writer writer;

	cr_expect_eq(write_within(&writer, limits, size), 0);
	writer_fini(&writer);
}

Test(writer, file_max)
{
	struct writer_limits limits = { .file_max_bytes = 3 * MIB };

	expect_fits(&limits, 3 * MIB);
	expect_full(&limits, 3 * MIB + 1, "file_max");
	limits.file_max_bytes = 10;
	expect_full(&limits, 11, "file_max");
}

Test(writer, max_use)
{
	struct writer_limits limits = { .file_max_bytes = 1ull << 40, .max_use_bytes = 3 * MIB };
	struct writer writer;

	expect_fits(&limits, 3 * MIB);
	expect_full(&limits, 3 * MIB + 1, "max_use");
	cr_assert(spool_claim(&spool, MIB, 0));
	limits.max_use_bytes = 2 * MIB;
	cr_expect_eq(write_within(&writer, &limits, MIB + 1), FILE_E_FULL);
	writer_fini(&writer);
	cr_expect_eq(spool.claimed, MIB, "the claim of the other stays");
}

Test(writer, keep_free)
{
	struct writer_limits limits = { .file_max_bytes = 1ull << 40,
					.keep_free_bytes = UINT64_MAX };

	expect_full(&limits, 1, "keep_free");
	limits.keep_free_bytes = 1;
	expect_fits(&limits, 2 * MIB);
}

/* Runs the function in a child: its exit code must be 0. */
static void in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
}

static int past_the_file_size_limit(void)
{
	const struct rlimit limit = { 2 * MIB + 1000, 2 * MIB + 1000 };
	struct writer writer;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	if (write_within(&writer, &wide, 3 * MIB) != FILE_E_FULL)
		return 2;
	if (strcmp(writer.full, "the disk is full") != 0)
		return 3;
	writer_fini(&writer);
	return spool.claimed == 0 && folder_count(dir, "incoming") == 0 ? 0 : 4;
}

Test(writer, past_the_file_size_limit)
{
	in_child(past_the_file_size_limit);
}

/* A real full disk where the machine lets us mount one, else the limit once more. */
static int on_a_full_disk(void)
{
	static const struct spool_settings limits;
	char path[FOLDER_PATH_MAX];
	struct writer writer;
	struct spool small;
	int r;

	snprintf(path, sizeof(path), "%s/small", dir);
	if (mkdir(path, 0700) < 0)
		return 1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", path, "tmpfs", 0, "size=2m") < 0)
		return past_the_file_size_limit();
	if (spool_open(&small, path, &limits) != 0)
		return 2;
	r = writer_open(&writer, &small, &wide);
	if (r == 0)
		r = put_bytes(&writer, 4 * MIB);
	if (r != FILE_E_FULL || strcmp(writer.full, "the disk is full") != 0)
		return 3;
	writer_fini(&writer);
	if (small.claimed != 0 || folder_count(path, "incoming") != 0)
		return 4;
	spool_close(&small);
	return 0;
}

Test(writer, on_a_full_disk)
{
	in_child(on_a_full_disk);
}
