/* Children: what they have, how they end, and that none is left. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/child.h"
#include "util/clock.h"

static struct loop loop;
static struct child child;
static struct child_end last;
static int ended, out[2];
static struct child_fds fds;

static void on_end(void *owner, const struct child_end *end)
{
	cr_expect_eq(owner, &ended);
	last = *end;
	ended++;
}

static void setup(void)
{
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	fds = (struct child_fds){ .in = open("/dev/null", O_RDONLY | O_CLOEXEC), .out = out[1] };
	cr_assert_geq(fds.in, 0);
}

static void teardown(void)
{
	child_fini(&child);
	loop_fini(&loop);
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1);
	cr_expect_eq(errno, ECHILD, "a child is left");
}

TestSuite(child, .init = setup, .fini = teardown);

static int start(const char *script)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };

	return child_start(&child, &loop, "/bin/sh", argv, &fds, on_end, &ended);
}

static void run(const char *script)
{
	uint64_t deadline_ns = clock_mono_ns() + 20 * NS_PER_S;

	cr_assert_eq(start(script), 0);
	while (ended == 0 && clock_mono_ns() < deadline_ns)
		loop_turn(&loop, 100);
	cr_assert_eq(ended, 1);
	cr_expect_eq(child.pid, 0);
}

static const char *said(void)
{
	static char text[4096];
	ssize_t n;

	close(out[1]);
	n = read(out[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

Test(child, its_exit_is_told_once)
{
	run("exit 7");
	cr_expect(last.exited);
	cr_expect_eq(last.code, 7);
	cr_expect_gt(last.peak_resident_bytes, 0);
	for (int i = 0; i < 5; i++)
		loop_turn(&loop, 1);
	cr_expect_eq(ended, 1);
}

Test(child, a_signal_is_told)
{
	run("kill -SEGV $$");
	cr_expect(!last.exited);
	cr_expect_eq(last.code, SIGSEGV);
}

Test(child, has_two_descriptors_and_no_environment)
{
	int other = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as libraries do */

	cr_assert_geq(other, 0);
	run("/bin/ls /proc/$$/fd; /usr/bin/env | /bin/grep -v -e ^PWD= -e ^SHLVL= -e ^_=");
	cr_expect_str_eq(said(), "0\n1\n");
	close(other);
}

Test(child, further_descriptors_are_in_their_order)
{
	int pair[2][2];

	/* Numbers that the child's own would write over, were they not copied aside. */
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pipe2(pair[i], O_CLOEXEC), 0);
		cr_assert_eq(write(pair[i][1], i == 0 ? "first" : "second", i == 0 ? 5 : 6),
			     i == 0 ? 5 : 6);
		close(pair[i][1]);
	}
	fds.more[0] = pair[1][0];
	fds.more[1] = pair[0][0];
	fds.more_n = 2;
	run("/bin/cat <&3; /bin/cat <&4; /bin/ls /proc/$$/fd");
	cr_expect_str_eq(said(), "secondfirst0\n1\n3\n4\n");
	close(pair[0][0]);
	close(pair[1][0]);
}

Test(child, no_signal_is_ignored_or_blocked)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	run("/bin/grep ^SigBlk /proc/self/status; kill -PIPE $$");
	cr_expect_str_eq(said(), "SigBlk:\t0000000000000000\n");
	cr_expect(!last.exited);
	cr_expect_eq(last.code, SIGPIPE);
}

Test(child, is_killed)
{
	cr_assert_eq(start("while :; do :; done"), 0);
	child_kill(&child);
	while (ended == 0)
		loop_turn(&loop, 100);
	cr_expect(!last.exited);
	cr_expect_eq(last.code, SIGKILL);
}

Test(child, fini_kills_and_waits)
{
	cr_assert_eq(start("while :; do :; done"), 0);
	child_fini(&child);
	child_fini(&child);
	loop_turn(&loop, 1);
	cr_expect_eq(ended, 0);
}

Test(child, a_program_that_is_not_there)
{
	char *argv[] = { (char *)"x", NULL };

	cr_expect_eq(child_start(&child, &loop, "/nonexistent/x", argv, &fds, on_end, &ended),
		     -ENOENT);
}
