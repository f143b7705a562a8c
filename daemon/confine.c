/*
 * Confinement
 *
 * The order matters: what opens a file (the score for the OOM killer, the size of the address
 * space) comes before the descriptors are closed, and the filter comes last. It is an allow-list;
 * the calls are killed, not refused, because a parser that asks for a socket is no longer ours.
 */

#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/err.h"

/* linux/ioprio.h is not in every libc's headers. */
enum { IO_WHO_PROCESS = 1, IO_CLASS_IDLE = 3, IO_CLASS_SHIFT = 13 };

/* Of Linux 6.3: no memory becomes executable. */
enum { SET_MDWE = 65, MDWE_REFUSE_EXEC_GAIN = 1 };

static int failed(struct err *err, const char *call)
{
	int code = errno;

	return err_set(err, -code, "%s: %s", call, strerror(code));
}

/* ---- priority ---- */

static void offer_to_the_oom_killer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "1000", 4);
	close(fd);
}

void confine_priority(void)
{
	const struct sched_param none = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	offer_to_the_oom_killer();
	setpriority(PRIO_PROCESS, 0, 19);
	sched_setscheduler(0, SCHED_IDLE, &none);
	syscall(SYS_ioprio_set, IO_WHO_PROCESS, 0, IO_CLASS_IDLE << IO_CLASS_SHIFT);
}

/* ---- limits ---- */

/* 0 when the kernel does not tell. */
static uint64_t mapped_bytes(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int limit(int what, uint64_t value)
{
	const struct rlimit both = { value, value };

	return setrlimit(what, &both);
}

int confine_limit(const struct confine_limits *limits, struct err *err)
{
	uint64_t mapped = mapped_bytes();

	if (mapped == 0)
		return err_set(err, -EIO, "/proc/self/statm cannot be read");
	if (close_range(2, ~0U, 0) < 0)
		return failed(err, "close_range");
	if (limit(RLIMIT_AS, mapped + limits->memory_bytes) < 0 ||
	    limit(RLIMIT_CPU, limits->cpu_seconds) < 0 ||
	    limit(RLIMIT_FSIZE, limits->file_bytes) < 0 || limit(RLIMIT_NOFILE, 2) < 0 ||
	    limit(RLIMIT_NPROC, 0) < 0 || limit(RLIMIT_CORE, 0) < 0)
		return failed(err, "setrlimit");
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed(err, "prctl");
	prctl(SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); /* the filter says the same */
	return 0;
}

/* ---- calls ---- */

/*
 * Allowed whatever their arguments are. sysinfo: qsort_r() asks how much memory it may take;
 * getrandom: seeds of hash tables; the last three: abort().
 */
/* clang-format off */
static const int plain_calls[] = {
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(clock_gettime), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(getrandom),
	SCMP_SYS(exit_group),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(rt_sigprocmask),
#ifdef __SANITIZE_ADDRESS__
	SCMP_SYS(sigaltstack), /* asked for its stack before anything that does not return */
#endif
};
/* clang-format on */

static int allow(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp not_executable =
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0); /* mmap, mprotect */
	const struct scmp_arg_cmp anonymous =
		SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS);
	int r = 0;

	for (size_t i = 0; i < sizeof(plain_calls) / sizeof(plain_calls[0]) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain_calls[i], 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, not_executable,
				     anonymous);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_executable);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
				     SCMP_A0(SCMP_CMP_EQ, STDOUT_FILENO));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()),
				     SCMP_A2(SCMP_CMP_EQ, SIGABRT));
	return r;
}

int confine_calls(struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter != NULL ? allow(filter) : -ENOMEM;

	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r < 0 ? err_set(err, r, "seccomp: %s", strerror(-r)) : 0;
}
