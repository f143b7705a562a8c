#pragma once

/*
 * Partings: how a connection is left that may not be left at any time.
 *
 * When a client's end of a connection has gone, the inspector's thread of Node 20 and 22 lets go of
 * the socket first and of the session a moment later; an answer that the main thread hands it in
 * between is written to nothing, and the program dies (SIGSEGV in
 * node::inspector::TcpHolder::WriteRaw). So nobody leaves while an answer is owed: the connection
 * is held until the last one has come, or for PARTING_NS. A main thread that takes longer than that
 * is busy with something else, and by the time it answers the session has gone as well. WPE dies of
 * the like, whenever that is: it is asked to tell nothing unasked any more before (dialect->bye),
 * and held for PARTING_PLACE_NS. One that may not be left in its first moments (runtime->quiet_ns)
 * is held until these are over.
 *
 * It takes no memory to leave so: what holds a connection is made before there is one.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/clock.h"

struct loop;
struct parting;
struct partings;
struct tree;
struct ws;

#define PARTING_NS (100 * NS_PER_MS)
/* Before who polls comes again, whom the old connection would be in the way of. */
#define PARTING_PLACE_NS (250 * NS_PER_MS)

/* Is it the answer to something that was asked? */
typedef bool parting_answers_fn(const struct tree *message);

/* 0 or -ENOMEM. */
int partings_new(struct partings **ret, struct loop *loop);

/* Turns the loop until the last has left, which none puts off. NULL is fine. */
void partings_free(struct partings *partings);

/* For one connection that is about to be opened. 0, -ENOMEM. */
int parting_new(struct parting **ret, struct partings *partings);

/* Of a connection that is not held. NULL is fine. */
void parting_free(struct parting *parting);

/*
 * Takes the connection over, and closes it when so many answers have come; the parting is gone
 * then. has_place: it has the one place its inspector has for clients.
 */
void parting_add(struct parting *parting, struct ws *ws, unsigned owed, parting_answers_fn *answers,
		 bool has_place);

/* Does any still have such a place? Of any thread. */
bool partings_have_place(const struct partings *partings);

/* The same, and closes it after so long, whatever comes. */
void parting_hold(struct parting *parting, struct ws *ws, uint64_t hold_ns);
