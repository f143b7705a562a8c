#pragma once

/*
 * What Node tells of its collections, by NodeTracing: the data of a trace comes when it is stopped,
 * so each poll stops the one before it and starts the next, in one breath.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "inspect/gc_trace.h"

struct channel;
struct tree;

struct cdp_gc {
	bool on, refused;
	int32_t start_id;
	unsigned silent; /* traces stopped since data came */
	uint64_t rest_until_ns; /* monotonic: it told more than we take */
	struct gc_trace trace;
};

/* A worker, as far as a trace has told which thread it is. */
struct cdp_gc_worker {
	int64_t tid; /* 0: it has not */
	unsigned unnamed; /* data of traces that came without it */
	struct gc_trace trace;
};

/* The worker at this place of those of a channel, and its isolate; NULL: so many are there not. */
typedef struct cdp_gc_worker *cdp_gc_worker_at(struct channel *channel, size_t i,
					       const char **ret_isolate);

/* With the requests of a poll; 0 or -errno. */
int cdp_gc_poll(struct channel *channel, struct cdp_gc *gc);

/* An answer; true when it was one of its own. */
bool cdp_gc_answer(struct channel *channel, struct cdp_gc *gc, int64_t id,
		   const struct tree *answer);

/* NodeTracing.dataCollected; isolate: the main one */
void cdp_gc_data(struct channel *channel, struct cdp_gc *gc, const char *isolate,
		 cdp_gc_worker_at *worker_at, const struct tree *params);
