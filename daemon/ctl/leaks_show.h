#pragma once

/* What `leaks` found, for people (docs/ANALYSIS.md). */

#include "heap/leaks_answer.h"

struct buf;

/* top: so many suspects or rows, 0: all. 0, -ENOMEM; also buf's error. */
int leaks_put_text(struct buf *buf, const struct leaks_answer *answer, uint64_t top, bool legend);
