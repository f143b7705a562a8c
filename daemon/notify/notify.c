/*
 * Telling
 *
 * One look at the list of alerts finds all that is due: what has begun to fire, what was last sent
 * a resend_delay ago. It comes with each change, and with a tick while there is anything to repeat.
 *
 * What webhooks were told survives a restart with the alert (watch/alert_restore.h), but only once
 * each of them is done with it; so after a kill a change may be told twice, and is never left out.
 * What has ended survives for those who have not heard of it (notify/ended.h).
 */

#include "notify/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notify/ended.h"
#include "notify/sender.h"
#include "notify/settings.h"
#include "pipeline/crypto.h"
#include "util/clock.h"
#include "util/log.h"
#include "watch/alert.h"

/* A webhook that was down for longer is not told any more. */
#define WEBHOOK_NS (60 * 60 * NS_PER_S)

#define HOLD_NS   NS_PER_S
#define FINISH_NS (2 * NS_PER_S)

/* How exact a resend_delay is, within bounds. */
enum { TICKS = 10 };
#define TICK_MIN_NS (100 * NS_PER_MS)
#define TICK_MAX_NS NS_PER_S

static struct sender *sender_of(struct link *link)
{
	return container_of(link, struct sender, link);
}

static bool has(const struct notify *notify, const struct sender_kind *kind)
{
	list_each (at, &notify->senders) {
		if (sender_of(at)->kind == kind)
			return true;
	}
	return false;
}

static void give(struct notify *notify, const struct sender_kind *kind, struct notice *notice)
{
	list_each (at, &notify->senders) {
		struct sender *sender = sender_of(at);

		if (sender->kind == kind && (!notice->resolved || sender->send_resolved))
			sender_add(sender, notice);
	}
}

static struct notice_frame frame_of(const struct notify *notify)
{
	return (struct notice_frame){ .external_labels = &notify->external_labels,
				      .url = notify->url };
}

/* NULL without memory: it is due again at the next look. */
static struct notice *make(const struct notify *notify, const struct alert *alert, bool resolved,
			   uint64_t life_ns)
{
	struct notice_frame frame = frame_of(notify);
	struct notice *notice;
	int r = notice_new(&notice, alert, &frame, resolved, notify->loop->now_ns, life_ns);

	if (r == 0)
		return notice;
	log_warn("notify", "an alert of %s cannot be sent: %s", alert->target, strerror(-r));
	return NULL;
}

/* ---- what is resolved ---- */

static void arm(struct notify *notify)
{
	uint64_t tick_ns = notify->resend_ns / TICKS;

	if (tick_ns < TICK_MIN_NS)
		tick_ns = TICK_MIN_NS;
	if (tick_ns > TICK_MAX_NS)
		tick_ns = TICK_MAX_NS;
	if (!notify->tick.armed && (notify->alerts->count > 0 || notify->ended_n > 0) &&
	    !list_empty(&notify->senders))
		(void)loop_timer_set(&notify->tick, tick_ns);
}

/* It is not told again after a restart. */
static void on_ended_told(void *owner, const struct notice *notice)
{
	struct notify *notify = owner;

	(void)notice;
	if (!notify->finishing && notify->alerts->on_ended_told != NULL)
		notify->alerts->on_ended_told(notify->alerts->owner);
}

void notify_add_ended(struct notify *notify, struct sender *webhook, struct notice *notice)
{
	notice->done = on_ended_told;
	notice->owner = notify;
	sender_add(webhook, notice);
}

/* A notice for each webhook: of each it is known when it is done with it. */
static void tell_ended(struct notify *notify, const struct alert *alert)
{
	list_each (at, &notify->senders) {
		struct sender *sender = sender_of(at);
		struct notice *notice;

		if (sender->kind != &sender_webhook || !sender->send_resolved)
			continue;
		notice = make(notify, alert, true, WEBHOOK_NS);
		if (notice != NULL)
			notify_add_ended(notify, sender, notice);
		notice_unref(notice);
	}
}

void notify_resolved(struct notify *notify, const struct alert *alert)
{
	struct notice *notice;

	if (has(notify, &sender_alertmanager)) {
		notice = make(notify, alert, true, RESOLVED_NS);
		if (notice != NULL) {
			give(notify, &sender_alertmanager, notice);
			ended_keep(notify, notice, notify->loop->now_ns);
		}
	}
	if (alert->told || alert->telling)
		tell_ended(notify, alert);
	arm(notify);
}

static void resend_ended(struct notify *notify)
{
	uint64_t now_ns = notify->loop->now_ns;

	list_each_safe (at, &notify->ended) {
		struct ended *ended = container_of(at, struct ended, link);

		if (now_ns >= ended->notice->void_ns) {
			ended_free(notify, ended);
			continue;
		}
		if (ended->sent_ns != 0 && now_ns - ended->sent_ns < notify->resend_ns)
			continue;
		ended->sent_ns = now_ns;
		give(notify, &sender_alertmanager, ended->notice);
	}
}

/* ---- what fires ---- */

static uint64_t life_of(const struct notify *notify, const struct alert *alert)
{
	uint64_t interval_ns = alert->group->interval_ns;

	return 4 * (interval_ns > notify->resend_ns ? interval_ns : notify->resend_ns);
}

static void send_again(struct notify *notify, struct alert *alert)
{
	struct notice *notice = make(notify, alert, false, life_of(notify, alert));

	if (notice == NULL)
		return;
	alert->sent_ns = notify->loop->now_ns;
	ended_forget(notify, notice->key);
	give(notify, &sender_alertmanager, notice);
	notice_unref(notice);
}

/* Every webhook is done with it. */
static void on_told(void *owner, const struct notice *notice)
{
	struct notify *notify = owner;

	if (notify->finishing)
		return;
	list_each (at, &notify->alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (!alert->telling || alert->sent_as != notice->fingerprint ||
		    alert->firing_since_wall_ms != notice->starts_wall_ms ||
		    alert->revision != notice->revision)
			continue;
		alert->telling = false;
		alert->told = true;
		if (notify->alerts->on_changed != NULL)
			notify->alerts->on_changed(notify->alerts->owner);
		return;
	}
}

static void tell(struct notify *notify, struct alert *alert)
{
	struct notice *notice = make(notify, alert, false, WEBHOOK_NS);

	if (notice == NULL)
		return;
	alert->telling = true;
	alert->sent_as = notice->fingerprint;
	notice->done = on_told;
	notice->owner = notify;
	give(notify, &sender_webhook, notice);
	notice_unref(notice);
}

static void look(void *owner)
{
	struct notify *notify = owner;
	bool alertmanager = has(notify, &sender_alertmanager);
	bool webhook = has(notify, &sender_webhook);
	uint64_t now_ns = notify->loop->now_ns;

	list_each (at, &notify->alerts->list) {
		struct alert *alert = container_of(at, struct alert, link);

		if (alert->state != ALERT_FIRING)
			continue;
		if (alertmanager &&
		    (alert->sent_ns == 0 || now_ns - alert->sent_ns >= notify->resend_ns))
			send_again(notify, alert);
		if (webhook && !alert->told && !alert->telling)
			tell(notify, alert);
	}
	resend_ended(notify);
	arm(notify);
}

void notify_changed(struct notify *notify)
{
	loop_defer(notify->loop, &notify->look);
}

/* ---- over a restart ---- */

void notify_write_ended(const struct notify *notify, struct json_writer *w)
{
	ended_write(notify, w);
}

int notify_read_ended(struct notify *notify, const struct tree *list, uint64_t age_ms)
{
	int r = ended_read(notify, list, age_ms);

	notify_changed(notify);
	return r;
}

/* ---- after the disk ---- */

void notify_release(struct notify *notify)
{
	if (!notify->held)
		return;
	notify->held = false;
	loop_timer_clear(&notify->release);
	list_each (at, &notify->senders)
		sender_wake(sender_of(at));
}

static void release(void *owner)
{
	notify_release(owner);
}

void notify_hold(struct notify *notify)
{
	if (!notify->held)
		notify->held = loop_timer_set(&notify->release, HOLD_NS) == 0;
}

/* ---- receivers ---- */

static struct sender *find_sender(const struct notify *notify, const struct sender_kind *kind,
				  const char *url)
{
	list_each (at, &notify->senders) {
		struct sender *sender = sender_of(at);

		if (sender->kind == kind && strcmp(sender->endpoint.url, url) == 0)
			return sender;
	}
	return NULL;
}

static struct sender *need_sender(struct notify *notify, const struct sender_kind *kind,
				  const char *url, struct link *stays, bool *fresh)
{
	struct sender *sender = find_sender(notify, kind, url);

	*fresh = sender == NULL;
	if (sender == NULL &&
	    sender_new(&sender, kind, notify->loop, notify->http, &notify->held) < 0)
		return NULL;
	link_remove(&sender->link);
	list_append(stays, &sender->link);
	return sender;
}

/* "HOST:PORT" and a prefix: the URL, without a slash too many. To be freed; NULL without memory. */
static char *v2_url(const struct alertmanager_settings *settings, const char *target)
{
	size_t size = strlen(settings->path_prefix);
	char *url;

	while (size > 0 && settings->path_prefix[size - 1] == '/')
		size--;
	if (asprintf(&url, "%s://%s%.*s/api/v2/alerts", scheme_words[settings->scheme], target,
		     (int)size, settings->path_prefix) < 0)
		return NULL;
	return url;
}

static int set_sender(struct notify *notify, const struct sender_kind *kind, const char *url,
		      const struct endpoint_settings *settings, uint64_t capacity,
		      struct link *stays, struct sender **ret, bool *fresh)
{
	struct endpoint endpoint;
	int r = endpoint_init(&endpoint, url, settings);

	if (r == 0) {
		*ret = need_sender(notify, kind, url, stays, fresh);
		r = *ret != NULL ? 0 : -ENOMEM;
	}
	if (r == 0)
		sender_set(*ret, &endpoint, capacity);
	endpoint_fini(&endpoint);
	return r;
}

/* What fires is sent to who is new, and so to all. */
static void send_all_again(struct notify *notify)
{
	list_each (at, &notify->alerts->list)
		container_of(at, struct alert, link)->sent_ns = 0;
}

static int set_alertmanager(struct notify *notify, const struct alertmanager_settings *one,
			    uint64_t capacity, struct link *stays)
{
	const struct static_config_settings *configs = one->static_configs.items;
	struct sender *sender = NULL;
	bool fresh = false;
	int r = 0;

	for (size_t i = 0; i < one->static_configs.n && r == 0; i++) {
		for (size_t j = 0; j < configs[i].targets.n && r == 0; j++) {
			char *url = v2_url(one, configs[i].targets.items[j]);

			r = url != NULL
				    ? set_sender(notify, &sender_alertmanager, url, &one->endpoint,
						 capacity, stays, &sender, &fresh)
				    : -ENOMEM;
			if (r == 0 && fresh)
				send_all_again(notify);
			free(url);
		}
	}
	return r;
}

static int set_webhook(struct notify *notify, const struct webhook_settings *one, uint64_t capacity,
		       struct link *stays)
{
	struct sender *sender = NULL;
	char *secret_file = one->secret_file != NULL ? strdup(one->secret_file) : NULL;
	bool fresh = false;
	int r = one->secret_file != NULL && secret_file == NULL ? -ENOMEM : crypto_setup();

	if (r == 0)
		r = set_sender(notify, &sender_webhook, one->url, &one->endpoint, capacity, stays,
			       &sender, &fresh);
	if (r < 0) {
		free(secret_file);
		return r;
	}
	free(sender->secret_file);
	sender->secret_file = secret_file;
	sender->send_resolved = one->send_resolved;
	return 0;
}

static int set_senders(struct notify *notify, const struct alerting_settings *settings)
{
	const struct alertmanager_settings *alertmanagers = settings->alertmanagers.items;
	const struct webhook_settings *webhooks = settings->webhooks.items;
	struct link stays;
	int r = 0;

	link_init(&stays);
	for (size_t i = 0; i < settings->alertmanagers.n && r == 0; i++)
		r = set_alertmanager(notify, &alertmanagers[i], settings->queue_capacity, &stays);
	for (size_t i = 0; i < settings->webhooks.n && r == 0; i++)
		r = set_webhook(notify, &webhooks[i], settings->queue_capacity, &stays);
	/* Those not come by are not wanted any more; without memory all stay as far as they got. */
	list_each_safe (at, &notify->senders) {
		if (r == 0)
			sender_free(sender_of(at));
	}
	list_each_safe (at, &stays) {
		link_remove(at);
		list_append(&notify->senders, at);
	}
	return r;
}

int notify_set(struct notify *notify, const struct alerting_settings *settings, const char *url)
{
	char *copy = url != NULL ? strdup(url) : NULL;
	struct labels labels = { 0 };
	int r = labels_copy(&labels, &settings->external_labels);

	if (r < 0 || (url != NULL && copy == NULL)) {
		labels_fini(&labels);
		free(copy);
		return -ENOMEM;
	}
	labels_fini(&notify->external_labels);
	notify->external_labels = labels;
	free(notify->url);
	notify->url = copy;
	notify->resend_ns = settings->resend_delay_ns;
	r = set_senders(notify, settings);
	notify_changed(notify);
	return r;
}

/* ---- start and end ---- */

int notify_init(struct notify *notify, struct loop *loop, struct http_client *http,
		struct alerts *alerts)
{
	int r;

	*notify = (struct notify){ .loop = loop, .http = http, .alerts = alerts };
	link_init(&notify->senders);
	link_init(&notify->ended);
	map_init(&notify->ended_by_key);
	loop_deferred_init(&notify->look, look, notify);
	r = loop_timer_init(&notify->tick, loop, look, notify);
	return r == 0 ? loop_timer_init(&notify->release, loop, release, notify) : r;
}

static bool is_idle(const struct notify *notify)
{
	list_each (at, &notify->senders) {
		if (!sender_is_idle(sender_of(at)))
			return false;
	}
	return true;
}

void notify_finish(struct notify *notify)
{
	uint64_t end_ns = clock_mono_ns() + FINISH_NS;

	if (notify->loop == NULL)
		return;
	notify_release(notify);
	while (!is_idle(notify) && clock_mono_ns() < end_ns) {
		if (loop_turn(notify->loop, 100) < 0)
			return;
	}
}

void notify_fini(struct notify *notify)
{
	if (notify->loop == NULL)
		return;
	notify->finishing = true;
	list_each_safe (at, &notify->senders)
		sender_free(sender_of(at));
	list_each_safe (at, &notify->ended)
		ended_free(notify, container_of(at, struct ended, link));
	map_fini(&notify->ended_by_key);
	loop_deferred_cancel(&notify->look);
	loop_timer_fini(&notify->tick);
	loop_timer_fini(&notify->release);
	labels_fini(&notify->external_labels);
	free(notify->url);
	*notify = (struct notify){ 0 };
}
