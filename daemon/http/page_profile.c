/*
 * The page of a profile: what it is of, its flame graph, and the functions that allocated most. It
 * does not change, so it does not renew itself.
 */

#include "http/page.h"

#include "json/tree.h"
#include "profile/flame.h"
#include "profile/profile.h"
#include "spool/manifest.h"
#include "util/clock.h"

enum { ROWS_MAX = 100 };

static void write_place(struct buf *buf, const struct tree *row)
{
	const char *name = "", *url = "";
	uint64_t line = 0;

	tree_string(row, "function", &name);
	tree_string(row, "url", &url);
	tree_uint(row, "line", &line);
	buf_puts(buf, "<td>");
	html_text(buf, name[0] != '\0' ? name : "(anonymous)");
	buf_puts(buf, " <span class=why>");
	html_text(buf, url);
	if (line > 0)
		buf_printf(buf, ":%llu", (unsigned long long)line);
	buf_puts(buf, "</span></td>");
}

static void write_row(struct buf *buf, const struct tree *row, uint64_t whole)
{
	uint64_t self = 0, total = 0, count = 0;

	tree_uint(row, "self_bytes", &self);
	tree_uint(row, "total_bytes", &total);
	tree_uint(row, "self_count", &count);
	buf_puts(buf, "<tr>");
	write_place(buf, row);
	buf_puts(buf, "<td class=num data-l=Itself>");
	html_bytes(buf, self);
	html_share(buf, self, whole);
	buf_puts(buf, "</td><td class=num data-l=\"With its calls\">");
	html_bytes(buf, total);
	html_share(buf, total, whole);
	buf_printf(buf, "</td><td class=num data-l=Counted>%llu</td></tr>\n",
		   (unsigned long long)count);
}

/* Those that only call come last, and are seen in the graph. */
static bool is_shown(const struct tree *row)
{
	uint64_t self = 0;

	return tree_uint(row, "self_bytes", &self) && self > 0;
}

static void write_table(struct buf *buf, const struct tree *report, const struct profile *profile)
{
	const struct tree *rows = tree_get(report, "functions");
	size_t n = tree_size(rows);
	uint64_t whole = 0;

	tree_uint(report, "bytes", &whole);
	buf_printf(buf,
		   "<div class=card><table><tr><th>Function<th class=num>Itself<th class=num>With "
		   "its calls<th class=num>%s</tr>\n",
		   profile->has_objects ? "Objects" : "Samples");
	for (size_t i = 0; i < n && i < ROWS_MAX && is_shown(tree_at(rows, i)); i++)
		write_row(buf, tree_at(rows, i), whole);
	buf_puts(buf, "</table></div>\n");
}

/* What the numbers are of, or they are taken for what they are not. */
static const char *meaning_of(const struct profile *profile)
{
	switch (profile->what) {
	case PROFILE_LIVE:
		return "what was allocated meanwhile and still alive at the end";
	case PROFILE_ALLOCATED:
		return "all that was allocated meanwhile, dead or alive";
	default:
		return "the profile does not say of what";
	}
}

static void write_title(struct buf *buf, const struct tree *report, const struct profile *profile)
{
	uint64_t profiles = 1;

	tree_uint(report, "profiles", &profiles);
	buf_printf(buf, "<main>\n<h2>Allocations by call stack <small>%s", meaning_of(profile));
	if (profiles > 1)
		buf_printf(buf, "; %llu profiles one after the other, ",
			   (unsigned long long)profiles);
	if (profiles > 1)
		html_age(buf, (int64_t)(profile->duration_ns / NS_PER_MS));
	buf_puts(buf, "</small></h2>\n");
}

int page_profile(const struct manifest *manifest, const struct tree *report,
		 const struct profile *profile, struct buf *buf)
{
	int r;

	/* The graph is drawn in black on white, and cannot be read when it is made narrow. */
	page_begin(buf, manifest, ".flame{background:#fff;color:#000}.flame svg{display:block}");
	write_title(buf, report, profile);
	buf_puts(buf, "<div class=\"card flame\">\n");
	r = profile_write_flame(profile, NULL, manifest->name, buf);
	buf_puts(buf, "</div>\n<h2>Functions that allocated most</h2>\n");
	write_table(buf, report, profile);
	buf_puts(buf, "</main>\n<footer><a href=\"/\">status</a>");
	page_link(buf, manifest, "/flame", "flame graph");
	page_link(buf, manifest, "/report", "report");
	page_link(buf, manifest, "", "details");
	buf_puts(buf, " ");
	page_download(buf, manifest, "download");
	buf_puts(buf, "</footer>\n</body></html>\n");
	return r < 0 ? r : buf->error;
}
