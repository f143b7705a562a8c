#pragma once

/*
 * Which run of a program it is that a target watches: what is compared to see that another process
 * has taken its place, also by a daemon that was started in between.
 */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/sample.h"

/* As struct identity has them; nothing is known: all zero. */
struct program {
	int64_t pid;
	int64_t start_wall_ms, start_mono_ms;
	uint64_t start_ticks;
	char inspector_id[64];
};

struct program program_of(const struct identity *identity);

/* Is there anything by which it can be told from another? */
bool program_is_known(const struct program *program);

/* As far as it is known; of which nothing is known they are the same. */
bool program_same(const struct program *a, const struct program *b);
