/*
 * Packets are read by what we need of them only: Firefox adds members with every version.
 */

#include "inspect/rdp_packet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json/tree.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/str.h"

static bool is_from_root(const struct tree *packet)
{
	const char *from;

	return tree_string(packet, "from", &from) && strcmp(from, "root") == 0;
}

bool rdp_is_hello(const struct tree *packet)
{
	const char *type;

	return is_from_root(packet) && tree_string(packet, "applicationType", &type) &&
	       tree_is_object(tree_get(packet, "traits"));
}

bool rdp_is_cancelled(const struct tree *packet, const char **ret_prefix)
{
	const char *type;

	return is_from_root(packet) && tree_string(packet, "type", &type) &&
	       strcmp(type, "forwardingCancelled") == 0 &&
	       tree_string(packet, "prefix", ret_prefix);
}

bool rdp_is_below(const char *actor, const char *prefix)
{
	size_t size = strlen(prefix);

	return size > 0 && strncmp(actor, prefix, size) == 0 && actor[size] == '/';
}

bool rdp_tab_name(const struct tree *entry, char dst[RDP_ISOLATE_MAX])
{
	bool zombie = false;
	int64_t id;

	tree_bool(entry, "isZombieTab", &zombie);
	if (zombie || !tree_int(entry, "browserId", &id))
		return false;
	snprintf(dst, RDP_ISOLATE_MAX, "tab:%" PRId64, id);
	return true;
}

bool rdp_process_name(const struct tree *entry, char dst[RDP_ISOLATE_MAX])
{
	bool parent = true;
	int64_t id;

	if (!tree_bool(entry, "isParent", &parent) || parent || !tree_int(entry, "id", &id))
		return false;
	snprintf(dst, RDP_ISOLATE_MAX, "process:%" PRId64, id);
	return true;
}

bool rdp_actor(const struct tree *packet, const char *path, char dst[RDP_ACTOR_MAX])
{
	const char *text;

	return tree_string(packet, path, &text) && text[0] != '\0' &&
	       str_copy(dst, RDP_ACTOR_MAX, text);
}

int rdp_compose(struct buf *buf, const char *actor, const char *type, const char *name,
		const char *text)
{
	buf_puts(buf, "{\"to\":");
	json_quote(buf, actor, strlen(actor));
	buf_printf(buf, ",\"type\":\"%s\"", type);
	if (name != NULL) {
		buf_printf(buf, ",\"%s\":", name);
		json_quote(buf, text, strlen(text));
	}
	return buf_puts(buf, "}");
}
