/*
 * /metrics: everything as of the last poll, without waiting for anybody.
 */

#include "http/prom.h"

#include <errno.h>

#include "http/prom_parts.h"
#include "http/server.h"
#include "http/view.h"
#include "watch/target.h"

int prom_write(const struct http_view *view, enum exposition format, struct buf *buf)
{
	struct exposition_writer w;
	struct prom_rows rows;
	int r;

	r = prom_rows_init(&rows, view->targets);
	if (r == 0) {
		exposition_init(&w, buf, format);
		prom_write_targets(&w, &rows);
		prom_write_captures(&w, view);
		prom_write_analyses(&w, view);
		prom_write_verdicts(&w, view);
		prom_write_spool(&w, view);
		prom_write_rules(&w, view);
		prom_write_notify(&w, view);
		prom_write_otlp(&w, view);
		prom_write_self(&w, view);
		prom_write_inspector(&w, &rows);
		prom_write_http(&w, view);
		prom_write_process(&w);
		r = exposition_end(&w);
	}
	prom_rows_fini(&rows);
	return r;
}

int prom_write_target(const struct target *target, bool polled, enum exposition format,
		      struct buf *buf)
{
	struct exposition_writer w;
	struct prom_rows rows;
	int r;

	r = prom_rows_init_one(&rows, target, target->up && polled);
	if (r == 0) {
		exposition_init(&w, buf, format);
		prom_write_targets(&w, &rows);
		r = exposition_end(&w);
	}
	prom_rows_fini(&rows);
	return r;
}

int prom_metrics(struct http_exchange *exchange)
{
	struct http_view *view = http_server_owner(exchange->server);
	struct exposition_choice choice = negotiate_exposition(http_header(exchange, "Accept"));
	struct buf body;
	int r;

	buf_init(&body, EXPOSITION_MAX);
	r = prom_write(view, choice.format, &body);
	if (r < 0) {
		buf_fini(&body);
		return r;
	}
	return http_answer(exchange, 200, choice.content_type, &body);
}
