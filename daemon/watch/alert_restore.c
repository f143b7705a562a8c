/*
 * Alerts over a restart
 *
 * A rule is known again by its file, group and name, and by a hash of its condition: one that asks
 * for something else by now has not raised this alert. What an alert is about is known by the names
 * of target and isolate, which come when they come; until then it waits on the list like any other
 * (alert_eval.c), so that whoever reads the list, or sends it, sees no gap.
 *
 * Nothing in the text is trusted: it may be cut short, of another version, or edited by hand.
 */

#include "watch/alert_restore.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/alert_group.h"

enum { HASH_TEXT_MAX = 17 };

/* No span is longer; it is what a hand may have written. */
static const int64_t span_max_ms = 10ll * 365 * 24 * 3600 * 1000;

/* ---- which rule it was ---- */

static void hash_text(const struct rule *rule, char dst[HASH_TEXT_MAX])
{
	snprintf(dst, HASH_TEXT_MAX, "%016" PRIx64, rule_condition_hash(rule));
}

/* Where a rule stands in the rules of now. */
struct place {
	const struct rule_group *group;
	const struct rule *rule;
	uint64_t rule_id;
};

static bool find_rule(const struct alerts *alerts, const char *file, const char *group,
		      const char *name, struct place *ret)
{
	const struct rules *rules = alerts->rules;

	for (size_t g = 0; rules != NULL && g < rules->groups_n; g++) {
		const struct rule_group *at = &rules->groups[g];

		if (strcmp(at->file, file) != 0 || strcmp(at->name, group) != 0)
			continue;
		for (size_t i = 0; i < at->rules_n; i++) {
			if (strcmp(at->rules[i].name, name) != 0)
				continue;
			*ret = (struct place){
				.group = at,
				.rule = &at->rules[i],
				.rule_id = alerts->statuses[alerts->timers[g].first + i].id,
			};
			return true;
		}
	}
	return false;
}

/* ---- writing ---- */

static void member_labels(struct json_writer *w, const char *key, const struct labels *labels)
{
	json_write_key(w, key);
	json_write_object(w);
	for (size_t i = 0; i < labels->n; i++)
		json_member_string(w, labels->items[i].name, labels->items[i].value);
	json_write_object_end(w);
}

static void member_int(struct json_writer *w, const char *key, int64_t value)
{
	json_write_key(w, key);
	json_write_int(w, value);
}

static void member_program(struct json_writer *w, const char *key, const struct program *program)
{
	json_write_key(w, key);
	json_write_object(w);
	member_int(w, "pid", program->pid);
	member_int(w, "start_wall_ms", program->start_wall_ms);
	member_int(w, "start_mono_ms", program->start_mono_ms);
	json_member_uint(w, "start_ticks", program->start_ticks);
	json_member_string(w, "inspector_id", program->inspector_id);
	json_write_object_end(w);
}

/* 0 for a time that is none. */
static void member_span(struct json_writer *w, const char *key, uint64_t since_ns, uint64_t now_ns)
{
	json_member_uint(w, key, since_ns == 0 ? 0 : (now_ns - since_ns) / NS_PER_MS);
}

static void write_alert(struct json_writer *w, const struct alerts *alerts,
			const struct alert *alert)
{
	uint64_t now_ns = alerts->loop->now_ns;
	uint32_t open = alerts->under_way != NULL ? alerts->under_way(alerts->owner, alert) : 0;
	char condition[HASH_TEXT_MAX];

	hash_text(alert->rule, condition);
	json_write_object(w);
	json_member_string(w, "file", alert->group->file);
	json_member_string(w, "group", alert->group->name);
	json_member_string(w, "rule", alert->rule->name);
	json_member_string(w, "condition", condition);
	json_member_string(w, "target", alert->target);
	json_member_string(w, "isolate", alert->isolate);
	json_member_bool(w, "firing", alert->state == ALERT_FIRING);
	member_int(w, "active_wall_ms", alert->active_since_wall_ms);
	member_int(w, "firing_wall_ms", alert->firing_since_wall_ms);
	member_span(w, "active_ms", alert->active_since_ns, now_ns);
	member_span(w, "firing_ms", alert->firing_since_ns, now_ns);
	json_member_bool(w, "keeping", alert->keeping);
	member_span(w, "kept_ms", alert->keep_since_ns, now_ns);
	json_member_double(w, "value", alert->value);
	json_member_bool(w, "asked", alert->asked);
	json_member_bool(w, "acted", alert->acted && open == 0);
	json_member_uint(w, "done", alert->done & ~open);
	json_member_uint(w, "step", alert->step);
	member_int(w, "term", alert->term);
	json_member_bool(w, "told", alert->told);
	if (alert->span_ns > 0) {
		json_member_uint(w, "span_ms", alert->span_ns / NS_PER_MS);
		member_program(w, "program", &alert->program);
	}
	if (alert->series[0] != '\0')
		json_member_string(w, "series", alert->series);
	if (alert->verdict != NULL)
		json_member_string(w, "verdict", alert->verdict);
	if (alert->verdict_path != NULL)
		json_member_string(w, "verdict_path", alert->verdict_path);
	if (alert->verdict_more != NULL)
		json_member_string(w, "verdict_more", alert->verdict_more);
	if (alert->capture[0] != '\0') {
		json_member_string(w, "capture", alert->capture);
		json_member_string(w, "capture_path", alert->capture_path);
	}
	if (alert->revision > 0)
		json_member_uint(w, "revision", alert->revision);
	member_labels(w, "labels", &alert->labels);
	member_labels(w, "annotations", &alert->annotations);
	json_write_object_end(w);
}

/* Where the machine does not tell its boots apart, nothing: then the wall clock has to do. */
static void write_boot(struct json_writer *w)
{
	char boot[CLOCK_BOOT_MAX];

	if (clock_boot(boot) < 0)
		return;
	json_member_string(w, "boot", boot);
	json_member_uint(w, "written_boot_ms", clock_boot_ns() / NS_PER_MS);
}

int alerts_text(const struct alerts *alerts, char **ret, size_t *ret_size)
{
	struct json_writer w;
	struct buf buf;
	int r;

	buf_init(&buf, ALERT_RESTORE_BYTES_MAX);
	json_write_init(&w, &buf);
	json_write_object(&w);
	json_member_uint(&w, "version", ALERT_RESTORE_VERSION);
	member_int(&w, "written_ms", clock_wall_ms());
	write_boot(&w);
	json_write_key(&w, "alerts");
	json_write_array(&w);
	list_each (at, &alerts->list)
		write_alert(&w, alerts, container_of(at, struct alert, link));
	json_write_array_end(&w);
	json_write_key(&w, "ended");
	json_write_array(&w);
	if (alerts->write_ended != NULL)
		alerts->write_ended(alerts->owner, &w);
	json_write_array_end(&w);
	json_write_object_end(&w);
	r = buf_puts(&buf, "\n");
	if (r == 0)
		*ret = buf_take(&buf, ret_size);
	buf_fini(&buf);
	return r;
}

/* ---- reading ---- */

/* The monotonic time a span ago; it may lie before that clock began, only differences count. */
static bool read_span(const struct tree *node, const char *name, uint64_t now_ns, uint64_t *ret_ns)
{
	int64_t ms;

	if (!tree_int(node, name, &ms) || ms < 0 || ms > span_max_ms)
		return false;
	*ret_ns = now_ns - (uint64_t)ms * NS_PER_MS;
	return true;
}

static bool read_times(const struct tree *node, struct alert *alert, uint64_t now_ns)
{
	bool firing;

	if (!tree_bool(node, "firing", &firing) ||
	    !tree_int(node, "active_wall_ms", &alert->active_since_wall_ms) ||
	    !tree_int(node, "firing_wall_ms", &alert->firing_since_wall_ms) ||
	    !read_span(node, "active_ms", now_ns, &alert->active_since_ns) ||
	    !tree_bool(node, "keeping", &alert->keeping))
		return false;
	alert->state = firing ? ALERT_FIRING : ALERT_PENDING;
	if (firing && !read_span(node, "firing_ms", now_ns, &alert->firing_since_ns))
		return false;
	return !alert->keeping || read_span(node, "kept_ms", now_ns, &alert->keep_since_ns);
}

/* NULL where it is absent. 0, -ENOMEM. */
static int read_text(const struct tree *node, const char *name, char **ret)
{
	const char *text;

	*ret = NULL;
	if (!tree_string(node, name, &text))
		return 0;
	*ret = strdup(text);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* Each may be absent. */
static int read_series(const struct tree *node, struct alert *alert)
{
	const char *text;
	int r;

	if (tree_string(node, "series", &text) &&
	    !str_copy(alert->series, sizeof(alert->series), text))
		return -EBADMSG;
	r = read_text(node, "verdict", &alert->verdict);
	if (r == 0)
		r = read_text(node, "verdict_path", &alert->verdict_path);
	if (r == 0)
		r = read_text(node, "verdict_more", &alert->verdict_more);
	return r;
}

/* Id and path, or none of both. 0; -EBADMSG, -ENOMEM. */
static int read_capture(const struct tree *node, struct alert *alert)
{
	const char *id, *path;
	uint64_t revision;

	if (tree_uint(node, "revision", &revision))
		alert->revision = (uint32_t)revision;
	if (tree_get(node, "capture") == NULL)
		return 0;
	if (!tree_string(node, "capture", &id) || !tree_string(node, "capture_path", &path) ||
	    !str_copy(alert->capture, sizeof(alert->capture), id) || id[0] == '\0')
		return -EBADMSG;
	alert->capture_path = strdup(path);
	return alert->capture_path != NULL ? 0 : -ENOMEM;
}

/* Absent of what needs no past. False: it makes no sense. */
static bool read_past(const struct tree *node, struct alert *alert)
{
	struct program *program = &alert->program;
	const char *id;
	int64_t span_ms;

	if (tree_get(node, "span_ms") == NULL)
		return true;
	if (!tree_int(node, "span_ms", &span_ms) || span_ms < 0 || span_ms > span_max_ms ||
	    !tree_int(node, "program.pid", &program->pid) ||
	    !tree_int(node, "program.start_wall_ms", &program->start_wall_ms) ||
	    !tree_int(node, "program.start_mono_ms", &program->start_mono_ms) ||
	    !tree_uint(node, "program.start_ticks", &program->start_ticks) ||
	    !tree_string(node, "program.inspector_id", &id))
		return false;
	alert->span_ns = (uint64_t)span_ms * NS_PER_MS;
	return str_copy(program->inspector_id, sizeof(program->inspector_id), id);
}

/* What it says; without rule. -EBADMSG when it makes no sense. */
static int read_alert(const struct tree *node, struct alert *alert, uint64_t now_ns)
{
	const char *target, *isolate;
	uint64_t done, step;
	int64_t term;
	int r;

	if (!tree_string(node, "target", &target) || !tree_string(node, "isolate", &isolate) ||
	    !str_copy(alert->target, sizeof(alert->target), target) ||
	    !str_copy(alert->isolate, sizeof(alert->isolate), isolate) ||
	    !read_times(node, alert, now_ns) || !tree_bool(node, "asked", &alert->asked) ||
	    !tree_bool(node, "acted", &alert->acted) || !tree_bool(node, "told", &alert->told) ||
	    !tree_uint(node, "done", &done) || done > UINT32_MAX ||
	    !tree_uint(node, "step", &step) || !tree_int(node, "term", &term) || term < -1 ||
	    term > INT_MAX || !read_past(node, alert))
		return -EBADMSG;
	r = read_series(node, alert);
	if (r == 0)
		r = read_capture(node, alert);
	if (r < 0)
		return r;
	alert->term = (int)term;
	alert->done = (uint32_t)done;
	alert->step = step;
	if (!tree_double(node, "value", &alert->value))
		alert->value = NAN; /* which JSON cannot write */
	r = labels_read(&alert->labels, tree_get(node, "labels"));
	if (r == 0)
		r = labels_read(&alert->annotations, tree_get(node, "annotations"));
	return r == -ENOMEM ? r : r < 0 ? -EBADMSG : 0;
}

/* False: it is gone, or asks for something else. */
static bool find_place(const struct alerts *alerts, const struct tree *node, struct place *ret)
{
	const char *file, *group, *rule, *condition;
	char now[HASH_TEXT_MAX];

	if (!(tree_string(node, "file", &file) && tree_string(node, "group", &group) &&
	      tree_string(node, "rule", &rule) && tree_string(node, "condition", &condition) &&
	      find_rule(alerts, file, group, rule, ret)))
		return false;
	hash_text(ret->rule, now);
	return strcmp(now, condition) == 0;
}

static void end_without_rule(const struct alerts *alerts, struct alert *alert)
{
	log_info("alert", "an alert of %s from before the restart ends: its rule is gone",
		 alert->target);
	if (alert->state == ALERT_FIRING && alerts->on_resolved != NULL) {
		alert->state = ALERT_INACTIVE;
		alerts->on_resolved(alerts->owner, alert);
	}
}

/* 0 also for what is left out. -ENOMEM. */
static int restore_one(struct alerts *alerts, const struct tree *node, uint32_t *n)
{
	struct alert *alert = calloc(1, sizeof(*alert));
	struct place place;
	int r;

	if (alert == NULL)
		return -ENOMEM;
	link_init(&alert->link);
	r = read_alert(node, alert, alerts->loop->now_ns);
	if (r == 0 && find_place(alerts, node, &place) &&
	    alert->step < condition_steps(&place.rule->condition) &&
	    alert->term < (int)place.rule->condition.n) {
		alert->group = place.group;
		alert->rule = place.rule;
		r = alerts_add_restored(alerts, alert, place.rule_id);
		if (r == 0) {
			*n += 1;
			return 0;
		}
	} else if (r == 0) {
		end_without_rule(alerts, alert);
	}
	alert_free(alert);
	return r == -ENOMEM ? r : 0;
}

/*
 * How old the text is. Within one boot by the time since that, also that asleep: setting
 * the wall clock meanwhile neither makes it old nor new. False: nothing is known.
 */
static bool read_age(const struct tree *root, uint64_t *ret_ms)
{
	uint64_t now_ms = clock_boot_ns() / NS_PER_MS, boot_ms;
	int64_t written_ms, wall_ms;
	char boot[CLOCK_BOOT_MAX];
	const char *before;

	if (!tree_int(root, "written_ms", &written_ms))
		return false;
	wall_ms = clock_wall_ms();
	*ret_ms = wall_ms > written_ms ? (uint64_t)wall_ms - (uint64_t)written_ms : 0;
	if (tree_string(root, "boot", &before) && tree_uint(root, "written_boot_ms", &boot_ms) &&
	    boot_ms <= now_ms && clock_boot(boot) == 0 && strcmp(boot, before) == 0)
		*ret_ms = now_ms - boot_ms;
	return true;
}

static int check(const struct tree *root, uint64_t *ret_age_ms, struct err *err)
{
	int64_t version = 0;

	if (!tree_int(root, "version", &version) || version != ALERT_RESTORE_VERSION)
		return err_set(err, -EBADMSG, "it is of version %lld, not %d", (long long)version,
			       ALERT_RESTORE_VERSION);
	if (!read_age(root, ret_age_ms) || !tree_is_array(tree_get(root, "alerts")))
		return err_set(err, -EBADMSG, "it has no alerts");
	if (*ret_age_ms > ALERT_RESTORE_AGE_MS)
		return err_set(err, -EBADMSG, "it is %" PRIu64 " minutes old", *ret_age_ms / 60000);
	return 0;
}

int alerts_restore(struct alerts *alerts, const char *text, size_t size, uint32_t *ret_n,
		   struct err *err)
{
	struct tree *root = NULL;
	const struct tree *list;
	uint64_t age_ms = 0;
	int r = tree_parse(text, size, &root, err);

	*ret_n = 0;
	if (r < 0)
		return r;
	r = check(root, &age_ms, err);
	list = tree_get(root, "alerts");
	alerts->restore_until_ns = alerts->loop->now_ns + ALERT_RESTORE_WAIT_NS;
	for (size_t i = 0; r == 0 && i < tree_size(list); i++)
		r = restore_one(alerts, tree_at(list, i), ret_n);
	if (r == 0 && alerts->read_ended != NULL)
		r = alerts->read_ended(alerts->owner, tree_get(root, "ended"), age_ms);
	tree_free(root);
	return r;
}
