/*
 * Classes of two snapshots that have no objects in common, or not known ones
 */

#include "heap/class_growth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/map.h"

struct rows {
	struct heap_class_growth *items;
	size_t n;
	struct map by_key; /* to number + 1 */
};

static struct heap_class_growth *row_of(struct rows *rows, const struct heap_class *class)
{
	const char *key = strchr(class->key, ',') + 1;
	void *found = map_get(&rows->by_key, key);
	struct heap_class_growth *row = &rows->items[rows->n];

	if (found != NULL)
		return &rows->items[(uintptr_t)found - 1];
	row->key = strdup(key);
	if (row->key == NULL)
		return NULL;
	row->name = row->key + (class->name - key);
	rows->n++;
	return map_put(&rows->by_key, row->key, (void *)(uintptr_t)rows->n) == 0 ? row : NULL;
}

static int add(struct rows *rows, const struct heap_class_rows *from, size_t which)
{
	for (uint32_t i = 0; i < from->classes->n; i++) {
		struct heap_class_growth *row = row_of(rows, &from->classes->items[i]);

		if (row == NULL)
			return -ENOMEM;
		row->count[which] += from->rows[i].count;
		row->bytes[which] += from->rows[i].self;
	}
	return 0;
}

static int by_growth(const void *a, const void *b)
{
	const struct heap_class_growth *x = a, *y = b;
	int64_t more = (int64_t)(x->bytes[1] - x->bytes[0]);
	int64_t other = (int64_t)(y->bytes[1] - y->bytes[0]);

	if (more != other)
		return more > other ? -1 : 1;
	return strcmp(x->key, y->key);
}

int heap_class_growth(const struct heap_class_rows *base, const struct heap_class_rows *last,
		      struct heap_class_growth **ret, size_t *ret_n)
{
	struct rows rows = { .n = 0 };
	int r;

	*ret = NULL;
	*ret_n = 0;
	rows.items = calloc((size_t)base->classes->n + last->classes->n + 1, sizeof(*rows.items));
	if (rows.items == NULL)
		return -ENOMEM;
	map_init(&rows.by_key);
	r = add(&rows, base, 0);
	r = r == 0 ? add(&rows, last, 1) : r;
	map_fini(&rows.by_key);
	if (r < 0) {
		heap_class_growth_free(rows.items, rows.n);
		return r;
	}
	if (rows.n > 1)
		qsort(rows.items, rows.n, sizeof(*rows.items), by_growth);
	*ret = rows.items;
	*ret_n = rows.n;
	return 0;
}

size_t heap_class_growth_keep(struct heap_class_growth *rows, size_t n, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].name, name) == 0)
			rows[kept++] = rows[i];
		else
			free(rows[i].key);
	}
	return kept;
}

size_t heap_class_growth_changed(struct heap_class_growth *rows, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].count[0] != rows[i].count[1] || rows[i].bytes[0] != rows[i].bytes[1])
			rows[kept++] = rows[i];
		else
			free(rows[i].key);
	}
	return kept;
}

void heap_class_growth_free(struct heap_class_growth *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(rows[i].key);
	free(rows);
}
