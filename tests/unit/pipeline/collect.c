/* The end of a pipeline in memory. */

#include "collect.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 64 << 20 };

static int put(struct stage *stage, const void *data, size_t size)
{
	struct collect *collect = (struct collect *)stage;

	if (++collect->puts == collect->fail_at)
		return collect->result;
	return buf_append(&collect->data, data, size);
}

static int finish(struct stage *stage)
{
	((struct collect *)stage)->finished++;
	return 0;
}

static const struct stage_ops ops = { .name = "collect", .put = put, .finish = finish };

void collect_init(struct collect *collect)
{
	*collect = (struct collect){ .stage = { .ops = &ops } };
	buf_init(&collect->data, LIMIT);
}

void collect_fini(struct collect *collect)
{
	buf_fini(&collect->data);
}

/* Each piece is a block of its own, so that the sanitizer sees a read past it. */
int feed(struct stage *first, const void *data, size_t size, size_t piece)
{
	const char *from = data;

	while (size > 0) {
		size_t n = size < piece ? size : piece;
		char *copy = malloc(n);
		int r;

		cr_assert_not_null(copy);
		memcpy(copy, from, n);
		r = stage_put(first, copy, n);
		free(copy);
		if (r != 0)
			return r;
		from += n;
		size -= n;
	}
	return stage_finish(first);
}

char *noise(size_t size)
{
	char *data = malloc(size > 0 ? size : 1);
	unsigned state = 1;

	cr_assert_not_null(data);
	for (size_t i = 0; i < size; i++) {
		state = state * 1664525 + 1013904223;
		data[i] = (char)(state >> 24);
	}
	return data;
}
