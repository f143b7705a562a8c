/*
 * The recent past of one isolate
 *
 * `next` is where the following point goes; until the ring is full the oldest point is the first,
 * afterwards it is the one that is overwritten next.
 */

#include "watch/series.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int series_init(struct series *series, uint32_t capacity)
{
	*series = (struct series){ 0 };
	if (capacity == 0)
		return -EINVAL;
	series->ring = calloc(capacity, sizeof(*series->ring));
	if (series->ring == NULL)
		return -ENOMEM;
	series->capacity = capacity;
	return 0;
}

void series_fini(struct series *series)
{
	free(series->ring);
	*series = (struct series){ 0 };
}

void series_add(struct series *series, const struct point *point)
{
	if (series->capacity == 0)
		return;
	series->ring[series->next] = *point;
	series->next = (series->next + 1) % series->capacity;
	if (series->count < series->capacity)
		series->count++;
}

const struct point *series_at(const struct series *series, uint32_t i)
{
	uint32_t oldest = series->count < series->capacity ? 0 : series->next;

	assert(i < series->count);
	return &series->ring[((uint64_t)oldest + i) % series->capacity];
}
