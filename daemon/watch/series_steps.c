/* Options of series. */

#include "watch/series_steps.h"

#include <errno.h>
#include <stddef.h>

#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "watch/timeline.h"

#define SPACING_MIN_NS (10 * NS_PER_S)
#define SPACING_MAX_NS (7 * 24 * 3600 * NS_PER_S)

/* Less is the noise of any heap. */
static const double growth_min = 0.01;

static const char *const late_names[] = {
	[SERIES_LATE_TAKE] = "take",
	[SERIES_LATE_GIVE_UP] = "give_up",
	NULL,
};

static const char *const ids_names[] = {
	[SERIES_IDS_ANY] = "any",
	[SERIES_IDS_EXACT] = "exact",
	NULL,
};

static int check_growth(const void *value, struct err *err)
{
	const double *share = value;

	if (*share >= growth_min)
		return 0;
	return err_set(err, -EINVAL, "%g%% is out of range (1%% to 100%%)", 100 * *share);
}

const struct option_desc series_options[] = {
	{
		.name = "count",
		.type = OPTION_UINT,
		.flags = OPTION_REQUIRED,
		.offset = offsetof(struct series_settings, count),
		.min = 1,
		.max = 20,
		.help = "How many captures. Two cannot tell a leak from a cache that fills.",
	},
	{
		.name = "spacing",
		.type = OPTION_TIME,
		.offset = offsetof(struct series_settings, spacing_ns),
		.min = SPACING_MIN_NS,
		.max = SPACING_MAX_NS,
		.def = "10m",
		.help = "From the beginning of one to the beginning of the next, of which half is "
			"at "
			"least left after its end; with `growth` the least time between.",
	},
	{
		.name = "growth",
		.type = OPTION_RATIO,
		.offset = offsetof(struct series_settings, growth),
		.check = check_growth,
		.help = "Take the next one when `heap_live` (the live set where the runtime tells "
			"it, else the least of the heap in use for a while) has grown by this "
			"share (`20%`) since the last one, so that there is something to compare "
			"however slowly it leaks. By time alone when absent.",
	},
	{
		.name = "deadline",
		.type = OPTION_TIME,
		.offset = offsetof(struct series_settings, deadline_ns),
		.present = offsetof(struct series_settings, has_deadline),
		.min = SPACING_MIN_NS,
		.max = SPACING_MAX_NS,
		.def = "24h",
		.help = "With `growth`: how long after the last one it may take to grow.",
	},
	{
		.name = "at_deadline",
		.type = OPTION_ENUM,
		.offset = offsetof(struct series_settings, at_deadline),
		.present = offsetof(struct series_settings, has_at_deadline),
		.choices = late_names,
		.def = "take",
		.help = "When it has not grown by then: `take` the next one nonetheless, which "
			"tells what is there instead of a leak, or `give_up` the series and spare "
			"the program the rest.",
	},
	{
		.name = "gc_before",
		.type = OPTION_BOOL,
		.offset = offsetof(struct series_settings, gc_before),
		.def = "false",
		.help = "Have the runtime collect garbage before each, so that only what is held "
			"differs. It stops the program for some 100 ms per gigabyte more.",
	},
	{
		.name = "ids",
		.type = OPTION_ENUM,
		.offset = offsetof(struct series_settings, ids),
		.choices = ids_names,
		.def = "any",
		.help = "`exact`: have V8 keep the ids of objects from the first snapshot to the "
			"last, so that the snapshots are compared object by object. **The "
			"program allocates 6 to 13 times slower for all that time**, with "
			"far longer pauses of its collections; so it is at most 5m "
			"(`(count - 1) x spacing`), by time only, and ends with the series, "
			"however "
			"that ends. For V8 that stays connected: Node.js, Chromium, Deno with "
			"`policy: attached`. `any` has the snapshots compared by what holds what "
			"and costs nothing.",
	},
	{ 0 },
};

/* The product of two bounded options does not overflow. */
static const char *check_ids(const struct series_settings *series, struct err *err)
{
	uint64_t span_ns = (series->count - 1) * series->spacing_ns;
	char most[STR_UNIT_MAX], spacing[STR_UNIT_MAX], span[STR_UNIT_MAX];

	if (series->count < 2)
		err_set(err, -EINVAL, "exact ids go with a count of 2 or more");
	else if (series->growth > 0)
		err_set(err, -EINVAL,
			"exact ids do not go with growth, which takes as long as it takes: the "
			"program is several times slower meanwhile");
	else if (span_ns > TRACKING_MAX_NS)
		err_set(err, -EINVAL,
			"exact ids are kept for at most %s, and %llu snapshots %s apart take %s: "
			"the program is several times slower meanwhile",
			str_format_duration(most, TRACKING_MAX_NS),
			(unsigned long long)series->count,
			str_format_duration(spacing, series->spacing_ns),
			str_format_duration(span, span_ns));
	else
		return NULL;
	return "ids";
}

const char *series_settings_check(const struct series_settings *series, struct err *err)
{
	char deadline[STR_UNIT_MAX], spacing[STR_UNIT_MAX];

	if (series->growth <= 0 && (series->has_deadline || series->has_at_deadline)) {
		err_set(err, -EINVAL, "goes with growth");
		return series->has_deadline ? "deadline" : "at_deadline";
	}
	if (series->growth > 0 && series->deadline_ns < series->spacing_ns) {
		err_set(err, -EINVAL, "%s is shorter than the spacing (%s)",
			str_format_duration(deadline, series->deadline_ns),
			str_format_duration(spacing, series->spacing_ns));
		return series->has_deadline ? "deadline" : "spacing";
	}
	return series->ids == SERIES_IDS_EXACT ? check_ids(series, err) : NULL;
}
