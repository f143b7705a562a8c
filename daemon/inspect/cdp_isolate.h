#pragma once

/*
 * The isolate that is captured: the main one, spoken to directly, a worker thread's, spoken to
 * through the main one, or one of a browser's, spoken to in a session of its own. Whoever asks need
 * not know which.
 */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/cdp_flat.h"

struct cdp_message;
struct download;

struct cdp_isolate {
	bool in_browser; /* then only flat is used */
	struct cdp_flat flat;
	char worker[16]; /* thread id in digits; "" is the one at the end of the connection */
	char session[64]; /* of that worker, once attached */
	int32_t workers_id; /* of NodeWorker.enable, then of the question after it */
	bool asked_again;
};

/* "main", "worker:3"; -EINVAL when it is no isolate of Node's or Deno's. */
int cdp_isolate_parse(struct cdp_isolate *isolate, const char *text);

/* Send a request to the isolate; its id is of the isolate's own stream of messages. */
int cdp_isolate_ask(struct download *download, const struct cdp_isolate *isolate,
		    const char *method, const char *params, int32_t *ret_id);

/* Attach to the worker or the browser's target. */
int cdp_isolate_attach(struct download *download, struct cdp_isolate *isolate);

/* CDP_ATTACHED: it can be spoken to. Failures are told in download->err. */
enum { CDP_ATTACHED = 100 };

/* What is said about workers and targets. */
int cdp_isolate_message(struct download *download, struct cdp_isolate *isolate,
			const struct cdp_message *message);

int cdp_refused(struct download *download, const char *method, const struct cdp_message *message);
