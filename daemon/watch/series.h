#pragma once

/* The recent past of one isolate: a fixed ring, one allocation, nothing after init. */

#include <stddef.h>
#include <stdint.h>

struct point {
	uint64_t mono_ns;
	int64_t wall_ms;
	uint64_t heap_used, heap_size; /* bytes */
};

struct series {
	struct point *ring; /* owned */
	uint32_t capacity, next, count;
};

int series_init(struct series *series, uint32_t capacity);
void series_fini(struct series *series);
void series_add(struct series *series, const struct point *point);

/* The i-th oldest, 0 <= i < series->count. */
const struct point *series_at(const struct series *series, uint32_t i);
