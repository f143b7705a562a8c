/*
 * Files of indexes
 */

#include "ctl/index_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ctl/index_cache.h"
#include "util/fnv.h"
#include "util/str.h"

enum { PATH_BYTES_MAX = 4096, NODE_BYTES = 80, EDGE_BYTES = 12, SPARE = 2 };

enum place { BY_WISH, BESIDE, CACHE, PLACES };

struct name {
	char folder[PATH_BYTES_MAX];
	char file[NAME_MAX + 1];
};

/* Files of one name in different folders are told apart by a number made of the whole path. */
static bool name_apart(struct name *ret, const char *real)
{
	const char *slash = strrchr(real, '/');
	int n;

	n = snprintf(ret->file, sizeof(ret->file), "%.200s-%016" PRIx64 ".heapindex", slash + 1,
		     fnv1a_text(FNV1A_FIRST, real));
	return n > 0 && (size_t)n < sizeof(ret->file);
}

/* The daemon counts what is in its folders, and knows captures by the manifests beside them. */
static bool is_capture(const char *real)
{
	char manifest[PATH_BYTES_MAX];
	int n = snprintf(manifest, sizeof(manifest), "%s.json", real);

	return n > 0 && (size_t)n < sizeof(manifest) && access(manifest, F_OK) == 0;
}

static bool name_beside(struct name *ret, const char *real)
{
	const char *slash = strrchr(real, '/');
	int n = snprintf(ret->file, sizeof(ret->file), "%s.heapindex", slash + 1);

	if (n < 0 || (size_t)n >= sizeof(ret->file) || is_capture(real))
		return false;
	snprintf(ret->folder, sizeof(ret->folder), "%.*s", (int)(slash - real + 1), real);
	return true;
}

/* Where it would be; false: nowhere. */
static bool name_of(struct name *ret, enum place place, const char *path,
		    const struct ctl_options *options)
{
	char real[PATH_MAX];

	if ((options->heap.index != NULL) != (place == BY_WISH) || realpath(path, real) == NULL)
		return false;
	if (place == BESIDE)
		return name_beside(ret, real);
	if (place == BY_WISH)
		str_copy(ret->folder, sizeof(ret->folder), options->heap.index);
	else if (index_cache_folder(ret->folder, sizeof(ret->folder)) < 0)
		return false;
	return name_apart(ret, real);
}

/* ---- reading ---- */

/* A descriptor, or -errno. */
static int open_trusted(const struct name *name)
{
	int r, folder = open(name->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = folder < 0 ? -1
			    : openat(folder, name->file,
				     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	r = fd < 0 || fstat(fd, &status) < 0 ? -errno : 0;
	if (folder >= 0)
		close(folder);
	if (r == 0 && (!S_ISREG(status.st_mode) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
		       (status.st_uid != geteuid() && status.st_uid != 0)))
		r = -EPERM;
	if (r == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return r;
}

int index_file_read(struct heap_analysis *ret, const struct index_source *source,
		    enum heap_parts parts, unsigned threads, const struct ctl_options *options)
{
	struct name name;
	int r = -ENOENT;

	*ret = (struct heap_analysis){ .retained = NULL };
	for (int place = 0; place < PLACES && r < 0; place++) {
		int fd;

		if (!name_of(&name, (enum place)place, source->path, options))
			continue;
		fd = open_trusted(&name);
		if (fd < 0)
			continue;
		r = heap_index_read(ret, fd, &source->mark, source->text, source->text_size, parts,
				    threads);
		close(fd);
	}
	return r < 0 ? -ENOENT : 0;
}

/* ---- writing ---- */

/* It is worth less than the last free blocks of a disk. */
static int check_space(int fd, const struct heap_analysis *analysis, uint64_t *ret_bytes)
{
	struct statvfs status;

	*ret_bytes = (uint64_t)analysis->graph.nodes * NODE_BYTES +
		     (uint64_t)analysis->graph.edges_n * EDGE_BYTES;
	if (fstatvfs(fd, &status) < 0)
		return -errno;
	return (uint64_t)status.f_bavail * status.f_frsize / SPARE < *ret_bytes ? -ENOSPC : 0;
}

/* Give the file its name, in place of an older one. */
static int give_name(int fd, int folder, const char *file)
{
	char from[64], new[64];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	snprintf(new, sizeof(new), ".heapindex-%d", (int)getpid());
	if (linkat(AT_FDCWD, from, folder, new, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	if (renameat(folder, new, folder, file) == 0)
		return 0;
	unlinkat(folder, new, 0);
	return -errno;
}

static int write_there(const struct name *name, enum place place,
		       const struct heap_analysis *analysis, const struct index_source *source)
{
	int fd, r, folder = open(name->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t bytes = 0;

	if (folder < 0)
		return -errno;
	fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : check_space(fd, analysis, &bytes);
	if (r == 0 && place == CACHE)
		r = index_cache_make_room(folder, bytes);
	if (r == 0)
		r = heap_index_write(fd, analysis, &source->mark, source->text == NULL);
	if (r == 0)
		r = give_name(fd, folder, name->file);
	if (fd >= 0)
		close(fd);
	close(folder);
	return r;
}

void index_file_write(const struct heap_analysis *analysis, const struct index_source *source,
		      const struct ctl_options *options)
{
	struct name name;
	int r = -ENOENT;

	for (int place = 0; place < PLACES && r < 0; place++) {
		if (name_of(&name, (enum place)place, source->path, options))
			r = write_there(&name, (enum place)place, analysis, source);
	}
	if (r < 0 && options->heap.index != NULL && !options->quiet)
		fprintf(stderr, "heapwatchctl: --index: %s: %s\n", options->heap.index,
			strerror(-r));
}
