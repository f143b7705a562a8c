#pragma once

/*
 * Visits: a service worker is attached to for as long as a poll or a collection takes. Chromium
 * keeps one for whoever is attached to it, also when its page has unregistered it or nothing has
 * come to it for long, so who stayed would keep it for ever.
 *
 * With V8 whoever leaves takes the ids of objects from all and ends what tracks them. Where
 * somebody else is attached already the worker lives for them anyway: there we stay for some
 * minutes at a time.
 */

#include <stdbool.h>
#include <stdint.h>

struct cdp_page;
struct channel;

enum cdp_visit_state {
	VISIT_NONE, /* a page, or another worker: it is attached to for good */
	VISIT_AWAY,
	VISIT_COMING,
	VISIT_THERE,
	VISIT_LEAVING,
};

/* Of a cdp_page. */
struct cdp_visit {
	enum cdp_visit_state state;
	int32_t asked_id; /* to come or to leave; 0: it is answered */
	bool wanted; /* come as soon as it has been left */
	bool polls, collects; /* what for: to be asked there */
	bool attached; /* anybody is, as the browser has said last */
	bool shared; /* somebody else was when we came */
	uint64_t came_ns; /* monotonic */
	unsigned misses; /* visits in a row in which it has not answered */
	unsigned rests; /* polls that are still to pass without a visit */
};

/* Is a target of this type visited? */
bool cdp_visit_wants(const char *type);

/* Is its turn in this poll? One that has not answered is left alone for some, ever longer. */
bool cdp_visit_due(struct cdp_page *page);

/* Come, unless it is so already. 0, -errno. */
int cdp_visit_come(struct channel *channel, struct cdp_page *page);

/* We are attached. */
void cdp_visit_came(struct cdp_page *page, const char *session_id);

/*
 * What it was visited for has come, or is waited for no longer (missed): leave, or stay with
 * others. What is outstanding then is not waited for. 0, -errno.
 */
int cdp_visit_leave(struct channel *channel, struct cdp_page *page, bool missed);

/* It has been taken from us. */
void cdp_visit_lost(struct cdp_page *page);

/*
 * The answer to what was asked: to come, to leave. *ret_failed: we have not come. 0, -errno; not
 * called for what is not page->visit.asked_id.
 */
int cdp_visit_answered(struct channel *channel, struct cdp_page *page, bool *ret_failed);
