/* Columns, in memory and in files. */

#include "heap/alloc.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
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
