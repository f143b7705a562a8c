/*
 * Packets: any bytes, fed whole, one by one, and in steps of the first byte's choosing, give the
 * same events and the same result; and a text with its prefix reads back.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/packet.h"
#include "util/buf.h"

enum { LOG_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct record {
	struct buf log;
	bool inside;
};

static int piece(struct record *record, const char *name, const char *data, size_t size, bool last)
{
	if (!record->inside)
		buf_puts(&record->log, name);
	record->inside = !last;
	buf_append(&record->log, data, size);
	if (last)
		buf_puts(&record->log, ".");
	return 0;
}

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	return piece(owner, "text:", data, size, last);
}

static int on_bulk(void *owner, const char *actor, uint64_t size)
{
	struct record *record = owner;

	if (record->inside || strlen(actor) > PACKET_HEAD_MAX)
		abort();
	buf_printf(&record->log, "bulk %s %llu ", actor, (unsigned long long)size);
	return 0;
}

static int on_data(void *owner, const char *data, size_t size, bool last)
{
	return piece(owner, "data:", data, size, last);
}

static const struct packet_events events = { .text = on_text, .bulk = on_bulk, .data = on_data };

/* Each piece is a block of its own, so that the sanitizer sees a read past it. */
static int feed(struct record *record, const char *data, size_t size, size_t step)
{
	struct packet_reader reader;
	int r = 0;

	buf_init(&record->log, LOG_MAX);
	record->inside = false;
	packet_reader_init(&reader, &events, record);
	while (size > 0 && r == 0) {
		size_t n = step < size ? step : size;
		char *copy = malloc(n);

		if (!copy)
			abort();
		memcpy(copy, data, n);
		r = packet_feed(&reader, copy, n);
		free(copy);
		data += n;
		size -= n;
	}
	return r;
}

static void expect_same(const struct record *a, const struct record *b)
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

static void check_prefix(const char *data, size_t size)
{
	struct record record, plain = { 0 };
	char prefix[PACKET_PREFIX_MAX];
	size_t n = packet_prefix(prefix, size);
	char *packet = malloc(n + size);

	if (!packet)
		abort();
	memcpy(packet, prefix, n);
	memcpy(packet + n, data, size);
	if (feed(&record, packet, n + size, SIZE_MAX) != 0)
		abort();
	buf_init(&plain.log, LOG_MAX);
	on_text(&plain, data, size, true);
	expect_same(&record, &plain);
	buf_fini(&record.log);
	buf_fini(&plain.log);
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data + 1;

	if (size < 2)
		return 0;
	check_split(rest, size - 1, (size_t)data[0] + 1);
	check_split(rest, size - 1, 1);
	check_prefix(rest, size - 1);
	return 0;
}
