/* Copies of documents. */

#include "json/copy.h"

#include "json/write.h"
#include "util/buf.h"

void json_copy_init(struct json_copy *copy, struct buf *buf, size_t text_max)
{
	*copy = (struct json_copy){ .buf = buf, .text_max = text_max };
}

/* A comma, unless it is the first there or has a key. */
static void separate(struct json_copy *copy, unsigned depth)
{
	uint64_t *word = &copy->filled[depth / 64], bit = 1ull << depth % 64;

	if (!copy->after_key && (*word & bit) != 0)
		buf_puts(copy->buf, ",");
	copy->after_key = false;
	*word |= bit;
}

static void write_text(struct json_copy *copy, const struct json_event *event)
{
	size_t n = event->size;

	if (n > copy->text_max) {
		n = copy->text_max;
		while (n > 0 && ((unsigned char)event->text[n] & 0xc0) == 0x80)
			n--;
	}
	json_quote(copy->buf, event->text, n);
}

static void text(struct json_copy *copy, const struct json_event *event)
{
	if (!copy->in_text) {
		separate(copy, event->depth);
		write_text(copy, event);
	}
	copy->in_text = event->kind == JSON_STRING_PART;
}

static void scalar(struct json_copy *copy, const struct json_event *event)
{
	separate(copy, event->depth);
	if (event->kind == JSON_INTEGER)
		buf_printf(copy->buf, "%lld", (long long)event->integer);
	else if (event->kind == JSON_REAL)
		buf_append(copy->buf, event->text, event->size);
	else
		buf_puts(copy->buf, event->kind == JSON_TRUE    ? "true"
				    : event->kind == JSON_FALSE ? "false"
								: "null");
}

int json_copy_event(struct json_copy *copy, const struct json_event *event)
{
	switch (event->kind) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		separate(copy, event->depth);
		copy->filled[(event->depth + 1) / 64] &= ~(1ull << (event->depth + 1) % 64);
		return buf_puts(copy->buf, event->kind == JSON_OBJECT ? "{" : "[");
	case JSON_OBJECT_END:
		return buf_puts(copy->buf, "}");
	case JSON_ARRAY_END:
		return buf_puts(copy->buf, "]");
	case JSON_KEY:
		separate(copy, event->depth);
		json_quote(copy->buf, event->text, event->size);
		copy->after_key = true;
		return buf_puts(copy->buf, ":");
	case JSON_STRING:
	case JSON_STRING_PART:
		text(copy, event);
		return copy->buf->error;
	default:
		scalar(copy, event);
		return copy->buf->error;
	}
}
