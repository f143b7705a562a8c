#pragma once

/* Firefox's log of allocations, as a task of a capture (inspect/rdp_snapshot.h). */

#include <stdint.h>

struct download;
struct tree;

enum rdp_allocations_phase { RDP_LOOK_BEFORE, RDP_RECORD, RDP_LOOK_AFTER };

struct rdp_allocations {
	enum rdp_allocations_phase phase;
	uint64_t until_ns; /* to be recorded */
	uint64_t asked_ns; /* for the log */
	double probability; /* that an object is in the log */
};

/* The memory actor is attached: begin. */
int rdp_allocations_begin(struct download *download);

/* The answer to a request of ours. */
int rdp_allocations_answered(struct download *download, const char *type,
			     const struct tree *packet);
int rdp_allocations_woken(struct download *download);
