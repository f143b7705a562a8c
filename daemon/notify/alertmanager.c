/*
 * Alertmanager's API v2: POST /api/v2/alerts with an array of alerts, as Prometheus' notifier does.
 * The state of now is what counts: the newest notice of an alert is all that is sent of it.
 */

#include <stddef.h>

#include "notify/sender.h"
#include "util/buf.h"
#include "util/clock.h"

static int write_body(const struct sender *sender, struct notice *const *notices, size_t n,
		      struct buf *buf)
{
	uint64_t mono_ns = clock_mono_ns();
	int64_t wall_ms = clock_wall_ms();

	buf_puts(buf, "[");
	for (size_t i = 0; i < n; i++) {
		const struct peer_times times =
			peer_clock_times(&sender->clock, notices[i], mono_ns, wall_ms);

		buf_puts(buf, i > 0 ? "," : "");
		notice_write_v2(notices[i], &times, buf);
	}
	return buf_puts(buf, "]");
}

const struct sender_kind sender_alertmanager = {
	.name = "alertmanager",
	.batch_max = SENDER_BATCH_MAX, /* Prometheus' maxBatchSize */
	.newest_only = true,
	.body = write_body,
};
