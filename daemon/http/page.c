/*
 * The status page
 *
 * One page made on the server, renewed every ten seconds by the browser itself. It reads top down
 * in the order of urgency, also as plain text in lynx: is the daemon well, what fires, which
 * targets are in trouble, what was captured and what was not, how full is the spool.
 */

#include "http/page.h"

#include "http/server.h"
#include "http/view.h"
#include "util/clock.h"

enum { PAGE_MAX = 64 * 1024 * 1024 };

static void write_reload(struct buf *buf, const struct http_view *view)
{
	if (view->reload_wall_ms > 0) {
		buf_puts(buf, "<span class=dim>configuration of ");
		html_age(buf, clock_wall_ms() - view->reload_wall_ms);
		buf_puts(buf, " ago</span> ");
	}
	if (!view->reload_ok)
		buf_puts(buf, "<span class=\"pill bad\">reload failed</span>");
}

static void write_count(struct buf *buf, const char *id, size_t n, const char *one,
			const char *many)
{
	if (n > 0)
		buf_printf(buf, "<a class=\"pill bad\" href=\"#%s\">%zu %s</a> ", id, n,
			   n == 1 ? one : many);
}

static void write_header(struct buf *buf, const struct http_view *view)
{
	bool well = view->ready && view->reload_ok;

	buf_puts(buf, "<header><h1>heapwatchd</h1> ");
	buf_printf(buf, "<span class=\"pill %s\">%s</span> ", well ? "ok" : "warn",
		   !view->ready ? "starting"
		   : well       ? "ready"
				: "degraded");
	write_count(buf, "alerts", page_count_firing(view), "alert firing", "alerts firing");
	write_count(buf, "targets", page_count_trouble(view), "target in trouble",
		    "targets in trouble");
	buf_puts(buf, "<span class=dim>version ");
	html_text(buf, view->version);
	buf_puts(buf, "</span> <span class=dim>up ");
	html_age(buf, clock_wall_ms() - view->started_wall_ms);
	buf_puts(buf, "</span> ");
	write_reload(buf, view);
	buf_puts(buf, "</header>\n");
}

static void write_reload_error(struct buf *buf, const struct http_view *view)
{
	if (view->reload_ok || view->reload_error[0] == '\0')
		return;
	buf_puts(buf, "<h2>The last reload failed <small>the configuration before it stays in "
		      "force</small></h2>\n<p class=\"card alarm\">");
	html_text(buf, view->reload_error);
	buf_puts(buf, "</p>\n");
}

/* A tab in the background says when something is wrong: in its title, and by a red icon. */
static void write_title(struct buf *buf, const struct http_view *view)
{
	size_t firing = page_count_firing(view), unwell = page_count_trouble(view);
	bool trouble = firing + unwell > 0 || !view->reload_ok;

	buf_puts(buf, "<title>");
	if (firing > 0)
		buf_printf(buf, "%zu firing, ", firing);
	if (unwell > 0)
		buf_printf(buf, "%zu in trouble, ", unwell);
	buf_printf(buf,
		   "heapwatchd</title><link rel=icon href=\"data:image/svg+xml,%%3Csvg "
		   "xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%%3E%%3Ccircle cx='8' "
		   "cy='8' r='7' fill='%s'/%%3E%%3C/svg%%3E\">",
		   trouble ? "%23d92d20" : "%2317a673");
}

static void write_footer(struct buf *buf)
{
	buf_puts(buf, "<footer><a href=\"/metrics\">metrics</a> "
		      "<a href=\"/api/v1/targets\">targets</a> "
		      "<a href=\"/api/v1/rules\">rules</a> "
		      "<a href=\"/api/v1/alerts\">alerts</a> "
		      "<a href=\"/api/v1/captures\">captures</a> "
		      "<a href=\"/api/v1/sd\">service discovery</a> "
		      "<a href=\"/api/v1/status/runtimeinfo\">runtime</a> "
		      "<span>/probe?target=NAME polls a target now</span></footer>\n");
}

int page_write(const struct http_view *view, struct buf *buf)
{
	buf_puts(buf, "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
		      "<meta http-equiv=refresh content=10>"
		      "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
		      "<style>");
	buf_puts(buf, page_style);
	buf_puts(buf, "</style>");
	write_title(buf, view);
	buf_puts(buf, "</head>\n<body>\n");
	write_header(buf, view);
	buf_puts(buf, "<main>\n");
	write_reload_error(buf, view);
	page_alerts(buf, view);
	page_targets(buf, view);
	page_captures(buf, view);
	page_spool(buf, view);
	buf_puts(buf, "</main>\n");
	write_footer(buf);
	buf_puts(buf, "</body></html>\n");
	return buf->error;
}

int page_status(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct buf body;
	int r;

	buf_init(&body, PAGE_MAX);
	r = page_write(view, &body);
	if (r < 0) {
		buf_fini(&body);
		return r;
	}
	return http_answer(exchange, 200, "text/html; charset=utf-8", &body);
}
