#pragma once

/*
 * Alerts: one per (rule, target, isolate, step) whose condition has held. States and timing as in
 * Prometheus: inactive -> pending while `for` runs -> firing -> (keep_firing_for) -> inactive. A
 * target without a fresh sample has no value, so its condition does not hold; while a snapshot is
 * being taken, and until the next sample after it, its alerts stay as they are.
 */

#include <stdbool.h>
#include <stdint.h>
#include "conf/labels.h"
#include "loop/loop.h"
#include "util/list.h"
#include "util/map.h"
#include "watch/program.h"
#include "watch/rule.h"

struct json_writer;
struct target;
struct targets;
struct tree;
struct isolate;

/* An alert on the list is pending or firing; inactive is where it comes from and goes to. */
enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING };

/* What decides the next state; all times are monotonic. */
struct alert_phase {
	enum alert_state state;
	bool keeping; /* firing only by keep_firing_for, since keep_since_ns */
	uint64_t active_since_ns, firing_since_ns, keep_since_ns;
};

/* The state after an evaluation that found the condition to hold or not. */
struct alert_phase alert_step(struct alert_phase phase, const struct rule *rule, bool holds,
			      uint64_t now_ns);

enum { ALERT_KEY_MAX = 112, ALERT_SERIES_MAX = 40, ALERT_CANNOT_MAX = 96 };

/* A capture that a rule has asked for and that is done. Borrowed. */
struct alert_capture {
	uint64_t target_id;
	const char *isolate, *rule;
	const char *step; /* as it is written; "": a rule without, or a later one of a series */
	const char *series; /* the id of that; "": it is of none */
	const char *id, *path;
	bool is_minor; /* another one that is there already counts for more */
};

/* What accumulates, in words. Borrowed. */
struct alert_verdict {
	const char *text; /* one line */
	const char *path; /* names on the way to the first that does; "": none */
	const char *more; /* the second and the third; "": none */
};

struct alert {
	struct link link;
	const struct rule_group *group; /* borrowed from the loaded rules */
	const struct rule *rule;
	uint64_t target_id;
	char target[128], isolate[64];
	size_t step; /* of the rule's; 0 for one without */
	int term; /* of the condition: whose value it is; -1: of none */
	enum alert_state state;
	uint64_t active_since_ns, firing_since_ns, keep_since_ns; /* monotonic */
	uint64_t last_true_ns; /* monotonic */
	bool keeping;
	int64_t active_since_wall_ms, firing_since_wall_ms;
	double value; /* of the last evaluation that held */
	struct leak_facts leak; /* of it too; unknown where the rule is of no leak */
	bool asked, acted; /* on_firing was called; it has nothing more to do */
	uint32_t done; /* on_firing's own: a bit for each kind of action (enum capture_kind) it need
			* not ask for again */
	bool restored; /* of before a restart, and its isolate was not seen since: target_id is 0 */
	/* Of the last evaluation that held: of which program, and over how much of the past. */
	struct program program;
	uint64_t span_ns;
	uint64_t adopted_ns; /* monotonic; since when its isolate is seen again after a restart,
			      * while nothing has been judged by; 0: it is as any other */
	/* Of who sends alerts (notify/), nothing when it begins to fire: when it was last sent,
	 * monotonic; as what; who wants to hear of changes only is being told, has been told. */
	uint64_t sent_ns, sent_as;
	bool telling, told;
	struct labels labels, annotations; /* expanded; labels once, annotations each time */
	char series[ALERT_SERIES_MAX]; /* the id of the series it asked for last; "": none */
	/* Owned: what that series came to, in one line; NULL: nothing yet. And what that has no
	 * room for, NULL: there is none. */
	char *verdict, *verdict_path, *verdict_more;
	/* The last capture it asked for that succeeded, diagnostics only where there is no other:
	 * its id ("": none) and, owned, its file on this host. */
	char capture[ALERT_SERIES_MAX];
	char *capture_path;
	uint32_t revision; /* how often verdict or capture have changed what it says */
	uint64_t seen; /* the evaluation of its group that saw it last */
	char key[ALERT_KEY_MAX]; /* in alerts->by_key */
};

/* NULL without memory. The verdict is that of a condition that holds. */
struct alert *alert_new(const struct rule_group *group, const struct rule *rule,
			const struct target *target, const char *isolate, size_t step,
			const struct condition_verdict *verdict);
void alert_free(struct alert *alert);

/* The condition held again: take its value, expand the annotations. 0, -ENOMEM. */
int alert_update(struct alert *alert, const struct target *target,
		 const struct condition_verdict *verdict);

/* As alerts_tell_verdict(), of this one; target may be NULL: it is not there yet. 0, -ENOMEM. */
int alert_set_verdict(struct alert *alert, const struct target *target,
		      const struct alert_verdict *verdict);

/* It says so already. */
bool alert_has_verdict(const struct alert *alert, const struct alert_verdict *verdict);
void alert_drop_verdict(struct alert *alert);

/* As alerts_tell_capture(), of this one. 0, -ENOMEM: then what it says is as before. */
int alert_set_capture(struct alert *alert, const struct target *target, const char *id,
		      const char *path);
void alert_drop_capture(struct alert *alert);

/* A rule looked at an isolate. Borrowed for the call. */
struct judged {
	const struct rule_group *group;
	const struct rule *rule;
	const struct target *target;
	const char *isolate;
	size_t step;
	bool over; /* the rule would have more alerts than the limit of its group: it has none */
	bool unchanged; /* a capture is under way, or it is just back: nobody has looked; or after
			 * a restart of the daemon too little of the past is known */
	const struct condition_findings *findings;
	struct condition_verdict verdict;
	enum alert_state before, after;
	const struct alert *alert; /* NULL: none */
};

struct alerts {
	struct loop *loop; /* borrowed */
	struct targets *targets; /* borrowed */
	struct rules *rules; /* owned, NULL before the first load */
	struct link list;
	struct map by_key;
	uint32_t count, count_max;
	uint64_t dropped; /* conditions that held but found no room or no memory */
	bool full; /* said so in the log */
	bool match_all; /* `match` is not judged: nobody knows the labels */
	struct link memories; /* struct memory: what conditions remember */
	struct map memory_by_key;
	uint32_t memories_n;
	struct group_timer *timers; /* owned, one per group */
	struct rule_status *statuses; /* owned, one per rule in order of groups and rules */
	uint64_t next_rule_id;
	uint32_t restored; /* alerts with that flag */
	uint64_t restore_until_ns; /* how long those wait for their isolate, monotonic */
	/*
	 * Hooks set by the root; may be NULL. on_firing: at each change to firing, and again at
	 * each evaluation that finds the condition true until it returns true (nothing more to do);
	 * on_resolved: from firing to inactive; its rule is NULL when it was of before a restart
	 * and there is no such rule any more. on_changed: what is to be kept over a restart has
	 * changed; on_ended_told: only less of it, for who was to hear of an alert that has ended
	 * has. None may change the targets or the rules.
	 */
	bool (*on_firing)(void *owner, struct alert *alert, struct target *target);
	void (*on_resolved)(void *owner, const struct alert *alert);
	void (*on_changed)(void *owner);
	void (*on_ended_told)(void *owner);
	/* Of what on_firing asked for, as bits of alert->done, what is not over: after a restart it
	 * would have to be asked for again. */
	uint32_t (*under_way)(void *owner, const struct alert *alert);
	/* The value of a rule with rearm_* was seen on the good side of it. */
	void (*on_rearmed)(void *owner, const struct rule *rule, const struct target *target,
			   const struct isolate *isolate);
	/*
	 * Of who sends alerts: what has ended and is to be told of over a restart, as the elements
	 * of an array that is open; and back, age_ms after it was written: 0, -ENOMEM.
	 */
	void (*write_ended)(void *owner, struct json_writer *w);
	int (*read_ended)(void *owner, const struct tree *list, uint64_t age_ms);
	/* For those who explain: what was found, for each rule, isolate and step. */
	void (*on_judged)(void *owner, const struct judged *judged);
	void *owner;
};

int alerts_init(struct alerts *alerts, struct loop *loop, struct targets *targets);
void alerts_fini(struct alerts *alerts);

/*
 * Take a new set of rules (ownership moves, unless it fails: 0 or -ENOMEM). Alerts whose group,
 * rule name and condition are unchanged go on without a break; others end.
 */
int alerts_set_rules(struct alerts *alerts, struct rules *rules);

/* Evaluate one group now; the timers do this by themselves. */
void alerts_evaluate(struct alerts *alerts, size_t group);

/* How a value of the alert reads: "83.1%". And what it fires for: "heap_used > 1GiB (now ...)". */
char *alert_format_value(const struct alert *alert, char dst[STR_UNIT_MAX]);
void alert_describe_cause(const struct alert *alert, struct buf *buf);

/*
 * May a rule look at an isolate (NULL: the target has none) now? Not while a capture is under way
 * or it is just back, nor before the first poll when the daemon itself has stood still.
 */
bool alerts_may_look(const struct target *target, const struct isolate *isolate, uint64_t now_ns);

/*
 * A look by a rule that may not be one of the loaded: nothing changes by it. What is remembered is
 * that of a loaded rule of the same name and condition, if there is one.
 */
void alerts_look(const struct alerts *alerts, const struct rule *rule, const struct target *target,
		 const struct isolate *isolate, struct condition_findings *ret);

/*
 * The condition cannot hold for that isolate, for its runtime does not tell what the rule looks at:
 * ret says so. False: it may.
 */
bool alerts_cannot_hold(const struct alerts *alerts, const struct rule *rule,
			const struct target *target, const struct isolate *isolate,
			char ret[ALERT_CANNOT_MAX]);

/*
 * What on_firing had asked for came to nothing: it is called again while the alert fires. step: as
 * it is written, "" for a rule without; done: the bits of alert->done to take back.
 */
void alerts_ask_again(struct alerts *alerts, uint64_t target_id, const char *isolate,
		      const char *rule, const char *step, uint32_t done);

/*
 * A series that an alert asked for has come to this verdict: the alert that fires for it says so
 * from here on, as the annotations `verdict`, `verdict_path` and `verdict_more`, and is sent again.
 * Nothing happens when it is gone, or says so already.
 */
void alerts_tell_verdict(struct alerts *alerts, const char *series,
			 const struct alert_verdict *verdict);

/*
 * The alert that asked for it, if it fires, gives templates its id and its path from here on, as
 * the labels `capture` and `capture_path`, and is sent again if it says anything else for that.
 */
void alerts_tell_capture(struct alerts *alerts, const struct alert_capture *capture);

/* A target is going away: its alerts end. */
void alerts_forget_target(struct alerts *alerts, uint64_t target_id);

const char *alert_state_name(enum alert_state state);
uint64_t alerts_evaluations(const struct alerts *alerts, size_t group, size_t rule);

/* How many of them failed; why the last one did ("": it did not). */
uint64_t alerts_failures(const struct alerts *alerts, size_t group, size_t rule);
const char *alerts_error(const struct alerts *alerts, size_t group, size_t rule);

/* When a group was last evaluated (0: never) and how long it took. */
int64_t alerts_last_evaluation(const struct alerts *alerts, size_t group,
			       uint64_t *ret_duration_ns);
