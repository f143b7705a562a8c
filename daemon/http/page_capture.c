/* What the pages of single captures have in common: which have one, their head, their links. */

#include "http/page.h"

#include <string.h>

#include "spool/manifest.h"
#include "util/clock.h"

/* Who wanted it. */
static const char *origin_of(const struct manifest *manifest)
{
	if (manifest->continuous != 0)
		return "continuous";
	return manifest->rule[0] != '\0' ? manifest->rule : "by hand";
}

static void write_header(struct buf *buf, const struct manifest *manifest)
{
	buf_puts(buf, "<header><h1>");
	html_text(buf, manifest->target);
	buf_puts(buf, "</h1> <span class=dim>");
	html_text(buf, manifest->isolate);
	buf_puts(buf, ", ");
	html_text(buf, origin_of(manifest));
	buf_puts(buf, "</span> <span class=dim>");
	html_age(buf, clock_wall_ms() - manifest->finished_wall_ms);
	buf_puts(buf, " ago</span></header>\n");
}

bool page_is_there(const struct manifest *manifest)
{
	return strcmp(manifest->kind, "sampling") == 0 ||
	       (manifest_is_tracking(manifest) && manifest->series_index == 2) ||
	       page_has_chart(manifest);
}

void page_begin(struct buf *buf, const struct manifest *manifest, const char *style)
{
	buf_puts(buf, "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
		      "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
		      "<style>");
	buf_puts(buf, page_style);
	buf_puts(buf, style);
	buf_puts(buf, "</style><title>");
	html_text(buf, manifest->name);
	buf_puts(buf, ", heapwatchd</title></head>\n<body>\n");
	write_header(buf, manifest);
}

void page_link(struct buf *buf, const struct manifest *manifest, const char *what, const char *text)
{
	buf_puts(buf, " <a href=\"/api/v1/captures/");
	html_segment(buf, manifest->id);
	buf_printf(buf, "%s\">%s</a>", what, text);
}

void html_arrived(struct buf *buf, const struct manifest *manifest)
{
	const struct manifest_analysis *analysis = &manifest->analysis;

	buf_printf(buf, "%llu object%s, ", (unsigned long long)analysis->arrived_objects,
		   analysis->arrived_objects == 1 ? "" : "s");
	html_bytes(buf, analysis->arrived_bytes);
}
