#pragma once

/*
 * Forced collections: a poll, the collection, a poll, so that what the heap used before and what it
 * held after are the target's own words. Between the two polls the target is not polled otherwise.
 * An isolate that does not answer in such a poll is waited for for a few more, and what it has not
 * told then is not known. So is a runtime that is about to tell of collections again.
 */

#include <stdbool.h>
#include <stdint.h>

struct sample;
struct target;

enum collection_phase {
	COLLECTION_NONE,
	COLLECTION_BEFORE, /* the first poll */
	COLLECTION_RUNNING,
	COLLECTION_AFTER, /* the second poll */
};

/* One under way, in its target. */
struct collection {
	enum collection_phase phase;
	char isolate[64];
	uint64_t since_ns; /* monotonic: what was told earlier is not of this phase */
	bool has_before;
	uint64_t before_bytes, duration_ns;
};

struct collected {
	const char *isolate; /* valid during the call */
	int result; /* 0; -errno: it failed */
	const char *reason; /* of the failure, for people */
	bool has_before, has_after; /* it has told them */
	uint64_t before_bytes, after_bytes; /* of the heap in use */
	uint64_t duration_ns; /* from the request to the answer: no pause was longer */
};

/*
 * Collect all garbage of an isolate. The hook on_collected of the registry follows once, maybe
 * before this returns, unless the target is removed. 0; -EBUSY: one is under way.
 */
int target_collect(struct target *target, const char *isolate);

/* ---- for target.c ---- */

/* The connection must not be left after this poll. */
bool collect_holds(const struct target *target);

/* A poll has succeeded. */
void collect_polled(struct target *target);

/* What session_collect() came to. */
void collect_answered(struct target *target, int result, uint64_t duration_ns, const char *reason);

/* A poll has failed, or the session is gone. */
void collect_failed(struct target *target, int result, const char *reason);

/* The sample is what the heap holds right after the collection. */
bool collect_is_live(const struct target *target, const char *isolate);
