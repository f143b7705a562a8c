#pragma once

/*
 * The processes of a browser's pages, of a runtime whose inspector says nothing when one of them
 * ends, and goes on to accept requests for it: only the kernel tells.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGES_MAX = 64 };

struct pages {
	int64_t browser_pid;
	struct {
		int64_t pid;
		uint64_t start_ticks;
	} page[PAGES_MAX];
	size_t n;
	double cpu_seconds; /* of the browser and these, when they were looked at last */
	uint64_t looked_ns; /* monotonic */
};

/*
 * Those that there are now; programs as struct runtime has them. Costs a look at every process. In
 * a sandbox that is no child of the browser's they are not found: none, then.
 */
void pages_note(struct pages *pages, int64_t browser_pid, const char *const *programs);

/*
 * Has one of them ended, while neither the browser nor one that is left has worked for some
 * seconds? Which of them a page is in is not known: but who makes a snapshot works, and the browser
 * works when it passes it on. Cheap; answers anew every two seconds, else false.
 */
bool pages_ended(struct pages *pages);
