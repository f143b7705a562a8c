#pragma once

/*
 * A heap snapshot in a file of this machine, as a capture of the spool or the runtime itself left
 * it: plain, compressed by zstd, sealed by age, or both. What has to be unpacked is unpacked into
 * memory that has no name, so that nothing decrypted reaches a disk by us.
 */

#include "ctl/options.h"
#include "heap/analysis.h"
#include "heap/load_v8.h"

struct err;

struct heap_file {
	struct v8_text text;
	size_t mapped; /* bytes */
};

/* CTL_OK, or CTL_FAILURE with the reason; fini in any case. */
int heap_file_open(struct heap_file *ret, const char *path, const struct ctl_options *options,
		   struct err *err);
void heap_file_fini(struct heap_file *file); /* zeroed is fine */

/* The exit status for an analysis that failed with r and why, which goes to err. */
int heap_file_failed(struct err *err, const char *path, int r, const struct err *why);

/* The file of the first argument, analysed. CTL_OK, or the exit status; fini both in any case. */
int heap_file_analyse(struct heap_file *file, struct heap_analysis *ret,
		      const struct ctl_options *options, struct err *err);

/*
 * By the wishes, and the processors there are, for the file at this path; progress_end() when the
 * work is done.
 */
struct heap_load_options heap_file_load_options(const char *path,
						const struct ctl_options *options);
