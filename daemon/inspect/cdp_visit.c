/*
 * Whether somebody else is attached the browser tells only while we are not, so it is looked at
 * when we come, and no visit begins before the end of the last is answered.
 */

#include "inspect/cdp_visit.h"

#include <stdio.h>
#include <string.h>

#include "inspect/cdp_page.h"
#include "inspect/channel.h"
#include "util/clock.h"
#include "util/str.h"

/* So long we stay with others: what they track meanwhile stays theirs. */
#define SHARED_NS (300 * NS_PER_S)

enum { DOUBLINGS_MAX = 5 };

bool cdp_visit_wants(const char *type)
{
	return strcmp(type, "service_worker") == 0;
}

bool cdp_visit_due(struct cdp_page *page)
{
	if (page->visit.rests == 0)
		return true;
	page->visit.rests--;
	return false;
}

int cdp_visit_come(struct channel *channel, struct cdp_page *page)
{
	struct cdp_visit *visit = &page->visit;
	char params[160];

	if (visit->state == VISIT_LEAVING)
		visit->wanted = true;
	if (visit->state != VISIT_AWAY)
		return 0;
	visit->state = VISIT_COMING;
	visit->shared = visit->attached;
	snprintf(params, sizeof(params), "{\"targetId\":\"%s\",\"flatten\":true}", page->target_id);
	return channel_ask(channel, "Target.attachToTarget", params, &visit->asked_id);
}

void cdp_visit_came(struct cdp_page *page, const char *session_id)
{
	str_copy(page->session_id, sizeof(page->session_id), session_id);
	page->visit.state = VISIT_THERE;
	page->visit.came_ns = clock_mono_ns();
}

static void note_miss(struct cdp_visit *visit)
{
	visit->rests = 1u << (visit->misses < DOUBLINGS_MAX ? visit->misses : DOUBLINGS_MAX);
	visit->misses++;
}

/* Whoever has begun meanwhile, a capture of ours as well, would lose what it tracks. */
static bool stays(const struct channel *channel, const struct cdp_visit *visit)
{
	return channel->session->patient ||
	       (visit->shared && clock_mono_ns() - visit->came_ns < SHARED_NS);
}

int cdp_visit_leave(struct channel *channel, struct cdp_page *page, bool missed)
{
	struct cdp_visit *visit = &page->visit;
	char params[CDP_SESSION_ID_MAX + 24];

	if (!missed)
		visit->misses = 0;
	visit->polls = visit->collects = visit->wanted = false;
	if (visit->state == VISIT_THERE && stays(channel, visit))
		return 0;
	if (missed)
		note_miss(visit);
	memset(page->ids, 0, sizeof(page->ids));
	if (visit->state != VISIT_THERE)
		return 0; /* on the way: it is left when we have come */
	snprintf(params, sizeof(params), "{\"sessionId\":\"%s\"}", page->session_id);
	page->session_id[0] = '\0';
	visit->state = VISIT_LEAVING;
	return channel_ask(channel, "Target.detachFromTarget", params, &visit->asked_id);
}

void cdp_visit_lost(struct cdp_page *page)
{
	struct cdp_visit *visit = &page->visit;

	visit->state = VISIT_AWAY;
	visit->polls = visit->collects = visit->wanted = false;
	page->session_id[0] = '\0';
	memset(page->ids, 0, sizeof(page->ids));
}

int cdp_visit_answered(struct channel *channel, struct cdp_page *page, bool *ret_failed)
{
	struct cdp_visit *visit = &page->visit;

	visit->asked_id = 0;
	/* That we have come is told before it is answered. */
	*ret_failed = visit->state == VISIT_COMING;
	if (*ret_failed) {
		note_miss(visit);
		cdp_visit_lost(page);
	} else if (visit->state == VISIT_LEAVING) {
		visit->state = VISIT_AWAY;
		if (visit->wanted) {
			visit->wanted = false;
			return cdp_visit_come(channel, page);
		}
	}
	return 0;
}
