/* list and info: captures as a table, as JSON, one field of each, or in full. */

#include <errno.h>
#include <stdio.h>

#include "ctl/choose.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "util/buf.h"
#include "util/err.h"

enum { FIELD_BYTES_MAX = 1400 };

/* One line per capture, as `coredumpctl -F`. */
static int show_field(struct buf *buf, const struct item_array *items, const char *field,
		      struct err *err)
{
	char text[FIELD_BYTES_MAX];

	for (size_t i = 0; i < items->n; i++) {
		if (!manifest_format(&items->items[i].manifest, field, text, sizeof(text)))
			return source_fail(err, CTL_USAGE, -EINVAL,
					   "--field: manifests have no member '%.64s'", field);
		show_text(buf, text);
		buf_puts(buf, "\n");
	}
	return CTL_OK;
}

typedef void show_fn(struct buf *buf, struct source *source, const struct item_array *items,
		     bool legend);

/* Prints what was chosen, frees it. */
static int print(struct source *source, struct item_array *items, const struct ctl_options *options,
		 show_fn *show, struct err *err)
{
	struct buf buf;
	int exit = CTL_OK;

	buf_init(&buf, SHOW_MAX_BYTES);
	if (options->field != NULL)
		exit = show_field(&buf, items, options->field, err);
	else if (options->json != JSON_OFF)
		show_json(&buf, items, options->json);
	else
		show(&buf, source, items, options->legend);
	if (exit == CTL_OK)
		exit = show_out(&buf, options->pager);
	buf_fini(&buf);
	return exit;
}

static void show_rows(struct buf *buf, struct source *source, const struct item_array *items,
		      bool legend)
{
	(void)source;
	show_table(buf, items, legend);
}

int command_list(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct item_array items = { .items = NULL };
	int exit = choose_matching(source, options, &items, err);

	if (exit == CTL_OK)
		exit = print(source, &items, options, show_rows, err);
	item_array_fini(&items);
	return exit;
}

static void show_blocks(struct buf *buf, struct source *source, const struct item_array *items,
			bool legend)
{
	(void)legend;
	show_info(buf, source, items);
}

/* Without names it is about all that list would show. */
int command_info(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct item_array items = { .items = NULL };
	int exit = options->args_n > 0 ? choose_each(source, options, &items, err)
				       : choose_matching(source, options, &items, err);

	if (exit == CTL_OK)
		exit = print(source, &items, options, show_blocks, err);
	item_array_fini(&items);
	return exit;
}
