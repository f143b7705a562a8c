#pragma once

/*
 * Columns
 *
 * The arrays of a heap graph are few and large, and touched in no order: they come straight from
 * the kernel, zeroed, in huge pages where it has some, and those that were freed are taken first.
 * Small ones come from malloc(), where a sanitizer sees a step past their end. Any thread may call.
 *
 * A process that has less memory than they take can have them in files: heap_spill_to(). Each is
 * then mapped from a file without a name, whose blocks are there before it is touched: a full disk
 * is an error of heap_alloc() and no signal later.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed; NULL on ENOMEM. n may be 0. */
void *heap_alloc(size_t n, size_t size);

/* Bytes of memory that such a column takes. */
uint64_t heap_alloc_cost(uint64_t n, uint64_t size);

/*
 * With the n and size of heap_alloc(). NULL is fine. Memory of columns stays with the process, for
 * other columns, until heap_release().
 */
void heap_free(void *column, size_t n, size_t size);

/* What was freed goes back to the kernel: nothing else can use it. */
void heap_release(void);

/*
 * A column of more_n in place of one of n, which is freed; what it held is kept, the rest zeroed.
 * NULL on ENOMEM: the old one is as it was then.
 */
void *heap_grow(void *column, size_t n, size_t more_n, size_t size);

/*
 * From now on, columns of 64 KiB and more go into files of this directory, for the whole process.
 * Once, before any column is made and any thread. 0, -errno: it is none that can be written.
 */
int heap_spill_to(const char *directory);

/* Why the last column that did not come had no place there: -ENOSPC, ...; 0: it was memory. */
int heap_spill_error(void);

/* A stack of node numbers that grows; zeroed is empty. */
struct heap_stack {
	uint32_t *items; /* owned */
	size_t n, capacity;
};

/* Bytes of memory that heap_stack_grow() takes at the most, until what it had is freed. */
uint64_t heap_stack_growth(const struct heap_stack *stack);

/* Room for one more at least. 0, -ENOMEM. */
int heap_stack_grow(struct heap_stack *stack);
void heap_stack_fini(struct heap_stack *stack);

/* 0, -ENOMEM. */
static inline int heap_stack_push(struct heap_stack *stack, uint32_t item)
{
	if (stack->n == stack->capacity) {
		int r = heap_stack_grow(stack);

		if (r < 0)
			return r;
	}
	stack->items[stack->n++] = item;
	return 0;
}

/* A set of nodes: a bit each. */
static inline int heap_bit(const uint64_t *bits, uint32_t i)
{
	return (int)(bits[i >> 6] >> (i & 63) & 1);
}

static inline void heap_bit_set(uint64_t *bits, uint32_t i)
{
	bits[i >> 6] |= (uint64_t)1 << (i & 63);
}

/* n bits, all 0; free with heap_bits_free(). */
uint64_t *heap_bits_alloc(size_t n);
void heap_bits_free(uint64_t *bits, size_t n);
