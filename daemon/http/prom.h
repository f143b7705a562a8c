#pragma once

/* What /metrics and /probe show, in either format. */

#include <stdbool.h>
#include "http/exposition.h"

struct http_exchange;
struct http_view;
struct target;

/* All targets, captures, spool, rules and the daemon. 0, -ENOMEM, -E2BIG. */
int prom_write(const struct http_view *view, enum exposition format, struct buf *buf);

/*
 * One target, without the `target` label. polled: a poll has just ended; else it did not in time,
 * which is a failure. Values of heaps are shown after a poll that succeeded only.
 */
int prom_write_target(const struct target *target, bool polled, enum exposition format,
		      struct buf *buf);

/* GET /metrics */
int prom_metrics(struct http_exchange *exchange);
