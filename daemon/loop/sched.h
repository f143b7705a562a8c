#pragma once

/*
 * Scheduling
 *
 * Periodic work is spread: each entry keeps its own phase in the period, drawn from its id, so that
 * a thousand targets do not poll in step and one target polls at even distances. Failures back off
 * exponentially with jitter, capped.
 */

#include <stdint.h>

/* Nanoseconds from now_ns until the next slot of id in a period; in (0, period_ns]. */
uint64_t sched_next(uint64_t now_ns, uint64_t period_ns, uint64_t id);

struct backoff {
	uint64_t min_ns, max_ns;
	unsigned failures;
};

/* The delay before the next try: min * 2^failures with +-25 % jitter, at most max. */
uint64_t backoff_next(struct backoff *b);
void backoff_reset(struct backoff *b);
