#pragma once

/*
 * What the shim is told and what it tells: one page of a file that both map (HEAPWATCH_FAULT_FILE).
 * The other side is faults.py, which has the same layout.
 */

#include <stdatomic.h>
#include <stdint.h>

enum fault_kind {
	FAULT_OPEN,
	FAULT_WRITE,
	FAULT_FSYNC,
	FAULT_FDATASYNC,
	FAULT_SYNC_RANGE,
	FAULT_CLOSE,
	FAULT_RENAME,
	FAULT_UNLINK,
	FAULT_MKDIR,
	FAULT_STATVFS,
	FAULT_XATTR,
	FAULT_READ,
	FAULT_STAT,
	FAULT_LINK,
	FAULT_TRUNCATE,
	FAULT_SOCKET, /* from here on no files: `below` does not concern them */
	FAULT_CONNECT,
	FAULT_SEND,
	FAULT_RECV,
	FAULT_MEMORY,
	FAULT_KINDS,
};

enum fault_action {
	FAULT_COUNT, /* let it pass */
	FAULT_ERROR, /* fail with `error`; close has closed nevertheless, as in the kernel */
	FAULT_SHORT, /* half of a write, of what is sent, of what is asked for */
	FAULT_DELAY, /* wait delay_us first */
	FAULT_KILL_BEFORE, /* SIGKILL oneself */
	FAULT_KILL_AFTER,
};

struct fault_control {
	_Atomic uint32_t armed;
	uint32_t kinds; /* bits */
	uint32_t action;
	int32_t error;
	uint64_t nth; /* the first that matches is 1 */
	uint64_t last; /* up to this one; nth for once, a large one for from then on */
	uint64_t delay_us;
	_Atomic uint64_t seen; /* calls that match, since armed */
	_Atomic uint64_t fired;
	_Atomic uint64_t calls[FAULT_KINDS];
	char below[256]; /* only paths that begin so */
	char part[128]; /* and have this in them, or "ADDRESS:PORT;" of a peer; "": any */
	char what[320]; /* the call that was hit last */
};

/* For memory.c: is this allocation, by the program's own code, to fail? */
_Bool fault_allocation(void);

/* From here on every call passes; for the program that has the shim linked in. */
void fault_calm(void);
