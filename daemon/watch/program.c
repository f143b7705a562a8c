/* One run of a program, told from the next. */

#include "watch/program.h"

#include <stdlib.h>
#include <string.h>

#include "util/str.h"

/* Two starts of one process are never told further apart than clocks and rounding allow. */
#define SAME_START_MS 2000

struct program program_of(const struct identity *identity)
{
	struct program program = {
		.pid = identity->pid,
		.start_wall_ms = identity->start_wall_ms,
		.start_mono_ms = identity->start_mono_ms,
		.start_ticks = identity->start_ticks,
	};

	str_copy(program.inspector_id, sizeof(program.inspector_id), identity->inspector_id);
	return program;
}

bool program_is_known(const struct program *program)
{
	return program->start_ticks != 0 || program->start_wall_ms > 0 ||
	       program->inspector_id[0] != '\0';
}

/* Two readings of one start by one clock? Both must be known. */
static bool same_start(int64_t a_ms, int64_t b_ms)
{
	return a_ms != 0 && b_ms != 0 && llabs(a_ms - b_ms) < SAME_START_MS;
}

/*
 * The kernel's word decides where there is one. A runtime reads the wall clock once, but one that
 * reckons its start anew is off by as much as that clock was set: hence one of the two is enough.
 */
bool program_same(const struct program *a, const struct program *b)
{
	if (a->start_ticks != 0 && b->start_ticks != 0)
		return a->pid == b->pid && a->start_ticks == b->start_ticks;
	if (a->start_wall_ms > 0 && b->start_wall_ms > 0)
		return a->pid == b->pid && (same_start(a->start_wall_ms, b->start_wall_ms) ||
					    same_start(a->start_mono_ms, b->start_mono_ms));
	return strcmp(a->inspector_id, b->inspector_id) == 0;
}
