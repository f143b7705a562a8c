/*
 * A heap snapshot of any engine
 */

#include "heap/load.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "heap/load_gecko.h"
#include "heap/load_jsc.h"
#include "util/err.h"

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

int heap_load_part(const struct v8_text *part, const struct heap_load_options *options,
		   const char *why, struct err *err)
{
	struct err place = { .text = "" };
	struct heap_graph graph;
	int r;

	if (part->size == 0)
		return err_set(err, -EBADMSG,
			       "unpacked, it ends at byte 0, before its first section: %s", why);
	r = heap_load(&graph, part, options, &place);
	heap_graph_fini(&graph);
	if (r == -ENODATA || r == -EBADMSG)
		return err_set(err, -EBADMSG, "unpacked, %s: %s", place.text, why);
	return err_set(err, -EBADMSG, "unpacked, it %s at byte %" PRIu64 ": %s",
		       r == 0 ? "can be read up to its end" : "ends", part->size, why);
}
