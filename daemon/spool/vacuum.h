#pragma once

/*
 * Vacuum: which captures go when the spool holds more than it should. Only after a capture has
 * succeeded, or when a person asks, and never the newest: a spool that deletes before it has
 * something better may delete the evidence of the crash before.
 *
 * First what is older than max_age. Then, oldest first, what nothing protects; and if that was not
 * enough, what keep_* protects, oldest first. A pinned one never goes. Room for a next capture is
 * made within max_use only as long as nothing protected must go for it, because a capture may go
 * over max_use until it is whole; on the disk the room is a need like keep_free itself.
 *
 * Diagnostics have a number of their own and go by that and by age only: they are too small to be
 * worth deleting for their space.
 *
 * After CockroachDB's heap profiler, a ramp-up is a run of captures of one isolate and one process
 * whose heaps grew from each to the next. The last one of at least two counts, so that the first
 * capture of a process that has just started does not push out what led to the crash before.
 */

#include <stdint.h>

struct spool;
struct spool_settings;

struct vacuum_result {
	uint64_t removed, bytes;
	uint64_t over_bytes,
		over_files; /* still beyond the limits: all that is left is protected */
};

/*
 * The choice alone: entry->fate of every entry. available_bytes is what the disk has free now,
 * UINT64_MAX when it does not say. ret says what would be deleted and what stays over. 0, -ENOMEM.
 */
int vacuum_choose(struct spool *spool, const struct spool_settings *limits, uint64_t room_bytes,
		  uint64_t available_bytes, int64_t now_wall_ms, struct vacuum_result *ret);

/*
 * Delete until the limits hold; room_bytes more should fit, so that the next capture finds its
 * place. Each deletion goes to the journal. 0, or -errno of the first that could not be deleted
 * (the others went on).
 */
int vacuum_run(struct spool *spool, const struct spool_settings *limits, uint64_t room_bytes,
	       struct vacuum_result *ret);
