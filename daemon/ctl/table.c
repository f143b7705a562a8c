/* Tables: columns as wide as their cells, as coredumpctl prints them. */

#include "ctl/show.h"

#include <stdio.h>
#include <string.h>

#include "ctl/source.h"
#include "util/buf.h"
#include "util/str.h"

enum { CELL_MAX = 160, COLUMNS = 10 };

struct row {
	char cells[COLUMNS][CELL_MAX];
};

static const struct {
	const char *name;
	bool right;
} columns[COLUMNS] = {
	{ "TIME", false }, { "TARGET", false }, { "ISOLATE", false }, { "KIND", false },
	{ "RULE", false }, { "FILE", false },   { "SIZE", true },     { "HEAP", true },
	{ "PAUSE", true }, { "ID", false },
};

static void set_text(char cell[CELL_MAX], const char *text)
{
	struct buf buf;

	buf_init(&buf, 1024);
	show_text(&buf, text[0] != '\0' ? text : "-");
	str_copy(cell, CELL_MAX, buf_text(&buf) != NULL ? buf_text(&buf) : "?");
	buf_fini(&buf);
}

static void set_bytes(char cell[CELL_MAX], uint64_t bytes)
{
	char text[STR_UNIT_MAX];

	str_copy(cell, CELL_MAX, bytes > 0 ? str_format_bytes(text, bytes) : "-");
}

/* Enough of an id to be typed; all of it is in --json and info. */
static void fill(struct row *row, const struct item *item)
{
	const struct manifest *manifest = &item->manifest;
	char text[SHOW_TIME_MAX];

	str_copy(row->cells[0], CELL_MAX, show_time(text, manifest->started_wall_ms));
	set_text(row->cells[1], manifest->target);
	set_text(row->cells[2], manifest->isolate);
	set_text(row->cells[3], manifest->kind);
	set_text(row->cells[4], manifest->rule);
	str_copy(row->cells[5], CELL_MAX, presence_name(item->file));
	set_bytes(row->cells[6], manifest->file_bytes);
	set_bytes(row->cells[7], manifest->heap_used_bytes);
	if (manifest->pause_ns > 0)
		snprintf(row->cells[8], CELL_MAX, "%.1fs", (double)manifest->pause_ns / 1e9);
	else
		strcpy(row->cells[8], "-");
	snprintf(row->cells[9], CELL_MAX, "%.8s", manifest->id);
}

static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_cell(struct buf *buf, size_t column, const char *text, size_t width)
{
	int pad = (int)(width - width_of(text));

	if (column > 0)
		buf_puts(buf, " ");
	if (columns[column].right)
		buf_printf(buf, "%*s%s", pad, "", text);
	else if (column + 1 < COLUMNS)
		buf_printf(buf, "%s%*s", text, pad, "");
	else
		buf_puts(buf, text);
}

static void widen(size_t widths[COLUMNS], const struct row *row)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		size_t width = width_of(row->cells[i]);

		if (width > widths[i])
			widths[i] = width;
	}
}

/* Twice over the items, so that memory is for one row whatever their number. */
void show_table(struct buf *buf, const struct item_array *items, bool legend)
{
	size_t widths[COLUMNS] = { 0 };
	struct row row;

	for (size_t i = 0; legend && i < COLUMNS; i++)
		widths[i] = strlen(columns[i].name);
	for (size_t i = 0; i < items->n; i++) {
		fill(&row, &items->items[i]);
		widen(widths, &row);
	}
	for (size_t i = 0; legend && i < COLUMNS; i++)
		print_cell(buf, i, columns[i].name, widths[i]);
	if (legend)
		buf_puts(buf, "\n");
	for (size_t k = 0; k < items->n; k++) {
		fill(&row, &items->items[k]);
		for (size_t i = 0; i < COLUMNS; i++)
			print_cell(buf, i, row.cells[i], widths[i]);
		buf_puts(buf, "\n");
	}
}
