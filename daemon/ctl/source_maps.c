/*
 * The source maps of a directory
 */

#include "ctl/source_maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/show.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

enum { NAME_BYTES_MAX = 256, FILES_MAX = 4096 };

/* What is read to find a map by what it says of itself. */
#define ALL_BYTES_MAX (256ull << 20)

struct source_map_file {
	char name[NAME_BYTES_MAX];
	struct source_map *map; /* owned; NULL: it is none */
};

static void warn(const struct source_maps *maps, const char *name, const char *why)
{
	struct buf buf;

	if (maps->quiet)
		return;
	buf_init(&buf, SIZE_MAX / 2);
	show_text(&buf, name);
	buf_puts(&buf, ": ");
	show_text(&buf, why);
	fprintf(stderr, "heapwatchctl: warning: source map %s\n",
		buf_text(&buf) != NULL ? buf_text(&buf) : "");
	buf_fini(&buf);
}

void source_maps_fini(struct source_maps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		source_map_free(maps->items[i].map);
	free(maps->items);
	*maps = (struct source_maps){ .n = 0 };
}

/* ---- one file ---- */

static int read_whole(int fd, size_t size, struct buf *buf)
{
	char block[1 << 16];
	ssize_t n;

	while (buf->size < size && (n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && buf_append(buf, block, (size_t)n) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* *ret_size: bytes of it. NULL: it is none, which was said; also a name that no file has. */
static struct source_map *read_map(const struct source_maps *maps, int directory, const char *name,
				   uint64_t *ret_size)
{
	struct source_map *map = NULL;
	struct err why = { .text = "" };
	struct stat status;
	struct buf buf;
	int r, fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*ret_size = 0;
	if (fd < 0) {
		if (errno != ENOENT)
			warn(maps, name, strerror(errno));
		return NULL;
	}
	buf_init(&buf, SOURCE_MAP_BYTES_MAX);
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		r = err_set(&why, -EINVAL, "not a file");
	else if (status.st_size > SOURCE_MAP_BYTES_MAX)
		r = err_set(&why, -EFBIG, "longer than %d MiB", SOURCE_MAP_BYTES_MAX >> 20);
	else
		r = read_whole(fd, (size_t)status.st_size, &buf);
	if (r == 0 && buf_text(&buf) != NULL)
		r = source_map_parse(&map, buf_text(&buf), buf.size, &why);
	if (r < 0)
		warn(maps, name, why.text[0] != '\0' ? why.text : strerror(-r));
	*ret_size = buf.size;
	buf_fini(&buf);
	close(fd);
	return map;
}

static struct source_map_file *known(const struct source_maps *maps, const char *name)
{
	for (size_t i = 0; i < maps->n; i++) {
		if (strcmp(maps->items[i].name, name) == 0)
			return &maps->items[i];
	}
	return NULL;
}

/* Read once. NULL: there is none of this name, or no memory, without which it is done as well. */
static const struct source_map *take(struct source_maps *maps, int directory, const char *name,
				     uint64_t *ret_size)
{
	struct source_map_file *found = known(maps, name);

	*ret_size = 0;
	if (found != NULL)
		return found->map;
	if (strlen(name) >= NAME_BYTES_MAX || maps->n == FILES_MAX)
		return NULL;
	if (maps->n == maps->capacity) {
		size_t capacity = maps->capacity > 0 ? maps->capacity * 2 : 32;
		struct source_map_file *items = reallocarray(maps->items, capacity, sizeof(*items));

		if (items == NULL)
			return NULL;
		maps->items = items;
		maps->capacity = capacity;
	}
	found = &maps->items[maps->n++];
	str_copy(found->name, sizeof(found->name), name);
	found->map = read_map(maps, directory, name, ret_size);
	return found->map;
}

/* ---- which one ---- */

/* Behind the last slash, without a query; false: too long, or nothing. */
static bool base_name(char ret[NAME_BYTES_MAX], const char *url, const char *suffix)
{
	size_t size = strcspn(url, "?#");
	const char *slash = memrchr(url, '/', size);
	int n;

	if (slash != NULL) {
		size -= (size_t)(slash + 1 - url);
		url = slash + 1;
	}
	n = snprintf(ret, NAME_BYTES_MAX, "%.*s%s", (int)(size < 4096 ? size : 4096), url, suffix);
	return size > 0 && n > 0 && n < NAME_BYTES_MAX;
}

static bool is_map(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".map") == 0;
}

static void read_all(struct source_maps *maps, int directory)
{
	int fd = dup(directory);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	uint64_t size, sum = 0;

	maps->all = true;
	if (dir == NULL) {
		close(fd);
		return;
	}
	while (sum < ALL_BYTES_MAX && (entry = readdir(dir)) != NULL) {
		if (!is_map(entry->d_name))
			continue;
		take(maps, directory, entry->d_name, &size);
		sum += size;
	}
	closedir(dir);
}

static const struct source_map *by_file(struct source_maps *maps, int directory, const char *name)
{
	char file[NAME_BYTES_MAX];

	if (!maps->all)
		read_all(maps, directory);
	for (size_t i = 0; i < maps->n; i++) {
		const struct source_map *map = maps->items[i].map;

		if (map != NULL && source_map_file(map) != NULL &&
		    base_name(file, source_map_file(map), "") && strcmp(file, name) == 0)
			return map;
	}
	return NULL;
}

const struct source_map *source_maps_find(struct source_maps *maps, const char *url,
					  const char *map_url)
{
	const struct source_map *ret = NULL;
	char name[NAME_BYTES_MAX];
	uint64_t size;
	int directory;

	if (maps->directory == NULL)
		return NULL;
	directory = open(maps->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		warn(maps, maps->directory, strerror(errno));
		maps->directory = NULL;
		return NULL;
	}
	if (map_url != NULL && strncmp(map_url, "data:", 5) != 0 && base_name(name, map_url, ""))
		ret = take(maps, directory, name, &size);
	if (ret == NULL && base_name(name, url, ".map"))
		ret = take(maps, directory, name, &size);
	if (ret == NULL && base_name(name, url, ""))
		ret = by_file(maps, directory, name);
	close(directory);
	return ret;
}
