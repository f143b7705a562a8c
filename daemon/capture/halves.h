#pragma once

/*
 * Halves: the two captures of a tracking
 *
 * JSC numbers objects anew when a client that had Heap enabled leaves, as this one has, so both
 * snapshots come over one connection. The second capture
 * begins as soon as the first has been read: its thread waits out the time on that connection,
 * measures the heap, and asks the guards what they say of it (capture/question.h). Only then is the
 * second snapshot asked for; where they say no, the target is left, and JSC drops the tracking
 * without one.
 */

#include <stdbool.h>
#include "capture/capture.h"

/* The first half has been read: the second begins on its connection, which is left if it cannot. */
void halves_take(struct captures *captures, struct capture *first);

/* The second does not come, though the first is whole: it has failed, with this reason. */
void halves_lost(struct captures *captures, const struct capture *first, const char *why);

/* A second half of this one is running. */
bool halves_under_way(const struct captures *captures, const struct capture *first);

/* Without the first there is nothing to be compared with. False: there is none to be cancelled. */
bool halves_cancel(struct captures *captures, const struct capture *first);
