#pragma once

/* How far the work on a snapshot is, for whoever waits for it. */

#include <stddef.h>

enum { HEAP_NO_PERCENT = 101 };

/* Called on the thread that began the work. */
struct heap_progress {
	/* phase: a word or two; percent: of it, or HEAP_NO_PERCENT */
	void (*tell)(void *owner, const char *phase, unsigned percent);
	void *owner; /* borrowed */
};

static inline void heap_progress_tell(const struct heap_progress *progress, const char *phase,
				      unsigned percent)
{
	if (progress != NULL)
		progress->tell(progress->owner, phase, percent);
}
