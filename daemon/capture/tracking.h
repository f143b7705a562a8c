#pragma once

/*
 * Tracking: isolates in which V8 goes on tracking objects between the snapshots of a series with
 * exact ids, at a price the program pays all the while. V8 stops when any client leaves, so each
 * snapshot but the last leaves its connection here, where a thread listens on it. All connections
 * of a series are left, each with the words that stop V8, when its last snapshot has been read,
 * when the series ends before, when the time that it was given is over, when the target is gone or
 * wants to exit, and when we end. Should we die, the connections go with us, and the next session
 * says the words (capture/state.h).
 *
 * Not of the kind `tracking`, which is in capture/halves.h.
 */

#include <stdbool.h>
#include <stdint.h>
#include "capture/pool.h"
#include "spool/manifest.h"
#include "util/err.h"
#include "util/list.h"

struct capture;
struct captures;
struct download_kept;

/* Connections at once, a thread each; a series that may need more is refused for the moment. */
enum { TRACKED_MAX = 24 };

/* A connection that is kept. */
struct tracked {
	struct link link; /* in captures->tracked */
	struct pool_job pool_job;
	char series[CAPTURE_ID_MAX], target[128];
	uint64_t target_id;
	uint64_t until_ns;
	struct download_kept *kept; /* owned until the thread has it */
	int cancel_fd; /* owned */
	bool told; /* to leave */
	int result; /* of download_keep() */
	struct err err;
};

/*
 * Where a snapshot of a series with exact ids has been read, its connection is taken over from its
 * job; where that series is no longer under way it is left at once.
 */
void tracking_take(struct captures *captures, struct capture *capture);

/* Leave what is kept for this series. It is off the target within two seconds. */
void tracking_end(struct captures *captures, const char *series);

/* The same for a target whose ids are lost, and why; nothing where none are kept. */
void tracking_lose(struct captures *captures, uint64_t target_id, const char *why);

/* Leave what is kept of targets that are gone, and end their series. Once a second. */
void tracking_run(struct captures *captures);

/* The series for which objects of this target are tracked; NULL. */
const char *tracking_series(const struct captures *captures, uint64_t target_id);

/* May nobody but the captures of this series connect to the target and leave it? */
bool tracking_excludes(const struct captures *captures, uint64_t target_id, const char *series);

/* Threads that are taken. */
unsigned tracking_n(const struct captures *captures);

/* When captures end, before and after the threads do. */
void tracking_end_all(struct captures *captures);
void tracking_forget_all(struct captures *captures);
