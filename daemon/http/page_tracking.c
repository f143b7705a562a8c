/*
 * The page of the second capture of a tracking: what came since the first and lives, by class, and
 * the verdict. It does not change, so it does not renew itself.
 */

#include "http/page.h"

#include <errno.h>

#include "json/tree.h"
#include "spool/manifest.h"

enum { ROWS_MAX = 100 };

static void write_row(struct buf *buf, const struct tree *row, uint64_t whole)
{
	const char *name = "";
	uint64_t count = 0, bytes = 0;

	tree_string(row, "name", &name);
	tree_uint(row, "count", &count);
	tree_uint(row, "self_bytes", &bytes);
	buf_puts(buf, "<tr><td>");
	html_text(buf, name);
	buf_printf(buf, "</td><td class=num data-l=Objects>%llu</td><td class=num data-l=Bytes>",
		   (unsigned long long)count);
	html_bytes(buf, bytes);
	html_share(buf, bytes, whole);
	buf_puts(buf, "</td></tr>\n");
}

static void write_table(struct buf *buf, const struct tree *arrived)
{
	const struct tree *rows = tree_get(arrived, "classes");
	uint64_t whole = 0;

	tree_uint(arrived, "self_bytes", &whole);
	buf_puts(buf, "<div class=card><table><tr><th>Class<th class=num>Objects<th class=num>Bytes"
		      "</tr>\n");
	for (size_t i = 0; i < tree_size(rows) && i < ROWS_MAX; i++)
		write_row(buf, tree_at(rows, i), whole);
	buf_puts(buf, "</table></div>\n");
}

int page_tracking(const struct manifest *manifest, const struct tree *report, struct buf *buf)
{
	const struct tree *arrived = tree_get(report, "arrived");

	if (!tree_is_array(tree_get(arrived, "classes")))
		return -EBADMSG;
	page_begin(buf, manifest, "");
	buf_puts(buf, "<main>\n<h2>What came since the first snapshot and lives <small>");
	html_arrived(buf, manifest);
	buf_puts(buf, "</small></h2>\n<p class=card>");
	html_text(buf, manifest->analysis.verdict.text);
	buf_puts(buf, "</p>\n");
	write_table(buf, arrived);
	buf_puts(buf, "</main>\n<footer><a href=\"/\">status</a>");
	page_link(buf, manifest, "/report", "report");
	page_link(buf, manifest, "", "details");
	buf_puts(buf, " ");
	page_download(buf, manifest, "download");
	buf_puts(buf, "</footer>\n</body></html>\n");
	return buf->error;
}
