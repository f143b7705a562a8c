/*
 * The list of scripts beside a snapshot
 */

#include "heap/scripts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "util/err.h"
#include "util/str.h"

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

int scripts_parse(struct scripts *ret, const char *text, uint64_t size, struct err *err)
{
	struct tree *list = NULL;
	int r;

	*ret = (struct scripts){ .n = 0 };
	if (size > SCRIPTS_MAX_BYTES)
		return err_set(err, -EFBIG, "too long");
	r = tree_parse(text, (size_t)size, &list, err);
	if (r == 0 && !tree_is_array(list))
		r = err_set(err, -EBADMSG, "not a list");
	if (r == 0) {
		r = fill(ret, list);
		err_set(err, r, "out of memory");
	}
	tree_free(list);
	return r;
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
