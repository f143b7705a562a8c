/*
 * Columns
 */

#include "heap/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__ /* GCC */
#define WITH_ASAN 1
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

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

/* ---- memory ---- */

/*
 * What was freed is taken again: a page from the kernel costs a fault and is cleared first. What is
 * kept was in use before, and what is new is taken off it, so that a process never has more memory
 * than its columns once took.
 */
enum { KEPT_MAX = 32 };

struct area {
	char *at;
	size_t bytes; /* of whole pages */
};

static struct {
	pthread_mutex_t lock;
	struct area areas[KEPT_MAX];
	size_t n;
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Nobody has it: a sanitizer sees who touches it all the same. */
static void close_area(struct area area)
{
#ifdef WITH_ASAN
	ASAN_POISON_MEMORY_REGION(area.at, area.bytes);
#else
	(void)area;
#endif
}

static void *open_area(struct area area)
{
#ifdef WITH_ASAN
	ASAN_UNPOISON_MEMORY_REGION(area.at, area.bytes);
#endif
	return area.at;
}

static struct area remove_area(size_t i)
{
	struct area area = kept.areas[i];

	kept.areas[i] = kept.areas[--kept.n];
	return area;
}

static void give_back(struct area area)
{
	munmap(open_area(area), area.bytes);
}

/* So many bytes of what is kept, if it is as many. */
static void shrink(size_t bytes)
{
	while (bytes > 0 && kept.n > 0) {
		struct area *last = &kept.areas[kept.n - 1];
		size_t part = last->bytes < bytes ? last->bytes : bytes;

		last->bytes -= part;
		give_back((struct area){ last->at + last->bytes, part });
		kept.n -= last->bytes == 0;
		bytes -= part;
	}
}

/* Where there are too many, the smallest goes. */
static void keep(struct area area)
{
	size_t least = 0;

	if (kept.n == KEPT_MAX) {
		for (size_t i = 1; i < kept.n; i++)
			least = kept.areas[i].bytes < kept.areas[least].bytes ? i : least;
		give_back(remove_area(least));
	}
	close_area(area);
	kept.areas[kept.n++] = area;
}

/* The smallest that is large enough, or else the largest; kept.n: there is none. */
static size_t best_for(size_t bytes)
{
	size_t best = kept.n;

	for (size_t i = 0; i < kept.n; i++) {
		size_t has = kept.areas[i].bytes,
		       other = best < kept.n ? kept.areas[best].bytes : 0;
		bool enough = has >= bytes;

		if (best == kept.n || (enough && (other < bytes || has < other)) ||
		    (!enough && has > other))
			best = i;
	}
	return best;
}

/*
 * Made larger by what others give back, perhaps elsewhere; what is new is zero. NULL: it stays as
 * it is.
 */
static void *extend(struct area area, size_t bytes)
{
	void *at;

	shrink(bytes - area.bytes);
	at = mremap(open_area(area), area.bytes, bytes, MREMAP_MAYMOVE);
	return at != MAP_FAILED ? open_area((struct area){ at, bytes }) : NULL;
}

/* Of what is kept, the first *ret_used bytes as they were left; NULL: there is none. */
static void *take(size_t bytes, size_t *ret_used)
{
	size_t i = best_for(bytes);
	struct area area;
	void *column;

	if (i == kept.n)
		return NULL;
	area = remove_area(i);
	if (area.bytes > bytes) {
		keep((struct area){ area.at + bytes, area.bytes - bytes });
		area.bytes = bytes;
	}
	*ret_used = area.bytes;
	column = area.bytes == bytes ? open_area(area) : extend(area, bytes);
	if (column == NULL)
		give_back(area);
	return column;
}

static void *map_memory(size_t bytes)
{
	void *column =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (column == MAP_FAILED)
		return NULL;
	/* Without them it is slower, not wrong. */
	madvise(column, bytes, MADV_HUGEPAGE);
	return open_area((struct area){ column, bytes });
}

/* Also where there is room only without what is kept. */
static void *take_or_map(size_t bytes)
{
	size_t used = 0;
	void *column;

	pthread_mutex_lock(&kept.lock);
	column = take(bytes, &used);
	pthread_mutex_unlock(&kept.lock);
	if (column != NULL) {
		memset(column, 0, used);
		return column;
	}
	column = map_memory(bytes);
	if (column != NULL)
		return column;
	heap_release();
	return map_memory(bytes);
}

void heap_release(void)
{
	pthread_mutex_lock(&kept.lock);
	while (kept.n > 0)
		give_back(kept.areas[--kept.n]);
	pthread_mutex_unlock(&kept.lock);
}

/* ---- columns ---- */

static bool is_small(size_t bytes)
{
	return bytes < (spill.directory != NULL ? FROM_FILE : FROM_KERNEL);
}

static bool is_memory(size_t bytes)
{
	return spill.directory == NULL && bytes >= FROM_KERNEL;
}

void *heap_alloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4)
		return NULL;
	if (is_small(bytes))
		return calloc(bytes > 0 ? bytes : 1, 1);
	return is_memory(bytes) ? take_or_map(round_up(bytes)) : map_file(bytes);
}

void heap_free(void *column, size_t n, size_t size)
{
	size_t bytes = n * size;

	if (column == NULL)
		return;
	if (is_small(bytes)) {
		free(column);
	} else if (is_memory(bytes)) {
		pthread_mutex_lock(&kept.lock);
		keep((struct area){ column, round_up(bytes) });
		pthread_mutex_unlock(&kept.lock);
	} else {
		munmap(column, bytes);
	}
}

/* Behind a column of memory all is zero up to the end of its last page. */
static void *grow_memory(void *column, size_t bytes, size_t more_bytes)
{
	struct area area = { column, round_up(bytes) };
	void *more;

	pthread_mutex_lock(&kept.lock);
	more = extend(area, round_up(more_bytes));
	pthread_mutex_unlock(&kept.lock);
	if (more != NULL)
		return more;
	heap_release();
	pthread_mutex_lock(&kept.lock);
	more = extend(area, round_up(more_bytes));
	pthread_mutex_unlock(&kept.lock);
	return more;
}

void *heap_grow(void *column, size_t n, size_t more_n, size_t size)
{
	size_t more_bytes;
	void *more;

	if (__builtin_mul_overflow(more_n, size, &more_bytes) || more_bytes > SIZE_MAX / 4)
		return NULL;
	if (column != NULL && is_memory(n * size))
		return grow_memory(column, n * size, more_bytes);
	more = heap_alloc(more_n, size);
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
