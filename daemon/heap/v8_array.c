/*
 * The arrays of a V8 heap snapshot
 *
 * A piece is small enough to be in the cache still when it is converted by the thread that counted
 * it. A row belongs to the piece in which its first number ends, and is read to its end from there.
 */

#include "heap/v8_array.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "heap/numbers.h"
#include "heap/progress.h"
#include "util/err.h"

enum { PIECE_BYTES = 512 << 10, QUEUE = 64, BATCH = 2048, SPARE = 64, PAGE = 4096 };

struct piece {
	const struct v8_array *array;
	uint64_t at, size;
	uint64_t number; /* that ends first in it */
	uint64_t limit; /* no byte of the array is at or behind it, as far as is known */
	bool with_signs; /* there was a minus sign, here or before */
};

struct v8_pool {
	const struct v8_text *text;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct piece queue[QUEUE];
	unsigned head, queued;
	uint64_t read; /* of the text, up to the end of the last array */
	bool closed, with_other;
	pthread_t other;
	int code; /* of the failure that is first in the file */
	uint64_t failed_at;
	struct err failure;
};

static void give_back(const struct v8_text *text, uint64_t at, uint64_t size)
{
	uintptr_t first = (uintptr_t)text->data + at;
	uintptr_t end = first + size;

	if (!text->mapped)
		return;
	first &= ~(uintptr_t)(PAGE - 1);
	end &= ~(uintptr_t)(PAGE - 1);
	if (end > first)
		madvise((void *)first, end - first, MADV_DONTNEED);
}

static void fail(struct v8_pool *pool, const struct piece *piece, uint64_t at, int code,
		 const char *what)
{
	pthread_mutex_lock(&pool->lock);
	if (pool->code == 0 || at < pool->failed_at) {
		pool->code = code;
		pool->failed_at = at;
		err_set(&pool->failure, code, "section \"%s\", near byte %" PRIu64 ": %s",
			piece->array->name, at, what);
	}
	pthread_mutex_unlock(&pool->lock);
}

static bool put_rows(struct v8_pool *pool, const struct piece *piece, uint64_t at, uint64_t row,
		     const uint64_t *rows, size_t n)
{
	const struct v8_array *array = piece->array;
	size_t bad = 0;
	int r;

	if (row > array->rows || n > array->rows - row) {
		fail(pool, piece, at, -EBADMSG, "more rows than the head says");
		return false;
	}
	r = array->fn(array->owner, row, rows, n, &bad);
	if (r < 0)
		fail(pool, piece, at, r, r == -ENOMEM ? "out of memory" : "a row makes no sense");
	return r == 0;
}

/* Numbers until the next row begins. */
static size_t lead_of(const struct piece *piece)
{
	size_t fields = piece->array->fields, over = (size_t)(piece->number % fields);

	return over > 0 ? fields - over : 0;
}

typedef size_t convert_fn(const char *data, size_t *at, size_t size, uint64_t *ret, size_t max,
			  bool *overflow);

static bool convert_piece(struct v8_pool *pool, const struct piece *piece)
{
	const char *data = pool->text->data;
	size_t fields = piece->array->fields, skip = lead_of(piece), have = 0;
	size_t at = (size_t)piece->at, end = (size_t)(piece->at + piece->size);
	uint64_t row = (piece->number + skip) / fields, numbers[BATCH + SPARE + SPARE];
	convert_fn *convert = piece->with_signs ? numbers_convert_signed : numbers_convert;
	convert_fn *convert_last =
		piece->array->with_signs ? numbers_convert_signed : numbers_convert;
	bool overflow = false, last = false;

	while (!last) {
		size_t n, rows, done;

		have += convert(data, &at, end, numbers + have, BATCH + SPARE - have, &overflow);
		last = at >= end;
		n = skip < have ? skip : have;
		skip -= n;
		/* The row that is begun goes on in the next piece. */
		while (last && skip == 0 && (have - n) % fields != 0 && at < piece->limit)
			have += convert_last(data, &at, at + 1, numbers + have, 1, &overflow);
		rows = (have - n) / fields;
		if (overflow) {
			fail(pool, piece, at, -EBADMSG, "a number is too large");
			return false;
		}
		if (rows > 0 && !put_rows(pool, piece, at, row, numbers + n, rows))
			return false;
		row += rows;
		done = n + rows * fields;
		have -= done;
		memmove(numbers, numbers + done, have * sizeof(*numbers));
	}
	return true;
}

static void work(struct v8_pool *pool, const struct piece *piece)
{
	if (convert_piece(pool, piece))
		give_back(pool->text, piece->at, piece->size);
}

/* ---- who converts ---- */

/* False when there is none, and (if it may wait) none will come. */
static bool take(struct v8_pool *pool, struct piece *ret, bool wait)
{
	bool found;

	pthread_mutex_lock(&pool->lock);
	while (wait && pool->queued == 0 && !pool->closed)
		pthread_cond_wait(&pool->news, &pool->lock);
	found = pool->queued > 0;
	if (found) {
		*ret = pool->queue[pool->head];
		pool->head = (pool->head + 1) % QUEUE;
		pool->queued--;
	}
	pthread_mutex_unlock(&pool->lock);
	return found;
}

static void *other_thread(void *arg)
{
	struct v8_pool *pool = arg;
	struct piece piece;

	while (take(pool, &piece, true))
		work(pool, &piece);
	return NULL;
}

/* To the other thread, if it has room for it. */
static bool offer(struct v8_pool *pool, const struct piece *piece)
{
	bool room;

	if (!pool->with_other)
		return false;
	pthread_mutex_lock(&pool->lock);
	room = pool->queued < QUEUE;
	if (room) {
		pool->queue[(pool->head + pool->queued) % QUEUE] = *piece;
		pool->queued++;
		pthread_cond_signal(&pool->news);
	}
	pthread_mutex_unlock(&pool->lock);
	return room;
}

int v8_pool_new(struct v8_pool **ret, const struct v8_text *text, unsigned threads)
{
	struct v8_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return -ENOMEM;
	pool->text = text;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->news, NULL);
	if (threads > 1) {
		int error = pthread_create(&pool->other, NULL, other_thread, pool);

		if (error != 0) {
			v8_pool_free(pool);
			return -error;
		}
		pool->with_other = true;
	}
	*ret = pool;
	return 0;
}

static void join(struct v8_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->closed = true;
	pthread_cond_broadcast(&pool->news);
	pthread_mutex_unlock(&pool->lock);
	if (pool->with_other)
		pthread_join(pool->other, NULL);
	pool->with_other = false;
}

void v8_pool_free(struct v8_pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->queued = 0;
	pthread_mutex_unlock(&pool->lock);
	join(pool);
	pthread_cond_destroy(&pool->news);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

int v8_pool_finish(struct v8_pool *pool, struct err *err)
{
	struct piece piece;

	while (take(pool, &piece, false))
		work(pool, &piece);
	join(pool);
	/* The end of a row may have brought pages of a piece back that the other thread had given.
	 */
	give_back(pool->text, 0, pool->read);
	if (pool->code != 0 && err != NULL)
		*err = pool->failure;
	return pool->code;
}

/* ---- where an array ends ---- */

static int check_end(const struct v8_pool *pool, const struct v8_array *array, uint64_t at,
		     const struct number_scan *scan, struct err *err)
{
	uint64_t numbers = scan->numbers + scan->in_number;

	if (at == pool->text->size)
		return err_set(err, -ENODATA,
			       "the file ends at byte %" PRIu64 ", inside of section \"%s\": it is "
			       "cut short",
			       at, array->name);
	if (pool->text->data[at] != ']')
		return err_set(err, -EBADMSG,
			       "section \"%s\", byte %" PRIu64 ": neither a number nor the end",
			       array->name, at);
	if (scan->commas != (numbers > 0 ? numbers - 1 : 0))
		return err_set(err, -EBADMSG,
			       "section \"%s\", up to byte %" PRIu64 ": %" PRIu64
			       " numbers with %" PRIu64 " commas",
			       array->name, at, numbers, scan->commas);
	if (numbers % array->fields != 0 ||
	    (array->rows != UINT64_MAX && numbers / array->fields != array->rows))
		return err_set(err, -EBADMSG,
			       "section \"%s\", up to byte %" PRIu64 ": %" PRIu64
			       " numbers are not the %" PRIu64 " rows of %u of the head",
			       array->name, at, numbers, array->rows, array->fields);
	return 0;
}

/* Before a number, and behind none: at > 0. */
static bool is_sign(const struct v8_text *text, uint64_t at)
{
	const char *data = text->data;

	return data[at] == '-' && memchr(",[\n \r\t", data[at - 1], 6) != NULL &&
	       at + 1 < text->size && data[at + 1] >= '0' && data[at + 1] <= '9';
}

/* As number_scan(), signs and all. */
static size_t scan_piece(const struct v8_text *text, struct piece *piece, struct number_scan *scan)
{
	const char *data = text->data + piece->at;
	size_t size = (size_t)piece->size, n = number_scan(scan, data, size);

	while (n < size && piece->array->with_signs && is_sign(text, piece->at + n)) {
		piece->with_signs = true;
		n++;
		n += number_scan(scan, data + n, size - n);
	}
	return n;
}

int v8_array_read(struct v8_pool *pool, const struct v8_array *array, uint64_t *at, struct err *err)
{
	const struct v8_text *text = pool->text;
	struct number_scan scan = { .numbers = 0 };
	bool more = true, with_signs = false;
	int r;

	while (more) {
		uint64_t left = text->size - *at;
		struct piece piece = {
			.array = array,
			.at = *at,
			.size = left < PIECE_BYTES ? left : PIECE_BYTES,
			.number = scan.numbers,
			.limit = text->size,
			.with_signs = with_signs,
		};
		size_t n;

		if (text->mapped)
			madvise((void *)((uintptr_t)(text->data + *at) & ~(uintptr_t)(PAGE - 1)),
				piece.size, MADV_POPULATE_READ);
		n = scan_piece(text, &piece, &scan);
		with_signs = piece.with_signs;
		more = n == piece.size && n < left;
		*at += n;
		heap_progress_tell(array->progress, "reading", (unsigned)(*at * 100 / text->size));
		/* The byte that ends the array ends its last number. */
		if (n < piece.size)
			piece.size = n + 1;
		if (!offer(pool, &piece))
			work(pool, &piece);
	}
	pool->read = *at;
	r = check_end(pool, array, *at, &scan, err);
	(*at)++;
	return r;
}
