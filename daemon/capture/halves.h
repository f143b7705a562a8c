#pragma once

/*
 * Halves: the two captures of a tracking
 *
 * JSC numbers objects for one connection, so both snapshots come over the same. The second capture
 * begins as soon as the first has been read: its thread waits out the time on that connection,
 * measures the heap, and has the control thread ask the guards what they say of it. Only then is
 * the second snapshot asked for; where they say no, the target is left, and JSC drops the tracking
 * without one.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "capture/capture.h"
#include "util/err.h"

struct download_kept;
struct loop_wake;

/* The second one, in its job; zeroed in that of any other. */
struct half {
	struct download_kept *kept; /* owned until the thread has it; NULL: it is no second one */
	struct loop_wake *wake; /* borrowed: of the control thread */
	int answer_fd; /* owned: readable when the guards have answered */
	_Atomic bool asks; /* what follows is the control thread's until then */
	uint64_t heap_bytes; /* what it asks of */
	enum capture_refusal refusal; /* the answer, with its reason */
	struct err err;
};

/* kept is taken over, whatever is returned. 0 or -errno. */
int half_init(struct half *half, struct download_kept *kept, struct loop_wake *wake);
void half_fini(struct half *half); /* leaves what is still kept; zeroed is fine */

/*
 * From the thread: may the second snapshot be taken? 0; DOWNLOAD_E_REFUSED with the guard's reason;
 * -ECANCELED as soon as cancel_fd is readable; -ETIMEDOUT; -errno. Text in err.
 */
int half_ask(struct half *half, int cancel_fd, uint64_t timeout_ns, uint64_t heap_bytes,
	     struct err *err);

/* ---- the control thread ---- */

/* The first half has been read: the second begins on its connection, which is left if it cannot. */
void halves_take(struct captures *captures, struct capture *first);

/* The second does not come, though the first is whole: it is told, with the reason. */
void halves_lost(struct captures *captures, const struct capture *first, const char *why);

/* A second half of this one is running. */
bool halves_under_way(const struct captures *captures, const struct capture *first);

/* Without the first there is nothing to be compared with. False: there is none to be cancelled. */
bool halves_cancel(struct captures *captures, const struct capture *first);

/* If a second half asks, it is answered. */
void halves_answer(struct captures *captures, struct capture *second);
