#pragma once

/*
 * What has ended, and who is still to hear of it: Alertmanagers for a quarter of an hour, a webhook
 * until it has taken it or it is of no use any more. It is kept over a restart with the alerts
 * (watch/alert_restore.h), for each receiver by itself.
 */

#include <stdint.h>
#include "util/clock.h"
#include "util/list.h"

/* How long Alertmanagers are told that an alert has ended: Prometheus' resolvedRetention. */
#define RESOLVED_NS (15 * 60 * NS_PER_S)

struct json_writer;
struct notice;
struct notify;
struct tree;

/* A resolved alert that is sent again to Alertmanagers. */
struct ended {
	struct link link;
	struct notice *notice; /* one reference */
	uint64_t sent_ns; /* monotonic; 0: not in this life of the daemon */
};

/* Takes the reference. It is due again a resend_delay after sent_ns. */
void ended_keep(struct notify *notify, struct notice *notice, uint64_t sent_ns);
void ended_free(struct notify *notify, struct ended *ended);

/* It fires again. */
void ended_forget(struct notify *notify, const char *key);

/*
 * The elements of an array that is open; as many as have room (ENDED_TEXT_MAX). Without memory less
 * is written.
 */
void ended_write(const struct notify *notify, struct json_writer *w);

/*
 * Back, once, after the receivers were set; age_ms: of what was written. What makes no sense, is of
 * a receiver that is not there or too late by now is left out. 0, -ENOMEM.
 */
int ended_read(struct notify *notify, const struct tree *list, uint64_t age_ms);
