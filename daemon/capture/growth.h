#pragma once

/*
 * Growth: a series by growth steps takes its next snapshot when what the heap holds (the value
 * `heap_live`) has grown by a share since the last one, or its deadline has come. The step begins
 * at the least that was seen since the last one: a snapshot collects garbage first, and what was
 * measured just before it may have had some.
 */

#include <stdbool.h>
#include <stdint.h>

struct isolate;
struct series_settings;
struct target;

/* One step; plain values. */
struct growth {
	double share; /* 0: by time, there is nothing to wait for */
	uint64_t base_bytes; /* 0: not known yet */
	uint64_t patience_ns; /* from the last beginning to the deadline */
	uint64_t deadline_ns; /* monotonic; in the state file as wall time */
	bool give_up; /* at the deadline; else it is taken then */
	bool reached; /* the next is due, however it goes on */
};

enum growth_step {
	GROWTH_WAITS,
	GROWTH_REACHED, /* now, by what it has grown */
	GROWTH_LATE, /* now, by the deadline */
};

void growth_init(struct growth *growth, const struct series_settings *series);

/* A snapshot has been asked for: the next step begins. */
void growth_begin(struct growth *growth, uint64_t now_ns);

/*
 * What it holds now, 0 unknown. Has the base moved by so much that it should be kept over a
 * restart?
 */
bool growth_see(struct growth *growth, uint64_t live_bytes);

/* Is the next due, as to growth? live_bytes as seen. */
enum growth_step growth_judge(const struct growth *growth, uint64_t live_bytes, uint64_t now_ns);

/* target and isolate may be NULL. 0: unknown. */
uint64_t growth_live_bytes(const struct target *target, const struct isolate *isolate);
