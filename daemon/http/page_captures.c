/* Captures, refusals and the spool on the status page. */

#include "http/page.h"

#include <string.h>

#include "capture/capture.h"
#include "http/view.h"
#include "util/clock.h"

/* What a person looks through; the API has them all. */
enum { ROWS_MAX = 20 };

static void write_subject(struct buf *buf, const struct manifest *manifest)
{
	buf_puts(buf, "<td>");
	html_text(buf, manifest->target);
	buf_puts(buf, " <span class=why>");
	html_text(buf, manifest->isolate);
	buf_puts(buf, "</span></td><td>");
	if (manifest->continuous == 0)
		html_text(buf, manifest->rule[0] != '\0' ? manifest->rule : "by hand");
	buf_puts(buf, " <span class=why>");
	html_text(buf, manifest->cause);
	buf_puts(buf, "</span></td>");
}

static const char *level_of(enum capture_step step)
{
	if (step == CAPTURE_FAILED)
		return "bad";
	return step == CAPTURE_SUCCEEDED ? "ok" : "warn";
}

/* Waiting, running or failed. */
static void write_capture(struct buf *buf, const struct capture *capture)
{
	buf_printf(buf, "<tr><td><span class=\"pill %s\">%s</span> <span class=why>",
		   level_of(capture->step), capture_step_name(capture->step));
	html_text(buf, capture->error);
	buf_puts(buf, "</span></td>");
	write_subject(buf, &capture->manifest);
	buf_puts(buf, "<td class=num data-l=Size>");
	html_bytes(buf, capture->bytes);
	buf_puts(buf, "</td><td class=num></td>");
	if (capture->manifest.started_wall_ms > 0) {
		buf_puts(buf, "<td class=num data-l=When>");
		html_age(buf, clock_wall_ms() - capture->manifest.started_wall_ms);
		buf_puts(buf, " ago</td>");
	} else {
		buf_puts(buf, "<td class=num></td>");
	}
	buf_puts(buf, "<td></td></tr>\n");
}

void page_download(struct buf *buf, const struct manifest *manifest, const char *text)
{
	buf_puts(buf, "<a href=\"/api/v1/captures/");
	html_segment(buf, manifest->id);
	/* Marked, or the browser takes it for a way off the page and stops renewing it. */
	buf_printf(buf, "/file\" download>%s</a>", text);
}

/* "snapshot 2 of 3, redacted, encrypted": what whoever opens it will see. */
static void write_marks(struct buf *buf, const struct manifest *manifest)
{
	buf_puts(buf, " <span class=why>");
	html_text(buf, manifest->kind);
	if (manifest->series_count > 1)
		buf_printf(buf, " %lld of %lld", (long long)manifest->series_index,
			   (long long)manifest->series_count);
	if (strcmp(manifest->redact, "strings") == 0 || strcmp(manifest->redact, "all") == 0)
		buf_puts(buf, ", redacted");
	if (strcmp(manifest->encrypt, "age") == 0)
		buf_puts(buf, ", encrypted");
	if (manifest->pinned != 0)
		buf_puts(buf, ", pinned");
	if (manifest->source[0] != '\0')
		buf_puts(buf, ", adopted");
	if (manifest->analysis.arrived_objects > 0) {
		buf_puts(buf, ", ");
		html_arrived(buf, manifest);
		buf_puts(buf, " came");
	}
	buf_puts(buf, "</span>");
}

static void write_report_link(struct buf *buf, const struct manifest *manifest)
{
	bool has_page = page_is_there(manifest);
	bool has_report = manifest->analysis.report_name[0] != '\0';

	if (!has_report && !page_has_chart(manifest))
		return;
	buf_printf(buf, " <a href=\"%s/captures/", has_page ? "" : "/api/v1");
	html_segment(buf, manifest->id);
	buf_printf(buf, "%s\">%s</a>", has_page ? "" : "/report", has_report ? "report" : "chart");
}

static void write_ready(struct buf *buf, const struct manifest *manifest)
{
	buf_puts(buf, "<tr><td><span class=\"pill ok\">ready</span>");
	write_marks(buf, manifest);
	buf_puts(buf, "</td>");
	write_subject(buf, manifest);
	buf_puts(buf, "<td class=num data-l=Size>");
	html_bytes(buf, manifest->file_bytes);
	buf_printf(buf,
		   "</td><td class=num data-l=Took>%.1fs <span class=why>pause %.1fs</span></td>",
		   (double)manifest->duration_ns / (double)NS_PER_S,
		   (double)manifest->pause_ns / (double)NS_PER_S);
	buf_puts(buf, "<td class=num data-l=When>");
	html_age(buf, clock_wall_ms() - manifest->finished_wall_ms);
	buf_puts(buf, " ago</td><td>");
	page_download(buf, manifest, "download");
	write_report_link(buf, manifest);
	buf_puts(buf, " <a href=\"/api/v1/captures/");
	html_segment(buf, manifest->id);
	buf_puts(buf, "\">details</a></td></tr>\n");
}

static void write_list(struct buf *buf, const struct link *list, bool only_failed)
{
	list_each (at, list) {
		const struct capture *capture = container_of(at, struct capture, link);

		if (!only_failed || capture->step == CAPTURE_FAILED)
			write_capture(buf, capture);
	}
}

static void write_newest(struct buf *buf, const struct spool *spool)
{
	const struct link *at = spool->ready.prev;

	for (int i = 0; i < ROWS_MAX && at != &spool->ready; i++, at = at->prev)
		write_ready(buf, &container_of(at, const struct spool_entry, link)->manifest);
}

static bool any_failed(const struct captures *captures)
{
	list_each (at, &captures->ended) {
		if (container_of(at, struct capture, link)->step == CAPTURE_FAILED)
			return true;
	}
	return false;
}

static void write_table(struct buf *buf, const struct http_view *view)
{
	const struct captures *captures = view->captures;

	if (captures->running_n + captures->queue_n == 0 && view->spool->files == 0 &&
	    !any_failed(captures)) {
		buf_puts(buf, "<p class=card>No captures yet.</p>\n");
		return;
	}
	buf_puts(buf, "<div class=card><table><tr><th>State<th>Target<th>Rule<th class=num>Size<th "
		      "class=num>Took"
		      "<th class=num>When<th></tr>\n");
	write_list(buf, &captures->running, false);
	write_list(buf, &captures->queue, false);
	write_list(buf, &captures->ended, true);
	write_newest(buf, view->spool);
	buf_puts(buf, "</table></div>\n");
}

static void write_refused(struct buf *buf, const struct refused *refused)
{
	buf_printf(buf, "<tr><td><span class=\"pill warn\">%s</span></td><td>",
		   capture_refusal_name(refused->reason));
	html_text(buf, refused->target);
	buf_puts(buf, " <span class=why>");
	html_text(buf, refused->isolate);
	buf_puts(buf, "</span></td><td>");
	html_text(buf, refused->rule[0] != '\0' ? refused->rule : "by hand");
	if (refused->step[0] != '\0') {
		buf_puts(buf, " <span class=why>");
		html_text(buf, refused->step);
		buf_puts(buf, "</span>");
	}
	buf_puts(buf, "</td><td>");
	html_text(buf, refused->text);
	buf_puts(buf, "</td><td class=num data-l=When>");
	html_age(buf, clock_wall_ms() - refused->wall_ms);
	buf_puts(buf, " ago</td></tr>\n");
}

static void write_all_refused(struct buf *buf, const struct captures *captures)
{
	uint64_t n = captures->refused_n < ROWS_MAX ? captures->refused_n : ROWS_MAX;

	if (n == 0)
		return;
	buf_printf(buf,
		   "<h2>Refused captures <small>%llu since the start</small></h2>\n"
		   "<div class=card><table><tr><th>Reason<th>Target<th>Rule<th>Why<th "
		   "class=num>When</tr>\n",
		   (unsigned long long)captures->refused_n);
	for (uint64_t i = 1; i <= n; i++)
		write_refused(buf, &captures->refused[(captures->refused_n - i) % REFUSED_MAX]);
	buf_puts(buf, "</table></div>\n");
}

void page_captures(struct buf *buf, const struct http_view *view)
{
	buf_printf(buf,
		   "<h2 id=captures>Captures <small>%u running, %u waiting, %llu in the "
		   "spool</small></h2>\n",
		   view->captures->running_n, view->captures->queue_n,
		   (unsigned long long)view->spool->files);
	write_table(buf, view);
	write_all_refused(buf, view->captures);
}

void page_spool(struct buf *buf, const struct http_view *view)
{
	const struct spool *spool = view->spool;

	buf_puts(buf, "<h2>Spool <small>");
	html_text(buf, spool->path);
	buf_puts(buf, "</small></h2>\n<p class=card>");
	html_bar(buf, spool->bytes, spool->limits.max_use_bytes);
	buf_printf(buf, " <span class=why>%llu capture%s, ", (unsigned long long)spool->files,
		   spool->files == 1 ? "" : "s");
	html_bytes(buf, spool_available_bytes(spool));
	buf_puts(buf, " free on the file system</span></p>\n");
}
