/* gc: a collection of garbage in a target, now. */

#include <stdio.h>

#include "ctl/command.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/str.h"

static void print_text(struct buf *buf, const char *target, const struct gc_result *result)
{
	char before[STR_UNIT_MAX], after[STR_UNIT_MAX], freed[STR_UNIT_MAX];

	show_text(buf, target);
	buf_puts(buf, " ");
	show_text(buf, result->isolate);
	buf_printf(buf, ": %s before, %s after, %s freed, in %.0f ms\n",
		   str_format_known_bytes(before, result->has_before, result->before_bytes),
		   str_format_known_bytes(after, result->has_after, result->after_bytes),
		   str_format_known_bytes(freed, result->has_before && result->has_after,
					  result->freed_bytes),
		   result->seconds * 1000);
}

static void print_json(struct buf *buf, const char *target, const struct gc_result *result,
		       enum json_mode mode)
{
	struct json_writer w;
	struct buf json;

	buf_init(&json, 2048);
	json_write_init(&w, &json);
	json_write_object(&w);
	json_member_string(&w, "target", target);
	json_member_string(&w, "isolate", result->isolate);
	if (result->has_before)
		json_member_uint(&w, "heap_before_bytes", result->before_bytes);
	if (result->has_after)
		json_member_uint(&w, "heap_after_bytes", result->after_bytes);
	if (result->has_before && result->has_after)
		json_member_uint(&w, "freed_bytes", result->freed_bytes);
	json_member_double(&w, "duration_seconds", result->seconds);
	json_write_object_end(&w);
	show_json_end(buf, &json, mode);
}

int command_gc(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct gc_result result = { .seconds = 0 };
	struct buf buf;
	int exit;

	if (source->ops->collect == NULL)
		return source_fail(err, CTL_USAGE, 0, "gc: only a daemon can ask a target, not -D");
	exit = source->ops->collect(source, options->args[0], options->capture.isolate, &result,
				    err);
	if (exit != CTL_OK || (options->quiet && options->json == JSON_OFF))
		return exit;
	buf_init(&buf, 8192);
	if (options->json == JSON_OFF)
		print_text(&buf, options->args[0], &result);
	else
		print_json(&buf, options->args[0], &result, options->json);
	return show_out(&buf, false);
}
