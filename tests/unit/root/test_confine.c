/* The confinement of the analyser, tried from the inside by a child of its own. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "util/err.h"

enum { MIB = 1 << 20 };

static const struct confine_limits wide = { 256 * MIB, 60, MIB };

/* Raw calls, so that no sanitizer and no libc is between us and the kernel. */
#define CALL(name, call)                                                                           \
	static void name(void)                                                                     \
	{                                                                                          \
		(void)call;                                                                        \
	}

CALL(try_socket, syscall(SYS_socket, AF_INET, SOCK_STREAM, 0))
CALL(try_socketpair, syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NULL))
CALL(try_connect, syscall(SYS_connect, 0, NULL, 0))
CALL(try_open, syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY))
CALL(try_unlink, syscall(SYS_unlinkat, AT_FDCWD, "/nonexistent", 0))
CALL(try_rename, syscall(SYS_renameat2, AT_FDCWD, "/a", AT_FDCWD, "/b", 0))
CALL(try_exec, syscall(SYS_execve, "/bin/true", NULL, NULL))
CALL(try_fork, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0))
CALL(try_clone3, syscall(SYS_clone3, NULL, 0))
CALL(try_kill, syscall(SYS_kill, getppid(), 0))
CALL(try_tgkill_other, syscall(SYS_tgkill, 1, 1, SIGABRT))
CALL(try_ptrace, syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0))
CALL(try_read_memory, syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0))
CALL(try_prctl, syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0))
CALL(try_limits, syscall(SYS_prlimit64, 0, RLIMIT_AS, NULL, NULL))
CALL(try_ioctl, syscall(SYS_ioctl, 0, TIOCSTI, "x"))
CALL(try_io_uring, syscall(SYS_io_uring_setup, 1, NULL))
CALL(try_dup, syscall(SYS_dup, 1))
CALL(try_write_elsewhere, syscall(SYS_write, 0, "x", 1))
CALL(try_executable,
     syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
CALL(try_map_file, syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 0))
CALL(try_make_executable, syscall(SYS_mprotect, NULL, 0, PROT_EXEC))

static const struct attempt {
	const char *name;
	void (*call)(void);
} attempts[] = {
	{ "socket", try_socket },
	{ "socketpair", try_socketpair },
	{ "connect", try_connect },
	{ "open", try_open },
	{ "unlink", try_unlink },
	{ "rename", try_rename },
	{ "exec", try_exec },
	{ "fork", try_fork },
	{ "clone3", try_clone3 },
	{ "kill", try_kill },
	{ "tgkill of another", try_tgkill_other },
	{ "ptrace", try_ptrace },
	{ "process_vm_readv", try_read_memory },
	{ "prctl", try_prctl },
	{ "prlimit", try_limits },
	{ "ioctl", try_ioctl },
	{ "io_uring", try_io_uring },
	{ "dup", try_dup },
	{ "write elsewhere", try_write_elsewhere },
	{ "executable memory", try_executable },
	{ "map a file", try_map_file },
	{ "make executable", try_make_executable },
};

/* How a child ends that is confined and then does this; -1: it could not be confined. */
static int confined(const struct confine_limits *limits, void (*call)(void))
{
	struct err err = { .text = "" };
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		confine_priority();
		if (confine_limit(limits, &err) < 0 || confine_calls(&err) < 0)
			_exit(99);
		call();
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

Test(confine, what_is_not_allowed_ends_the_process)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		int status = confined(&wide, attempts[i].call);

		cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: status %x",
			  attempts[i].name, (unsigned)status);
	}
}

static void compute(void)
{
	char *memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *more, *heap = malloc(100000);
	struct rusage usage;

	if (memory == MAP_FAILED || heap == NULL)
		_exit(1);
	more = mremap(memory, MIB, 4 * MIB, MREMAP_MAYMOVE);
	if (more == MAP_FAILED)
		_exit(2);
	memset(more, 1, 4 * MIB);
	if (madvise(more, 4 * MIB, MADV_DONTNEED) < 0 || getrusage(RUSAGE_SELF, &usage) < 0)
		_exit(3);
	munmap(more, 4 * MIB);
	free(heap);
	if (write(STDOUT_FILENO, "", 0) < 0)
		_exit(4);
}

Test(confine, what_computing_takes_is_allowed)
{
	int status = confined(&wide, compute);

	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}

static void take_too_much(void)
{
	void *memory = mmap(NULL, 300 * (size_t)MIB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	_exit(memory == MAP_FAILED ? 7 : 8);
}

Test(confine, memory_ends_at_the_limit)
{
	int status = confined(&wide, take_too_much);

	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %x", (unsigned)status);
}

static void turn(void)
{
	for (volatile unsigned i = 0;; i++)
		;
}

Test(confine, processor_time_ends_at_the_limit)
{
	const struct confine_limits limits = { 256 * MIB, 1, MIB };
	int status = confined(&limits, turn);

	cr_expect(WIFSIGNALED(status) &&
			  (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL),
		  "status %x", (unsigned)status);
}

static void write_much(void)
{
	static const char block[MIB / 4];

	for (int i = 0; i < 8; i++) {
		if (write(STDOUT_FILENO, block, sizeof(block)) < 0)
			_exit(5);
	}
}

/* A report, where that is a file. */
Test(confine, what_is_written_ends_at_the_limit)
{
	char path[] = "/tmp/confine-XXXXXX";
	int out = dup(STDOUT_FILENO), fd = mkstemp(path), status;
	struct stat st;

	cr_assert(out >= 0 && fd >= 0);
	unlink(path);
	cr_assert_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	status = confined(&wide, write_much);
	dup2(out, STDOUT_FILENO);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ, "status %x",
		  (unsigned)status);
	cr_expect_eq(st.st_size, MIB);
	close(fd);
	close(out);
}

static void end_badly(void)
{
	abort();
}

Test(confine, a_crash_is_told_from_a_forbidden_call)
{
	int status = confined(&wide, end_badly);

	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %x",
		  (unsigned)status);
}
