/*
 * Sums by labels. The number of series is small beside that of targets, but bounded only by rules
 * times targets, so equal ones are found by sorting, not by comparing all with all.
 */

#include "http/prom_parts.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"

enum { SUM_LABEL_BYTES_MAX = 16 * 1024 };

struct prom_sum {
	char *labels; /* owned */
	uint64_t value;
};

void prom_sums_init(struct prom_sums *sums, struct buf *failed)
{
	*sums = (struct prom_sums){ .failed = failed };
}

static void clear(struct prom_sums *sums)
{
	for (size_t i = 0; i < sums->n; i++)
		free(sums->items[i].labels);
	sums->n = 0;
}

void prom_sums_fini(struct prom_sums *sums)
{
	clear(sums);
	free(sums->items);
	*sums = (struct prom_sums){ .failed = sums->failed };
}

static char *make_labels(const struct prom_label *labels)
{
	struct buf text;

	buf_init(&text, SUM_LABEL_BYTES_MAX);
	for (; labels->name != NULL; labels++)
		label_append(&text, 0, labels->name, labels->value);
	return buf_take(&text, NULL);
}

static int grow(struct prom_sums *sums)
{
	struct prom_sum *items =
		array_room(sums->items, sums->n, &sums->capacity, 32, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	sums->items = items;
	return 0;
}

void prom_sums_add(struct prom_sums *sums, const struct prom_label *labels, uint64_t value)
{
	char *text = make_labels(labels);

	if (text == NULL || grow(sums) < 0) {
		free(text);
		sums->failed->error = -ENOMEM;
		return;
	}
	sums->items[sums->n++] = (struct prom_sum){ text, value };
}

static int compare(const void *a, const void *b)
{
	const struct prom_sum *left = a, *right = b;

	return strcmp(left->labels, right->labels);
}

void prom_sums_write(struct prom_sums *sums, struct exposition_writer *w)
{
	if (sums->n > 0)
		qsort(sums->items, sums->n, sizeof(sums->items[0]), compare);
	for (size_t i = 0; i < sums->n;) {
		struct label_text labels = { sums->items[i].labels, strlen(sums->items[i].labels) };
		uint64_t value = 0;

		for (; i < sums->n && strcmp(sums->items[i].labels, labels.text) == 0; i++)
			value += sums->items[i].value;
		sample_uint(w, labels, NULL, value);
	}
	clear(sums);
}
