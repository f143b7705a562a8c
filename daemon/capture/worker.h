#pragma once

/* What the daemon and heapwatch-analyze, its worker, agree on. */

/*
 * How the worker ends. With 0 it has written a report, which is one JSON object; with 1 and 3 the
 * reason, as a line of text; else nothing that counts.
 */
enum worker_exit {
	WORKER_DONE = 0,
	WORKER_FAILED = 1, /* the snapshot cannot be analysed */
	WORKER_USAGE = 2,
	WORKER_REFUSED = 3, /* it would take more than it may */
};

enum { WORKER_REPORT_MAX = 1 << 20 }; /* bytes */

enum { WORKER_PROFILES_MAX = 11 }; /* earlier ones that are added to a continuous profile */
