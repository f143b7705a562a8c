/*
 * Conditions: looking and judging
 *
 * A look visits the leaves; nothing of one leaf is seen by another. Time that counts is monotonic,
 * but for schedules, which are the wall clock's: when that is set, what lies between does not come,
 * and they wait for the next time by the new one.
 */

#include "watch/condition.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/fnv.h"
#include "watch/eta.h"
#include "watch/target.h"
#include "watch/value.h"

/* A mean of fewer values is none. */
enum { MEAN_VALUES_MIN = 3 };

/* A clock that is off by less from one look to the next was slewed, or the look was late. */
enum { CLOCK_JUMP_MS = 60000 };

struct mean_slot {
	uint64_t slot; /* monotonic time / width */
	double sum;
	uint32_t n;
};

struct term_state {
	bool begun;
	union {
		struct {
			struct mean_slot slots[MEAN_SLOTS];
			uint64_t since_ns;
		} mean;
		struct {
			double mark;
			uint64_t marked_ns;
		} max;
		uint64_t seen[EVENTS]; /* how often each had happened */
		int64_t slot; /* EVERY */
		struct {
			int64_t due_ms, seen_ms;
			uint64_t seen_ns;
		} calendar;
	};
};

struct condition_state {
	int64_t start_ns; /* of the isolate the values are of; 0: none yet */
	size_t n;
	struct term_state terms[]; /* as many as the condition has */
};

void condition_fini(struct condition *condition)
{
	for (size_t i = 0; i < condition->n; i++) {
		free(condition->terms[i].text);
		text_list_fini(&condition->terms[i].step_texts);
	}
	free(condition->terms);
	*condition = (struct condition){ 0 };
}

static bool is_group(const struct term *term)
{
	return term->kind == TERM_ALL_OF || term->kind == TERM_ANY_OF;
}

static bool is_event(const struct term *term)
{
	return term->kind == TERM_ON || term->kind == TERM_EVERY || term->kind == TERM_CALENDAR;
}

bool condition_remembers(const struct condition *condition)
{
	for (size_t i = 0; i < condition->n; i++) {
		const struct term *term = &condition->terms[i];

		if (term->kind == TERM_GROWTH || term->kind == TERM_NEW_MAX)
			return true;
	}
	return false;
}

bool condition_is_of_target(const struct condition *condition)
{
	for (size_t i = 0; i < condition->n; i++) {
		const struct term *term = &condition->terms[i];

		if (is_group(term) || is_event(term))
			continue;
		if (term->metric < 0 || !value_at(term->metric)->of_target)
			return false;
	}
	return true;
}

bool condition_has_events(const struct condition *condition)
{
	for (size_t i = 0; i < condition->n; i++) {
		if (is_event(&condition->terms[i]))
			return true;
	}
	return false;
}

/* Of all_of one momentary term is enough, of any_of it takes all. */
bool condition_is_momentary(const struct condition *condition)
{
	bool momentary[CONDITION_TERMS_MAX] = { false };
	size_t children[CONDITION_TERMS_MAX] = { 0 };

	for (size_t i = condition->n; i-- > 0;) {
		const struct term *term = &condition->terms[i];
		int parent = term->parent;

		if (!is_group(term))
			momentary[i] = is_event(term) || term->kind == TERM_NEW_MAX;
		if (parent < 0)
			return momentary[i];
		if (condition->terms[parent].kind == TERM_ALL_OF)
			momentary[parent] |= momentary[i];
		else
			momentary[parent] =
				momentary[i] && (children[parent] == 0 || momentary[parent]);
		children[parent]++;
	}
	return false;
}

static struct condition_state *new_state(size_t n)
{
	struct condition_state *state = calloc(1, sizeof(*state) + n * sizeof(state->terms[0]));

	if (state != NULL)
		state->n = n;
	return state;
}

struct condition_state *condition_state_new(const struct condition *condition)
{
	return new_state(condition->n);
}

struct condition_state *condition_state_copy(const struct condition_state *state)
{
	struct condition_state *copy = new_state(state->n);

	if (copy != NULL)
		memcpy(copy, state, sizeof(*state) + state->n * sizeof(state->terms[0]));
	return copy;
}

void condition_state_free(struct condition_state *state)
{
	free(state);
}

/* ---- leaves that look at a value ---- */

/* Of the metric, or its share of what it is relative to: nothing is a share of nothing. */
static bool read_value(const struct term *term, const struct condition_input *input,
		       struct finding *finding)
{
	double reference;

	if (!input->fresh || input->isolate == NULL)
		return false;
	finding->missing = term->metric;
	if (!value_read(term->metric, input->target, input->isolate, &finding->value))
		return false;
	finding->missing = term->relative_to;
	if (term->relative_to < 0)
		return true;
	if (!value_read(term->relative_to, input->target, input->isolate, &reference) ||
	    !(reference > 0))
		return false;
	finding->missing = -1;
	finding->value /= reference;
	return true;
}

static void look_compare(const struct term *term, struct finding *finding)
{
	finding->bound = term->level;
	finding->holds = term->below ? finding->value < term->level : finding->value > term->level;
}

static void look_steps(const struct term *term, struct finding *finding)
{
	while (finding->reached < term->steps_n && finding->value > term->steps[finding->reached])
		finding->reached++;
	finding->holds = finding->reached > 0;
}

/* So much over what it is compared with; without a size, over it at all. */
static bool exceeds(const struct term *term, double value, double bound)
{
	double more = term->is_share ? bound * term->level : term->level;

	return more > 0 ? value >= bound + more : value > bound;
}

static void add_to_mean(struct mean_slot slots[MEAN_SLOTS], uint64_t slot, double value)
{
	struct mean_slot *at = &slots[slot % MEAN_SLOTS];

	if (at->slot != slot)
		*at = (struct mean_slot){ .slot = slot };
	at->sum += value;
	at->n++;
}

static uint32_t mean_of(const struct mean_slot slots[MEAN_SLOTS], uint64_t slot, double *ret)
{
	uint32_t n = 0;
	double sum = 0;

	for (size_t i = 0; i < MEAN_SLOTS; i++) {
		if (slots[i].n == 0 || slots[i].slot + MEAN_SLOTS <= slot)
			continue;
		sum += slots[i].sum;
		n += slots[i].n;
	}
	*ret = n > 0 ? sum / n : NAN;
	return n;
}

static void look_growth(const struct term *term, struct term_state *state,
			const struct condition_input *input, struct finding *finding)
{
	uint64_t slot = input->now_ns / (term->over_ns / MEAN_SLOTS);
	uint32_t n = 0;

	finding->young = true;
	if (state == NULL)
		return;
	n = mean_of(state->mean.slots, slot, &finding->bound);
	if (n == 0)
		state->mean.since_ns = input->now_ns;
	add_to_mean(state->mean.slots, slot, finding->value);
	finding->young =
		n < MEAN_VALUES_MIN || input->now_ns - state->mean.since_ns < term->over_ns / 2;
	finding->holds = !finding->young && exceeds(term, finding->value, finding->bound);
	finding->span_ns = finding->young || finding->holds ? term->over_ns : 0;
}

static void look_max(const struct term *term, struct term_state *state,
		     const struct condition_input *input, struct finding *finding)
{
	bool old;

	finding->young = state == NULL || !state->begun;
	if (state == NULL)
		return;
	finding->bound = state->max.mark;
	finding->holds = state->begun && exceeds(term, finding->value, state->max.mark);
	old = state->begun && term->over_ns > 0 &&
	      input->now_ns - state->max.marked_ns >= term->over_ns;
	if (finding->young || finding->holds || old) {
		state->max.mark = finding->value;
		state->max.marked_ns = input->now_ns;
	}
	state->begun = true;
}

static void look_eta(const struct term *term, const struct condition_input *input,
		     struct finding *finding)
{
	if (!input->fresh || input->isolate == NULL)
		return;
	if (!eta_has_limit(input->target, input->isolate))
		finding->missing = value_find("heap_limit");
	finding->value = eta_of(input->target, input->isolate);
	finding->bound = term->level;
	finding->known = isfinite(finding->value);
	finding->young = !leak_is_judged(&input->isolate->leak);
	finding->holds = finding->known && finding->value < term->level;
	finding->span_ns = series_window_ns(
		&input->isolate->series, finding->holds ? eta_window(input->isolate) : WINDOW_SLOW);
}

static void look_leak(const struct term *term, const struct condition_input *input,
		      struct finding *finding)
{
	if (!input->fresh || input->isolate == NULL)
		return;
	leak_when_look(&term->leak, input->target, input->isolate, &finding->leak);
	finding->holds = finding->leak.holds;
	finding->value = finding->leak.slope;
	finding->known = !isnan(finding->value);
	finding->span_ns = finding->leak.span_ns;
	finding->young = !leak_is_judged(&input->isolate->leak);
}

/* ---- leaves that wait for something to happen ---- */

/* What was before the first evaluation of the rule is no news, nor is its first connection. */
static void begin_events(struct term_state *state, const struct condition_input *input)
{
	const struct target *target = input->target;

	state->begun = true;
	if (!input->first)
		return;
	state->seen[0] = target->ups > 0 ? target->ups : 1;
	state->seen[1] = target->downs;
	state->seen[2] = target->restarts;
}

/*
 * That a program is there is news only once its values are: what stands beside in an all_of wants
 * to see them.
 */
static void look_on(const struct term *term, struct term_state *state,
		    const struct condition_input *input, struct finding *finding)
{
	const struct target *target = input->target;
	const uint64_t now[EVENTS] = { target->ups, target->downs, target->restarts };
	bool up = target->state == TARGET_UP;

	finding->young = state == NULL;
	if (state == NULL)
		return;
	if (!state->begun)
		begin_events(state, input);
	for (unsigned i = 0; i < EVENTS; i++) {
		bool is_news = now[i] > state->seen[i];

		if (is_news && (1u << i) != EVENT_DOWN && !up)
			continue;
		if (is_news)
			state->seen[i] = now[i];
		if (is_news && (term->events & 1u << i) != 0)
			finding->events |= 1u << i;
	}
	finding->holds = finding->events != 0;
}

static void look_every(const struct term *term, struct term_state *state,
		       const struct condition_input *input, struct finding *finding)
{
	int64_t every_ms = (int64_t)(term->every_ns / NS_PER_MS);
	/* Each target has a time of its own, so that not all are captured at once. */
	uint64_t phase = fnv1a_text(FNV1A_FIRST, input->target->spec.name);
	int64_t phase_ms = (int64_t)(phase % (uint64_t)every_ms);
	int64_t slot = ((int64_t)(input->now_ns / NS_PER_MS) + phase_ms) / every_ms;

	finding->young = state == NULL || !state->begun;
	if (state == NULL)
		return;
	finding->holds = state->begun && slot > state->slot;
	state->slot = slot;
	state->begun = true;
}

/* Since the last look. */
static bool clock_jumped(const struct term_state *state, const struct condition_input *input)
{
	int64_t passed_ms = (int64_t)((input->now_ns - state->calendar.seen_ns) / NS_PER_MS);
	int64_t jump_ms = input->wall_ms - state->calendar.seen_ms - passed_ms;

	return jump_ms > CLOCK_JUMP_MS || jump_ms < -CLOCK_JUMP_MS;
}

/*
 * Times that a clock jumps over have not come. Where it is put back by little, what has come does
 * not come again: the next time stays the next.
 */
static void look_calendar(const struct term *term, struct term_state *state,
			  const struct condition_input *input, struct finding *finding)
{
	bool begins = state == NULL || !state->begun;

	finding->young = begins;
	if (state == NULL)
		return;
	begins = begins || clock_jumped(state, input);
	finding->holds = !begins && input->wall_ms >= state->calendar.due_ms;
	if (begins || finding->holds)
		state->calendar.due_ms = calendar_next(&term->calendar, input->wall_ms);
	state->calendar.seen_ms = input->wall_ms;
	state->calendar.seen_ns = input->now_ns;
	state->begun = true;
}

/* ---- the whole ---- */

/* Another program, or another worker of the name: its values are compared with nothing of before.
 */
static void forget_values(const struct condition *condition, struct condition_state *state,
			  const struct condition_input *input)
{
	if (input->isolate == NULL || state->start_ns == input->isolate->start_ns)
		return;
	state->start_ns = input->isolate->start_ns;
	for (size_t i = 0; i < condition->n; i++) {
		if (condition->terms[i].kind == TERM_GROWTH ||
		    condition->terms[i].kind == TERM_NEW_MAX)
			state->terms[i] = (struct term_state){ 0 };
	}
}

static void look_event(const struct term *term, struct term_state *state,
		       const struct condition_input *input, struct finding *finding)
{
	if (term->kind == TERM_ON)
		look_on(term, state, input, finding);
	else if (term->kind == TERM_EVERY)
		look_every(term, state, input, finding);
	else
		look_calendar(term, state, input, finding);
}

static void look_metric(const struct term *term, struct term_state *state,
			const struct condition_input *input, struct finding *finding)
{
	finding->known = read_value(term, input, finding);
	if (!finding->known)
		return;
	if (term->kind == TERM_COMPARE)
		look_compare(term, finding);
	else if (term->kind == TERM_STEPS)
		look_steps(term, finding);
	else if (term->kind == TERM_GROWTH)
		look_growth(term, state, input, finding);
	else
		look_max(term, state, input, finding);
}

void condition_look_events(const struct condition *condition, struct condition_state *state,
			   const struct condition_input *input, struct condition_findings *ret)
{
	for (size_t i = 0; i < condition->n; i++) {
		ret->terms[i] = (struct finding){ .missing = -1, .value = NAN, .bound = NAN };
		if (is_event(&condition->terms[i]))
			look_event(&condition->terms[i], state != NULL ? &state->terms[i] : NULL,
				   input, &ret->terms[i]);
	}
}

void condition_look_values(const struct condition *condition, struct condition_state *state,
			   const struct condition_input *input, struct condition_findings *ret)
{
	if (state != NULL)
		forget_values(condition, state, input);
	for (size_t i = 0; i < condition->n; i++) {
		const struct term *term = &condition->terms[i];

		if (term->metric >= 0)
			look_metric(term, state != NULL ? &state->terms[i] : NULL, input,
				    &ret->terms[i]);
		else if (term->kind == TERM_ETA)
			look_eta(term, input, &ret->terms[i]);
		else if (term->kind == TERM_LEAK)
			look_leak(term, input, &ret->terms[i]);
	}
}

/* ---- steps ---- */

int condition_steps_term(const struct condition *condition)
{
	for (size_t i = 0; i < condition->n; i++) {
		if (condition->terms[i].kind == TERM_STEPS)
			return (int)i;
	}
	return -1;
}

size_t condition_steps(const struct condition *condition)
{
	int i = condition_steps_term(condition);

	return i < 0 ? 1 : condition->terms[i].steps_n;
}

const char *condition_step_text(const struct condition *condition, size_t step)
{
	int i = condition_steps_term(condition);

	return i < 0 ? NULL : condition->terms[i].step_texts.items[step];
}

/* ---- the verdict ---- */

/* What is known of a group while its members come in, the last one first. */
struct fold {
	bool begun, holds;
	int term;
	int leak; /* the first by which it holds, or would if the others did */
};

static bool has_value(const struct condition_findings *findings, int term)
{
	return term >= 0 && findings->terms[term].known;
}

/* The value is that of the first member that has one; of any_of, of the first that holds too. */
static void fold_in(struct fold *group, enum term_kind kind, const struct fold *member,
		    const struct condition_findings *findings)
{
	bool both = kind == TERM_ALL_OF;
	bool held = group->begun && group->holds;
	bool has = has_value(findings, member->term);

	if (has && (both || member->holds || !held || !has_value(findings, group->term)))
		group->term = member->term;
	if (member->holds && member->leak >= 0)
		group->leak = member->leak;
	if (!group->begun)
		group->holds = member->holds;
	else
		group->holds = both ? group->holds && member->holds : group->holds || member->holds;
	group->begun = true;
}

struct condition_verdict condition_verdict(const struct condition *condition,
					   const struct condition_findings *findings, size_t step)
{
	struct fold folds[CONDITION_TERMS_MAX];
	struct condition_verdict verdict = { .term = -1, .value = NAN, .leak = -1 };

	for (size_t i = 0; i < condition->n; i++)
		folds[i] = (struct fold){ .term = -1, .leak = -1 };
	for (size_t i = condition->n; i-- > 0;) {
		const struct term *term = &condition->terms[i];
		const struct finding *finding = &findings->terms[i];

		if (!is_group(term)) {
			folds[i].term = (int)i;
			folds[i].leak = term->kind == TERM_LEAK ? (int)i : -1;
			folds[i].holds =
				term->kind == TERM_STEPS ? finding->reached > step : finding->holds;
			if (folds[i].holds && finding->span_ns > verdict.span_ns)
				verdict.span_ns = finding->span_ns;
		}
		if (term->parent >= 0)
			fold_in(&folds[term->parent], condition->terms[term->parent].kind,
				&folds[i], findings);
	}
	if (condition->n == 0)
		return verdict;
	verdict.holds = folds[0].holds;
	if (verdict.holds)
		verdict.leak = folds[0].leak;
	if (has_value(findings, folds[0].term)) {
		verdict.term = folds[0].term;
		verdict.value = findings->terms[verdict.term].value;
	} else if (verdict.holds) {
		verdict.value = 1;
	}
	return verdict;
}

bool condition_may_hold(const struct condition *condition,
			const struct condition_findings *findings, size_t step, uint64_t seen_ns)
{
	struct condition_findings hopeful = *findings;

	for (size_t i = 0; i < condition->n; i++) {
		if (hopeful.terms[i].span_ns > seen_ns)
			hopeful.terms[i].holds = true;
	}
	return condition_verdict(condition, &hopeful, step).holds;
}

int condition_missing(const struct condition *condition, const struct condition_findings *findings)
{
	int missing[CONDITION_TERMS_MAX];
	bool may_hold[CONDITION_TERMS_MAX] = { false }; /* one of its members */

	for (size_t i = 0; i < condition->n; i++)
		missing[i] = -1;
	for (size_t i = condition->n; i-- > 0;) {
		const struct term *term = &condition->terms[i];

		if (!is_group(term) && value_is_told(findings->terms[i].missing))
			missing[i] = findings->terms[i].missing;
		if (term->kind == TERM_ANY_OF && may_hold[i])
			missing[i] = -1;
		if (term->parent >= 0 && missing[i] >= 0)
			missing[term->parent] = missing[i];
		else if (term->parent >= 0)
			may_hold[term->parent] = true;
	}
	return condition->n > 0 ? missing[0] : -1;
}

/* ---- comparing ---- */

static bool equal_double(double a, double b)
{
	return a <= b && a >= b;
}

static bool equal_steps(const struct term *a, const struct term *b)
{
	if (a->steps_n != b->steps_n)
		return false;
	for (size_t i = 0; i < a->steps_n; i++) {
		if (!equal_double(a->steps[i], b->steps[i]) ||
		    strcmp(a->step_texts.items[i], b->step_texts.items[i]) != 0)
			return false;
	}
	return true;
}

static bool equal_terms(const struct term *a, const struct term *b)
{
	return a->kind == b->kind && a->parent == b->parent && a->metric == b->metric &&
	       a->relative_to == b->relative_to && a->below == b->below &&
	       a->is_share == b->is_share && equal_double(a->level, b->level) &&
	       equal_steps(a, b) && a->over_ns == b->over_ns && a->every_ns == b->every_ns &&
	       a->events == b->events && leak_when_equal(&a->leak, &b->leak) &&
	       calendar_equal(&a->calendar, &b->calendar);
}

bool condition_equal(const struct condition *a, const struct condition *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!equal_terms(&a->terms[i], &b->terms[i]))
			return false;
	}
	return true;
}
