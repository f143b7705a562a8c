#pragma once

/* Sampling profiles, as a task of a capture over CDP (inspect/cdp_capture.h). */

#include <stdbool.h>
#include <stdint.h>

struct cdp_task;

struct cdp_sampling {
	uint64_t asked_ns; /* for the profile */
	int32_t probe_id, start_id, stop_id; /* of the requests, 0 before */
	int32_t peek_id; /* of the one for the profile so far, 0 while there is none */
	bool peeked; /* it was in the answer */
	bool started; /* by us: it is to be stopped */
	bool told; /* the profile was in the answer */
};

extern const struct cdp_task cdp_task_sampling;
