#pragma once

/*
 * What is heard of a message over CDP, event by event as it streams in. The members that matter are
 * few, short and known: their path in the message tells them, and everything else passes unseen. A
 * message may be gigabytes, so nothing of it is kept but these.
 */

#include <stdbool.h>
#include <stdint.h>
#include "json/scan.h"

enum {
	CDP_PATH_MAX = 4,
	CDP_PROFILE_DEPTH = 2, /* of result.profile */
	CDP_STATS_DEPTH = 2, /* of params.statsUpdate */
	/* Longer texts are cut; no program is named by more. */
	CDP_URL_MAX = 2048,
};

enum cdp_field {
	CDP_NONE,
	CDP_ROOT,
	CDP_ID,
	CDP_METHOD,
	CDP_ERROR,
	CDP_ERROR_TEXT,
	CDP_PARAMS,
	CDP_RESULT,
	CDP_PROFILE,
	CDP_CHUNK,
	CDP_STATS,
	CDP_DONE,
	CDP_TOTAL,
	CDP_REASON,
	CDP_SESSION,
	CDP_OF_SESSION,
	CDP_TARGET,
	CDP_TARGET_ID,
	CDP_NESTED,
	CDP_WORKER,
	CDP_TITLE,
	CDP_SCRIPT_ID,
	CDP_URL,
	CDP_START_LINE,
	CDP_START_COLUMN,
	CDP_END_LINE,
	CDP_END_COLUMN,
	CDP_LENGTH,
	CDP_HASH,
	CDP_IS_MODULE,
	CDP_SOURCE_MAP_URL,
};

struct cdp_message {
	uint8_t at[CDP_PATH_MAX]; /* by depth: the member under way, enum cdp_field */
	bool has_id, failed;
	int64_t id, done, total;
	char method[64], session[64], title[160], text[192], reason[24];
	char of_session[64]; /* it is said by, at the root; "" for the connection itself */
	char target_id[64];

	/* Of a script. */
	bool is_module, source_map_cut;
	int64_t start_line, start_column, end_line, end_column, length;
	char script_id[24], hash[96];
	char url[CDP_URL_MAX + 1], source_map_url[CDP_URL_MAX / 2 + 1];
};

/* Keep what matters of one event; the member it is the value of, or CDP_NONE. */
enum cdp_field cdp_hear(struct cdp_message *message, const struct json_event *event);

/* What a message begins with makes it a new one, whatever the one before it was. */
bool cdp_begins_message(const struct json_event *event);

/* Is it, or is it in, what result.profile is? To be asked after cdp_hear(). */
bool cdp_in_profile(const struct cdp_message *message, const struct json_event *event);

/* Is it one of the numbers of params.statsUpdate? To be asked after cdp_hear(). */
bool cdp_in_stats(const struct cdp_message *message, const struct json_event *event);

bool cdp_is_text(const struct json_event *event);
