/*
 * A kernel that fails
 *
 * Stands before libc's calls that touch files and lets the k-th of a kind fail, be cut short, be
 * slow, or be the last thing the process does. Only files below one folder are concerned, and
 * connections to the one peer that is named. As a library it is preloaded into a daemon; linked
 * into a program of the tests it does the same there, before the sanitizer's own.
 *
 * With HEAPWATCH_FAULT_LOG it also writes down, while armed, what was done to the files: a line
 * `WHAT<tab>PATH<tab>TO<tab>BYTES` and so many bytes, which power.py reads.
 */

#include "control.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The function of the same name that would have been called without us. */
#define REAL(name) ((__typeof__(&name))real(#name))

enum { CONTROL_MODE = 0600, PATH_BYTES = 512 };

static struct fault_control *control;
static int log_fd = -1;

static const char *const kind_names[] = {
	[FAULT_OPEN] = "open",         [FAULT_WRITE] = "write",
	[FAULT_FSYNC] = "fsync",       [FAULT_FDATASYNC] = "fdatasync",
	[FAULT_CLOSE] = "close",       [FAULT_SYNC_RANGE] = "sync_file_range",
	[FAULT_RENAME] = "rename",     [FAULT_UNLINK] = "unlink",
	[FAULT_MKDIR] = "mkdir",       [FAULT_STATVFS] = "statvfs",
	[FAULT_XATTR] = "setxattr",    [FAULT_READ] = "read",
	[FAULT_STAT] = "stat",         [FAULT_LINK] = "link",
	[FAULT_TRUNCATE] = "truncate", [FAULT_SOCKET] = "socket",
	[FAULT_CONNECT] = "connect",   [FAULT_SEND] = "send",
	[FAULT_RECV] = "recv",         [FAULT_MEMORY] = "memory",
};

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* By system calls of our own, for those of libc are what we stand before. */
__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("HEAPWATCH_FAULT_FILE");
	void *map;
	long fd;

	if (path == NULL)
		return;
	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, CONTROL_MODE);
	if (fd < 0)
		abort();
	map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
	if (map == MAP_FAILED)
		abort();
	syscall(SYS_close, fd);
	control = map;
	path = getenv("HEAPWATCH_FAULT_LOG");
	if (path != NULL)
		log_fd = (int)syscall(SYS_openat, AT_FDCWD, path,
				      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, CONTROL_MODE);
	if (path != NULL && log_fd < 0)
		abort();
}

void fault_calm(void)
{
	if (control != NULL)
		atomic_store(&control->armed, 0);
}

/* ---- which file ---- */

static void path_of_fd(int fd, char dst[PATH_BYTES])
{
	char link[32];
	long n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlinkat, AT_FDCWD, link, dst, PATH_BYTES - 1);
	dst[n < 0 ? 0 : n] = '\0';
}

static void path_at(int fd, const char *name, char dst[PATH_BYTES])
{
	size_t used = 0;

	dst[0] = '\0';
	if (name == NULL)
		return;
	if (name[0] != '/' && fd != AT_FDCWD) {
		path_of_fd(fd, dst);
		used = strlen(dst);
		if (used < PATH_BYTES - 1)
			dst[used++] = '/';
	}
	snprintf(dst + used, PATH_BYTES - used, "%s", name);
}

/* ---- what happens ---- */

static void hit(enum fault_kind kind, const char *path)
{
	atomic_fetch_add(&control->fired, 1);
	snprintf(control->what, sizeof(control->what), "%s %.300s", kind_names[kind], path);
}

static void wait_us(uint64_t us)
{
	struct timespec left = { .tv_sec = (time_t)(us / 1000000),
				 .tv_nsec = (long)(us % 1000000) * 1000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static enum fault_action judge(enum fault_kind kind, const char *path)
{
	bool asked = (control->kinds & 1u << kind) != 0;
	uint64_t n;

	if (kind < FAULT_SOCKET ? strncmp(path, control->below, strlen(control->below)) != 0
				: !asked)
		return FAULT_COUNT;
	if (control->part[0] != '\0' && strstr(path, control->part) == NULL)
		return FAULT_COUNT;
	atomic_fetch_add(&control->calls[kind], 1);
	if (!asked)
		return FAULT_COUNT;
	n = atomic_fetch_add(&control->seen, 1) + 1;
	if (n < control->nth || n > control->last || control->action == FAULT_COUNT)
		return FAULT_COUNT;
	hit(kind, path);
	if (control->action == FAULT_DELAY)
		wait_us(control->delay_us);
	if (control->action == FAULT_KILL_BEFORE)
		kill(getpid(), SIGKILL);
	return (enum fault_action)control->action;
}

static bool armed(void)
{
	return control != NULL && atomic_load(&control->armed) != 0;
}

static enum fault_action ask_fd(enum fault_kind kind, int fd)
{
	char path[PATH_BYTES];
	int error = errno;
	enum fault_action action;

	if (!armed())
		return FAULT_COUNT;
	path_of_fd(fd, path);
	action = judge(kind, path);
	errno = error;
	return action;
}

static enum fault_action ask_at(enum fault_kind kind, int fd, const char *name)
{
	char path[PATH_BYTES];
	int error = errno;
	enum fault_action action;

	if (!armed())
		return FAULT_COUNT;
	path_at(fd, name, path);
	action = judge(kind, path);
	errno = error;
	return action;
}

/* ---- which peer ---- */

static void describe_peer(const struct sockaddr *address, char dst[PATH_BYTES])
{
	char text[INET6_ADDRSTRLEN] = "";

	dst[0] = '\0';
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;

		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		snprintf(dst, PATH_BYTES, "%s:%u;", text, ntohs(v4->sin_port));
	}
}

static enum fault_action ask_peer(enum fault_kind kind, const struct sockaddr *address)
{
	char path[PATH_BYTES];
	int error = errno;
	enum fault_action action;

	if (!armed())
		return FAULT_COUNT;
	describe_peer(address, path);
	action = judge(kind, path);
	errno = error;
	return action;
}

static enum fault_action ask_connected(enum fault_kind kind, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
	} peer = { .any.sa_family = AF_UNSPEC };
	socklen_t size = sizeof(peer);
	int error = errno;

	if (!armed())
		return FAULT_COUNT;
	(void)getpeername(fd, &peer.any, &size);
	errno = error;
	return ask_peer(kind, &peer.any);
}

bool fault_allocation(void)
{
	return armed() && judge(FAULT_MEMORY, "") == FAULT_ERROR;
}

/* ---- what was done ---- */

/* At once, for threads may do something at the same time. */
static void put(const void *line, size_t line_size, const void *data, size_t size)
{
	const struct iovec parts[] = {
		{ .iov_base = (void *)line, .iov_len = line_size },
		{ .iov_base = (void *)data, .iov_len = size },
	};

	if (syscall(SYS_writev, log_fd, parts, 2) != (long)(line_size + size))
		abort();
}

static void note(const char *what, const char *path, const char *to, const void *data, size_t size)
{
	char line[2 * PATH_BYTES + 64];
	int n;

	if (strncmp(path, control->below, strlen(control->below)) != 0)
		return;
	n = snprintf(line, sizeof(line), "%s\t%s\t%s\t%zu\n", what, path, to, size);
	put(line, (size_t)n, data, size);
}

static bool noted(void)
{
	return log_fd >= 0 && armed();
}

static void note_fd(const char *what, int fd, const void *data, long size)
{
	char path[PATH_BYTES];

	if (!noted() || size < 0)
		return;
	path_of_fd(fd, path);
	note(what, path, "", data, (size_t)size);
}

static int note_at(const char *what, int fd, const char *name, int r)
{
	char path[PATH_BYTES];

	if (noted() && r >= 0) {
		path_at(fd, name, path);
		note(what, path, "", NULL, 0);
	}
	return r;
}

static int note_rename(int from_fd, const char *from, int to_fd, const char *to, int r)
{
	char path[PATH_BYTES], to_path[PATH_BYTES];

	if (noted() && r >= 0) {
		path_at(from_fd, from, path);
		path_at(to_fd, to, to_path);
		note("rename", path, to_path, NULL, 0);
	}
	return r;
}

/* No file of ours is written so; the log would not be true. */
static void never(int fd)
{
	char path[PATH_BYTES];

	path_of_fd(fd, path);
	if (noted() && strncmp(path, control->below, strlen(control->below)) == 0)
		abort();
}

static bool fails(enum fault_action action)
{
	if (action == FAULT_ERROR)
		errno = control->error;
	return action == FAULT_ERROR;
}

/* What the call came to, on its way out. */
static long out(enum fault_action action, long result)
{
	if (action == FAULT_KILL_AFTER)
		kill(getpid(), SIGKILL);
	return result;
}

/* ---- the calls ---- */

static int open_common(int fd, const char *path, int flags, mode_t mode)
{
	enum fault_action action = ask_at(FAULT_OPEN, fd, path);

	if (fails(action))
		return -1;
	return (int)out(action, note_at((flags & O_CREAT) != 0 ? "create" : "open", fd, path,
					REAL(openat)(fd, path, flags, mode)));
}

static mode_t mode_of(int flags, va_list more)
{
	return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
}

EXPORT int openat(int fd, const char *path, int flags, ...)
{
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = mode_of(flags, more);
	va_end(more);
	return open_common(fd, path, flags, mode);
}

EXPORT int open(const char *path, int flags, ...)
{
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = mode_of(flags, more);
	va_end(more);
	return open_common(AT_FDCWD, path, flags, mode);
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
	enum fault_action action = ask_fd(FAULT_WRITE, fd);
	ssize_t r;

	if (fails(action))
		return -1;
	if (action == FAULT_SHORT && size > 1)
		size /= 2;
	r = REAL(write)(fd, data, size);
	note_fd("write", fd, data, r);
	return out(action, r);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	enum fault_action action = ask_fd(FAULT_WRITE, fd);

	if (fails(action))
		return -1;
	if (action == FAULT_SHORT && size > 1)
		size /= 2;
	never(fd);
	return out(action, REAL(pwrite)(fd, data, size, at));
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int n)
{
	enum fault_action action = ask_fd(FAULT_WRITE, fd);

	if (fails(action))
		return -1;
	if (action == FAULT_SHORT && n > 1)
		n /= 2;
	never(fd);
	return out(action, REAL(writev)(fd, parts, n));
}

EXPORT ssize_t read(int fd, void *data, size_t size)
{
	enum fault_action action = ask_fd(FAULT_READ, fd);

	if (fails(action))
		return -1;
	if (action == FAULT_SHORT && size > 1)
		size /= 2;
	return out(action, REAL(read)(fd, data, size));
}

EXPORT int fsync(int fd)
{
	enum fault_action action = ask_fd(FAULT_FSYNC, fd);
	int r;

	if (fails(action))
		return -1;
	r = REAL(fsync)(fd);
	note_fd("sync", fd, NULL, r);
	return (int)out(action, r);
}

EXPORT int fdatasync(int fd)
{
	enum fault_action action = ask_fd(FAULT_FDATASYNC, fd);
	int r;

	if (fails(action))
		return -1;
	r = REAL(fdatasync)(fd);
	note_fd("sync", fd, NULL, r);
	return (int)out(action, r);
}

EXPORT int sync_file_range(int fd, off64_t at, off64_t size, unsigned flags)
{
	enum fault_action action = ask_fd(FAULT_SYNC_RANGE, fd);

	return fails(action) ? -1 : (int)out(action, REAL(sync_file_range)(fd, at, size, flags));
}

/* The descriptor is gone whatever close says. */
EXPORT int close(int fd)
{
	enum fault_action action = ask_fd(FAULT_CLOSE, fd);
	int r = REAL(close)(fd);

	return fails(action) ? -1 : (int)out(action, r);
}

EXPORT int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	enum fault_action action = ask_at(FAULT_RENAME, to_fd, to);

	if (fails(action))
		return -1;
	return (int)out(action, note_rename(from_fd, from, to_fd, to,
					    REAL(renameat2)(from_fd, from, to_fd, to, flags)));
}

EXPORT int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	enum fault_action action = ask_at(FAULT_RENAME, to_fd, to);

	if (fails(action))
		return -1;
	return (int)out(action, note_rename(from_fd, from, to_fd, to,
					    REAL(renameat)(from_fd, from, to_fd, to)));
}

EXPORT int rename(const char *from, const char *to)
{
	enum fault_action action = ask_at(FAULT_RENAME, AT_FDCWD, to);

	if (fails(action))
		return -1;
	return (int)out(action, note_rename(AT_FDCWD, from, AT_FDCWD, to, REAL(rename)(from, to)));
}

EXPORT int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	enum fault_action action = ask_at(FAULT_LINK, to_fd, to);

	if (fails(action))
		return -1;
	return (int)out(action, REAL(linkat)(from_fd, from, to_fd, to, flags));
}

EXPORT int unlinkat(int fd, const char *path, int flags)
{
	enum fault_action action = ask_at(FAULT_UNLINK, fd, path);

	if (fails(action))
		return -1;
	return (int)out(action, note_at("unlink", fd, path, REAL(unlinkat)(fd, path, flags)));
}

EXPORT int unlink(const char *path)
{
	enum fault_action action = ask_at(FAULT_UNLINK, AT_FDCWD, path);

	return fails(action) ? -1 : (int)out(action, REAL(unlink)(path));
}

EXPORT int mkdirat(int fd, const char *path, mode_t mode)
{
	enum fault_action action = ask_at(FAULT_MKDIR, fd, path);

	return fails(action) ? -1 : (int)out(action, REAL(mkdirat)(fd, path, mode));
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	enum fault_action action = ask_at(FAULT_MKDIR, AT_FDCWD, path);

	return fails(action) ? -1 : (int)out(action, REAL(mkdir)(path, mode));
}

EXPORT int fstatvfs(int fd, struct statvfs *ret)
{
	enum fault_action action = ask_fd(FAULT_STATVFS, fd);

	return fails(action) ? -1 : (int)out(action, REAL(fstatvfs)(fd, ret));
}

EXPORT int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	enum fault_action action = ask_fd(FAULT_XATTR, fd);

	if (fails(action))
		return -1;
	return (int)out(action, REAL(fsetxattr)(fd, name, value, size, flags));
}

EXPORT int fstatat(int fd, const char *path, struct stat *ret, int flags)
{
	enum fault_action action = ask_at(FAULT_STAT, fd, path);

	return fails(action) ? -1 : (int)out(action, REAL(fstatat)(fd, path, ret, flags));
}

EXPORT int fstat(int fd, struct stat *ret)
{
	enum fault_action action = ask_fd(FAULT_STAT, fd);

	return fails(action) ? -1 : (int)out(action, REAL(fstat)(fd, ret));
}

EXPORT int socket(int domain, int type, int protocol)
{
	enum fault_action action = armed() ? judge(FAULT_SOCKET, "") : FAULT_COUNT;

	return fails(action) ? -1 : REAL(socket)(domain, type, protocol);
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	enum fault_action action = ask_peer(FAULT_CONNECT, address);

	return fails(action) ? -1 : REAL(connect)(fd, address, size);
}

EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
	enum fault_action action = ask_connected(FAULT_SEND, fd);

	if (fails(action))
		return -1;
	if (action == FAULT_SHORT && size > 1)
		size /= 2;
	return REAL(send)(fd, data, size, flags);
}

EXPORT ssize_t recv(int fd, void *data, size_t size, int flags)
{
	enum fault_action action = ask_connected(FAULT_RECV, fd);

	if (fails(action))
		return -1;
	if (action == FAULT_SHORT && size > 1)
		size /= 2;
	return REAL(recv)(fd, data, size, flags);
}

EXPORT int ftruncate(int fd, off_t size)
{
	enum fault_action action = ask_fd(FAULT_TRUNCATE, fd);

	return fails(action) ? -1 : (int)out(action, REAL(ftruncate)(fd, size));
}
