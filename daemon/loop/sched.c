/*
 * Scheduling
 *
 * A slot is where time, counted from the phase of the id, is a multiple of the period. Nothing is
 * remembered between polls, so a late poll does not move the next one, and a restarted daemon polls
 * a target at the same places in the period as before.
 */

#include "loop/sched.h"

#include <limits.h>

#include "util/rand.h"

/* The finaliser of splitmix64: neighbouring ids land far apart. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint64_t sched_next(uint64_t now_ns, uint64_t period_ns, uint64_t id)
{
	uint64_t phase, into;

	if (period_ns == 0)
		period_ns = 1;
	phase = mix(id) % period_ns;
	into = (now_ns % period_ns + (period_ns - phase)) % period_ns;
	return period_ns - into;
}

/* min * 2^failures, at most max. */
static uint64_t base_delay(const struct backoff *b)
{
	uint64_t delay = b->min_ns;

	for (unsigned i = 0; i < b->failures && i < 64 && delay < b->max_ns; i++)
		delay = delay > b->max_ns / 2 ? b->max_ns : delay * 2;
	return delay < b->max_ns ? delay : b->max_ns;
}

/*
 * Where the jitter would go over max it is taken off instead of cut off: cut off, half of all
 * targets that have been down for long would come back in the same instant.
 */
uint64_t backoff_next(struct backoff *b)
{
	uint64_t base = base_delay(b);
	double quarter = (double)base / 4;
	double jitter = (2 * rand_unit() - 1) * quarter;
	double delay = (double)base + jitter;

	if (delay > (double)b->max_ns)
		delay = (double)base - jitter;
	if (b->failures < UINT_MAX)
		b->failures++;
	return (uint64_t)delay;
}

void backoff_reset(struct backoff *b)
{
	b->failures = 0;
}
