#pragma once

/*
 * Who is told of alerts, and when, after Prometheus' rule manager: an alert that begins to fire at
 * once, one that fires again after each resend_delay, one that is resolved at once and then again
 * for a quarter of an hour, each to every Alertmanager. Webhooks hear of changes only.
 *
 * Nothing here waits for anybody: a receiver that is slow, gone or hostile costs its own queue.
 */

#include <stdbool.h>
#include <stdint.h>
#include "conf/labels.h"
#include "loop/loop.h"
#include "util/list.h"
#include "util/map.h"

struct alert;
struct alerting_settings;
struct alerts;
struct http_client;
struct json_writer;
struct notice;
struct sender;
struct tree;

struct notify {
	struct loop *loop; /* borrowed */
	struct http_client *http; /* borrowed */
	struct alerts *alerts; /* borrowed */
	struct link senders; /* struct sender */
	struct link ended; /* struct ended: resolved alerts that are sent again, oldest first */
	struct map ended_by_key;
	uint32_t ended_n;
	struct labels external_labels;
	char *url; /* owned; of the status page; NULL: none */
	uint64_t resend_ns;
	struct loop_timer tick, release;
	struct loop_deferred look;
	bool held, finishing;
};

int notify_init(struct notify *notify, struct loop *loop, struct http_client *http,
		struct alerts *alerts);
void notify_fini(struct notify *notify);

/*
 * Receivers of now. Those that stay keep their queues, a new Alertmanager is sent what fires, a new
 * webhook hears of changes from now on. url: of the
 * status page, for generatorURL; NULL: none. 0, -ENOMEM, -ENOSYS; what could be done is done.
 */
int notify_set(struct notify *notify, const struct alerting_settings *settings, const char *url);

/* An alert has changed its state. */
void notify_changed(struct notify *notify);

/* This alert is resolved; it is about to go. */
void notify_resolved(struct notify *notify, const struct alert *alert);

/*
 * What has ended and is still to be told, over a restart: the elements of an array that is open,
 * and once back, after notify_set(). age_ms: how long ago it was written. 0, -ENOMEM.
 */
void notify_write_ended(const struct notify *notify, struct json_writer *w);
int notify_read_ended(struct notify *notify, const struct tree *list, uint64_t age_ms);

/* For ended.c: what this one had not taken when the daemon ended. */
void notify_add_ended(struct notify *notify, struct sender *webhook, struct notice *notice);

/*
 * Nothing is sent until notify_release(), or for a second at most: what is told must be on the disk
 * before, or a restart would tell it anew.
 */
void notify_hold(struct notify *notify);
void notify_release(struct notify *notify);

/* The daemon ends: turn the loop until what waits is sent, for two seconds at most. */
void notify_finish(struct notify *notify);
