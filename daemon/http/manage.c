/* Health, readiness and reload, in Prometheus' words. */

#include "http/manage.h"

#include "http/server.h"
#include "http/view.h"

enum { COMPLAINTS_MAX = 256 * 1024 };

int manage_healthy(struct http_exchange *exchange)
{
	return http_answer_text(exchange, 200, "heapwatchd is Healthy.\n");
}

int manage_ready(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);

	return view->ready ? http_answer_text(exchange, 200, "heapwatchd is Ready.\n")
			   : http_answer_text(exchange, 503, "Service Unavailable\n");
}

int manage_reload(struct http_exchange *exchange)
{
	struct http_view *view = http_server_owner(exchange->server);
	struct buf errors;
	int r;

	if (!view->web->enable_lifecycle)
		return http_answer_text(exchange, 403, "Lifecycle API is not enabled.\n");
	buf_init(&errors, COMPLAINTS_MAX);
	buf_puts(&errors, "failed to reload config:\n");
	r = view->reload(view->root, &errors);
	if (r < 0)
		return http_answer(exchange, 500, "text/plain; charset=utf-8", &errors);
	buf_fini(&errors);
	return http_answer_text(exchange, 200, "");
}
