#pragma once

/*
 * Rules: what must not happen, and what to do when it does. A rule set is immutable once loaded and
 * replaced whole on reload. Evaluation is pure: values in, verdict out.
 *
 * groups:
 * - name: memory
 *   interval: 15s                      # default: evaluation_interval
 *   rules:
 *   - alert: HeapNearLimit
 *     match: '{runtime="node"}'
 *     when: {metric: heap_used, relative_to: heap_limit, above: 80%, for: 30s, keep_firing_for: 5m}
 *     labels: {severity: page}
 *     annotations: {summary: "{{ $labels.target }} uses {{ $value | humanizePercentage }}"}
 *     guards: {cooldown: 30m, max_captures: 3, window: 24h}
 *     actions: [{capture: snapshot}]
 */

#include "conf/doc.h"
#include "conf/labels.h"
#include "conf/option.h"
#include "watch/matcher.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rule_guards {
	uint64_t cooldown_ns; /* between two captures of one target by this rule */
	uint64_t max_captures; /* per target in a window; 0: no limit */
	uint64_t window_ns;
};

enum action_kind { ACTION_CAPTURE_SNAPSHOT };

struct rule_action {
	int kind; /* enum action_kind */
};

struct rule {
	char *name;
	char *match_text;
	struct matchers *matchers;
	int metric, relative_to; /* value indices; relative_to -1: absolute */
	bool has_above, has_below;
	double above, below;
	uint64_t for_ns, keep_firing_for_ns;
	struct labels labels, annotations;
	struct rule_guards guards;
	struct item_list actions; /* struct rule_action */
};

struct rule_group {
	char *name;
	char *file;
	uint64_t interval_ns;
	struct rule *rules; /* owned */
	size_t rules_n;
};

struct rules {
	struct rule_group *groups; /* owned */
	size_t groups_n;
};

/*
 * Load all files the glob patterns name. 0, -EINVAL with all reasons in problems, -ENOMEM. Rule
 * names are unique in a group, group names in a file.
 */
int rules_load(struct rules **ret, const struct text_list *patterns, uint64_t default_interval_ns,
	       struct problems *problems);
void rules_free(struct rules *rules);

/* Does the condition hold for these values? reference is used when the rule is relative. */
bool rule_holds(const struct rule *rule, double value, double reference, double *ret_shown);

/* The condition as one line, for the API and the page: "heap_used / heap_limit > 80% for 30s". */
struct buf;
int rule_describe(const struct rule *rule, struct buf *buf);

extern const struct option_desc rule_options[], rule_group_options[];
