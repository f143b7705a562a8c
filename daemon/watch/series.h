#pragma once

/*
 * The recent past of one isolate, in three resolutions: every sample of the last minutes, and
 * buckets over a fast and a slow window (3 h and 24 h unless configured otherwise). One allocation
 * at init, nothing afterwards: SERIES_BYTES_MAX with the default number of points.
 *
 * Time comes in with each reading and is monotonic, so that setting the wall clock changes nothing;
 * what people are shown is reckoned back from now (series_wall_ms).
 *
 * What a bucket keeps is what tells a leak from garbage: of each signal the least value. Between
 * two collections the heap in use only grows, so its minimum is the best guess at the live set
 * where the runtime does not tell it; where it does, that is what counts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes; a reading may lack any of them. */
enum series_signal {
	SIGNAL_LIVE, /* of the heap, what is held: after a collection, or the least in use */
	SIGNAL_EXTERNAL, /* outside of the heap, held by it: buffers */
	SIGNAL_NATIVE, /* of the process, neither heap nor external */
	SIGNAL_PEAK, /* the most of the heap in use, garbage included */
	SIGNALS,
};

enum series_window { WINDOW_FAST, WINDOW_SLOW, WINDOWS };

/* One sample. */
struct point {
	uint64_t mono_ns;
	uint64_t heap_used, heap_size; /* bytes */
};

struct reading {
	struct point point;
	uint64_t live_bytes, external_bytes, native_bytes;
	bool has_live; /* the heap in use right after a full collection */
	bool has_external, has_native;
};

/* Values in KiB: 4 TiB at most. */
struct bucket {
	uint32_t slot; /* monotonic time / width */
	uint32_t kib[SIGNALS]; /* BUCKET_ABSENT where there was none */
	bool told; /* SIGNAL_LIVE is the runtime's own word */
};

#define BUCKET_ABSENT UINT32_MAX

/* A ring of buckets; the newest is still being filled. */
struct span {
	struct bucket *ring; /* in the allocation of the series */
	uint32_t capacity, next, count;
	uint64_t width_ns;
};

struct series {
	struct point *ring; /* owned, with the buckets behind it */
	uint32_t capacity, next, count;
	struct span spans[WINDOWS];
	uint64_t last_ns; /* of the last reading */
};

enum {
	SERIES_POINTS = 300, /* 25 minutes at a poll each 5 s */
	FAST_BUCKETS = 90, /* of 2 minutes */
	SLOW_BUCKETS = 96, /* of 15 minutes */
	SERIES_BYTES_MAX = 12 << 10,
};

/* Bytes of a series with so many points, itself included. */
#define SERIES_BYTES(points)                                                                       \
	(sizeof(struct series) + (points) * sizeof(struct point) +                                 \
	 (FAST_BUCKETS + SLOW_BUCKETS + 2) * sizeof(struct bucket))

_Static_assert(SERIES_BYTES(SERIES_POINTS) <= SERIES_BYTES_MAX, "what docs/CONFIG.md promises");

/* Windows in nanoseconds. 0; -EINVAL for no points or a window shorter than its buckets; -ENOMEM.
 */
int series_init(struct series *series, uint32_t points, const uint64_t windows_ns[WINDOWS]);
void series_fini(struct series *series);

/* A reading that is older than the last is left out. */
void series_add(struct series *series, const struct reading *reading);

/* The i-th oldest, 0 <= i < series->count. */
const struct point *series_at(const struct series *series, uint32_t i);

/* How many buckets are complete, and the i-th oldest of them. */
uint32_t series_buckets(const struct series *series, enum series_window window);
const struct bucket *series_bucket(const struct series *series, enum series_window window,
				   uint32_t i);

/* How far back a window reaches when it is full. */
uint64_t series_window_ns(const struct series *series, enum series_window window);

/* When a bucket began, monotonic. */
uint64_t series_bucket_ns(const struct series *series, enum series_window window,
			  const struct bucket *bucket);

/* The wall clock's time of a monotonic time, as the wall clock goes now. */
int64_t series_wall_ms(uint64_t mono_ns, uint64_t now_mono_ns, int64_t now_wall_ms);

/* The live set as of the last complete bucket, bytes. False while there is none. */
bool series_live(const struct series *series, uint64_t *ret_bytes);

const char *series_signal_name(enum series_signal signal); /* "heap_live" */
const char *series_window_name(enum series_window window); /* "fast" */
