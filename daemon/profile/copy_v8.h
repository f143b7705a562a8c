#pragma once

/*
 * V8's .heapprofile written down as its events come, with nothing lost but what is too long of a
 * text, and with our own member at its end (profile/read_v8.h): what the bytes are of.
 */

#include "json/copy.h"

struct profile;

struct profile_copy {
	struct json_copy json;
};

/* buf is borrowed; its sticky error is the copy's. */
void profile_copy_init(struct profile_copy *copy, struct buf *buf);

/* One event of the profile, which is an object; the end of that is left out. 0, the buffer's. */
int profile_copy_event(struct profile_copy *copy, const struct json_event *event);

/* Our member, by what the profile says, and the end. 0 or the buffer's. */
int profile_copy_finish(struct profile_copy *copy, const struct profile *profile);
