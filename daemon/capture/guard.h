#pragma once

/*
 * Guards: may this target be captured now? The history of a rule is judged by guard.c, what
 * protects the target by safety.c. Every refusal has its numbers in err.
 */

#include "capture/capture.h"

/* As of the last poll, or as a capture has measured since; 0 when unknown. */
uint64_t guard_heap_used_bytes(const struct target *target, const char *isolate);

/*
 * Is it older than a second? Where polls are minutes apart a heap may have outgrown its limits
 * since.
 */
bool guard_is_stale(const struct target *target);

/*
 * Have it polled anew when it is. True: that poll is under way, and captures_polled() tells of its
 * end; nothing is to be judged before. False: it is of now, or no poll can be made.
 */
bool guard_awaits_poll(struct target *target);

/* The space a snapshot of this heap will need, on the safe side. */
uint64_t guard_estimate_bytes(uint64_t heap_used_bytes);

/*
 * The guards in the order of the enum: REFUSAL_NONE, or the first that says no, with the numbers in
 * err. target NULL: there is none. What a poll older than a second has told of heap, CPU and memory
 * refuses no person and no later one of a series: they are judged by a poll made for them.
 */
enum capture_refusal guard_judge(const struct captures *captures, const struct target *target,
				 const struct capture_request *request, struct err *err);

/* The capture is about to begin: what may have changed since it was accepted, judged on fresh
 * figures. */
enum capture_refusal guard_judge_again(const struct captures *captures, const struct target *target,
				       const struct capture *capture, struct err *err);

/* The same right before the second snapshot of a tracking, on the connection of the first, or that
 * of a timeline. */
enum capture_refusal guard_judge_half(const struct captures *captures, const struct target *target,
				      const struct capture *capture, struct err *err);

/* The same of what protects the target right before the end of a continuous profile. */
enum capture_refusal guard_judge_end(const struct captures *captures, const struct target *target,
				     const struct capture *capture, struct err *err);

/*
 * What protects the target (safety.c): quiet hours, uptime, heap, CPU, headroom. A sampling profile
 * takes no memory to speak of, but of V8 its end goes over the whole heap, as a forced collection
 * does. fresh: read the process anew instead of taking the last poll's word.
 */
enum capture_refusal safety_judge(const struct captures *captures, const struct target *target,
				  const char *isolate, int kind, const struct rule_guards *guards,
				  bool fresh, struct err *err);

/*
 * Is there memory for this snapshot besides what those that are running may still take? They have
 * it only later, so the kernel's word alone would let two begin that fit one by one. True where
 * headroom does not judge, or is to refuse by itself.
 */
bool safety_fits_beside(const struct captures *captures, const struct target *target,
			const struct capture *capture);

/*
 * History: the accepted requests of rules, in captures->history. It goes by names, so that a target
 * that restarts, or leaves the configuration and comes back, is the same. Times are monotonic here
 * and become wall time in the state file only: setting the clock ends no cooldown.
 */
enum { HISTORY_MAX = 8192 }; /* requests remembered: about 3 MiB when full */

struct past {
	struct link link;
	char target[128], isolate[64], rule[128], step[RULE_STEP_MAX];
	int kind; /* enum capture_kind */
	bool unarmed; /* its rule must see the value on the good side first */
	int64_t at_ns; /* monotonic; negative: before this boot */
};

/* An accepted request of a rule; step "": it has none; rearm: it has rearm_*. -ENOMEM. */
int guard_remember(struct captures *captures, const char *target, const char *isolate,
		   const char *rule, const char *step, int kind, bool rearm);

/* The newest such request has come to nothing and does not count. */
void guard_forget(struct captures *captures, const char *target, const char *rule, const char *step,
		  int kind);

/* The value was seen on the good side. True when that arms a rule, or a step, that was not. */
bool guard_rearm(struct captures *captures, const char *target, const char *isolate,
		 const char *rule);
void guard_forget_all(struct captures *captures);
