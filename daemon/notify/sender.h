#pragma once

/*
 * One receiver of alerts: a bounded queue and one request at a time. What it refuses is found by
 * halving the batch, so that one bad alert never keeps the others; a receiver that is down costs a
 * try now and then, and its queue, never the others'.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "loop/loop.h"
#include "loop/sched.h"
#include "notify/endpoint.h"
#include "notify/notice.h"
#include "notify/peer_clock.h"
#include "util/buf.h"
#include "util/list.h"
#include "util/map.h"
#include "util/metric.h"

struct http_client;
struct sender;

/* Further headers of one request. */
enum { SENDER_HEADERS_MAX = 4, SENDER_HEADER_MAX = 160 };
struct sender_head {
	char lines[SENDER_HEADERS_MAX][SENDER_HEADER_MAX];
	unsigned n;
};

struct sender;
struct sender_kind {
	const char *name; /* the `receiver` label: "alertmanager" */
	unsigned batch_max; /* alerts in one request */
	bool newest_only; /* of an alert only the newest notice counts; else each in its turn */
	int (*body)(const struct sender *sender, struct notice *const *notices, size_t n,
		    struct buf *buf);
	/* NULL: no further headers. 0, -errno with text in err. */
	int (*head)(const struct sender *sender, const struct notice *first, const char *body,
		    size_t size, struct sender_head *ret, struct err *err);
};

extern const struct sender_kind sender_alertmanager, sender_webhook;

enum sender_drop {
	SENDER_DROP_FULL, /* the oldest, for a newer one */
	SENDER_DROP_REFUSED, /* the receiver says it is bad */
	SENDER_DROP_STALE, /* too late to be true, or of use */
	SENDER_DROP_FAILED, /* the receiver fails at it again and again */
	SENDER_DROPS,
};

enum { SENDER_BATCH_MAX = 64, SENDER_REFUSED_MAX = 64 };

struct sender {
	struct link link; /* of whoever owns it */
	const struct sender_kind *kind;
	struct endpoint endpoint; /* owned */
	char *secret_file; /* owned; of a webhook: NULL: not signed */
	bool send_resolved;
	struct loop *loop; /* borrowed */
	struct http_client *http; /* borrowed */
	const bool *held; /* borrowed; while true no request begins. NULL: never */

	struct link queue; /* struct queued, oldest first */
	struct map newest; /* by key, of kinds with newest_only */
	uint64_t n, n_max;
	size_t bytes;

	struct queued *batch[SENDER_BATCH_MAX]; /* owned: of the request under way */
	unsigned batch_n;
	struct buf body;
	struct http_fetch *fetch;
	uint64_t started_ns;

	struct loop_deferred pump;
	struct loop_timer retry;
	struct backoff backoff;
	bool waiting; /* for retry */
	bool down; /* the last request failed: said so in the log */
	struct peer_clock clock;

	uint64_t refused[SENDER_REFUSED_MAX]; /* fingerprints: they go alone */
	unsigned refused_next;

	uint64_t sent, errors, dropped[SENDER_DROPS]; /* alerts */
	struct histogram latency; /* seconds, of each request */
	char last_error[160]; /* "" while it works */
};

/*
 * A sender without endpoint. 0, -ENOMEM.
 */
int sender_new(struct sender **ret, const struct sender_kind *kind, struct loop *loop,
	       struct http_client *http, const bool *held);

/* What waits is dropped, and told to no counter. NULL is fine. */
void sender_free(struct sender *sender);

/*
 * Where to send from now on; the endpoint moves in. What waits stays, and is tried at once. n_max:
 * notices that may wait.
 */
void sender_set(struct sender *sender, struct endpoint *endpoint, uint64_t n_max);

/* Takes a reference of its own. Without memory the notice is dropped as if the queue were full. */
void sender_add(struct sender *sender, struct notice *notice);

/*
 * Notices that were not taken yet, oldest first, those of the request under way with them, into ret
 * (borrowed; NULL: none are). How many there are.
 */
size_t sender_waiting(const struct sender *sender, struct notice **ret);

/* Go on, if there is something to do. */
void sender_wake(struct sender *sender);

/* Nothing waits, or the receiver is not there to take it. */
bool sender_is_idle(const struct sender *sender);

const char *sender_drop_name(enum sender_drop drop);
