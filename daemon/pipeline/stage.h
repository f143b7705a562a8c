#pragma once

/*
 * Stages: what the bytes of a capture pass through on their way to the disk
 *
 *   decode -> redact -> zstd -> age -> file
 *
 * A stage takes bytes in order, hands what it makes of them to the next one, and holds a bounded
 * amount of memory whatever passes. The last stage is the writer's (or that of whoever reads back)
 * and has no next. A stage lives on one thread.
 */

#include <stddef.h>
#include <stdint.h>

struct stage;

struct stage_ops {
	const char *name; /* as manifests have it: "redact" */
	int (*put)(struct stage *stage, const void *data, size_t size);
	int (*finish)(struct stage *stage); /* hand on what is held back; once; not the next's */
	void (*free)(struct stage *stage); /* wipes what is secret */
};

enum { STAGE_ERROR_MAX = 160 };

struct stage {
	const struct stage_ops *ops;
	struct stage *next; /* borrowed; NULL in the last one */
	uint64_t bytes; /* taken in so far */
	char error[STAGE_ERROR_MAX]; /* why this stage failed, for people; "" */
};

/*
 * 0; -EBADMSG when the bytes are not what this stage works on; -ENOMEM; anything the last stage
 * returns, passed through as it is. After a failure the stream is lost: only free.
 */
int stage_put(struct stage *stage, const void *data, size_t size);

/* Finish this stage and all after it. As stage_put(). */
int stage_finish(struct stage *stage);
