/*
 * From a condition as it is written to a tree of terms
 *
 * The option tables have read the texts; what one value cannot tell by itself is checked here.
 * Groups are walked with a stack of their own, so that the terms come in preorder and the depth of
 * a file is bounded by a number and not by our stack. Nothing stops at the first mistake.
 */

#include "watch/condition.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/err.h"
#include "watch/place.h"
#include "watch/threshold.h"
#include "watch/value.h"

enum { VALUES_MAX = 64, STEP_BYTES_MAX = 32 };

/* ---- which kind it is ---- */

/* A condition has one of these; only metric has more beside it. */
static const struct {
	const char *name;
	enum term_kind kind;
} heads[] = {
	{ "all_of", TERM_ALL_OF }, { "any_of", TERM_ANY_OF },  { "leak", TERM_LEAK },
	{ "on", TERM_ON },         { "every", TERM_EVERY },    { "on_calendar", TERM_CALENDAR },
	{ "eta_below", TERM_ETA }, { "metric", TERM_COMPARE },
};

/* What is said of a metric. */
static const struct {
	const char *name;
	enum term_kind kind;
} verbs[] = {
	{ "above", TERM_COMPARE }, { "below", TERM_COMPARE },   { "steps", TERM_STEPS },
	{ "growth", TERM_GROWTH }, { "new_max", TERM_NEW_MAX },
};

enum { HEADS = sizeof(heads) / sizeof(heads[0]), VERBS = sizeof(verbs) / sizeof(verbs[0]) };

/* One condition on its way to a term. */
struct draft {
	struct place *place;
	const struct node *node;
	struct condition_text *text;
	char member[PLACE_PATH_MAX]; /* its path from the rule */
	struct term *term;
};

static bool given(const struct draft *draft, const char *name)
{
	return node_member(draft->node, name) != NULL;
}

/* The path of one of its members. */
static char *path_of(const struct draft *draft, const char *name, char dst[PLACE_PATH_MAX])
{
	snprintf(dst, PLACE_PATH_MAX, "%.120s%s%.60s", draft->member, name[0] ? "." : "", name);
	return dst;
}

static void refuse_others(const struct draft *draft, const char *head)
{
	static const char *const others[] = { "relative_to", "above",     "below",  "steps",
					      "growth",      "mean_over", "new_max" };
	char path[PLACE_PATH_MAX];

	for (size_t i = HEADS; i-- > 0;) {
		if (strcmp(heads[i].name, head) != 0 && given(draft, heads[i].name))
			place_complain(draft->place, path_of(draft, heads[i].name, path),
				       "does not go with %s", head);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (given(draft, others[i]))
			place_complain(draft->place, path_of(draft, others[i], path),
				       "does not go with %s", head);
	}
}

/* ---- values ---- */

static const char *closest_value(const char *name)
{
	const char *names[VALUES_MAX];
	size_t n = 0;

	for (; n < VALUES_MAX && value_at((int)n) != NULL; n++)
		names[n] = value_at((int)n)->name;
	return str_closest(name, names, n);
}

static int find_value(const struct draft *draft, const char *member, const char *name)
{
	int index = value_find(name);
	char shown[SHOWN_MAX], path[PLACE_PATH_MAX];
	const char *meant;

	if (index >= 0)
		return index;
	meant = closest_value(name);
	problem_shown(shown, name);
	path_of(draft, member, path);
	if (meant != NULL)
		place_complain(draft->place, path, "'%s' is no metric (did you mean '%s'?)", shown,
			       meant);
	else
		place_complain(draft->place, path, "'%s' is no metric a rule can look at", shown);
	return -1;
}

static void read_reference(const struct draft *draft)
{
	const struct condition_text *text = draft->text;
	struct term *term = draft->term;
	char path[PLACE_PATH_MAX];

	if (text->relative_to == NULL)
		return;
	term->relative_to = find_value(draft, "relative_to", text->relative_to);
	if (term->relative_to < 0 || term->metric < 0)
		return;
	path_of(draft, "relative_to", path);
	if (term->relative_to == term->metric)
		place_complain(draft->place, path, "'%s' relative to itself is always 100%%",
			       text->metric);
	else if (value_at(term->relative_to)->unit != value_at(term->metric)->unit)
		place_complain(draft->place, path,
			       "'%s' has another unit than '%s', the two cannot be compared",
			       text->relative_to, text->metric);
}

/* ---- what is said of a metric ---- */

/* A key that is given with a value that did not pass is not missing: hence the nodes. */
static size_t find_verb(const struct draft *draft)
{
	size_t found = VERBS;
	char path[PLACE_PATH_MAX];

	for (size_t i = 0; i < VERBS; i++) {
		if (!given(draft, verbs[i].name))
			continue;
		if (found < VERBS) {
			place_complain(draft->place, path_of(draft, verbs[i].name, path),
				       "either %s or %s, not both", verbs[found].name,
				       verbs[i].name);
			return VERBS;
		}
		found = i;
	}
	if (found == VERBS)
		place_complain(draft->place, path_of(draft, "", path),
			       "needs above or below, steps, growth or new_max");
	return found;
}

/* Of what a level is compared with; not without a metric. */
static enum value_unit unit_of(const struct draft *draft)
{
	return draft->text->relative_to != NULL ? VALUE_RATIO : value_at(draft->term->metric)->unit;
}

/* The unit is unknown when the metric is: then the level is not judged. */
static double read_level(const struct draft *draft, const char *member, const char *text,
			 bool may_be_share)
{
	size_t size = strlen(text);
	bool share = may_be_share && size > 0 && text[size - 1] == '%';
	struct err err = { 0 };
	char path[PLACE_PATH_MAX];
	double value = NAN; /* what did not pass is compared with nothing */

	if (draft->term->metric < 0)
		return value;
	draft->term->is_share = share;
	if (threshold_parse(text, share ? VALUE_RATIO : unit_of(draft), &value, &err) < 0)
		place_complain(draft->place, path_of(draft, member, path), "%s", err.text);
	return value;
}

static void take_text(struct term *term, char **text)
{
	term->text = *text;
	*text = NULL;
}

static bool is_empty_list(const struct node *node)
{
	return node->kind == NODE_LIST && node->children_n == 0;
}

static int join_texts(struct term *term)
{
	struct buf buf;

	buf_init(&buf, 1 << 10);
	buf_puts(&buf, "[");
	for (size_t i = 0; i < term->step_texts.n; i++)
		buf_printf(&buf, "%s%.64s", i > 0 ? ", " : "", term->step_texts.items[i]);
	buf_append(&buf, "]", 2);
	if (buf.error == 0)
		term->text = buf_take(&buf, NULL);
	buf_fini(&buf);
	return term->text != NULL ? 0 : -ENOMEM;
}

static int read_steps(const struct draft *draft)
{
	struct text_list *texts = &draft->text->steps;
	struct term *term = draft->term;
	char member[32], path[PLACE_PATH_MAX];

	if (is_empty_list(node_member(draft->node, "steps")))
		place_complain(draft->place, path_of(draft, "steps", path), "needs a level");
	for (size_t i = 0; i < texts->n && i < CONDITION_STEPS_MAX; i++) {
		snprintf(member, sizeof(member), "steps[%zu]", i);
		term->steps[i] = read_level(draft, member, texts->items[i], false);
		if (i > 0 && term->steps[i] <= term->steps[i - 1])
			place_complain(draft->place, path_of(draft, member, path),
				       "%s is not above %s, the step before it", texts->items[i],
				       texts->items[i - 1]);
		if (strlen(texts->items[i]) >= STEP_BYTES_MAX)
			place_complain(draft->place, path_of(draft, member, path),
				       "longer than %d bytes", STEP_BYTES_MAX - 1);
		term->steps_n++;
	}
	term->step_texts = *texts;
	*texts = (struct text_list){ 0 };
	return join_texts(term);
}

static int read_metric(const struct draft *draft)
{
	struct condition_text *text = draft->text;
	struct term *term = draft->term;
	char path[PLACE_PATH_MAX];
	size_t verb;

	if (!given(draft, "metric"))
		place_complain(draft->place, path_of(draft, "", path),
			       "missing required key 'metric'");
	term->metric = text->metric ? find_value(draft, "metric", text->metric) : -1;
	read_reference(draft);
	verb = find_verb(draft);
	if (given(draft, "mean_over") && !given(draft, "growth"))
		place_complain(draft->place, path_of(draft, "mean_over", path), "goes with growth");
	if (verb == VERBS)
		return 0;
	term->kind = verbs[verb].kind;
	term->below = strcmp(verbs[verb].name, "below") == 0;
	if (term->kind == TERM_STEPS)
		return read_steps(draft);
	if (term->kind == TERM_NEW_MAX) {
		term->over_ns = text->new_max.reset_after_ns;
		if (text->new_max.by != NULL)
			term->level = read_level(draft, "new_max.by", text->new_max.by, true);
		take_text(term, &text->new_max.by);
		return 0;
	}
	if (term->kind == TERM_GROWTH) {
		term->over_ns = text->mean_over_ns;
		if (text->growth != NULL)
			term->level = read_level(draft, "growth", text->growth, true);
		take_text(term, &text->growth);
		return 0;
	}
	if (term->below ? text->below != NULL : text->above != NULL) {
		term->level = read_level(draft, verbs[verb].name,
					 term->below ? text->below : text->above, false);
		take_text(term, term->below ? &text->below : &text->above);
	}
	return 0;
}

/* ---- the others ---- */

static void read_events(const struct draft *draft)
{
	static const char *const names[EVENTS] = { "target_up", "target_down", "restart" };
	const struct text_list *on = &draft->text->on;
	char path[PLACE_PATH_MAX], member[32], shown[SHOWN_MAX];

	if (is_empty_list(node_member(draft->node, "on")))
		place_complain(draft->place, path_of(draft, "on", path), "needs an event");
	for (size_t i = 0; i < on->n; i++) {
		size_t k = 0;
		const char *meant = str_closest(on->items[i], names, EVENTS);

		while (k < EVENTS && strcmp(names[k], on->items[i]) != 0)
			k++;
		if (k < EVENTS) {
			draft->term->events |= 1u << k;
			continue;
		}
		snprintf(member, sizeof(member), "on[%zu]", i);
		place_complain(draft->place, path_of(draft, member, path),
			       "'%s' is not one of target_up, target_down, restart%s%s%s",
			       problem_shown(shown, on->items[i]),
			       meant != NULL ? " (did you mean '" : "", meant != NULL ? meant : "",
			       meant != NULL ? "'?)" : "");
	}
}

static void read_calendar(const struct draft *draft)
{
	struct condition_text *text = draft->text;
	struct err err = { 0 };
	char path[PLACE_PATH_MAX];

	if (text->on_calendar == NULL)
		return; /* a complaint already */
	if (calendar_parse(text->on_calendar, &draft->term->calendar, &err) < 0)
		place_complain(draft->place, path_of(draft, "on_calendar", path), "column %d: %s",
			       err.column, err.text);
	take_text(draft->term, &text->on_calendar);
}

static void read_every(const struct draft *draft)
{
	draft->term->every_ns = draft->text->every_ns;
	if (draft->term->every_ns == 0)
		draft->place->wrong = true; /* it did not pass, which was told */
}

static int read_term(const struct draft *draft)
{
	struct term *term = draft->term;
	size_t head = 0;

	while (head + 1 < HEADS && !given(draft, heads[head].name))
		head++;
	term->kind = heads[head].kind;
	if (term->kind != TERM_COMPARE)
		refuse_others(draft, heads[head].name);
	switch (term->kind) {
	case TERM_ALL_OF:
	case TERM_ANY_OF:
		return 0;
	case TERM_LEAK:
		term->leak = draft->text->leak;
		return 0;
	case TERM_ETA:
		term->level = (double)draft->text->eta_below_ns / NS_PER_S;
		return 0;
	case TERM_ON:
		read_events(draft);
		return 0;
	case TERM_EVERY:
		read_every(draft);
		return 0;
	case TERM_CALENDAR:
		read_calendar(draft);
		return 0;
	default:
		return read_metric(draft);
	}
}

/* ---- the tree ---- */

/* A group whose members are being read. */
struct level {
	int index; /* of the group's term */
	const struct node *list;
	struct item_list *items;
	size_t next;
	char member[PLACE_PATH_MAX];
};

struct walk {
	struct place *place;
	struct condition *condition;
	struct level levels[CONDITION_DEPTH_MAX];
	size_t depth;
};

static int enter_group(struct walk *walk, const struct draft *draft, int index)
{
	bool all = walk->condition->terms[index].kind == TERM_ALL_OF;
	const char *name = all ? "all_of" : "any_of";
	const struct node *list = node_member(draft->node, name);
	char path[PLACE_PATH_MAX];
	struct level *level;

	path_of(draft, name, path);
	if (list->kind != NODE_LIST && !node_is_null(list))
		return 0; /* a complaint already */
	if (list->children_n == 0)
		place_complain(walk->place, path, "needs a condition");
	if (walk->depth == CONDITION_DEPTH_MAX) {
		place_complain(walk->place, path, "groups in groups, more than %d deep",
			       CONDITION_DEPTH_MAX);
		return 0;
	}
	level = &walk->levels[walk->depth++];
	*level = (struct level){
		.index = index,
		.list = list,
		.items = all ? &draft->text->all_of : &draft->text->any_of,
	};
	memcpy(level->member, path, sizeof(level->member));
	return 0;
}

/* One term, and the group it may be. */
static int add(struct walk *walk, const struct node *node, struct condition_text *text,
	       const char *member, int parent)
{
	struct condition *condition = walk->condition;
	struct draft draft = { .place = walk->place, .node = node, .text = text };
	struct term *term;
	int r;

	str_copy(draft.member, sizeof(draft.member), member);
	if (condition->n == CONDITION_TERMS_MAX) {
		place_complain(walk->place, member, "more than %d conditions in one rule",
			       CONDITION_TERMS_MAX);
		return -E2BIG;
	}
	term = &condition->terms[condition->n++];
	*term = (struct term){ .parent = parent, .metric = -1, .relative_to = -1 };
	draft.term = term;
	r = read_term(&draft);
	if (r == 0 && (term->kind == TERM_ALL_OF || term->kind == TERM_ANY_OF))
		r = enter_group(walk, &draft, (int)condition->n - 1);
	return r;
}

static int walk_groups(struct walk *walk)
{
	int r = 0;

	while (r == 0 && walk->depth > 0) {
		struct level *level = &walk->levels[walk->depth - 1];
		struct condition_text *texts = level->items->items;
		char member[PLACE_PATH_MAX];
		size_t i = level->next++;

		if (i >= level->items->n || i >= level->list->children_n) {
			walk->depth--;
			continue;
		}
		if (level->list->children[i].kind != NODE_TABLE)
			continue; /* a complaint already */
		snprintf(member, sizeof(member), "%.160s[%zu]", level->member, i);
		r = add(walk, &level->list->children[i], &texts[i], member, level->index);
	}
	return r;
}

static void check_steps(struct place *place, const char *member, const struct condition *condition)
{
	size_t n = 0;

	for (size_t i = 0; i < condition->n; i++)
		n += condition->terms[i].kind == TERM_STEPS;
	if (n > 1)
		place_complain(place, member, "one list of steps in a rule is enough");
}

int condition_read(struct place *place, const char *member, struct condition_text *text,
		   struct condition *ret)
{
	struct walk walk = { .place = place, .condition = ret };
	int r;

	ret->terms = calloc(CONDITION_TERMS_MAX, sizeof(*ret->terms));
	if (ret->terms == NULL)
		return -ENOMEM;
	r = add(&walk, place_node(place, member), text, member, -1);
	if (r == 0)
		r = walk_groups(&walk);
	if (r == 0)
		check_steps(place, member, ret);
	return r == -E2BIG ? 0 : r;
}
