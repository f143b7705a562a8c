#pragma once

/*
 * Vacuum: which captures go when the spool holds more than it should. Only after a capture has
 * succeeded, or when a person asks, and never the newest: a spool that deletes before it has
 * something better may delete the evidence of the crash before.
 *
 * Oldest first among those that nothing protects; then, if that was not enough, what `keep_*`
 * protects, oldest first. A pinned one never goes. After CockroachDB's heap profiler, a ramp-up is
 * the run of captures of one isolate whose heaps grew from each to the next.
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
 * Delete until the limits hold; room_bytes more must fit into max_use and keep_free, so that the
 * next capture finds its place. 0, or -errno of the first that could not be deleted (the others
 * went on).
 */
int vacuum_run(struct spool *spool, const struct spool_settings *limits, uint64_t room_bytes,
	       int64_t now_wall_ms, struct vacuum_result *ret);

/* What vacuum could delete at most: captures may take that much more, for it goes once they are
 * whole. */
uint64_t vacuum_reclaimable_bytes(const struct spool *spool);
