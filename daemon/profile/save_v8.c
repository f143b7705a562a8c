/* Profiles as V8's. Depth first along the links between nodes: nothing recurses. */

#include "profile/save_v8.h"

#include <stdint.h>
#include <string.h>

#include "json/write.h"
#include "profile/profile.h"
#include "util/buf.h"

int profile_save_member(const struct profile *profile, struct buf *buf)
{
	struct json_writer w;

	buf_puts(buf, "\"heapwatchd\":");
	json_write_init(&w, buf);
	json_write_object(&w);
	json_member_string(&w, "what", profile_what_name(profile->what));
	json_member_bool(&w, "objects", profile->has_objects);
	json_member_uint(&w, "interval", profile->interval_bytes);
	json_write_key(&w, "started");
	json_write_int(&w, profile->started_wall_ms);
	json_member_uint(&w, "duration", profile->duration_ns);
	json_write_object_end(&w);
	return buf->error;
}

static void begin_node(const struct profile *profile, uint32_t at, struct buf *buf)
{
	const struct profile_node *node = &profile->nodes[at];
	const struct profile_function *function = &profile->functions[node->function];
	const char *name = profile_name(profile, node->function);
	const char *url = profile_url(profile, node->function);

	buf_puts(buf, "{\"callFrame\":{\"functionName\":");
	json_quote(buf, name, strlen(name));
	buf_puts(buf, ",\"scriptId\":\"0\",\"url\":");
	json_quote(buf, url, strlen(url));
	buf_printf(buf,
		   ",\"lineNumber\":%d,\"columnNumber\":%d},\"selfSize\":%llu,\"id\":%u,"
		   "\"children\":[",
		   function->line - 1, function->column - 1, (unsigned long long)node->self_bytes,
		   at + 1);
}

/* End a node, and those that end with it; the next one, or PROFILE_NONE. */
static uint32_t end_node(const struct profile *profile, uint32_t at, struct buf *buf)
{
	while (at != PROFILE_NONE) {
		buf_puts(buf, "]}");
		if (profile->nodes[at].next != PROFILE_NONE) {
			buf_puts(buf, ",");
			return profile->nodes[at].next;
		}
		at = profile->nodes[at].parent;
	}
	return PROFILE_NONE;
}

static void put_samples(const struct profile *profile, struct buf *buf)
{
	const char *comma = "";

	for (uint32_t i = 0; i < profile->nodes_n; i++) {
		const struct profile_node *node = &profile->nodes[i];

		if (node->self_bytes == 0)
			continue;
		buf_printf(buf, "%s{\"size\":%llu,\"nodeId\":%u,\"ordinal\":%u,\"count\":%llu}",
			   comma, (unsigned long long)node->self_bytes, i + 1, i + 1,
			   (unsigned long long)node->self_count);
		comma = ",";
	}
}

int profile_save_v8(const struct profile *profile, struct buf *buf)
{
	uint32_t at = 0;

	buf_puts(buf, "{\"head\":");
	while (at != PROFILE_NONE) {
		begin_node(profile, at, buf);
		at = profile->nodes[at].first != PROFILE_NONE ? profile->nodes[at].first
							      : end_node(profile, at, buf);
	}
	buf_puts(buf, ",\"samples\":[");
	put_samples(profile, buf);
	buf_puts(buf, "],");
	profile_save_member(profile, buf);
	return buf_puts(buf, "}");
}
