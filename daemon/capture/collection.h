#pragma once

/*
 * Forced collections of garbage: asked for by a rule or a person, judged by the guards, done by the
 * target's own connection (watch/collect.h). They stop the program as a capture does, so one target
 * has one at a time, at most one in `gc_interval`, and never beside a capture: what was asked for
 * first is done first.
 */

#include <stdbool.h>
#include "capture/capture.h"

struct collected;
struct target;

/* Accepted, and not over. */
struct collection_run {
	struct link link; /* of captures->collections, oldest first */
	char id[CAPTURE_ID_MAX];
	uint64_t target_id;
	char target[128], isolate[64], rule[128], rule_step[RULE_STEP_MAX], cause[256];
	char requested_by[CAPTURE_REQUESTED_BY_MAX];
	struct rule_guards guards; /* a copy */
	bool has_guards, force;
	bool running;
	uint64_t requested_ns; /* monotonic */
};

/* How one ended, for the hook; valid during the call. */
struct collection_end {
	const struct collection_run *run;
	const char *failure; /* NULL: it succeeded */
	enum capture_refusal refusal; /* not NONE: a guard changed its mind while it waited */
	const struct collected *collected; /* when it succeeded */
};

/* The guards of a collection, but for the history of its rule. */
enum capture_refusal collection_judge(const struct captures *captures, const struct target *target,
				      const struct capture_request *request, struct err *err);

/* How long gc_interval still forbids one; 0: not. */
uint64_t collection_wait_ns(const struct captures *captures, const struct target *target);

/*
 * The end of a sampling profile makes V8 collect too, so it counts as one: may a profile that lasts
 * so long begin now? Only gc_interval is judged; the other guards are safety_judge()'s.
 */
enum capture_refusal collection_judge_profile(const struct captures *captures,
					      const struct target *target, uint64_t duration_ns,
					      struct err *err);

/* The guards have agreed. 0 and the id (ret_id may be NULL); -errno. */
int collection_accept(struct captures *captures, const struct target *target,
		      const struct capture_request *request, char ret_id[CAPTURE_ID_MAX]);

/* Start what may start, give up what has waited too long. To be called at each change, and now and
 * then. */
void collection_begin_all(struct captures *captures);

/* Does one of this target come before this capture? */
bool collection_precedes(const struct captures *captures, const struct capture *capture);

void collection_forget_all(struct captures *captures);

/* ---- for the root ---- */

/* The target has collected, or could not. */
void collection_ended(struct captures *captures, const struct target *target,
		      const struct collected *collected);
void collection_target_removed(struct captures *captures, uint64_t target_id);
