#pragma once

/*
 * What listens there? Asked so that nothing can come of it: one GET that every inspector answers
 * and any other server refuses, or only listening to what Firefox says first. Never a WebSocket, so
 * nobody's debugger is disturbed.
 */

#include <stdint.h>
#include "ctl/candidates.h"

struct address;
struct err;
struct identity;
struct runtime;

enum { ASK_E_UNSUPPORTED = 1 }; /* an inspector, but of no runtime that heapwatchd knows */

/*
 * 0: an inspector, of the runtime *ret_runtime; its version, "" where it does not tell it, is in
 * ret. ASK_E_UNSUPPORTED: what it calls itself is in err. Else -errno, also for what is none. Takes
 * no longer than timeout_ns.
 */
int ask(const struct address *address, enum question question, uint64_t timeout_ns,
	const struct runtime **ret_runtime, struct identity *ret, struct err *err);
