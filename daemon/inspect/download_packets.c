/*
 * What a packet connection brings during a download. The wire is read on after a failure, as over
 * WebSocket, because an answer may still be waited for; only the dialect is not asked any more.
 */

#include "inspect/download_packets.h"

#include <errno.h>

#include "inspect/dialect.h"
#include "inspect/download.h"
#include "inspect/runtime.h"
#include "json/tree.h"

static const struct dialect *dialect_of(const struct download *download)
{
	return download->request->runtime->dialect;
}

/* The first failure is the result. What comes after it is read on, for what may be waited for. */
static void note(struct download *download, int r)
{
	if (r != 0 && download->result == 0)
		download->result = r;
}

static int take_text(struct download *download)
{
	struct tree *packet;
	int r;

	if (download->packet.error == -E2BIG)
		return err_set(download->err, -EPROTO, "a packet is larger than it may be");
	if (download->packet.error != 0)
		return download->packet.error;
	r = tree_parse(download->packet.data, download->packet.size, &packet, NULL);
	if (r == -EBADMSG)
		return err_set(download->err, -EPROTO, "a packet is not JSON");
	if (r < 0)
		return r;
	r = dialect_of(download)->snapshot_packet(download, packet);
	tree_free(packet);
	return r;
}

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	struct download *download = owner;

	buf_append(&download->packet, data, size);
	if (!last)
		return 0;
	if (download->result == 0)
		note(download, take_text(download));
	buf_clear(&download->packet);
	return 0;
}

static int on_bulk(void *owner, const char *actor, uint64_t size)
{
	struct download *download = owner;

	note(download, dialect_of(download)->snapshot_bulk(download, actor, size));
	return 0;
}

static int on_data(void *owner, const char *data, size_t size, bool last)
{
	struct download *download = owner;

	if (download->result == 0)
		note(download, dialect_of(download)->snapshot_data(download, data, size, last));
	return 0;
}

const struct packet_events download_packet_events = {
	.text = on_text,
	.bulk = on_bulk,
	.data = on_data,
};
