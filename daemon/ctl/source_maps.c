/*
 * The source maps of a directory
 *
 * Its names are listed once, sorted, so that what is found does not depend on the order the file
 * system has them in, and a name that is not there costs a look at the list.
 */

#include "ctl/source_maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/show.h"
#include "util/array.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/file.h"

enum { NAME_BYTES_MAX = 256, FILES_MAX = 1 << 16 };

/* What is read to find a map by what it says of itself. */
#define ALL_BYTES_MAX (256ull << 20)

struct source_map_file {
	char *name; /* owned: in the directory */
	struct source_map *map; /* owned; NULL: it is none, or was not read */
	bool read;
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
	for (size_t i = 0; i < maps->n; i++) {
		source_map_free(maps->items[i].map);
		free(maps->items[i].name);
	}
	free(maps->items);
	free(maps->by_file);
	if (maps->listed)
		close(maps->directory_fd);
	*maps = (struct source_maps){ .n = 0 };
}

/* ---- the list ---- */

static int by_name(const void *a, const void *b)
{
	const struct source_map_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int add(struct source_maps *maps, const char *name)
{
	struct source_map_file *items =
		array_room(maps->items, maps->n, &maps->capacity, 32, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	maps->items = items;
	maps->items[maps->n] = (struct source_map_file){ .name = strdup(name) };
	if (maps->items[maps->n].name == NULL)
		return -ENOMEM;
	maps->n++;
	return 0;
}

static int list_names(struct source_maps *maps)
{
	int r = 0, fd = dup(maps->directory_fd);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (dir == NULL) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_type == DT_DIR)
			continue;
		r = maps->n < FILES_MAX ? add(maps, entry->d_name) : -EMFILE;
	}
	closedir(dir);
	if (maps->n > 1)
		qsort(maps->items, maps->n, sizeof(*maps->items), by_name);
	return r;
}

/* False: there are none, which was said. */
static bool list(struct source_maps *maps)
{
	int r;

	if (maps->listed || maps->directory == NULL)
		return maps->listed;
	maps->directory_fd = open(maps->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	maps->listed = maps->directory_fd >= 0;
	r = maps->listed ? list_names(maps) : -errno;
	if (r == -EMFILE)
		warn(maps, maps->directory, "it has more files than are looked at");
	else if (r < 0)
		warn(maps, maps->directory, strerror(-r));
	if (!maps->listed)
		maps->directory = NULL;
	return maps->listed;
}

/* ---- one file ---- */

/* Bytes of it that were read. */
static size_t read_map(const struct source_maps *maps, struct source_map_file *file)
{
	struct err why = { .text = "" };
	char *text = NULL;
	size_t size = 0;
	int r = file_read_at(maps->directory_fd, file->name, SOURCE_MAP_BYTES_MAX, &text, &size);

	file->read = true;
	if (r == -EFBIG)
		err_set(&why, r, "longer than %d MiB", SOURCE_MAP_BYTES_MAX >> 20);
	else if (r == 0)
		r = source_map_parse(&file->map, text, size, &why);
	if (r < 0)
		warn(maps, file->name, why.text[0] != '\0' ? why.text : strerror(-r));
	free(text);
	return size;
}

/* Read once. NULL: there is none of this name. */
static const struct source_map *take(struct source_maps *maps, char *name)
{
	const struct source_map_file key = { .name = name };
	struct source_map_file *found =
		maps->n > 0 ? bsearch(&key, maps->items, maps->n, sizeof(key), by_name) : NULL;

	if (found != NULL && !found->read)
		read_map(maps, found);
	return found != NULL ? found->map : NULL;
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

/* What a map says it is of. */
struct source_map_name {
	char file[NAME_BYTES_MAX];
	size_t item;
};

static int by_file_name(const void *a, const void *b)
{
	const struct source_map_name *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	if (order != 0)
		return order;
	return x->item < y->item ? -1 : x->item > y->item;
}

/* Of two that say the same, the first by its own name counts. */
static void read_all(struct source_maps *maps)
{
	uint64_t sum = 0;

	maps->by_file = calloc(maps->n + 1, sizeof(*maps->by_file));
	for (size_t i = 0; maps->by_file != NULL && i < maps->n && sum < ALL_BYTES_MAX; i++) {
		struct source_map_file *item = &maps->items[i];
		struct source_map_name *name = &maps->by_file[maps->by_file_n];

		if (!item->read && is_map(item->name))
			sum += read_map(maps, item);
		if (item->map == NULL || source_map_file(item->map) == NULL ||
		    !base_name(name->file, source_map_file(item->map), ""))
			continue;
		name->item = i;
		maps->by_file_n++;
	}
	if (maps->by_file_n > 1)
		qsort(maps->by_file, maps->by_file_n, sizeof(*maps->by_file), by_file_name);
}

static const struct source_map *by_file(struct source_maps *maps, const char *name)
{
	size_t first = 0, end;

	if (!maps->all)
		read_all(maps);
	maps->all = true;
	end = maps->by_file_n;
	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (strcmp(maps->by_file[middle].file, name) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first < maps->by_file_n && strcmp(maps->by_file[first].file, name) == 0
		       ? maps->items[maps->by_file[first].item].map
		       : NULL;
}

const struct source_map *source_maps_find(struct source_maps *maps, const char *url,
					  const char *map_url)
{
	const struct source_map *ret = NULL;
	char name[NAME_BYTES_MAX];

	if (!list(maps))
		return NULL;
	if (map_url != NULL && strncmp(map_url, "data:", 5) != 0 && base_name(name, map_url, ""))
		ret = take(maps, name);
	if (ret == NULL && base_name(name, url, ".map"))
		ret = take(maps, name);
	if (ret == NULL && base_name(name, url, ""))
		ret = by_file(maps, name);
	return ret;
}
