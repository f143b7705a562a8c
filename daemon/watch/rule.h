#pragma once

/*
 * Rules: what must not happen, and what to do when it does. A rule set is immutable once loaded and
 * replaced whole on reload. Evaluation is pure: values in, verdict out.
 *
 * groups:
 * - name: memory
 *   interval: 15s                      # default: evaluation_interval
 *   limit: 20                          # alerts of each rule at once; default: no limit
 *   labels: {team: shop}               # of all its rules
 *   rules:
 *   - alert: HeapNearLimit
 *     match: '{runtime="node"}'
 *     when: {metric: heap_used, relative_to: heap_limit, above: 80%, for: 30s, keep_firing_for: 5m}
 *     labels: {severity: page}
 *     annotations: {summary: "{{ $labels.target }} uses {{ $value | humanizePercentage }}"}
 *     guards: {cooldown: 30m, max_captures: 3, window: 24h, rearm_below: 70%, headroom: 3}
 *     actions: [{capture: snapshot, redact: strings, series: {count: 3, spacing: 10m}}]
 *
 * What `when` may say is in watch/condition.h. With relative_to a threshold is a share of that
 * value (80%, 0.8), else a size (1GiB), a duration (500ms) or a number, as the unit of the metric
 * is. Labels and annotations may be templates (watch/template.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/doc.h"
#include "conf/labels.h"
#include "conf/option.h"
#include "pipeline/recipe.h"
#include "util/day_times.h"
#include "util/str.h"
#include "watch/condition.h"
#include "watch/matcher.h"
#include "watch/sampling.h"
#include "watch/series_steps.h"
#include "watch/timeline.h"

/*
 * What protects the target. A rule's own wins over `capture.guards`, which also hold for captures
 * that a person asks for. Plain values: may be copied.
 */
struct safety_guards {
	double headroom; /* free memory wanted, in heaps; 0: no guard; by runtime when not given */
	uint64_t max_heap_bytes; /* 0: no guard */
	double max_cpu; /* cores in use; 0: no guard */
	uint64_t min_uptime_ns;
	struct day_times quiet;
	bool has_headroom, has_max_heap, has_max_cpu, has_min_uptime, has_quiet;
};

/* Plain values too. */
struct rule_guards {
	uint64_t cooldown_ns; /* between two captures of one target by this rule */
	uint64_t max_captures; /* per target in a window; 0: no limit */
	uint64_t window_ns;
	bool has_rearm; /* after a capture the value must have been beyond it, on the good side */
	double rearm;
	char rearm_text[32]; /* as it is written, for people: "below 10MiB" */
	struct safety_guards safety;
};

enum capture_kind {
	CAPTURE_KIND_SNAPSHOT,
	CAPTURE_KIND_DIAGNOSTICS,
	CAPTURE_KIND_SAMPLING,
	CAPTURE_KIND_TIMELINE,
	CAPTURE_KIND_TRACKING, /* two snapshots of JSC, with so long between */
	CAPTURE_KIND_PROFILE, /* one that the runtime wrote by itself: nobody asks for it */
	CAPTURE_KINDS,
	/* Nothing is kept of it, but it stops the target and is judged as a capture. */
	CAPTURE_KIND_GC = CAPTURE_KINDS,
};

struct rule_action {
	int kind; /* enum capture_kind */
	bool wait; /* those behind it begin only when it has ended */
	bool gc, has_capture; /* as it was written: instead of a capture, kind is CAPTURE_KIND_GC */
	struct series_settings series;
	struct sampling_settings sampling; /* of that kind */
	struct timeline_settings timeline; /* of that kind */
	struct recipe_choice recipe;
};

struct rule {
	char *name;
	char *match_text;
	struct matchers *matchers;
	struct condition condition;
	int rearm_term; /* whose value rearm_* is about; -1: none */
	uint64_t for_ns, keep_firing_for_ns;
	struct labels labels, annotations;
	struct rule_guards guards;
	bool dry_run; /* judge and tell, but capture nothing */
	struct item_list actions; /* struct rule_action */
};

struct rule_group {
	char *name;
	char *file;
	uint64_t interval_ns;
	uint64_t limit; /* alerts of each rule at once; 0: none */
	struct rule *rules; /* owned */
	size_t rules_n;
};

struct rules {
	struct rule_group *groups; /* owned */
	size_t groups_n;
};

/* Names are copied into captures' manifests and counters (struct capture_counter). */
enum { RULE_NAME_MAX_BYTES = 127, RULE_FILES_MAX = 1000, RULE_STEP_MAX = 32 };

/*
 * Load all files the glob patterns name, each once. A pattern with wildcards may match nothing, a
 * file that is named must be there. 0, -EINVAL with all reasons in problems, -ENOMEM. Rule names
 * are unique in a group, group names in a file.
 */
int rules_load(struct rules **ret, const struct text_list *patterns, uint64_t default_interval_ns,
	       struct problems *problems);
void rules_free(struct rules *rules);

/* One file, from memory: its groups are added to rules. As rules_load. */
int rules_parse(struct rules *rules, const char *text, size_t size, const char *file,
		uint64_t default_interval_ns, struct problems *problems);
void rule_fini(struct rule *rule);

/* "snapshot": what the action does, as it is written. */
const char *rule_action_name(const struct rule_action *action);

/* What is given in `own` wins over `defaults`. own may be NULL. */
struct safety_guards safety_choose(const struct safety_guards *defaults,
				   const struct safety_guards *own);

/* Is the value of rearm_term on the good side of rearm_*? False without rearm_*. */
bool rule_rearms(const struct rule *rule, double shown);

/* Does it look for leaks, so that its alerts tell of the leak? */
bool rule_is_of_leak(const struct rule *rule);

/*
 * Do two rules of one name raise the same alerts? What they say (annotations), when they fire
 * (`for`) and what they do may differ.
 */
bool rule_same_condition(const struct rule *a, const struct rule *b);

/* The same number for two of which that is true, over restarts too. */
uint64_t rule_condition_hash(const struct rule *rule);

/* The condition as one line, for the API and the page: "heap_used / heap_limit > 80% for 30s". */
struct buf;
int rule_describe(const struct rule *rule, struct buf *buf);

extern const struct option_desc rule_options[], rule_group_options[], rule_file_options[];

/* `headroom max_heap max_cpu min_uptime quiet_hours` of struct safety_guards, to be included. */
extern const struct option_desc safety_guard_options[];
