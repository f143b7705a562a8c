#pragma once

/*
 * A notice: what one receiver or many are to be told of one alert, made once and shared by their
 * queues. Immutable; counted, on the control thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alert;
struct buf;
struct labels;
struct peer_times;
struct notice;

/* The last of its holders is done with it: it was taken, refused, or dropped. */
typedef void notice_done_fn(void *owner, const struct notice *notice);

struct notice {
	unsigned refs;
	/* Of labels and external labels, as Alertmanager's: FNV-1a over the sorted set. */
	uint64_t fingerprint;
	char key[17]; /* the same as text */
	bool resolved;
	bool has_verdict; /* on the series that the alert asked for */
	uint32_t revision; /* of the alert */
	int64_t starts_wall_ms, ends_wall_ms; /* of one that fires: when it is to be forgotten */
	int64_t starts_ns, ends_ns; /* the same, monotonic; may be before that clock began */
	uint64_t void_ns; /* monotonic: it would be wrong to send it after that */
	char *labels, *annotations, *url; /* owned; JSON texts, url NULL: none */
	char *about; /* owned; which alert, for people */
	size_t bytes; /* in memory */
	notice_done_fn *done; /* may be NULL */
	void *owner;
};

/* Of all notices: what is added to the alert itself. Borrowed. */
struct notice_frame {
	const struct labels *external_labels;
	const char *url; /* generatorURL; NULL: none */
};

/*
 * One reference. 0, -ENOMEM, -E2BIG. An alert that fires: it is to be forgotten after life_ns from
 * now on; one that is resolved ends now.
 */
int notice_new(struct notice **ret, const struct alert *alert, const struct notice_frame *frame,
	       bool resolved, uint64_t now_ns, uint64_t life_ns);

/* What a notice of before a restart was; all is borrowed. */
struct notice_content {
	const struct labels *labels, *annotations; /* labels with the external ones */
	const char *url; /* as in the frame */
	bool resolved, has_verdict;
	int64_t starts_wall_ms, ends_wall_ms;
	int64_t ends_ns;
	uint64_t void_ns;
};

/* One reference. 0, -ENOMEM, -E2BIG. */
int notice_restore(struct notice **ret, const struct notice_content *content);
struct notice *notice_ref(struct notice *notice);
void notice_unref(struct notice *notice); /* NULL is fine */

/* The element of a POST to /api/v2/alerts, with these times, and the body of a webhook.
 * buf->error. */
int notice_write_v2(const struct notice *notice, const struct peer_times *times, struct buf *buf);
int notice_write_webhook(const struct notice *notice, struct buf *buf);
