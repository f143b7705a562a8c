#pragma once

/*
 * Targets
 *
 * A target is a runtime to be watched, reachable or not, with its isolates and what is known of its
 * process. Anyone outside the registry keeps the id or the name, never the pointer: a target may be
 * gone by the next turn of the loop.
 */

#include <stdbool.h>
#include <stdint.h>
#include "conf/labels.h"
#include "inspect/session.h"
#include "loop/sched.h"
#include "util/list.h"
#include "util/map.h"
#include "watch/collect.h"
#include "watch/gc_stats.h"
#include "watch/leak.h"
#include "watch/opening.h"
#include "watch/procfs.h"
#include "watch/series.h"
#include "watch/settings.h"

enum target_state {
	TARGET_CONNECTING,
	TARGET_UP,
	TARGET_CAPTURING, /* a capture is under way: it may not answer meanwhile */
	TARGET_BLOCKED, /* its inspector answers, its main thread does not */
	TARGET_PAUSED, /* at a breakpoint, or waits without turning its event loop */
	TARGET_STOPPED, /* SIGSTOP, or frozen */
	TARGET_EXITING, /* told us that it wants to exit; we left */
	TARGET_DOWN, /* nothing answers there */
	TARGET_INVALID, /* something answers that is no inspector */
	TARGET_STATES,
};

enum target_failure {
	TARGET_FAILURE_REFUSED,
	TARGET_FAILURE_TIMEOUT,
	TARGET_FAILURE_BLOCKED,
	TARGET_FAILURE_PROTOCOL,
	TARGET_FAILURE_LOST,
	TARGET_FAILURES,
};

enum { TARGET_TOLD_RULES_MAX = 32 };

/* What a process had used when it was read, and how fast since the reading before. */
struct cpu_reading {
	uint64_t start_ticks; /* of the process */
	uint64_t read_ns; /* monotonic; 0: never */
	double seconds;
	bool has_rate;
	double rate; /* cores */
};

struct isolate {
	struct link link;
	char name[64]; /* "main", "worker:3" */
	char page[ISOLATE_PAGE_MAX]; /* address of what it shows; "": it shows none */
	struct sample last;
	struct cpu_reading cpu; /* of its own process, where it has one */
	uint64_t heap_seen_bytes; /* in use, as a capture has measured since; 0: none has */
	struct series series;
	struct leak leak;
	uint64_t profiled_bytes; /* allocated, as its continuous profiles estimate */
	bool profiled; /* there has been one */
	struct gc_stats *gc; /* owned; NULL: nothing has been told of its collections */
	const char *gc_untold; /* static: why not, of it alone; NULL: it is, or nobody knows */
	int64_t start_ns; /* monotonic; as far as it is known, and maybe before that clock began */
	int64_t seen_wall_ms; /* when it was first seen, as the wall clock went then */
	uint64_t missed_ns; /* monotonic; of one that is missing: since when */
};

/* What a source of targets says about one of them. Owned by whoever holds it. */
struct target_spec {
	char *name; /* unique; the `target` label */
	struct address address; /* holds its access */
	struct labels labels;
	struct poll_settings poll;
	struct opening opening;
};

struct opened;
struct openings;
struct targets;

struct target {
	uint64_t id;
	struct targets *targets;
	struct link link;
	struct target_spec spec;
	char address[ADDRESS_TEXT_MAX]; /* of spec.address */
	bool ours; /* that is one of this host, as of the last connection */
	char source[64]; /* "config", "flag", "file:PATTERN", "http:URL" */

	enum target_state state;
	uint64_t state_since_ns;
	int64_t state_since_wall_ms;
	/* Why it is in this state, for people; of one that is up, why not all of it is polled, or
	 * "". */
	char reason[192];
	bool missed_told; /* that is in the journal */
	bool policy_told; /* and that its policy is not followed */
	char last_error[192]; /* of the last failed poll, kept while up */

	struct session session;
	struct opened *opened; /* its inspector is for us to open; NULL: it is not */
	struct backoff backoff;
	struct loop_timer timer;
	uint64_t poll_started_ns;
	uint64_t patience_ns; /* this attempt's time-out, where it is longer than that of others */
	bool reopen; /* the way of watching has changed: connect anew after this attempt */
	bool polling; /* an attempt is under way: it ends as success or failure, once */
	struct identity identity; /* of the last connection */
	bool identified;
	/* Of a runtime that does not tell its pid: who listens there. Of one whose clocks do not
	 * agree with the kernel: the pid that was asked whether it does. And when that was last
	 * looked for. 0: not known. */
	int64_t listener_pid, listener_asked_pid;
	struct process_start listener_start;
	int64_t pages_seen_pid; /* of the process that has had processes of pages below it; 0: none
				 */
	uint64_t listener_looked_ns;

	struct link isolates;
	uint32_t isolates_n;
	/* Those that nothing is told of any more and that may be there still, as workers and tabs
	 * while the connection is lost: kept for their past, the longest missing first. */
	struct link missing;
	uint32_t missing_n;
	uint64_t back_ns; /* monotonic, of the first poll since the connection was lost; 0: none */
	struct process_stats process; /* as of the last poll */
	uint64_t process_read_ns; /* monotonic */
	bool has_cpu_rate;
	double cpu_rate; /* cores in use between the last two polls */
	uint64_t rss_bytes; /* as the runtime says; 0 unknown */

	struct collection collection; /* forced, under way */
	char gc_untold[SESSION_GC_REASON_MAX]; /* why nothing is told of collections; "": it is */
	bool gc_unsupported; /* and it can be told only with other settings, or by another runtime
			      */
	uint64_t gc_forced_ns; /* monotonic, when the last one was begun, or a profile of V8 had
				  ended; 0: none was */
	bool up; /* the last poll succeeded */
	uint64_t moved_ns; /* monotonic, of the last poll that did not find it standing still */
	bool capturing;
	uint64_t capture_pause_ns; /* longest time without an answer during the running capture */
	bool reached; /* up since nothing answered there last */
	uint64_t polls, failures[TARGET_FAILURES], restarts;
	/* Rules of which the journal says that they cannot hold for it; for more it does not. */
	uint64_t told_rules[TARGET_TOLD_RULES_MAX];
	uint32_t told_rules_n;
	uint64_t ups, downs; /* times it came to be reached, and not to be */
	uint64_t leaks; /* times a leak came to be suspected */
	int64_t last_poll_wall_ms; /* of the last completed poll; 0: none */
	uint64_t last_poll_mono_ns, last_poll_duration_ns;
};

struct targets {
	struct session_context context; /* borrowed parts */
	struct openings *openings; /* borrowed; NULL: nothing is opened */
	struct link list; /* in order of appearance */
	struct map by_name;
	uint32_t count, count_max, isolates_max, series_points;
	uint64_t warmup_ns; /* after the start of a program */
	uint64_t windows_ns[WINDOWS]; /* of the series of isolates to come */
	uint64_t next_id;
	bool contested; /* a source was refused a name that another holds */
	uint64_t refused; /* specs turned away: over the limit or a name twice */

	/* Hooks set by the root; may be NULL. */
	void (*on_polled)(void *owner,
			  struct target *target); /* success or failure, the state is set */
	void (*on_removed)(void *owner, struct target *target);
	/* A forced collection is over. */
	void (*on_collected)(void *owner, struct target *target, const struct collected *collected);
	/* A name is free again that another source was refused: offer all sets again, later. */
	void (*on_released)(void *owner);
	void *owner;
};

int targets_init(struct targets *targets, const struct session_context *context);
void targets_fini(struct targets *targets);
void targets_set_limits(struct targets *targets, const struct watch_settings *settings);

/*
 * The whole set of one source, now: new ones start, missing ones go, changed ones start again,
 * equal ones are left alone. A name another source holds already is refused and logged. Specs are
 * copied.
 */
int targets_replace(struct targets *targets, const char *source, const struct target_spec *specs,
		    size_t n);

/* NULL when there is none. */
struct target *targets_find(const struct targets *targets, uint64_t id);
struct target *targets_find_name(const struct targets *targets, const char *name);

/*
 * A value as of its last sample; of SAMPLE_ALLOCATED, where its engine does not count that, what
 * its profiles say. False when it is not known.
 */
bool isolate_value(const struct isolate *isolate, enum sample_field field, uint64_t *ret);
struct isolate *target_find_isolate(const struct target *target, const char *name);

/*
 * The isolate that is meant where none is named: "main" where there is one, else the first that
 * appeared. NULL while none is known.
 */
struct isolate *target_main_isolate(const struct target *target);

/* Poll now, without waiting for the turn; on_polled follows. 0, -EBUSY when one is under way. */
int target_poll_now(struct target *target);

/*
 * The same, but it may take its time: at least so long, however hurried its polls are otherwise. Of
 * one that is under way its own time-out holds.
 */
int target_poll_patiently(struct target *target, uint64_t patience_ns);

/* It is there, but its program answers nothing, or does not go on: for a moment, or for good. */
bool target_stands_still(const struct target *target);

/* When its process began, as far as it has been told or seen. */
struct process_start target_start(const struct target *target);

/* Are both on one host, as far as their addresses tell? */
bool target_same_host(const struct target *a, const struct target *b);

/*
 * Its process as the kernel sees it now. False when it cannot be seen: not of this host, in another
 * pid namespace, or gone.
 */
bool target_see_process(const struct target *target, struct process_stats *ret);

/*
 * The same of the process an isolate is in, where that is one of its own (a content process). One
 * that started before its target is none of its.
 */
bool target_see_isolate_process(const struct target *target, const char *isolate,
				struct process_stats *ret);

/* A capture begins or ends: polls are patient meanwhile. */
void target_set_capturing(struct target *target, bool capturing);

/*
 * Nobody polls it while its heap is captured: it bears one client, or we would leave after the
 * poll, and with V8 whoever leaves takes the ids of objects from all and ends their tracking.
 */
bool target_rests_for_captures(const struct target *target);

/* It is connected to for each poll anew; never what a person may have taken meanwhile. */
bool target_leaves_after_poll(const struct target *target);

const char *target_state_name(enum target_state state);
const char *target_failure_name(enum target_failure failure);

/*
 * A label of the target, for matchers and templates: its own labels, and target, runtime,
 * runtime_version, engine, engine_version, protocol, address, name (= target). NULL when absent.
 */
const char *target_label(const struct target *target, const char *name);

void target_spec_fini(struct target_spec *spec);
int target_spec_copy(struct target_spec *dst, const struct target_spec *src);

/* ---- between targets.c (the registry) and target.c (one target's life) ---- */

int target_new(struct target **ret, struct targets *targets, const struct target_spec *spec,
	       const char *source);
void target_free(struct target *target);

/* Take a changed spec of the same address; connects again only when the way of watching changed. */
int target_update(struct target *target, const struct target_spec *spec);

/* ---- isolates (isolate.c) ---- */

/* The isolate of that name, made when there is none; NULL over the limit or without memory. */
struct isolate *target_need_isolate(struct target *target, const char *name);

/*
 * A sample of an isolate: the last of it, its past and what that says of leaks. 0; -ENOSPC when it
 * is not watched: over the limit, or without memory.
 */
int target_take_sample(struct target *target, const char *name, const struct sample *sample);
/* What it told of a collection of an isolate that has been sampled. */
void target_take_gc(struct target *target, const char *name, const struct gc_event *event);
/* What its collections have come to; NULL: nothing is told of them, or not now. */
const struct gc_stats *target_gc_stats(const struct target *target, const struct isolate *isolate);
void target_drop_isolate(struct target *target, struct isolate *isolate);

/*
 * Nothing is told of it for now: it is missing until the next sample of its name, and goes on from
 * there. Dropped where nothing would tell that it is still the same program, and when all of its
 * past is too old to count.
 */
void target_miss_isolate(struct target *target, struct isolate *isolate);

/* The same of all but main: the connection is lost. */
void target_miss_workers(struct target *target);

/*
 * All but main that were not sampled since (0: none); of those that are missing, what has not come
 * back although the program has, and what is too old.
 */
void target_drop_workers(struct target *target, uint64_t since_ns);
struct isolate *target_find_missing(const struct target *target, const char *name);
void target_forget_missing(struct target *target, const char *name); /* if there is one */
void target_drop_missing(struct target *target);
void target_drop_isolates(struct target *target); /* and what is missing */
