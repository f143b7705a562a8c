/*
 * What has ended
 *
 * Of Alertmanagers it is not kept which of them has heard of it: all are told again, as they are
 * while the daemon runs. Of webhooks it is what waits in the queue of each: of an alert that has
 * ended all that it has not taken yet, in its order. What still fires is told anew without that.
 * A webhook is known again by a hash of its URL, which may be a secret.
 */

#include "notify/ended.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "json/write.h"
#include "notify/notice.h"
#include "notify/notify.h"
#include "notify/sender.h"
#include "util/clock.h"
#include "util/fnv.h"
#include "watch/alert.h"

enum { ENDED_MAX = 10000, ENDED_TEXT_MAX = 8 << 20, RECEIVER_MAX = 17 };

/* No notice is of use for longer; it is what a hand may have written. */
enum { LEFT_MAX_MS = 60 * 60 * 1000 };

/* ---- the list ---- */

void ended_free(struct notify *notify, struct ended *ended)
{
	map_remove(&notify->ended_by_key, ended->notice->key);
	link_remove(&ended->link);
	notify->ended_n--;
	notice_unref(ended->notice);
	free(ended);
}

void ended_forget(struct notify *notify, const char *key)
{
	struct ended *ended = map_get(&notify->ended_by_key, key);

	if (ended != NULL)
		ended_free(notify, ended);
}

void ended_keep(struct notify *notify, struct notice *notice, uint64_t sent_ns)
{
	struct ended *ended = calloc(1, sizeof(*ended));

	ended_forget(notify, notice->key);
	if (notify->ended_n == ENDED_MAX)
		ended_free(notify, container_of(notify->ended.next, struct ended, link));
	if (ended == NULL || map_put(&notify->ended_by_key, notice->key, ended) < 0) {
		notice_unref(notice); /* sent once, and not again */
		free(ended);
		return;
	}
	ended->notice = notice;
	ended->sent_ns = sent_ns;
	list_append(&notify->ended, &ended->link);
	notify->ended_n++;
}

/* ---- writing ---- */

static void hash_url(const char *url, char dst[RECEIVER_MAX])
{
	snprintf(dst, RECEIVER_MAX, "%016" PRIx64, fnv1a_text(FNV1A_FIRST, url));
}

static void member_int(struct json_writer *w, const char *key, int64_t value)
{
	json_write_key(w, key);
	json_write_int(w, value);
}

static void member_raw(struct json_writer *w, const char *key, const char *json)
{
	json_write_key(w, key);
	json_write_raw(w, json, strlen(json));
}

/* receiver: "" for all Alertmanagers. */
static void write_one(const struct notify *notify, struct json_writer *w, const char *receiver,
		      const struct notice *notice)
{
	uint64_t now_ns = notify->loop->now_ns;

	if (notice->void_ns <= now_ns)
		return;
	json_write_object(w);
	json_member_string(w, "receiver", receiver);
	json_member_bool(w, "firing", !notice->resolved);
	json_member_bool(w, "has_verdict", notice->has_verdict);
	member_int(w, "starts_wall_ms", notice->starts_wall_ms);
	member_int(w, "ends_wall_ms", notice->ends_wall_ms);
	json_member_uint(w, "left_ms", (notice->void_ns - now_ns) / NS_PER_MS);
	member_raw(w, "labels", notice->labels);
	member_raw(w, "annotations", notice->annotations);
	json_write_object_end(w);
}

/*
 * Of a queue those up to the end of their alert: what comes after that is of one that fires again.
 * Leaves NULL where there is none.
 */
static int keep_of_ended(struct notice **notices, size_t n)
{
	struct map over;
	int r = 0;

	map_init(&over);
	for (size_t i = n; i-- > 0 && r == 0;) {
		bool known = map_get(&over, notices[i]->key) != NULL;

		if (notices[i]->resolved && !known)
			r = map_put(&over, notices[i]->key, notices[i]);
		else if (!known)
			notices[i] = NULL;
	}
	map_fini(&over);
	return r;
}

static void write_waiting(const struct notify *notify, struct json_writer *w,
			  const struct sender *sender, size_t room)
{
	size_t n = sender_waiting(sender, NULL);
	struct notice **notices = calloc(n + 1, sizeof(struct notice *));
	char receiver[RECEIVER_MAX];

	if (notices == NULL)
		return;
	sender_waiting(sender, notices);
	hash_url(sender->endpoint.url, receiver);
	if (keep_of_ended(notices, n) == 0) {
		for (size_t i = 0; i < n && w->buf->size < room; i++) {
			if (notices[i] != NULL)
				write_one(notify, w, receiver, notices[i]);
		}
	}
	free(notices);
}

void ended_write(const struct notify *notify, struct json_writer *w)
{
	size_t room = w->buf->size + ENDED_TEXT_MAX;

	/* What fires comes first: there is room for that alone, and one more notice. */
	if (room > w->buf->limit - w->buf->limit / 8)
		room = w->buf->limit - w->buf->limit / 8;
	list_each (at, &notify->senders) {
		const struct sender *sender = container_of(at, struct sender, link);

		if (sender->kind == &sender_webhook)
			write_waiting(notify, w, sender, room);
	}
	list_each (at, &notify->ended) {
		if (w->buf->size >= room)
			return;
		write_one(notify, w, "", container_of(at, struct ended, link)->notice);
	}
}

/* ---- reading ---- */

/* NULL: there is none, or it does not want to hear of it. */
static struct sender *find_webhook(const struct notify *notify, const char *receiver, bool resolved)
{
	list_each (at, &notify->senders) {
		struct sender *sender = container_of(at, struct sender, link);
		char hash[RECEIVER_MAX];

		if (sender->kind != &sender_webhook || (resolved && !sender->send_resolved))
			continue;
		hash_url(sender->endpoint.url, hash);
		if (strcmp(hash, receiver) == 0)
			return sender;
	}
	return NULL;
}

/* 0; -EBADMSG: it makes no sense; -ENOMEM. */
static int read_notice(const struct notify *notify, const struct tree *node, uint64_t left_ms,
		       struct notice **ret)
{
	struct notice_content content = { .url = notify->url };
	struct labels labels = { 0 }, annotations = { 0 };
	bool firing = false;
	int r = 0;

	if (!tree_bool(node, "firing", &firing) ||
	    !tree_bool(node, "has_verdict", &content.has_verdict) ||
	    !tree_int(node, "starts_wall_ms", &content.starts_wall_ms) ||
	    !tree_int(node, "ends_wall_ms", &content.ends_wall_ms))
		r = -EBADMSG;
	if (r == 0)
		r = labels_read(&labels, tree_get(node, "labels"));
	if (r == 0)
		r = labels_read(&annotations, tree_get(node, "annotations"));
	if (r == 0 && labels.n == 0)
		r = -EBADMSG;
	content.resolved = !firing;
	content.labels = &labels;
	content.annotations = &annotations;
	content.void_ns = notify->loop->now_ns + left_ms * NS_PER_MS;
	/* Of use to Alertmanagers only. */
	content.ends_ns = (int64_t)content.void_ns - (int64_t)RESOLVED_NS;
	if (r == 0)
		r = notice_restore(ret, &content);
	labels_fini(&labels);
	labels_fini(&annotations);
	return r == -ENOMEM ? r : r < 0 ? -EBADMSG : 0;
}

/* 0 also for what is left out. */
static int read_one(struct notify *notify, const struct tree *node, uint64_t age_ms)
{
	uint64_t left_ms = 0;
	const char *receiver;
	struct sender *webhook;
	struct notice *notice;
	int r;

	if (!tree_string(node, "receiver", &receiver) || !tree_uint(node, "left_ms", &left_ms) ||
	    left_ms <= age_ms || left_ms > LEFT_MAX_MS)
		return 0;
	r = read_notice(notify, node, left_ms - age_ms, &notice);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (receiver[0] == '\0' && notice->resolved) {
		ended_keep(notify, notice, 0);
		return 0;
	}
	webhook = find_webhook(notify, receiver, notice->resolved);
	if (webhook != NULL)
		notify_add_ended(notify, webhook, notice);
	notice_unref(notice);
	return 0;
}

int ended_read(struct notify *notify, const struct tree *list, uint64_t age_ms)
{
	int r = 0;

	for (size_t i = 0; i < tree_size(list) && r == 0; i++)
		r = read_one(notify, tree_at(list, i), age_ms);
	return r;
}
