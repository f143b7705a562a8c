/* rm, pin and vacuum: what changes the spool. Each says what it did, unless --quiet. */

#include <errno.h>
#include <stdio.h>

#include "ctl/choose.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

static int done(const struct ctl_options *options, const char *word, const struct item *item)
{
	struct buf buf;

	if (options->quiet)
		return CTL_OK;
	buf_init(&buf, 4096);
	buf_printf(&buf, "%s ", word);
	show_text(&buf, item->manifest.name);
	buf_puts(&buf, "\n");
	return show_out(&buf, false);
}

/* All names are looked up first: a mistake in the last one changes nothing. */
int command_rm(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct item_array items = { .items = NULL };
	int exit = choose_each(source, options, &items, err);

	for (size_t i = 0; exit == CTL_OK && i < items.n; i++) {
		exit = source->ops->remove(source, items.items[i].manifest.id, err);
		if (exit == CTL_OK)
			exit = done(options, "deleted", &items.items[i]);
	}
	item_array_fini(&items);
	return exit;
}

static int pin(struct source *source, const struct ctl_options *options, bool pinned,
	       struct err *err)
{
	struct item_array items = { .items = NULL };
	int exit = choose_each(source, options, &items, err);

	for (size_t i = 0; exit == CTL_OK && i < items.n; i++) {
		exit = source->ops->pin(source, items.items[i].manifest.id, pinned, err);
		if (exit == CTL_OK)
			exit = done(options, pinned ? "pinned" : "unpinned", &items.items[i]);
	}
	item_array_fini(&items);
	return exit;
}

int command_pin(struct source *source, const struct ctl_options *options, struct err *err)
{
	return pin(source, options, !options->off, err);
}

int command_unpin(struct source *source, const struct ctl_options *options, struct err *err)
{
	return pin(source, options, false, err);
}

static void print_freed(struct buf *buf, uint64_t files, uint64_t bytes, enum json_mode mode)
{
	struct json_writer w;
	struct buf json;
	char text[STR_UNIT_MAX];

	if (mode == JSON_OFF) {
		buf_printf(buf, "deleted %llu captures, freed %s\n", (unsigned long long)files,
			   str_format_bytes(text, bytes));
		return;
	}
	buf_init(&json, 256);
	json_write_init(&w, &json);
	json_write_object(&w);
	json_member_uint(&w, "removed", files);
	json_member_uint(&w, "bytes", bytes);
	json_write_object_end(&w);
	show_json_end(buf, &json, mode);
}

int command_vacuum(struct source *source, const struct ctl_options *options, struct err *err)
{
	uint64_t files = 0, bytes = 0;
	struct buf buf;
	int exit = source->ops->vacuum(source, &options->vacuum, &files, &bytes, err);

	if (exit != CTL_OK || (options->quiet && options->json == JSON_OFF))
		return exit;
	buf_init(&buf, 4096);
	print_freed(&buf, files, bytes, options->json);
	return show_out(&buf, false);
}
