/*
 * The table below is all of the protocol that the capture halves read. Longer texts come in pieces
 * and are gathered; a snapshot's are not kept, only recognised.
 */

#include "inspect/webkit_message.h"

#include <string.h>

#include "util/rand.h"

static const struct {
	enum webkit_field in, field;
	const char *name;
} members[] = {
	{ WEBKIT_ROOT, WEBKIT_ID, "id" },
	{ WEBKIT_ROOT, WEBKIT_METHOD, "method" },
	{ WEBKIT_ROOT, WEBKIT_ERROR, "error" },
	{ WEBKIT_ROOT, WEBKIT_RESULT, "result" },
	{ WEBKIT_ROOT, WEBKIT_PARAMS, "params" },
	{ WEBKIT_ERROR, WEBKIT_ERROR_TEXT, "message" },
	{ WEBKIT_RESULT, WEBKIT_REMOTE, "result" },
	{ WEBKIT_RESULT, WEBKIT_THROWN, "wasThrown" },
	{ WEBKIT_RESULT, WEBKIT_SNAPSHOT, "snapshotData" },
	{ WEBKIT_PARAMS, WEBKIT_SNAPSHOT, "snapshotData" },
	{ WEBKIT_REMOTE, WEBKIT_VALUE, "value" },
	{ WEBKIT_REMOTE, WEBKIT_DESCRIPTION, "description" },
	{ WEBKIT_PARAMS, WEBKIT_NESTED, "message" },
	{ WEBKIT_PARAMS, WEBKIT_TARGET_ID, "targetId" },
	{ WEBKIT_PARAMS, WEBKIT_NEW_TARGET_ID, "newTargetId" },
	{ WEBKIT_PARAMS, WEBKIT_TARGET, "targetInfo" },
	{ WEBKIT_PARAMS, WEBKIT_EVENT, "event" },
	{ WEBKIT_TARGET, WEBKIT_TARGET_ID, "targetId" },
	{ WEBKIT_TARGET, WEBKIT_TARGET_TYPE, "type" },
	{ WEBKIT_TARGET, WEBKIT_PROVISIONAL, "isProvisional" },
	{ WEBKIT_EVENT, WEBKIT_CATEGORIES, "categories" },
	{ WEBKIT_CATEGORIES, WEBKIT_CATEGORY_TYPE, "type" },
	{ WEBKIT_CATEGORIES, WEBKIT_CATEGORY_SIZE, "size" },
};

static enum webkit_field member_find(enum webkit_field in, const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (members[i].in == in && strlen(members[i].name) == size &&
		    memcmp(members[i].name, name, size) == 0)
			return members[i].field;
	}
	return WEBKIT_NONE;
}

bool webkit_is_text(const struct json_event *event)
{
	return event->kind == JSON_STRING || event->kind == JSON_STRING_PART;
}

bool webkit_begins_message(const struct json_event *event)
{
	return event->depth == 0 && event->kind != JSON_OBJECT_END && event->kind != JSON_ARRAY_END;
}

/* What does not fit is cut; no text that matters is as long. */
static void gather(char *dst, size_t size, const struct json_event *event)
{
	size_t used = strlen(dst), n = event->size;
	const char *zero;

	if (n > size - 1 - used)
		n = size - 1 - used;
	zero = memchr(event->text, '\0', n);
	if (zero != NULL)
		n = (size_t)(zero - event->text);
	memcpy(dst + used, event->text, n);
	dst[used + n] = '\0';
}

static void hear_text(struct webkit_message *message, enum webkit_field field,
		      const struct json_event *event)
{
	switch (field) {
	case WEBKIT_METHOD:
		gather(message->method, sizeof(message->method), event);
		break;
	case WEBKIT_ERROR_TEXT:
	case WEBKIT_DESCRIPTION:
		gather(message->text, sizeof(message->text), event);
		break;
	case WEBKIT_TARGET_ID:
	case WEBKIT_NEW_TARGET_ID:
		gather(message->target, sizeof(message->target), event);
		break;
	case WEBKIT_TARGET_TYPE:
		gather(message->type, sizeof(message->type), event);
		break;
	case WEBKIT_CATEGORY_TYPE:
		gather(message->category, sizeof(message->category), event);
		break;
	default:
		break;
	}
}

static void hear_integer(struct webkit_message *message, enum webkit_field field, int64_t value)
{
	if (field == WEBKIT_ID) {
		message->id = value;
		message->has_id = true;
	} else if (field == WEBKIT_VALUE) {
		message->number = value;
		message->has_number = true;
	} else if (field == WEBKIT_CATEGORY_SIZE && strcmp(message->category, "javascript") == 0) {
		message->heap_bytes = value;
	}
}

/* The objects of an array of categories are looked into, other arrays' items are not. */
static void enter(struct webkit_message *message, enum webkit_field field,
		  const struct json_event *event)
{
	if (event->depth + 1 < WEBKIT_PATH_MAX)
		message->at[event->depth + 1] =
			event->kind == JSON_ARRAY && field == WEBKIT_CATEGORIES ? WEBKIT_CATEGORIES
										: WEBKIT_NONE;
	if (event->kind == JSON_OBJECT && field == WEBKIT_ERROR)
		message->failed = true;
	if (event->kind == JSON_OBJECT && field == WEBKIT_CATEGORIES)
		message->category[0] = '\0';
}

enum webkit_field webkit_hear(struct webkit_message *message, const struct json_event *event)
{
	unsigned depth = event->depth;
	enum webkit_field field;

	if (webkit_begins_message(event))
		*message = (struct webkit_message){ 0 };
	if (depth >= WEBKIT_PATH_MAX)
		return WEBKIT_NONE;
	if (event->kind == JSON_KEY) {
		message->at[depth] =
			(uint8_t)member_find(message->at[depth - 1], event->text, event->size);
		return WEBKIT_NONE;
	}
	if (depth == 0 && event->kind == JSON_OBJECT)
		message->at[0] = WEBKIT_ROOT;
	field = message->at[depth];
	if (event->kind == JSON_OBJECT || event->kind == JSON_ARRAY)
		enter(message, field, event);
	else if (webkit_is_text(event))
		hear_text(message, field, event);
	else if (event->kind == JSON_INTEGER)
		hear_integer(message, field, event->integer);
	else if (event->kind == JSON_TRUE && field == WEBKIT_THROWN)
		message->thrown = true;
	else if (event->kind == JSON_TRUE && field == WEBKIT_PROVISIONAL)
		message->provisional = true;
	return field;
}

int32_t webkit_first_id(void)
{
	enum { FIRST = 1 << 16, SPAN = 1 << 26 };
	uint32_t random = 0;

	/* Without it the ids are only easier to meet. */
	(void)rand_bytes(&random, sizeof(random));
	return FIRST + (int32_t)(random % SPAN);
}
