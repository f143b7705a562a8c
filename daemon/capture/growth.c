/* Growth */

#include "capture/growth.h"

#include <stddef.h>

#include "watch/series_steps.h"
#include "watch/target.h"
#include "watch/value.h"

/* The base is kept anew when it has fallen by a sixteenth: some dozens of times at the most. */
enum { KEEP_SHARE = 16 };

void growth_init(struct growth *growth, const struct series_settings *series)
{
	*growth = (struct growth){
		.share = series->growth,
		.patience_ns = series->deadline_ns,
		.give_up = series->at_deadline == SERIES_LATE_GIVE_UP,
	};
}

void growth_begin(struct growth *growth, uint64_t now_ns)
{
	growth->base_bytes = 0;
	growth->deadline_ns = now_ns + growth->patience_ns;
	growth->reached = false;
}

bool growth_see(struct growth *growth, uint64_t live_bytes)
{
	uint64_t before = growth->base_bytes;

	if (growth->share <= 0 || live_bytes == 0 || (before != 0 && live_bytes >= before))
		return false;
	growth->base_bytes = live_bytes;
	return before == 0 || before - live_bytes > before / KEEP_SHARE;
}

enum growth_step growth_judge(const struct growth *growth, uint64_t live_bytes, uint64_t now_ns)
{
	if (growth->share <= 0 || growth->reached)
		return GROWTH_REACHED;
	if (growth->base_bytes > 0 &&
	    (double)live_bytes >= (double)growth->base_bytes * (1 + growth->share))
		return GROWTH_REACHED;
	return now_ns >= growth->deadline_ns ? GROWTH_LATE : GROWTH_WAITS;
}

uint64_t growth_live_bytes(const struct target *target, const struct isolate *isolate)
{
	double bytes = 0;

	if (target == NULL || isolate == NULL ||
	    !value_read(value_find("heap_live"), target, isolate, &bytes))
		return 0;
	return (uint64_t)bytes;
}
