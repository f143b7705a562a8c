#pragma once

/* Strings, collections, detached nodes and dead variables of a snapshot, for people. */

#include "ctl/options.h"
#include "heap/extras.h"

struct buf;

/* A line each. */
void extras_put_summary(struct buf *buf, const struct heap_extras *extras);

/* Tables. 0, -ENOMEM; also buf's error. */
int extras_put_strings(struct buf *buf, const struct heap_extras *extras,
		       const struct heap_analysis *analysis, const struct ctl_options *options);
int extras_put_collections(struct buf *buf, const struct heap_extras *extras,
			   const struct heap_analysis *analysis, const struct ctl_options *options);
int extras_put_variables(struct buf *buf, const struct heap_extras *extras,
			 const struct heap_analysis *analysis, const struct ctl_options *options);
