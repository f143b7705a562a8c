/*
 * Growing byte buffer
 *
 * Capacity doubles and one byte more than the content is always kept, so that buf_text() cannot
 * fail on a buffer that has not failed yet. The limit counts content only.
 */

#include "util/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Big enough for most log lines and requests: fewer small reallocations. */
enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *buf, size_t limit)
{
	*buf = (struct buf){ .limit = limit };
}

void buf_fini(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->limit);
}

void buf_clear(struct buf *buf)
{
	buf->size = 0;
	buf->error = 0;
}

static size_t next_capacity(const struct buf *buf, size_t needed)
{
	size_t capacity = buf->capacity > 0 ? buf->capacity : BUF_FIRST_BYTES;

	while (capacity < needed) {
		if (capacity > SIZE_MAX / 2)
			return needed;
		capacity *= 2;
	}
	return capacity;
}

int buf_reserve(struct buf *buf, size_t more)
{
	size_t capacity;
	char *data;

	if (buf->error != 0)
		return buf->error;
	if (buf->size > buf->limit || more > buf->limit - buf->size || more >= SIZE_MAX - buf->size)
		return buf->error = -E2BIG;
	if (buf->data != NULL && buf->size + more < buf->capacity)
		return 0;
	capacity = next_capacity(buf, buf->size + more + 1);
	data = realloc(buf->data, capacity);
	if (data == NULL)
		return buf->error = -ENOMEM;
	buf->data = data;
	buf->capacity = capacity;
	return 0;
}

int buf_append(struct buf *buf, const void *data, size_t size)
{
	if (buf_reserve(buf, size) < 0)
		return buf->error;
	if (size > 0)
		memcpy(buf->data + buf->size, data, size);
	buf->size += size;
	return 0;
}

int buf_puts(struct buf *buf, const char *text)
{
	return buf_append(buf, text, strlen(text));
}

int buf_vprintf(struct buf *buf, const char *fmt, va_list args)
{
	va_list again;
	int n;

	if (buf->error != 0)
		return buf->error;
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return buf->error = -EINVAL;
	if (buf_reserve(buf, (size_t)n) < 0)
		return buf->error;
	vsnprintf(buf->data + buf->size, (size_t)n + 1, fmt, args);
	buf->size += (size_t)n;
	return 0;
}

int buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list args;
	int r;

	va_start(args, fmt);
	r = buf_vprintf(buf, fmt, args);
	va_end(args);
	return r;
}

const char *buf_text(struct buf *buf)
{
	if (buf->error != 0)
		return NULL;
	if (buf->data == NULL)
		return "";
	assert(buf->size < buf->capacity);
	buf->data[buf->size] = '\0';
	return buf->data;
}

char *buf_take(struct buf *buf, size_t *ret_size)
{
	char *data;

	if (buf_reserve(buf, 0) < 0) {
		buf_fini(buf);
		return NULL;
	}
	data = buf->data;
	data[buf->size] = '\0';
	if (ret_size != NULL)
		*ret_size = buf->size;
	buf_init(buf, buf->limit);
	return data;
}
