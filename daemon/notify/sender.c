/*
 * Sending alerts
 *
 * An answer of 2xx takes the batch. 400, 413 and 422 mean that something in it is bad, and say not
 * what (Alertmanager stores the good ones of a batch all the same): the batch is halved until the
 * bad one is alone, which is dropped; whoever was refused once goes alone from then on. Anything
 * else is a failure of the receiver: the batch waits in its old place and is tried again, later and
 * later. One that answers 5xx again and again may fail at one alert only, so that is looked for in
 * the same way; what fails alone is tried again behind the others.
 *
 * Alertmanager wants the state of now: a newer notice takes the place of one that still waits, and
 * the queue is never longer than there are alerts. A notice that waited until it would be wrong is
 * dropped.
 */

#include "notify/sender.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_call.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"

/* A batch may be larger than that by its first alert. */
enum { BODY_BYTES = 1 << 20, BODY_BYTES_MAX = 8 << 20, QUEUE_BYTES_MAX = 32 << 20 };

#define RETRY_MIN_NS (1 * NS_PER_S)
#define RETRY_MAX_NS (60 * NS_PER_S)

/* 5xx answers: from so many on the batch is halved; what is alone then has so many more. */
enum { TRIES_SPLIT = 3, TRIES_MAX = 8 };

static const double latency_bounds[] = { .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10 };

struct queued {
	struct link link;
	struct notice *notice; /* one reference */
	unsigned together; /* how many may go with it in one batch; 0: as many as may be */
	unsigned tries; /* answers of 5xx */
};

enum verdict { TAKEN, REFUSED, FAILED };

const char *sender_drop_name(enum sender_drop drop)
{
	static const char *const names[] = {
		[SENDER_DROP_FULL] = "queue_full",
		[SENDER_DROP_REFUSED] = "refused",
		[SENDER_DROP_STALE] = "stale",
		[SENDER_DROP_FAILED] = "failed",
	};

	return names[drop];
}

/* ---- the queue ---- */

static struct queued *queued_of(struct link *link)
{
	return container_of(link, struct queued, link);
}

static void forget(struct queued *queued)
{
	notice_unref(queued->notice);
	free(queued);
}

/* Out of the queue; it is the caller's then. */
static void take_out(struct sender *sender, struct queued *queued)
{
	link_remove(&queued->link);
	sender->n--;
	sender->bytes -= queued->notice->bytes;
	if (sender->kind->newest_only)
		map_remove(&sender->newest, queued->notice->key);
}

static void drop(struct sender *sender, struct queued *queued, enum sender_drop why)
{
	sender->dropped[why]++;
	forget(queued);
}

static void drop_oldest(struct sender *sender)
{
	struct queued *oldest = queued_of(sender->queue.next);

	if (sender->dropped[SENDER_DROP_FULL] == 0)
		log_error("notify", "the queue of %s is full: the oldest alerts are dropped",
			  sender->endpoint.url);
	take_out(sender, oldest);
	drop(sender, oldest, SENDER_DROP_FULL);
}

static bool was_refused(const struct sender *sender, uint64_t fingerprint)
{
	for (unsigned i = 0; i < SENDER_REFUSED_MAX; i++) {
		if (sender->refused[i] == fingerprint)
			return true;
	}
	return false;
}

/* at: before which link it stands. 0, -EEXIST (there is a newer one), -ENOMEM. */
static int put_in(struct sender *sender, struct queued *queued, struct link *at)
{
	int r = 0;

	if (sender->kind->newest_only)
		r = map_put(&sender->newest, queued->notice->key, queued);
	if (r < 0)
		return r;
	list_append(at, &queued->link);
	sender->n++;
	sender->bytes += queued->notice->bytes;
	return 0;
}

/* A newer notice of the same alert stands where the older did. */
static bool replace(struct sender *sender, struct notice *notice)
{
	struct queued *older =
		sender->kind->newest_only ? map_get(&sender->newest, notice->key) : NULL;

	if (older == NULL)
		return false;
	map_remove(&sender->newest, older->notice->key);
	sender->bytes += notice->bytes - older->notice->bytes;
	notice_unref(older->notice);
	older->notice = notice_ref(notice);
	/* It is found out of which alert that is, but not yet that it is this one's fault. */
	if (older->tries > TRIES_SPLIT)
		older->tries = TRIES_SPLIT;
	/* Should there be no memory for that, a later one stands beside it. */
	(void)map_put(&sender->newest, notice->key, older);
	return true;
}

void sender_add(struct sender *sender, struct notice *notice)
{
	struct queued *queued;

	if (!replace(sender, notice)) {
		while (sender->n > 0 && (sender->n >= sender->n_max ||
					 sender->bytes + notice->bytes > QUEUE_BYTES_MAX))
			drop_oldest(sender);
		queued = calloc(1, sizeof(*queued));
		if (queued == NULL) {
			sender->dropped[SENDER_DROP_FULL]++;
			return;
		}
		link_init(&queued->link);
		queued->notice = notice_ref(notice);
		queued->together = was_refused(sender, notice->fingerprint) ? 1 : 0;
		if (put_in(sender, queued, &sender->queue) < 0)
			drop(sender, queued, SENDER_DROP_FULL);
	}
	sender_wake(sender);
}

size_t sender_waiting(const struct sender *sender, struct notice **ret)
{
	size_t n = 0;

	if (ret == NULL)
		return sender->batch_n + sender->n;
	for (unsigned i = 0; i < sender->batch_n; i++)
		ret[n++] = sender->batch[i]->notice;
	list_each (at, &sender->queue)
		ret[n++] = queued_of(at)->notice;
	return n;
}

/* ---- the batch ---- */

/* A newer notice has come meanwhile: what was found out about the alert holds for that too. */
static void give_way(struct sender *sender, struct queued *queued)
{
	struct queued *newer = map_get(&sender->newest, queued->notice->key);

	if (newer != NULL) {
		newer->tries = queued->tries < TRIES_SPLIT ? queued->tries : TRIES_SPLIT;
		newer->together = queued->together;
	}
	forget(queued);
}

/* Back to where it was, unless a newer notice has come meanwhile. */
static void put_back(struct sender *sender)
{
	for (unsigned i = sender->batch_n; i-- > 0;) {
		if (put_in(sender, sender->batch[i], sender->queue.next) < 0)
			give_way(sender, sender->batch[i]);
	}
	sender->batch_n = 0;
}

/*
 * Behind the others, for what answers badly to one may take them; and with it, in their order, what
 * else there is of the same alert.
 */
static void put_behind(struct sender *sender)
{
	struct queued *only = sender->batch[0];
	int r = put_in(sender, only, &sender->queue);

	sender->batch_n = 0;
	if (r == -EEXIST)
		give_way(sender, only);
	else if (r < 0)
		drop(sender, only, SENDER_DROP_FULL);
	if (r < 0)
		return;
	list_each_safe (at, &sender->queue) {
		if (at == &only->link)
			return;
		if (strcmp(queued_of(at)->notice->key, only->notice->key) == 0) {
			link_remove(at);
			list_append(&sender->queue, at);
		}
	}
}

static void drop_stale(struct sender *sender)
{
	list_each_safe (at, &sender->queue) {
		struct queued *queued = queued_of(at);

		if (queued->notice->void_ns > sender->loop->now_ns)
			continue;
		take_out(sender, queued);
		drop(sender, queued, SENDER_DROP_STALE);
	}
}

static bool fits(const struct sender *sender, const struct queued *queued, size_t bytes)
{
	unsigned n = sender->batch_n;

	if (n == 0)
		return true;
	if (n >= sender->kind->batch_max || bytes + queued->notice->bytes > BODY_BYTES)
		return false;
	return (queued->together == 0 || n < queued->together) &&
	       (sender->batch[0]->together == 0 || n < sender->batch[0]->together);
}

static void gather(struct sender *sender)
{
	size_t bytes = 0;

	while (!list_empty(&sender->queue)) {
		struct queued *queued = queued_of(sender->queue.next);

		if (!fits(sender, queued, bytes))
			return;
		take_out(sender, queued);
		bytes += queued->notice->bytes;
		sender->batch[sender->batch_n++] = queued;
	}
}

static int make_body(struct sender *sender)
{
	struct notice *notices[SENDER_BATCH_MAX];

	for (unsigned i = 0; i < sender->batch_n; i++)
		notices[i] = sender->batch[i]->notice;
	buf_clear(&sender->body);
	return sender->kind->body(sender, notices, sender->batch_n, &sender->body);
}

/* ---- answers ---- */

static void say_down(struct sender *sender, const char *why)
{
	str_copy(sender->last_error, sizeof(sender->last_error), why);
	if (!sender->down)
		log_warn("notify", "%s takes no alerts: %s; it is tried again",
			 sender->endpoint.url, why);
	sender->down = true;
}

static void say_up(struct sender *sender)
{
	if (sender->down)
		log_info("notify", "%s takes alerts again", sender->endpoint.url);
	sender->down = false;
	sender->last_error[0] = '\0';
}

static void wait_to_retry(struct sender *sender)
{
	sender->waiting = loop_timer_set(&sender->retry, backoff_next(&sender->backoff)) == 0;
}

static void taken(struct sender *sender)
{
	sender->sent += sender->batch_n;
	for (unsigned i = 0; i < sender->batch_n; i++)
		forget(sender->batch[i]);
	sender->batch_n = 0;
	backoff_reset(&sender->backoff);
	say_up(sender);
}

static void halve(struct sender *sender)
{
	unsigned half = (sender->batch_n + 1) / 2;

	for (unsigned i = 0; i < sender->batch_n; i++)
		sender->batch[i]->together = half;
	put_back(sender);
}

static void drop_only(struct sender *sender, enum sender_drop why, const char *text)
{
	struct queued *only = sender->batch[0];
	bool again = was_refused(sender, only->notice->fingerprint);

	if (!again) {
		sender->refused[sender->refused_next++ % SENDER_REFUSED_MAX] =
			only->notice->fingerprint;
		log_error("notify", "%s does not take the alert %s, it is dropped: %s",
			  sender->endpoint.url, only->notice->about, text);
	}
	sender->batch_n = 0;
	drop(sender, only, why);
}

static void refused(struct sender *sender, const char *text)
{
	if (sender->batch_n > 1)
		halve(sender);
	else
		drop_only(sender, SENDER_DROP_REFUSED, text);
}

static void failed(struct sender *sender, const char *text, bool answered)
{
	unsigned tries = 0;

	for (unsigned i = 0; answered && i < sender->batch_n; i++) {
		struct queued *queued = sender->batch[i];

		if (++queued->tries > tries)
			tries = queued->tries;
	}
	say_down(sender, text);
	if (sender->batch_n > 1 && tries >= TRIES_SPLIT) {
		halve(sender);
		/* Another question; there are six of them at the most until one is alone. */
		backoff_reset(&sender->backoff);
	} else if (sender->batch_n > 1) {
		put_back(sender);
	} else if (sender->kind->newest_only && tries >= TRIES_MAX) {
		drop_only(sender, SENDER_DROP_FAILED, text);
	} else {
		put_behind(sender);
	}
	wait_to_retry(sender);
}

static enum verdict judge(const struct http_answer *answer)
{
	if (answer->r < 0)
		return FAILED;
	if (answer->status >= 200 && answer->status < 300)
		return TAKEN;
	switch (answer->status) {
	case 400:
	case 413:
	case 422:
		return REFUSED;
	default:
		return FAILED;
	}
}

static void on_answer(void *owner, const struct http_answer *answer)
{
	struct sender *sender = owner;
	enum verdict verdict = judge(answer);
	char text[128];

	sender->fetch = NULL;
	if (answer->r == 0 && answer->date_wall_ms != 0)
		peer_clock_take(&sender->clock, answer->date_wall_ms, clock_mono_ns(),
				clock_wall_ms());
	histogram_observe(&sender->latency,
			  (double)(clock_mono_ns() - sender->started_ns) / (double)NS_PER_S);
	endpoint_describe(answer, text, sizeof(text));
	if (verdict != TAKEN)
		sender->errors += sender->batch_n;
	if (verdict == TAKEN)
		taken(sender);
	else if (verdict == REFUSED)
		refused(sender, text);
	else
		failed(sender, text, answer->r == 0 && answer->status >= 500);
	sender_wake(sender);
}

/* ---- requests ---- */

static int post(struct sender *sender, struct err *err)
{
	const char *headers[SENDER_HEADERS_MAX + 1] = { NULL };
	struct sender_head head = { .n = 0 };
	const char *body = buf_text(&sender->body);
	int r = 0;

	if (sender->kind->head != NULL)
		r = sender->kind->head(sender, sender->batch[0]->notice, body, sender->body.size,
				       &head, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < head.n; i++)
		headers[i] = head.lines[i];
	return endpoint_post(&sender->endpoint, sender->http, body, 0, headers, on_answer, sender,
			     &sender->fetch, err);
}

static void pump(void *owner)
{
	struct sender *sender = owner;
	struct err err = { 0 };
	int r;

	if (sender->fetch != NULL || sender->waiting || (sender->held != NULL && *sender->held))
		return;
	drop_stale(sender);
	gather(sender);
	if (sender->batch_n == 0)
		return;
	r = make_body(sender);
	if (r == -E2BIG) {
		refused(sender, "it is too large");
		sender_wake(sender);
		return;
	}
	sender->started_ns = clock_mono_ns();
	if (r == 0)
		r = post(sender, &err);
	else
		err_set(&err, r, "out of memory");
	if (r < 0) {
		sender->errors += sender->batch_n;
		failed(sender, err.text, false);
	}
}

void sender_wake(struct sender *sender)
{
	loop_defer(sender->loop, &sender->pump);
}

static void on_retry(void *owner)
{
	struct sender *sender = owner;

	sender->waiting = false;
	sender_wake(sender);
}

bool sender_is_idle(const struct sender *sender)
{
	return sender->fetch == NULL && (list_empty(&sender->queue) || sender->waiting);
}

/* ---- start and end ---- */

int sender_new(struct sender **ret, const struct sender_kind *kind, struct loop *loop,
	       struct http_client *http, const bool *held)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	int r;

	if (sender == NULL)
		return -ENOMEM;
	link_init(&sender->link);
	link_init(&sender->queue);
	map_init(&sender->newest);
	sender->kind = kind;
	sender->loop = loop;
	sender->http = http;
	sender->held = held;
	sender->send_resolved = true;
	sender->backoff = (struct backoff){ .min_ns = RETRY_MIN_NS, .max_ns = RETRY_MAX_NS };
	buf_init(&sender->body, BODY_BYTES_MAX);
	histogram_init(&sender->latency, latency_bounds,
		       sizeof(latency_bounds) / sizeof(latency_bounds[0]));
	loop_deferred_init(&sender->pump, pump, sender);
	r = loop_timer_init(&sender->retry, loop, on_retry, sender);
	if (r < 0) {
		sender_free(sender);
		return r;
	}
	*ret = sender;
	return 0;
}

void sender_free(struct sender *sender)
{
	if (sender == NULL)
		return;
	if (sender->fetch != NULL)
		http_cancel(sender->fetch);
	for (unsigned i = 0; i < sender->batch_n; i++)
		forget(sender->batch[i]);
	list_each_safe (at, &sender->queue) {
		struct queued *queued = queued_of(at);

		take_out(sender, queued);
		forget(queued);
	}
	loop_deferred_cancel(&sender->pump);
	loop_timer_fini(&sender->retry);
	link_remove(&sender->link);
	map_fini(&sender->newest);
	buf_fini(&sender->body);
	endpoint_fini(&sender->endpoint);
	free(sender->secret_file);
	free(sender);
}

void sender_set(struct sender *sender, struct endpoint *endpoint, uint64_t n_max)
{
	endpoint_fini(&sender->endpoint);
	sender->endpoint = *endpoint;
	*endpoint = (struct endpoint){ 0 };
	sender->n_max = n_max;
	backoff_reset(&sender->backoff);
	loop_timer_clear(&sender->retry);
	sender->waiting = false;
	sender_wake(sender);
}
