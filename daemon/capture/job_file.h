#pragma once

/*
 * Job files: one file under way, from the bytes as they come, through the stages of the recipe,
 * into the spool's incoming/. Lives on a capture thread.
 */

#include <stdbool.h>
#include "pipeline/pipeline.h"
#include "spool/writer.h"
#include "util/err.h"

struct job_file {
	struct stage end; /* hands on to the writer */
	struct pipeline pipeline;
	struct writer writer;
	bool open;
	struct err err; /* why it failed; code 0: it has not */
	const char *reason; /* the same in one word: "space", "redact", "pipeline", "error" */
};

/* What leaves each stage; 0 where there is none. */
struct job_file_sizes {
	uint64_t redacted, compressed, file;
};

/* All return 0, or a negative errno with err and reason set; then only fini is left to do. */
int job_file_open(struct job_file *file, struct spool *spool, const struct writer_limits *limits,
		  const struct recipe *recipe, enum content content);
int job_file_put(struct job_file *file, const void *data, size_t size);

/* All is put: what the stages hold back is written, and synced. */
int job_file_finish(struct job_file *file, char sha256[DIGEST_HEX_MAX]);

/* A result of the writer or the spool: told in err and reason, and returned as an errno. */
int job_file_disk(struct job_file *file, int r);

/* After finish. */
void job_file_measure(const struct job_file *file, const struct recipe *recipe,
		      struct job_file_sizes *ret);

/* Deletes what was not published. Safe on a zeroed one, and twice; err and reason stay. */
void job_file_fini(struct job_file *file);
