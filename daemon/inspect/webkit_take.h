#pragma once

/*
 * The snapshot that a capture takes of JSC, whoever carries its messages: Heap.snapshot has it in
 * its answer; of the two of a tracking each is in an event that comes before the answer.
 */

#include <stdbool.h>
#include <stdint.h>
#include "json/scan.h"

struct download;

enum webkit_which {
	WEBKIT_ALONE,
	WEBKIT_FIRST, /* of a tracking */
	WEBKIT_SECOND,
};

struct webkit_take {
	enum webkit_which which;
	bool enabled; /* the domain Heap: what we leave it in ends with it */
	uint64_t asked_ns;
	bool streamed; /* the message under way has brought the snapshot */
	bool whole; /* it has come */
	char last; /* byte of the snapshot */
};

extern const char webkit_enable_method[], webkit_disable_method[];

/* Which it is, by the task of the download. */
void webkit_take_init(struct download *download, struct webkit_take *take);

/*
 * May a heap of so many bytes, measured right now, be taken? 0; DOWNLOAD_E_REFUSED with the numbers
 * in download->err, or what else the guards came to (struct download_request, judge).
 */
int webkit_take_judge(struct download *download, const struct webkit_take *take,
		      uint64_t heap_bytes);

/* The method to be asked next, for the snapshot. */
const char *webkit_take_begin(struct download *download, struct webkit_take *take);

/*
 * Text of a member `snapshotData` of a message of this method (""): an answer. As
 * download_piece().
 */
int webkit_take_piece(struct download *download, struct webkit_take *take, const char *method,
		      const struct json_event *event);

/* A message begins, or is over. */
void webkit_take_message(struct webkit_take *take);
void webkit_take_message_end(struct webkit_take *take);

/* The method was answered: the download is done, or -EPROTO. */
int webkit_take_answered(struct download *download, struct webkit_take *take);
