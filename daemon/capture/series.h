#pragma once

/*
 * Series: the captures of a series that are still to come, each asked for anew when it is due: at
 * its time, or when the heap has grown by a step (capture/growth.h). The first one was judged as
 * any capture is; a later one is judged by what protects the target and the spool, but not by the
 * history of its rule, for a series counts as one capture. A later one that finds its target busy
 * or away is asked for again at each tick, until twice the spacing has passed: then the series is
 * given up, visibly, as refused, and whoever asked for it is told that there will be no verdict.
 *
 * One with exact ids costs its target something all the time (capture/tracking.h). It ends with the
 * first of its captures that is refused or fails, waits for a busy target for half a minute in all,
 * and does not outlive the daemon.
 */

#include "capture/capture.h"
#include "capture/growth.h"
#include "pipeline/recipe.h"

struct json_writer;
struct tree;

enum { SERIES_MAX = 256 }; /* under way at once; one more is refused with the first capture */

/* One series under way; all that the later captures need, for rules are replaced by a reload. */
struct series_plan {
	struct link link; /* in captures->series */
	char id[CAPTURE_ID_MAX]; /* of the first capture */
	char target[128], isolate[64], rule[128], step[RULE_STEP_MAX], cause[256];
	char requested_by[CAPTURE_REQUESTED_BY_MAX];
	double cause_value;
	uint64_t index, count; /* of the next one: 2 of 3 */
	uint64_t spacing_ns, due_ns; /* monotonic; in the state file as wall time */
	struct growth growth; /* since the last one */
	bool gc_before, force, has_guards;
	bool exact; /* with exact ids: V8 is made to track objects from one to the next */
	uint64_t until_ns; /* with exact ids: monotonic; 0: they are lost with the daemon that began
			    */
	struct rule_guards guards;
	struct recipe_choice recipe; /* owned */
	char asked[CAPTURE_ID_MAX]; /* the capture of the series that was accepted last */
};

/* The first one has been accepted under this id. -ENOMEM. */
int series_begin(struct captures *captures, const struct capture_request *request,
		 const char *target, const char *id);

/* Is there no room for one of so many with these settings? */
bool series_full(const struct captures *captures, const struct series_settings *settings);

/* Ask for what is due. The time until there is something to do; UINT64_MAX: nothing to come. */
uint64_t series_tick(struct captures *captures, uint64_t now_ns);

/*
 * A capture has ended: a series whose first one failed has nothing to be compared with, and one
 * that has cost its target the life is not gone on with.
 */
void series_ended(struct captures *captures, const struct capture *capture);

/* With exact ids: when V8 is to stop tracking at the latest, monotonic; 0: now. */
uint64_t series_until_ns(const struct captures *captures, const char *id);

/* Whoever waits for a verdict on this series is told that there is none, and why. */
void series_no_verdict(const struct captures *captures, const char *id, const char *why);

/*
 * Does the last capture of this series never come? Not while it, or one before it, is to come or
 * under way, nor when it is in the spool.
 */
bool series_is_over(const struct captures *captures, const char *id);

/* The ids of this series are lost; why. It ends, if it has captures to come. */
void series_lost(struct captures *captures, const char *id, const char *why);

/*
 * The id of the newest series of a rule for this isolate, with captures to come, under way or in
 * the spool, where only those of the program count that runs now. False: there is none.
 */
bool series_newest(const struct captures *captures, const struct target *target,
		   const char *isolate, const char *rule, char ret_id[CAPTURE_ID_MAX]);

/* A person deleted its first capture: the others do not come. Was there such a series? */
bool series_cancel(struct captures *captures, const char *id);
void series_forget_all(struct captures *captures);

/* As an array of the state file, and back from it; what makes no sense is left out. -ENOMEM. */
void series_write(const struct captures *captures, struct json_writer *w);
int series_read(struct captures *captures, const struct tree *array);
