/*
 * Labels
 *
 * Kept sorted by name, so that equal sets are equal arrays and looking one up is a binary search.
 */

#include "conf/labels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "util/str.h"

void labels_fini(struct labels *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		free(labels->items[i].name);
		free(labels->items[i].value);
	}
	free(labels->items);
	*labels = (struct labels){ 0 };
}

bool labels_name_ok(const char *name)
{
	if (name[0] >= '0' && name[0] <= '9')
		return false;
	return name[0] != '\0' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

/* The place of the name, or where it would stand. */
static size_t find(const struct labels *labels, const char *name, bool *ret_found)
{
	size_t low = 0, high = labels->n;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(labels->items[middle].name, name);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert(struct labels *labels, size_t at, char *name, char *value)
{
	struct label *items;

	items = reallocarray(labels->items, labels->n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	labels->items = items;
	memmove(items + at + 1, items + at, (labels->n - at) * sizeof(*items));
	items[at] = (struct label){ .name = name, .value = value };
	labels->n++;
	return 0;
}

int labels_set(struct labels *labels, const char *name, const char *value)
{
	char *copy, *name_copy;
	bool found;
	size_t at;
	int r;

	if (!labels_name_ok(name) || !str_is_utf8(value, strlen(value)))
		return -EINVAL;
	at = find(labels, name, &found);
	if (!found && labels->n == LABELS_MAX)
		return -E2BIG;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	if (found) {
		free(labels->items[at].value);
		labels->items[at].value = copy;
		return 0;
	}
	name_copy = strdup(name);
	r = name_copy ? insert(labels, at, name_copy, copy) : -ENOMEM;
	if (r < 0) {
		free(name_copy);
		free(copy);
	}
	return r;
}

int labels_read(struct labels *labels, const struct tree *object)
{
	int r = 0;

	for (void *it = tree_first(object); it != NULL && r == 0; it = tree_next(object, it)) {
		const char *value;

		if (!tree_string(tree_value(it), NULL, &value))
			return -EBADMSG;
		r = labels_set(labels, tree_name(it), value);
	}
	return r;
}

const char *labels_get(const struct labels *labels, const char *name)
{
	bool found;
	size_t at = find(labels, name, &found);

	return found ? labels->items[at].value : NULL;
}

int labels_copy(struct labels *dst, const struct labels *src)
{
	*dst = (struct labels){ 0 };
	for (size_t i = 0; i < src->n; i++) {
		int r = labels_set(dst, src->items[i].name, src->items[i].value);

		if (r < 0) {
			labels_fini(dst);
			return r;
		}
	}
	return 0;
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->items[i].name, b->items[i].name) != 0 ||
		    strcmp(a->items[i].value, b->items[i].value) != 0)
			return false;
	}
	return true;
}
