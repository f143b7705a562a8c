#pragma once

/* Snapshots and timelines, as a task of a capture over CDP (inspect/cdp_capture.h). */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/cdp_scripts.h"
#include "inspect/cdp_timeline.h"

struct cdp_task;

struct cdp_snapshot {
	struct cdp_scripts scripts;
	struct cdp_timeline timeline;
	uint64_t asked_ns; /* for the snapshot */
	int32_t debugger_id, collect_id, snapshot_id; /* of the requests, 0 before */
	int32_t anything_id; /* of the question whether it answers anything */
	int32_t look_id; /* of the look at a request that is overdue */
	bool debugger_on; /* the Debugger domain is to be switched off */
	char last; /* byte of the snapshot */
};

extern const struct cdp_task cdp_task_snapshot;
