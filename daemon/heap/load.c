/*
 * A heap snapshot of any engine
 */

#include "heap/load.h"

#include <string.h>

#include "heap/load_gecko.h"
#include "heap/load_jsc.h"

/* A Metadata message is a time stamp: the key of field 1 and ten bytes at the most. */
enum { METADATA_MAX = 11, METADATA_KEY = 0x08, KEY_AT = 1 };

static bool begins(const char *at, const char *end, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(end - at) >= n && memcmp(at, text, n) == 0;
}

static const char *past_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

static bool is_gecko(const struct v8_text *text)
{
	const unsigned char *data = (const unsigned char *)text->data;

	if (text->size == 0 || data[0] > METADATA_MAX)
		return false;
	/* Before its first field is there, or without one, no other format begins like this. */
	return data[0] == 0 || text->size == KEY_AT || data[KEY_AT] == METADATA_KEY;
}

enum heap_format heap_format_of(const struct v8_text *text)
{
	const char *end = text->data + text->size, *at = past_blanks(text->data, end);

	if (is_gecko(text))
		return HEAP_FORMAT_GECKO;
	if (at < end && *at == '{') {
		at = past_blanks(at + 1, end);
		if (begins(at, end, "\"version\"") || begins(at, end, "\"type\""))
			return HEAP_FORMAT_JSC;
	}
	return HEAP_FORMAT_V8;
}

int heap_load(struct heap_graph *ret, const struct v8_text *text,
	      const struct heap_load_options *options, struct err *err)
{
	heap_progress_tell(options->progress, "reading", HEAP_NO_PERCENT);
	switch (heap_format_of(text)) {
	case HEAP_FORMAT_JSC:
		return heap_load_jsc(ret, text, options, err);
	case HEAP_FORMAT_GECKO:
		return heap_load_gecko(ret, text, options, err);
	case HEAP_FORMAT_V8:
		break;
	}
	return heap_load_v8(ret, text, options, err);
}
