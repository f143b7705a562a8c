#pragma once

/*
 * Packets of Firefox's Remote Debugging Protocol, pure: spans in, spans out, no I/O.
 *
 *   LENGTH:JSON                      a text of so many bytes
 *   bulk ACTOR KIND LENGTH:BYTES     anything
 *
 * https://firefox-source-docs.mozilla.org/devtools/backend/protocol.html#stream-transport
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PACKET_HEAD_MAX = 200, /* bytes before the payload, as Firefox has it */
	PACKET_PREFIX_MAX = 24, /* "LENGTH:" and its zero */
};

struct packet_events {
	/* A piece of a text; `last` with the final piece (which may be empty). */
	int (*text)(void *owner, const char *data, size_t size, bool last);
	/* The head of a bulk packet of so many bytes; may be NULL, as may the next one. */
	int (*bulk)(void *owner, const char *actor, uint64_t size);
	/* A piece of it, as above. */
	int (*data)(void *owner, const char *data, size_t size, bool last);
};

struct packet_reader {
	const struct packet_events *events;
	void *owner;
	uint64_t left; /* payload bytes still to come */
	size_t head_n;
	bool in_payload, is_bulk;
	char head[PACKET_HEAD_MAX + 1];
};

void packet_reader_init(struct packet_reader *reader, const struct packet_events *events,
			void *owner);

/*
 * 0; -EPROTO when it is no packet; or an event's own. After an error the reader must not be fed
 * again.
 */
int packet_feed(struct packet_reader *reader, const char *data, size_t size);

/* "LENGTH:" of a text of so many bytes. Returns its length. */
size_t packet_prefix(char dst[PACKET_PREFIX_MAX], size_t size);
