#pragma once

/* The capture half of the CDP dialect: what dialect_cdp (inspect/cdp.c) names. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "json/scan.h"

struct download;

enum { CDP_PATH_MAX = 4, CDP_NESTED_BYTES = 65536 };

/* What has been heard of the message under way; texts that are too long are cut. */
struct cdp_message {
	uint8_t at[CDP_PATH_MAX]; /* by depth: the member under way, enum field */
	bool has_id, failed;
	int64_t id, done, total;
	char method[64], session[64], title[160], text[192];
};

/* download->state: sizeof(struct cdp_snapshot) is the dialect's download_size. */
struct cdp_snapshot {
	struct cdp_message outer, inner;
	struct json_scan nested; /* of the message a worker's relay carries */
	char nested_buffer[CDP_NESTED_BYTES];
	char worker[16]; /* thread id in digits; "" is the main isolate */
	char session[64]; /* of that worker, once attached */
	uint64_t asked_ns; /* for the snapshot */
	int32_t workers_id, relay_id, snapshot_id, disable_id;
	char last; /* byte of the snapshot */
};

int cdp_snapshot_begin(struct download *download);
int cdp_snapshot_event(struct download *download, const struct json_event *event);
int cdp_snapshot_message_end(struct download *download);
int cdp_snapshot_finish(struct download *download);
