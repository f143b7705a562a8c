#pragma once

/*
 * What is watched of a browser: its pages, the frames of other sites in them, and workers. Each is
 * attached, in a flat session of its own (Target domain of the Chrome DevTools Protocol); service
 * workers for each poll only (inspect/cdp_visit.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "inspect/cdp_flat.h"
#include "inspect/cdp_visit.h"
#include "inspect/gc_trace.h"
#include "inspect/sample.h"

enum { CDP_PAGE_REQUESTS = 4, CDP_ISOLATE_ID_MAX = 32 };

/* The thread that runs an isolate, as traces call it (inspect/cdp_tracing.h). */
struct cdp_thread {
	char isolate_id[CDP_ISOLATE_ID_MAX]; /* of which all this is told */
	int64_t pid, tid; /* 0: not known */
	int64_t seen_pid, seen_tid; /* by the look under way */
	unsigned looks; /* that told nothing of it */
	uint64_t looked_ns; /* monotonic */
	struct gc_trace trace;
};

struct cdp_page {
	char session_id[CDP_SESSION_ID_MAX]; /* "": it is not attached just now */
	char target_id[64];
	char isolate[64]; /* name */
	char url[ISOLATE_PAGE_MAX];
	char isolate_id[CDP_ISOLATE_ID_MAX]; /* of the engine, as of the last poll */
	int32_t ids[CDP_PAGE_REQUESTS]; /* 0: nothing outstanding */
	struct sample sample;
	uint64_t asked_ns;
	bool has_dom; /* a page, and not a worker */
	bool overdue; /* owes an answer since an earlier poll: nobody waits for it */
	bool crashed;
	bool told; /* has a series */
	struct cdp_visit visit;
	struct cdp_thread thread;
};

struct cdp_pages {
	struct cdp_page *items; /* owned; in the order they were attached */
	size_t n;
};
