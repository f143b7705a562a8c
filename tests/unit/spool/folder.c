/*
 * Folders of tests
 */

#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "folder: %s: %s\n", what, strerror(errno));
	abort();
}

void folder_new(char dir[FOLDER_PATH_MAX / 2])
{
	const char *top = getenv("TMPDIR");

	snprintf(dir, FOLDER_PATH_MAX / 2, "%s/captureXXXXXX", top != NULL ? top : "/tmp");
	must(mkdtemp(dir) != NULL, "mkdtemp");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void folder_remove(const char *dir)
{
	must(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, dir);
}

static void path_of(char dst[FOLDER_PATH_MAX], const char *dir, const char *name)
{
	must(snprintf(dst, FOLDER_PATH_MAX, "%s/%s", dir, name) < FOLDER_PATH_MAX, "path");
}

char *folder_read(const char *dir, const char *name, size_t *ret_size)
{
	char path[FOLDER_PATH_MAX], *data = NULL;
	size_t size = 0;

	path_of(path, dir, name);
	if (file_read(path, 64 * 1024 * 1024, &data, &size) < 0)
		return NULL;
	if (ret_size != NULL)
		*ret_size = size;
	return data;
}

void folder_write(const char *dir, const char *name, const void *data, size_t size)
{
	char path[FOLDER_PATH_MAX];
	FILE *file;

	path_of(path, dir, name);
	file = fopen(path, "w");
	must(file != NULL, path);
	must(fwrite(data, 1, size, file) == size, path);
	must(fclose(file) == 0, path);
}

unsigned folder_count(const char *dir, const char *name)
{
	char path[FOLDER_PATH_MAX];
	struct dirent *item;
	unsigned n = 0;
	DIR *list;

	path_of(path, dir, name);
	list = opendir(path);
	must(list != NULL, path);
	while ((item = readdir(list)) != NULL)
		n += strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0;
	closedir(list);
	return n;
}

bool folder_exists(const char *dir, const char *name)
{
	char path[FOLDER_PATH_MAX];
	struct stat st;

	path_of(path, dir, name);
	return lstat(path, &st) == 0;
}
