/* Copies of V8's profiles. */

#include "profile/copy_v8.h"

#include "json/write.h"
#include "profile/profile.h"
#include "profile/save_v8.h"

void profile_copy_init(struct profile_copy *copy, struct buf *buf)
{
	*copy = (struct profile_copy){ .buf = buf };
}

/* A comma, unless it is the first there or has a key. */
static void separate(struct profile_copy *copy, unsigned depth)
{
	uint64_t *word = &copy->filled[depth / 64], bit = 1ull << depth % 64;

	if (!copy->after_key && (*word & bit) != 0)
		buf_puts(copy->buf, ",");
	copy->after_key = false;
	*word |= bit;
}

static void write_text(struct profile_copy *copy, const struct json_event *event)
{
	size_t n = event->size;

	if (n > PROFILE_NAME_MAX) {
		n = PROFILE_NAME_MAX;
		while (n > 0 && ((unsigned char)event->text[n] & 0xc0) == 0x80)
			n--;
	}
	json_quote(copy->buf, event->text, n);
}

/* The first piece of a text is longer than what is kept of it. */
static void text(struct profile_copy *copy, const struct json_event *event)
{
	if (!copy->in_text) {
		separate(copy, event->depth);
		write_text(copy, event);
	}
	copy->in_text = event->kind == JSON_STRING_PART;
}

static void scalar(struct profile_copy *copy, const struct json_event *event)
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

int profile_copy_event(struct profile_copy *copy, const struct json_event *event)
{
	switch (event->kind) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		separate(copy, event->depth);
		copy->filled[(event->depth + 1) / 64] &= ~(1ull << (event->depth + 1) % 64);
		return buf_puts(copy->buf, event->kind == JSON_OBJECT ? "{" : "[");
	case JSON_OBJECT_END:
		return event->depth > 0 ? buf_puts(copy->buf, "}") : copy->buf->error;
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

int profile_copy_finish(struct profile_copy *copy, const struct profile *profile)
{
	buf_puts(copy->buf, ",");
	profile_save_member(profile, copy->buf);
	return buf_puts(copy->buf, "}");
}
