/*
 * Framing: what a server may send, what it may not (RFC 6455 5), however the bytes are cut; and the
 * frames that we write.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "util/buf.h"

enum { LOG_MAX = 1 << 20, EVENT_FAILS = -77 };

/* Events as text: a message is "text:" payload "." , a control frame "9:" payload ".". */
struct record {
	struct buf log;
	bool in_text;
	int fail_at; /* the event that fails, from 1; 0: none */
	int events;
};

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	struct record *r = owner;

	if (!r->in_text)
		buf_puts(&r->log, "text:");
	r->in_text = !last;
	buf_append(&r->log, data, size);
	if (last)
		buf_puts(&r->log, ".");
	return ++r->events == r->fail_at ? EVENT_FAILS : 0;
}

static int on_control(void *owner, enum frame_opcode opcode, const char *data, size_t size)
{
	struct record *r = owner;

	/* In the middle of a text only between its fragments: marked, so that the cut shows. */
	buf_printf(&r->log, "%s%d:", r->in_text ? "|" : "", opcode);
	buf_append(&r->log, data, size);
	buf_puts(&r->log, ".");
	return ++r->events == r->fail_at ? EVENT_FAILS : 0;
}

static const struct frame_events events = { .text = on_text, .control = on_control };

/* Feeds in pieces of at most step bytes, the first one of `first`. */
static int feed(struct record *record, const char *data, size_t size, size_t first, size_t step)
{
	struct frame_reader reader;
	int r = 0;

	buf_clear(&record->log);
	record->in_text = false;
	record->events = 0;
	frame_reader_init(&reader, &events, record);
	while (size > 0 && r == 0) {
		size_t n = first < size ? first : size;
		char *copy = malloc(n); /* of its own, so that a byte too far is seen */

		memcpy(copy, data, n);
		r = frame_feed(&reader, copy, n);
		free(copy);
		data += n;
		size -= n;
		first = step;
	}
	return r;
}

#define BYTES(text) text, sizeof(text) - 1

static const struct {
	const char *data;
	size_t size;
	int r;
	const char *log;
} cases[] = {
	/* What is allowed. */
	{ BYTES("\x81\x05Hello"), 0, "text:Hello." },
	{ BYTES("\x81\x00"), 0, "text:." },
	{ BYTES("\x81\x01"
		"a\x81\x01"
		"b"),
	  0, "text:a.text:b." },
	{ BYTES("\x01\x03Hel\x80\x02lo"), 0, "text:Hello." },
	{ BYTES("\x01\x00\x00\x00\x80\x00"), 0, "text:." },
	{ BYTES("\x01\x01"
		"a\x00\x01"
		"b\x80\x00"),
	  0, "text:ab." },
	{ BYTES("\x01\x01"
		"a\x89\x02hi\x80\x01"
		"b"),
	  0, "text:a|9:hi.b." },
	{ BYTES("\x89\x00\x8a\x02hi"), 0, "9:.10:hi." },
	{ BYTES("\x88\x00"), 0, "8:." },
	{ BYTES("\x88\x05\x03\xf3"
		"bye"),
	  0,
	  "8:\x03\xf3"
	  "bye." },
	{ BYTES("\x88\x00\x81\x01z\xff\xff"), 0, "8:." },
	{ BYTES("\x81"), 0, "" },
	{ BYTES("\x81\x05Hel"), 0, "text:Hel" },
	/* What is not. */
	{ BYTES("\xc1\x00"), -EPROTO, "" }, /* reserved bits: no extension was offered */
	{ BYTES("\xa1\x00"), -EPROTO, "" },
	{ BYTES("\x91\x00"), -EPROTO, "" },
	{ BYTES("\x81\x80\x01\x02\x03\x04"), -EPROTO, "" }, /* masked */
	{ BYTES("\x82\x01x"), -EPROTO, "" }, /* binary */
	{ BYTES("\x83\x00"), -EPROTO, "" }, /* unknown opcodes */
	{ BYTES("\x87\x00"), -EPROTO, "" },
	{ BYTES("\x8b\x00"), -EPROTO, "" },
	{ BYTES("\x8f\x00"), -EPROTO, "" },
	{ BYTES("\x80\x01x"), -EPROTO, "" }, /* continues nothing */
	{ BYTES("\x00\x01x"), -EPROTO, "" },
	{ BYTES("\x81\x01x\x80\x01y"), -EPROTO, "text:x." },
	{ BYTES("\x01\x01x\x81\x01y"), -EPROTO, "text:x" }, /* a message inside a message */
	{ BYTES("\x09\x00"), -EPROTO, "" }, /* control frame in fragments */
	{ BYTES("\x89\x7e\x00\x7e"), -EPROTO, "" }, /* control frame too long */
	{ BYTES("\x89\x7f\x00\x00\x00\x00\x00\x01\x00\x00"), -EPROTO, "" },
	{ BYTES("\x81\x7e\x00\x7d"), -EPROTO, "" }, /* length not in its shortest form */
	{ BYTES("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), -EPROTO, "" },
	{ BYTES("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), -EPROTO, "" }, /* top bit */
	{ BYTES("\x88\x01\x03"), -EPROTO, "" }, /* half a close code */
	{ BYTES("\x88\x02\x00\x00"), -EPROTO, "" },
	{ BYTES("\x88\x02\x03\xec"), -EPROTO,
	  "" }, /* 1004, 1005, 1006, 1015 are not for the wire */
	{ BYTES("\x88\x02\x03\xed"), -EPROTO, "" },
	{ BYTES("\x88\x02\x03\xee"), -EPROTO, "" },
	{ BYTES("\x88\x02\x03\xf7"), -EPROTO, "" },
	{ BYTES("\x88\x02\x0b\xb7"), -EPROTO, "" }, /* 2999 */
	{ BYTES("\x88\x02\x13\x88"), -EPROTO, "" }, /* 5000 */
	{ BYTES("\x88\x03\x03\xe8\xff"), -EPROTO, "" }, /* reason is no UTF-8 */
};

Test(frame, cases_however_they_are_cut)
{
	struct record record = { 0 };

	buf_init(&record.log, LOG_MAX);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (size_t first = 1; first <= cases[i].size; first++) {
			for (size_t step = 1; step <= cases[i].size; step += cases[i].size) {
				int r = feed(&record, cases[i].data, cases[i].size, first, step);

				cr_expect_eq(r, cases[i].r, "case %zu: %d", i, r);
				cr_expect_str_eq(buf_text(&record.log), cases[i].log, "case %zu",
						 i);
			}
		}
	}
	buf_fini(&record.log);
}

/* All codes: exactly those of RFC 6455 7.4 pass. */
Test(frame, close_codes)
{
	struct record record = { 0 };
	int passed = 0;

	buf_init(&record.log, LOG_MAX);
	for (int code = 0; code <= 65535; code++) {
		const char data[] = { '\x88', 2, (char)(code >> 8), (char)code };

		passed += feed(&record, data, sizeof(data), 4, 4) == 0;
	}
	cr_assert_eq(passed, 4 + 8 + 2000, "%d", passed); /* 1000-1003, 1007-1014, 3000-4999 */
	buf_fini(&record.log);
}

Test(frame, close_texts)
{
	static const struct {
		const char *data;
		size_t size;
		const char *text;
	} texts[] = {
		{ "", 0, "closed by the peer" },
		{ "\x03\xe9", 2, "closed by the peer with code 1001" },
		{ "\x03\xe9going away", 12, "closed by the peer with code 1001: going away" },
		{ "\x03\xe9\n\x1b[2J\xc3\xa9\x7f", 10,
		  "closed by the peer with code 1001: ??[2J???" },
	};
	char text[FRAME_CLOSE_TEXT_MAX], longest[125];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_expect_str_eq(frame_close_text(text, texts[i].data, texts[i].size),
				 texts[i].text);
	memset(longest, 'x', sizeof(longest));
	frame_close_text(text, longest, sizeof(longest));
	cr_expect_eq(strspn(text + strlen(text) - 123, "x"), 123, "%s", text);
}

/* Around the edges of the three length forms, cut in the middle. */
Test(frame, lengths)
{
	const size_t sizes[] = { 125, 126, 127, 65535, 65536, 100000 };
	static char data[100000 + 10];
	struct record record = { 0 };

	buf_init(&record.log, LOG_MAX);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t n = sizes[i], head = n < 126 ? 2 : n < 65536 ? 4 : 10;

		memset(data, 'x', sizeof(data));
		data[0] = '\x81';
		data[1] = n < 126 ? (char)n : n < 65536 ? 126 : 127;
		for (size_t j = 2; j < head; j++)
			data[j] = (char)((uint64_t)n >> (8 * (head - 1 - j)));
		cr_assert_eq(feed(&record, data, head + n, head + n / 2, 777), 0, "%zu", n);
		cr_assert_eq(record.log.size, n + strlen("text:."));
		cr_assert_eq(record.log.data[record.log.size - 1], '.');
	}
	buf_fini(&record.log);
}

/* A frame may be announced that is larger than memory: it is not stored, so it does not matter. */
Test(frame, huge_frame_costs_nothing)
{
	static const char head[] = "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
	struct record record = { 0 };
	struct frame_reader reader;

	buf_init(&record.log, LOG_MAX);
	frame_reader_init(&reader, &events, &record);
	cr_assert_eq(frame_feed(&reader, head, 10), 0);
	cr_assert_eq(frame_feed(&reader, "abc", 3), 0);
	cr_assert_str_eq(buf_text(&record.log), "text:abc");
	cr_assert_eq(reader.left, INT64_MAX - 3ull);
	buf_fini(&record.log);
}

/* Pieces are where the span is: nothing is copied. */
static const char *piece;

static int keep_piece(void *owner, const char *data, size_t size, bool last)
{
	(void)owner;
	(void)size;
	(void)last;
	piece = data;
	return 0;
}

Test(frame, payload_is_not_copied)
{
	static const struct frame_events keep = { .text = keep_piece };
	static const char data[] = "\x81\x05Hello\x89\x01!";
	struct frame_reader reader;

	frame_reader_init(&reader, &keep, NULL);
	cr_assert_eq(frame_feed(&reader, data, sizeof(data) - 1), 0, "control may be NULL");
	cr_assert_eq(piece, data + 2);
}

Test(frame, an_event_may_stop_the_reading)
{
	static const char data[] = "\x81\x01"
				   "a\x89\x00\x81\x01"
				   "b";
	struct record record = { 0 };

	buf_init(&record.log, LOG_MAX);
	for (record.fail_at = 1; record.fail_at <= 3; record.fail_at++) {
		cr_assert_eq(feed(&record, data, sizeof(data) - 1, 99, 99), EVENT_FAILS);
		cr_assert_eq(record.events, record.fail_at);
	}
	buf_fini(&record.log);
}

/* ---- writing ---- */

Test(frame, written_frames_are_masked_and_of_the_shortest_form)
{
	const size_t sizes[] = { 0, 1, 125, 126, 65535, 65536 }, heads[] = { 6, 6, 6, 8, 8, 14 };
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	static char text[65536], frame[65536 + FRAME_HEADER_MAX];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 31);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t n = frame_write(frame, FRAME_TEXT, text, sizes[i], mask);
		const uint8_t *head = (const uint8_t *)frame, *body = head + heads[i];

		cr_assert_eq(n, sizes[i] + heads[i]);
		cr_assert_eq(head[0], 0x81);
		cr_assert_eq(head[1] & 0x80, 0x80);
		cr_assert_eq(memcmp(body - 4, mask, 4), 0);
		for (size_t j = 0; j < sizes[i]; j++)
			cr_assert_eq(body[j] ^ mask[j % 4], (uint8_t)text[j]);
	}
}

/* The example of RFC 6455 5.7. */
Test(frame, masked_hello_of_the_rfc)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	char frame[5 + FRAME_HEADER_MAX];

	cr_assert_eq(frame_write(frame, FRAME_TEXT, "Hello", 5, mask), 11);
	cr_assert_eq(memcmp(frame, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11), 0);
	cr_assert_eq(frame_write(frame, FRAME_PONG, "", 0, mask), 6);
	cr_assert_eq((uint8_t)frame[0], 0x8a);
}
