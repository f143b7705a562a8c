/*
 * A table of texts
 */

#include "ctl/grid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/show.h"
#include "util/array.h"
#include "util/buf.h"
#include "util/str.h"

int grid_put(struct grid *grid, const char *text)
{
	struct buf clean;
	char(*cells)[GRID_CELL_MAX] =
		array_room(grid->cells, grid->cells_n, &grid->capacity, 128, GRID_CELL_MAX);

	if (cells == NULL)
		return -ENOMEM;
	grid->cells = cells;
	buf_init(&clean, SIZE_MAX / 2);
	show_text(&clean, text);
	if (buf_text(&clean) == NULL)
		return -ENOMEM;
	if (!str_copy(grid->cells[grid->cells_n], GRID_CELL_MAX, buf_text(&clean)))
		strcpy(grid->cells[grid->cells_n] + GRID_CELL_MAX - 4, "...");
	grid->cells_n++;
	buf_fini(&clean);
	return 0;
}

int grid_put_bytes(struct grid *grid, double bytes)
{
	char text[STR_UNIT_MAX], cell[STR_UNIT_MAX + 1];

	str_format_bytes(text, (uint64_t)(bytes < 0 ? -bytes : bytes));
	snprintf(cell, sizeof(cell), "%s%s", bytes < 0 ? "-" : "", text);
	return grid_put(grid, cell);
}

int grid_put_count(struct grid *grid, unsigned long long count)
{
	char cell[STR_UNIT_MAX];

	snprintf(cell, sizeof(cell), "%llu", count);
	return grid_put(grid, cell);
}

static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_cell(const struct grid *grid, struct buf *buf, size_t column, const char *text,
		       size_t width)
{
	int pad = (int)(width - width_of(text));

	if (column > 0)
		buf_puts(buf, "  ");
	if (grid->columns[column].right)
		buf_printf(buf, "%*s%s", pad, "", text);
	else if (column + 1 < grid->columns_n)
		buf_printf(buf, "%s%*s", text, pad, "");
	else
		buf_puts(buf, text);
	if (column + 1 == grid->columns_n)
		buf_puts(buf, "\n");
}

void grid_print(const struct grid *grid, struct buf *buf, bool legend)
{
	size_t widths[GRID_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; legend && i < grid->columns_n; i++)
		widths[i] = width_of(grid->columns[i].name);
	for (size_t i = 0; i < grid->cells_n; i++) {
		size_t width = width_of(grid->cells[i]), *widest = &widths[i % grid->columns_n];

		*widest = width > *widest ? width : *widest;
	}
	for (size_t i = 0; legend && i < grid->columns_n; i++)
		print_cell(grid, buf, i, grid->columns[i].name, widths[i]);
	for (size_t i = 0; i < grid->cells_n; i++)
		print_cell(grid, buf, i % grid->columns_n, grid->cells[i],
			   widths[i % grid->columns_n]);
}

void grid_fini(struct grid *grid)
{
	free(grid->cells);
	grid->cells = NULL;
}
