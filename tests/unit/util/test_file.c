/*
 * Durable files: the recipe step by step. The system calls it rests on are wrapped by the linker
 * (see meson.build), so that each can fail, be cut short or be counted.
 */

#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

static struct {
	int write_errno, fsync_errno, close_errno, rename_errno; /* fail once with it */
	int fsync_after; /* successful calls before the failure */
	int interrupts; /* EINTR so many times first */
	size_t write_max; /* at most so many bytes at once; 0: all */
	char order[64]; /* letters of the calls, as they came */
	int synced_fd; /* the last one */
} plan;

ssize_t __real_write(int fd, const void *data, size_t size);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);

static void note(char letter)
{
	size_t n = strlen(plan.order);

	if (n + 1 < sizeof(plan.order))
		plan.order[n] = letter;
}

/* True when the call fails now, with errno set. */
static bool fails(int *code)
{
	if (plan.interrupts > 0) {
		plan.interrupts--;
		errno = EINTR;
		return true;
	}
	if (*code == 0)
		return false;
	errno = *code;
	*code = 0;
	return true;
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	note('w');
	if (fails(&plan.write_errno))
		return -1;
	if (plan.write_max > 0 && size > plan.write_max)
		size = plan.write_max;
	return __real_write(fd, data, size);
}

int __wrap_fsync(int fd)
{
	struct stat st;

	cr_assert_eq(fstat(fd, &st), 0);
	note(S_ISDIR(st.st_mode) ? 'D' : 'F');
	plan.synced_fd = fd;
	if (plan.fsync_after > 0) {
		plan.fsync_after--;
		return __real_fsync(fd);
	}
	return fails(&plan.fsync_errno) ? -1 : __real_fsync(fd);
}

int __wrap_close(int fd)
{
	int r = __real_close(fd);

	note('c');
	if (r == 0 && plan.close_errno != 0) {
		errno = plan.close_errno;
		plan.close_errno = 0;
		return -1;
	}
	return r;
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	note('r');
	return fails(&plan.rename_errno) ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

static char path[64];
static int dir_fd = -1, ready_fd = -1;

static void set_up(void)
{
	snprintf(path, sizeof(path), "%s/heapwatchd-test-file-XXXXXX", P_tmpdir);
	cr_assert_not_null(mkdtemp(path));
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir_fd, 0);
	cr_assert_eq(mkdirat(dir_fd, "ready", 0700), 0);
	ready_fd = openat(dir_fd, "ready", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(ready_fd, 0);
	memset(&plan, 0, sizeof(plan));
}

static void empty_dir(int fd)
{
	DIR *dir = fdopendir(dup(fd));

	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (entry->d_type == DT_REG || entry->d_type == DT_FIFO)
			unlinkat(fd, entry->d_name, 0);
	}
	closedir(dir);
}

static void tear_down(void)
{
	memset(&plan, 0, sizeof(plan));
	empty_dir(ready_fd);
	empty_dir(dir_fd);
	unlinkat(dir_fd, "ready", AT_REMOVEDIR);
	rmdir(path);
}

TestSuite(file, .init = set_up, .fini = tear_down);

/* Regular files in a directory; the name of the last one is left in `name`. */
static int count_files(int fd, char *name, size_t size)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(copy);
	int n = 0;

	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (entry->d_type != DT_REG)
			continue;
		n++;
		snprintf(name, size, "%s", entry->d_name);
	}
	closedir(dir);
	return n;
}

static void expect_content(int fd, const char *name, const char *expected)
{
	char content[128] = { 0 };
	int file_fd = openat(fd, name, O_RDONLY);

	cr_assert_geq(file_fd, 0, "no %s", name);
	cr_assert_eq(read(file_fd, content, sizeof(content) - 1), (ssize_t)strlen(expected));
	cr_assert_str_eq(content, expected);
	close(file_fd);
}

static void expect_empty(void)
{
	char name[256];

	cr_assert_eq(count_files(dir_fd, name, sizeof(name)), 0, "left %s", name);
	cr_assert_eq(count_files(ready_fd, name, sizeof(name)), 0, "left %s", name);
}

static struct file begin_with(const char *text)
{
	struct file file;

	cr_assert_eq(file_begin(&file, dir_fd, 100), 0);
	cr_assert_eq(file_write(&file, text, strlen(text)), 0);
	return file;
}

Test(file, is_born_temporary_and_private)
{
	struct file file = begin_with("half");
	char name[256];
	struct stat st;

	cr_assert_eq(count_files(dir_fd, name, sizeof(name)), 1);
	cr_assert_str_eq(name, file.name);
	cr_assert_eq(strncmp(name, ".#", 2), 0, "%s", name);
	cr_assert_eq(fstat(file.fd, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(fcntl(file.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	file_abort(&file);
	expect_empty();
	file_abort(&file);
}

Test(file, commit_syncs_in_order)
{
	struct file file = begin_with("whole");
	char name[256];

	memset(plan.order, 0, sizeof(plan.order));
	cr_assert_eq(file_commit(&file, ready_fd, "a.heapsnapshot"), 0);
	cr_assert_str_eq(plan.order, "FcrDc");
	cr_assert_eq(count_files(dir_fd, name, sizeof(name)), 0);
	expect_content(ready_fd, "a.heapsnapshot", "whole");
	cr_assert(file.fd == -1 && file.name[0] == '\0' && file.size == 5);
	file_abort(&file);
	expect_content(ready_fd, "a.heapsnapshot", "whole");
	cr_assert_eq(file_commit(&file, ready_fd, "b"), -EBADF);
}

/* Of an error the kernel tells each open file once: that of others may have told them. */
Test(file, the_folder_is_synced_by_an_open_file_of_its_own)
{
	struct file file = begin_with("whole");

	cr_assert_eq(file_commit(&file, ready_fd, "a"), 0);
	cr_expect_neq(plan.synced_fd, ready_fd);
	plan.synced_fd = ready_fd;
	cr_assert_eq(file_sync_directory(ready_fd), 0);
	cr_expect_neq(plan.synced_fd, ready_fd);
	plan.fsync_errno = EIO;
	cr_expect_eq(file_sync_directory(ready_fd), -EIO);
}

Test(file, short_and_interrupted_calls_are_repeated)
{
	struct file file;

	plan.write_max = 3;
	plan.interrupts = 2;
	file = begin_with("in small pieces");
	cr_assert_str_eq(plan.order, "wwwwwww");
	plan.interrupts = 1;
	cr_assert_eq(file_commit(&file, dir_fd, "x"), 0);
	expect_content(dir_fd, "x", "in small pieces");
}

Test(file, size_limit_is_exact)
{
	struct file file;

	cr_assert_eq(file_begin(&file, dir_fd, 8), 0);
	cr_assert_eq(file_write(&file, "12345", 5), 0);
	cr_assert_eq(file_write(&file, "6789", 4), FILE_E_FULL);
	cr_assert_eq(file.size, 5);
	cr_assert_eq(file_write(&file, "678", 3), 0);
	cr_assert_eq(file_write(&file, "", 0), 0);
	cr_assert_eq(file_write(&file, "9", 1), FILE_E_FULL);
	file_abort(&file);
	expect_empty();
}

Test(file, full_disk_is_a_condition_wherever_it_shows)
{
	static const int codes[] = { ENOSPC, EDQUOT, EFBIG };

	for (size_t i = 0; i < 3; i++) {
		struct file file = begin_with("x");

		plan.write_errno = codes[i];
		cr_assert_eq(file_write(&file, "y", 1), FILE_E_FULL);
		file_abort(&file);

		file = begin_with("x");
		plan.fsync_errno = codes[i];
		cr_assert_eq(file_commit(&file, ready_fd, "n"), FILE_E_FULL);
		expect_empty();

		file = begin_with("x");
		plan.close_errno = codes[i];
		cr_assert_eq(file_commit(&file, ready_fd, "n"), FILE_E_FULL);
		expect_empty();

		file = begin_with("x");
		plan.rename_errno = codes[i];
		cr_assert_eq(file_commit(&file, ready_fd, "n"), FILE_E_FULL);
		expect_empty();
	}
}

Test(file, other_failures_leave_nothing_behind)
{
	struct file file = begin_with("x");

	plan.write_errno = EIO;
	cr_assert_eq(file_write(&file, "y", 1), -EIO);
	plan.fsync_errno = EIO;
	cr_assert_eq(file_commit(&file, ready_fd, "n"), -EIO);
	expect_empty();

	file = begin_with("x");
	plan.close_errno = EIO;
	cr_assert_eq(file_commit(&file, ready_fd, "n"), -EIO);
	expect_empty();

	file = begin_with("x");
	plan.rename_errno = EXDEV;
	cr_assert_eq(file_commit(&file, ready_fd, "n"), -EXDEV);
	expect_empty();
}

Test(file, only_the_last_sync_leaves_doubt)
{
	struct file file = begin_with("whole");

	plan.fsync_after = 1;
	plan.fsync_errno = EIO;
	cr_assert_eq(file_commit(&file, ready_fd, "n"), FILE_E_UNSURE);
	expect_content(ready_fd, "n", "whole");
	file_abort(&file);
	expect_content(ready_fd, "n", "whole");
}

Test(file, real_size_limit_of_the_process)
{
	struct rlimit limit = { .rlim_cur = 4096, .rlim_max = RLIM_INFINITY };
	static char data[8192];
	struct file file;

	cr_assert_eq(file_begin(&file, dir_fd, UINT64_MAX), 0);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(file_write(&file, data, sizeof(data)), FILE_E_FULL);
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	file_abort(&file);
	expect_empty();
}

Test(file, begin_without_directory)
{
	struct file file;

	cr_assert_eq(file_begin(&file, -1, 10), -EBADF);
	cr_assert_eq(file.fd, -1);
	file_abort(&file);
}

Test(file, replace_is_whole_or_old)
{
	char name[256];

	cr_assert_eq(file_replace(dir_fd, "state", "one", 3), 0);
	cr_assert_eq(file_replace(dir_fd, "state", "two!", 4), 0);
	expect_content(dir_fd, "state", "two!");
	plan.write_errno = ENOSPC;
	cr_assert_eq(file_replace(dir_fd, "state", "three", 5), FILE_E_FULL);
	expect_content(dir_fd, "state", "two!");
	plan.fsync_errno = EIO;
	cr_assert_eq(file_replace(dir_fd, "state", "three", 5), -EIO);
	expect_content(dir_fd, "state", "two!");
	cr_assert_eq(count_files(dir_fd, name, sizeof(name)), 1);
}

static const char *path_of(const char *name)
{
	static char full[128];

	snprintf(full, sizeof(full), "%s/%s", path, name);
	return full;
}

Test(file, read_whole_within_limit)
{
	char *data;
	size_t size;
	static char big[10000];

	memset(big, 'b', sizeof(big));
	cr_assert_eq(file_replace(dir_fd, "big", big, sizeof(big)), 0);
	cr_assert_eq(file_read(path_of("big"), sizeof(big), &data, &size), 0);
	cr_assert_eq(size, sizeof(big));
	cr_assert_eq(memcmp(data, big, sizeof(big)), 0);
	cr_assert_eq(data[size], '\0');
	free(data);
	cr_assert_eq(file_read(path_of("big"), sizeof(big) - 1, &data, &size), -EFBIG);
	cr_assert_eq(file_read(path_of("big"), 0, &data, &size), -EFBIG);

	cr_assert_eq(file_replace(dir_fd, "none", "", 0), 0);
	cr_assert_eq(file_read(path_of("none"), 0, &data, &size), 0);
	cr_assert(size == 0 && data[0] == '\0');
	free(data);
}

Test(file, read_what_has_no_size)
{
	char *data;
	size_t size;

	cr_assert_eq(file_read("/proc/self/status", 1 << 20, &data, &size), 0);
	cr_assert_eq(strncmp(data, "Name:", 5), 0);
	cr_assert_gt(size, 100);
	free(data);
}

Test(file, read_refuses, .timeout = 20)
{
	char *data;
	size_t size;

	cr_assert_eq(file_read(path_of("missing"), 10, &data, &size), -ENOENT);
	cr_assert_eq(file_read(path, 10, &data, &size), -EISDIR);
	cr_assert_eq(mkfifo(path_of("fifo"), 0600), 0);
	cr_assert_eq(file_read(path_of("fifo"), 10, &data, &size), 0, "a FIFO must not block");
	free(data);
}

Test(file, folders_above_are_made)
{
	static char too_long[5000];
	struct stat status;

	umask(0022);
	cr_assert_eq(file_make_folder(path_of("a/b/c")), 0);
	cr_assert_eq(stat(path_of("a/b/c"), &status), 0);
	cr_expect_eq(status.st_mode, S_IFDIR | 0750);
	cr_assert_eq(stat(path_of("a/b"), &status), 0);
	cr_expect_eq(status.st_mode, S_IFDIR | 0755);
	cr_expect_eq(file_make_folder(path_of("a/b/c")), 0, "it is there");
	cr_assert_eq(file_replace(dir_fd, "plain", "x", 1), 0);
	cr_expect_eq(file_make_folder(path_of("plain/a")), -ENOTDIR);
	memset(too_long, 'a', sizeof(too_long) - 1);
	cr_expect_eq(file_make_folder(too_long), -ENAMETOOLONG);
	for (const char *const *at = (const char *const[]){ "a/b/c", "a/b", "a", NULL }; *at; at++)
		cr_expect_eq(rmdir(path_of(*at)), 0);
}
