/*
 * JSON scanner: the grammar
 *
 * A pushdown automaton with explicit state, so that input may stop at any byte: the state says what
 * may come next, one flag per open level says whether it is an object or an array, and nothing
 * else is remembered. Each step consumes at least one byte or changes the state. Strings and
 * numbers are stepped in their own files.
 */

#include "json/scan.h"

#include <assert.h>
#include <errno.h>

#include "json/scan_parts.h"

static const struct {
	const char *text;
	enum json_event_kind kind;
} literals[] = {
	{ "true", JSON_TRUE },
	{ "false", JSON_FALSE },
	{ "null", JSON_NULL },
};

void json_scan_init(struct json_scan *scan, char *buffer, size_t size, json_event_fn *fn,
		    void *owner)
{
	assert(size >= JSON_BUFFER_MIN);
	*scan = (struct json_scan){
		.fn = fn,
		.owner = owner,
		.buffer = buffer,
		.buffer_size = size,
	};
	json_scan_reset(scan);
}

void json_scan_reset(struct json_scan *scan)
{
	scan->used = 0;
	scan->offset = 0;
	scan->error = 0;
	scan->state = SCAN_VALUE;
	scan->depth = 0;
	scan->surrogate = 0;
	scan->in_key = false;
}

static void enter(struct json_scan *scan, bool object)
{
	uint64_t *word = &scan->objects[scan->depth / 64], bit = UINT64_C(1) << (scan->depth % 64);

	*word = object ? *word | bit : *word & ~bit;
	scan->depth++;
}

static int open_level(struct json_scan *scan, struct json_input *in, bool object)
{
	int r;

	if (scan->depth >= JSON_DEPTH_MAX)
		return -E2BIG;
	r = json_emit(scan, object ? JSON_OBJECT : JSON_ARRAY, NULL, 0);
	if (r != 0)
		return r;
	enter(scan, object);
	scan->state = object ? SCAN_KEY_OR_END : SCAN_VALUE_OR_END;
	in->at++;
	return 0;
}

static int close_level(struct json_scan *scan, struct json_input *in)
{
	bool object = json_in_object(scan);
	int r;

	scan->depth--;
	r = json_emit(scan, object ? JSON_OBJECT_END : JSON_ARRAY_END, NULL, 0);
	if (r != 0)
		return r;
	json_value_done(scan);
	in->at++;
	return 0;
}

static int begin_string(struct json_scan *scan, struct json_input *in, bool key)
{
	scan->in_key = key;
	scan->state = SCAN_STRING;
	in->at++;
	return json_scan_string(scan, in);
}

static int begin_literal(struct json_scan *scan, uint8_t literal)
{
	scan->literal = literal;
	scan->matched = 0;
	scan->state = SCAN_LITERAL;
	return 0;
}

static int begin_value(struct json_scan *scan, struct json_input *in)
{
	char c = in->data[in->at];

	switch (c) {
	case '"':
		return begin_string(scan, in, false);
	case '{':
	case '[':
		return open_level(scan, in, c == '{');
	case 't':
		return begin_literal(scan, 0);
	case 'f':
		return begin_literal(scan, 1);
	case 'n':
		return begin_literal(scan, 2);
	default:
		if (c == '-' || (c >= '0' && c <= '9'))
			return json_scan_number_begin(scan, in);
		return -EBADMSG;
	}
}

static int step_literal(struct json_scan *scan, struct json_input *in)
{
	const char *text = literals[scan->literal].text;
	int r;

	if (in->data[in->at] != text[scan->matched])
		return -EBADMSG;
	if (text[scan->matched + 1] == '\0') {
		r = json_emit(scan, literals[scan->literal].kind, NULL, 0);
		if (r != 0)
			return r;
		json_value_done(scan);
	}
	scan->matched++;
	in->at++;
	return 0;
}

static int step_after_value(struct json_scan *scan, struct json_input *in)
{
	char c = in->data[in->at];

	if (c == ',') {
		scan->state = json_in_object(scan) ? SCAN_KEY : SCAN_VALUE;
		in->at++;
		return 0;
	}
	if (c != (json_in_object(scan) ? '}' : ']'))
		return -EBADMSG;
	return close_level(scan, in);
}

static int step_colon(struct json_scan *scan, struct json_input *in)
{
	if (in->data[in->at] != ':')
		return -EBADMSG;
	scan->state = SCAN_VALUE;
	in->at++;
	return 0;
}

static bool skip_space(struct json_input *in)
{
	while (in->at < in->size) {
		char c = in->data[in->at];

		if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
			return true;
		in->at++;
	}
	return false;
}

/* States between tokens, where white space may stand. */
static int step_structure(struct json_scan *scan, struct json_input *in)
{
	char c;

	if (!skip_space(in))
		return 0;
	c = in->data[in->at];
	switch ((enum json_scan_state)scan->state) {
	case SCAN_VALUE_OR_END:
		return c == ']' ? close_level(scan, in) : begin_value(scan, in);
	case SCAN_VALUE:
		return begin_value(scan, in);
	case SCAN_KEY_OR_END:
		if (c == '}')
			return close_level(scan, in);
		return c == '"' ? begin_string(scan, in, true) : -EBADMSG;
	case SCAN_KEY:
		return c == '"' ? begin_string(scan, in, true) : -EBADMSG;
	case SCAN_COLON:
		return step_colon(scan, in);
	case SCAN_AFTER_VALUE:
		return step_after_value(scan, in);
	default:
		return -EBADMSG; /* a second document */
	}
}

static int step(struct json_scan *scan, struct json_input *in)
{
	switch ((enum json_scan_state)scan->state) {
	case SCAN_STRING:
	case SCAN_ESCAPE:
	case SCAN_HEX:
		return json_scan_string(scan, in);
	case SCAN_NUMBER:
		return json_scan_number(scan, in);
	case SCAN_LITERAL:
		return step_literal(scan, in);
	default:
		return step_structure(scan, in);
	}
}

int json_scan_feed(struct json_scan *scan, const char *data, size_t size)
{
	struct json_input in = { .data = data, .size = size };

	while (scan->error == 0 && in.at < in.size)
		scan->error = step(scan, &in);
	scan->offset += in.at;
	return scan->error;
}

int json_scan_end(struct json_scan *scan)
{
	if (scan->error == 0 && scan->state == SCAN_NUMBER)
		scan->error = json_scan_number_end(scan);
	if (scan->error == 0 && scan->state != SCAN_DONE)
		scan->error = -EBADMSG;
	return scan->error;
}
