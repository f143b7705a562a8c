/*
 * The table below is all of the protocol that the capture half reads. A text that is longer than
 * the scanner's buffer comes in pieces, so texts are gathered; the chunks of a snapshot are not
 * kept, only recognised.
 */

#include "inspect/cdp_message.h"

#include <stddef.h>
#include <string.h>

static const struct {
	enum cdp_field in, field;
	const char *name;
} members[] = {
	{ CDP_ROOT, CDP_ID, "id" },
	{ CDP_ROOT, CDP_METHOD, "method" },
	{ CDP_ROOT, CDP_ERROR, "error" },
	{ CDP_ROOT, CDP_PARAMS, "params" },
	{ CDP_ROOT, CDP_RESULT, "result" },
	{ CDP_RESULT, CDP_PROFILE, "profile" },
	{ CDP_ROOT, CDP_OF_SESSION, "sessionId" },
	{ CDP_ERROR, CDP_ERROR_TEXT, "message" },
	{ CDP_PARAMS, CDP_CHUNK, "chunk" },
	{ CDP_PARAMS, CDP_STATS, "statsUpdate" },
	{ CDP_PARAMS, CDP_DONE, "done" },
	{ CDP_PARAMS, CDP_TOTAL, "total" },
	{ CDP_PARAMS, CDP_REASON, "reason" },
	{ CDP_PARAMS, CDP_SESSION, "sessionId" },
	{ CDP_PARAMS, CDP_NESTED, "message" },
	{ CDP_PARAMS, CDP_WORKER, "workerInfo" },
	{ CDP_WORKER, CDP_TITLE, "title" },
	{ CDP_PARAMS, CDP_TARGET, "targetInfo" },
	{ CDP_PARAMS, CDP_TARGET_ID, "targetId" },
	{ CDP_TARGET, CDP_TARGET_ID, "targetId" },
	{ CDP_PARAMS, CDP_SCRIPT_ID, "scriptId" },
	{ CDP_PARAMS, CDP_URL, "url" },
	{ CDP_PARAMS, CDP_START_LINE, "startLine" },
	{ CDP_PARAMS, CDP_START_COLUMN, "startColumn" },
	{ CDP_PARAMS, CDP_END_LINE, "endLine" },
	{ CDP_PARAMS, CDP_END_COLUMN, "endColumn" },
	{ CDP_PARAMS, CDP_LENGTH, "length" },
	{ CDP_PARAMS, CDP_HASH, "hash" },
	{ CDP_PARAMS, CDP_IS_MODULE, "isModule" },
	{ CDP_PARAMS, CDP_SOURCE_MAP_URL, "sourceMapURL" },
};

static enum cdp_field member_find(enum cdp_field in, const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (members[i].in == in && strlen(members[i].name) == size &&
		    memcmp(members[i].name, name, size) == 0)
			return members[i].field;
	}
	return CDP_NONE;
}

bool cdp_is_text(const struct json_event *event)
{
	return event->kind == JSON_STRING || event->kind == JSON_STRING_PART;
}

bool cdp_begins_message(const struct json_event *event)
{
	return event->depth == 0 && event->kind != JSON_OBJECT_END && event->kind != JSON_ARRAY_END;
}

bool cdp_in_profile(const struct cdp_message *message, const struct json_event *event)
{
	if (message->at[1] != CDP_RESULT || message->at[CDP_PROFILE_DEPTH] != CDP_PROFILE)
		return false;
	return event->depth > CDP_PROFILE_DEPTH ||
	       (event->depth == CDP_PROFILE_DEPTH && event->kind != JSON_KEY);
}

bool cdp_in_stats(const struct cdp_message *message, const struct json_event *event)
{
	return event->kind == JSON_INTEGER && event->depth == CDP_STATS_DEPTH + 1 &&
	       message->at[CDP_STATS_DEPTH] == CDP_STATS;
}

/* True when a part did not fit and was dropped. */
static bool gather(char *dst, size_t size, const struct json_event *event)
{
	size_t used = strlen(dst), room = size - 1 - used, n = event->size;
	const char *zero;

	if (n > room)
		n = room;
	zero = memchr(event->text, '\0', n);
	if (zero != NULL)
		n = (size_t)(zero - event->text);
	memcpy(dst + used, event->text, n);
	dst[used + n] = '\0';
	return n < event->size;
}

static void hear_text(struct cdp_message *message, enum cdp_field field,
		      const struct json_event *event)
{
	if (field == CDP_METHOD)
		gather(message->method, sizeof(message->method), event);
	else if (field == CDP_ERROR_TEXT)
		gather(message->text, sizeof(message->text), event);
	else if (field == CDP_SESSION)
		gather(message->session, sizeof(message->session), event);
	else if (field == CDP_OF_SESSION)
		gather(message->of_session, sizeof(message->of_session), event);
	else if (field == CDP_TARGET_ID)
		gather(message->target_id, sizeof(message->target_id), event);
	else if (field == CDP_TITLE)
		gather(message->title, sizeof(message->title), event);
	else if (field == CDP_REASON)
		gather(message->reason, sizeof(message->reason), event);
	else if (field == CDP_SCRIPT_ID)
		gather(message->script_id, sizeof(message->script_id), event);
	else if (field == CDP_HASH)
		gather(message->hash, sizeof(message->hash), event);
	else if (field == CDP_URL)
		gather(message->url, sizeof(message->url), event);
	else if (field == CDP_SOURCE_MAP_URL)
		message->source_map_cut |=
			gather(message->source_map_url, sizeof(message->source_map_url), event);
}

static int64_t *number_of(struct cdp_message *message, enum cdp_field field)
{
	switch (field) {
	case CDP_ID:
		return &message->id;
	case CDP_DONE:
		return &message->done;
	case CDP_TOTAL:
		return &message->total;
	case CDP_START_LINE:
		return &message->start_line;
	case CDP_START_COLUMN:
		return &message->start_column;
	case CDP_END_LINE:
		return &message->end_line;
	case CDP_END_COLUMN:
		return &message->end_column;
	case CDP_LENGTH:
		return &message->length;
	default:
		return NULL;
	}
}

static void hear_integer(struct cdp_message *message, enum cdp_field field, int64_t value)
{
	int64_t *number = number_of(message, field);

	if (number != NULL)
		*number = value;
	if (field == CDP_ID)
		message->has_id = true;
}

enum cdp_field cdp_hear(struct cdp_message *message, const struct json_event *event)
{
	unsigned depth = event->depth;
	enum cdp_field field;

	if (cdp_begins_message(event))
		*message = (struct cdp_message){ 0 };
	if (depth >= CDP_PATH_MAX)
		return CDP_NONE;
	if (event->kind == JSON_KEY) {
		message->at[depth] =
			(uint8_t)member_find(message->at[depth - 1], event->text, event->size);
		return CDP_NONE;
	}
	if (depth == 0 && event->kind == JSON_OBJECT)
		message->at[0] = CDP_ROOT;
	field = message->at[depth];
	if ((event->kind == JSON_OBJECT || event->kind == JSON_ARRAY) && depth + 1 < CDP_PATH_MAX)
		message->at[depth + 1] = CDP_NONE; /* the items of an array have no names */
	if (event->kind == JSON_OBJECT && field == CDP_ERROR)
		message->failed = true;
	if (cdp_is_text(event))
		hear_text(message, field, event);
	else if (event->kind == JSON_INTEGER)
		hear_integer(message, field, event->integer);
	else if (event->kind == JSON_TRUE && field == CDP_IS_MODULE)
		message->is_module = true;
	return field;
}
