#pragma once

/*
 * What is heard of a message over the WebKit inspector protocol, event by event as it streams in:
 * the few members that matter, by their path in the message. A snapshot is one member of one
 * message, and a message's id comes after it; so what is streamed is not yet known to be ours.
 * Bun and WebKit answer alike.
 */

#include <stdbool.h>
#include <stdint.h>
#include "json/scan.h"

enum { WEBKIT_PATH_MAX = 6 };

enum webkit_field {
	WEBKIT_NONE,
	WEBKIT_ROOT,
	WEBKIT_ID,
	WEBKIT_METHOD,
	WEBKIT_ERROR,
	WEBKIT_ERROR_TEXT,
	WEBKIT_RESULT,
	WEBKIT_REMOTE, /* the value of an evaluation, with what describes it */
	WEBKIT_VALUE,
	WEBKIT_DESCRIPTION,
	WEBKIT_THROWN,
	WEBKIT_SNAPSHOT,
	WEBKIT_PARAMS,
	WEBKIT_NESTED, /* a message of a target within one of its browser */
	WEBKIT_TARGET_ID,
	WEBKIT_NEW_TARGET_ID,
	WEBKIT_TARGET,
	WEBKIT_TARGET_TYPE,
	WEBKIT_PROVISIONAL,
	WEBKIT_EVENT,
	WEBKIT_CATEGORIES,
	WEBKIT_CATEGORY_TYPE,
	WEBKIT_CATEGORY_SIZE,
};

struct webkit_message {
	uint8_t at[WEBKIT_PATH_MAX]; /* by depth: the member under way, enum webkit_field */
	bool has_id, failed, thrown, provisional, has_number;
	int64_t id;
	int64_t number; /* the value, when it is one */
	int64_t heap_bytes; /* of the category "javascript"; 0: it was not told */
	char method[64], text[160], type[24];
	char target[64]; /* that the message is about */
	char category[24];
};

/* Keep what matters of one event; the member it is the value of, or WEBKIT_NONE. */
enum webkit_field webkit_hear(struct webkit_message *message, const struct json_event *event);

bool webkit_begins_message(const struct json_event *event);
bool webkit_is_text(const struct json_event *event);

/*
 * Where a client's ids begin: a random number, for the answers to other clients of the same target
 * come to all of them and are told apart by nothing else.
 */
int32_t webkit_first_id(void);
