/*
 * Alerts on the status page, each with what there is to look at: its snapshot, or why there is
 * none.
 */

#include "http/page.h"

#include <string.h>

#include "capture/capture.h"
#include "http/view.h"
#include "util/clock.h"
#include "watch/alert.h"

/* How many captures are looked through for each alert. */
enum { SEARCH_MAX = 200 };

/* ---- what it has to show ---- */

static bool is_of(const struct manifest *manifest, const struct alert *alert)
{
	return strcmp(manifest->rule, alert->rule->name) == 0 &&
	       strcmp(manifest->target, alert->target) == 0 &&
	       strcmp(manifest->isolate, alert->isolate) == 0;
}

/*
 * The newest in the spool that this alert has asked for, a snapshot before diagnostics; NULL when
 * there is none.
 */
static const struct manifest *find_ready(const struct spool *spool, const struct alert *alert)
{
	const struct link *at = spool->ready.prev;
	const struct manifest *diagnostics = NULL;

	for (int i = 0; i < SEARCH_MAX && at != &spool->ready; i++, at = at->prev) {
		const struct manifest *manifest =
			&container_of(at, const struct spool_entry, link)->manifest;

		if (manifest->started_wall_ms < alert->active_since_wall_ms)
			break;
		if (is_of(manifest, alert) && !manifest_is_diagnostics(manifest))
			return manifest;
		if (is_of(manifest, alert) && diagnostics == NULL)
			diagnostics = manifest;
	}
	return diagnostics;
}

/* Waiting, running or failed. */
static const struct capture *find_capture(const struct link *list, const struct alert *alert)
{
	list_each (at, list) {
		const struct capture *capture = container_of(at, struct capture, link);

		if (capture->step != CAPTURE_SUCCEEDED && is_of(&capture->manifest, alert))
			return capture;
	}
	return NULL;
}

static const struct refused *find_refused(const struct captures *captures,
					  const struct alert *alert)
{
	uint64_t n = captures->refused_n < REFUSED_MAX ? captures->refused_n : REFUSED_MAX;
	const char *step = condition_step_text(&alert->rule->condition, alert->step);

	for (uint64_t i = 1; i <= n; i++) {
		const struct refused *refused =
			&captures->refused[(captures->refused_n - i) % REFUSED_MAX];

		if (refused->wall_ms < alert->active_since_wall_ms)
			return NULL;
		if (strcmp(refused->rule, alert->rule->name) == 0 &&
		    strcmp(refused->step, step != NULL ? step : "") == 0 &&
		    strcmp(refused->target, alert->target) == 0 &&
		    strcmp(refused->isolate, alert->isolate) == 0)
			return refused;
	}
	return NULL;
}

static void write_evidence(struct buf *buf, const struct http_view *view, const struct alert *alert)
{
	const struct manifest *ready = find_ready(view->spool, alert);
	const struct capture *capture = find_capture(&view->captures->running, alert);
	const struct refused *refused = find_refused(view->captures, alert);

	if (capture == NULL)
		capture = find_capture(&view->captures->queue, alert);
	if (capture == NULL && ready == NULL)
		capture = find_capture(&view->captures->ended, alert);
	buf_puts(buf, " <span class=why>");
	if (ready != NULL) {
		page_download(buf, ready,
			      manifest_is_diagnostics(ready) ? "diagnostics" : "heap snapshot");
		buf_puts(buf, ", ");
		html_bytes(buf, ready->file_bytes);
	} else if (capture != NULL) {
		buf_printf(buf, "capture %s ", capture_step_name(capture->step));
		html_text(buf, capture->error);
	} else if (refused != NULL) {
		buf_puts(buf, "no capture: ");
		html_text(buf, refused->text);
	}
	buf_puts(buf, "</span>");
}

/* ---- the table ---- */

static void write_alert(struct buf *buf, const struct http_view *view, const struct alert *alert)
{
	const char *summary = labels_get(&alert->annotations, "summary");
	bool firing = alert->state == ALERT_FIRING;
	char value[STR_UNIT_MAX];
	struct buf condition;

	buf_printf(buf, "<tr><td><span class=\"pill %s\">%s</span></td><td>",
		   firing ? "bad" : "warn", alert_state_name(alert->state));
	html_text(buf, alert->rule->name);
	buf_puts(buf, " <span class=why>");
	buf_init(&condition, 1024);
	if (rule_describe(alert->rule, &condition) == 0)
		html_text(buf, buf_text(&condition));
	buf_fini(&condition);
	buf_puts(buf, "</span></td><td>");
	html_text(buf, alert->target);
	buf_puts(buf, " <span class=why>");
	html_text(buf, alert->isolate);
	buf_puts(buf, "</span></td><td>");
	html_text(buf, summary != NULL ? summary : "");
	write_evidence(buf, view, alert);
	buf_puts(buf, "</td><td class=num data-l=Value>");
	buf_puts(buf, alert_format_value(alert, value));
	buf_puts(buf, "</td><td class=num data-l=For>");
	html_age(buf, clock_wall_ms() - alert->active_since_wall_ms);
	buf_puts(buf, "</td></tr>\n");
}

/* Returns how many more rows there is room for. */
static size_t write_alerts(struct buf *buf, const struct http_view *view, enum alert_state state,
			   size_t room)
{
	list_each (at, &view->alerts->list) {
		const struct alert *alert = container_of(at, struct alert, link);

		if (alert->state == state && room > 0) {
			write_alert(buf, view, alert);
			room--;
		}
	}
	return room;
}

size_t page_count_firing(const struct http_view *view)
{
	size_t firing = 0;

	list_each (at, &view->alerts->list)
		firing += container_of(at, struct alert, link)->state == ALERT_FIRING;
	return firing;
}

void page_alerts(struct buf *buf, const struct http_view *view)
{
	size_t firing = page_count_firing(view), room;

	buf_printf(buf, "<h2 id=alerts>Alerts <small>%zu firing, %zu pending</small></h2>\n",
		   firing, (size_t)view->alerts->count - firing);
	if (view->alerts->count == 0) {
		buf_puts(buf, "<p class=card>No alert is pending or firing.</p>\n");
		return;
	}
	buf_puts(buf, "<div class=card><table><tr><th>State<th>Rule<th>Target<th>Summary<th "
		      "class=num>Value"
		      "<th class=num>For</tr>\n");
	room = write_alerts(buf, view, ALERT_FIRING, PAGE_ROWS_MAX);
	write_alerts(buf, view, ALERT_PENDING, room);
	buf_puts(buf, "</table></div>\n");
	page_rest(buf, view->alerts->count, "/api/v1/alerts");
}
