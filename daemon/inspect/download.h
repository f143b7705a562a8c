#pragma once

/*
 * Downloads: the capture half of a dialect, run to its end on a capture thread. A blocking wire
 * brings frames, the JSON scanner turns them into events, the dialect picks the pieces of the
 * snapshot and hands them to the sink as they come. Memory is constant whatever the size.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "json/scan.h"
#include "net/address.h"
#include "net/wire.h"
#include "util/buf.h"
#include "util/err.h"

struct partings;
struct runtime;

enum download_result {
	DOWNLOAD_E_REFUSED = 1, /* the runtime answered with an error */
	DOWNLOAD_E_EXITING = 2, /* the program wants to exit; we left */
	DOWNLOAD_E_LOST = 3, /* the connection ended before what was asked for was whole */
	DOWNLOAD_E_BUSY = 4, /* it did not begin in time: the program's event loop is blocked */
};

/* What is wanted of the target. */
enum download_task {
	DOWNLOAD_TAKE_SNAPSHOT,
	DOWNLOAD_TAKE_SAMPLES, /* a sampling profile, as of request->samples */
	DOWNLOAD_TAKE_TIMELINE, /* a snapshot after a while of tracking, as of request->timeline */
	/* Two of one connection, the first by download_run_and_keep(), the second, so long after,
	 * by download_go_on(). */
	DOWNLOAD_TAKE_TRACKING,
};

/* Below the least interval V8 samples next to all, and the program crawls; below 1 it dies. */
enum {
	SAMPLING_INTERVAL_MIN = 1024,
	SAMPLING_INTERVAL_MAX = 1 << 30,
	SAMPLING_DEPTH_MAX = 256,
	SAMPLING_DEPTH_V8 = 128, /* of one that cannot be asked for another */
};

struct download_samples {
	uint64_t duration_ns;
	uint64_t interval_bytes; /* between samples, on average */
	unsigned stack_depth; /* calls of each stack */
	bool collected; /* objects too that were garbage at the end: all that was allocated */
	bool continuous; /* the first thing to be read from cancel_fd only ends it early */
};

struct download_timeline {
	uint64_t duration_ns;
	bool stacks; /* of each allocation: the program is some 15 times slower meanwhile */
};

/* What a piece is a piece of. Scripts come whole before the snapshot begins. */
enum download_part {
	DOWNLOAD_SCRIPTS, /* a JSON array: the scripts the program has loaded */
	DOWNLOAD_SNAPSHOT,
};

/* A call of the stack something was allocated in. */
struct download_frame {
	const char *name, *url;
	int32_t line, column; /* from 1; 0: not known */
};

/*
 * A wish to have a profile as it is so far. Another thread sets `wanted`, then adds one to
 * cancel_fd, and does so only while it is possible: at other times that would end the download.
 */
struct download_peek {
	_Atomic bool possible, wanted;
};

struct download_request {
	const struct runtime *runtime;
	enum download_task task;
	struct download_samples samples; /* of that task */
	struct download_timeline timeline; /* of that task; of a tracking its duration too */
	struct address address;
	char path[256]; /* of the WebSocket */
	char isolate[64]; /* "main", "worker:3" */
	char engine_version[48]; /* as struct identity has it; "" when not known */
	uint64_t connect_ns;
	uint64_t idle_ns; /* longest silence */
	uint64_t total_ns;
	uint64_t start_ns; /* from a request until the target is seen to work on it; 0: no limit */
	/*
	 * A snapshot that is given up while it streams is heard out for what is left of total_ns,
	 * for this at least, and for this at most from when it is cancelled once more. 0: 20 s.
	 */
	uint64_t leave_ns;
	bool scripts; /* list the scripts too */
	bool collect_garbage; /* before the snapshot */
	int cancel_fd; /* readable: give up; an eventfd, with EFD_SEMAPHORE */
	const struct partings *partings; /* borrowed; NULL: nobody parts */

	/* Takes the bytes of each part in order. A negative errno ends the download with that
	 * result. */
	int (*sink)(void *owner, enum download_part part, const char *data, size_t size);
	/*
	 * What was given to the sink stays a part: from now on, and before what is left of a
	 * snapshot is heard out, so that a disk that is full need not keep it. May be NULL.
	 */
	void (*given_up)(void *owner);
	/*
	 * Asked now and then while nothing of a snapshot has come: not 0 ends the download with
	 * that result, text in err, for nothing will come any more. May be NULL.
	 */
	int (*gone)(void *owner, struct err *err);
	/*
	 * A snapshot is about to be asked for of a target that may die when the connection (fd,
	 * borrowed) ends in its midst: somebody should have it too, in case we are killed. -1: that
	 * is over. May be NULL.
	 */
	void (*hold)(void *owner, int fd);
	/*
	 * Takes a profile (profile/read_v8.h), whose root object is at depth 0, as its events come.
	 * Only that task's; a negative errno ends the download with that result.
	 */
	int (*profile)(void *owner, const struct json_event *event);
	struct download_peek *peek; /* borrowed; NULL: nobody wishes */
	/* The same of the profile so far; what it returns ends nothing. */
	void (*peek_profile)(void *owner, const struct json_event *event);
	/* It was whole, of so long; or why (NULL: it was) it does not come. */
	void (*peeked)(void *owner, uint64_t sampled_ns, const char *why);
	/*
	 * The same from a runtime that tells allocations one by one: the stack, its innermost call
	 * last, and the bytes and objects that this one stands for.
	 */
	int (*allocation)(void *owner, const struct download_frame *stack, size_t n, uint64_t bytes,
			  uint64_t objects);
	/*
	 * Objects that were allocated within one interval of a timeline (from 0: what was there
	 * before) have so many bytes alive now, so long after it began; told anew whenever it
	 * changes. Only that task's.
	 */
	void (*interval)(void *owner, uint64_t index, uint64_t bytes, uint64_t after_ns);
	/*
	 * The second snapshot of a tracking is about to be asked for, of a heap of so many bytes;
	 * or that of a timeline, or the end of a continuous profile, of a heap that was not
	 * measured (0). 0; else the download ends with that result, text in err, and the target is
	 * left without it.
	 */
	int (*judge)(void *owner, uint64_t heap_bytes, struct err *err);
	/* The target said how far it is (0..1); may be NULL. */
	void (*progress)(void *owner, double share);
	void *owner;
};

struct download_stats {
	uint64_t bytes; /* of the snapshot */
	uint64_t wire_bytes;
	uint64_t duration_ns; /* connect to last words */
	uint64_t first_byte_ns; /* connect to the first byte */
	uint64_t busy_ns; /* request for the snapshot to its answer, as the dialect saw it */
	uint64_t scripts; /* how many were listed */
	uint64_t
		sampled_ns; /* for how long a profile that ended early was sampled; 0: it did not */
	char leftover[64]; /* name of the file the runtime has left behind for it; "": none */
	bool unnamed; /* it may have left one behind whose name it did not tell */
	bool collected; /* the end of a profile: it has collected its garbage, or was asked to */
	bool asked; /* for the snapshot: from then on the target may stand still for it */
	bool taken; /* where one client takes the connection from another, it seems one has */
};

/*
 * 0; a download_result; -ECONNREFUSED, -ETIMEDOUT, -ECANCELED, -EPROTO, the sink's own. Text in
 * err. However it ends, what costs the target while it is on is switched off first, for which a
 * wire that still stands is given two seconds of silence, and the rest of a snapshot that was given
 * up what leave_ns says: its bytes go nowhere.
 */
int download_run(const struct download_request *request, struct download_stats *stats,
		 struct err *err);

/* A connection that was kept, for which the engine goes on tracking objects. */
struct download_kept;

/*
 * The same of a snapshot over CDP that is one of several, or of the first of a tracking: when it is
 * whole, the engine is not told to stop tracking objects and *ret has the connection, to be given
 * to download_keep() or download_go_on(). Else *ret is NULL and all is as above.
 */
int download_run_and_keep(const struct download_request *request, struct download_stats *stats,
			  struct err *err, struct download_kept **ret);

/*
 * Listens until cancel_fd is readable (-ECANCELED), until until_ns (monotonic; -ETIMEDOUT), until
 * the program wants to exit (DOWNLOAD_E_EXITING) or the connection ends (DOWNLOAD_E_LOST and the
 * like, text in err); then has V8 stop tracking, as download_run() has, and frees it.
 */
int download_keep(struct download_kept *kept, int cancel_fd, uint64_t until_ns, struct err *err);

/* The same now: two seconds at most, for its last words. NULL is fine. */
void download_leave(struct download_kept *kept);

/*
 * The second snapshot of a tracking, on the connection that the first has left, which is of the
 * same runtime and task; frees kept. As download_run().
 */
int download_go_on(struct download_kept *kept, const struct download_request *request,
		   struct download_stats *stats, struct err *err);

/* Can a profile of this runtime be had before its end? */
bool download_can_peek(const struct runtime *runtime);

/* Does reading a profile of this runtime (NULL: as if it did) make it collect its garbage? */
bool download_samples_collect(const struct runtime *runtime);

/* ---- for dialects ---- */

struct download {
	const struct download_request *request;
	struct download_stats *stats;
	struct err *err;
	struct wire wire;
	struct json_scan scan;
	char *scan_buffer; /* owned */
	struct buf packet; /* being gathered, of a dialect of packets */
	void *state; /* owned, dialect->download_size bytes */
	int32_t next_id;
	uint64_t started_ns;
	uint64_t deadline_ns; /* of the phase: total_ns, then that of the last words */
	uint64_t start_deadline_ns; /* for what the target has not begun; 0: none */
	int result; /* of the events: not 0 ends the phase */
	uint64_t wake_ns; /* nothing is waited for but this; 0: not asleep */
	uint64_t asleep_ns; /* since when */
	bool broken; /* the wire can say no more */
	bool heard; /* it has said something */
	bool turned_away; /* without: another client has the one connection there can be */
	bool skip; /* the rest of the message under way is not scanned */
	bool leaving; /* last words: pieces are dropped, nothing can be cancelled */
	bool held; /* see request->hold */
	bool done; /* the dialect has what it waits for: the end of the snapshot, of the last words
		    */
};

/* Send {"id":N,"method":METHOD,"params":PARAMS}; params is JSON text or NULL, as is ret_id. */
int download_ask(struct download *download, const char *method, const char *params,
		 int32_t *ret_id);

/* The same with "sessionId", which is free of what JSON would quote; NULL is none. */
int download_ask_session(struct download *download, const char *session_id, const char *method,
			 const char *params, int32_t *ret_id);

/* Send a text of the dialect's own. 0 or the result of the download. */
int download_send(struct download *download, const char *text, size_t size);

/* The same message into buf instead, for a dialect that wraps one message in another. */
int download_compose(struct download *download, struct buf *buf, const char *session_id,
		     const char *method, const char *params, int32_t *ret_id);

/* A snapshot is asked for next: what request->hold is for, where the runtime needs it. */
void download_hold(struct download *download);

/* A request goes out that the target must begin within start_ns; then it is overdue. */
void download_expect(struct download *download);

/* It has begun. */
void download_began(struct download *download);

/* Silence is no fault for so long, then snapshot_woken is called. */
void download_sleep(struct download *download, uint64_t ns);

/* DOWNLOAD_E_BUSY, with its text. */
int download_blocked(struct download *download);

/* What request->judge says of a heap of so many bytes; 0: it was not measured. */
int download_judge(struct download *download, uint64_t heap_bytes);

/* Bytes of a part, in order. To be returned from the event when it is not 0. */
int download_piece(struct download *download, enum download_part part, const char *data,
		   size_t size);

/* An event of the profile; as download_piece(). */
int download_profile(struct download *download, const struct json_event *event);

/* An event of the profile so far, and its end (why as in download_request.peeked). */
void download_peek_profile(struct download *download, const struct json_event *event);
void download_peeked(struct download *download, const char *why);

/* An allocation; as download_piece(). */
int download_allocation(struct download *download, const struct download_frame *stack, size_t n,
			uint64_t bytes, uint64_t objects);
