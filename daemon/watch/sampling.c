/* Options of sampling profiles. */

#include "watch/sampling.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "inspect/download.h"
#include "util/clock.h"
#include "util/err.h"

#define AT(member) offsetof(struct sampling_settings, member)

static const struct {
	const char *name;
	enum sampling_format format;
} formats[] = {
	{ "heapprofile", SAMPLING_HEAPPROFILE },
	{ "pprof", SAMPLING_PPROF },
};

static const char *const objects_words[] = {
	[SAMPLING_LIVE] = "live",
	[SAMPLING_ALL] = "all",
	NULL,
};

static unsigned format_of(const char *word)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, word) == 0)
			return formats[i].format;
	return 0;
}

static int check_format(const void *value, struct err *err)
{
	const char *word = *(char *const *)value;

	if (format_of(word) != 0)
		return 0;
	return err_set(err, -EINVAL, "'%.40s' is not a format: expected heapprofile or pprof",
		       word);
}

int sampling_add_format(struct sampling_settings *settings, const char *word, struct err *err)
{
	int r = check_format(&word, err);

	return r < 0 ? r : text_list_add(&settings->format, word);
}

unsigned sampling_formats(const struct sampling_settings *settings)
{
	unsigned bits = 0;

	for (size_t i = 0; i < settings->format.n; i++)
		bits |= format_of(settings->format.items[i]);
	return bits != 0 ? bits : SAMPLING_HEAPPROFILE;
}

const struct option_desc sampling_options[] = {
	{ .name = "duration",
	  .type = OPTION_TIME,
	  .offset = AT(duration_ns),
	  .present = AT(timed),
	  .min = NS_PER_S,
	  .max = 3600 * NS_PER_S,
	  .def = "60s",
	  .help = "Of `sampling`, `timeline` and `tracking`: for how long. Of the last two 10s if "
		  "not given, and at most 5m, as of `sampling` in Firefox." },
	{ .name = "interval",
	  .type = OPTION_BYTES,
	  .offset = AT(interval_bytes),
	  .present = AT(given),
	  .min = SAMPLING_INTERVAL_MIN,
	  .max = SAMPLING_INTERVAL_MAX,
	  .def = "32KiB",
	  .help = "Of `sampling`: a sample in so many bytes allocated, on average. Smaller is "
		  "finer, and costs the program more." },
	{ .name = "stack_depth",
	  .type = OPTION_UINT,
	  .offset = AT(stack_depth),
	  .present = AT(given),
	  .min = 1,
	  .max = SAMPLING_DEPTH_MAX,
	  .def = "128",
	  .help = "Of `sampling`: calls of each stack. Node.js before 26 and V8 before 14.6 take "
		  "128, and another number is refused there as not supported." },
	{ .name = "objects",
	  .type = OPTION_ENUM,
	  .offset = AT(objects),
	  .present = AT(given),
	  .choices = objects_words,
	  .def = "live",
	  .help = "Of `sampling`: `live` counts what is still alive at the end, `all` all that "
		  "was allocated meanwhile." },
	{ .name = "format",
	  .type = OPTION_TEXT_LIST,
	  .offset = AT(format),
	  .present = AT(given),
	  .max = sizeof(formats) / sizeof(formats[0]),
	  .check = check_format,
	  .def = "heapprofile",
	  .help = "Of `sampling`: `heapprofile` for Chrome DevTools, `pprof` for go tool pprof "
		  "and its like; or both, which are two files." },
	{ 0 },
};
