/*
 * heapwatchctl rules test FILE...
 *
 * Reads rule files as the daemon does, and with --samples says of each sample and rule what state
 * the alert is in, and with --explain why. It is the daemon's own evaluation; only captures and
 * their guards have no part in it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/file.h"
#include "util/str.h"
#include "watch/replay.h"
#include "watch/target.h"

enum { TEXT_MAX = 4096 };

#define INTERVAL_DEFAULT_NS (5 * NS_PER_S)

struct report {
	const struct ctl_options *options;
	FILE *out;
	bool begun; /* a line was written */
	bool failed; /* without memory */
};

static int print_problems(const struct problems *problems, struct err *err)
{
	for (size_t i = 0; i < problems->n; i++) {
		struct buf line;

		buf_init(&line, TEXT_MAX);
		show_text(&line, problems->items[i].text);
		fprintf(stderr, "%s\n", buf_text(&line) != NULL ? buf_text(&line) : "?");
		buf_fini(&line);
	}
	err->text[0] = '\0'; /* all is said */
	return CTL_FAILURE;
}

/* ---- one line ---- */

/* Between two samples only what changes is told. */
static bool is_told(const struct replayed *replayed)
{
	return replayed->at_sample || replayed->judged->before != replayed->judged->after;
}

static const char *state_of(const struct judged *judged)
{
	return alert_state_name(judged->after);
}

static void explain(const struct judged *judged, struct buf *buf)
{
	if (judged->over)
		buf_puts(buf,
			 "the rule would have more alerts than its group's limit: it has none");
	else if (judged->unchanged)
		buf_puts(buf, "nobody looks: just back, or being captured");
	else
		condition_explain(&judged->rule->condition, judged->findings, judged->step, buf);
}

/* Firing or pending although the condition does not hold, and the other way round. */
static void put_reason(const struct judged *judged, struct buf *buf)
{
	char text[STR_UNIT_MAX];

	explain(judged, buf);
	if (judged->after == ALERT_PENDING)
		buf_printf(buf, "; waits for %s", str_format_duration(text, judged->rule->for_ns));
	else if (judged->after == ALERT_FIRING && !judged->verdict.holds && !judged->unchanged)
		buf_puts(buf, "; kept firing");
}

static void put_actions(const struct judged *judged, struct buf *buf)
{
	const struct rule_action *actions = judged->rule->actions.items;

	for (size_t i = 0; i < judged->rule->actions.n; i++)
		buf_printf(buf, "%s%s", i > 0 ? ", " : "", rule_action_name(&actions[i]));
}

static void put_line(const struct report *report, const struct replayed *replayed, struct buf *buf)
{
	const struct judged *judged = replayed->judged;
	const char *step = condition_step_text(&judged->rule->condition, judged->step);
	char time[CLOCK_TEXT_MAX];

	buf_printf(buf, "%s ", clock_format(time, replayed->wall_ms));
	show_text(buf, judged->target->spec.name);
	buf_puts(buf, " ");
	show_text(buf, judged->isolate);
	buf_puts(buf, " ");
	show_text(buf, judged->rule->name);
	if (step != NULL)
		buf_printf(buf, "[%s]", step);
	buf_printf(buf, " %s", state_of(judged));
	if (replayed->acts) {
		buf_puts(buf, judged->rule->dry_run ? " (dry run: " : " (asks for: ");
		put_actions(judged, buf);
		buf_puts(buf, ")");
	}
	if (report->options->explain) {
		buf_puts(buf, " | ");
		put_reason(judged, buf);
	}
	buf_puts(buf, "\n");
}

static void put_json(const struct report *report, const struct replayed *replayed, struct buf *buf)
{
	const struct judged *judged = replayed->judged;
	const char *step = condition_step_text(&judged->rule->condition, judged->step);
	char time[CLOCK_TEXT_MAX];
	struct json_writer w;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	json_write_init(&w, buf);
	json_write_object(&w);
	json_member_string(&w, "time", clock_format(time, replayed->wall_ms));
	json_member_string(&w, "target", judged->target->spec.name);
	json_member_string(&w, "isolate", judged->isolate);
	json_member_string(&w, "group", judged->group->name);
	json_member_string(&w, "rule", judged->rule->name);
	if (step != NULL)
		json_member_string(&w, "step", step);
	json_member_string(&w, "state", state_of(judged));
	json_member_bool(&w, "holds", judged->verdict.holds);
	json_member_double(&w, "value", judged->verdict.value);
	json_member_bool(&w, "sample", replayed->at_sample);
	json_member_bool(&w, "acts", replayed->acts);
	if (report->options->explain) {
		put_reason(judged, &text);
		json_member_string(&w, "why", buf_text(&text));
	}
	json_write_object_end(&w);
	buf_fini(&text);
}

static void on_replayed(void *owner, const struct replayed *replayed)
{
	struct report *report = owner;
	struct buf buf;

	if (!is_told(replayed))
		return;
	buf_init(&buf, 16 * TEXT_MAX);
	if (report->options->json != JSON_OFF) {
		buf_puts(&buf, report->begun ? ",\n" : "[\n");
		put_json(report, replayed, &buf);
	} else {
		put_line(report, replayed, &buf);
	}
	report->failed |= buf.error != 0;
	if (buf.error == 0)
		fwrite(buf.data, 1, buf.size, report->out);
	report->begun = true;
	buf_fini(&buf);
}

/* ---- the whole ---- */

static int replay(struct rules *rules, const struct sample_table *table,
		  const struct ctl_options *options, struct err *err)
{
	struct report report = { .options = options, .out = stdout };
	int r = replay_run(rules, table, on_replayed, &report);

	if (r == 0 && options->json != JSON_OFF)
		fputs(report.begun ? "\n]\n" : "[]\n", stdout);
	if (r == 0 && report.failed)
		r = -ENOMEM;
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = -EIO;
	return r == 0 ? CTL_OK : source_fail(err, CTL_FAILURE, r, "%s", strerror(-r));
}

/* Takes the rules. */
static int test_samples(struct rules *rules, const struct ctl_options *options, struct err *err)
{
	struct sample_table table = { 0 };
	struct problems problems;
	char *text = NULL;
	size_t size = 0;
	int r = file_read(options->samples, SAMPLES_BYTES_MAX, &text, &size), exit;

	if (r < 0) {
		rules_free(rules);
		return source_fail(err, CTL_FAILURE, r, "%s: %s", options->samples, strerror(-r));
	}
	problems_init(&problems);
	r = samples_parse(&table, text, size, options->samples, &problems);
	free(text);
	if (r == 0) {
		exit = replay(rules, &table, options, err);
	} else {
		rules_free(rules);
		exit = r == -EINVAL ? print_problems(&problems, err)
				    : source_fail(err, CTL_FAILURE, r, "%s", strerror(-r));
	}
	samples_fini(&table);
	problems_fini(&problems);
	return exit;
}

static int list_rules(const struct rules *rules, const struct ctl_options *options)
{
	for (size_t g = 0; g < rules->groups_n && !options->quiet; g++) {
		for (size_t i = 0; i < rules->groups[g].rules_n; i++) {
			const struct rule *rule = &rules->groups[g].rules[i];
			struct buf line;

			buf_init(&line, TEXT_MAX);
			show_text(&line, rule->name);
			buf_puts(&line, ": ");
			rule_describe(rule, &line);
			printf("%s\n", buf_text(&line) != NULL ? buf_text(&line) : "?");
			buf_fini(&line);
		}
	}
	return fflush(stdout) == 0 ? CTL_OK : CTL_FAILURE;
}

int command_rules(struct source *source, const struct ctl_options *options, struct err *err)
{
	const struct text_list files = { .items = options->args + 1, .n = options->args_n - 1 };
	struct rules *rules = NULL;
	struct problems problems;
	int r, exit;

	(void)source;
	if (strcmp(options->args[0], "test") != 0)
		return source_fail(err, CTL_USAGE, -EINVAL, "rules: '%.64s' is not test",
				   options->args[0]);
	problems_init(&problems);
	r = rules_load(&rules, &files, INTERVAL_DEFAULT_NS, &problems);
	if (r == -EINVAL)
		exit = print_problems(&problems, err);
	else if (r < 0)
		exit = source_fail(err, CTL_FAILURE, r, "%s", strerror(-r));
	else if (options->samples != NULL)
		exit = test_samples(rules, options, err);
	else
		exit = list_rules(rules, options);
	if (r == 0 && options->samples == NULL)
		rules_free(rules);
	problems_fini(&problems);
	return exit;
}
