/*
 * The isolates of a target: the main thread and its workers, each with its last sample and its
 * past.
 *
 * One that nothing is told of any more is missing, which is not gone: its name is its own for as
 * long as the program lives (a thread id, a page's number), so that its past is told again from
 * that of any other when the connection is back.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"
#include "util/str.h"
#include "watch/program.h"
#include "watch/target.h"
#include "watch/target_process.h"

static struct isolate *find(const struct link *list, const char *name)
{
	list_each (link, list) {
		struct isolate *isolate = container_of(link, struct isolate, link);

		if (strcmp(isolate->name, name) == 0)
			return isolate;
	}
	return NULL;
}

struct isolate *target_find_isolate(const struct target *target, const char *name)
{
	return find(&target->isolates, name);
}

struct isolate *target_find_missing(const struct target *target, const char *name)
{
	return find(&target->missing, name);
}

/*
 * The program's start for its main thread; others begin when they are first seen. If by the wall
 * clock, then once: setting that clock later changes nothing.
 */
static int64_t start_of(const struct target *target, const char *name)
{
	int64_t now_ns = (int64_t)clock_mono_ns(), age_ms;

	if (strcmp(name, "main") != 0)
		return now_ns;
	if (target->identity.start_mono_ms != 0)
		return target->identity.start_mono_ms * (int64_t)NS_PER_MS;
	if (target->identity.start_wall_ms <= 0)
		return now_ns;
	age_ms = clock_wall_ms() - target->identity.start_wall_ms;
	return age_ms > 0 ? now_ns - age_ms * (int64_t)NS_PER_MS : now_ns;
}

static void isolate_free(struct isolate *isolate)
{
	link_remove(&isolate->link);
	series_fini(&isolate->series);
	free(isolate->gc);
	free(isolate);
}

static void drop_missing(struct target *target, struct isolate *isolate)
{
	target->missing_n--;
	isolate_free(isolate);
}

static struct isolate *longest_missing(const struct target *target)
{
	return container_of(target->missing.next, struct isolate, link);
}

/* NULL: nothing of that name is missing. */
static struct isolate *come_back(struct target *target, const char *name)
{
	struct isolate *isolate = target_find_missing(target, name);

	if (isolate == NULL)
		return NULL;
	link_remove(&isolate->link);
	list_append(&target->isolates, &isolate->link);
	target->missing_n--;
	target->isolates_n++;
	return isolate;
}

struct isolate *target_need_isolate(struct target *target, const char *name)
{
	struct isolate *isolate = target_find_isolate(target, name);

	if (isolate == NULL)
		isolate = come_back(target, name);
	if (isolate != NULL)
		return isolate;
	if (target->isolates_n >= target->targets->isolates_max)
		return NULL;
	/* Those that are there come first. */
	if (target->isolates_n + target->missing_n >= target->targets->isolates_max)
		drop_missing(target, longest_missing(target));
	isolate = calloc(1, sizeof(*isolate));
	if (isolate == NULL)
		return NULL;
	link_init(&isolate->link);
	if (series_init(&isolate->series, target->targets->series_points,
			target->targets->windows_ns) < 0) {
		free(isolate);
		return NULL;
	}
	str_copy(isolate->name, sizeof(isolate->name), name);
	isolate->start_ns = start_of(target, name);
	isolate->seen_wall_ms = clock_wall_ms();
	list_append(&target->isolates, &isolate->link);
	target->isolates_n++;
	return isolate;
}

bool isolate_value(const struct isolate *isolate, enum sample_field field, uint64_t *ret)
{
	bool told = sample_has(&isolate->last, field);

	*ret = told ? isolate->last.value[field] : isolate->profiled_bytes;
	return told || (field == SAMPLE_ALLOCATED && isolate->profiled);
}

struct isolate *target_main_isolate(const struct target *target)
{
	struct isolate *isolate = target_find_isolate(target, "main");

	if (isolate == NULL && !list_empty(&target->isolates))
		isolate = container_of(target->isolates.next, struct isolate, link);
	return isolate;
}

void target_drop_isolate(struct target *target, struct isolate *isolate)
{
	target->isolates_n--;
	isolate_free(isolate);
}

void target_miss_isolate(struct target *target, struct isolate *isolate)
{
	const struct program program = program_of(&target->identity);

	if (!program_is_known(&program)) {
		target_drop_isolate(target, isolate);
		return;
	}
	link_remove(&isolate->link);
	list_append(&target->missing, &isolate->link);
	target->isolates_n--;
	target->missing_n++;
	isolate->missed_ns = clock_mono_ns();
	isolate->last.present = 0;
	isolate->last.spaces_n = 0;
}

/* What is older than the longest window says nothing any more. */
static bool is_outdated(const struct isolate *isolate)
{
	return clock_mono_ns() - isolate->missed_ns >=
	       series_window_ns(&isolate->series, WINDOW_SLOW);
}

void target_miss_workers(struct target *target)
{
	target_drop_workers(target, 0);
	list_each_safe (link, &target->isolates) {
		struct isolate *isolate = container_of(link, struct isolate, link);

		if (strcmp(isolate->name, "main") != 0)
			target_miss_isolate(target, isolate);
	}
}

/*
 * A program that is just back has until its next polls to tell of all its workers. What it has not
 * told of by then has ended, while nobody was there to hear it.
 */
void target_drop_workers(struct target *target, uint64_t since_ns)
{
	bool settled = target->back_ns != 0 && target->back_ns < since_ns;

	list_each_safe (link, &target->isolates) {
		struct isolate *isolate = container_of(link, struct isolate, link);

		if (settled && strcmp(isolate->name, "main") != 0 &&
		    isolate->last.mono_ns < since_ns)
			target_drop_isolate(target, isolate);
	}
	list_each_safe (link, &target->missing) {
		struct isolate *isolate = container_of(link, struct isolate, link);

		if (is_outdated(isolate) || (settled && isolate->missed_ns < target->back_ns))
			drop_missing(target, isolate);
	}
}

void target_forget_missing(struct target *target, const char *name)
{
	struct isolate *isolate = target_find_missing(target, name);

	if (isolate != NULL)
		drop_missing(target, isolate);
}

void target_drop_missing(struct target *target)
{
	list_each_safe (link, &target->missing)
		drop_missing(target, container_of(link, struct isolate, link));
}

void target_drop_isolates(struct target *target)
{
	target_drop_missing(target);
	list_each_safe (link, &target->isolates)
		target_drop_isolate(target, container_of(link, struct isolate, link));
}

/* ---- samples ---- */

/* What of the process is neither heap nor held by it, all isolates taken together. */
static bool native_bytes(const struct target *target, uint64_t *ret)
{
	uint64_t resident =
		target->process.present ? target->process.resident_bytes : target->rss_bytes;
	uint64_t known = 0;

	if (resident == 0)
		return false;
	list_each (link, &target->isolates) {
		const struct sample *last = &container_of(link, struct isolate, link)->last;

		if (last->pid != 0)
			return false; /* each has a process of its own */
		known += sample_has(last, SAMPLE_HEAP_SIZE) ? last->value[SAMPLE_HEAP_SIZE] : 0;
		known += sample_has(last, SAMPLE_EXTERNAL) ? last->value[SAMPLE_EXTERNAL] : 0;
	}
	*ret = resident > known ? resident - known : 0;
	return true;
}

/* The process counts for its main isolate only, as of the last look at it. */
static void take_reading(struct target *target, struct isolate *isolate)
{
	const struct sample *last = &isolate->last;
	struct reading reading = {
		.point = { .mono_ns = last->mono_ns,
			   .heap_used = last->value[SAMPLE_HEAP_USED],
			   .heap_size = last->value[SAMPLE_HEAP_SIZE] },
		.live_bytes = last->value[SAMPLE_HEAP_LIVE],
		.has_live = sample_has(last, SAMPLE_HEAP_LIVE),
		.external_bytes = last->value[SAMPLE_EXTERNAL],
		.has_external = sample_has(last, SAMPLE_EXTERNAL),
	};

	if (isolate == target_main_isolate(target))
		reading.has_native = native_bytes(target, &reading.native_bytes);
	series_add(&isolate->series, &reading);
}

static bool is_told(const struct gc_stats *gc, const struct isolate *isolate)
{
	return gc != NULL && gc->has_live &&
	       (isolate->last.mono_ns <= gc->live_ns ||
		isolate->last.mono_ns - gc->live_ns <= leak_live_max_ns(&isolate->series));
}

/*
 * What is told of a collection holds until the next one: the heap has only grown since, unless
 * less is in use now. Without a next one it is too old some time: then the least in use counts, as
 * where nothing is told, and what grows is seen to grow. A forced collection is an answer to one
 * question, and others that come after it are not told, so what it left counts for the moment only.
 */
static void take_live(const struct target *target, struct isolate *isolate)
{
	struct sample *last = &isolate->last;
	uint64_t used = last->value[SAMPLE_HEAP_USED];
	const struct gc_stats *gc = target_gc_stats(target, isolate);

	if (is_told(gc, isolate))
		sample_set(last, SAMPLE_HEAP_LIVE, used < gc->live_bytes ? used : gc->live_bytes);
	else if (collect_is_live(target, isolate->name))
		sample_set(last, SAMPLE_HEAP_LIVE, used);
}

const struct gc_stats *target_gc_stats(const struct target *target, const struct isolate *isolate)
{
	return target->gc_untold[0] == '\0' ? isolate->gc : NULL;
}

void target_take_gc(struct target *target, const char *name, const struct gc_event *event)
{
	struct isolate *isolate = target_find_isolate(target, name);

	if (isolate != NULL && isolate->gc == NULL)
		isolate->gc = gc_stats_new();
	if (isolate == NULL || isolate->gc == NULL)
		return;
	isolate->gc_untold = NULL;
	gc_stats_take(isolate->gc, event);
}

int target_take_sample(struct target *target, const char *name, const struct sample *sample)
{
	struct isolate *isolate = target_need_isolate(target, name);
	bool suspected;

	if (isolate == NULL)
		return -ENOSPC;
	isolate->last = *sample;
	isolate->heap_seen_bytes = 0;
	target_isolate_read(target, isolate);
	if (!sample_has(sample, SAMPLE_HEAP_USED))
		return 0;
	take_live(target, isolate);
	take_reading(target, isolate);
	suspected = leak_is_suspected(&isolate->leak);
	leak_update(&isolate->leak, &isolate->series, isolate->start_ns,
		    target->targets->warmup_ns);
	if (!suspected && leak_is_suspected(&isolate->leak))
		target->leaks++;
	return 0;
}
