#pragma once

/*
 * The condition `leak` of a rule:
 *
 *   when: {leak: {window: any, cause: any, min_growth: 5%, eta_below: 4h}}
 *
 * It holds while watch/leak.h finds that memory of the isolate grows without end; what a rule says
 * narrows that down. The value of the alert is the slope in bytes per second.
 */

#include <stdbool.h>
#include <stdint.h>
#include "conf/labels.h"
#include "conf/option.h"
#include "util/buf.h"
#include "watch/leak.h"

struct isolate;
struct target;

/* Plain values. */
struct leak_when {
	int window; /* 0: any, else 1 + enum series_window */
	int cause; /* enum leak_cause; LEAK_NONE: any */
	double growth_share; /* over the window, of the live set */
	uint64_t eta_below_ns;
	bool has_eta_below;
};

extern const struct option_desc leak_when_options[];

/*
 * Does it hold? *ret_slope: of what grows, else of the live set; false, with *ret_slope untouched,
 * while nothing is known.
 */
bool leak_when_holds(const struct leak_when *when, const struct target *target,
		     const struct isolate *isolate, double *ret_slope);
bool leak_when_equal(const struct leak_when *a, const struct leak_when *b);

/* "leak in the fast window with eta < 4h". */
void leak_when_describe(const struct leak_when *when, struct buf *buf);

/* What there is to say of a leak. */
struct leak_facts {
	bool known; /* somebody has looked */
	enum leak_cause cause;
	bool has_slope;
	double slope; /* bytes per second */
	double confidence;
	double eta_s; /* INFINITY: never */
};

/* Of the trend by which the condition holds; without one (when: NULL, or it does not hold) by the
 * default limits, and of no leak the live set. */
void leak_facts_take(struct leak_facts *facts, const struct leak_when *when,
		     const struct target *target, const struct isolate *isolate);

/*
 * The same for people: `cause`, `slope` ("5.2 MiB/h"), `confidence` ("0.93") and `eta` ("7h12m",
 * "never"), set unless there is one of that name already; nothing of unknown facts. 0, -ENOMEM.
 */
int leak_labels(struct labels *labels, const struct leak_facts *facts);

/* "5.2 MiB/h" */
char *leak_format_slope(char *dst, size_t size, double bytes_per_second);
