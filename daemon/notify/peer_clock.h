#pragma once

/*
 * The clock of a receiver that acts on the times it is told, as Alertmanager does: an alert whose
 * endsAt has passed by its clock is resolved. Ours may be set while the daemon runs, or be wrong;
 * theirs is told by the Date of each answer. In between, monotonic time goes on.
 *
 * One address may stand for several receivers, as a name with many addresses or a balancer does. A
 * clock that answers again after another one has answered in between is another's; a clock that has
 * only changed was set.
 */

#include <stdbool.h>
#include <stdint.h>

struct notice;

enum { PEER_CLOCKS = 4 };

/* What one stood at when monotonic time was 0, and which answer told it last (0: none has). */
struct peer_reading {
	int64_t origin_ms;
	uint64_t answer;
};

/* Zero: nothing is known yet. */
struct peer_clock {
	bool known;
	bool several; /* the address stands for several receivers */
	int64_t ours_ms; /* our own origin, as of the last answer */
	uint64_t answers;
	unsigned last; /* of seen: which one the last answer told */
	struct peer_reading seen[PEER_CLOCKS];
};

/* What to tell of a notice. */
struct peer_times {
	int64_t starts_ms, ends_ms; /* Unix epoch, by the clock of the receiver */
	bool untold; /* neither is told: the receiver reckons both from when the notice comes */
};

/* An answer that came at mono_ns said that it is date_ms there; by our clock it is wall_ms. */
void peer_clock_take(struct peer_clock *clock, int64_t date_ms, uint64_t mono_ns, int64_t wall_ms);

/* The notice is sent now, at mono_ns, by our clock wall_ms. */
struct peer_times peer_clock_times(const struct peer_clock *clock, const struct notice *notice,
				   uint64_t mono_ns, int64_t wall_ms);
