/*
 * Files of runtimes: their names, and the traps around them.
 */

#include "capture/adopt_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "util/err.h"

static char dir[FOLDER_PATH_MAX / 2];
static int dir_fd = -1;

static void begin(void)
{
	folder_new(dir);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	cr_assert_geq(dir_fd, 0);
}

static void finish(void)
{
	close(dir_fd);
	folder_remove(dir);
}

TestSuite(adopt_file, .init = begin, .fini = finish);

static void expect_name(const char *name, bool profile, int64_t pid, int64_t thread)
{
	struct adopt_name parsed;

	cr_assert(adopt_parse(name, &parsed), "%s", name);
	cr_expect_eq(parsed.profile, profile, "%s", name);
	cr_expect_eq(parsed.pid, pid, "%s", name);
	cr_expect_eq(parsed.thread, thread, "%s", name);
}

Test(adopt_file, names)
{
	struct adopt_name parsed;

	expect_name("Heap.20261125.211344.5513.0.001.heapsnapshot", false, 5513, 0);
	expect_name("Heap.20261125.211507.8185.1.002.heapprofile", true, 8185, 1);
	expect_name("v8-heap-1795641248396-6275.heapsnapshot", false, 6275, -1);
	expect_name("mine.heapsnapshot", false, 0, -1);
	expect_name("Heap.x.heapsnapshot", false, 0, -1);
	expect_name("Heap.20261125.211344.0.0.001.heapsnapshot", false, 0, -1);
	expect_name("Heap.20261125.211344.-5.0.001.heapsnapshot", false, 0, -1);
	expect_name("Heap.20261125.211344.5.-1.001.heapsnapshot", false, 0, -1);
	expect_name("v8-heap-1--7.heapsnapshot", false, 0, -1);
	cr_expect(!adopt_parse(".x.heapsnapshot", &parsed));
	cr_expect(!adopt_parse(".heapsnapshot", &parsed));
	cr_expect(!adopt_parse("x.heapsnapshot.tmp", &parsed));
	cr_expect(!adopt_parse("", &parsed));
}

Test(adopt_file, end)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ "{}", 0 },        { "{\"a\":[1]}\n \t\r\n", 0 }, { "", -EBADMSG },
		{ "\n", -EBADMSG }, { "{\"a\":[1", -EBADMSG },     { "{\"a\":[1]", -EBADMSG }
	};
	struct adopt_stamp stamp;
	struct err err;
	int fd;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		folder_write(dir, "a", cases[i].text, strlen(cases[i].text));
		cr_assert_eq(adopt_open(dir_fd, "a", &fd, &stamp, &err), 0);
		cr_expect_eq(adopt_look_at_end(fd, stamp.size, &err), cases[i].result, "%zu", i);
		close(fd);
		cr_expect_eq(adopt_look_at_end(-1, 1, &err), -EBADF);
	}
}

Test(adopt_file, deleted_only_when_it_is_the_same)
{
	struct adopt_stamp stamp;
	struct err err;
	int fd;

	folder_write(dir, "a", "{}", 2);
	cr_assert_eq(adopt_open(dir_fd, "a", &fd, &stamp, &err), 0);
	close(fd);
	folder_write(dir, "a", "{ }", 3);
	cr_expect_eq(adopt_delete(dir_fd, "a", &stamp), -ESTALE);
	cr_expect(folder_exists(dir, "a"));
	cr_assert_eq(adopt_open(dir_fd, "a", &fd, &stamp, &err), 0);
	close(fd);
	cr_expect_eq(adopt_delete(dir_fd, "a", &stamp), 0);
	cr_expect(!folder_exists(dir, "a"));
	cr_expect_eq(adopt_delete(dir_fd, "a", &stamp), -ENOENT);
	cr_expect_eq(adopt_open(dir_fd, "a", &fd, &stamp, &err), -ENOENT);
}
