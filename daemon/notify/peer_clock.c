/*
 * The clock of a receiver
 *
 * While both clocks agree, what is told is what ours says. Where they do not, theirs counts. When
 * ours has been set since the last answer it is not known whether theirs was as well (on the same
 * machine it is the same clock): then what fires is told without times, which leaves them to the
 * receiver, and what is resolved ends at the earlier of both.
 *
 * Of several receivers nobody knows which one a request comes to. So what fires is to be forgotten
 * by the clock that is furthest ahead, for none may take it for resolved, and what is resolved has
 * ended by the one that is furthest behind.
 */

#include "notify/peer_clock.h"

#include <stdlib.h>

#include "notify/notice.h"
#include "util/clock.h"

/* A Date is whole seconds, and is on its way for a while. */
enum { AGREE_MS = 2000 };

/* A clock that so many answers have not told is nobody's any more. */
enum { FORGET_ANSWERS = 16 };

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

static int64_t later(int64_t a_ms, int64_t b_ms)
{
	return a_ms > b_ms ? a_ms : b_ms;
}

/* The one that tells this; else that which was not told for longest, to be told anew. */
static unsigned find_reading(const struct peer_clock *clock, int64_t origin_ms, bool *ret_again)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < PEER_CLOCKS; i++) {
		*ret_again =
			clock->seen[i].answer != 0 && agree(clock->seen[i].origin_ms, origin_ms);
		if (*ret_again)
			return i;
		if (clock->seen[i].answer < clock->seen[oldest].answer)
			oldest = i;
	}
	return oldest;
}

static void forget_readings(struct peer_clock *clock)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PEER_CLOCKS; i++) {
		if (clock->answers - clock->seen[i].answer > FORGET_ANSWERS)
			clock->seen[i].answer = 0;
		n += clock->seen[i].answer != 0;
	}
	clock->several = clock->several && n > 1;
}

void peer_clock_take(struct peer_clock *clock, int64_t date_ms, uint64_t mono_ns, int64_t wall_ms)
{
	int64_t theirs_ms = origin(date_ms, mono_ns);
	bool again;
	unsigned i = find_reading(clock, theirs_ms, &again);

	clock->several = clock->several || (again && i != clock->last);
	clock->known = true;
	clock->ours_ms = origin(wall_ms, mono_ns);
	clock->answers++;
	clock->last = i;
	clock->seen[i] = (struct peer_reading){ .origin_ms = theirs_ms, .answer = clock->answers };
	forget_readings(clock);
}

/* The origins of the clocks that are furthest behind and furthest ahead. */
static void find_range(const struct peer_clock *clock, int64_t ours_ms, int64_t *ret_behind_ms,
		       int64_t *ret_ahead_ms)
{
	*ret_behind_ms = *ret_ahead_ms =
		clock->known ? clock->seen[clock->last].origin_ms : ours_ms;
	for (unsigned i = 0; clock->several && i < PEER_CLOCKS; i++) {
		if (clock->seen[i].answer == 0)
			continue;
		*ret_behind_ms = earlier(*ret_behind_ms, clock->seen[i].origin_ms);
		*ret_ahead_ms = later(*ret_ahead_ms, clock->seen[i].origin_ms);
	}
}

struct peer_times peer_clock_times(const struct peer_clock *clock, const struct notice *notice,
				   uint64_t mono_ns, int64_t wall_ms)
{
	int64_t ours_ms = origin(wall_ms, mono_ns), behind_ms, ahead_ms;
	bool set = clock->known && !agree(ours_ms, clock->ours_ms);
	int64_t zero_ms, now_ms, ends_ms;
	struct peer_times times = { .starts_ms = notice->starts_wall_ms,
				    .ends_ms = notice->ends_wall_ms,
				    .untold = set && !notice->resolved };

	find_range(clock, ours_ms, &behind_ms, &ahead_ms);
	zero_ms = set ? earlier(ours_ms, behind_ms) : behind_ms;
	now_ms = zero_ms + (int64_t)(mono_ns / NS_PER_MS);
	ends_ms = (notice->resolved || set ? zero_ms : ahead_ms) +
		  notice->ends_ns / (int64_t)NS_PER_MS;
	if (!agree(times.ends_ms, ends_ms))
		times.ends_ms = ends_ms;
	/* It has begun by their clock, too; an end before that is refused. */
	if (times.starts_ms > now_ms + AGREE_MS)
		times.starts_ms = zero_ms + notice->starts_ns / (int64_t)NS_PER_MS;
	times.starts_ms = earlier(times.starts_ms, times.ends_ms);
	return times;
}
