#pragma once

/*
 * The part of a timeline that comes before its snapshot: what is said to V8 while it tracks, and
 * what it tells meanwhile. Part of the task of cdp_snapshot.c.
 */

#include <stdbool.h>
#include <stdint.h>

struct cdp_message;
struct download;
struct json_event;

struct cdp_timeline {
	uint64_t started_ns;
	int32_t start_id; /* of the request; 0: not asked, or answered */
	bool on; /* by us: it is to be switched off */
	unsigned place; /* of the number to come, in its triple */
	uint64_t index; /* of the triple under way */
};

/* Its answer has the snapshot, as that to takeHeapSnapshot. */
extern const char cdp_timeline_stop_method[];

/* All return 0 or the result of the download. */
int cdp_timeline_start(struct download *download, struct cdp_timeline *timeline);
int cdp_timeline_started(struct download *download, struct cdp_timeline *timeline,
			 const struct cdp_message *message);

/* A number of params.statsUpdate. */
void cdp_timeline_stat(struct download *download, struct cdp_timeline *timeline,
		       const struct cdp_message *message, const struct json_event *event);
