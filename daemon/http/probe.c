/*
 * /probe: a poll at the moment of the scrape
 *
 * The request is held until the poll it asked for (or one that was under way) has ended. Scraped
 * like this, the values are as old as the scrape says they are. Only targets we know are polled:
 * an endpoint that connects wherever its caller wants is a gift to attackers.
 *
 * A target that does not answer before the scraper gives up is a failed poll: heapwatch_up is 0
 * and no old value is shown in place of a new one.
 */

#include "http/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/manage.h"
#include "http/prom.h"
#include "http/server.h"
#include "loop/loop.h"
#include "util/clock.h"
#include "watch/target.h"

/* Time for the answer to reach the scraper before its time-out; shortest and longest wait. */
#define PROBE_OFFSET_NS (500 * NS_PER_MS)
#define PROBE_MIN_NS    (100 * NS_PER_MS)
#define PROBE_MAX_NS    (110 * NS_PER_S)

struct probe {
	struct probe *next;
	struct http_view *view;
	struct http_exchange *exchange;
	uint64_t target_id;
	struct exposition_choice choice;
	struct loop_timer deadline;
};

static void forget(struct probe *probe)
{
	struct probe **at = &probe->view->probes;

	while (*at != NULL && *at != probe)
		at = &(*at)->next;
	if (*at != NULL)
		*at = probe->next;
	loop_timer_fini(&probe->deadline);
	free(probe);
}

static int answer(struct http_exchange *exchange, const struct target *target, bool polled,
		  const struct exposition_choice *choice)
{
	struct buf body;
	int r;

	buf_init(&body, EXPOSITION_MAX);
	r = prom_write_target(target, polled, choice->format, &body);
	if (r == 0)
		return http_answer(exchange, 200, choice->content_type, &body);
	buf_fini(&body);
	return http_answer_error(exchange, 500, NULL, "%s", strerror(-r));
}

/* Without memory even for the error, the deadline of the server ends the exchange. */
static void finish(struct probe *probe, bool polled)
{
	struct http_exchange *exchange = probe->exchange;
	const struct target *target = targets_find(probe->view->targets, probe->target_id);
	struct exposition_choice choice = probe->choice;

	exchange->held = NULL;
	exchange->drop = NULL;
	forget(probe);
	if (target != NULL)
		answer(exchange, target, polled, &choice);
	else
		http_answer_error(exchange, 404, NULL, "the target was removed meanwhile");
}

static void on_deadline(void *owner)
{
	finish(owner, false);
}

static void on_drop(struct http_exchange *exchange)
{
	struct probe *probe = exchange->held;

	exchange->held = NULL;
	if (probe != NULL)
		forget(probe);
}

void probe_polled(struct http_view *view, uint64_t target_id)
{
	const struct target *target;
	struct probe *next;
	bool polled;

	/* The search is linear, and this is called for every poll: only when somebody waits. */
	if (view->probes == NULL)
		return;
	target = targets_find(view->targets, target_id);
	/* A target that is removed in the middle of its poll was not polled. */
	polled = target != NULL && !target->polling;
	for (struct probe *at = view->probes; at != NULL; at = next) {
		next = at->next;
		if (at->target_id == target_id)
			finish(at, polled);
	}
}

static struct target *find_target(const struct targets *targets, const char *text)
{
	struct target *target = targets_find_name(targets, text);
	char address[ADDRESS_TEXT_MAX];

	if (target != NULL)
		return target;
	list_each (at, &targets->list) {
		target = container_of(at, struct target, link);
		if (strcmp(address_format(address, &target->spec.address), text) == 0)
			return target;
	}
	return NULL;
}

/* What the scraper grants, else what the target has; the server itself waits a little longer. */
static uint64_t wait_of(const struct http_exchange *exchange, const struct target *target)
{
	const struct http_view *view = http_server_owner(exchange->server);
	uint64_t max_ns = view->web->response_timeout_ns - PROBE_MIN_NS;
	const char *text = http_header(exchange, "X-Prometheus-Scrape-Timeout-Seconds");
	double seconds = text != NULL ? strtod(text, NULL) : 0;
	uint64_t wait_ns = target->spec.poll.timeout_ns + PROBE_OFFSET_NS;

	if (seconds > 0 && seconds < (double)PROBE_MAX_NS / (double)NS_PER_S)
		wait_ns = (uint64_t)(seconds * (double)NS_PER_S);
	else if (seconds > 0)
		wait_ns = PROBE_MAX_NS;
	wait_ns = wait_ns > PROBE_OFFSET_NS ? wait_ns - PROBE_OFFSET_NS : 0;
	if (max_ns > PROBE_MAX_NS)
		max_ns = PROBE_MAX_NS;
	if (wait_ns > max_ns)
		return max_ns;
	return wait_ns > PROBE_MIN_NS ? wait_ns : PROBE_MIN_NS;
}

static struct probe *new_probe(struct http_view *view, struct http_exchange *exchange,
			       const struct target *target)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (probe == NULL)
		return NULL;
	probe->view = view;
	probe->exchange = exchange;
	probe->target_id = target->id;
	probe->choice = negotiate_exposition(http_header(exchange, "Accept"));
	if (loop_timer_init(&probe->deadline, view->loop, on_deadline, probe) < 0 ||
	    loop_timer_set(&probe->deadline, wait_of(exchange, target)) < 0) {
		loop_timer_fini(&probe->deadline);
		free(probe);
		return NULL;
	}
	probe->next = view->probes;
	view->probes = probe;
	exchange->held = probe;
	exchange->drop = on_drop;
	return probe;
}

int probe_handle(struct http_exchange *exchange)
{
	struct http_view *view = http_server_owner(exchange->server);
	const char *name = http_argument(exchange, "target");
	struct target *target;
	int r;

	if (name == NULL || name[0] == '\0')
		return http_answer_error(exchange, 400, NULL, "parameter target is missing");
	target = find_target(view->targets, name);
	if (target == NULL)
		return http_answer_error(exchange, 404, NULL,
					 "no target has this name or address; only configured and "
					 "discovered targets are probed");
	if (new_probe(view, exchange, target) == NULL)
		return -ENOMEM;
	/* The poll may fail at once, and then the exchange is answered before this returns. */
	r = target_poll_now(target);
	if (exchange->held == NULL)
		return 0;
	if (r < 0 && r != -EBUSY)
		finish(exchange->held, false);
	else
		http_hold(exchange);
	return 0;
}
