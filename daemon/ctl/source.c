/*
 * Sources
 */

#include "ctl/source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/array.h"
#include "util/err.h"

struct item *item_array_add(struct item_array *array)
{
	struct item *items =
		array_room(array->items, array->n, &array->capacity, 16, sizeof(*items));

	if (items == NULL)
		return NULL;
	array->items = items;
	items[array->n] = (struct item){ .file = PRESENCE_ERROR };
	return &items[array->n++];
}

void item_array_fini(struct item_array *array)
{
	free(array->items);
	*array = (struct item_array){ .items = NULL };
}

struct part_file source_part(const struct manifest *manifest, enum part part)
{
	switch (part) {
	case PART_SCRIPTS:
		return (struct part_file){ manifest->scripts_name, manifest->scripts_sha256,
					   manifest->scripts_bytes };
	case PART_REPORT:
		return (struct part_file){ manifest->analysis.report_name,
					   manifest->analysis.report_sha256,
					   manifest->analysis.report_bytes };
	default:
		return (struct part_file){ manifest->name, manifest->sha256, manifest->file_bytes };
	}
}

int source_open(struct source **ret, const struct ctl_options *options, struct err *err)
{
	if (options->directory != NULL)
		return source_directory_open(ret, options->directory, err);
	return source_http_open(ret, options, err);
}

void source_free(struct source *source)
{
	if (source != NULL)
		source->ops->free(source);
}

int source_fail(struct err *err, int exit, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	err_set(err, code, "%s", text);
	return exit;
}
