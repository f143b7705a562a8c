#pragma once

/*
 * The capture half of the CDP dialects: what dialect_cdp and dialect_cdp_browser name. The
 * connection, the way to the isolate and what is heard of it are here, once for all; what is said
 * to the isolate is a task's: a snapshot, with a timeline before it (cdp_snapshot.c,
 * cdp_timeline.c), samples (cdp_sampling.c).
 */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/cdp_isolate.h"
#include "inspect/cdp_message.h"
#include "inspect/cdp_sampling.h"
#include "inspect/cdp_snapshot.h"
#include "json/scan.h"

struct download;

enum { CDP_NESTED_BYTES = 65536 };

/* download->state: sizeof(struct cdp_capture) is the dialect's download_size. */
struct cdp_capture {
	struct cdp_message outer, inner;
	struct json_scan nested; /* of the message a worker's relay carries */
	char nested_buffer[CDP_NESTED_BYTES];
	struct cdp_isolate isolate;
	int32_t last_id; /* of the last words; 0: none */
	struct cdp_snapshot snapshot;
	struct cdp_sampling sampling;
};

/* All return 0 or the result of the download. */
struct cdp_task {
	int (*ready)(struct download *download); /* the isolate can be spoken to */
	/* A whole message of the isolate. After the last words only its events. */
	int (*message)(struct download *download, const struct cdp_message *message);
	/* A piece of one, and the member it is the value of. */
	int (*event)(struct download *download, const struct cdp_message *message,
		     enum cdp_field field, const struct json_event *event);
	int (*overdue)(struct download *download); /* as snapshot_overdue of the dialect */
	int (*woken)(struct download *download); /* NULL: it never sleeps */
	int (*peek)(struct download *download); /* NULL: it is no profile */
	/* Last words, if any: the id of the last is to be left in cdp_capture.last_id. */
	int (*finish)(struct download *download);
};

/* A request that the isolate must begin in time. */
int cdp_capture_ask(struct download *download, const char *method, const char *params,
		    int32_t *ret_id);

int cdp_capture_begin(struct download *download);
int cdp_capture_event(struct download *download, const struct json_event *event);
int cdp_capture_message_end(struct download *download);
int cdp_capture_overdue(struct download *download);
int cdp_capture_woken(struct download *download);
int cdp_capture_peek(struct download *download);
int cdp_capture_finish(struct download *download);
