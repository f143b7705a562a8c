#pragma once

/*
 * The way to one isolate of a browser: its target and those above it, each attached through the one
 * before, in flat sessions (Target domain of the Chrome DevTools Protocol). A dedicated worker can
 * be spoken to only by way of its page.
 */

#include <stdbool.h>
#include <stdint.h>

struct cdp_message;
struct download;

enum {
	/* A session's id has 32 characters. */
	CDP_SESSION_ID_MAX = 64,
	/* Of a target's id this many are in the isolate's name. */
	CDP_TARGET_SHOWN = 8,
	CDP_KIND_MAX = 24,
};

struct cdp_flat {
	const char *rest; /* of the isolate's name: what is not yet attached; borrowed */
	char session[CDP_SESSION_ID_MAX]; /* of what is attached; "" is the browser itself */
	char target_id[64]; /* of that */
	int32_t last_id; /* the step under way ends with this answer */
};

/* Begin; isolate is "page:72603EA7" or "page:72603EA7/worker:9A37CDA0" and stays valid. */
int cdp_flat_begin(struct download *download, struct cdp_flat *flat, const char *isolate);

/*
 * A message meanwhile and afterwards. CDP_ATTACHED (inspect/cdp_isolate.h): the isolate can be
 * spoken to. Failures, also that it ended, are told in download->err.
 */
int cdp_flat_message(struct download *download, struct cdp_flat *flat,
		     const struct cdp_message *message);

/* Does the isolate itself say it, to whom we have come? Else it is for cdp_flat_message(). */
bool cdp_flat_is_isolate(const struct cdp_flat *flat, const struct cdp_message *message);
