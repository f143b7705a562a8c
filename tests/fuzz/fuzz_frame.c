/*
 * Frames: any bytes, fed whole, one by one, and in steps of the first byte's choosing, give the
 * same events and the same result; and what frame_write() makes, unmasked, reads back.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "util/buf.h"

enum { LOG_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct record {
	struct buf log;
	bool in_text;
};

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	struct record *record = owner;

	if (!record->in_text)
		buf_puts(&record->log, "text:");
	record->in_text = !last;
	buf_append(&record->log, data, size);
	if (last)
		buf_puts(&record->log, ".");
	return 0;
}

static int on_control(void *owner, enum frame_opcode opcode, const char *data, size_t size)
{
	struct record *record = owner;

	if (size > 125)
		abort();
	buf_printf(&record->log, "%s%d:%zu:", record->in_text ? "|" : "", opcode, size);
	buf_append(&record->log, data, size);
	return 0;
}

static const struct frame_events events = { .text = on_text, .control = on_control };

/* Each piece is a block of its own, so that the sanitizer sees a read past it. */
static int feed(struct record *record, const char *data, size_t size, size_t step)
{
	struct frame_reader reader;
	int r = 0;

	buf_init(&record->log, LOG_MAX);
	record->in_text = false;
	frame_reader_init(&reader, &events, record);
	while (size > 0 && r == 0) {
		size_t n = step < size ? step : size;
		char *copy = malloc(n);

		if (!copy)
			abort();
		memcpy(copy, data, n);
		r = frame_feed(&reader, copy, n);
		free(copy);
		data += n;
		size -= n;
	}
	return r;
}

static void expect_same(struct record *a, struct record *b)
{
	if (a->log.error || b->log.error || a->log.size != b->log.size)
		abort();
	if (a->log.size > 0 && memcmp(a->log.data, b->log.data, a->log.size) != 0)
		abort();
}

static void check_split(const char *data, size_t size, size_t step)
{
	struct record whole, split;

	if (feed(&whole, data, size, size) != feed(&split, data, size, step))
		abort();
	expect_same(&whole, &split);
	buf_fini(&whole.log);
	buf_fini(&split.log);
}

/* A client's frame is refused as it is; without its mask it is a server's. */
static void check_write(const char *data, size_t size, const uint8_t mask[4])
{
	size_t skip = size < 126 ? 2 : size < 65536 ? 4 : 10;
	char *frame = malloc(size + FRAME_HEADER_MAX);
	struct record record, plain = { 0 };

	if (!frame || frame_write(frame, FRAME_TEXT, data, size, mask) != skip + 4 + size)
		abort();
	if (feed(&record, frame, skip + 4 + size, SIZE_MAX) == 0)
		abort();
	buf_fini(&record.log);
	frame[1] = (char)(frame[1] & 0x7f);
	for (size_t i = 0; i < size; i++)
		frame[skip + i] = (char)((uint8_t)frame[skip + 4 + i] ^ mask[i % 4]);
	if (feed(&record, frame, skip + size, SIZE_MAX) != 0)
		abort();
	buf_init(&plain.log, LOG_MAX);
	on_text(&plain, data, size, true);
	expect_same(&record, &plain);
	buf_fini(&record.log);
	buf_fini(&plain.log);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data + 1;

	if (size < 5)
		return 0;
	check_split(rest, size - 1, (size_t)data[0] + 1);
	check_split(rest, size - 1, 1);
	check_write(rest, size - 1, data + 1);
	return 0;
}
