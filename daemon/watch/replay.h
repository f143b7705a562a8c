#pragma once

/*
 * Replay: samples of a table through rules, by the evaluation of the daemon, in simulated time. All
 * groups are evaluated at the time of each sample, and each at its interval between them, so that a
 * target that is silent for too long is found to be.
 *
 * A target is up from its first sample on, and runs since then: `leak` and `growth` have no past
 * before it. Without columns of labels `match` is not judged, for nobody knows what it would match.
 * Nothing is captured, and the guards do not judge.
 */

#include <stdbool.h>
#include <stdint.h>
#include "watch/alert.h"
#include "watch/samples.h"

/* What was found at one time. Borrowed for the call. */
struct replayed {
	int64_t wall_ms;
	bool at_sample; /* the target has a sample of this time */
	bool acts; /* it begins to fire, and its actions would be asked for */
	const struct judged *judged;
};

typedef void replay_fn(void *owner, const struct replayed *replayed);

/*
 * The rules are taken. fn is called for each rule, isolate and step of each evaluation, in order.
 * The clock of the process is simulated meanwhile. 0, -ENOMEM or -errno.
 */
int replay_run(struct rules *rules, const struct sample_table *table, replay_fn *fn, void *owner);
