#pragma once

/* The event "garbage-collection" of Firefox's memory actor. */

#include <stdbool.h>
#include <stddef.h>

struct gc_event;
struct tree;

/* How many slices it tells: each is a pause. 0 when it is no such event. */
size_t rdp_gc_slices(const struct tree *packet);

/* The i-th slice; false when it makes no sense. */
bool rdp_gc_read(const struct tree *packet, size_t i, struct gc_event *ret);
