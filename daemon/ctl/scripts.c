/*
 * The list of scripts beside a snapshot
 */

#include "ctl/scripts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/heap_file.h"
#include "ctl/source.h"
#include "json/tree.h"
#include "util/err.h"
#include "util/str.h"

enum { PATH_BYTES_MAX = 4096 };

/* The daemon writes no longer one. */
#define LIST_MAX_BYTES (128ull << 20)

struct script {
	uint64_t id;
	char *url, *map_url; /* owned; the second may be NULL */
};

static int by_id(const void *a, const void *b)
{
	const struct script *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int add(struct scripts *scripts, const struct tree *entry)
{
	const char *id, *url;
	struct script *script = &scripts->items[scripts->n];

	if (!tree_string(entry, "scriptId", &id) || str_parse_uint(id, &script->id) < 0 ||
	    !tree_string(entry, "url", &url) || url[0] == '\0')
		return 0;
	script->url = strdup(url);
	if (script->url == NULL)
		return -ENOMEM;
	scripts->n++;
	if (!tree_string(entry, "sourceMapURL", &url) || url[0] == '\0')
		return 0;
	script->map_url = strdup(url);
	return script->map_url != NULL ? 0 : -ENOMEM;
}

static int fill(struct scripts *scripts, const struct tree *list)
{
	size_t n = tree_size(list);
	int r = 0;

	scripts->items = calloc(n + 1, sizeof(*scripts->items));
	if (scripts->items == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = add(scripts, tree_at(list, i));
	if (scripts->n > 1)
		qsort(scripts->items, scripts->n, sizeof(*scripts->items), by_id);
	return r;
}

static int parse(struct scripts *scripts, const struct v8_text *text, const char *path,
		 struct err *err)
{
	struct tree *list = NULL;
	struct err why = { .text = "too long" };
	int r = text->size <= LIST_MAX_BYTES
			? tree_parse(text->data, (size_t)text->size, &list, &why)
			: -EFBIG;

	if (r == 0 && !tree_is_array(list))
		r = err_set(&why, -EBADMSG, "not a list");
	if (r == 0) {
		r = fill(scripts, list);
		err_set(&why, r, "out of memory");
	}
	tree_free(list);
	return r == 0 ? CTL_OK
		      : source_fail(err, CTL_FAILURE, r, "%s: no list of scripts: %s", path,
				    why.text);
}

/* STEM.heapsnapshot.zst.age has STEM.scripts.json.zst.age beside it; false when it has none. */
static bool companion(char *ret, size_t size, const char *snapshot)
{
	static const char end[] = ".heapsnapshot", *const suffixes[] = { "", ".zst", ".zst.age",
									 ".age" };
	const char *found = NULL;

	for (const char *at = snapshot; (at = strstr(at, end)) != NULL; at++)
		found = at;
	for (size_t i = 0; found != NULL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		int n = snprintf(ret, size, "%.*s.scripts.json%s", (int)(found - snapshot),
				 snapshot, suffixes[i]);

		if (n > 0 && (size_t)n < size && access(ret, F_OK) == 0)
			return true;
	}
	return false;
}

int scripts_open(struct scripts *ret, const char *snapshot, const struct ctl_options *options,
		 struct err *err)
{
	const char *path = options->heap.scripts_file;
	struct heap_file file;
	char beside[PATH_BYTES_MAX];
	int exit;

	*ret = (struct scripts){ .n = 0 };
	if (path == NULL && !companion(beside, sizeof(beside), snapshot))
		return CTL_OK;
	path = path != NULL ? path : beside;
	exit = heap_file_open(&file, path, options, 0, err);
	if (exit == CTL_OK)
		exit = parse(ret, &file.text, path, err);
	heap_file_fini(&file);
	return exit;
}

void scripts_fini(struct scripts *scripts)
{
	for (size_t i = 0; i < scripts->n; i++) {
		free(scripts->items[i].url);
		free(scripts->items[i].map_url);
	}
	free(scripts->items);
	*scripts = (struct scripts){ .n = 0 };
}

static const struct script *find(const struct scripts *scripts, uint64_t id)
{
	struct script wanted = { .id = id };

	return scripts->n > 0 ? bsearch(&wanted, scripts->items, scripts->n, sizeof(wanted), by_id)
			      : NULL;
}

const char *scripts_find(const struct scripts *scripts, uint64_t id)
{
	const struct script *found = find(scripts, id);

	return found != NULL ? found->url : NULL;
}

const char *scripts_find_map(const struct scripts *scripts, uint64_t id)
{
	const struct script *found = find(scripts, id);

	return found != NULL ? found->map_url : NULL;
}
