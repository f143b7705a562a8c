/*
 * A line of progress
 */

#include "ctl/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/show.h"
#include "util/buf.h"
#include "util/clock.h"

enum { EVERY_MS = 100, NAME_MAX_BYTES = 50 };

/* Back to the first column, and the rest of the line blank (ECMA-48, EL). */
static const char blank[] = "\r\033[K";

static struct line {
	const char *path;
	const char *phase; /* of the last time */
	uint64_t told_ns;
	bool shown;
} line;

static void tell(void *owner, const char *phase, unsigned percent)
{
	struct line *told = owner;
	const char *slash = strrchr(told->path, '/');
	uint64_t now = clock_mono_ns();
	struct buf name;

	if (phase == told->phase && now - told->told_ns < EVERY_MS * NS_PER_MS)
		return;
	told->phase = phase;
	told->told_ns = now;
	told->shown = true;
	buf_init(&name, SIZE_MAX / 2);
	show_text(&name, slash != NULL ? slash + 1 : told->path);
	fprintf(stderr, "%s%.*s: %s", blank, NAME_MAX_BYTES,
		buf_text(&name) != NULL ? buf_text(&name) : "", phase);
	if (percent < HEAP_NO_PERCENT)
		fprintf(stderr, " %u %%", percent);
	fflush(stderr);
	buf_fini(&name);
}

const struct heap_progress *progress_begin(const char *path, const struct ctl_options *options)
{
	static const struct heap_progress ret = { .tell = tell, .owner = &line };

	if (options->quiet || isatty(STDERR_FILENO) == 0)
		return NULL;
	line = (struct line){ .path = path };
	return &ret;
}

void progress_end(void)
{
	if (line.shown)
		fputs(blank, stderr);
	line.shown = false;
}
