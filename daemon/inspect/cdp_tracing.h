#pragma once

/*
 * What a browser tells of the collections in its pages and workers, by the Tracing domain of the
 * Chrome DevTools Protocol: with each poll the trace of the time since the last one is ended, which
 * brings its data, and the next begun.
 */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/cdp_flat.h"

struct cdp_pages;
struct channel;
struct tree;

enum cdp_tracing_state { TRACING_OFF, TRACING_STARTING, TRACING_ON, TRACING_ENDING };

struct cdp_tracing {
	enum cdp_tracing_state state;
	bool looks; /* the trace is for which thread runs what */
	char looked_at[64]; /* target id of the page it was begun for */
	char session_id[CDP_SESSION_ID_MAX]; /* whose it is; "" is the browser itself */
	int32_t asked_id; /* to begin or to end */
	uint64_t since_ns; /* monotonic, of the state */
	uint64_t rest_until_ns; /* monotonic: it told more than we take */
	unsigned looks_n; /* since the last poll */
	unsigned events; /* of the trace */
	bool refused; /* it cannot trace */
	bool slow; /* has been called so */
	struct {
		int64_t pid, tid;
	} mains[256]; /* main threads of renderers, as the look under way has told */
	unsigned mains_n;
};

/* With the requests of a poll; 0 or -errno. */
int cdp_tracing_poll(struct channel *channel, struct cdp_tracing *tracing, struct cdp_pages *pages);

/* Nothing is told of collections now, but will be in a moment. */
bool cdp_tracing_is_near(const struct cdp_tracing *tracing);

/* An answer: *ret is true when it was one of its own. 0 or -errno. */
int cdp_tracing_answer(struct channel *channel, struct cdp_tracing *tracing,
		       struct cdp_pages *pages, int64_t id, const struct tree *answer, bool *ret);

/* What is said unasked: Tracing.dataCollected, Tracing.tracingComplete. 0 or -errno. */
int cdp_tracing_event(struct channel *channel, struct cdp_tracing *tracing, struct cdp_pages *pages,
		      const char *method, const struct tree *message);

/* A session has gone, and with it the trace that was begun in it. 0 or -errno. */
int cdp_tracing_detached(struct channel *channel, struct cdp_tracing *tracing,
			 struct cdp_pages *pages, const char *session_id);
