#pragma once

/*
 * Confinement of a process that reads what strangers wrote: it gives up priority, memory, and then
 * every call of the kernel but those that computing on memory it has takes. confine.c is the only
 * file that includes libseccomp.
 */

#include <stdint.h>

struct err;

struct confine_limits {
	uint64_t memory_bytes; /* of address space, beyond what is mapped already */
	uint64_t cpu_seconds;
	uint64_t file_bytes; /* of a file that it writes */
};

/*
 * Last for the processor and the disk, first to be killed when memory runs out, gone with the
 * parent. What the kernel does not grant is no failure: it costs others more, not us.
 */
void confine_priority(void);

/* No descriptor but 0 and 1 stays open, and no other can be opened. 0, -errno with the call. */
int confine_limit(const struct confine_limits *limits, struct err *err);

/*
 * From here on only: memory that is not executable, writing to descriptor 1, the time, the usage,
 * ending. Anything else ends the process with SIGSYS. 0, -errno with the call.
 */
int confine_calls(struct err *err);
