/*
 * POST /api/v1/rules/eval: rules tried on what is known now.
 *
 * The conditions are judged by the alerts' own look and the actions by the captures' own guards, so
 * that the answer is what would have happened; but nothing does.
 */

#include "http/api.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/guard.h"
#include "http/server.h"
#include "http/view.h"
#include "util/clock.h"
#include "util/err.h"
#include "watch/alert.h"
#include "watch/target.h"

enum { EVAL_RULES_MAX = 50, EVAL_TEXT_MAX = 16 << 10, EVAL_COMPLAINTS_MAX = 32 << 10 };

#define INTERVAL_NS (5 * NS_PER_S)

/* One isolate as one rule sees it. */
struct subject {
	const struct http_view *view;
	const struct rule *rule;
	const struct target *target;
	const struct isolate *isolate; /* NULL: the target has none */
	struct condition_findings findings;
};

static const char *isolate_name(const struct subject *subject)
{
	return subject->isolate != NULL ? subject->isolate->name : "main";
}

/* ---- what it would do ---- */

static void write_action(struct json_writer *w, const struct subject *subject, size_t step,
			 const struct rule_action *action)
{
	const struct capture_request request = {
		.target_id = subject->target->id,
		.kind = action->kind,
		.isolate = isolate_name(subject),
		.rule = subject->rule->name,
		.step = condition_step_text(&subject->rule->condition, step),
		.guards = &subject->rule->guards,
		.recipe = &action->recipe,
		.series = &action->series,
		.dry_run = subject->rule->dry_run,
	};
	struct err err = { .text = "" };
	enum capture_refusal refusal =
		guard_judge(subject->view->captures, subject->target, &request, &err);

	json_write_object(w);
	json_member_string(w, "action", rule_action_name(action));
	json_member_string(w, "guard", capture_refusal_name(refusal));
	json_member_string(w, "text", err.text);
	json_write_object_end(w);
}

static void write_actions(struct json_writer *w, const struct subject *subject, size_t step)
{
	const struct rule_action *actions = subject->rule->actions.items;

	json_write_key(w, "actions");
	json_write_array(w);
	for (size_t i = 0; i < subject->rule->actions.n; i++)
		write_action(w, subject, step, &actions[i]);
	json_write_array_end(w);
}

/* ---- what it finds ---- */

static void write_step(struct json_writer *w, const struct subject *subject, size_t step)
{
	const struct condition *condition = &subject->rule->condition;
	struct condition_verdict verdict = condition_verdict(condition, &subject->findings, step);
	const char *name = condition_step_text(condition, step);
	char value[STR_UNIT_MAX];
	struct buf why;

	buf_init(&why, EVAL_TEXT_MAX);
	condition_explain(condition, &subject->findings, step, &why);
	json_write_object(w);
	json_member_string(w, "target", subject->target->spec.name);
	json_member_string(w, "isolate", isolate_name(subject));
	if (name != NULL)
		json_member_string(w, "step", name);
	json_member_bool(w, "holds", verdict.holds);
	json_member_double(w, "value", verdict.value);
	json_member_string(w, "shown",
			   condition_format_value(condition, verdict.term, verdict.value, value));
	json_member_string(w, "why", buf_text(&why));
	json_member_bool(
		w, "judged",
		alerts_may_look(subject->target, subject->isolate, subject->view->loop->now_ns));
	write_actions(w, subject, step);
	json_write_object_end(w);
	buf_fini(&why);
}

static void write_isolate(struct json_writer *w, struct subject *subject)
{
	alerts_look(subject->view->alerts, subject->rule, subject->target, subject->isolate,
		    &subject->findings);
	for (size_t step = 0; step < condition_steps(&subject->rule->condition); step++)
		write_step(w, subject, step);
}

static void write_target(struct json_writer *w, struct subject *subject)
{
	const struct isolate *main = target_main_isolate(subject->target);
	bool of_target = condition_is_of_target(&subject->rule->condition);

	subject->isolate = NULL;
	if (main == NULL)
		write_isolate(w, subject);
	list_each (at, &subject->target->isolates) {
		subject->isolate = container_of(at, struct isolate, link);
		if (!of_target || subject->isolate == main)
			write_isolate(w, subject);
	}
}

static const char *get_label(const void *thing, const char *name)
{
	return target_label(thing, name);
}

static void write_rule(struct json_writer *w, const struct http_view *view, const struct rule *rule,
		       const struct target *only)
{
	struct subject subject = { .view = view, .rule = rule };
	struct buf query;

	buf_init(&query, EVAL_TEXT_MAX);
	rule_describe(rule, &query);
	json_write_object(w);
	json_member_string(w, "name", rule->name);
	json_member_string(w, "query", buf_text(&query));
	json_write_key(w, "results");
	json_write_array(w);
	list_each (at, &view->targets->list) {
		subject.target = container_of(at, struct target, link);
		if ((only == NULL || only == subject.target) &&
		    matchers_match(rule->matchers, get_label, subject.target))
			write_target(w, &subject);
	}
	json_write_array_end(w);
	json_write_object_end(w);
	buf_fini(&query);
}

/* ---- the request ---- */

static int answer(struct http_exchange *exchange, const struct http_view *view,
		  const struct rules *rules, const struct target *only)
{
	struct api_answer answer;
	struct json_writer *w = &answer.json;

	api_begin(&answer);
	json_write_object(w);
	json_write_key(w, "rules");
	json_write_array(w);
	for (size_t g = 0; g < rules->groups_n; g++) {
		for (size_t i = 0; i < rules->groups[g].rules_n; i++)
			write_rule(w, view, &rules->groups[g].rules[i], only);
	}
	json_write_array_end(w);
	json_write_object_end(w);
	return api_finish(&answer, exchange, 200);
}

static int answer_problems(struct http_exchange *exchange, const struct problems *problems)
{
	struct buf text;
	int r;

	buf_init(&text, EVAL_COMPLAINTS_MAX);
	problems_print(problems, &text);
	while (text.size > 0 && text.data[text.size - 1] == '\n')
		text.size--;
	r = http_answer_error(exchange, 400, NULL, "%s",
			      buf_text(&text) != NULL ? buf_text(&text) : problems->items[0].text);
	buf_fini(&text);
	return r;
}

static size_t count(const struct rules *rules)
{
	size_t n = 0;

	for (size_t g = 0; g < rules->groups_n; g++)
		n += rules->groups[g].rules_n;
	return n;
}

int api_rules_eval(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const char *name = http_argument(exchange, "target");
	const struct target *only = name != NULL ? targets_find_name(view->targets, name) : NULL;
	struct problems problems;
	struct rules *rules;
	const char *body;
	size_t size;
	int r;

	if (name != NULL && only == NULL)
		return http_answer_error(exchange, 404, NULL, "no target has this name");
	rules = calloc(1, sizeof(*rules));
	if (rules == NULL)
		return -ENOMEM;
	body = http_body(exchange, &size);
	problems_init(&problems);
	r = rules_parse(rules, body, size, "body", INTERVAL_NS, &problems);
	if (r == -EINVAL)
		r = answer_problems(exchange, &problems);
	else if (r == 0 && count(rules) == 0)
		r = http_answer_error(exchange, 400, NULL, "there is no rule in the body");
	else if (r == 0 && count(rules) > EVAL_RULES_MAX)
		r = http_answer_error(exchange, 400, NULL, "more than %d rules", EVAL_RULES_MAX);
	else if (r == 0)
		r = answer(exchange, view, rules, only);
	problems_fini(&problems);
	rules_free(rules);
	return r;
}
