#pragma once

/*
 * Reports: what the analysis of a snapshot came to, a file beside the capture, and its manifest,
 * which tells of it. The report is committed first, then the manifest: what a crash between them
 * leaves is a report that no manifest names, which the next start sweeps, and the analysis is done
 * again.
 */

#include <stddef.h>
#include "spool/manifest.h"

struct spool;

/*
 * Write the report of this capture into ready/; what is to be noted of it goes into analysis. From
 * any thread: touches only the descriptors. 0, FILE_E_FULL, -errno.
 */
int report_write(const struct spool *spool, const struct manifest *manifest, const char *text,
		 size_t size, struct manifest_analysis *analysis);

/* One that will not be noted. */
void report_take_back(const struct spool *spool, const struct manifest_analysis *analysis);

/*
 * Note in the manifest how it went; of a report the bytes count from here on. The manifest is
 * replaced, and the disk waited for: a few milliseconds. 0; -ENOENT: the capture is gone;
 * FILE_E_FULL, -errno.
 */
int report_note(struct spool *spool, const char *id, const struct manifest_analysis *analysis);
