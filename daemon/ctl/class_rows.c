/*
 * Classes of two snapshots side by side
 */

#include "ctl/class_rows.h"

#include "ctl/grid.h"
#include "util/buf.h"

static int put_row(struct grid *grid, const struct heap_class_growth *row)
{
	int r = grid_put_bytes(grid, (double)row->bytes[1] - (double)row->bytes[0]);

	r = r == 0 ? grid_put_count(grid, row->count[1]) : r;
	r = r == 0 ? grid_put_count(grid, row->count[0]) : r;
	r = r == 0 ? grid_put_bytes(grid, (double)row->bytes[1]) : r;
	r = r == 0 ? grid_put_bytes(grid, (double)row->bytes[0]) : r;
	return r == 0 ? grid_put(grid, row->name) : r;
}

int class_rows_put(struct buf *buf, const struct heap_class_growth *rows, size_t n, bool legend)
{
	static const struct grid_column columns[] = {
		{ "GROWTH", true }, { "COUNT", true },  { "BEFORE", true },
		{ "BYTES", true },  { "BEFORE", true }, { "CLASS", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = put_row(&grid, &rows[i]);
	if (r == 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r == 0 ? buf->error : r;
}
