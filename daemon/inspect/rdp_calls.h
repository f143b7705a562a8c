#pragma once

/*
 * Calls of Firefox's Remote Debugging Protocol, pure: what was asked of which actor and is not yet
 * answered. Its packets have no ids. An actor answers in the order it was asked, and tells of
 * events in between; which is which is decided here.
 *
 * https://firefox-source-docs.mozilla.org/devtools/backend/protocol.html
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "inspect/rdp_packet.h"

struct tree;

struct rdp_call {
	char actor[RDP_ACTOR_MAX];
	const char *type; /* what was asked, a constant: "getRoot" */
	uint64_t about; /* the caller's own */
};

struct rdp_calls {
	struct rdp_call *call; /* borrowed; oldest first */
	unsigned n, max;
};

void rdp_calls_init(struct rdp_calls *calls, struct rdp_call *call, unsigned max);

/* 0; -ENOBUFS when too much is unanswered; -ENAMETOOLONG. type is borrowed for good. */
int rdp_calls_add(struct rdp_calls *calls, const char *actor, const char *type, uint64_t about);

/*
 * Is the packet an answer? Then what it answers is taken off and copied to ret. False: an event, or
 * the answer to something that is no longer waited for.
 */
bool rdp_calls_take(struct rdp_calls *calls, const struct tree *packet, struct rdp_call *ret);

/* How many of this caller's are unanswered. */
unsigned rdp_calls_of(const struct rdp_calls *calls, uint64_t about);

/* Nobody waits for those of this caller any more, or for those an actor was asked. */
void rdp_calls_drop(struct rdp_calls *calls, uint64_t about);
void rdp_calls_drop_actor(struct rdp_calls *calls, const char *actor);

/*
 * Of a forwardingCancelled packet: all actors below the prefix are gone and will not answer what
 * they were asked. Drops those calls.
 */
void rdp_calls_cancel(struct rdp_calls *calls, const char *prefix);
