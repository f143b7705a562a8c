#pragma once

/*
 * Steps: what capture.c (the lists), request.c (asking), begin.c and finish.c (the two ends of a
 * run) have in common.
 */

#include "capture/capture.h"

struct runtime;
struct pool_job;

/* Threads besides those of captures, for what is small and must not wait: saving, publishing. */
enum { POOL_THREADS_SPARE = 1 };

/* And for sampling profiles, each of which does nothing for a minute. */
enum { POOL_THREADS_SAMPLING = 16 };

/* And for continuous ones; of more targets they take turns. */
enum { POOL_THREADS_CONTINUOUS = 64 };

/* It takes a thread for as long as it takes, but next to nothing of the target or the disk. */
bool step_is_sampling(const struct capture *capture);
unsigned step_samplings_running(const struct captures *captures);

/* May one more of them begin, a continuous one or another? */
bool step_has_thread(const struct captures *captures, bool continuous);

/* All of them, at the most, for what runs now. */
uint64_t step_threads(const struct captures *captures);

/* Zeroed but for an id, and on no list. 0 or -errno. */
int capture_new(struct capture **ret);
void capture_free(struct capture *capture);

/* The one place where a capture changes its list. */
void step_enter(struct captures *captures, struct capture *capture, enum capture_step step);

/* The one of this id in the queue; NULL. */
struct capture *step_waiting(const struct captures *captures, const char *id);

/* An ended capture is counted and told; what was refused at its beginning is counted as that. */
void step_succeed(struct captures *captures, struct capture *capture);
void step_fail(struct captures *captures, struct capture *capture, const char *reason,
	       const char *text);
void step_refuse(struct captures *captures, struct capture *capture, enum capture_refusal refusal,
		 const char *text);

/* request.c: as captures_request(), but a refusal is neither counted nor told. */
int request_quietly(struct captures *captures, const struct capture_request *request,
		    char ret_id[CAPTURE_ID_MAX], struct err *err);

int request_second(struct captures *captures, const struct capture *first, char *text, size_t size);

/* request.c: the second capture of a tracking, on no list. 0 or -errno. */
int request_half(const struct capture *first, struct capture **ret);

/* request.c: as captures_peek(), of one whose job runs. */
int request_peek(struct captures *captures, const struct capture *of, const char *requested_by,
		 char ret_id[CAPTURE_ID_MAX], struct err *err);

/* request.c: what a capture of this kind, of this runtime (NULL: one of V8), consists of. */
enum content content_of(int kind, const struct runtime *runtime);

/* request.c: what is known of a target as it is now. */
void describe_target(struct manifest *manifest, const struct target *target);

/* begin.c: start what may start, in the order it was asked for. */
void begin_all(struct captures *captures);

/*
 * begin.c: the second capture of a tracking begins at once, on the connection of the first, which
 * is taken over; one that cannot has failed.
 */
void begin_half(struct captures *captures, struct capture *capture, const struct target *target,
		struct download_kept *kept);

/* finish.c */
void finish_kept(struct captures *captures, struct capture *capture); /* its connection, if any */
void finish_phase(void *owner, struct pool_job *pool_job); /* of a job; owner: the captures */
void finish_watch(struct captures *captures, struct capture *capture); /* once a second */
void finish_hold(struct captures *captures, const struct capture *capture, bool on);

/* save.c: the state file, written by a thread; several changes at once are one text. */
void save_soon(struct captures *captures);
void save_now(struct captures *captures); /* the threads have ended */
