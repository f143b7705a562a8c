/*
 * Columns
 */

#include "heap/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/file.h"

enum {
	PAGE = 4096,
	HUGE_PAGE = 2 << 20,
	WHOLE_FROM = 8, /* huge pages */
	FROM_KERNEL = 1 << 20,
	FROM_FILE = 64 << 10,
	STACK_FIRST = 1024,
};

/* Of the process, as its memory is. */
static struct {
	char *directory; /* owned for good; NULL: none */
	_Atomic int error;
} spill;

/*
 * Whole huge pages, so that the kernel has no reason to split one; of less than a few the last
 * would be too much to take for nothing.
 */
static uint64_t round_up(uint64_t bytes)
{
	uint64_t page = bytes >= (uint64_t)HUGE_PAGE * WHOLE_FROM ? HUGE_PAGE : PAGE;

	return (bytes + page - 1) & ~(page - 1);
}

uint64_t heap_alloc_cost(uint64_t n, uint64_t size)
{
	return round_up(n * size);
}

/* ---- files ---- */

int heap_spill_to(const char *directory)
{
	int fd = file_nameless(directory);

	if (fd < 0)
		return fd;
	close(fd);
	spill.directory = strdup(directory);
	return spill.directory != NULL ? 0 : -ENOMEM;
}

int heap_spill_error(void)
{
	return spill.error;
}

static void *map_file(size_t bytes)
{
	int fd = file_nameless(spill.directory), error = fd < 0 ? -fd : 0;
	void *column = MAP_FAILED;

	if (error == 0)
		error = posix_fallocate(fd, 0, (off_t)bytes);
	if (error == 0) {
		column = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		error = column == MAP_FAILED ? errno : 0;
	}
	if (fd >= 0)
		close(fd);
	if (error != 0)
		spill.error = -error;
	return column != MAP_FAILED ? column : NULL;
}

/* ---- columns ---- */

static bool is_small(size_t bytes)
{
	return bytes < (spill.directory != NULL ? FROM_FILE : FROM_KERNEL);
}

void *heap_alloc(size_t n, size_t size)
{
	size_t bytes;
	void *column;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4)
		return NULL;
	if (is_small(bytes))
		return calloc(bytes > 0 ? bytes : 1, 1);
	if (spill.directory != NULL)
		return map_file(bytes);
	column = mmap(NULL, round_up(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (column == MAP_FAILED)
		return NULL;
	/* Without them it is slower, not wrong. */
	madvise(column, round_up(bytes), MADV_HUGEPAGE);
	return column;
}

void heap_free(void *column, size_t n, size_t size)
{
	if (column == NULL)
		return;
	if (is_small(n * size))
		free(column);
	else
		munmap(column, spill.directory != NULL ? n * size : round_up(n * size));
}

void *heap_grow(void *column, size_t n, size_t more_n, size_t size)
{
	void *more = heap_alloc(more_n, size);

	if (more == NULL)
		return NULL;
	if (n > 0)
		memcpy(more, column, n * size);
	heap_free(column, n, size);
	return more;
}

static size_t next_capacity(const struct heap_stack *stack)
{
	return stack->capacity > 0 ? stack->capacity * 2 : STACK_FIRST;
}

uint64_t heap_stack_growth(const struct heap_stack *stack)
{
	return heap_alloc_cost(next_capacity(stack), sizeof(*stack->items));
}

int heap_stack_grow(struct heap_stack *stack)
{
	size_t capacity = next_capacity(stack);
	uint32_t *items = heap_grow(stack->items, stack->capacity, capacity, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	stack->items = items;
	stack->capacity = capacity;
	return 0;
}

void heap_stack_fini(struct heap_stack *stack)
{
	heap_free(stack->items, stack->capacity, sizeof(*stack->items));
	*stack = (struct heap_stack){ .items = NULL };
}

uint64_t *heap_bits_alloc(size_t n)
{
	return heap_alloc(n / 64 + 1, sizeof(uint64_t));
}

void heap_bits_free(uint64_t *bits, size_t n)
{
	heap_free(bits, n / 64 + 1, sizeof(uint64_t));
}
