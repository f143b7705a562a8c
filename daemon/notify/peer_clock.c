/*
 * The clock of a receiver
 *
 * While both clocks agree, what is told is what ours says. Where they do not, theirs counts. When
 * ours has been set since the last answer it is not known whether theirs was as well (on the same
 * machine it is the same clock): then what fires is told without times, which leaves them to the
 * receiver, and what is resolved ends at the earlier of both.
 */

#include "notify/peer_clock.h"

#include <stdlib.h>

#include "notify/notice.h"
#include "util/clock.h"

/* A Date is whole seconds, and is on its way for a while. */
enum { AGREE_MS = 2000 };

/* Where the wall clock stood when monotonic time was 0. */
static int64_t origin(int64_t wall_ms, uint64_t mono_ns)
{
	return wall_ms - (int64_t)(mono_ns / NS_PER_MS);
}

static bool agree(int64_t a_ms, int64_t b_ms)
{
	return llabs(a_ms - b_ms) <= AGREE_MS;
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

void peer_clock_take(struct peer_clock *clock, int64_t date_ms, uint64_t mono_ns, int64_t wall_ms)
{
	*clock = (struct peer_clock){ .known = true,
				      .theirs_ms = origin(date_ms, mono_ns),
				      .ours_ms = origin(wall_ms, mono_ns) };
}

struct peer_times peer_clock_times(const struct peer_clock *clock, const struct notice *notice,
				   uint64_t mono_ns, int64_t wall_ms)
{
	int64_t ours_ms = origin(wall_ms, mono_ns),
		theirs_ms = clock->known ? clock->theirs_ms : ours_ms;
	bool set = clock->known && !agree(ours_ms, clock->ours_ms);
	int64_t zero_ms = set ? earlier(ours_ms, theirs_ms) : theirs_ms;
	int64_t now_ms = zero_ms + (int64_t)(mono_ns / NS_PER_MS);
	int64_t ends_ms = zero_ms + notice->ends_ns / (int64_t)NS_PER_MS;
	struct peer_times times = { .starts_ms = notice->starts_wall_ms,
				    .ends_ms = notice->ends_wall_ms,
				    .untold = set && !notice->resolved };

	if (!agree(times.ends_ms, ends_ms))
		times.ends_ms = ends_ms;
	/* It has begun by their clock, too; an end before that is refused. */
	if (times.starts_ms > now_ms + AGREE_MS)
		times.starts_ms = zero_ms + notice->starts_ns / (int64_t)NS_PER_MS;
	times.starts_ms = earlier(times.starts_ms, times.ends_ms);
	return times;
}
