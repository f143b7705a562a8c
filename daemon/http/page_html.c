/*
 * Pieces of HTML. Whatever comes from a target, a file or a client goes through html_text() or
 * html_segment(); what is not UTF-8, and control characters, become U+FFFD.
 */

#include "http/page.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "util/clock.h"
#include "util/str.h"
#include "watch/series.h"

enum { UTF8_MAX = 4, SPARK_WIDTH = 120, SPARK_HEIGHT = 24, SPARK_COLUMNS = 60 };

#define REPLACEMENT "\xef\xbf\xbd"

static const char *entity_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void html_text(struct buf *buf, const char *text)
{
	while (*text != '\0') {
		const char *entity = entity_of(*text);
		size_t size = str_utf8_sequence(text, strnlen(text, UTF8_MAX));
		bool control = (unsigned char)*text < ' ' || *text == 0x7f;

		if (entity != NULL)
			buf_puts(buf, entity);
		else if (size == 0 || control)
			buf_puts(buf, REPLACEMENT);
		else
			buf_append(buf, text, size);
		text += size > 0 ? size : 1;
	}
}

void html_segment(struct buf *buf, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (isalnum(byte) || (byte != 0 && strchr("-._~", byte) != NULL))
			buf_append(buf, text, 1);
		else
			buf_printf(buf, "%%%02X", byte);
	}
}

void html_age(struct buf *buf, int64_t ms)
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s < 60)
		buf_printf(buf, "%llds", (long long)s);
	else if (s < 3600)
		buf_printf(buf, "%lldm %llds", (long long)(s / 60), (long long)(s % 60));
	else if (s < 86400)
		buf_printf(buf, "%lldh %lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
	else
		buf_printf(buf, "%lldd %lldh", (long long)(s / 86400), (long long)(s / 3600 % 24));
}

void html_bytes(struct buf *buf, uint64_t bytes)
{
	char text[STR_UNIT_MAX];

	buf_puts(buf, str_format_bytes(text, bytes));
}

void html_share(struct buf *buf, uint64_t part, uint64_t whole)
{
	buf_printf(buf, " <span class=why>%.1f%%</span>",
		   whole > 0 ? 100 * (double)part / (double)whole : 0.0);
}

/* From three quarters on it deserves a look, from nine tenths on it is late. */
static const char *level_of(double share)
{
	if (share >= 0.9)
		return "bad";
	return share >= 0.75 ? "warn" : "ok";
}

void html_bar(struct buf *buf, uint64_t value, uint64_t limit)
{
	double share = limit > 0 ? (double)value / (double)limit : 0;
	double width = share < 1 ? share * 100 : 100;

	html_bytes(buf, value);
	if (limit == 0)
		return;
	buf_puts(buf, " <span class=dim>of ");
	html_bytes(buf, limit);
	buf_printf(buf,
		   " (%.0f%%)</span><span class=bar><i class=%s style=\"width:%.1f%%\"></i></span>",
		   share * 100, level_of(share), width);
}

void page_rest(struct buf *buf, size_t n, const char *url)
{
	if (n > PAGE_ROWS_MAX)
		buf_printf(buf, "<p class=card>and %zu more: <a href=\"%s\">all of them</a></p>\n",
			   n - PAGE_ROWS_MAX, url);
}

/* ---- sparkline ---- */

struct bounds {
	uint64_t low, high;
};

static struct bounds bounds_of(const struct series *series)
{
	struct bounds bounds = { UINT64_MAX, 0 };

	for (uint32_t i = 0; i < series->count; i++) {
		uint64_t value = series_at(series, i)->heap_used;

		bounds.low = value < bounds.low ? value : bounds.low;
		bounds.high = value > bounds.high ? value : bounds.high;
	}
	return bounds;
}

/* The highest of the points that fall into a column: a peak must not get lost. */
static uint64_t column_value(const struct series *series, uint32_t column, uint32_t columns)
{
	uint32_t first = (uint32_t)((uint64_t)column * series->count / columns);
	uint32_t end = (uint32_t)((uint64_t)(column + 1) * series->count / columns);
	uint64_t value = 0;

	for (uint32_t i = first; i < end; i++) {
		uint64_t used = series_at(series, i)->heap_used;

		value = used > value ? used : value;
	}
	return value;
}

void page_sparkline(struct buf *buf, const struct series *series)
{
	uint32_t columns = series->count < SPARK_COLUMNS ? series->count : SPARK_COLUMNS;
	struct bounds bounds;
	double range;

	if (columns < 2)
		return;
	bounds = bounds_of(series);
	range = bounds.high > bounds.low ? (double)(bounds.high - bounds.low) : 1;
	buf_printf(buf,
		   "<svg class=spark width=%d height=%d viewBox=\"0 0 %d %d\" role=img "
		   "aria-label=\"heap used, ",
		   SPARK_WIDTH, SPARK_HEIGHT, SPARK_WIDTH, SPARK_HEIGHT);
	html_bytes(buf, bounds.low);
	buf_puts(buf, " to ");
	html_bytes(buf, bounds.high);
	buf_puts(buf, "\"><polyline points=\"");
	for (uint32_t i = 0; i < columns; i++) {
		double share = (double)(column_value(series, i, columns) - bounds.low) / range;

		buf_printf(buf, "%s%.1f,%.1f", i > 0 ? " " : "",
			   (double)i * SPARK_WIDTH / (columns - 1),
			   SPARK_HEIGHT - 1 - share * (SPARK_HEIGHT - 2));
	}
	buf_puts(buf, "\"/></svg>");
}
