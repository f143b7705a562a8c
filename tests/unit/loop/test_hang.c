/* A process whose loop hangs ends; one whose loop turns, that was stopped or that has its last
 * things to do, does not. */

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/hang.h"
#include "util/clock.h"

/* Also a busy machine lets a process run so often. */
#define LIMIT_NS (3 * NS_PER_S)

static struct loop loop;
static struct hang_watch watch;
static int said[2];

static void nothing(uint64_t ns)
{
	uint64_t until_ns = clock_mono_ns() + ns;

	while (clock_mono_ns() < until_ns)
		usleep(10000);
}

static void turn(uint64_t ns)
{
	uint64_t until_ns = clock_mono_ns() + ns;

	while (clock_mono_ns() < until_ns)
		loop_turn(&loop, 10);
}

/* A process that does it, and whose stderr is the pipe. */
static pid_t start(void (*what)(void))
{
	pid_t pid;

	cr_assert_eq(pipe(said), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (dup2(said[1], STDERR_FILENO) < 0 || loop_init(&loop) < 0 ||
		    hang_watch_init(&watch, &loop, LIMIT_NS) < 0)
			_exit(2);
		what();
		hang_watch_fini(&watch);
		loop_fini(&loop);
		_exit(0);
	}
	close(said[1]);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void hang(void)
{
	turn(LIMIT_NS);
	for (;;)
		pause();
}

Test(hang, of_a_loop_ends_the_process_with_a_word, .timeout = 60)
{
	char text[256] = "";
	pid_t pid = start(hang);
	int status = end_of(pid);

	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %d", status);
	cr_expect_gt(read(said[0], text, sizeof(text) - 1), 0);
	cr_expect_not_null(strstr(text, "the control loop hangs"), "%s", text);
}

static void turn_and_end_slowly(void)
{
	turn(LIMIT_NS + LIMIT_NS / 2);
	hang_watch_last(&watch, 20 * LIMIT_NS);
	nothing(LIMIT_NS + LIMIT_NS / 2);
}

Test(hang, is_not_what_turns_nor_what_has_its_last_things_to_do, .timeout = 60)
{
	int status = end_of(start(turn_and_end_slowly));

	cr_expect_eq(status, 0, "status %d", status);
}

static void tell_and_turn(void)
{
	if (write(STDERR_FILENO, ".", 1) == 1)
		turn(2 * LIMIT_NS);
}

Test(hang, is_not_a_process_that_was_stopped, .timeout = 60)
{
	pid_t pid = start(tell_and_turn);
	char c;
	int status;

	cr_assert_eq(read(said[0], &c, 1), 1);
	cr_assert_eq(kill(pid, SIGSTOP), 0);
	nothing(LIMIT_NS + LIMIT_NS / 2);
	cr_assert_eq(kill(pid, SIGCONT), 0);
	status = end_of(pid);
	cr_expect_eq(status, 0, "status %d", status);
}

Test(hang, watch_that_never_was)
{
	hang_watch_fini(&watch);
	hang_watch_fini(&watch);
}
