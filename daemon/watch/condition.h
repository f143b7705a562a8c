#pragma once

/*
 * Conditions: what a rule's `when` says, as a small tree. Its leaves look at one isolate of one
 * target, `all_of` and `any_of` put them together. The daemon, `heapwatchctl rules test` and
 * POST /api/v1/rules/eval judge by the same two functions:
 *
 * - condition_look_*() take what is known now and give a finding for each term. What a term must
 *   remember from one look to the next is in a condition_state, bounded: one of each isolate for
 *   values, one of each target for what happens to it.
 * - condition_verdict() puts the findings together. It looks at nothing else.
 *
 * Terms stand in preorder, each after the group it is in, so that both go without recursion.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/option.h"
#include "util/buf.h"
#include "util/calendar.h"
#include "util/str.h"
#include "watch/leak_rule.h"

struct isolate;
struct target;

enum {
	CONDITION_TERMS_MAX = 16,
	CONDITION_DEPTH_MAX = 4, /* groups in groups */
	CONDITION_STEPS_MAX = 8,
	MEAN_SLOTS = 10, /* parts of the time a mean is taken over */
};

enum term_kind {
	TERM_ALL_OF,
	TERM_ANY_OF,
	TERM_COMPARE, /* above or below a level */
	TERM_STEPS, /* above one of several levels; at most one such term in a condition */
	TERM_GROWTH, /* above the mean of the recent past */
	TERM_NEW_MAX, /* above all that was seen before */
	TERM_ETA, /* the limit of heap or control group is near */
	TERM_LEAK,
	TERM_ON, /* something has happened to the target */
	TERM_EVERY, /* so much time has passed */
	TERM_CALENDAR, /* a time of the calendar has come */
};

/* What may happen to a target, a bit each. */
enum target_event { EVENT_UP = 1, EVENT_DOWN = 2, EVENT_RESTART = 4 };
enum { EVENTS = 3 };

struct term {
	enum term_kind kind;
	int parent; /* index of its group; -1: it is the whole */
	int metric, relative_to; /* value indices; relative_to -1: absolute, metric -1: none */
	bool below; /* COMPARE */
	bool is_share; /* GROWTH, NEW_MAX: level is a share of what is compared with */
	double level; /* COMPARE; GROWTH, NEW_MAX: how much more; ETA: seconds */
	double steps[CONDITION_STEPS_MAX]; /* ascending */
	size_t steps_n;
	uint64_t over_ns; /* GROWTH: time of the mean; NEW_MAX: of the mark, 0 for ever */
	uint64_t every_ns;
	unsigned events; /* ON: enum target_event */
	struct leak_when leak;
	struct calendar calendar;
	char *text; /* owned: the level, the list of steps or the calendar as it was written */
	struct text_list step_texts; /* STEPS: each as it was written */
};

struct condition {
	struct term *terms; /* owned */
	size_t n;
};

/* What is known of one isolate when a rule is evaluated. */
struct condition_input {
	const struct target *target;
	const struct isolate *isolate; /* NULL: the target has none */
	bool fresh; /* its last sample is of now; else there are no values */
	bool first; /* the rule is evaluated for the first time: what was before it is no event */
	uint64_t now_ns; /* monotonic */
	int64_t wall_ms;
};

/* What a look has found of one term. Groups have none. */
struct finding {
	bool holds;
	bool known; /* value and bound are there */
	int missing; /* the value that is looked at or compared with and is not told; -1: none */
	bool young; /* the past it compares with is too short, or only begins */
	double value;
	double bound; /* what it was compared with */
	uint64_t span_ns; /* GROWTH, ETA, LEAK: over so much of the past it is judged; 0: it is
			     known for sure, whatever was before */
	struct leak_looked leak; /* LEAK */
	size_t reached; /* STEPS: how many */
	unsigned events; /* ON: those that happened */
};

struct condition_findings {
	struct finding terms[CONDITION_TERMS_MAX];
};

struct condition_verdict {
	bool holds;
	int term; /* whose value it is; -1: of none */
	double value; /* 1 where a condition without a value holds, NAN where it is not known */
	int leak; /* the first term TERM_LEAK by which it holds; -1: by none */
	uint64_t span_ns; /* the longest of the terms that hold */
};

struct condition_state;

void condition_fini(struct condition *condition);

/* Must values be remembered from one look to the next? */
bool condition_remembers(const struct condition *condition);

/* Of the target, not of each of its isolates: looked at once, with the main isolate or without. */
bool condition_is_of_target(const struct condition *condition);

/* Has it terms that wait for something to happen? Then it may hold without an isolate. */
bool condition_has_events(const struct condition *condition);

/* It holds for one look at a time, so that it can never hold `for` so long. */
bool condition_is_momentary(const struct condition *condition);

/* For this condition. NULL without memory. */
struct condition_state *condition_state_new(const struct condition *condition);
struct condition_state *condition_state_copy(const struct condition_state *state);
void condition_state_free(struct condition_state *state);

/*
 * First what has happened to the target, once, then the values of each isolate into a copy of that.
 * A state is the condition's own, or NULL: nothing was seen before, and what needs a past does not
 * hold.
 */
void condition_look_events(const struct condition *condition, struct condition_state *state,
			   const struct condition_input *input, struct condition_findings *ret);
void condition_look_values(const struct condition *condition, struct condition_state *state,
			   const struct condition_input *input, struct condition_findings *ret);

/* The term with steps, or -1; how many alerts of one isolate the condition makes: 1, or the steps.
 */
int condition_steps_term(const struct condition *condition);
size_t condition_steps(const struct condition *condition);
const char *condition_step_text(const struct condition *condition,
				size_t step); /* NULL: no steps */

/* step: which of condition_steps(). */
struct condition_verdict condition_verdict(const struct condition *condition,
					   const struct condition_findings *findings, size_t step);

/*
 * Might it hold if more of the past were known than the last seen_ns? As a verdict that takes for
 * true what looks further back.
 */
bool condition_may_hold(const struct condition *condition,
			const struct condition_findings *findings, size_t step, uint64_t seen_ns);

/*
 * The value that the runtime does not tell (value_is_told()), so that the condition cannot hold,
 * whatever else becomes of the isolate; -1: it may.
 */
int condition_missing(const struct condition *condition, const struct condition_findings *findings);

bool condition_equal(const struct condition *a, const struct condition *b);

/* The same number for equal ones, over restarts too. */
uint64_t condition_hash(const struct condition *condition);

/* ---- in words (condition_words.c) ---- */

/* "heap_used / heap_limit > 80%", "(restart or new maximum of heap_used) and ..." */
void condition_describe(const struct condition *condition, struct buf *buf);

/* The same with what was found: "heap_used / heap_limit = 83.1% > 80%: yes". One line. */
void condition_explain(const struct condition *condition, const struct condition_findings *findings,
		       size_t step, struct buf *buf);

/* A value of that term (-1: none) for people: "83.1%", "50.1 MiB", "-". */
char *condition_format_value(const struct condition *condition, int term, double value,
			     char dst[STR_UNIT_MAX]);

/* ---- as it is written (condition_read.c) ---- */

struct new_max_text {
	char *by;
	uint64_t reset_after_ns;
};

/* What the options below fill. */
struct condition_text {
	char *metric, *relative_to, *above, *below, *growth, *on_calendar;
	struct text_list steps, on;
	struct new_max_text new_max;
	uint64_t mean_over_ns, eta_below_ns, every_ns;
	struct leak_when leak;
	struct item_list all_of, any_of; /* struct condition_text */
};

extern const struct option_desc condition_options[];

struct place;

/*
 * Check what stands at `member` of the place and make a condition of it; takes over texts. 0, also
 * with complaints (then it may be half there); -ENOMEM.
 */
int condition_read(struct place *place, const char *member, struct condition_text *text,
		   struct condition *ret);
