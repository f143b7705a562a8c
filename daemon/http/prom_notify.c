/* The families of who is told of alerts: one series for each receiver. */

#include "http/prom_parts.h"

#include <inttypes.h>

#include "http/view.h"
#include "notify/notify.h"
#include "notify/sender.h"

enum { LABELS_BYTES_MAX = 4096 };

typedef void put_fn(struct exposition_writer *w, struct label_text labels,
		    const struct sender *sender);

static void put_sent(struct exposition_writer *w, struct label_text labels,
		     const struct sender *sender)
{
	sample_uint(w, labels, NULL, sender->sent);
}

static void put_errors(struct exposition_writer *w, struct label_text labels,
		       const struct sender *sender)
{
	sample_uint(w, labels, NULL, sender->errors);
}

static void put_length(struct exposition_writer *w, struct label_text labels,
		       const struct sender *sender)
{
	sample_uint(w, labels, NULL, sender->n + sender->batch_n);
}

static void put_capacity(struct exposition_writer *w, struct label_text labels,
			 const struct sender *sender)
{
	sample_uint(w, labels, NULL, sender->n_max);
}

static void put_latency(struct exposition_writer *w, struct label_text labels,
			const struct sender *sender)
{
	sample_histogram(w, labels, &sender->latency);
}

static void with_labels(struct exposition_writer *w, const struct sender *sender, put_fn *put)
{
	struct buf labels;

	buf_init(&labels, LABELS_BYTES_MAX);
	label_append(&labels, 0, "receiver", sender->kind->name);
	label_append(&labels, 0, "url", sender->endpoint.url);
	if (labels.error == 0)
		put(w, (struct label_text){ labels.data, labels.size }, sender);
	buf_fini(&labels);
}

static void write_dropped(struct exposition_writer *w, const struct notify *notify)
{
	struct prom_sums sums;

	exposition_family(w, METRIC_NOTIFICATIONS_DROPPED);
	prom_sums_init(&sums, w->buf);
	list_each (at, &notify->senders) {
		const struct sender *sender = container_of(at, struct sender, link);

		for (int i = 0; i < SENDER_DROPS; i++) {
			const struct prom_label labels[] = {
				{ "receiver", sender->kind->name },
				{ "url", sender->endpoint.url },
				{ "reason", sender_drop_name((enum sender_drop)i) },
				{ NULL },
			};

			prom_sums_add(&sums, labels, sender->dropped[i]);
		}
	}
	prom_sums_write(&sums, w);
	prom_sums_fini(&sums);
}

void prom_write_notify(struct exposition_writer *w, const struct http_view *view)
{
	static const struct {
		enum metric_id id;
		put_fn *put;
	} families[] = {
		{ METRIC_NOTIFICATIONS_SENT, put_sent },
		{ METRIC_NOTIFICATIONS_ERRORS, put_errors },
		{ METRIC_NOTIFICATIONS_QUEUE, put_length },
		{ METRIC_NOTIFICATIONS_CAPACITY, put_capacity },
		{ METRIC_NOTIFICATIONS_LATENCY, put_latency },
	};

	if (view->notify == NULL)
		return;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		exposition_family(w, families[i].id);
		list_each (at, &view->notify->senders)
			with_labels(w, container_of(at, struct sender, link), families[i].put);
	}
	write_dropped(w, view->notify);
}
