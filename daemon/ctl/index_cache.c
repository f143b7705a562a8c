/*
 * The cache of indexes
 */

#include "ctl/index_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_BYTES_MAX (16ull << 30)

struct oldest {
	char name[NAME_MAX + 1];
	struct timespec time;
	uint64_t bytes;
};

static int join(char *ret, size_t size, const char *base, const char *below)
{
	int n = snprintf(ret, size, "%s%s", base, below);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int make(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int index_cache_folder(char *ret, size_t size)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	bool has_base = base != NULL && base[0] == '/';
	int r = has_base || (home != NULL && home[0] == '/') ? 0 : -ENOENT;

	if (r == 0)
		r = has_base ? join(ret, size, base, "") : join(ret, size, home, "/.cache");
	if (r == 0)
		r = make(ret);
	if (r == 0)
		r = join(ret, size, has_base ? base : home,
			 has_base ? "/heapwatch" : "/.cache/heapwatch");
	return r == 0 ? make(ret) : r;
}

static bool is_index(const char *name)
{
	static const char end[] = ".heapindex";
	size_t n = strlen(name);

	return n >= sizeof(end) && strcmp(name + n - (sizeof(end) - 1), end) == 0;
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* The bytes of all, and which of them was not used for the longest time: bytes is 0 for none. */
static uint64_t survey(DIR *folder, struct oldest *ret)
{
	const struct dirent *entry;
	uint64_t sum = 0;

	*ret = (struct oldest){ .bytes = 0 };
	rewinddir(folder);
	while ((entry = readdir(folder)) != NULL) {
		struct stat status;

		if (!is_index(entry->d_name) ||
		    fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
		    status.st_size <= 0)
			continue;
		sum += (uint64_t)status.st_size;
		if (ret->bytes > 0 && !is_older(&status.st_atim, &ret->time))
			continue;
		snprintf(ret->name, sizeof(ret->name), "%s", entry->d_name);
		ret->time = status.st_atim;
		ret->bytes = (uint64_t)status.st_size;
	}
	return sum;
}

int index_cache_make_room(int folder, uint64_t bytes)
{
	int r = 0, own = dup(folder);
	DIR *list = own >= 0 ? fdopendir(own) : NULL;
	struct oldest oldest;

	if (list == NULL) {
		r = -errno;
		if (own >= 0)
			close(own);
		return r;
	}
	while (r == 0 && survey(list, &oldest) + bytes > CACHE_BYTES_MAX) {
		if (oldest.bytes == 0)
			r = -ENOSPC;
		else if (unlinkat(folder, oldest.name, 0) < 0)
			r = -errno;
	}
	closedir(list);
	return r;
}
