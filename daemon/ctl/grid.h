#pragma once

/* A table of texts, its columns as wide as their cells. */

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum { GRID_COLUMNS_MAX = 8, GRID_CELL_MAX = 160 };

struct grid_column {
	const char *name;
	bool right; /* numbers stand at their right end */
};

struct grid {
	const struct grid_column *columns; /* borrowed */
	size_t columns_n;
	char (*cells)[GRID_CELL_MAX]; /* owned, row by row */
	size_t cells_n, capacity;
};

/* Put one cell after the other; too long a text is cut. 0, -ENOMEM. */
int grid_put(struct grid *grid, const char *text);
int grid_put_bytes(struct grid *grid, double bytes); /* with its unit, and a minus */
int grid_put_count(struct grid *grid, unsigned long long count);

void grid_print(const struct grid *grid, struct buf *buf, bool legend);
void grid_fini(struct grid *grid);
