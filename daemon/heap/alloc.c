/*
 * Columns
 */

#include "heap/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, FROM_KERNEL = 1 << 20, STACK_FIRST = 1024 };

/* Whole huge pages, so that the kernel has no reason to split one. */
static size_t round_up(size_t bytes)
{
	return (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
}

void *heap_alloc(size_t n, size_t size)
{
	size_t bytes;
	void *column;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4)
		return NULL;
	if (bytes < FROM_KERNEL)
		return calloc(bytes > 0 ? bytes : 1, 1);
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
	if (n * size < FROM_KERNEL)
		free(column);
	else
		munmap(column, round_up(n * size));
}

int heap_stack_grow(struct heap_stack *stack)
{
	size_t capacity = stack->capacity > 0 ? stack->capacity * 2 : STACK_FIRST;
	uint32_t *items = reallocarray(stack->items, capacity, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	stack->items = items;
	stack->capacity = capacity;
	return 0;
}

void heap_stack_fini(struct heap_stack *stack)
{
	free(stack->items);
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
