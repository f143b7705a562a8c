/*
 * Conditions, each kind on a table of samples: what holds when, at the edges, over restarts and
 * over silence. The samples go through the evaluation of the daemon.
 */

#include "watch/replay.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/clock.h"
#include "watch/target.h"

/* Of each sample one character, of each of several steps one, the highest first. */
struct story {
	char states[2048], why[1024], acts[512];
	int64_t wall_ms;
};

static void note(void *owner, const struct replayed *replayed)
{
	static const char marks[] = {
		[ALERT_INACTIVE] = '.', [ALERT_PENDING] = 'p', [ALERT_FIRING] = 'F'
	};
	const struct judged *judged = replayed->judged;
	struct story *story = owner;
	size_t used = strlen(story->states);
	struct buf why;

	if (!replayed->at_sample)
		return;
	if (used > 0 && replayed->wall_ms != story->wall_ms)
		story->states[used++] = ' ';
	cr_assert_lt(used + 1, sizeof(story->states));
	story->states[used] = marks[judged->after];
	story->wall_ms = replayed->wall_ms;
	if (replayed->acts)
		snprintf(story->acts + strlen(story->acts),
			 sizeof(story->acts) - strlen(story->acts), "%lld%s%s ",
			 (long long)(replayed->wall_ms / 1000),
			 condition_step_text(&judged->rule->condition, judged->step) ? "@" : "",
			 condition_step_text(&judged->rule->condition, judged->step) ?: "");
	buf_init(&why, sizeof(story->why));
	condition_explain(&judged->rule->condition, judged->findings, judged->step, &why);
	snprintf(story->why, sizeof(story->why), "%s", buf_text(&why));
	buf_fini(&why);
}

static struct rules *parse(const char *when)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;
	char text[2048];

	snprintf(text, sizeof(text),
		 "groups:\n- name: g\n  interval: 10s\n  rules:\n  - alert: A\n    when: {%s}\n"
		 "    actions: [{capture: snapshot}]\n",
		 when);
	problems_init(&problems);
	cr_assert_eq(rules_parse(rules, text, strlen(text), "r.yaml", 10 * NS_PER_S, &problems), 0,
		     "%s: %s", when, problems.n > 0 ? problems.items[0].text : "");
	problems_fini(&problems);
	return rules;
}

static void play(const char *when, const char *csv, struct story *story)
{
	struct sample_table table;
	struct problems problems;

	*story = (struct story){ 0 };
	problems_init(&problems);
	cr_assert_eq(samples_parse(&table, csv, strlen(csv), "s.csv", &problems), 0, "%s",
		     problems.n > 0 ? problems.items[0].text : "");
	cr_assert_eq(replay_run(parse(when), &table, note, story), 0);
	samples_fini(&table);
	problems_fini(&problems);
}

static void expect(const char *when, const char *csv, const char *states)
{
	struct story story;

	play(when, csv, &story);
	cr_expect_str_eq(story.states, states, "%s\n%sgot:    %s\nwanted: %s\nlast: %s\n", when,
			 csv, story.states, states, story.why);
}

static void expect_why(const char *when, const char *csv, const char *why)
{
	struct story story;

	play(when, csv, &story);
	cr_expect_str_eq(story.why, why);
}

#define HEAP "time,event,heap_used,heap_limit\n"

/* ---- levels ---- */

Test(condition, above_is_not_at)
{
	expect("metric: heap_used, relative_to: heap_limit, above: 80%",
	       HEAP "0,,79,100\n10,,80,100\n20,,81,100\n30,,,100\n40,,81,\n50,,81,0\n",
	       ". . F . . .");
	expect("metric: heap_used, below: 10", HEAP "0,,10,100\n10,,9,100\n", ". F");
}

Test(condition, waiting_and_keeping)
{
	expect("metric: heap_used, above: 10, for: 20s, keep_firing_for: 20s",
	       HEAP "0,,11,\n10,,11,\n20,,11,\n30,,1,\n40,,1,\n50,,1,\n60,,1,\n", "p p F F F . .");
}

/* A silent target is found to be silent between two samples: what waits begins anew. */
Test(condition, missing_samples)
{
	expect("metric: heap_used, above: 10, for: 30s",
	       HEAP "0,,11,\n10,,11,\n20,,11,\n500,,11,\n510,,11,\n540,,11,\n", "p p p p p F");
	expect_why("metric: heap_used, above: 10", HEAP "0,,11,\n10,,,5\n",
		   "heap_used > 10 (no value): no");
}

Test(condition, what_it_is_a_share_of_is_missing)
{
	expect_why("metric: heap_used, relative_to: heap_limit, above: 80%", HEAP "0,,81,\n",
		   "heap_used / heap_limit > 80% (no heap_limit): no");
}

/* ---- steps ---- */

#define STEPS "metric: heap_used, relative_to: heap_limit, steps: [60%, 75%, 90%]"

Test(condition, each_step_by_itself)
{
	struct story story;

	play(STEPS,
	     HEAP "0,,50,100\n10,,61,100\n20,,70,100\n30,,76,100\n40,,91,100\n50,,75,100\n"
		  "60,,60,100\n70,,95,100\n",
	     &story);
	cr_expect_str_eq(story.states, "... ..F ..F .FF FFF ..F ... FFF");
	/* Each captures once; of those reached together the highest does. */
	cr_expect_str_eq(story.acts, "10@60% 30@75% 40@90% 70@90% ");
}

Test(condition, steps_wait_each)
{
	expect(STEPS ", for: 20s",
	       HEAP "0,,61,100\n10,,80,100\n20,,80,100\n30,,80,100\n40,,61,100\n",
	       "..p .pp .pF .FF ..F");
}

/* ---- growth ---- */

#define GROWTH "metric: heap_used, growth: 50%, mean_over: 100s"

Test(condition, growth_over_the_mean)
{
	const char *steady = HEAP "0,,100,\n10,,100,\n20,,100,\n30,,100,\n40,,100,\n50,,149,\n"
				  "60,,170,\n70,,110,\n";

	expect(GROWTH, steady, ". . . . . . F .");
	/* The mean of the last 60 s before it: (5 * 100 + 149 + 170) / 7. */
	expect_why(GROWTH, steady, "heap_used = 110 B, mean 117 B, by 50%: no");
}

Test(condition, growth_needs_a_past)
{
	expect(GROWTH, HEAP "0,,100,\n10,,500,\n20,,500,\n", ". . .");
	expect_why(GROWTH, HEAP "0,,100,\n10,,500,\n", "heap_used = 500 B, too young a mean: no");
}

Test(condition, growth_begins_anew_with_the_program)
{
	expect(GROWTH,
	       HEAP "0,,100,\n10,,100,\n20,,100,\n30,,100,\n40,,100,\n50,,100,\n60,restart,900,\n"
		    "70,,900,\n",
	       ". . . . . . . .");
}

Test(condition, growth_by_a_size)
{
	expect("metric: heap_used, growth: 1KiB, mean_over: 40s",
	       HEAP "0,,100,\n10,,100,\n20,,100,\n30,,1123,\n40,,100,\n50,,1000000,\n",
	       ". . . . . F");
}

/* ---- new maximum ---- */

Test(condition, new_maximum)
{
	expect("metric: heap_used, new_max: {}",
	       HEAP "0,,100,\n10,,100,\n20,,101,\n30,,90,\n40,,101,\n50,,102,\n", ". . F . . F");
	expect("metric: heap_used, new_max: {by: 10%}",
	       HEAP "0,,100,\n10,,109,\n20,,110,\n30,,120,\n40,,121,\n", ". . F . F");
	expect("metric: heap_used, new_max: {by: 10}", HEAP "0,,100,\n10,,109,\n20,,110,\n",
	       ". . F");
}

Test(condition, new_maximum_is_reset)
{
	/* At 60 the mark of 0 is old: 50 is the mark then, and 51 beats it. */
	expect("metric: heap_used, new_max: {reset_after: 60s}",
	       HEAP "0,,100,\n10,,50,\n20,,50,\n30,,50,\n40,,50,\n50,,50,\n60,,50,\n70,,51,\n",
	       ". . . . . . . F");
	expect("metric: heap_used, new_max: {reset_after: 0s}",
	       HEAP "0,,100,\n10,,50,\n20,,50,\n8000,,51,\n", ". . . .");
	expect("metric: heap_used, new_max: {}", HEAP "0,,100,\n10,restart,10,\n20,,11,\n",
	       ". . F");
	expect_why("metric: heap_used, new_max: {}", HEAP "0,,100,\n10,,90,\n",
		   "heap_used = 90 B, maximum 100 B: no");
}

/* ---- events ---- */

Test(condition, what_happens_to_a_target)
{
	const char *csv = "time,event,heap_used\n0,,1\n10,restart,1\n20,,1\n30,target_down,\n40,,\n"
			  "50,target_up,1\n60,,1\n70,target_down restart,1\n";

	expect("on: [restart]", csv, ". F . . . . . F");
	expect("on: [target_down]", csv, ". . . F . . . F");
	expect("on: [target_up]", csv, ". . . . . F . F");
	expect("on: [target_up, target_down, restart]", csv, ". F . F . F . F");
	expect_why("on: [target_up, restart]", "time,event,heap_used\n0,,1\n10,restart,1\n",
		   "on target_up or restart (restart): yes");
}

/* The values of the new program are what stands beside a restart. */
Test(condition, restart_and_a_value)
{
	expect("all_of: [{on: [restart]}, {metric: heap_used, above: 10}]",
	       HEAP "0,,11,\n10,restart,5,\n20,,11,\n30,restart,12,\n40,,12,\n", ". . . F .");
	expect("any_of: [{on: [restart]}, {metric: heap_used, above: 10}]",
	       HEAP "0,,5,\n10,restart,5,\n20,,11,\n", ". F F");
}

Test(condition, every)
{
	char csv[2048] = "time,heap_used\n";
	struct story story;
	size_t fired = 0;

	for (int i = 0; i <= 60; i++)
		snprintf(csv + strlen(csv), sizeof(csv) - strlen(csv), "%d,1\n", 10 * i);
	play("every: 1m", csv, &story);
	for (const char *at = story.states; *at != '\0'; at++)
		fired += *at == 'F';
	cr_expect_eq(fired, 10, "%s", story.states);
}

Test(condition, calendar)
{
	expect("on_calendar: '*:*:30 UTC'", "time,heap_used\n0,1\n20,1\n30,1\n40,1\n80,1\n90,1\n",
	       ". . F . . F");
	expect("on_calendar: '2030-01-01 UTC'", "time,heap_used\n0,1\n1000,1\n", ". .");
}

/* ---- groups ---- */

Test(condition, groups_in_groups)
{
	const char *tree =
		"all_of: [{metric: heap_used, above: 10}, {any_of: [{metric: heap_limit, "
		"above: 100}, {metric: heap_limit, below: 50}]}]";

	expect(tree, HEAP "0,,11,75\n10,,11,101\n20,,11,49\n30,,10,49\n", ". F F .");
	expect_why(tree, HEAP "0,,11,75\n",
		   "heap_used = 11 B > 10: yes and (heap_limit = 75 B > 100: no or heap_limit = "
		   "75 B < 50: no)");
}

Test(condition, steps_in_a_group)
{
	expect("all_of: [{metric: heap_used, steps: [10, 20]}, {metric: heap_limit, above: 5}]",
	       HEAP "0,,25,5\n10,,25,6\n20,,15,6\n", ".. FF .F");
}

static double value_of(const char *when, double used, double limit, int *ret_term)
{
	struct rules *rules = parse(when);
	struct condition *condition = &rules->groups[0].rules[0].condition;
	struct condition_findings findings = { 0 };
	struct condition_verdict verdict;

	for (size_t i = 0; i < condition->n; i++) {
		struct term *term = &condition->terms[i];
		double value = i + 1 == condition->n ? limit : used;

		if (term->metric < 0)
			continue;
		findings.terms[i] = (struct finding){ .known = value >= 0,
						      .value = value,
						      .holds = value > term->level };
	}
	verdict = condition_verdict(condition, &findings, 0);
	*ret_term = verdict.term;
	rules_free(rules);
	return verdict.value;
}

/* all_of shows its first value, any_of the first that holds. */
Test(condition, whose_value_it_is)
{
	const char *all =
		"all_of: [{metric: heap_used, above: 10}, {metric: heap_limit, above: 10}]";
	const char *any =
		"any_of: [{metric: heap_used, above: 10}, {metric: heap_limit, above: 10}]";
	int term;

	cr_expect(value_of(all, 11, 12, &term) == 11 && term == 1);
	cr_expect(value_of(all, -1, 12, &term) == 12 && term == 2);
	cr_expect(value_of(any, 9, 12, &term) == 12 && term == 2);
	cr_expect(value_of(any, 11, 12, &term) == 11 && term == 1);
	cr_expect(value_of(any, 9, 8, &term) == 9 && term == 1);
	cr_expect(value_of(any, -1, -1, &term) != 0 && term == -1);
}

/* ---- forecasts ---- */

/* 10 MB a minute from 100 MB to a limit of 8 GB: at its limit after 13 hours. */
static char *rising(void)
{
	char *csv = NULL;
	size_t size;
	FILE *file = open_memstream(&csv, &size);

	cr_assert_not_null(file);
	fputs("time,heap_used,heap_live,heap_limit\n", file);
	for (int i = 0; i <= 300; i++)
		fprintf(file, "%d,%dMB,%dMB,8GB\n", 60 * i, 100 + 10 * i, 100 + 10 * i);
	fclose(file);
	return csv;
}

Test(condition, leak_and_eta)
{
	char *csv = rising();
	struct story story;

	play("leak: {window: fast, cause: heap}", csv, &story);
	cr_expect_eq(story.states[strlen(story.states) - 1], 'F', "%s", story.why);
	play("eta_below: 10h", csv, &story);
	cr_expect_eq(story.states[strlen(story.states) - 1], 'F', "%s", story.why);
	play("eta_below: 2h", csv, &story);
	cr_expect_eq(story.states[strlen(story.states) - 1], '.', "%s", story.why);
	cr_expect_eq(strncmp(story.why, "limit reached within 2h (in 8h", 30), 0, "%s", story.why);
	play("eta_below: 10h", "time,heap_used\n0,1\n", &story);
	cr_expect_str_eq(story.why, "limit reached within 10h (no heap_limit): no");
	play("eta_below: 10h", "time,heap_used,heap_limit\n0,1,2\n", &story);
	cr_expect_str_eq(story.why, "limit reached within 10h (too young to be judged): no");
	free(csv);
}

/* A heap of a thousand megabytes that grows by 12 an hour, buffers by 60, the rest not at all. */
static char *rising_buffers(void)
{
	char *csv = NULL;
	size_t size;
	FILE *file = open_memstream(&csv, &size);

	cr_assert_not_null(file);
	fputs("time,heap_used,heap_size,external_memory,process_resident_memory\n", file);
	for (int i = 0; i <= 300; i++)
		fprintf(file, "%d,%dkB,%dkB,%dkB,%dkB\n", 60 * i, 1000000 + 200 * i,
			1000000 + 200 * i, 100000 + 1000 * i, 1200000 + 1200 * i);
	fclose(file);
	return csv;
}

static void expect_end(const char *when, const char *csv, char state)
{
	struct story story;

	play(when, csv, &story);
	cr_expect_eq(story.states[strlen(story.states) - 1], state, "%s: %s", when, story.why);
}

Test(condition, leak_of_a_cause_by_a_growth_of_its_own)
{
	char *csv = rising_buffers();

	expect_end("leak: {}", csv, 'F');
	expect_end("leak: {cause: buffers}", csv, 'F');
	expect_end("leak: {cause: buffers, min_growth: 40%}", csv, 'F');
	expect_end("leak: {cause: buffers, min_growth: 50%}", csv, '.');
	expect_end("leak: {cause: heap}", csv, '.');
	expect_end("leak: {cause: heap, min_growth: 2%}", csv, 'F');
	expect_end("leak: {cause: heap, min_growth: 2%, window: slow}", csv, '.');
	expect_end("leak: {cause: native, min_growth: 1%}", csv, '.');
	free(csv);
}

/* ---- tables of samples ---- */

static void expect_bad(const char *csv, const char *wrong)
{
	struct sample_table table;
	struct problems problems;
	struct buf text;

	problems_init(&problems);
	buf_init(&text, 1 << 16);
	cr_expect_eq(samples_parse(&table, csv, strlen(csv), "s.csv", &problems), -22);
	problems_print(&problems, &text);
	cr_expect_str_eq(buf_text(&text), wrong);
	buf_fini(&text);
	samples_fini(&table);
	problems_fini(&problems);
}

Test(samples, mistakes)
{
	expect_bad("", "s.csv:1:1: the header needs a column 'time'\n");
	expect_bad("time,heap_used\n", "s.csv:2:1: there are no samples\n");
	expect_bad("time,heap_usde\n1,2\n",
		   "s.csv:1:6: 'heap_usde' is no column (did you mean 'heap_used'?)\n");
	expect_bad("time,heap_used\nsoon,2\n1,much\n",
		   "s.csv:2:1: 'soon' is no time (RFC 3339, or seconds)\n"
		   "s.csv:3:3: 'much' is not a size (examples: 512MiB, 2GiB, 1048576)\n");
	expect_bad("time,event\n1,exploded\n",
		   "s.csv:2:3: 'exploded' is not target_up, target_down or restart\n");
	expect_bad("time,heap_used\n1,2,3\n",
		   "s.csv:2:5: more cells than the header has columns\n");
	expect_bad("time,heap_used\n1\n", "s.csv:2:1: fewer cells than the header has columns\n");
	expect_bad("time,heap_used\n2,1\n1,1\n", "s.csv:3:1: the time goes back\n");
	expect_bad("time,label:a-b\n1,x\n", "s.csv:1:6: 'a-b' is no name of a label\n");
}

Test(samples, quotes_and_comments)
{
	const char *csv = "# of yesterday\n\ntime,target,isolate,heap_used\r\n"
			  "2026-11-28T10:00:00Z,\"a \"\"b\"\", c\",worker:1,1KiB\r\n";
	struct sample_table table;
	struct problems problems;

	problems_init(&problems);
	cr_assert_eq(samples_parse(&table, csv, strlen(csv), "s.csv", &problems), 0);
	cr_expect_eq(table.n, 1);
	cr_expect_str_eq(table.rows[0].target, "a \"b\", c");
	cr_expect_str_eq(table.rows[0].isolate, "worker:1");
	cr_expect_eq(table.rows[0].wall_ms, 1795860000000);
	cr_expect_float_eq(table.rows[0].values[0], 1024, 0);
	samples_fini(&table);
	problems_fini(&problems);
}
