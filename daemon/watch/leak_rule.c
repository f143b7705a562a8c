/* The condition `leak` of a rule. */

#include "watch/leak_rule.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "util/clock.h"
#include "util/str.h"
#include "watch/eta.h"
#include "watch/target.h"

/* What lies further ahead is no forecast. */
static const double eta_max_s = 100 * 24 * 3600.0;

static const char *const windows[] = { "any", "fast", "slow", NULL };
static const char *const causes[] = { "any", "heap", "buffers", "native", NULL };

#define WHEN(member) offsetof(struct leak_when, member)

const struct option_desc leak_when_options[] = {
	{ .name = "window",
	  .type = OPTION_ENUM,
	  .offset = WHEN(window),
	  .choices = windows,
	  .def = "any",
	  .help = "The window in which it must be seen: `leak.fast_window` or `leak.slow_window` "
		  "of the configuration." },
	{ .name = "cause",
	  .type = OPTION_ENUM,
	  .offset = WHEN(cause),
	  .choices = causes,
	  .def = "any",
	  .help = "What must grow: the live set of the heap, memory outside of it that its objects "
		  "hold (buffers), or what of the process belongs to neither (native)." },
	{ .name = "min_growth",
	  .type = OPTION_RATIO,
	  .offset = WHEN(growth_share),
	  .def = "5%",
	  .help = "The least growth over the window, of what grows; never less than 10 MiB." },
	{ .name = "eta_below",
	  .type = OPTION_TIME,
	  .offset = WHEN(eta_below_ns),
	  .present = WHEN(has_eta_below),
	  .max = 100 * 24 * 3600 * NS_PER_S,
	  .help = "Only when the limit of the heap or of the control group will be reached within "
		  "this time." },
	{ 0 },
};

static struct leak_wanted wanted_by(const struct leak_when *when)
{
	return (struct leak_wanted){ .cause = (enum leak_cause)when->cause,
				     .window = when->window,
				     .growth_share = when->growth_share };
}

/* The trend by which the rule holds, as far as it asks for trends. */
static bool find(const struct leak_when *when, const struct leak *leak, struct leak_found *ret)
{
	const struct leak_wanted wanted = wanted_by(when);

	return leak_find(leak, &wanted, ret);
}

/* The longest window it may hold in. */
static enum series_window longest_window(const struct leak_when *when)
{
	return when->window == 1 + (int)WINDOW_FAST ? WINDOW_FAST : WINDOW_SLOW;
}

void leak_when_look(const struct leak_when *when, const struct target *target,
		    const struct isolate *isolate, struct leak_looked *ret)
{
	const struct leak_wanted wanted = wanted_by(when);
	struct leak_found found;

	*ret = (struct leak_looked){
		.slope = NAN,
		.span_ns = series_window_ns(&isolate->series, longest_window(when)),
	};
	if (!leak_find(&isolate->leak, &wanted, &found)) {
		if (!leak_slope(&isolate->leak, &ret->slope))
			ret->slope = NAN;
		leak_find_near(&isolate->leak, &wanted, &ret->near);
		return;
	}
	ret->slope = found.trend->slope;
	if (when->has_eta_below) {
		ret->eta_s = eta_of(target, isolate);
		ret->is_far = !(ret->eta_s * (double)NS_PER_S < (double)when->eta_below_ns);
	}
	ret->holds = !ret->is_far;
	if (ret->holds)
		ret->span_ns = series_window_ns(&isolate->series, found.window);
}

bool leak_when_equal(const struct leak_when *a, const struct leak_when *b)
{
	return a->window == b->window && a->cause == b->cause &&
	       !(a->growth_share < b->growth_share) && !(a->growth_share > b->growth_share) &&
	       a->has_eta_below == b->has_eta_below && a->eta_below_ns == b->eta_below_ns;
}

void leak_when_describe(const struct leak_when *when, struct buf *buf)
{
	char text[STR_UNIT_MAX];

	buf_puts(buf, "leak");
	if (when->cause != LEAK_NONE)
		buf_printf(buf, " of %s", causes[when->cause]);
	if (when->window != 0)
		buf_printf(buf, " in the %s window", windows[when->window]);
	buf_printf(buf, " by %g%%", 100 * when->growth_share);
	if (when->has_eta_below)
		buf_printf(buf, " with eta < %s", str_format_duration(text, when->eta_below_ns));
}

/* ---- for people ---- */

char *leak_format_slope(char *dst, size_t size, double bytes_per_second)
{
	double hourly = fabs(bytes_per_second) * 3600;
	char text[STR_UNIT_MAX];

	str_format_bytes(text, hourly < 1e18 ? (uint64_t)hourly : (uint64_t)1e18);
	snprintf(dst, size, "%s%s/h", bytes_per_second < 0 ? "-" : "", text);
	return dst;
}

static char *format_eta(char dst[STR_UNIT_MAX], double seconds)
{
	if (!(seconds < eta_max_s))
		snprintf(dst, STR_UNIT_MAX, "never");
	else
		str_format_duration(dst, (uint64_t)seconds * NS_PER_S);
	return dst;
}

static char *format_growth(char dst[STR_UNIT_MAX], double bytes)
{
	return str_format_bytes(dst, bytes < 1e18 ? (uint64_t)bytes : (uint64_t)1e18);
}

void leak_looked_explain(const struct leak_looked *looked, struct buf *buf)
{
	const struct leak_near *near = &looked->near;
	char text[STR_UNIT_MAX], growth[STR_UNIT_MAX], needed[STR_UNIT_MAX];
	const char *between = "";

	if (looked->is_far) {
		buf_printf(buf, "at its limit in %s", format_eta(text, looked->eta_s));
		return;
	}
	buf_printf(buf, "%s in the %s window: ", leak_cause_name(near->cause),
		   series_window_name(near->window));
	for (unsigned check = 1; check < 1u << TREND_CHECKS; check <<= 1) {
		if ((near->against & check) == 0)
			continue;
		buf_printf(buf, "%s%s", between, trend_why_not(check));
		between = ", ";
		if (check == TREND_SMALL && near->growth > 0)
			buf_printf(buf, " (%s of %s)", format_growth(growth, near->growth),
				   format_growth(needed, near->needed));
	}
}

static int add(struct labels *labels, const char *name, const char *value)
{
	if (labels_get(labels, name) != NULL)
		return 0;
	return labels_set(labels, name, value) == -ENOMEM ? -ENOMEM : 0;
}

void leak_facts_take(struct leak_facts *facts, const struct leak_when *when,
		     const struct target *target, const struct isolate *isolate)
{
	const struct leak *leak = &isolate->leak;
	const struct leak_when by_default = { .growth_share = LEAK_GROWTH_SHARE };
	struct leak_found found;

	*facts = (struct leak_facts){ .known = true,
				      .cause = leak->cause,
				      .confidence = leak_confidence(leak),
				      .eta_s = eta_of(target, isolate) };
	if ((when != NULL && find(when, leak, &found)) || find(&by_default, leak, &found)) {
		facts->cause = found.cause;
		facts->confidence = found.confidence;
		facts->slope = found.trend->slope;
		facts->has_slope = true;
	} else {
		facts->has_slope = leak_slope(leak, &facts->slope);
	}
}

int leak_labels(struct labels *labels, const struct leak_facts *facts)
{
	char slope[2 * STR_UNIT_MAX] = "unknown", eta[STR_UNIT_MAX], confidence[16];
	int r;

	if (!facts->known)
		return 0;
	if (facts->has_slope)
		leak_format_slope(slope, sizeof(slope), facts->slope);
	snprintf(confidence, sizeof(confidence), "%.2f", facts->confidence);
	r = add(labels, "cause", leak_cause_name(facts->cause));
	if (r == 0)
		r = add(labels, "slope", slope);
	if (r == 0)
		r = add(labels, "confidence", confidence);
	if (r == 0)
		r = add(labels, "eta", format_eta(eta, facts->eta_s));
	return r;
}
