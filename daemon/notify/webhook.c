/*
 * Webhooks of our own: each change of an alert once, in its turn, in the shape of Alertmanager's
 * webhook so that what receives those receives these.
 *
 * X-Heapwatch-Delivery is the same for the same change however often it is tried, also by the next
 * life of the daemon: who keeps it tells repetitions from news. The signature is over the time as
 * well, so that what was overheard cannot be sent again later.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/secret.h"
#include "notify/sender.h"
#include "pipeline/crypto.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"

static int write_body(const struct sender *sender, struct notice *const *notices, size_t n,
		      struct buf *buf)
{
	(void)sender;
	(void)n; /* one */
	return notice_write_webhook(notices[0], buf);
}

static char *next_line(struct sender_head *head)
{
	return head->lines[head->n++];
}

/* HMAC-SHA-256 of "SECONDS.BODY". */
static int sign(const char *secret, int64_t seconds, const char *body, size_t size, char hex[65])
{
	uint8_t mac[CRYPTO_MAC_BYTES];
	struct buf buf;
	int r;

	buf_init(&buf, size + 32);
	buf_printf(&buf, "%" PRId64 ".", seconds);
	r = buf_append(&buf, body, size);
	if (r == 0)
		crypto_hmac_of(mac, secret, strlen(secret), buf.data, buf.size);
	buf_fini(&buf);
	for (size_t i = 0; r == 0 && i < sizeof(mac); i++)
		snprintf(hex + 2 * i, 3, "%02x", mac[i]);
	return r;
}

static int add_signature(const char *file, const char *body, size_t size, struct sender_head *head,
			 struct err *err)
{
	int64_t seconds = clock_wall_ms() / 1000;
	char hex[65], *secret;
	int r = secret_read(file, &secret, err);

	if (r < 0)
		return r;
	r = sign(secret, seconds, body, size, hex);
	secret_free(secret);
	if (r < 0)
		return err_set(err, r, "out of memory");
	snprintf(next_line(head), SENDER_HEADER_MAX, "X-Heapwatch-Timestamp: %" PRId64, seconds);
	snprintf(next_line(head), SENDER_HEADER_MAX, "X-Heapwatch-Signature: sha256=%s", hex);
	return 0;
}

enum { CHANGE_MAX = 20 };

/* What has changed, so that it is known again when it comes twice. */
static void name_change(const struct notice *notice, char dst[CHANGE_MAX])
{
	if (notice->resolved)
		snprintf(dst, CHANGE_MAX, "resolved");
	else if (notice->has_verdict)
		snprintf(dst, CHANGE_MAX, "verdict");
	else if (notice->revision > 0)
		snprintf(dst, CHANGE_MAX, "capture%" PRIu32, notice->revision);
	else
		snprintf(dst, CHANGE_MAX, "firing");
}

static int make_head(const struct sender *sender, const struct notice *first, const char *body,
		     size_t size, struct sender_head *ret, struct err *err)
{
	char change[CHANGE_MAX];

	name_change(first, change);
	snprintf(next_line(ret), SENDER_HEADER_MAX, "X-Heapwatch-Delivery: %s-%" PRId64 "-%s",
		 first->key, first->starts_wall_ms, change);
	return sender->secret_file != NULL
		       ? add_signature(sender->secret_file, body, size, ret, err)
		       : 0;
}

const struct sender_kind sender_webhook = {
	.name = "webhook",
	.batch_max = 1,
	.body = write_body,
	.head = make_head,
};
