/*
 * Vacuum
 *
 * The choice is made on a plain array of the entries, before anything is deleted, so that it can be
 * tested by itself and explained: each entry ends with the limit that it has to go for.
 */

#include "spool/vacuum.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "spool/spool.h"
#include "util/clock.h"

/* Start times that a runtime tells are this far off from one reading to the next. */
enum { SAME_START_MS = 2000 };

struct candidate {
	struct spool_entry *entry;
	size_t order; /* of coming */
	bool protected;
	bool surplus; /* more of its kind than are kept, and newer ones are there */
};

struct choice {
	struct candidate *items; /* owned */
	size_t n;
	const struct spool_settings *limits;
	const struct spool_entry *newest, *newest_diagnostics;
	uint64_t room, bytes, available;
	uint64_t files, diagnostics;
	struct vacuum_result *result;
};

static const struct manifest *about(const struct candidate *candidate)
{
	return &candidate->entry->manifest;
}

/* ---- what keep_* protects ---- */

static bool same_process(const struct manifest *a, const struct manifest *b)
{
	int64_t apart = a->target_start_wall_ms - b->target_start_wall_ms;

	if (a->pid != b->pid)
		return false;
	if (a->target_start_wall_ms == 0 || b->target_start_wall_ms == 0)
		return true; /* one of them was not told */
	return apart > -SAME_START_MS && apart < SAME_START_MS;
}

static int by_order(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

static int by_target(const void *a, const void *b)
{
	int r = strcmp(about(a)->target, about(b)->target);

	return r != 0 ? r : by_order(a, b);
}

static int by_isolate(const void *a, const void *b)
{
	int r = strcmp(about(a)->isolate, about(b)->isolate);

	return r != 0 ? r : by_order(a, b);
}

/* items[0..n) are of one target, in the order in which they came. */
static void protect_simple(struct candidate *items, size_t n, const struct spool_settings *limits)
{
	size_t first = n - 1, max = 0;

	while (first > 0 && same_process(about(&items[first - 1]), about(&items[n - 1])))
		first--;
	for (size_t i = 1; i < n; i++) {
		if (about(&items[i])->heap_used_bytes > about(&items[max])->heap_used_bytes)
			max = i;
	}
	if (limits->keep_first)
		items[first].protected = true;
	if (limits->keep_last)
		items[n - 1].protected = true;
	if (limits->keep_max)
		items[max].protected = true;
}

static bool grew(const struct manifest *before, const struct manifest *after)
{
	return strcmp(before->isolate, after->isolate) == 0 && same_process(before, after) &&
	       after->heap_used_bytes > before->heap_used_bytes && before->heap_used_bytes > 0;
}

/* items[0..n) are of one target; they are sorted by isolate. */
static void protect_ramp_up(struct candidate *items, size_t n, uint64_t keep)
{
	size_t end = 0, size = 0, run = 1;

	qsort(items, n, sizeof(*items), by_isolate);
	for (size_t i = 1; i < n; i++) {
		run = grew(about(&items[i - 1]), about(&items[i])) ? run + 1 : 1;
		if (run < 2 || (size > 0 && items[i].order < items[end].order))
			continue;
		end = i;
		size = run;
	}
	for (size_t i = 0; i < size && i < keep; i++)
		items[end - i].protected = true;
}

/* Only what max_files counts takes part; the rest is at the end of the array. */
static void protect(struct candidate *items, size_t n, const struct spool_settings *limits)
{
	qsort(items, n, sizeof(*items), by_target);
	for (size_t i = 0; i < n;) {
		size_t end = i + 1;

		while (end < n && strcmp(about(&items[end])->target, about(&items[i])->target) == 0)
			end++;
		protect_simple(items + i, end - i, limits);
		protect_ramp_up(items + i, end - i, limits->keep_ramp_up);
		i = end;
	}
}

/* items[0..n) are what max_files does not count. Of each target the newest profiles stay. */
static void find_surplus(struct candidate *items, size_t n, uint64_t keep)
{
	uint64_t newer = 0;

	if (keep == 0)
		return;
	qsort(items, n, sizeof(*items), by_target);
	for (size_t i = n; i-- > 0;) {
		if (i + 1 < n &&
		    strcmp(about(&items[i])->target, about(&items[i + 1])->target) != 0)
			newer = 0;
		if (about(&items[i])->continuous != 0)
			items[i].surplus = newer++ >= keep;
	}
}

/* ---- the choice ---- */

static bool may_go(const struct choice *choice, const struct candidate *candidate)
{
	const struct spool_entry *entry = candidate->entry;

	return entry->fate == SPOOL_STAYS && !entry->manifest.pinned && entry != choice->newest &&
	       entry != choice->newest_diagnostics;
}

static void take(struct choice *choice, const struct candidate *candidate, enum spool_reason reason)
{
	uint64_t bytes = manifest_disk_bytes(about(candidate));

	candidate->entry->fate = reason;
	choice->bytes -= bytes;
	if (choice->available != UINT64_MAX)
		choice->available += bytes;
	if (manifest_is_diagnostics(about(candidate)))
		choice->diagnostics--;
	else if (!manifest_is_apart(about(candidate)))
		choice->files--;
	choice->result->removed++;
	choice->result->bytes += bytes;
}

static uint64_t over(uint64_t used, uint64_t more, uint64_t max)
{
	if (max == 0)
		return 0;
	if (used > max)
		return used - max + more;
	return more > max - used ? more - (max - used) : 0;
}

/* How much the disk lacks. */
static uint64_t disk_lacks(const struct choice *choice)
{
	uint64_t needed = choice->limits->keep_free_bytes + choice->room;

	return choice->available < needed ? needed - choice->available : 0;
}

static enum spool_reason pressure_of_bytes(const struct choice *choice, uint64_t room)
{
	if (over(choice->bytes, room, choice->limits->max_use_bytes) > 0)
		return SPOOL_MAX_USE;
	return disk_lacks(choice) > 0 ? SPOOL_KEEP_FREE : SPOOL_STAYS;
}

/* Why something has to go now; SPOOL_STAYS: all is well. */
static enum spool_reason pressure(const struct choice *choice, uint64_t room)
{
	if (over(choice->files, 0, choice->limits->max_files) > 0)
		return SPOOL_MAX_FILES;
	return pressure_of_bytes(choice, room);
}

/* By the wall clock only of what was there before us: it may have been set since. */
static bool is_older(const struct spool_entry *entry, uint64_t age_ms, int64_t now_wall_ms)
{
	if (entry->started_boot_ns != 0)
		return clock_boot_ns() - entry->started_boot_ns > age_ms * NS_PER_MS;
	return entry->manifest.started_wall_ms + (int64_t)age_ms < now_wall_ms;
}

static void choose_by_age(struct choice *choice, int64_t now_wall_ms)
{
	uint64_t age_ms = choice->limits->max_age_ns / NS_PER_MS;

	for (size_t i = 0; age_ms > 0 && i < choice->n; i++) {
		if (is_older(choice->items[i].entry, age_ms, now_wall_ms) &&
		    may_go(choice, &choice->items[i]))
			take(choice, &choice->items[i], SPOOL_MAX_AGE);
	}
}

static void choose_diagnostics(struct choice *choice)
{
	for (size_t i = 0; i < choice->n; i++) {
		const struct candidate *candidate = &choice->items[i];

		if (over(choice->diagnostics, 0, choice->limits->max_diagnostics) == 0)
			return;
		if (manifest_is_diagnostics(about(candidate)) && may_go(choice, candidate))
			take(choice, candidate, SPOOL_MAX_FILES);
	}
}

/* Those over their number, and where bytes are short as many more as it takes. */
static void choose_profiles(struct choice *choice)
{
	for (size_t i = 0; i < choice->n; i++) {
		if (choice->items[i].surplus && may_go(choice, &choice->items[i]))
			take(choice, &choice->items[i], SPOOL_MAX_FILES);
	}
	for (size_t i = 0; i < choice->n; i++) {
		const struct candidate *candidate = &choice->items[i];
		enum spool_reason reason = pressure_of_bytes(choice, 0);

		if (reason == SPOOL_STAYS)
			return;
		if (about(candidate)->continuous != 0 && may_go(choice, candidate))
			take(choice, candidate, reason);
	}
}

static void choose_by_room(struct choice *choice, bool protected, uint64_t room)
{
	for (size_t i = 0; i < choice->n; i++) {
		const struct candidate *candidate = &choice->items[i];
		enum spool_reason reason = pressure(choice, room);

		if (reason == SPOOL_STAYS)
			return;
		if (candidate->protected == protected && may_go(choice, candidate) &&
		    !manifest_is_apart(about(candidate)))
			take(choice, candidate, reason);
	}
}

static int list_candidates(struct choice *choice, struct spool *spool)
{
	struct candidate *items = calloc((size_t)spool->files + 1, sizeof(*items));
	size_t order = 0, front = 0, back = (size_t)spool->files;

	if (items == NULL)
		return -ENOMEM;
	list_each (link, &spool->ready) {
		struct spool_entry *entry = container_of(link, struct spool_entry, link);
		bool small = manifest_is_apart(&entry->manifest);

		entry->fate = SPOOL_STAYS;
		items[small ? --back : front++] =
			(struct candidate){ .entry = entry, .order = order++ };
	}
	choice->items = items;
	choice->n = order;
	choice->files = front;
	choice->diagnostics = spool->diagnostics;
	return 0;
}

int vacuum_choose(struct spool *spool, const struct spool_settings *limits, uint64_t room_bytes,
		  uint64_t available_bytes, int64_t now_wall_ms, struct vacuum_result *ret)
{
	struct choice choice = {
		.limits = limits,
		.newest = spool_newest(spool, false),
		.newest_diagnostics = spool_newest(spool, true),
		.room = room_bytes,
		.bytes = spool->bytes,
		.available = available_bytes,
		.result = ret,
	};
	int r = list_candidates(&choice, spool);

	*ret = (struct vacuum_result){ 0 };
	if (r < 0)
		return r;
	protect(choice.items, (size_t)choice.files, limits);
	find_surplus(choice.items + choice.files, choice.n - (size_t)choice.files,
		     limits->max_profiles);
	qsort(choice.items, choice.n, sizeof(*choice.items), by_order);
	choose_by_age(&choice, now_wall_ms);
	choose_diagnostics(&choice);
	choose_profiles(&choice);
	choose_by_room(&choice, false, room_bytes);
	choose_by_room(&choice, true, 0);
	choice.room = 0;
	ret->over_bytes = over(choice.bytes, 0, limits->max_use_bytes);
	if (disk_lacks(&choice) > ret->over_bytes)
		ret->over_bytes = disk_lacks(&choice);
	ret->over_files = over(choice.files, 0, limits->max_files) +
			  over(choice.diagnostics, 0, limits->max_diagnostics);
	free(choice.items);
	return 0;
}

/* ---- the deed ---- */

int vacuum_run(struct spool *spool, const struct spool_settings *limits, uint64_t room_bytes,
	       struct vacuum_result *ret)
{
	uint64_t available, inodes;
	int r = spool_available(spool, &available, &inodes), failed = 0;

	r = vacuum_choose(spool, limits, room_bytes, r < 0 ? UINT64_MAX : available,
			  spool_wall_ms(spool), ret);
	if (r < 0)
		return r;
	list_each_safe (link, &spool->ready) {
		struct spool_entry *entry = container_of(link, struct spool_entry, link);
		uint64_t bytes = manifest_disk_bytes(&entry->manifest);

		if (entry->fate == SPOOL_STAYS)
			continue;
		r = spool_remove_for(spool, entry->manifest.id, entry->fate);
		if (r == 0)
			continue;
		failed = failed == 0 ? r : failed;
		ret->removed--;
		ret->bytes -= bytes;
	}
	if (ret->removed > 0)
		spool_settle(spool);
	return failed;
}
