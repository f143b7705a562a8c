#pragma once

/*
 * Played programs: what answers the targets of this program, over connections that are none. All
 * above net/packet_link.h is the daemon's own, but for the dialect, which says nothing.
 *
 * To be linked with the link_args of bench_days. Programs are told apart by the port of their
 * address, from 1 on.
 */

#include <stdbool.h>
#include <stdint.h>

struct sample;

enum played_answer {
	PLAYED_SAMPLE, /* it has filled in the sample */
	PLAYED_STUCK, /* it answers when played_go_on() finds that it does */
	PLAYED_GONE, /* the connection is lost */
};

struct played_cast {
	bool (*listens)(void *owner, unsigned program); /* or its connection is refused */
	int64_t (*began_ms)(void *owner, unsigned program); /* monotonic */
	/* It is polled, or, going_on, still owes the answer to a poll. */
	enum played_answer (*polled)(void *owner, unsigned program, bool going_on,
				     struct sample *sample);
	void *owner;
};

/* Borrowed until the next; before the first target. */
void played_by(const struct played_cast *cast);

/* Those that are stuck are looked at again. */
void played_go_on(void);
