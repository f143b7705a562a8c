/*
 * Notices
 *
 * Of an alert its labels are what it is: Alertmanager knows it again by them, without those that
 * are empty. The fingerprint is reckoned as its model.LabelSet.Fingerprint does, so that what
 * stands in our webhook and in its API is the same number.
 *
 * startsAt is when the alert began to fire and stays so over restarts; endsAt of one that fires is
 * when the receiver shall take it for resolved if it hears nothing more.
 */

#include "notify/notice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/labels.h"
#include "json/write.h"
#include "notify/peer_clock.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/fnv.h"
#include "watch/alert.h"

/* Labels and annotations have their limits where they are made; this is for the sum. */
enum { TEXT_MAX = 2 << 20, ABOUT_MAX = 400 };

/* The byte 255 is in no UTF-8 text. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	return fnv1a(fnv1a_text(hash, text), "\xff", 1);
}

static uint64_t fingerprint(const struct labels *labels)
{
	uint64_t hash = FNV1A_FIRST;

	for (size_t i = 0; i < labels->n; i++) {
		if (labels->items[i].value[0] == '\0')
			continue;
		hash = hash_text(hash, labels->items[i].name);
		hash = hash_text(hash, labels->items[i].value);
	}
	return hash;
}

static int label_set(const struct labels *labels, char **ret, size_t *bytes)
{
	struct json_writer w;
	struct buf buf;
	size_t size = 0;
	int r;

	buf_init(&buf, TEXT_MAX);
	json_write_init(&w, &buf);
	json_write_object(&w);
	for (size_t i = 0; i < labels->n; i++) {
		if (labels->items[i].value[0] != '\0')
			json_member_string(&w, labels->items[i].name, labels->items[i].value);
	}
	json_write_object_end(&w);
	r = buf_append(&buf, "", 1);
	if (r == 0)
		*ret = buf_take(&buf, &size);
	*bytes += size;
	buf_fini(&buf);
	return r;
}

static int quote(const char *text, char **ret)
{
	struct buf buf;
	int r;

	buf_init(&buf, TEXT_MAX);
	json_quote(&buf, text, strlen(text));
	r = buf_append(&buf, "", 1);
	if (r == 0)
		*ret = buf_take(&buf, NULL);
	buf_fini(&buf);
	return r;
}

/* Its own win; more than a set may have are left out. */
static int all_labels(const struct alert *alert, const struct labels *external, struct labels *ret)
{
	int r = labels_copy(ret, &alert->labels);

	for (size_t i = 0; r == 0 && i < external->n; i++) {
		const char *own = labels_get(ret, external->items[i].name);

		if (own != NULL && own[0] != '\0')
			continue;
		r = labels_set(ret, external->items[i].name, external->items[i].value);
		if (r == -E2BIG)
			r = 0;
	}
	return r;
}

static int say_about(struct notice *notice, const struct labels *labels)
{
	const char *name = labels_get(labels, "alertname"), *target = labels_get(labels, "target");
	int n = asprintf(&notice->about, "%.127s of %.127s", name != NULL ? name : "?",
			 target != NULL ? target : "?");

	if (n < 0)
		notice->about = NULL;
	return n < 0 ? -ENOMEM : 0;
}

/* labels: with the external ones. */
static int fill(struct notice *notice, const struct labels *labels,
		const struct labels *annotations, const char *url)
{
	int r;

	notice->fingerprint = fingerprint(labels);
	snprintf(notice->key, sizeof(notice->key), "%016" PRIx64, notice->fingerprint);
	r = say_about(notice, labels);
	if (r == 0)
		r = label_set(labels, &notice->labels, &notice->bytes);
	if (r == 0)
		r = label_set(annotations, &notice->annotations, &notice->bytes);
	if (r == 0 && url != NULL)
		r = quote(url, &notice->url);
	return r;
}

static struct notice *allocate(void)
{
	struct notice *notice = calloc(1, sizeof(*notice));

	if (notice != NULL) {
		notice->refs = 1;
		notice->bytes = sizeof(*notice);
	}
	return notice;
}

int notice_new(struct notice **ret, const struct alert *alert, const struct notice_frame *frame,
	       bool resolved, uint64_t now_ns, uint64_t life_ns)
{
	struct notice *notice = allocate();
	struct labels labels = { 0 };
	int r;

	if (notice == NULL)
		return -ENOMEM;
	notice->resolved = resolved;
	notice->has_verdict = alert->verdict != NULL;
	notice->revision = alert->revision;
	notice->starts_wall_ms = alert->firing_since_wall_ms;
	notice->starts_ns = (int64_t)alert->firing_since_ns;
	notice->ends_wall_ms = clock_wall_ms();
	notice->ends_ns = (int64_t)now_ns;
	if (!resolved) {
		notice->ends_wall_ms += (int64_t)(life_ns / NS_PER_MS);
		notice->ends_ns += (int64_t)life_ns;
	}
	/* A wall clock that was put back must not make an alert end before it began: a 400. */
	if (notice->ends_wall_ms < notice->starts_wall_ms)
		notice->ends_wall_ms = notice->starts_wall_ms;
	notice->void_ns = now_ns + life_ns;
	r = all_labels(alert, frame->external_labels, &labels);
	if (r == 0)
		r = fill(notice, &labels, &alert->annotations, frame->url);
	labels_fini(&labels);
	if (r < 0) {
		notice_unref(notice);
		return r;
	}
	*ret = notice;
	return 0;
}

int notice_restore(struct notice **ret, const struct notice_content *content)
{
	struct notice *notice = allocate();
	int r;

	if (notice == NULL)
		return -ENOMEM;
	notice->resolved = content->resolved;
	notice->has_verdict = content->has_verdict;
	notice->starts_wall_ms = content->starts_wall_ms;
	notice->ends_wall_ms = content->ends_wall_ms;
	notice->starts_ns = notice->ends_ns = content->ends_ns;
	notice->void_ns = content->void_ns;
	r = fill(notice, content->labels, content->annotations, content->url);
	if (r < 0) {
		notice_unref(notice);
		return r;
	}
	*ret = notice;
	return 0;
}

struct notice *notice_ref(struct notice *notice)
{
	notice->refs++;
	return notice;
}

void notice_unref(struct notice *notice)
{
	if (notice == NULL || --notice->refs > 0)
		return;
	if (notice->done != NULL)
		notice->done(notice->owner, notice);
	free(notice->labels);
	free(notice->annotations);
	free(notice->url);
	free(notice->about);
	free(notice);
}

/* ---- bodies ---- */

static void write_what(const struct notice *notice, struct buf *buf)
{
	buf_printf(buf, "\"labels\":");
	buf_puts(buf, notice->labels);
	buf_puts(buf, ",\"annotations\":");
	buf_puts(buf, notice->annotations);
}

static void write_times(int64_t starts_wall_ms, const char *ends, struct buf *buf)
{
	char starts[CLOCK_TEXT_MAX];

	buf_printf(buf, ",\"startsAt\":\"%s\",\"endsAt\":\"%s\"",
		   clock_format(starts, starts_wall_ms), ends);
}

static void write_url(const struct notice *notice, struct buf *buf)
{
	if (notice->url != NULL)
		buf_printf(buf, ",\"generatorURL\":%s", notice->url);
}

int notice_write_v2(const struct notice *notice, const struct peer_times *times, struct buf *buf)
{
	char ends[CLOCK_TEXT_MAX];

	buf_puts(buf, "{");
	write_what(notice, buf);
	if (!times->untold)
		write_times(times->starts_ms, clock_format(ends, times->ends_ms), buf);
	write_url(notice, buf);
	return buf_puts(buf, "}");
}

/*
 * One alert is a group of its own. As Alertmanager writes them: endsAt of what still fires is Go's
 * zero time.
 */
int notice_write_webhook(const struct notice *notice, struct buf *buf)
{
	const char *status = notice->resolved ? "resolved" : "firing";
	char ends[CLOCK_TEXT_MAX];

	buf_printf(buf,
		   "{\"version\":\"4\",\"groupKey\":\"%s\",\"truncatedAlerts\":0,\"status\":\"%s\","
		   "\"receiver\":\"heapwatchd\",\"externalURL\":%s,\"groupLabels\":",
		   notice->key, status, notice->url != NULL ? notice->url : "\"\"");
	buf_puts(buf, notice->labels);
	buf_puts(buf, ",\"commonLabels\":");
	buf_puts(buf, notice->labels);
	buf_puts(buf, ",\"commonAnnotations\":");
	buf_puts(buf, notice->annotations);
	buf_printf(buf, ",\"alerts\":[{\"status\":\"%s\",\"fingerprint\":\"%s\",", status,
		   notice->key);
	write_what(notice, buf);
	write_times(notice->starts_wall_ms,
		    notice->resolved ? clock_format(ends, notice->ends_wall_ms)
				     : "0001-01-01T00:00:00Z",
		    buf);
	write_url(notice, buf);
	return buf_puts(buf, "}]}");
}
