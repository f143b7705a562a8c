/*
 * The recent past of one isolate
 *
 * `next` is where the following entry of a ring goes; until it is full the oldest entry is the
 * first, afterwards it is the one that is overwritten next. A bucket is found by its slot, the time
 * divided by its width: a gap in time is a gap in slots, and nothing is filled in.
 */

#include "watch/series.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "util/clock.h"

static const uint32_t buckets_n[WINDOWS] = {
	[WINDOW_FAST] = FAST_BUCKETS, [WINDOW_SLOW] = SLOW_BUCKETS
};

int series_init(struct series *series, uint32_t points, const uint64_t windows_ns[WINDOWS])
{
	size_t ring = points * sizeof(struct point);
	struct bucket *buckets;

	*series = (struct series){ 0 };
	if (points == 0)
		return -EINVAL;
	for (int w = 0; w < WINDOWS; w++) {
		if (windows_ns[w] < buckets_n[w])
			return -EINVAL;
	}
	series->ring = calloc(1, ring + (FAST_BUCKETS + SLOW_BUCKETS + WINDOWS) * sizeof(*buckets));
	if (series->ring == NULL)
		return -ENOMEM;
	series->capacity = points;
	buckets = (struct bucket *)(series->ring + points);
	for (int w = 0; w < WINDOWS; w++) {
		series->spans[w] = (struct span){ .ring = buckets,
						  .capacity = buckets_n[w] + 1,
						  .width_ns = windows_ns[w] / buckets_n[w] };
		buckets += buckets_n[w] + 1;
	}
	return 0;
}

uint64_t series_window_ns(const struct series *series, enum series_window window)
{
	return buckets_n[window] * series->spans[window].width_ns;
}

void series_fini(struct series *series)
{
	free(series->ring);
	*series = (struct series){ 0 };
}

static uint32_t ring_at(uint32_t capacity, uint32_t next, uint32_t count, uint32_t i)
{
	uint32_t oldest = count < capacity ? 0 : next;

	assert(i < count);
	return (uint32_t)(((uint64_t)oldest + i) % capacity);
}

/* ---- buckets ---- */

static uint32_t to_kib(uint64_t bytes)
{
	uint64_t kib = bytes / 1024;

	return kib < BUCKET_ABSENT ? (uint32_t)kib : BUCKET_ABSENT - 1;
}

static void take_least(uint32_t *at, uint64_t bytes)
{
	uint32_t kib = to_kib(bytes);

	if (kib < *at)
		*at = kib;
}

/* Within a bucket the last word of the runtime counts, and more than any guess. */
static void take_live(struct bucket *bucket, const struct reading *reading)
{
	if (reading->has_live)
		bucket->kib[SIGNAL_LIVE] = to_kib(reading->live_bytes);
	else if (!bucket->told)
		take_least(&bucket->kib[SIGNAL_LIVE], reading->point.heap_used);
	bucket->told |= reading->has_live;
}

static void take(struct bucket *bucket, const struct reading *reading)
{
	uint32_t used = to_kib(reading->point.heap_used);
	uint32_t *peak = &bucket->kib[SIGNAL_PEAK];

	take_live(bucket, reading);
	if (reading->has_external)
		take_least(&bucket->kib[SIGNAL_EXTERNAL], reading->external_bytes);
	if (reading->has_native)
		take_least(&bucket->kib[SIGNAL_NATIVE], reading->native_bytes);
	if (*peak == BUCKET_ABSENT || used > *peak)
		*peak = used;
}

static struct bucket *newest(struct span *span)
{
	return span->count > 0 ? &span->ring[(span->next + span->capacity - 1) % span->capacity]
			       : NULL;
}

static void span_add(struct span *span, const struct reading *reading)
{
	uint32_t slot = (uint32_t)(reading->point.mono_ns / span->width_ns);
	struct bucket *bucket = newest(span);

	if (bucket == NULL || bucket->slot != slot) {
		bucket = &span->ring[span->next];
		span->next = (span->next + 1) % span->capacity;
		if (span->count < span->capacity)
			span->count++;
		*bucket = (struct bucket){ .slot = slot };
		for (int i = 0; i < SIGNALS; i++)
			bucket->kib[i] = BUCKET_ABSENT;
	}
	take(bucket, reading);
}

void series_add(struct series *series, const struct reading *reading)
{
	if (series->capacity == 0 || reading->point.mono_ns < series->last_ns)
		return;
	series->last_ns = reading->point.mono_ns;
	series->ring[series->next] = reading->point;
	series->next = (series->next + 1) % series->capacity;
	if (series->count < series->capacity)
		series->count++;
	for (int w = 0; w < WINDOWS; w++)
		span_add(&series->spans[w], reading);
}

const struct point *series_at(const struct series *series, uint32_t i)
{
	return &series->ring[ring_at(series->capacity, series->next, series->count, i)];
}

uint32_t series_buckets(const struct series *series, enum series_window window)
{
	uint32_t count = series->spans[window].count;

	return count > 0 ? count - 1 : 0;
}

const struct bucket *series_bucket(const struct series *series, enum series_window window,
				   uint32_t i)
{
	const struct span *span = &series->spans[window];

	return &span->ring[ring_at(span->capacity, span->next, span->count, i)];
}

uint64_t series_bucket_ns(const struct series *series, enum series_window window,
			  const struct bucket *bucket)
{
	return bucket->slot * series->spans[window].width_ns;
}

/* ---- for people ---- */

int64_t series_wall_ms(uint64_t mono_ns, uint64_t now_mono_ns, int64_t now_wall_ms)
{
	return now_wall_ms - ((int64_t)now_mono_ns - (int64_t)mono_ns) / (int64_t)NS_PER_MS;
}

bool series_live(const struct series *series, uint64_t *ret_bytes)
{
	uint32_t n = series_buckets(series, WINDOW_FAST);

	if (n == 0)
		return false;
	*ret_bytes = 1024ull * series_bucket(series, WINDOW_FAST, n - 1)->kib[SIGNAL_LIVE];
	return true;
}

const char *series_signal_name(enum series_signal signal)
{
	static const char *const names[] = { [SIGNAL_LIVE] = "heap_live",
					     [SIGNAL_EXTERNAL] = "external_memory",
					     [SIGNAL_NATIVE] = "native_memory",
					     [SIGNAL_PEAK] = "heap_peak" };

	return names[signal];
}

const char *series_window_name(enum series_window window)
{
	static const char *const names[] = { [WINDOW_FAST] = "fast", [WINDOW_SLOW] = "slow" };

	return names[window];
}
