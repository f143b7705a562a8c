#pragma once

/*
 * Alerts: one per (rule, target, isolate) whose condition has held. States and timing as in
 * Prometheus: inactive -> pending while `for` runs -> firing -> (keep_firing_for) -> inactive. A
 * target without a fresh sample has no value, so its condition does not hold.
 */

#include "conf/labels.h"
#include "loop/loop.h"
#include "util/list.h"
#include "watch/rule.h"
#include <stdbool.h>
#include <stdint.h>

struct target;
struct targets;
struct isolate;

enum alert_state { ALERT_PENDING, ALERT_FIRING };

struct alert {
	struct link link;
	const struct rule_group *group; /* borrowed from the loaded rules */
	const struct rule *rule;
	uint64_t target_id;
	char target[128], isolate[64];
	enum alert_state state;
	uint64_t active_since_ns, firing_since_ns, last_true_ns; /* monotonic */
	int64_t active_since_wall_ms, firing_since_wall_ms;
	double value;
	struct labels labels, annotations; /* expanded */
};

struct alerts {
	struct loop *loop; /* borrowed */
	struct targets *targets; /* borrowed */
	struct rules *rules; /* owned, NULL before the first load */
	struct link list;
	uint32_t count, count_max;
	struct group_timer *timers; /* owned, one per group */
	uint64_t *evaluations; /* owned, one per rule in order of groups and rules */
	/* Hooks set by the root. */
	void (*on_firing)(void *owner, const struct alert *alert, struct target *target);
	void (*on_resolved)(void *owner, const struct alert *alert);
	void *owner;
};

int alerts_init(struct alerts *alerts, struct loop *loop, struct targets *targets);
void alerts_fini(struct alerts *alerts);

/*
 * Take a new set of rules (ownership moves). Alerts whose group, rule name and condition are
 * unchanged go on without a break; others end.
 */
int alerts_set_rules(struct alerts *alerts, struct rules *rules);

/* Evaluate one group now; the timers do this by themselves. */
void alerts_evaluate(struct alerts *alerts, size_t group);

/* A target is going away: its alerts end without on_resolved's target. */
void alerts_forget_target(struct alerts *alerts, uint64_t target_id);

const char *alert_state_name(enum alert_state state);
uint64_t alerts_evaluations(const struct alerts *alerts, size_t group, size_t rule);
