/*
 * Files of runtimes
 */

#include "capture/adopt_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/err.h"

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && strcmp(text + n - m, end) == 0;
}

bool adopt_parse(const char *name, struct adopt_name *ret)
{
	long long pid, thread;

	*ret = (struct adopt_name){ .profile = ends_with(name, ".heapprofile"), .thread = -1 };
	if (name[0] == '.' || (!ret->profile && !ends_with(name, ".heapsnapshot")))
		return false;
	if (sscanf(name, "Heap.%*8d.%*6d.%18lld.%18lld.", &pid, &thread) == 2 && pid > 0 &&
	    thread >= 0) {
		ret->pid = pid;
		ret->thread = thread;
	} else if (sscanf(name, "v8-heap-%*18d-%18lld.", &pid) == 1 && pid > 0) {
		ret->pid = pid;
	}
	return true;
}

struct adopt_stamp adopt_stamp_of(const struct stat *st)
{
	return (struct adopt_stamp){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
	};
}

bool adopt_same(const struct adopt_stamp *a, const struct adopt_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns;
}

static int judge(int dir_fd, const struct stat *st, struct err *err)
{
	struct stat dir;

	if (!S_ISREG(st->st_mode))
		return err_set(err, -EACCES, "it is no regular file");
	if (st->st_nlink != 1)
		return err_set(err, -EACCES, "it has another name too (a hard link)");
	if (fstat(dir_fd, &dir) < 0)
		return err_set(err, -errno, "its directory: %s", strerror(errno));
	if ((dir.st_mode & S_IWOTH) != 0 && st->st_uid != dir.st_uid && st->st_uid != 0 &&
	    st->st_uid != geteuid())
		return err_set(err, -EACCES,
			       "it belongs to user %u, in a directory that everybody may write to",
			       (unsigned)st->st_uid);
	return 0;
}

int adopt_open(int dir_fd, const char *name, int *ret_fd, struct adopt_stamp *ret_stamp,
	       struct err *err)
{
	/* O_NONBLOCK: to open a FIFO must not wait for its other end. */
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r;
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(err, -ELOOP, "it is a symbolic link");
	if (fd < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	r = fstat(fd, &st) < 0 ? err_set(err, -errno, "%s", strerror(errno))
			       : judge(dir_fd, &st, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_stamp = adopt_stamp_of(&st);
	*ret_fd = fd;
	return 0;
}

int adopt_look_at_end(int fd, int64_t size, struct err *err)
{
	char end[64];
	size_t want = size < (int64_t)sizeof(end) ? (size_t)size : sizeof(end);
	ssize_t n = pread(fd, end, want, size - (int64_t)want);

	if (n < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	while (n > 0 && strchr(" \t\r\n", end[n - 1]) != NULL)
		n--;
	if (n == 0 || end[n - 1] != '}')
		return err_set(err, -EBADMSG,
			       "it ends in the middle: whoever wrote it was killed or is at it");
	return 0;
}

bool adopt_is_snapshot(int fd)
{
	static const char head[] = "{\"snapshot\":";
	char begin[sizeof(head) - 1];

	return pread(fd, begin, sizeof(begin), 0) == (ssize_t)sizeof(begin) &&
	       memcmp(begin, head, sizeof(begin)) == 0;
}

int adopt_delete(int dir_fd, const char *name, const struct adopt_stamp *stamp)
{
	struct adopt_stamp found;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	found = adopt_stamp_of(&st);
	if (!adopt_same(&found, stamp))
		return -ESTALE;
	return unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;
}
