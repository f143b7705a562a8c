#pragma once

/*
 * Pushing metrics by OTLP: OpenTelemetry's protocol, over HTTP, in JSON. All targets at each
 * interval, one request at a time, as many as their number needs.
 *
 * Nothing waits for the receiver: what is known is written when there is a turn for it, in memory
 * for one body. What is not taken is tried again where the protocol says so, and dropped when the
 * next interval comes, for what is told then is newer.
 */

#include <stdbool.h>
#include <stdint.h>
#include "loop/loop.h"
#include "loop/sched.h"
#include "notify/endpoint.h"
#include "otlp/encode.h"
#include "util/buf.h"
#include "util/metric.h"

struct http_client;
struct http_fetch;
struct otlp_settings;
struct targets;

enum otlp_result {
	OTLP_SUCCESS,
	OTLP_PARTIAL, /* taken, but for some points */
	OTLP_REFUSED, /* not to be tried again */
	OTLP_FAILED, /* to be tried again */
	OTLP_RESULTS,
};

enum otlp_drop {
	OTLP_DROP_REJECTED, /* out of a request that was taken */
	OTLP_DROP_REFUSED, /* with all of the request */
	OTLP_DROP_LATE, /* not taken until the next interval */
	OTLP_DROP_TOO_LARGE, /* the body would be over its limit */
	OTLP_DROPS,
};

struct otlp {
	struct loop *loop; /* borrowed */
	struct http_client *http; /* borrowed */
	const struct targets *targets; /* borrowed */
	const struct otlp_settings *settings; /* borrowed until the next otlp_set() */
	const char *version; /* borrowed; of the daemon */
	char host[256];
	struct endpoint endpoint; /* owned; url NULL: nothing is pushed */

	struct loop_timer tick, retry;
	struct loop_deferred pump;
	struct backoff backoff;
	bool waiting; /* for retry */
	bool due; /* the next interval has come while this one is under way */
	bool exporting; /* there may be more after this body */
	struct otlp_cursor cursor;
	struct buf body;
	bool packed; /* body is gzip */
	bool pending; /* body is to be sent, or is under way */
	uint64_t points; /* in body */
	struct http_fetch *fetch;
	uint64_t asked_ns; /* monotonic */
	bool down; /* the last request was not taken: said so in the log */
	bool told_unwanted; /* likewise, that some points are not wanted */
	bool has_unwanted; /* in this export */

	uint64_t exports[OTLP_RESULTS]; /* requests */
	uint64_t sent, dropped[OTLP_DROPS]; /* points */
	int64_t success_wall_ms; /* of the last request that was taken; 0: none was */
	struct histogram duration; /* seconds, of each request */
};

/* Nothing is pushed until otlp_set(). 0, -ENOMEM. */
int otlp_init(struct otlp *otlp, struct loop *loop, struct http_client *http,
	      const struct targets *targets, const char *version);
void otlp_fini(struct otlp *otlp);

/*
 * Where to push from now on, and how often; settings are kept. 0; -ENOMEM: the endpoint stays what
 * it was.
 */
int otlp_set(struct otlp *otlp, const struct otlp_settings *settings);

const char *otlp_result_name(enum otlp_result result); /* "success": the result label */
const char *otlp_drop_name(enum otlp_drop drop);
