#pragma once

/* Pipelines: the stages of a recipe, put together before the stage that takes the result. */

#include "pipeline/recipe.h"
#include "pipeline/stage.h"

struct err;

/* What the bytes are, which decides what redaction has to know of them. */
enum content {
	CONTENT_V8_SNAPSHOT, /* .heapsnapshot */
	CONTENT_JSC_SNAPSHOT, /* .jsc.json: names only, no value of any string */
	CONTENT_GECKO_SNAPSHOT, /* .fxsnapshot: addresses and names, no value of any string */
	CONTENT_V8_PROFILE, /* .heapprofile: names of functions and addresses of scripts only */
	CONTENT_SAMPLED, /* a profile that was redacted as it came: capture/profile_job.h */
	CONTENT_OWN, /* written by ourselves, without secrets: diagnostics, lists of scripts */
};

enum { PIPELINE_STAGES_MAX = 5, PIPELINE_SUFFIX_MAX = 16 };

struct pipeline {
	struct stage *first; /* borrowed: one of stages, or the end */
	struct stage *stages[PIPELINE_STAGES_MAX]; /* owned; in order */
	unsigned stages_n;
};

/*
 * end is borrowed and gets the result. 0; -EINVAL when a recipient is none (err says which);
 * -ENOMEM. Nothing is written before the first put.
 */
int pipeline_init(struct pipeline *pipeline, const struct recipe *recipe, enum content content,
		  struct stage *end, struct err *err);
void pipeline_fini(struct pipeline *pipeline); /* zeroed is fine */

/* As stage_put() and stage_finish() on the first. */
int pipeline_put(struct pipeline *pipeline, const void *data, size_t size);
int pipeline_finish(struct pipeline *pipeline);

/* Bytes that have entered the stage of this name; 0 when there is none. */
uint64_t pipeline_bytes(const struct pipeline *pipeline, const char *stage);

/* The text of the stage that failed; "" when none says anything. */
const char *pipeline_error(const struct pipeline *pipeline);

/* What the stages add to a file's name: ".zst.age". */
void pipeline_suffix(const struct recipe *recipe, char dst[PIPELINE_SUFFIX_MAX]);
