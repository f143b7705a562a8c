/*
 * pprof
 *
 * A function is one location: V8 and Firefox say where a function begins, not which line of it
 * allocates. Numbers of functions and locations are their indexes plus 1; the root is in no stack
 * but its own.
 * Messages inside messages are written to a buffer of their own first, for their size stands before
 * them.
 */

#include "profile/pprof.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile/pprof_fields.h"
#include "profile/profile.h"
#include "util/buf.h"
#include "util/protobuf.h"

enum { MESSAGE_MAX_BYTES = PPROF_STACK_MAX * PB_VARINT_MAX };

/* The string table: these, then a name and an address for each function. */
enum { TEXT_EMPTY, TEXT_BYTES, TEXT_COUNT, TEXT_SPACE, TEXT_COUNTED, TEXT_PERIOD, TEXTS };

static void put_varint(struct buf *buf, uint64_t value)
{
	unsigned char bytes[PB_VARINT_MAX];
	size_t n = 0;

	do {
		bytes[n] = (unsigned char)(value & 0x7f);
		value >>= 7;
		if (value != 0)
			bytes[n] |= 0x80;
		n++;
	} while (value != 0);
	buf_append(buf, bytes, n);
}

static void put_number(struct buf *buf, unsigned field, uint64_t value)
{
	put_varint(buf, field << 3 | PB_VARINT);
	put_varint(buf, value);
}

static void put_bytes(struct buf *buf, unsigned field, const void *data, size_t size)
{
	put_varint(buf, field << 3 | PB_BYTES);
	put_varint(buf, size);
	buf_append(buf, data, size);
}

/* message into buf; emptied. */
static void put_message(struct buf *buf, unsigned field, struct buf *message)
{
	if (message->error != 0 && buf->error == 0)
		buf->error = message->error;
	put_bytes(buf, field, message->data, message->size);
	buf_clear(message);
}

static void put_value_type(struct buf *buf, unsigned field, unsigned type, unsigned unit,
			   struct buf *message)
{
	put_number(message, VALUE_TYPE_TYPE, type);
	put_number(message, VALUE_TYPE_UNIT, unit);
	put_message(buf, field, message);
}

/* ---- parts ---- */

static const char *space_name(const struct profile *profile)
{
	return profile->what == PROFILE_LIVE        ? "inuse_space"
	       : profile->what == PROFILE_ALLOCATED ? "alloc_space"
						    : "space";
}

static const char *counted_name(const struct profile *profile)
{
	if (!profile->has_objects)
		return "samples";
	return profile->what == PROFILE_LIVE        ? "inuse_objects"
	       : profile->what == PROFILE_ALLOCATED ? "alloc_objects"
						    : "objects";
}

static void put_texts(const struct profile *profile, struct buf *buf)
{
	const char *texts[TEXTS] = {
		[TEXT_EMPTY] = "",
		[TEXT_BYTES] = "bytes",
		[TEXT_COUNT] = "count",
		[TEXT_SPACE] = space_name(profile),
		[TEXT_COUNTED] = counted_name(profile),
		[TEXT_PERIOD] = "space",
	};

	for (size_t i = 0; i < TEXTS; i++)
		put_bytes(buf, PROFILE_STRING_TABLE, texts[i], strlen(texts[i]));
	for (uint32_t i = 0; i < profile->functions_n; i++) {
		const char *name = profile_name(profile, i), *url = profile_url(profile, i);

		if (name[0] == '\0')
			name = PPROF_ANONYMOUS;
		put_bytes(buf, PROFILE_STRING_TABLE, name, strlen(name));
		put_bytes(buf, PROFILE_STRING_TABLE, url, strlen(url));
	}
}

static void put_function(const struct profile *profile, uint32_t i, struct buf *buf,
			 struct buf *message, struct buf *line)
{
	uint64_t start = (uint64_t)profile->functions[i].line;
	uint64_t name = TEXTS + 2 * (uint64_t)i;

	put_number(message, FUNCTION_ID, i + 1);
	put_number(message, FUNCTION_NAME, name);
	put_number(message, FUNCTION_SYSTEM_NAME, name);
	put_number(message, FUNCTION_FILENAME, name + 1);
	put_number(message, FUNCTION_START_LINE, start);
	put_message(buf, PROFILE_FUNCTION, message);
	put_number(message, LOCATION_ID, i + 1);
	put_number(line, LINE_FUNCTION_ID, i + 1);
	put_number(line, LINE_LINE, start);
	put_number(line, LINE_COLUMN, (uint64_t)profile->functions[i].column);
	put_message(message, LOCATION_LINE, line);
	put_message(buf, PROFILE_LOCATION, message);
}

/* The stack of a node, its own function first. */
static void put_sample(const struct profile *profile, uint32_t i, struct buf *buf,
		       struct buf *message, struct buf *packed)
{
	uint32_t at = i;

	do {
		put_varint(packed, profile->nodes[at].function + 1);
		at = profile->nodes[at].parent;
	} while (at != PROFILE_NONE && at != 0);
	put_message(message, SAMPLE_LOCATION_ID, packed);
	put_varint(packed, profile->nodes[i].self_count);
	put_varint(packed, profile->nodes[i].self_bytes);
	put_message(message, SAMPLE_VALUE, packed);
	put_message(buf, PROFILE_SAMPLE, message);
}

static void put_facts(const struct profile *profile, struct buf *buf, struct buf *message)
{
	if (profile->started_wall_ms > 0)
		put_number(buf, PROFILE_TIME_NANOS, (uint64_t)profile->started_wall_ms * 1000000);
	if (profile->duration_ns > 0)
		put_number(buf, PROFILE_DURATION_NANOS, profile->duration_ns);
	if (profile->interval_bytes > 0) {
		put_value_type(buf, PROFILE_PERIOD_TYPE, TEXT_PERIOD, TEXT_BYTES, message);
		put_number(buf, PROFILE_PERIOD, profile->interval_bytes);
	}
	put_number(buf, PROFILE_DEFAULT_SAMPLE_TYPE, TEXT_SPACE);
}

int profile_write_pprof(const struct profile *profile, struct buf *buf)
{
	struct buf message, inner;

	buf_init(&message, MESSAGE_MAX_BYTES);
	buf_init(&inner, MESSAGE_MAX_BYTES);
	put_value_type(buf, PROFILE_SAMPLE_TYPE, TEXT_COUNTED, TEXT_COUNT, &message);
	put_value_type(buf, PROFILE_SAMPLE_TYPE, TEXT_SPACE, TEXT_BYTES, &message);
	for (uint32_t i = 0; i < profile->nodes_n; i++) {
		const struct profile_node *node = &profile->nodes[i];

		if (node->self_bytes > 0 || node->self_count > 0)
			put_sample(profile, i, buf, &message, &inner);
	}
	for (uint32_t i = 0; i < profile->functions_n; i++)
		put_function(profile, i, buf, &message, &inner);
	put_texts(profile, buf);
	put_facts(profile, buf, &message);
	buf_fini(&message);
	buf_fini(&inner);
	return buf->error;
}
