/*
 * Durable files
 *
 * The order is what makes the promise: exclusive creation under a random name that begins with
 * ".#" (visibly temporary, left to be swept after a crash), writes, fsync of the content, close,
 * rename, fsync of the directory that received the name. Without the first sync a crash can leave
 * a name without content, without the last one a file that commit called done can be gone.
 *
 * The kernel reports a full disk at write, at fsync or (network file systems) at close: all three
 * give FILE_E_FULL. Past RLIMIT_FSIZE it sends SIGXFSZ, which the process has to ignore.
 */

#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/rand.h"
#include "util/str.h"

enum { FILE_NAME_RANDOM_BYTES = 12, FILE_READ_FIRST_BYTES = 4096, PATH_BYTES_MAX = 4096 };

/* What an errno of writing means to the caller. */
static int write_failure(int error)
{
	if (error == ENOSPC || error == EDQUOT || error == EFBIG)
		return FILE_E_FULL;
	return -error;
}

static int sync_fd(int fd)
{
	while (fsync(fd) < 0) {
		if (errno != EINTR)
			return write_failure(errno);
	}
	return 0;
}

int file_begin(struct file *file, int dir_fd, uint64_t size_max)
{
	char digits[2 * FILE_NAME_RANDOM_BYTES + 1];
	int r;

	*file = (struct file){ .dir_fd = dir_fd, .fd = -1, .size_max = size_max };
	r = rand_hex(digits, FILE_NAME_RANDOM_BYTES);
	if (r < 0)
		return r;
	snprintf(file->name, sizeof(file->name), ".#%s", digits);
	file->fd = openat(dir_fd, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			  0600);
	if (file->fd < 0) {
		r = write_failure(errno);
		file->name[0] = '\0';
		return r;
	}
	return 0;
}

int file_write(struct file *file, const void *data, size_t size)
{
	const char *at = data;

	if (size > file->size_max - file->size)
		return FILE_E_FULL;
	while (size > 0) {
		ssize_t n = write(file->fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? write_failure(errno) : -EIO;
		at += n;
		size -= (size_t)n;
		file->size += (uint64_t)n;
	}
	return 0;
}

/* The descriptor is gone whatever close says; EINTR after a sync has nothing left to tell. */
static int close_checked(struct file *file)
{
	int fd = file->fd;

	file->fd = -1;
	if (close(fd) < 0 && errno != EINTR)
		return write_failure(errno);
	return 0;
}

static int settle(struct file *file, int to_dir_fd, const char *name)
{
	int r = sync_fd(file->fd);

	if (r != 0)
		return r;
	r = close_checked(file);
	if (r != 0)
		return r;
	if (renameat(file->dir_fd, file->name, to_dir_fd, name) < 0)
		return write_failure(errno);
	file->name[0] = '\0';
	return 0;
}

int file_sync(struct file *file)
{
	return file->fd < 0 ? -EBADF : sync_fd(file->fd);
}

/*
 * The kernel tells each open file once of what it could not write, so one that is shared may have
 * been told on behalf of somebody else.
 */
static int open_to_sync(int dir_fd, int *ret)
{
	*ret = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? write_failure(errno) : 0;
}

int file_sync_directory(int dir_fd)
{
	int fd, r = open_to_sync(dir_fd, &fd);

	if (r == 0)
		r = sync_fd(fd);
	if (fd >= 0)
		close(fd);
	return r;
}

int file_commit(struct file *file, int to_dir_fd, const char *name)
{
	int r, fd = -1;

	if (file->fd < 0)
		return -EBADF;
	r = open_to_sync(to_dir_fd, &fd);
	if (r == 0)
		r = settle(file, to_dir_fd, name);
	if (r != 0)
		file_abort(file);
	else if (sync_fd(fd) != 0)
		r = FILE_E_UNSURE;
	if (fd >= 0)
		close(fd);
	return r;
}

void file_abort(struct file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	if (file->name[0] != '\0')
		unlinkat(file->dir_fd, file->name, 0);
	file->name[0] = '\0';
}

int file_replace(int dir_fd, const char *name, const void *data, size_t size)
{
	struct file file;
	int r;

	r = file_begin(&file, dir_fd, size);
	if (r != 0)
		return r;
	r = file_write(&file, data, size);
	if (r != 0) {
		file_abort(&file);
		return r;
	}
	return file_commit(&file, dir_fd, name);
}

/* Up to capacity bytes, or less at the end of the file; their number or -errno. */
static ssize_t read_some(int fd, char *dst, size_t capacity)
{
	size_t used = 0;

	while (used < capacity) {
		ssize_t n = read(fd, dst + used, capacity - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

/* Sizes of /proc and of growing files are not known before the end, so read until it comes. */
static int read_all(int fd, size_t max, char **ret, size_t *ret_size)
{
	size_t capacity = max < FILE_READ_FIRST_BYTES ? max : FILE_READ_FIRST_BYTES, used = 0;
	char *data = NULL;

	for (;;) {
		/* One byte over the limit tells a file that ends there from one that does not. */
		char *more = realloc(data, capacity + 1);
		ssize_t n;

		if (more == NULL) {
			free(data);
			return -ENOMEM;
		}
		data = more;
		n = read_some(fd, data + used, capacity + 1 - used);
		if (n < 0 || used + (size_t)n > max) {
			free(data);
			return n < 0 ? (int)n : -EFBIG;
		}
		used += (size_t)n;
		if (used <= capacity)
			break;
		capacity = capacity > max / 2 ? max : capacity * 2;
	}
	data[used] = '\0';
	*ret = data;
	*ret_size = used;
	return 0;
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_size)
{
	return file_read_at(AT_FDCWD, path, max, ret, ret_size);
}

bool file_is_no_text(int r)
{
	return r == -EFBIG || r == -EISDIR || r == -ENOTDIR || r == -ELOOP || r == -ENXIO;
}

int file_read_at(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_size)
{
	/* O_NONBLOCK: a FIFO put in the place of a file must not stop the daemon. */
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = read_all(fd, max, ret, ret_size);
	close(fd);
	return r;
}

int file_read_once(const char *path, char *dst, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, dst, size - 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	close(fd);
	dst[n] = '\0';
	return 0;
}

int file_nameless(const char *directory)
{
	char name[PATH_BYTES_MAX];
	int n, fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* Not every file system has them. */
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd >= 0 ? fd : -errno;
	n = snprintf(name, sizeof(name), "%s/heapwatch-XXXXXX", directory);
	if (n < 0 || (size_t)n >= sizeof(name))
		return -ENAMETOOLONG;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(name);
	return fd;
}

int file_make_folder(const char *path)
{
	char part[4096];

	if (!str_copy(part, sizeof(part), path))
		return -ENAMETOOLONG;
	for (char *p = part + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(part, 0750) < 0 && errno != EEXIST ? -errno : 0;
}
