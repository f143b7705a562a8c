/*
 * Tables of samples
 *
 * A line at a time, cell by cell; a mistake is told with line and column, and the line is left out,
 * so that one run names several.
 */

#include "watch/samples.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/str.h"
#include "util/when.h"
#include "watch/condition.h"
#include "watch/threshold.h"
#include "watch/value.h"

enum { CELL_MAX = 256 };

enum column_kind {
	COLUMN_TIME,
	COLUMN_TARGET,
	COLUMN_ISOLATE,
	COLUMN_EVENT,
	COLUMN_LABEL,
	COLUMN_VALUE
};

struct column {
	enum column_kind kind;
	size_t index; /* of its value */
	char name[CELL_MAX]; /* of its label */
};

struct parser {
	struct sample_table *table;
	const char *file, *at, *end, *line_begin;
	int line;
	struct problems *problems;
	struct column columns[SAMPLES_COLUMNS_MAX];
	size_t columns_n;
	bool wrong;
};

static void complain(struct parser *parser, const char *at, const char *what, const char *shown)
{
	char text[SHOWN_MAX];

	parser->wrong = true;
	if (shown != NULL)
		problems_add(parser->problems, parser->file, parser->line,
			     (int)(at - parser->line_begin) + 1, NULL, "'%s' %s",
			     problem_shown(text, shown), what);
	else
		problems_add(parser->problems, parser->file, parser->line,
			     (int)(at - parser->line_begin) + 1, NULL, "%s", what);
}

/* ---- cells ---- */

/* The next cell of the line; in quotes "" is a quote. False at the end of the line. */
static bool take_cell(struct parser *parser, char cell[CELL_MAX], bool *more)
{
	const char *at = parser->at;
	bool quoted = at < parser->end && *at == '"';
	size_t n = 0;

	if (!*more)
		return false;
	at += quoted;
	while (at < parser->end && *at != '\n') {
		if (quoted && *at == '"') {
			if (at + 1 < parser->end && at[1] == '"')
				at++;
			else
				quoted = false;
			if (!quoted) {
				at++;
				continue;
			}
		} else if (!quoted && *at == ',') {
			break;
		}
		if (*at != '\r' && n + 1 < CELL_MAX)
			cell[n++] = *at;
		at++;
	}
	while (n > 0 && cell[n - 1] == ' ')
		n--;
	cell[n] = '\0';
	*more = at < parser->end && *at == ',';
	parser->at = at + *more;
	return true;
}

static void next_line(struct parser *parser)
{
	while (parser->at < parser->end && *parser->at != '\n')
		parser->at++;
	if (parser->at < parser->end)
		parser->at++;
	parser->line++;
	parser->line_begin = parser->at;
}

/* ---- the header ---- */

static void complain_column(struct parser *parser, const char *at, const char *cell)
{
	const char *names[SAMPLES_COLUMNS_MAX], *meant;
	char text[128];
	size_t n = 0;

	for (; n < SAMPLES_COLUMNS_MAX && value_at((int)n) != NULL; n++)
		names[n] = value_at((int)n)->name;
	meant = str_closest(cell, names, n);
	snprintf(text, sizeof(text), "is no column%s%s%s", meant ? " (did you mean '" : "",
		 meant ? meant : "", meant ? "'?)" : "");
	complain(parser, at, text, cell);
}

static void add_column(struct parser *parser, const char *at, const char *cell)
{
	static const char *const names[] = { "time", "target", "isolate", "event" };
	struct sample_table *table = parser->table;
	struct column *column = &parser->columns[parser->columns_n++];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(cell, names[i]) == 0) {
			column->kind = (enum column_kind)i;
			return;
		}
	}
	if (str_has_prefix(cell, "label:")) {
		column->kind = COLUMN_LABEL;
		str_copy(column->name, sizeof(column->name), cell + strlen("label:"));
		table->has_labels = true;
		if (!labels_name_ok(column->name))
			complain(parser, at, "is no name of a label", column->name);
		return;
	}
	column->kind = COLUMN_VALUE;
	column->index = table->columns;
	table->metrics[table->columns++] = value_find(cell);
	if (value_find(cell) < 0)
		complain_column(parser, at, cell);
}

static void read_header(struct parser *parser)
{
	char cell[CELL_MAX];
	bool more = parser->at < parser->end, timed = false;

	for (;;) {
		const char *at = parser->at;

		if (!take_cell(parser, cell, &more))
			break;
		if (parser->columns_n == SAMPLES_COLUMNS_MAX) {
			complain(parser, at, "too many columns", NULL);
			break;
		}
		add_column(parser, at, cell);
		timed |= parser->columns[parser->columns_n - 1].kind == COLUMN_TIME;
	}
	if (!timed)
		complain(parser, parser->line_begin, "the header needs a column 'time'", NULL);
	next_line(parser);
}

/* ---- rows ---- */

static bool parse_time(const char *text, int64_t *ret)
{
	char *end;
	double seconds = strtod(text, &end);

	if (*text != '\0' && text[strspn(text, "0123456789.")] == '\0' && *end == '\0') {
		*ret = (int64_t)(seconds * 1000);
		return seconds < 253402300800.0;
	}
	return strchr(text, 'T') != NULL && when_parse(text, 0, ret) == 0;
}

static bool parse_events(const char *text, unsigned *ret)
{
	static const char *const names[EVENTS] = { "target_up", "target_down", "restart" };

	while (*text != '\0') {
		size_t size = strcspn(text, " ");
		unsigned i = 0;

		while (i < EVENTS &&
		       (strlen(names[i]) != size || strncmp(names[i], text, size) != 0))
			i++;
		if (i == EVENTS)
			return false;
		*ret |= 1u << i;
		text += size;
		text += strspn(text, " ");
	}
	return true;
}

static int take_text(char **dst, const char *cell)
{
	free(*dst);
	*dst = strdup(cell);
	return *dst != NULL ? 0 : -ENOMEM;
}

static int fill(struct parser *parser, const char *at, const struct column *column,
		const char *cell, struct sample_row *row)
{
	int metric = column->kind == COLUMN_VALUE ? parser->table->metrics[column->index] : -1;
	struct err err = { 0 };

	switch (column->kind) {
	case COLUMN_TIME:
		if (!parse_time(cell, &row->wall_ms))
			complain(parser, at, "is no time (RFC 3339, or seconds)", cell);
		return 0;
	case COLUMN_TARGET:
		return cell[0] != '\0' ? take_text(&row->target, cell) : 0;
	case COLUMN_ISOLATE:
		return cell[0] != '\0' ? take_text(&row->isolate, cell) : 0;
	case COLUMN_EVENT:
		if (!parse_events(cell, &row->events))
			complain(parser, at, "is not target_up, target_down or restart", cell);
		return 0;
	case COLUMN_LABEL:
		return labels_set(&row->labels, column->name, cell) == -ENOMEM ? -ENOMEM : 0;
	case COLUMN_VALUE:
		break;
	}
	if (cell[0] == '\0' || metric < 0)
		return 0;
	if (threshold_parse(cell, value_at(metric)->unit, &row->values[column->index], &err) < 0)
		complain(parser, at, err.text, NULL);
	return 0;
}

static struct sample_row *add_row(struct sample_table *table)
{
	struct sample_row *row;
	struct sample_row *rows =
		array_room(table->rows, table->n, &table->capacity, 256, sizeof(*rows));

	if (rows == NULL)
		return NULL;
	table->rows = rows;
	row = &table->rows[table->n++];
	*row = (struct sample_row){ .values = calloc(table->columns + 1, sizeof(double)) };
	row->target = strdup("app");
	row->isolate = strdup("main");
	if (row->values == NULL || row->target == NULL || row->isolate == NULL)
		return NULL;
	for (size_t i = 0; i < table->columns; i++)
		row->values[i] = NAN;
	return row;
}

static int read_row(struct parser *parser)
{
	struct sample_table *table = parser->table;
	struct sample_row *row = add_row(table);
	const char *begin = parser->at;
	char cell[CELL_MAX];
	bool more = true;
	size_t i = 0;
	int r = 0;

	if (row == NULL)
		return -ENOMEM;
	while (r == 0) {
		const char *at = parser->at;

		if (!take_cell(parser, cell, &more))
			break;
		if (i == parser->columns_n) {
			complain(parser, at, "more cells than the header has columns", NULL);
			break;
		}
		r = fill(parser, at, &parser->columns[i++], cell, row);
	}
	if (i < parser->columns_n && !parser->wrong)
		complain(parser, begin, "fewer cells than the header has columns", NULL);
	if (table->n > 1 && !parser->wrong && row->wall_ms < table->rows[table->n - 2].wall_ms)
		complain(parser, begin, "the time goes back", NULL);
	next_line(parser);
	return r;
}

static bool is_blank_line(const struct parser *parser)
{
	return *parser->at == '\n' || *parser->at == '\r' || *parser->at == '#';
}

int samples_parse(struct sample_table *ret, const char *text, size_t size, const char *file,
		  struct problems *problems)
{
	struct parser parser = {
		.table = ret,
		.file = file,
		.at = text,
		.end = text + size,
		.line_begin = text,
		.line = 1,
		.problems = problems,
	};
	int r = 0;

	*ret = (struct sample_table){ 0 };
	while (parser.at < parser.end && is_blank_line(&parser))
		next_line(&parser);
	read_header(&parser);
	while (r == 0 && parser.at < parser.end && !problems->more) {
		if (is_blank_line(&parser))
			next_line(&parser);
		else
			r = read_row(&parser);
	}
	if (r == 0 && !parser.wrong && ret->n == 0)
		complain(&parser, parser.line_begin, "there are no samples", NULL);
	return r == 0 && parser.wrong ? -EINVAL : r;
}

void samples_fini(struct sample_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		free(table->rows[i].target);
		free(table->rows[i].isolate);
		free(table->rows[i].values);
		labels_fini(&table->rows[i].labels);
	}
	free(table->rows);
	*table = (struct sample_table){ 0 };
}
