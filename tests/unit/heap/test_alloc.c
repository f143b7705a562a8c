/* Columns, in memory and in files. */

#include "heap/alloc.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SMALL = 100, MIDDLE = 100 << 10, LARGE = 3 << 20 };

static const size_t sizes[] = { 0, 1, SMALL, MIDDLE, LARGE };

/* What is not zero is past a column. */
static void check_columns(void)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *column = heap_alloc(sizes[i], 1);
		size_t sum = 0;

		cr_assert_not_null(column);
		for (size_t k = 0; k < sizes[i]; k++)
			sum += column[k]++;
		cr_assert_eq(sum, 0);
		column = heap_grow(column, sizes[i], LARGE * 2, 1);
		cr_assert_not_null(column);
		for (size_t k = 0; k < (size_t)LARGE * 2; k++)
			sum += column[k];
		cr_assert_eq(sum, sizes[i]);
		heap_free(column, (size_t)LARGE * 2, 1);
	}
}

static size_t entries(const char *folder)
{
	DIR *list = opendir(folder);
	size_t n = 0;

	cr_assert_not_null(list);
	while (readdir(list) != NULL)
		n++;
	closedir(list);
	return n;
}

/* Pages that are mapped from files below this folder. */
static size_t mapped_from(const char *folder)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4096];
	size_t n = 0;

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		n += strstr(line, folder) != NULL;
	fclose(maps);
	return n;
}

Test(alloc, columns_are_zeroed_and_grow)
{
	check_columns();
	cr_assert_null(heap_alloc(SIZE_MAX / 2, 3));
}

Test(alloc, a_column_may_be_a_file_without_a_name)
{
	char folder[] = "/tmp/test_alloc.XXXXXX";
	void *column;

	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(heap_spill_to(folder), 0);
	check_columns();
	column = heap_alloc(LARGE, 1);
	cr_assert_gt(mapped_from(folder), 0);
	cr_assert_eq(entries(folder), 2);
	heap_free(column, LARGE, 1);
	cr_assert_eq(mapped_from(folder), 0);
	cr_assert_eq(rmdir(folder), 0);
}

Test(alloc, a_folder_that_takes_no_files_is_refused)
{
	cr_assert_eq(heap_spill_to("/nowhere/at/all"), -ENOENT);
	cr_assert_lt(heap_spill_to("/proc/self"), 0);
}

/* As on a full disk: the blocks are asked for, not touched. */
Test(alloc, a_file_without_room_is_no_column)
{
	char folder[] = "/tmp/test_alloc.XXXXXX";
	struct rlimit limit = { MIDDLE * 2, MIDDLE * 2 };
	void *column;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(heap_spill_to(folder), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	column = heap_alloc(MIDDLE, 1);
	cr_assert_not_null(column);
	cr_assert_eq(heap_spill_error(), 0);
	cr_assert_null(heap_alloc(LARGE, 1));
	cr_assert_eq(heap_spill_error(), -EFBIG);
	cr_assert_null(heap_grow(column, MIDDLE, LARGE, 1));
	heap_free(column, MIDDLE, 1);
	cr_assert_eq(rmdir(folder), 0);
}

/* ---- what was freed is taken again ---- */

enum { SLOTS = 6, TURNS = 400, COLUMN_MAX = 6 << 20, HUGE_COLUMN = 40 << 20, STEP = 512 };

struct slot {
	unsigned char *column;
	size_t bytes;
};

/* Bytes of address space that this process has. */
static size_t mapped(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	cr_assert_not_null(statm);
	cr_assert_eq(fscanf(statm, "%zu", &pages), 1);
	fclose(statm);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void check_all(const struct slot *slot, size_t from, unsigned char value)
{
	for (size_t i = from; i < slot->bytes; i += STEP)
		cr_assert_eq(slot->column[i], value);
	if (slot->bytes > from)
		cr_assert_eq(slot->column[slot->bytes - 1], value);
}

static void fill(struct slot *slot, unsigned char value)
{
	for (size_t i = 0; i < slot->bytes; i++)
		slot->column[i] = value;
}

static void turn(struct slot *slot, unsigned char value, unsigned *seed)
{
	size_t bytes = (1 << 20) + (size_t)rand_r(seed) % COLUMN_MAX, old = slot->bytes;

	if (rand_r(seed) % 16 == 0)
		bytes = HUGE_COLUMN;
	if (slot->column == NULL) {
		*slot = (struct slot){ heap_alloc(bytes, 1), bytes };
		cr_assert_not_null(slot->column);
		check_all(slot, 0, 0);
	} else if (rand_r(seed) % 3 == 0 && bytes > old) {
		check_all(slot, 0, value);
		*slot = (struct slot){ heap_grow(slot->column, old, bytes, 1), bytes };
		cr_assert_not_null(slot->column);
		check_all(slot, old, 0);
	} else {
		check_all(slot, 0, value);
		heap_free(slot->column, slot->bytes, 1);
		*slot = (struct slot){ NULL, 0 };
	}
	fill(slot, value);
}

/* Zeroed, nobody else's, and never more than there once was. */
Test(alloc, what_was_freed_is_taken_again)
{
	struct slot slots[SLOTS] = { { NULL, 0 } };
	size_t before = mapped(), most = 0;
	unsigned seed = 7;

	for (size_t i = 0; i < TURNS; i++) {
		size_t live = 0, which = (size_t)rand_r(&seed) % SLOTS;

		turn(&slots[which], (unsigned char)(which + 1), &seed);
		for (size_t k = 0; k < SLOTS; k++)
			live += heap_alloc_cost(slots[k].bytes, 1);
		most = live > most ? live : most;
		cr_assert_leq(mapped(), before + most + (1 << 20), "turn %zu", i);
	}
	cr_assert_gt(most, 0);
}

Test(alloc, what_was_freed_stays_with_the_process)
{
	size_t before = mapped();
	unsigned char *column = heap_alloc(LARGE, 1);

	heap_free(column, LARGE, 1);
	cr_assert_geq(mapped(), before + LARGE);
	column = heap_alloc(LARGE / 2, 1);
	cr_assert_leq(mapped(), before + LARGE + (1 << 20));
	heap_free(column, LARGE / 2, 1);
	heap_release();
	cr_assert_leq(mapped(), before + (1 << 20));
}

/* More areas than can be kept, and one that is larger than each. */
Test(alloc, many_small_ones_make_room_for_a_large_one)
{
	enum { MANY = 40, EACH = 2 << 20 };
	unsigned char *columns[MANY], *large;
	size_t before = mapped();

	for (size_t i = 0; i < MANY; i++) {
		columns[i] = heap_alloc(EACH, 1);
		cr_assert_not_null(columns[i]);
		columns[i][0] = columns[i][EACH - 1] = 1;
	}
	for (size_t i = 0; i < MANY; i++)
		heap_free(columns[i], EACH, 1);
	large = heap_alloc((size_t)MANY * EACH, 1);
	cr_assert_not_null(large);
	for (size_t i = 0; i < (size_t)MANY * EACH; i++)
		cr_assert_eq(large[i], 0);
	cr_assert_leq(mapped(), before + (size_t)MANY * EACH + (4 << 20));
	heap_free(large, (size_t)MANY * EACH, 1);
}

static void *take_turns(void *arg)
{
	struct slot slots[SLOTS] = { { NULL, 0 } };
	unsigned seed = (unsigned)(uintptr_t)arg, first = 16 * seed;

	for (size_t i = 0; i < TURNS / 4; i++) {
		size_t which = (size_t)rand_r(&seed) % SLOTS;

		turn(&slots[which], (unsigned char)(first + which), &seed);
	}
	for (size_t i = 0; i < SLOTS; i++) {
		check_all(&slots[i], 0, (unsigned char)(first + i));
		heap_free(slots[i].column, slots[i].bytes, 1);
	}
	return NULL;
}

Test(alloc, threads_do_not_get_the_same)
{
	pthread_t threads[3];

	for (uintptr_t i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, take_turns, (void *)(i + 1)), 0);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(pthread_join(threads[i], NULL), 0);
}

#ifndef __SANITIZE_ADDRESS__ /* which needs more addresses than any limit would leave */
/* Live 60, kept 40 in two, wanted 30 of a limit of 100: there is room for that. */
Test(alloc, what_is_kept_does_not_stand_in_the_way)
{
	size_t tenth = 8 << 20;
	struct rlimit limit;
	void *live, *kept[2], *column;

	limit.rlim_cur = limit.rlim_max = mapped() + 10 * tenth + tenth / 2;
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
	live = heap_alloc(6 * tenth, 1);
	kept[0] = heap_alloc(2 * tenth, 1);
	kept[1] = heap_alloc(2 * tenth, 1);
	cr_assert(live != NULL && kept[0] != NULL && kept[1] != NULL);
	heap_free(kept[0], 2 * tenth, 1);
	heap_free(kept[1], 2 * tenth, 1);
	column = heap_alloc(3 * tenth, 1);
	cr_assert_not_null(column);
	column = heap_grow(column, 3 * tenth, 4 * tenth, 1);
	cr_assert_not_null(column);
	heap_free(column, 4 * tenth, 1);
	heap_free(live, 6 * tenth, 1);
}
#endif
