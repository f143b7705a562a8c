#pragma once

/*
 * A line of progress on stderr, written over and over, and gone when the work is done. Only where
 * stderr is a terminal, and not with --quiet.
 */

#include "ctl/options.h"
#include "heap/progress.h"

/* For the file at this path, which is borrowed; NULL: nobody wants to see it. One at a time. */
const struct heap_progress *progress_begin(const char *path, const struct ctl_options *options);

/* The line is gone. Without one nothing happens. */
void progress_end(void);
