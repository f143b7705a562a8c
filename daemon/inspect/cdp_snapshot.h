#pragma once

/* The capture half of the CDP dialect: what dialect_cdp (inspect/cdp.c) names. */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/cdp_isolate.h"
#include "inspect/cdp_message.h"
#include "inspect/cdp_scripts.h"
#include "json/scan.h"

struct download;

enum { CDP_NESTED_BYTES = 65536 };

/* download->state: sizeof(struct cdp_snapshot) is the dialect's download_size. */
struct cdp_snapshot {
	struct cdp_message outer, inner;
	struct json_scan nested; /* of the message a worker's relay carries */
	char nested_buffer[CDP_NESTED_BYTES];
	struct cdp_isolate isolate;
	struct cdp_scripts scripts;
	uint64_t asked_ns; /* for the snapshot */
	int32_t debugger_id, collect_id, snapshot_id; /* of the requests, 0 before */
	int32_t look_id; /* of the look at a request that is overdue */
	int32_t last_id; /* of the last words */
	bool debugger_on; /* the Debugger domain is to be switched off */
	char last; /* byte of the snapshot */
};

int cdp_snapshot_begin(struct download *download);
int cdp_snapshot_event(struct download *download, const struct json_event *event);
int cdp_snapshot_message_end(struct download *download);
int cdp_snapshot_overdue(struct download *download);
int cdp_snapshot_finish(struct download *download);
