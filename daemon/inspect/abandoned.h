#pragma once

/*
 * Abandoned: connections on which a daemon before this one was receiving a snapshot when it was
 * killed. systemd has kept them (service.h), because of Node 20 and 22: when the client's end has
 * gone while more is to be written, their inspector's thread can write to a socket that it has just
 * given up, and the program dies (SIGSEGV in node::inspector::TcpHolder::WriteRaw).
 *
 * So each is heard out, as a download hears out what it has given up: read until the peer closes
 * it, until nothing has come for a while, until the program says that it wants to exit (which it
 * cannot before we leave), or until a deadline. What comes is thrown away, and nothing is said,
 * not even where TLS or a PONG would want it: half a message may have gone out before, and the keys
 * are lost. What the snapshot has left on in the program ends with the connection, or when the next
 * session to it says so (session_settle()).
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/list.h"

struct address;
struct loop;

struct abandoned {
	struct loop *loop; /* borrowed */
	struct link all;
	unsigned n;
	uint64_t silence_ns; /* nothing for so long: it was all; set by init */
	/* One has been heard out, or cannot be. Set by the root; may be NULL. */
	void (*on_ended)(void *owner, const char *id);
	void *owner;
};

void abandoned_init(struct abandoned *abandoned, struct loop *loop);

/* Closes what is left without an end: whoever else has it may still hear it out. Safe twice. */
void abandoned_fini(struct abandoned *abandoned);

/* fd is taken over, for limit_ns at most; id: of the capture. */
void abandoned_add(struct abandoned *abandoned, int fd, const char *id, uint64_t limit_ns);

/* Is one to this address still heard? */
bool abandoned_has(const struct abandoned *abandoned, const struct address *address);
