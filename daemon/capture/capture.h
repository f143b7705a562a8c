#pragma once

/*
 * Captures: the queue, the guards, the threads. A request names a target; when the guards agree it
 * waits for a thread. Right before it begins the guards judge again, on what the kernel says now.
 * The thread downloads through the stages of the recipe into the spool's incoming/ at constant
 * memory. The end of the download comes back to the control thread, which adds what only it knows;
 * then a thread publishes file and manifest, for that waits for the disk, and the control thread
 * lists, counts, vacuums and tells. Every refusal is counted and remembered with its reason.
 *
 * A snapshot is preceded by diagnostics: a few kilobytes about the target that cost it nothing.
 * They are taken also when a guard that protects the target then refuses the snapshot.
 */

#include <stdbool.h>
#include <stdint.h>
#include "capture/settings.h"
#include "inspect/download.h"
#include "loop/loop.h"
#include "loop/wake.h"
#include "pipeline/pipeline.h"
#include "spool/spool.h"
#include "util/list.h"
#include "util/map.h"
#include "util/metric.h"
#include "watch/rule.h"

struct abandoned;
struct collection_end;
struct target;
struct targets;

enum capture_refusal {
	REFUSAL_NONE,
	REFUSAL_BUSY, /* a capture of this target is running or waiting */
	REFUSAL_QUEUE, /* the queue is full */
	REFUSAL_COOLDOWN, /* of the rule for this target */
	REFUSAL_MAX_CAPTURES, /* of the rule in its window */
	REFUSAL_REARM, /* the value has not been back below rearm_below since the last capture */
	REFUSAL_QUIET_HOURS,
	REFUSAL_MIN_UPTIME,
	REFUSAL_MAX_HEAP,
	REFUSAL_MAX_CPU,
	REFUSAL_HEADROOM, /* the host or the control group has not enough memory to spare */
	REFUSAL_GC_INTERVAL, /* the last forced collection of the target was a moment ago */
	REFUSAL_SPACE, /* the spool has no room, or no inodes */
	REFUSAL_TARGET, /* not up, or it has nothing to be captured */
	REFUSAL_UNSUPPORTED, /* its runtime cannot do this, at any time */
	REFUSAL_DRY_RUN, /* all guards agreed, but the rule only tries */
	REFUSALS,
};

enum capture_step { CAPTURE_WAITING, CAPTURE_RUNNING, CAPTURE_SUCCEEDED, CAPTURE_FAILED };

struct capture_request {
	uint64_t target_id;
	int kind; /* enum capture_kind */
	const char *isolate;
	const char *rule; /* NULL: a person asked */
	const char *step; /* of the rule's, as it is written; NULL: it has none */
	const char *after; /* the id of a capture of the same rule whose end it waits for; NULL */
	/*
	 * Whoever asked the API, as their password, the system and the client itself tell of it:
	 * "user ops, uid 1000, pid 4711 (heapwatchctl/0.1)"; NULL: a rule, or captures themselves.
	 */
	const char *requested_by;
	const char *cause;
	double cause_value;
	const struct rule_guards *guards; /* NULL: only those of the settings */
	const struct recipe_choice *recipe; /* NULL: as configured */
	const struct series_settings *series; /* NULL: one */
	const struct sampling_settings *sampling; /* of that kind; NULL: the defaults */
	const struct timeline_settings
		*timeline; /* of that kind, beside sampling's duration; NULL */
	bool dry_run;
	bool force; /* a person takes the risk: what protects the target does not judge */
	bool gc_before;

	/* Set by captures themselves: one of those that follow one another (capture/continuous.c).
	 */
	bool continuous;
	/* And a later one of a series. */
	const char *series_id;
	int64_t series_index;
};

/* A capture under way or lately ended, for the API and the page. */
struct capture {
	struct link link;
	char id[CAPTURE_ID_MAX];
	enum capture_step step;
	struct manifest manifest; /* as far as known */
	uint64_t target_id;
	int kind; /* enum capture_kind */
	bool force, gc_before;
	char after[CAPTURE_ID_MAX]; /* of the request; "": none */
	struct rule_guards guards; /* a copy: rules are replaced by a reload */
	bool has_guards;
	struct recipe recipe; /* owned */
	enum content content;
	bool of_target; /* it is taken from the target itself */
	struct download_samples samples; /* of a profile */
	struct download_timeline timeline; /* of that kind */
	unsigned formats; /* of it: bits of enum sampling_format */
	bool continuous; /* a profile that ends when another capture of the target comes */
	bool ending; /* and has been told to */
	bool keeps_ids; /* the engine goes on tracking objects after it, for what follows */
	bool tracked; /* and its connection was handed over for that */
	char *text; /* owned until its job has it: diagnostics */
	bool awaits; /* text, of a look at a profile: it cannot begin before */
	size_t text_size;
	int file_fd; /* owned until its job has it: adopted; else -1 */
	void (*adopted)(void *owner, const struct capture *capture);
	void *adopted_owner;
	uint64_t requested_ns; /* monotonic */
	uint64_t still_since_ns; /* its turn had come, but its target stood still; 0: it has not */
	uint64_t started_boot_ns; /* 0: not yet, or of a file that was there */
	uint64_t bytes; /* so far; updated about once a second */
	bool refused; /* by a guard, right before it would have begun */
	bool stopped; /* it failed, and the target may have stood still for it */
	bool unsure; /* it succeeded, but may be lost if the power fails now */
	int failure; /* -errno of it, where it has one */
	char reason[16]; /* of the failure, in one word: "timeout", as in the metric */
	char error[256]; /* why it failed */
	struct capture_job *job; /* owned while running */
};

/* A refusal, for the API and the page: the newest REFUSED_MAX are kept. */
enum { REFUSED_MAX = 64 };

struct refused {
	int64_t wall_ms; /* of the last time */
	uint64_t last_ns, told_ns; /* monotonic: that time too, and when the journal last had it */
	uint64_t times; /* in a row: a rule asks again while it holds, and that is one story */
	char target[128], isolate[64], rule[128], step[RULE_STEP_MAX];
	enum capture_refusal reason;
	char text[192]; /* the numbers: "cooldown: 12m left of 30m" */
};

/*
 * Counters by labels, for /metrics, a row for each set of labels and kind: successes by target and
 * rule (reason ""), failures by target and reason (rule ""), refusals by all three, the time of the
 * last success by target (rule and reason ""). "" as a rule is a person. What comes when
 * COUNTERS_MAX rows are there is counted by its kind and reason only.
 */
enum { COUNTERS_MAX = 8192 };

struct capture_counter {
	struct link link;
	int kind; /* enum capture_kind */
	char target[128], rule[128], reason[32];
	uint64_t succeeded, failed, refused;
	int64_t last_wall_ms; /* of the last success; 0: none, or not such a row */
};

struct captures {
	struct loop *loop; /* borrowed */
	struct targets *targets; /* borrowed */
	struct spool *spool; /* borrowed */
	const struct capture_settings *settings; /* borrowed */
	struct link queue, running, ended; /* struct capture; ended keeps the newest few */
	uint32_t queue_n, running_n, ended_n;
	struct refused refused[REFUSED_MAX];
	uint64_t refused_n; /* ever; the newest is refused[(refused_n - 1) % REFUSED_MAX] */
	struct link counters;
	struct link history; /* accepted requests of rules, by which guards judge; newest last */
	struct link series; /* of capture/series.c: those with captures still to come */
	struct link tracked; /* of capture/tracking.c: where V8 tracks objects for a series */
	struct link continuous; /* of capture/continuous.c: targets that are profiled */
	struct link kept; /* of capture/kept.c: files that were adopted and stay; oldest first */
	struct map kept_by_stamp;
	uint32_t counters_n, history_n, unarmed_n, kept_n;
	struct state_file *state; /* owned; NULL: nothing survives a restart */
	bool unsaved; /* the state has changed since it was last handed to a thread */
	struct save_job *saving; /* owned: a thread has it */
	struct histogram duration, pause, size; /* of snapshots that we took */
	struct link collections; /* of capture/collection.c: forced ones that are not over */
	struct histogram gc_duration; /* of forced collections */
	uint64_t input_bytes[CAPTURE_KINDS], output_bytes[CAPTURE_KINDS];
	uint64_t adopted_n;
	struct loop_wake wake;
	struct loop_timer tick;
	struct capture_pool *pool; /* owned */
	/* Set by the root; may be NULL. */
	const char *version; /* of the daemon */
	const struct abandoned *abandoned; /* borrowed: targets that are not captured for now */
	/* Have a connection (fd, borrowed) outlive us, should we be killed, or no more (-1). Called
	 * from capture threads. */
	void (*on_hold)(const char *id, int fd);
	void (*on_done)(void *owner, const struct capture *capture);
	void (*on_collected)(void *owner, const struct collection_end *end);
	/* The last snapshot of this series will not come; why. */
	void (*on_no_verdict)(void *owner, const char *series, const char *why);
	void *owner;
};

/*
 * settings is borrowed until the next captures_set(). state_dir_fd is where history is kept over
 * restarts (borrowed; -1: nowhere); what makes no sense there is told and begun anew.
 * What cannot be read for the moment is told and an error: cooldowns are not given up for it.
 */
int captures_init(struct captures *captures, struct loop *loop, struct targets *targets,
		  struct spool *spool, const struct capture_settings *settings, int state_dir_fd);

/* Cancels what is running and waits for the threads: for a snapshot that streams some 20 s at most.
 */
void captures_fini(struct captures *captures);
void captures_set(struct captures *captures, const struct capture_settings *settings);

/*
 * Ask for a capture, or with CAPTURE_KIND_GC for a forced collection, whose end on_collected tells.
 * 0 and the id in ret_id (may be NULL); or a capture_refusal with the numbers
 * in err, counted and remembered; or -errno. It starts in a later turn of the loop. A request that
 * was accepted counts for cooldown and max_captures even if the capture fails: what they limit is
 * how often a target is stopped.
 */
int captures_request(struct captures *captures, const struct capture_request *request,
		     char ret_id[CAPTURE_ID_MAX], struct err *err);

/*
 * Take over a file that a runtime wrote by itself: through the stages of the configured recipe into
 * the spool. fd is the captures' from here on, whatever is returned. manifest has what is known of
 * the file (kind, target, isolate, source, times); id, name and results are set here. adopted is
 * called once, later, on the control thread, when the file is safe in the spool (CAPTURE_SUCCEEDED)
 * or is not (CAPTURE_FAILED); not after captures_fini(). 0; REFUSAL_QUEUE, REFUSAL_SPACE with the
 * numbers in err, counted and remembered as every refusal; -errno.
 */
typedef void capture_adopted_fn(void *owner, const struct capture *capture);

int captures_adopt(struct captures *captures, int fd, const struct manifest *manifest,
		   enum content content, capture_adopted_fn *adopted, void *owner, struct err *err);

/* False where the runtime tells of no such isolate whatever the program does. */
bool captures_can_have(const struct target *target, const char *isolate);

/* The value of the rule was seen on the good side of rearm_*: it may capture again. */
void captures_rearm(struct captures *captures, const char *target, const char *isolate,
		    const char *rule);

/* A session to this target stands: what our own end cut off there is put right. */
void captures_target_up(struct captures *captures, struct target *target);

/* A poll of this target has ended: what waited for it, a capture or a collection, may begin. */
void captures_polled(struct captures *captures, struct target *target);

/* Waiting, running or lately ended. NULL when unknown. */
const struct capture *captures_find(const struct captures *captures, const char *id);

/*
 * The id of the second of two captures that are one story, whatever has become of it: of a tracking
 * the other snapshot, of a profile in both formats the other file. False: the one with this id is
 * no first of two, or the second has not begun yet, or is gone or forgotten.
 */
bool captures_find_second(const struct captures *captures, const char *first_id,
			  char ret_id[CAPTURE_ID_MAX]);

/*
 * The kinds (bits: 1 << enum capture_kind) of captures that a rule has asked for and that wait or
 * run; of a series only the first counts. step: as it is written, "" for a rule without.
 */
uint32_t captures_under_way(const struct captures *captures, uint64_t target_id,
			    const char *isolate, const char *rule, const char *step);

/*
 * What a sampling profile that runs has so far becomes a capture of its own, whose id is in ret_id;
 * the profile goes on. V8 collects its garbage for that, so it is judged as a forced collection is
 * and counts for gc_interval. 0; -ENOENT; a capture_refusal with the numbers in err, counted and
 * remembered; with the text in err: -EINVAL: it is no such profile, -EALREADY: it is not sampling
 * now, -EBUSY: another look is under way; -errno.
 */
int captures_peek(struct captures *captures, const char *id, const char *requested_by,
		  char ret_id[CAPTURE_ID_MAX], struct err *err);

/* 0; -ENOENT; -EALREADY when it has ended. */
int captures_cancel(struct captures *captures, const char *id);

const char *capture_refusal_name(enum capture_refusal refusal); /* "cooldown": the reason label */
const char *capture_step_name(enum capture_step step);
const char *capture_kind_name(int kind); /* "snapshot": as manifests have it */

/* It ends in a snapshot, which stops the program and takes several times its heap. */
bool capture_kind_is_heap(int kind);
