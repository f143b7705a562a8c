/*
 * Where functions and classes are, by the files there are
 */

#include "ctl/places_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/heap_file.h"
#include "ctl/source.h"
#include "util/err.h"

enum { PATH_BYTES_MAX = 4096 };

static const struct source_map *find_map(void *owner, const char *url, const char *map_url)
{
	return source_maps_find(owner, url, map_url);
}

/* STEM.heapsnapshot.zst.age, or STEM.heaptimeline of it, has STEM.scripts.json.zst.age beside it;
 * false when it has none. */
static bool companion(char *ret, size_t size, const char *snapshot)
{
	static const char *const ends[] = { ".heapsnapshot", ".heaptimeline" };
	static const char *const suffixes[] = { "", ".zst", ".zst.age", ".age" };
	const char *found = NULL;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		for (const char *at = snapshot; (at = strstr(at, ends[i])) != NULL; at++)
			found = at;
	for (size_t i = 0; found != NULL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		int n = snprintf(ret, size, "%.*s.scripts.json%s", (int)(found - snapshot),
				 snapshot, suffixes[i]);

		if (n > 0 && (size_t)n < size && access(ret, F_OK) == 0)
			return true;
	}
	return false;
}

static int open_scripts(struct scripts *ret, const char *snapshot,
			const struct ctl_options *options, struct err *err)
{
	const char *path = options->heap.scripts_file;
	char beside[PATH_BYTES_MAX];
	struct err why = { .text = "" };
	struct heap_file file;
	int r, exit;

	if (path == NULL && !companion(beside, sizeof(beside), snapshot))
		return CTL_OK;
	path = path != NULL ? path : beside;
	exit = heap_file_open(&file, path, options, 0, false, err);
	if (exit == CTL_OK) {
		r = scripts_parse(ret, file.text.data, file.text.size, &why);
		if (r < 0)
			exit = source_fail(err, CTL_FAILURE, r, "%s: no list of scripts: %s", path,
					   why.text);
	}
	heap_file_fini(&file);
	return exit;
}

int places_file_open(struct places_file *ret, const char *snapshot,
		     const struct ctl_options *options, struct err *err)
{
	*ret = (struct places_file){ .maps = { .directory = options->heap.source_map_dir,
					       .quiet = options->quiet } };
	ret->places.find_map = find_map;
	ret->places.owner = &ret->maps;
	return open_scripts(&ret->places.scripts, snapshot, options, err);
}

void places_file_fini(struct places_file *file)
{
	places_fini(&file->places);
	source_maps_fini(&file->maps);
}
