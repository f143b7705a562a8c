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

/* What a look at an isolate has found. */
struct leak_looked {
	bool holds;
	double slope; /* of what grows, else of the live set; NAN while nothing is known */
	uint64_t span_ns; /* how far back the window reaches by which it holds, or else might */
	/* Where it does not hold. */
	bool is_far; /* something grows, but no limit is near enough */
	double eta_s; /* is_far: in so many seconds, INFINITY for never */
	struct leak_near near; /* unless is_far */
};

void leak_when_look(const struct leak_when *when, const struct target *target,
		    const struct isolate *isolate, struct leak_looked *ret);
bool leak_when_equal(const struct leak_when *a, const struct leak_when *b);

/* "leak in the fast window with eta < 4h". */
void leak_when_describe(const struct leak_when *when, struct buf *buf);

/* Why it does not hold: "heap in the fast window: one step, and no growth before or after it". */
void leak_looked_explain(const struct leak_looked *looked, struct buf *buf);

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
