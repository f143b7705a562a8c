#pragma once

/* What is said to Bun: the expressions of inspect/bun.c, and its capture half, for dialect_bun. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "inspect/webkit_message.h"
#include "inspect/webkit_take.h"

struct download;

enum {
	/* A slice of the snapshot in bytes: a multiple of 3, so that its base64 has no padding. It
	 * holds up the program for some 10 ms. */
	BUN_SLICE_BYTES = 768 * 1024,
	BUN_SLICE_TEXT = BUN_SLICE_BYTES / 3 * 4,
};

enum bun_step { BUN_READY, BUN_COLLECT, BUN_MAKE, BUN_READ, BUN_FREE, BUN_MEASURE, BUN_TAKE };

/* download->state: sizeof(struct bun_snapshot) is the dialect's download_size. */
struct bun_snapshot {
	struct webkit_message message;
	enum bun_step step;
	int32_t asked_id; /* the one request under way */
	uint64_t asked_ns;
	uint64_t size, read; /* bytes of the snapshot */
	size_t text_size; /* of the value under way; over its limit: not ours */
	char text[BUN_SLICE_TEXT];
	char last; /* byte of the snapshot that is no white space */
	bool held; /* the target may hold a snapshot for us */
	struct webkit_take take; /* of a tracking */
};

int bun_snapshot_begin(struct download *download);
int bun_snapshot_event(struct download *download, const struct json_event *event);
int bun_snapshot_message_end(struct download *download);
int bun_snapshot_overdue(struct download *download);
int bun_snapshot_finish(struct download *download);

/* The same of a tracking, called by these where it is the task. */
int bun_tracking_begin(struct download *download);
int bun_tracking_event(struct download *download, const struct json_event *event);
int bun_tracking_message_end(struct download *download);
int bun_tracking_woken(struct download *download); /* dialect->snapshot_woken */
int bun_tracking_finish(struct download *download);

/* What a request was answered with when it was refused: DOWNLOAD_E_REFUSED. */
int bun_refused(struct download *download);

/* Frees what a capture has left in the target. It stands in JSON as it is. */
extern const char bun_free_expression[];

/* Params of Runtime.evaluate. */
void bun_evaluate(char *dst, size_t size, const char *expression);
