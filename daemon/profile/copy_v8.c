/* Copies of V8's profiles. */

#include "profile/copy_v8.h"

#include "profile/profile.h"
#include "profile/save_v8.h"
#include "util/buf.h"

void profile_copy_init(struct profile_copy *copy, struct buf *buf)
{
	json_copy_init(&copy->json, buf, PROFILE_NAME_MAX);
}

int profile_copy_event(struct profile_copy *copy, const struct json_event *event)
{
	if (event->kind == JSON_OBJECT_END && event->depth == 0)
		return copy->json.buf->error;
	return json_copy_event(&copy->json, event);
}

int profile_copy_finish(struct profile_copy *copy, const struct profile *profile)
{
	struct buf *buf = copy->json.buf;

	buf_puts(buf, ",");
	profile_save_member(profile, buf);
	return buf_puts(buf, "}");
}
