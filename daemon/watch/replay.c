/*
 * Replay
 *
 * Targets are made by hand and fed by hand; what looks at them is alerts.c itself. Its timers are
 * set but never run: the loop does not turn here.
 */

#include "watch/replay.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/str.h"
#include "watch/target.h"
#include "watch/value.h"

/* Long enough that nothing lies before the clock began. */
#define START_NS (100ull * 24 * 3600 * NS_PER_S)

/* As the daemon has them when nothing is said. */
#define WARMUP_NS      (30 * 60 * NS_PER_S)
#define FAST_WINDOW_NS (3 * 3600 * NS_PER_S)
#define SLOW_WINDOW_NS (24 * 3600 * NS_PER_S)

enum {
	ISOLATES_MAX = 1000,
	GAP_EVALUATIONS_MAX = 20000, /* between two samples; further ones would tell nothing new */
};

struct replay {
	const struct sample_table *table;
	struct loop loop;
	struct targets targets;
	struct alerts alerts;
	uint64_t *next_ns; /* owned: of each group */
	int64_t first_wall_ms, wall_ms;
	size_t first_row, end_row; /* those of this time */
	bool acts;
	replay_fn *fn;
	void *owner;
};

/* ---- time ---- */

static uint64_t mono_of(const struct replay *replay, int64_t wall_ms)
{
	return START_NS + (uint64_t)(wall_ms - replay->first_wall_ms) * NS_PER_MS;
}

static void set_time(struct replay *replay, uint64_t mono_ns)
{
	replay->wall_ms = replay->first_wall_ms + (int64_t)((mono_ns - START_NS) / NS_PER_MS);
	replay->loop.now_ns = mono_ns;
	clock_simulate(mono_ns, replay->wall_ms);
}

/* ---- what the alerts tell ---- */

static bool on_firing(void *owner, struct alert *alert, struct target *target)
{
	struct replay *replay = owner;

	(void)target;
	replay->acts = alert->rule->actions.n > 0;
	return true;
}

static bool has_sample(const struct replay *replay, const struct judged *judged)
{
	for (size_t i = replay->first_row; i < replay->end_row; i++) {
		const struct sample_row *row = &replay->table->rows[i];

		if (strcmp(row->target, judged->target->spec.name) == 0 &&
		    strcmp(row->isolate, judged->isolate) == 0)
			return true;
	}
	return false;
}

static void on_judged(void *owner, const struct judged *judged)
{
	struct replay *replay = owner;
	const struct replayed replayed = {
		.wall_ms = replay->wall_ms,
		.at_sample = has_sample(replay, judged),
		.acts = replay->acts,
		.judged = judged,
	};

	replay->acts = false;
	replay->fn(replay->owner, &replayed);
}

/* ---- targets ---- */

static struct target *find_target(const struct replay *replay, const char *name)
{
	list_each (at, &replay->targets.list) {
		struct target *target = container_of(at, struct target, link);

		if (strcmp(target->spec.name, name) == 0)
			return target;
	}
	return NULL;
}

/* From one sample of it to the next, as the first two rows have it. */
static uint64_t spacing_of(const struct replay *replay, size_t row)
{
	const struct sample_row *rows = replay->table->rows;

	for (size_t i = row + 1; i < replay->table->n; i++) {
		if (strcmp(rows[i].target, rows[row].target) == 0 &&
		    rows[i].wall_ms > rows[row].wall_ms)
			return (uint64_t)(rows[i].wall_ms - rows[row].wall_ms) * NS_PER_MS;
	}
	return 0;
}

static void set_identity(struct target *target, const struct labels *labels)
{
	const char *runtime = labels_get(labels, "runtime");
	const char *version = labels_get(labels, "runtime_version");
	const char *engine = labels_get(labels, "engine");
	struct identity *identity = &target->identity;

	target->identified = true;
	str_copy(identity->runtime, sizeof(identity->runtime), runtime ? runtime : "");
	str_copy(identity->runtime_version, sizeof(identity->runtime_version),
		 version ? version : "");
	str_copy(identity->engine, sizeof(identity->engine), engine ? engine : "");
}

static int add_target(struct replay *replay, size_t row, struct target **ret)
{
	const struct sample_row *first = &replay->table->rows[row];
	struct target *target = calloc(1, sizeof(*target));
	int r = 0;

	if (target == NULL)
		return -ENOMEM;
	target->id = ++replay->targets.next_id;
	target->targets = &replay->targets;
	target->spec.poll.interval_ns = spacing_of(replay, row);
	link_init(&target->isolates);
	link_init(&target->missing);
	list_append(&replay->targets.list, &target->link);
	target->state = TARGET_UP;
	target->state_since_ns = replay->loop.now_ns;
	target->reached = true;
	target->ups = 1;
	target->spec.name = strdup(first->target);
	if (target->spec.name == NULL)
		return -ENOMEM;
	set_identity(target, &first->labels);
	for (size_t i = 0; r == 0 && i < first->labels.n; i++)
		r = labels_set(&target->spec.labels, first->labels.items[i].name,
			       first->labels.items[i].value);
	*ret = target;
	return r;
}

static void free_targets(struct replay *replay)
{
	list_each_safe (at, &replay->targets.list) {
		struct target *target = container_of(at, struct target, link);

		target_drop_isolates(target);
		link_remove(&target->link);
		target_spec_fini(&target->spec);
		free(target);
	}
}

/* ---- samples ---- */

static void go_down(struct replay *replay, struct target *target)
{
	target->state = TARGET_DOWN;
	target->state_since_ns = replay->loop.now_ns;
	target->downs += target->reached;
	target->reached = false;
}

static void come_up(struct replay *replay, struct target *target)
{
	target->state = TARGET_UP;
	target->state_since_ns = replay->loop.now_ns;
	target->ups += !target->reached;
	target->reached = true;
}

static bool take_values(const struct replay *replay, const struct sample_row *row,
			struct target *target, struct sample *sample)
{
	bool any = false;

	for (size_t i = 0; i < replay->table->columns; i++) {
		if (isnan(row->values[i]))
			continue;
		value_write(replay->table->metrics[i], target, sample, row->values[i]);
		any = true;
	}
	return any;
}

/* What happened before the sample comes before it. */
static int take_row(struct replay *replay, size_t index)
{
	const struct sample_row *row = &replay->table->rows[index];
	struct target *target = find_target(replay, row->target);
	struct sample sample = { .mono_ns = replay->loop.now_ns, .wall_ms = row->wall_ms };
	int r = 0;

	if (target == NULL)
		r = add_target(replay, index, &target);
	if (r < 0)
		return r;
	if ((row->events & EVENT_DOWN) != 0)
		go_down(replay, target);
	if ((row->events & EVENT_RESTART) != 0) {
		target->restarts++;
		target_drop_isolates(target);
	}
	if (strcmp(row->isolate, "main") == 0)
		target->process = (struct process_stats){ 0 };
	if (!take_values(replay, row, target, &sample) && (row->events & EVENT_UP) == 0)
		return 0;
	come_up(replay, target);
	return target_take_sample(target, row->isolate, &sample);
}

/* ---- evaluations ---- */

static void evaluate(struct replay *replay, size_t group, uint64_t step_ns)
{
	alerts_evaluate(&replay->alerts, group);
	replay->next_ns[group] = replay->loop.now_ns + step_ns;
}

/* Of each group what is due before that time, in order of time. */
static void evaluate_until(struct replay *replay, uint64_t until_ns)
{
	const struct rules *rules = replay->alerts.rules;
	uint64_t gap_ns = until_ns - replay->loop.now_ns;

	for (;;) {
		size_t next = 0;
		uint64_t step_ns;

		for (size_t g = 1; g < rules->groups_n; g++) {
			if (replay->next_ns[g] < replay->next_ns[next])
				next = g;
		}
		if (rules->groups_n == 0 || replay->next_ns[next] >= until_ns)
			return;
		step_ns = rules->groups[next].interval_ns;
		if (step_ns < gap_ns / GAP_EVALUATIONS_MAX)
			step_ns = gap_ns / GAP_EVALUATIONS_MAX;
		set_time(replay, replay->next_ns[next]);
		evaluate(replay, next, step_ns);
	}
}

/* All samples of one time, then all groups. */
static int take_time(struct replay *replay)
{
	const struct sample_table *table = replay->table;
	const struct rules *rules = replay->alerts.rules;
	int64_t wall_ms = table->rows[replay->first_row].wall_ms;
	int r = 0;

	evaluate_until(replay, mono_of(replay, wall_ms));
	set_time(replay, mono_of(replay, wall_ms));
	for (; r == 0 && replay->end_row < table->n &&
	       table->rows[replay->end_row].wall_ms == wall_ms;
	     replay->end_row++)
		r = take_row(replay, replay->end_row);
	for (size_t g = 0; r == 0 && g < rules->groups_n; g++)
		evaluate(replay, g, rules->groups[g].interval_ns);
	replay->first_row = replay->end_row;
	return r;
}

static int run(struct replay *replay, struct rules *rules)
{
	int r;

	replay->next_ns = calloc(rules->groups_n + 1, sizeof(*replay->next_ns));
	r = replay->next_ns != NULL ? alerts_set_rules(&replay->alerts, rules) : -ENOMEM;
	if (r < 0) {
		rules_free(rules);
		return r;
	}
	for (size_t g = 0; g < rules->groups_n; g++)
		replay->next_ns[g] = UINT64_MAX;
	while (r == 0 && replay->first_row < replay->table->n)
		r = take_time(replay);
	return r;
}

int replay_run(struct rules *rules, const struct sample_table *table, replay_fn *fn, void *owner)
{
	struct replay replay = {
		.table = table,
		.first_wall_ms = table->n > 0 ? table->rows[0].wall_ms : 0,
		.fn = fn,
		.owner = owner,
		.targets = { .isolates_max = ISOLATES_MAX,
			     .series_points = SERIES_POINTS,
			     .warmup_ns = WARMUP_NS,
			     .windows_ns = { FAST_WINDOW_NS, SLOW_WINDOW_NS } },
	};
	int r = loop_init(&replay.loop);

	if (r < 0) {
		rules_free(rules);
		return r;
	}
	link_init(&replay.targets.list);
	set_time(&replay, START_NS);
	alerts_init(&replay.alerts, &replay.loop, &replay.targets);
	replay.alerts.match_all = !table->has_labels;
	replay.alerts.on_firing = on_firing;
	replay.alerts.on_judged = on_judged;
	replay.alerts.owner = &replay;
	r = run(&replay, rules);
	alerts_fini(&replay.alerts);
	free_targets(&replay);
	free(replay.next_ns);
	loop_fini(&replay.loop);
	clock_real();
	return r;
}
