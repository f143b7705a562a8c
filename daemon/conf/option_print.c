/*
 * Printing option tables
 *
 * The same rows in two dresses: lines for `--options`, and pages of tables for docs/CONFIG.md. Each
 * mapping becomes a section, in the order of the tables.
 */

#include "conf/option.h"

#include <stdio.h>
#include <string.h>

#include "conf/option_kind.h"
#include "util/buf.h"

static bool is_mapping(const struct option_desc *desc)
{
	return (desc->type == OPTION_TABLE || desc->type == OPTION_LIST) &&
	       (desc->flags & OPTION_ELSEWHERE) == 0;
}

/* "prefix.name", with [] for a list. */
static void section_path(char dst[OPTION_PATH_MAX], const char *prefix,
			 const struct option_desc *desc)
{
	char path[OPTION_PATH_MAX];

	option_path(path, prefix, desc->name);
	snprintf(dst, OPTION_PATH_MAX, "%.180s%s", path, desc->type == OPTION_LIST ? "[]" : "");
}

/* "one of a, b" or the type's name. */
static void put_type(struct buf *buf, const struct option_desc *desc, const char *quote)
{
	if (desc->type != OPTION_ENUM) {
		buf_puts(buf, option_kind(desc->type)->name);
		return;
	}
	buf_puts(buf, "one of ");
	for (size_t i = 0; desc->choices[i]; i++)
		buf_printf(buf, "%s%s%s%s", i ? ", " : "", quote, desc->choices[i], quote);
}

/* As it would stand in the file. */
static void put_default(struct buf *buf, const struct option_desc *desc)
{
	bool list = desc->type == OPTION_TEXT_LIST;

	buf_printf(buf, "%s%s%s", list ? "[" : "", desc->def, list ? "]" : "");
}

/* ---- text ---- */

static void print_option(const struct option_desc *desc, const char *path, struct buf *buf)
{
	char range[OPTION_RANGE_MAX];

	buf_printf(buf, "%s  (", path);
	put_type(buf, desc, "");
	if (option_range(range, desc)[0])
		buf_printf(buf, ", %s", range);
	if (desc->flags & OPTION_REQUIRED)
		buf_puts(buf, ", required");
	if (desc->def) {
		buf_puts(buf, ", default ");
		put_default(buf, desc);
	}
	if (desc->flags & OPTION_RESTART)
		buf_puts(buf, ", at restart");
	buf_printf(buf, ")\n    %s\n", desc->help);
}

int options_print(const struct option_desc *table, const char *prefix, struct buf *buf)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		char path[OPTION_PATH_MAX];

		section_path(path, prefix, desc);
		if (desc->type == OPTION_INCLUDE)
			options_print(desc->table, prefix, buf);
		else if (is_mapping(desc))
			options_print(desc->table, path, buf);
		else if (desc->type != OPTION_REFUSED)
			print_option(desc, path, buf);
	}
	return buf->error;
}

/* ---- Markdown ---- */

/* A cell of a table: a bar would end it. */
static void put_cell(struct buf *buf, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buf_puts(buf, "\\");
		buf_append(buf, text, 1);
	}
}

static void markdown_row(const struct option_desc *desc, struct buf *buf)
{
	char range[OPTION_RANGE_MAX];

	buf_printf(buf, "| `%s` | ", desc->name);
	put_type(buf, desc, "`");
	if (option_range(range, desc)[0])
		buf_printf(buf, ", %s", range);
	buf_puts(buf, " | ");
	if (desc->def) {
		buf_puts(buf, "`");
		put_default(buf, desc);
		buf_puts(buf, "`");
	} else if (desc->flags & OPTION_REQUIRED) {
		buf_puts(buf, "required");
	}
	buf_printf(buf, " | %s | ", desc->flags & OPTION_RESTART ? "restart" : "reload");
	put_cell(buf, desc->help);
	buf_puts(buf, " |\n");
}

static size_t markdown_rows(const struct option_desc *table, struct buf *buf, size_t rows)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		if (desc->type == OPTION_INCLUDE) {
			rows = markdown_rows(desc->table, buf, rows);
		} else if (!is_mapping(desc) && desc->type != OPTION_REFUSED) {
			if (rows++ == 0)
				buf_puts(buf,
					 "\n| option | type | default | takes effect | what |\n"
					 "|---|---|---|---|---|\n");
			markdown_row(desc, buf);
		}
	}
	return rows;
}

static void markdown_sections(const struct option_desc *table, const char *prefix, struct buf *buf)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		char path[OPTION_PATH_MAX];

		section_path(path, prefix, desc);
		if (desc->type == OPTION_INCLUDE) {
			markdown_sections(desc->table, prefix, buf);
		} else if (is_mapping(desc)) {
			buf_printf(buf, "\n## `%s`\n\n%s\n", path, desc->help);
			options_markdown(desc->table, path, buf);
		}
	}
}

int options_markdown(const struct option_desc *table, const char *prefix, struct buf *buf)
{
	markdown_rows(table, buf, 0);
	markdown_sections(table, prefix, buf);
	return buf->error;
}
