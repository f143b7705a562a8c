#pragma once

/* What alerts.c (the set and its rules) and alert_eval.c (evaluation) share; nobody else needs it.
 */

#include <stddef.h>
#include <stdint.h>
#include "loop/loop.h"
#include "watch/alert.h"

struct group_timer {
	struct loop_timer timer;
	struct alerts *alerts;
	size_t group;
	size_t first; /* status of its first rule */
	uint64_t evaluations;
	int64_t last_wall_ms; /* of the last evaluation; 0: none yet */
	uint64_t last_duration_ns;
};

/* A rule keeps its id over reloads while its condition stays the same. */
struct rule_status {
	uint64_t id;
	uint64_t evaluations, failures;
	char error[80]; /* of the last evaluation; "": it went well */
};

/*
 * What a condition remembers of an isolate, or ("") of its target, from one evaluation to the next:
 * gone with what it is about.
 */
enum { MEMORIES_MAX = 20000 };

struct memory {
	struct link link;
	uint64_t rule_id, target_id;
	size_t group; /* index */
	uint64_t seen; /* the evaluation of its group that used it last */
	struct condition_state *state; /* owned */
	char key[ALERT_KEY_MAX];
};

/* The one of that key, made when there is none; NULL over the limit or without memory. */
struct memory *memory_need(struct alerts *alerts, const struct rule *rule, const char *key,
			   uint64_t rule_id, uint64_t target_id);
void memory_free(struct alerts *alerts, struct memory *memory);
/* What is to be kept over a restart is not as it was. */
void alerts_changed(struct alerts *alerts);

/*
 * An alert of before a restart joins the list, to wait for its isolate (alert_restore.c). Its rule
 * is that of the id. 0, -EEXIST, -ENOSPC, -ENOMEM; then it is still the caller's.
 */
int alerts_add_restored(struct alerts *alerts, struct alert *alert, uint64_t rule_id);

/* To inactive, with the log and the hook; then it is gone. */
void alerts_end(struct alerts *alerts, struct alert *alert);

/* Gone, and nobody is told. */
void alerts_remove(struct alerts *alerts, struct alert *alert);
