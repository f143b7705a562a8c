/* For sessions that speak WebSocket: the other dialect and its connections, which are not there. */

#include <errno.h>

#include "inspect/dialect.h"
#include "net/packet_link.h"
#include "util/err.h"

static int nothing_found(struct session *session, const char *list, size_t size, struct err *err)
{
	(void)session, (void)list, (void)size;
	return err_set(err, -ENOENT, "it is no Firefox either");
}

const struct dialect dialect_rdp = { .name = "rdp", .found = nothing_found };

int packet_link_open(struct packet_link **ret, struct loop *loop, const struct address *to,
		     const struct packet_link_limits *limits,
		     const struct packet_link_events *events, void *owner)
{
	(void)ret, (void)loop, (void)to, (void)limits, (void)events, (void)owner;
	return -ENOTSUP;
}

int packet_link_send(struct packet_link *link, const char *text, size_t size)
{
	(void)link, (void)text, (void)size;
	return -ENOTSUP;
}

void packet_link_close(struct packet_link *link)
{
	(void)link;
}
