/*
 * The page of a timeline: how much was allocated in each stretch of it and how much of that lives,
 * as bars and as a table, and the classes that retain most where there is a report. It does not
 * change, so it does not renew itself.
 */

#include "http/page.h"

#include "json/tree.h"
#include "spool/manifest.h"

enum { ROWS_MAX = 100, BAR = 20, WIDTH = BAR * TIMELINE_POINTS_MAX, HEIGHT = 160, GAP = 2 };

static const char style[] =
	".bars{display:block;width:100%;height:160px;padding:10px 14px 0}"
	".bars .dead{fill:var(--dim);opacity:.55}.bars .live{fill:var(--accent)}"
	".axis{display:flex;justify-content:space-between;padding:2px 14px 10px;color:var(--dim);"
	"font-size:12px}"
	".key{display:inline-block;width:10px;height:10px;margin:0 5px 0 14px;border-radius:2px}"
	".key.live{background:var(--accent)}.key.dead{background:var(--dim);opacity:.55}"
	"summary{padding:7px 14px;cursor:pointer}";

bool page_has_chart(const struct manifest *manifest)
{
	return manifest->timeline.n > 0;
}

static uint64_t highest(const struct timeline_chart *chart)
{
	uint64_t most = 1;

	for (uint64_t i = 0; i < chart->n; i++)
		if (chart->points[i].seen_bytes > most)
			most = chart->points[i].seen_bytes;
	return most;
}

/* "1.2s to 1.3s" */
static void write_stretch(struct buf *buf, const struct timeline_chart *chart, uint64_t i)
{
	uint64_t from = i > 0 ? chart->points[i - 1].at_ms : 0, to = chart->points[i].at_ms;

	buf_printf(buf, "%.2fs to %.2fs", (double)from / 1000, (double)to / 1000);
}

static void write_rect(struct buf *buf, const char *class, uint64_t i, double bottom, double height)
{
	buf_printf(buf, "<rect class=%s x=%llu y=%.2f width=%d height=%.2f />", class,
		   (unsigned long long)(i * BAR), HEIGHT - bottom - height, BAR - GAP, height);
}

/* What lives stands below, what has died on top of it. */
static void write_bar(struct buf *buf, const struct timeline_chart *chart, uint64_t i,
		      uint64_t most)
{
	const struct timeline_point *point = &chart->points[i];
	double seen = (double)point->seen_bytes / (double)most * HEIGHT;
	double live = (double)point->live_bytes / (double)most * HEIGHT;

	if (point->seen_bytes == 0)
		return;
	buf_puts(buf, "<g><title>");
	write_stretch(buf, chart, i);
	buf_puts(buf, ": ");
	html_bytes(buf, point->seen_bytes);
	buf_puts(buf, " allocated, ");
	html_bytes(buf, point->live_bytes);
	buf_puts(buf, " still alive</title>");
	write_rect(buf, "live", i, 0, live);
	write_rect(buf, "dead", i, live, seen - live);
	buf_puts(buf, "</g>\n");
}

static void write_chart(struct buf *buf, const struct timeline_chart *chart)
{
	uint64_t most = highest(chart);

	buf_printf(buf,
		   "<div class=card>\n<svg class=bars viewBox=\"0 0 %d %d\" "
		   "preserveAspectRatio=none role=img aria-label=\"at most ",
		   WIDTH, HEIGHT);
	html_bytes(buf, most);
	buf_printf(buf, " allocated in one of %llu stretches\">\n", (unsigned long long)chart->n);
	for (uint64_t i = 0; i < chart->n; i++)
		write_bar(buf, chart, i, most);
	buf_puts(buf, "</svg>\n<div class=axis><span>0s</span><span>the highest is ");
	html_bytes(buf, most);
	buf_puts(buf, "<i class=\"key live\"></i>still alive<i class=\"key dead\"></i>dead</span>");
	buf_printf(buf, "<span>%.1fs</span></div>\n",
		   (double)chart->points[chart->n - 1].at_ms / 1000);
}

/* For whoever sees no graphics, and for the figures. */
static void write_table(struct buf *buf, const struct timeline_chart *chart)
{
	buf_puts(buf, "<details><summary>as a table</summary><table><tr><th>When<th "
		      "class=num>Allocated<th class=num>Still alive</tr>\n");
	for (uint64_t i = 0; i < chart->n; i++) {
		const struct timeline_point *point = &chart->points[i];

		if (point->seen_bytes == 0)
			continue;
		buf_puts(buf, "<tr><td>");
		write_stretch(buf, chart, i);
		buf_puts(buf, "</td><td class=num data-l=Allocated>");
		html_bytes(buf, point->seen_bytes);
		buf_puts(buf, "</td><td class=num data-l=\"Still alive\">");
		html_bytes(buf, point->live_bytes);
		buf_puts(buf, "</td></tr>\n");
	}
	buf_puts(buf, "</table></details></div>\n");
}

static void write_class(struct buf *buf, const struct tree *row)
{
	uint64_t count = 0, self = 0, retained = 0;
	const char *name = "";

	tree_string(row, "name", &name);
	tree_uint(row, "count", &count);
	tree_uint(row, "self_bytes", &self);
	tree_uint(row, "retained_bytes", &retained);
	buf_puts(buf, "<tr><td>");
	html_text(buf, name);
	buf_printf(buf, "</td><td class=num data-l=Objects>%llu</td><td class=num data-l=Itself>",
		   (unsigned long long)count);
	html_bytes(buf, self);
	buf_puts(buf, "</td><td class=num data-l=Retained>");
	html_bytes(buf, retained);
	buf_puts(buf, "</td></tr>\n");
}

static void write_classes(struct buf *buf, const struct tree *report)
{
	const struct tree *rows = tree_get(report, "classes");

	if (!tree_is_array(rows) || tree_size(rows) == 0)
		return;
	buf_puts(buf, "<h2>What is there at the end <small>by class, what was there before it as "
		      "well</small></h2>\n<div class=card><table><tr><th>Class<th "
		      "class=num>Objects<th class=num>Itself<th class=num>Retained</tr>\n");
	for (size_t i = 0; i < tree_size(rows) && i < ROWS_MAX; i++)
		write_class(buf, tree_at(rows, i));
	buf_puts(buf, "</table></div>\n");
}

static void write_title(struct buf *buf, const struct timeline_chart *chart)
{
	struct timeline_point all = timeline_chart_sum(chart);

	buf_puts(buf, "<main>\n<h2>Allocations over time <small>");
	html_bytes(buf, all.seen_bytes);
	buf_printf(buf, " in %.1fs, of which ", (double)all.at_ms / 1000);
	html_bytes(buf, all.live_bytes);
	buf_puts(buf, " are still alive at the end</small></h2>\n");
}

int page_timeline(const struct manifest *manifest, const struct tree *report, struct buf *buf)
{
	page_begin(buf, manifest, style);
	write_title(buf, &manifest->timeline);
	write_chart(buf, &manifest->timeline);
	write_table(buf, &manifest->timeline);
	write_classes(buf, report);
	buf_puts(buf, "</main>\n<footer><a href=\"/\">status</a>");
	if (report != NULL)
		page_link(buf, manifest, "/report", "report");
	page_link(buf, manifest, "", "details");
	buf_puts(buf, " ");
	page_download(buf, manifest, "download");
	buf_puts(buf, "</footer>\n</body></html>\n");
	return buf->error;
}
