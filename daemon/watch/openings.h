#pragma once

/*
 * Inspectors that we have opened: of each, which process it is in, and whether it must be closed
 * again. They are opened when their target is to be polled, stay open while a target holds them,
 * and are closed when the last one lets go: taken out of the configuration, or the end of the
 * daemon. One that we did not open is left as it is.
 *
 * What we opened is on the disk before the signal is sent (openings.json in the state folder), so
 * that a daemon which was killed closes it at the end of its next life.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/list.h"

struct address;
struct err;
struct loop;
struct opening;
struct opened;
struct session_context;

struct openings {
	const struct session_context *context; /* borrowed */
	struct link list; /* struct opened */
	int state_fd; /* borrowed; where openings.json is */
	const char *proc; /* borrowed; where /proc is */
	bool finishing; /* the daemon ends: set before the targets let go */
};

/* What was left open is read from the state folder. 0, -ENOMEM. */
int openings_init(struct openings *openings, const struct session_context *context, int state_fd);
void openings_fini(struct openings *openings);

/* A target wants what is at the address, from now until it lets go. NULL: no memory. */
struct opened *openings_hold(struct openings *openings, const struct address *address);

/* NULL is fine. The last one that lets go has it closed. */
void openings_let_go(struct opened *opened);

/*
 * Have it opened, unless it is. 0: the process listens there. OPENING_WAIT: it has been asked a
 * moment ago, or is just being closed: ask again in OPENING_ASK_NS. -errno with text in err: it
 * cannot be opened.
 */
enum { OPENING_WAIT = 1 };
#define OPENING_ASK_NS (20 * 1000 * 1000ull)
int openings_need(struct openings *openings, struct opened *opened, const struct opening *opening,
		  struct err *err);

/* What nobody holds, once the configuration is known, is closed. */
void openings_close_unheld(struct openings *openings);

/*
 * Close them all and turn the loop until that is done, or for three seconds. What is not closed
 * then stays in the file.
 */
void openings_finish(struct openings *openings);
