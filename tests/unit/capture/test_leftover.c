/* Files that a runtime leaves behind, of a real process: deleted when they are its own, else left.
 */

#include "capture/leftover.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spool/manifest.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/procfs.h"

static const char name[] = "162289.fxsnapshot";

static char folder[] = "leftover-XXXXXX", where[PATH_MAX];
static pid_t child;
static struct manifest manifest;
static struct process_start start;

/* A program whose temporary files are in the folder. */
static void setup(void)
{
	int ready[2];
	char c;

	cr_assert_not_null(mkdtemp(folder));
	cr_assert_not_null(realpath(folder, where));
	cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		char variable[PATH_MAX + 16];

		snprintf(variable, sizeof(variable), "TMPDIR=%s", where);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execle("/bin/sleep", "sleep", "1000", NULL,
		       (char *[]){ "HOME=/x", variable, NULL });
		_exit(127);
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &c, 1), 0, "it has another environment now");
	close(ready[0]);
	manifest = (struct manifest){ .pid = child, .target = "app" };
}

static void teardown(void)
{
	char command[64];

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(leftover, .init = setup, .fini = teardown, .timeout = 60);

static void make(const char *file)
{
	char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", where, file);
	fd = open(path, O_CREAT | O_WRONLY, 0644);
	cr_assert_geq(fd, 0);
	close(fd);
}

static bool is_there(const char *file)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", where, file);
	return access(path, F_OK) == 0;
}

Test(leftover, is_deleted)
{
	make(name);
	make("162290.fxsnapshot");
	leftover_remove(&manifest, &start, name);
	cr_expect_not(is_there(name));
	cr_expect(is_there("162290.fxsnapshot"));
}

Test(leftover, of_a_process_that_came_after_it_is_left)
{
	make(name);
	start.wall_ms = 1000;
	leftover_remove(&manifest, &start, name);
	cr_expect(is_there(name));
}

Test(leftover, of_an_unknown_process_is_left)
{
	make(name);
	manifest.pid = 0;
	leftover_remove(&manifest, &start, name);
	cr_expect(is_there(name));
}

Test(leftover, a_link_is_left)
{
	char from[PATH_MAX + 64], to[PATH_MAX + 64];

	make("mine");
	snprintf(from, sizeof(from), "%s/mine", where);
	snprintf(to, sizeof(to), "%s/%s", where, name);
	cr_assert_eq(symlink(from, to), 0);
	leftover_remove(&manifest, &start, name);
	cr_expect(is_there(name) && is_there("mine"));
	cr_assert_eq(unlink(to), 0);
	cr_assert_eq(link(from, to), 0);
	leftover_remove(&manifest, &start, name);
	cr_expect(is_there(name) && is_there("mine"));
}

/* Only root can make one. */
Test(leftover, of_another_user_is_left)
{
	enum { NOBODY = 65534 };
	char path[PATH_MAX + 64];

	make(name);
	snprintf(path, sizeof(path), "%s/%s", where, name);
	if (chown(path, NOBODY, (gid_t)-1) < 0) {
		cr_assert_eq(errno, EPERM);
		return;
	}
	leftover_remove(&manifest, &start, name);
	cr_expect(is_there(name));
}

Test(leftover, a_path_is_no_name)
{
	char path[PATH_MAX + 64];

	make(name);
	snprintf(path, sizeof(path), "../%s/%s", folder, name);
	leftover_remove(&manifest, &start, path);
	cr_expect(is_there(name));
	leftover_remove(&manifest, &start, "..");
	cr_expect(is_there(name));
}

/* ---- whose name nobody knows ---- */

static char told[2048];

static void hear(const struct log_record *record)
{
	str_copy(told, sizeof(told), record->message);
}

static const char *tell(int64_t pid, int64_t since_wall_ms)
{
	told[0] = '\0';
	log_set_sink(hear);
	leftover_tell("app", "was cut off", pid, &start, since_wall_ms);
	log_set_sink(NULL);
	return told;
}

static bool is_told(const char *what)
{
	return strstr(told, what) != NULL;
}

Test(leftover, what_may_be_is_told_and_stays)
{
	char path[PATH_MAX + 64], link_path[PATH_MAX + 64];

	make(name);
	make("x1.fxsnapshot");
	make(".fxsnapshot");
	make("12.fxsnapshot.gz");
	snprintf(path, sizeof(path), "%s/%s", where, name);
	snprintf(link_path, sizeof(link_path), "%s/77.fxsnapshot", where);
	cr_assert_eq(symlink(path, link_path), 0);
	tell(child, 1000);
	cr_expect(is_told(where) && is_told(": 162289.fxsnapshot"));
	cr_expect_not(is_told("x1.") || is_told("12.") || is_told("77."));
	cr_expect(is_there(name));
}

Test(leftover, what_was_there_before_is_not_told)
{
	make(name);
	tell(child, INT64_MAX);
	cr_expect_str_empty(told);
	tell(child, 0);
	cr_expect(is_told(name));
}

Test(leftover, many_are_told_with_a_limit)
{
	char file[64];

	for (int i = 0; i < 20; i++) {
		snprintf(file, sizeof(file), "%d.fxsnapshot", 1000 + i);
		make(file);
	}
	tell(child, 0);
	cr_expect(is_told(" and more"));
	cr_expect_lt(strlen(told), 1500);
}

Test(leftover, nowhere_to_look_is_told)
{
	tell(0, 0);
	cr_expect(is_told("cannot be looked at"));
}
