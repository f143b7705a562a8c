#pragma once

/*
 * A growing byte buffer with a limit. Errors are sticky, so that a writer of many small pieces
 * checks once at the end: after the first failure every append does nothing and returns the same
 * code. The content is not zero-terminated unless buf_text() is asked.
 */

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data; /* owned */
	size_t size, capacity;
	size_t limit; /* bytes; more is -E2BIG */
	int error; /* 0, -ENOMEM, -E2BIG */
};

void buf_init(struct buf *buf, size_t limit);
void buf_fini(struct buf *buf);

/* Forget the content and the error, keep the memory. */
void buf_clear(struct buf *buf);

/* All return buf->error. */
int buf_reserve(struct buf *buf, size_t more);
int buf_append(struct buf *buf, const void *data, size_t size);
int buf_puts(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *buf, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Zero-terminated view, "" when empty; NULL when the buffer has failed. Valid until the next
 * append. */
const char *buf_text(struct buf *buf);

/* Take the memory (free() it); the buffer is empty afterwards. *ret_size may be NULL. */
char *buf_take(struct buf *buf, size_t *ret_size);
