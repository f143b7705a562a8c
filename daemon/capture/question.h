#pragma once

/*
 * Questions: what a capture's thread asks the guards, which are the control thread's, in the middle
 * of a capture. Before the second snapshot of a tracking and that of a timeline, and before the
 * end of a continuous profile, for which V8 collects all garbage: what was judged at the beginning
 * is minutes old then.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "capture/capture.h"
#include "util/err.h"

struct loop_wake;

/* In a job; zeroed in that of a capture that does not ask. */
struct question {
	struct loop_wake *wake; /* borrowed: of the control thread; NULL: it does not ask */
	int answer_fd; /* owned: readable when the guards have answered */
	_Atomic bool asked; /* what follows is the control thread's until it has answered */
	uint64_t heap_bytes; /* what the heap has been measured to use; 0: it was not */
	enum capture_refusal refusal; /* the answer, with its reason */
	struct err err;
};

/* 0 or -errno. */
int question_init(struct question *question, struct loop_wake *wake);
void question_fini(struct question *question); /* zeroed is fine */

/*
 * From the thread: may it be gone on with? 0; DOWNLOAD_E_REFUSED with the guard's reason;
 * -ECANCELED as soon as cancel_fd is readable; -ETIMEDOUT; -errno. Text in err.
 */
int question_ask(struct question *question, int cancel_fd, uint64_t timeout_ns, uint64_t heap_bytes,
		 struct err *err);

/* From the control thread: if this one, which runs, asks, it is answered. */
void question_answer(struct captures *captures, struct capture *capture);
