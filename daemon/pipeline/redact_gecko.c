/*
 * Redaction of Gecko's heap snapshots
 *
 * The format is devtools/shared/heapsnapshot/CoreDump.proto: messages with their lengths before
 * them, of which the first is about the file and each of the others a node. They are walked
 * through number by number; only texts are held, one at a time. What is no text goes on as it came.
 */

#include "pipeline/redact_gecko.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/stage.h"
#include "util/array.h"
#include "util/url.h"

enum {
	FIRST_LEVELS = 64,
	FILL = '#',
	UNIT_BYTES = 2, /* of UTF-16 */
	CODED_MAX = 3, /* bytes of one unit, as encode() has it */
	VARINT_BITS = 7,
	VARINT_MORE = 0x80,
	VARINT_SHIFT_MAX = 63,
};

enum wire { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32 = 5 };

enum message { MESSAGE_OTHER, MESSAGE_NODE, MESSAGE_EDGE, MESSAGE_FRAME, MESSAGE_FRAME_DATA };

enum text { TEXT_NONE, TEXT_NAME, TEXT_ADDRESS };

/* What a field holds that is not only passed on. */
static const struct field {
	enum message in;
	unsigned number;
	enum message message;
	enum text text;
	bool wide; /* UTF-16LE; otherwise bytes */
} fields[] = {
	{ MESSAGE_NODE, 2, .text = TEXT_NAME, .wide = true }, /* typeName */
	{ MESSAGE_NODE, 5, .message = MESSAGE_EDGE },
	{ MESSAGE_NODE, 6, .message = MESSAGE_FRAME }, /* allocationStack */
	{ MESSAGE_NODE, 7, .text = TEXT_NAME }, /* jsObjectClassName */
	{ MESSAGE_NODE, 10, .text = TEXT_ADDRESS }, /* scriptFilename */
	{ MESSAGE_NODE, 12, .text = TEXT_NAME, .wide = true }, /* descriptiveTypeName */
	{ MESSAGE_EDGE, 2, .text = TEXT_NAME, .wide = true }, /* name */
	{ MESSAGE_FRAME, 1, .message = MESSAGE_FRAME_DATA },
	{ MESSAGE_FRAME_DATA, 2, .message = MESSAGE_FRAME }, /* parent */
	{ MESSAGE_FRAME_DATA, 5, .text = TEXT_ADDRESS, .wide = true }, /* source */
	{ MESSAGE_FRAME_DATA, 7, .text = TEXT_NAME, .wide = true }, /* functionDisplayName */
};

struct level {
	uint64_t left; /* bytes of the message that are still to come */
	enum message message;
};

struct gecko {
	struct stage stage; /* first */
	enum { IN_LENGTH, IN_KEY, IN_NUMBER, IN_SIZE, IN_BYTES, IN_TEXT } state;
	struct level *levels; /* in one another; none between messages */
	size_t levels_n, levels_capacity;
	uint64_t nodes; /* messages that have begun, besides the first */
	bool begun;

	uint64_t number; /* so far */
	unsigned shift; /* where its next bits go; 0: it has not begun */
	uint64_t field;
	uint64_t rest; /* of bytes or a text */

	const struct field *what; /* the text */
	size_t text_n; /* bytes of it that are held */
	bool too_long;
	char text[REDACT_GECKO_TEXT_MAX];
	char coded[REDACT_GECKO_TEXT_MAX / UNIT_BYTES * CODED_MAX];
	char kept[REDACT_GECKO_TEXT_MAX / UNIT_BYTES * CODED_MAX];
};

static struct gecko *of(struct stage *stage)
{
	return (struct gecko *)stage; /* its first member */
}

static int refuse(struct gecko *gecko, const char *what)
{
	snprintf(gecko->stage.error, sizeof(gecko->stage.error),
		 "not a heap snapshot as Gecko writes it: %s (node %" PRIu64 ")", what,
		 gecko->nodes);
	return -EBADMSG;
}

/* ---- texts ---- */

/* Each unit by itself as UTF-8 has it, also half of a pair: so the way back is exact. */
static size_t encode(char *dst, const char *text, size_t units)
{
	size_t n = 0;

	for (size_t i = 0; i < units; i++) {
		unsigned unit = (unsigned char)text[UNIT_BYTES * i] |
				(unsigned)(unsigned char)text[UNIT_BYTES * i + 1] << 8;

		if (unit < 0x80) {
			dst[n++] = (char)unit;
			continue;
		}
		if (unit >= 0x800)
			dst[n++] = (char)(0xe0 | unit >> 12);
		dst[n++] = (char)(unit >= 0x800 ? 0x80 | (unit >> 6 & 0x3f) : 0xc0 | unit >> 6);
		dst[n++] = (char)(0x80 | (unit & 0x3f));
	}
	return n;
}

/* Of what encode() wrote and url_strip() cut, which is between ASCII. Units. */
static size_t decode(char *dst, const char *coded, size_t size)
{
	size_t units = 0;

	for (size_t i = 0; i < size;) {
		unsigned c = (unsigned char)coded[i++], unit = c;
		unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : 2;

		if (more > 0)
			unit = c & (more == 1 ? 0x1f : 0x0f);
		for (; more > 0 && i < size; more--)
			unit = unit << 6 | ((unsigned char)coded[i++] & 0x3f);
		dst[UNIT_BYTES * units] = (char)(unit & 0xff);
		dst[UNIT_BYTES * units + 1] = (char)(unit >> 8);
		units++;
	}
	return units;
}

static void fill(char *dst, size_t size, bool wide)
{
	for (size_t i = 0; i < size; i++)
		dst[i] = (char)(wide && i % UNIT_BYTES != 0 ? 0 : FILL);
}

static void redact(struct gecko *gecko)
{
	bool wide = gecko->what->wide, whole = gecko->what->text == TEXT_ADDRESS;
	size_t n = 0, size = gecko->text_n;

	if (!gecko->too_long && wide && size % UNIT_BYTES == 0) {
		n = encode(gecko->coded, gecko->text, size / UNIT_BYTES);
		n = url_strip(gecko->kept, gecko->coded, n, whole);
		n = decode(gecko->text, gecko->kept, n) * UNIT_BYTES;
	} else if (!gecko->too_long && !wide) {
		n = url_strip(gecko->kept, gecko->text, size, whole);
		memcpy(gecko->text, gecko->kept, n);
	}
	fill(gecko->text + n, size - n, wide);
}

/* What does not fit is not looked at: it goes on, as "#", before its text ends. */
static int take_text(struct gecko *gecko, const char *data, size_t size)
{
	int r;

	if (size > sizeof(gecko->text) - gecko->text_n) {
		gecko->too_long = true;
		fill(gecko->text, sizeof(gecko->text), gecko->what->wide);
		for (; size > sizeof(gecko->text) - gecko->text_n; gecko->text_n = 0) {
			size -= sizeof(gecko->text) - gecko->text_n;
			r = stage_put(gecko->stage.next, gecko->text, sizeof(gecko->text));
			if (r != 0)
				return r;
		}
	}
	memcpy(gecko->text + gecko->text_n, data, size);
	gecko->text_n += size;
	return 0;
}

static int end_text(struct gecko *gecko)
{
	redact(gecko);
	return gecko->text_n > 0 ? stage_put(gecko->stage.next, gecko->text, gecko->text_n) : 0;
}

/* ---- messages ---- */

/* A message that is read to its end ends, and so may those it is in. */
static void go_on(struct gecko *gecko)
{
	while (gecko->levels_n > 0 && gecko->levels[gecko->levels_n - 1].left == 0)
		gecko->levels_n--;
	gecko->state = gecko->levels_n > 0 ? IN_KEY : IN_LENGTH;
}

/* The innermost message is to have so much more. */
static int spend(struct gecko *gecko, uint64_t size)
{
	struct level *level;

	if (gecko->levels_n == 0)
		return 0;
	level = &gecko->levels[gecko->levels_n - 1];
	if (size > level->left)
		return refuse(gecko, "a field is longer than its message");
	level->left -= size;
	return 0;
}

static int enter(struct gecko *gecko, enum message message, uint64_t size)
{
	struct level *levels;

	if (gecko->levels_n == REDACT_GECKO_DEPTH_MAX)
		return refuse(gecko, "messages are nested too deep");
	levels = array_room(gecko->levels, gecko->levels_n, &gecko->levels_capacity, FIRST_LEVELS,
			    sizeof(*levels));
	if (levels == NULL)
		return -ENOMEM;
	gecko->levels = levels;
	levels[gecko->levels_n++] = (struct level){ size, message };
	go_on(gecko);
	return 0;
}

static int begin_message(struct gecko *gecko, uint64_t size)
{
	enum message message = gecko->begun ? MESSAGE_NODE : MESSAGE_OTHER;

	gecko->nodes += gecko->begun;
	gecko->begun = true;
	return enter(gecko, message, size);
}

static const struct field *field_of(const struct gecko *gecko)
{
	enum message in = gecko->levels[gecko->levels_n - 1].message;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].in == in && fields[i].number == gecko->field)
			return &fields[i];
	return NULL;
}

static int begin_bytes(struct gecko *gecko, const struct field *field, uint64_t size)
{
	int r = spend(gecko, size);

	if (r < 0)
		return r;
	if (field != NULL && field->message != MESSAGE_OTHER)
		return enter(gecko, field->message, size);
	gecko->state = field != NULL ? IN_TEXT : IN_BYTES;
	gecko->what = field;
	gecko->rest = size;
	gecko->text_n = 0;
	gecko->too_long = false;
	if (size == 0)
		go_on(gecko);
	return 0;
}

static int begin_field(struct gecko *gecko, uint64_t key)
{
	gecko->field = key >> 3;
	if (gecko->field == 0)
		return refuse(gecko, "a field has no number");
	switch (key & 7) {
	case WIRE_VARINT:
		gecko->state = IN_NUMBER;
		return 0;
	case WIRE_FIXED64:
		return begin_bytes(gecko, NULL, sizeof(uint64_t));
	case WIRE_BYTES:
		gecko->state = IN_SIZE;
		return 0;
	case WIRE_FIXED32:
		return begin_bytes(gecko, NULL, sizeof(uint32_t));
	default:
		return refuse(gecko, "a field is of no known kind");
	}
}

static int take_number(struct gecko *gecko, uint64_t number)
{
	switch (gecko->state) {
	case IN_LENGTH:
		return begin_message(gecko, number);
	case IN_KEY:
		return begin_field(gecko, number);
	case IN_SIZE:
		return begin_bytes(gecko, field_of(gecko), number);
	default:
		go_on(gecko);
		return 0;
	}
}

/* A byte of a number. */
static int take_byte(struct gecko *gecko, unsigned char byte)
{
	uint64_t number;
	int r = spend(gecko, 1);

	if (r < 0)
		return r;
	if (gecko->shift > VARINT_SHIFT_MAX || (gecko->shift == VARINT_SHIFT_MAX && byte > 1))
		return refuse(gecko, "a number is too long");
	gecko->number |= (uint64_t)(byte & (VARINT_MORE - 1)) << gecko->shift;
	gecko->shift += VARINT_BITS;
	if ((byte & VARINT_MORE) != 0)
		return 0;
	number = gecko->number;
	gecko->number = 0;
	gecko->shift = 0;
	return take_number(gecko, number);
}

/* ---- the stage ---- */

static int pass(struct gecko *gecko, const char *from, const char *to)
{
	return to > from ? stage_put(gecko->stage.next, from, (size_t)(to - from)) : 0;
}

static size_t reach(const struct gecko *gecko, size_t size)
{
	return gecko->rest < size ? (size_t)gecko->rest : size;
}

static int gecko_put(struct stage *stage, const void *data, size_t size)
{
	struct gecko *gecko = of(stage);
	const char *at = data, *end = at + size, *span = at; /* what goes on as it is */
	int r = 0;

	while (r == 0 && at < end) {
		size_t n = reach(gecko, (size_t)(end - at));

		if (gecko->state != IN_TEXT && gecko->state != IN_BYTES) {
			r = take_byte(gecko, (unsigned char)*at++);
			continue;
		}
		if (gecko->state == IN_TEXT) {
			r = pass(gecko, span, at);
			span = at + n;
			if (r == 0)
				r = take_text(gecko, at, n);
		}
		at += n;
		gecko->rest -= n;
		if (r != 0 || gecko->rest > 0)
			continue;
		if (gecko->state == IN_TEXT)
			r = end_text(gecko);
		go_on(gecko);
	}
	return r == 0 ? pass(gecko, span, at) : r;
}

static int gecko_finish(struct stage *stage)
{
	struct gecko *gecko = of(stage);

	if (!gecko->begun || gecko->state != IN_LENGTH || gecko->shift > 0)
		return refuse(gecko, "it is cut short");
	return 0;
}

static void gecko_free(struct stage *stage)
{
	struct gecko *gecko = of(stage);

	free(gecko->levels);
	explicit_bzero(gecko, sizeof(*gecko));
	free(gecko);
}

int redact_gecko_new(struct stage **ret, struct stage *next)
{
	static const struct stage_ops ops = {
		.name = "redact",
		.put = gecko_put,
		.finish = gecko_finish,
		.free = gecko_free,
	};
	struct gecko *gecko = calloc(1, sizeof(*gecko));

	if (gecko == NULL)
		return -ENOMEM;
	gecko->stage = (struct stage){ .ops = &ops, .next = next };
	*ret = &gecko->stage;
	return 0;
}
