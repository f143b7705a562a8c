/*
 * capture and peek: the daemon is asked for one, and its id printed; of a tracking, and of a
 * profile in both formats, both ids.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"

enum { BODY_MAX_BYTES = 4096 };

static void member(struct json_writer *w, const char *name, const char *text)
{
	if (text != NULL)
		json_member_string(w, name, text);
}

/* The daemon says what of it is no value. */
static void write_body(struct buf *buf, const struct ctl_options *options)
{
	const struct capture_wish *wish = &options->capture;
	struct json_writer w;

	json_write_init(&w, buf);
	json_write_object(&w);
	member(&w, "kind", options->args[0]);
	member(&w, "isolate", wish->isolate);
	member(&w, "duration", wish->duration);
	member(&w, "interval", wish->interval);
	member(&w, "stack_depth", wish->stack_depth);
	member(&w, "objects", wish->objects);
	member(&w, "format", wish->format);
	if (wish->stacks)
		json_member_bool(&w, "stacks", true);
	json_write_object_end(&w);
}

static int wait_for(struct source *source, const char *id, struct capture_look *ret,
		    struct err *err)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
	int exit = source->ops->look(source, id, ret, err);

	while (exit == CTL_OK && !ret->done) {
		nanosleep(&pause, NULL);
		exit = source->ops->look(source, id, ret, err);
	}
	return exit;
}

static int print_id(const char *id)
{
	struct buf buf;

	buf_init(&buf, 256);
	buf_printf(&buf, "%s\n", id);
	return show_out(&buf, false);
}

/*
 * Of a tracking for both snapshots, of a profile in both formats for both files: the second is
 * known before the first is in the spool.
 */
static int wait_for_all(struct source *source, const char *id, struct err *err)
{
	struct capture_look first, second;
	int exit = wait_for(source, id, &first, err);

	if (exit != CTL_OK || !first.has_second)
		return exit;
	if (first.second[0] == '\0')
		return source_fail(
			err, CTL_FAILURE, -ENOENT,
			"the daemon knows only this one of the two that were to come: it was "
			"restarted meanwhile, or the other was deleted or not kept");
	exit = print_id(first.second);
	return exit == CTL_OK ? wait_for(source, first.second, &second, err) : exit;
}

/* What the daemon has said: exit. */
static int asked(struct source *source, const struct ctl_options *options, const char *id, int exit,
		 struct err *err)
{
	if (exit == CTL_OK)
		exit = print_id(id);
	if (exit == CTL_OK && options->capture.wait)
		exit = wait_for_all(source, id, err);
	return exit;
}

int command_capture(struct source *source, const struct ctl_options *options, struct err *err)
{
	char id[CAPTURE_ID_MAX];
	struct buf body;
	int exit;

	if (source->ops->capture == NULL)
		return source_fail(err, CTL_USAGE, -ENOTSUP,
				   "capture: only a daemon can, and -D is without one");
	buf_init(&body, BODY_MAX_BYTES);
	write_body(&body, options);
	if (buf_text(&body) == NULL)
		exit = source_fail(err, CTL_USAGE, -E2BIG, "capture: too long a value");
	else
		exit = source->ops->capture(source, options->args[1], buf_text(&body), id, err);
	buf_fini(&body);
	return asked(source, options, id, exit, err);
}

int command_peek(struct source *source, const struct ctl_options *options, struct err *err)
{
	char id[CAPTURE_ID_MAX];
	int exit;

	if (source->ops->peek == NULL)
		return source_fail(err, CTL_USAGE, -ENOTSUP,
				   "peek: only a daemon can, and -D is without one");
	exit = source->ops->peek(source, options->args[0], id, err);
	return asked(source, options, id, exit, err);
}
