#pragma once

/*
 * Redaction of heap profiles: names of functions and addresses of scripts, which is all the text
 * that a profile has. It works on the events of the JSON they are written in, so that what is read
 * from a target and what is read from a file go through the same rules; the numbers stay. Default
 * is deny: a text that is neither of the two, nor a word of the format, is blanked.
 */

#include "json/scan.h"
#include "pipeline/recipe.h"

struct stage;

enum {
	REDACT_FRAME_MAX = 8 << 10, /* bytes of a name or address that are looked at */
	REDACT_MEMBER_MAX = 32, /* bytes of a member's name */
};

struct redact_profile {
	enum redact_level level;
	int member; /* whose value comes next; private */
	bool in_text; /* more pieces of a text come */
	char text[REDACT_FRAME_MAX]; /* what event->text points to afterwards */
};

void redact_profile_init(struct redact_profile *redact, enum redact_level level);
void redact_profile_wipe(struct redact_profile *redact);

/*
 * The event as it may be seen: its text is another one, which is valid until the next call. 0;
 * -EBADMSG: a member that no profile has.
 */
int redact_profile_event(struct redact_profile *redact, struct json_event *event);

/*
 * The same of one name or address that did not come in events. dst has REDACT_FRAME_MAX bytes and
 * is terminated.
 */
void redact_frame_name(enum redact_level level, char *dst, const char *text, size_t size);
void redact_frame_url(enum redact_level level, char *dst, const char *text, size_t size);

/* A stage for the bytes of a .heapprofile; level is not REDACT_NONE. 0, -ENOMEM. */
int redact_profile_new(struct stage **ret, enum redact_level level, struct stage *next);
