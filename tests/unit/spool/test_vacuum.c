/*
 * Vacuum: what goes and what stays, line by line, on entries that are in no file; and the deed.
 */

#include "spool/vacuum.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shelf.h"
#include "util/clock.h"

static struct spool spool;

static void begin(void)
{
	shelf_new();
	shelf_open(&spool);
}

static void finish(void)
{
	spool_close(&spool);
	shelf_remove();
}

TestSuite(vacuum, .init = begin, .fini = finish);

enum { SIZE = 10 }; /* of each capture below, in bytes */
#define START_MS 1769903999000

/* Only listed: the choice looks at no file. `what` is the target, ":w" its isolate. */
static struct spool_entry *add(const char *target, const char *isolate, uint64_t heap, int64_t pid)
{
	struct spool_entry *entry = calloc(1, sizeof(*entry));
	struct manifest *manifest = &entry->manifest;

	*manifest = shelf_manifest((unsigned)spool.files + 1, SIZE);
	snprintf(manifest->target, sizeof(manifest->target), "%s", target);
	snprintf(manifest->isolate, sizeof(manifest->isolate), "%s", isolate);
	manifest->heap_used_bytes = heap;
	manifest->pid = pid;
	manifest->target_start_wall_ms = pid * 1000000;
	spool_claim(&spool, SIZE, 0);
	spool_add(&spool, entry);
	return entry;
}

static struct spool_entry *add_diagnostics(void)
{
	struct spool_entry *entry = calloc(1, sizeof(*entry));

	entry->manifest = shelf_manifest((unsigned)spool.files + 1, SIZE);
	snprintf(entry->manifest.kind, sizeof(entry->manifest.kind), "diagnostics");
	spool_claim(&spool, SIZE, 0);
	spool_add(&spool, entry);
	return entry;
}

/* Captures of one isolate of one process with these heaps. */
static void add_heaps(const char *target, int64_t pid, const char *heaps)
{
	for (; *heaps != '\0'; heaps++)
		add(target, "main", (uint64_t)(*heaps - '0'), pid);
}

static const char letters[SPOOL_REASONS] = {
	[SPOOL_STAYS] = '.',   [SPOOL_MAX_AGE] = 'a',   [SPOOL_MAX_FILES] = 'f',
	[SPOOL_MAX_USE] = 'u', [SPOOL_KEEP_FREE] = 'k',
};

struct given {
	struct spool_settings limits;
	uint64_t room, available;
	int64_t now_ms;
};

/* A letter for each entry, oldest first: '.' stays. */
static struct vacuum_result expect(struct given given, const char *fates)
{
	struct vacuum_result result;
	uint64_t gone = 0;
	char got[128];
	size_t n = 0;

	if (given.available == 0)
		given.available = UINT64_MAX;
	cr_assert_eq(vacuum_choose(&spool, &given.limits, given.room, given.available, given.now_ms,
				   &result),
		     0);
	list_each (link, &spool.ready)
		got[n++] = letters[container_of(link, struct spool_entry, link)->fate];
	got[n] = '\0';
	cr_expect_str_eq(got, fates);
	for (size_t i = 0; i < n; i++)
		gone += got[i] != '.';
	cr_expect_eq(result.removed, gone);
	cr_expect_eq(result.bytes, gone * SIZE);
	return result;
}

#define GIVEN(...) ((struct given){ __VA_ARGS__ })
#define LIMITS(...)                                                                                \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

Test(vacuum, nothing_there_and_no_limits)
{
	expect(GIVEN(.limits = LIMITS(.max_files = 1, .max_use_bytes = 1, .max_age_ns = NS_PER_MS)),
	       "");
	add_heaps("a", 1, "111");
	expect(GIVEN(.room = 1 << 20), "...");
}

Test(vacuum, oldest_first_by_number)
{
	struct vacuum_result result;

	add_heaps("a", 1, "11111");
	result = expect(GIVEN(.limits = LIMITS(.max_files = 3)), "ff...");
	cr_expect_eq(result.over_files, 0);
	expect(GIVEN(.limits = LIMITS(.max_files = 5)), ".....");
	expect(GIVEN(.limits = LIMITS(.max_files = 1)), "ffff.");
}

Test(vacuum, by_bytes)
{
	struct vacuum_result result;

	add_heaps("a", 1, "11111");
	expect(GIVEN(.limits = LIMITS(.max_use_bytes = 50)), ".....");
	expect(GIVEN(.limits = LIMITS(.max_use_bytes = 49)), "u....");
	expect(GIVEN(.limits = LIMITS(.max_use_bytes = 50), .room = 10), "u....");
	expect(GIVEN(.limits = LIMITS(.max_use_bytes = 50), .room = 11), "uu...");
	result = expect(GIVEN(.limits = LIMITS(.max_use_bytes = 4)), "uuuu.");
	cr_expect_eq(result.over_bytes, 6, "the newest stays");
	result = expect(GIVEN(.limits = LIMITS(.max_use_bytes = 15), .room = 1000), "uuuu.");
	cr_expect_eq(result.over_bytes, 0, "room is no limit");
}

Test(vacuum, by_the_disk)
{
	struct vacuum_result result;

	add_heaps("a", 1, "11111");
	expect(GIVEN(.limits = LIMITS(.keep_free_bytes = 100), .available = 100), ".....");
	expect(GIVEN(.limits = LIMITS(.keep_free_bytes = 100), .available = 99), "k....");
	expect(GIVEN(.limits = LIMITS(.keep_free_bytes = 100), .available = 100, .room = 11),
	       "kk...");
	result = expect(GIVEN(.limits = LIMITS(.keep_free_bytes = 200), .available = 100), "kkkk.");
	cr_expect_eq(result.over_bytes, 60);
	expect(GIVEN(.limits = LIMITS(.keep_free_bytes = 1ull << 60)), ".....");
}

Test(vacuum, pinned_never_goes)
{
	struct vacuum_result result;

	add_heaps("a", 1, "1111");
	container_of(spool.ready.next, struct spool_entry, link)->manifest.pinned = 1;
	expect(GIVEN(.limits = LIMITS(.max_files = 3)), ".f..");
	result = expect(
		GIVEN(.limits = LIMITS(.max_files = 1, .max_use_bytes = 1, .max_age_ns = NS_PER_MS),
		      .now_ms = INT64_MAX),
		".aa.");
	cr_expect_eq(result.over_files, 1);
	cr_expect_eq(result.over_bytes, 19);
}

Test(vacuum, keep_first_is_of_the_running_process)
{
	add_heaps("a", 1, "11");
	add_heaps("b", 7, "11");
	add_heaps("a", 2, "111");
	expect(GIVEN(.limits = LIMITS(.max_files = 2, .keep_first = true)), "ffff.f.");
	expect(GIVEN(.limits = LIMITS(.max_files = 3, .keep_first = true)), "ff.f.f.");
}

Test(vacuum, keep_last)
{
	add_heaps("b", 7, "11");
	add_heaps("a", 1, "11");
	add_heaps("c", 1, "11");
	expect(GIVEN(.limits = LIMITS(.max_files = 3, .keep_last = true)), "f.f.f.");
	expect(GIVEN(.limits = LIMITS(.max_files = 2, .keep_last = true)), "fff.f.");
}

Test(vacuum, keep_max)
{
	add_heaps("a", 1, "1935");
	add_heaps("a", 2, "3914");
	expect(GIVEN(.limits = LIMITS(.max_files = 2, .keep_max = true)), "f.fffff.");
	expect(GIVEN(.limits = LIMITS(.max_files = 1, .keep_max = true)), "fffffff.");
}

Test(vacuum, what_is_protected_goes_last_and_oldest_first)
{
	add_heaps("a", 1, "1231");
	expect(GIVEN(.limits = LIMITS(.max_files = 3, .keep_first = true, .keep_max = true)),
	       ".f..");
	expect(GIVEN(.limits = LIMITS(.max_files = 2, .keep_first = true, .keep_max = true)),
	       "ff..");
	expect(GIVEN(.limits = LIMITS(.max_files = 1, .keep_first = true, .keep_max = true)),
	       "fff.");
}

Test(vacuum, room_within_max_use_costs_nothing_protected)
{
	struct spool_settings limits =
		LIMITS(.max_use_bytes = 40, .keep_first = true, .keep_max = true);

	add_heaps("a", 1, "1231");
	expect(GIVEN(.limits = limits, .room = 20), ".u..");
	limits.keep_free_bytes = 100;
	expect(GIVEN(.limits = limits, .room = 20, .available = 100), "ku..");
}

Test(vacuum, ramp_up)
{
	struct spool_settings limits = LIMITS(.max_files = 3, .keep_ramp_up = 2);

	add_heaps("a", 1, "1234");
	add_heaps("a", 2, "1");
	/* The last run of two is of the process before. */
	expect(GIVEN(.limits = limits), "ff...");
	add_heaps("a", 2, "1");
	expect(GIVEN(.limits = limits), "ff..f.");
	add_heaps("a", 2, "2");
	expect(GIVEN(.limits = limits), "ffff...");
	limits.max_files = 4;
	limits.keep_ramp_up = 9;
	expect(GIVEN(.limits = limits), "fff....");
}

Test(vacuum, ramp_up_of_the_isolate_that_grew_last)
{
	struct spool_settings limits = LIMITS(.max_files = 3, .keep_ramp_up = 9);

	add("a", "worker:1", 1, 1);
	add("a", "main", 5, 1);
	add("a", "worker:1", 2, 1);
	add("a", "main", 5, 1);
	add("a", "main", 5, 1);
	expect(GIVEN(.limits = limits), ".f.f.");
	add("a", "main", 6, 1);
	expect(GIVEN(.limits = limits), "fff...");
	limits.max_files = 2;
	expect(GIVEN(.limits = limits), "ffff..");
}

Test(vacuum, an_unknown_heap_is_no_ramp_up)
{
	add_heaps("a", 1, "0123");
	expect(GIVEN(.limits = LIMITS(.max_files = 3, .keep_ramp_up = 9)), "f...");
	add_heaps("b", 1, "0");
	add_heaps("b", 1, "1");
	add_heaps("b", 1, "1");
	expect(GIVEN(.limits = LIMITS(.max_files = 4, .keep_ramp_up = 9)), "f...ff.");
}

/* Readings of one start differ by moments; a start that was not told says nothing. */
Test(vacuum, the_same_process)
{
	struct spool_settings limits = LIMITS(.max_files = 2, .keep_first = true);
	struct spool_entry *first = add("a", "main", 1, 1), *second;

	add("x", "main", 1, 9);
	second = add("a", "main", 1, 1);
	add("a", "main", 1, 1);
	first->manifest.target_start_wall_ms += 1999;
	second->manifest.target_start_wall_ms = 0;
	limits.max_files = 3;
	expect(GIVEN(.limits = limits), "..f.");
	second->manifest.target_start_wall_ms = first->manifest.target_start_wall_ms - 1999;
	first->manifest.target_start_wall_ms += 1;
	expect(GIVEN(.limits = limits), "f...");
}

Test(vacuum, age)
{
	struct spool_settings limits = LIMITS(.max_age_ns = 2500 * NS_PER_MS, .keep_first = true,
					      .keep_last = true, .keep_max = true);

	add_heaps("a", 1, "9123");
	/* They began at 1, 2, 3 and 4 s. */
	expect(GIVEN(.limits = limits, .now_ms = START_MS + 3500), "....");
	expect(GIVEN(.limits = limits, .now_ms = START_MS + 3501), "a...");
	expect(GIVEN(.limits = limits, .now_ms = START_MS + 5501), "aaa.");
	expect(GIVEN(.limits = limits, .now_ms = START_MS + 999999), "aaa.");
	expect(GIVEN(.limits = limits, .now_ms = 0), "....");
}

/* Somebody sets the wall clock, before or after what is taken meanwhile. */
Test(vacuum, age_while_the_clock_is_set)
{
	const struct spool_settings limits = LIMITS(.max_age_ns = 2500 * NS_PER_MS);
	const int64_t year_ms = 365 * 86400 * INT64_C(1000);
	struct spool_entry *entry;

	clock_simulate(1000 * NS_PER_S, START_MS);
	spool.opened_wall_ms = START_MS;
	spool.opened_boot_ns = clock_boot_ns();
	add_heaps("a", 1, "123");
	entry = add("a", "main", 1, 1);
	entry->manifest.started_wall_ms = START_MS - year_ms;
	entry->started_boot_ns = clock_boot_ns();
	for (int64_t off_ms = -year_ms; off_ms <= year_ms; off_ms += year_ms) {
		clock_simulate(1002 * NS_PER_S, START_MS + off_ms + 2000);
		expect(GIVEN(.limits = limits, .now_ms = spool_wall_ms(&spool)), "....");
	}
	/* The newest stays. */
	add_heaps("a", 1, "4");
	clock_simulate(1003 * NS_PER_S, START_MS + year_ms);
	expect(GIVEN(.limits = limits, .now_ms = spool_wall_ms(&spool)), "...a.");
	clock_simulate(1004 * NS_PER_S, START_MS + 4000);
	expect(GIVEN(.limits = limits, .now_ms = spool_wall_ms(&spool)), "a..a.");
	clock_real();
}

Test(vacuum, diagnostics_have_a_number_of_their_own)
{
	struct vacuum_result result;

	add_diagnostics();
	add("a", "main", 1, 1);
	add_diagnostics();
	add("a", "main", 1, 1);
	add_diagnostics();
	expect(GIVEN(.limits = LIMITS(.max_files = 2)), ".....");
	expect(GIVEN(.limits = LIMITS(.max_files = 1)), ".f...");
	expect(GIVEN(.limits = LIMITS(.max_diagnostics = 2)), "f....");
	expect(GIVEN(.limits = LIMITS(.max_diagnostics = 1)), "f.f..");
	result = expect(GIVEN(.limits = LIMITS(.max_use_bytes = 1)), ".u...");
	cr_expect_eq(result.over_bytes, 39);
	expect(GIVEN(.limits = LIMITS(.max_age_ns = NS_PER_MS), .now_ms = INT64_MAX / 2), "aaa..");
	container_of(spool.ready.next, struct spool_entry, link)->manifest.pinned = 1;
	result = expect(GIVEN(.limits = LIMITS(.max_diagnostics = 1)), "..f..");
	cr_expect_eq(result.over_files, 1);
}

static void add_profile(const char *target)
{
	add(target, "main", 1, 1)->manifest.continuous = 1;
}

Test(vacuum, continuous_profiles_have_a_number_for_each_target)
{
	add_profile("a");
	add("a", "main", 1, 1);
	add_profile("b");
	add_profile("a");
	add_diagnostics();
	add_profile("a");
	expect(GIVEN(.limits = LIMITS(.max_profiles = 0)), "......");
	expect(GIVEN(.limits = LIMITS(.max_profiles = 2)), "f.....");
	expect(GIVEN(.limits = LIMITS(.max_profiles = 1)), "f..f..");
	container_of(spool.ready.next, struct spool_entry, link)->manifest.pinned = 1;
	expect(GIVEN(.limits = LIMITS(.max_profiles = 1)), "...f..");
}

Test(vacuum, continuous_profiles_push_out_nothing)
{
	add("a", "main", 1, 1);
	add_profile("a");
	add("a", "main", 1, 1);
	add_profile("a");
	add_profile("a");
	/* They are not counted, and the newest capture is another one. */
	expect(GIVEN(.limits = LIMITS(.max_files = 2)), ".....");
	expect(GIVEN(.limits = LIMITS(.max_files = 1)), "f....");
	/* They go first, as many as it takes; but not for what may come. */
	expect(GIVEN(.limits = LIMITS(.max_use_bytes = 40)), ".u...");
	expect(GIVEN(.limits = LIMITS(.max_use_bytes = 20)), ".u.uu");
	expect(GIVEN(.limits = LIMITS(.max_use_bytes = 10)), "uu.uu");
	expect(GIVEN(.limits = LIMITS(.max_use_bytes = 50), .room = 10), "u....");
}

/* ---- the deed ---- */

Test(vacuum, deletes_what_it_chose)
{
	const struct spool_settings limits = { .max_files = 1 };
	struct vacuum_result result;
	struct manifest manifests[3];

	for (unsigned i = 0; i < 3; i++) {
		manifests[i] = shelf_manifest(i + 1, SIZE);
		shelf_add_scripts(&manifests[i], 3);
		shelf_put(&spool, &manifests[i]);
	}
	cr_expect_eq(spool.bytes, 3 * (SIZE + 3));
	cr_assert_eq(vacuum_run(&spool, &limits, 0, &result), 0);
	cr_expect_eq(result.removed, 2);
	cr_expect_eq(result.bytes, 2 * (SIZE + 3));
	cr_expect_eq(folder_count(shelf_dir, "ready"), 3);
	cr_expect(shelf_has("ready", manifests[2].name, ""));
	cr_expect(shelf_has("ready", manifests[2].scripts_name, ""));
	cr_expect_eq(spool.files, 1);
	cr_expect_eq(spool.bytes, SIZE + 3);
	cr_expect_eq(spool.claimed, SIZE + 3);
	cr_expect_eq(spool.reclaimable, SIZE + 3);
	cr_expect_eq(spool.removed[SPOOL_MAX_FILES], 2);
	cr_expect_eq(spool_removed(&spool), 2);
	cr_assert_eq(vacuum_run(&spool, &limits, 0, &result), 0);
	cr_expect_eq(result.removed, 0);
}

/* What cannot be deleted does not keep the others. */
Test(vacuum, goes_on_after_a_failure)
{
	const struct spool_settings limits = { .max_files = 1 };
	struct vacuum_result result;
	struct manifest manifest;
	int fd = spool.incoming_fd;

	for (unsigned i = 1; i <= 3; i++) {
		manifest = shelf_manifest(i, SIZE);
		shelf_put(&spool, &manifest);
	}
	spool.incoming_fd = -1; /* nowhere to go */
	cr_expect_eq(vacuum_run(&spool, &limits, 0, &result), -EBADF);
	spool.incoming_fd = fd;
	cr_expect_eq(result.removed, 0);
	cr_expect_eq(result.bytes, 0);
	cr_expect_eq(spool.files, 3);
	cr_expect_eq(vacuum_run(&spool, &limits, 0, &result), 0);
	cr_expect_eq(spool.files, 1);
}

/* The disk of this machine has not that much, so all goes but the newest. */
Test(vacuum, looks_at_the_disk)
{
	const struct spool_settings limits = { .keep_free_bytes = 1ull << 60 };
	struct vacuum_result result;
	struct manifest manifest;

	for (unsigned i = 1; i <= 3; i++) {
		manifest = shelf_manifest(i, SIZE);
		shelf_put(&spool, &manifest);
	}
	cr_expect_eq(vacuum_run(&spool, &limits, 0, &result), 0);
	cr_expect_eq(spool.files, 1);
	cr_expect_eq(spool.removed[SPOOL_KEEP_FREE], 2);
	cr_expect_gt(result.over_bytes, 0);
}
