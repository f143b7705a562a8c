/*
 * Child processes
 *
 * posix_spawn, because fork of a process with threads and gigabytes of libraries is neither safe
 * nor fast; a pidfd, because it is a descriptor like any other: no handler of SIGCHLD, and the pid
 * cannot be somebody else's before we have waited for it.
 */

#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"

static uint64_t ns_of(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_usec * 1000;
}

/* Blocks until it has ended. */
static void reap(struct child *child, struct child_end *ret)
{
	struct rusage usage = { .ru_maxrss = 0 };
	int status = 0;

	while (wait4(child->pid, &status, 0, &usage) < 0 && errno == EINTR)
		;
	*ret = (struct child_end){
		.exited = WIFEXITED(status),
		.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
		.peak_resident_bytes = (uint64_t)usage.ru_maxrss * 1024,
		.cpu_ns = ns_of(&usage.ru_utime) + ns_of(&usage.ru_stime),
	};
	loop_fd_fini(&child->io);
	if (child->pidfd >= 0)
		close(child->pidfd);
	child->pidfd = -1;
	child->pid = 0;
}

static void on_end(void *owner, int fd, unsigned what)
{
	struct child *child = owner;
	struct child_end end;

	(void)fd;
	(void)what;
	reap(child, &end);
	child->fn(child->owner, &end);
}

/* Above all numbers the child will use, so that none is written over before it is copied. */
static int lift(const struct child_fds *fds, struct child_fds *ret)
{
	*ret = (struct child_fds){ .in = fds->in, .out = fds->out };
	for (unsigned i = 0; i < fds->more_n; i++) {
		int fd = fcntl(fds->more[i], F_DUPFD_CLOEXEC, CHILD_MORE_FIRST + CHILD_MORE_MAX);

		if (fd < 0)
			return -errno;
		ret->more[ret->more_n++] = fd;
	}
	return 0;
}

static void drop(const struct child_fds *lifted)
{
	for (unsigned i = 0; i < lifted->more_n; i++)
		close(lifted->more[i]);
}

static int set_actions(posix_spawn_file_actions_t *actions, const struct child_fds *fds)
{
	int end = fds->more_n > 0 ? CHILD_MORE_FIRST + (int)fds->more_n : STDERR_FILENO;
	int r = posix_spawn_file_actions_adddup2(actions, fds->in, STDIN_FILENO);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, fds->out, STDOUT_FILENO);
	for (unsigned i = 0; i < fds->more_n && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(actions, fds->more[i],
						     CHILD_MORE_FIRST + (int)i);
	if (r == 0 && fds->more_n > 0)
		r = posix_spawn_file_actions_addclose(actions, STDERR_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, end);
	return r;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setpgroup(attributes, 0);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
								 POSIX_SPAWN_SETSIGDEF |
								 POSIX_SPAWN_SETPGROUP);
	return r;
}

static int spawn(pid_t *ret, const char *path, char *const argv[], const struct child_fds *fds)
{
	static char *const no_env[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	r = posix_spawn_file_actions_init(&actions);
	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = set_actions(&actions, fds);
		if (r == 0)
			r = set_attributes(&attributes);
		if (r == 0)
			r = posix_spawn(ret, path, &actions, &attributes, argv, no_env);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int watch(struct child *child, struct loop *loop)
{
	int r;

	child->pidfd = pidfd_open(child->pid, 0);
	if (child->pidfd < 0)
		return -errno;
	r = loop_fd_init(&child->io, loop, child->pidfd, on_end, child);
	return r == 0 ? loop_fd_want(&child->io, LOOP_READ) : r;
}

int child_start(struct child *child, struct loop *loop, const char *path, char *const argv[],
		const struct child_fds *fds, child_fn *fn, void *owner)
{
	struct child_fds lifted;
	int r;

	*child = (struct child){ .pidfd = -1, .fn = fn, .owner = owner };
	r = lift(fds, &lifted);
	if (r == 0)
		r = spawn(&child->pid, path, argv, &lifted);
	drop(&lifted);
	if (r < 0) {
		child->pid = 0;
		return r;
	}
	r = watch(child, loop);
	if (r < 0)
		child_fini(child);
	return r;
}

void child_kill(struct child *child)
{
	if (child->pid > 0)
		kill(child->pid, SIGKILL); /* not waited for yet: the pid is still its own */
}

void child_fini(struct child *child)
{
	struct child_end end;

	if (child->pid == 0)
		return;
	child_kill(child);
	reap(child, &end);
}
