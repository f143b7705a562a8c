#pragma once

/*
 * What the runtime of a target cannot give, as inspect/runtime.c has it: said in one form, with
 * runtime, version and reason ("redact: all: not supported by webkit 2.50.6: ..."), and not as a
 * guard that may change its mind.
 */

#include "capture/capture.h"

/* REFUSAL_UNSUPPORTED with the text in err, or REFUSAL_NONE; also while it is not known. */
enum capture_refusal support_judge(const struct captures *captures, const struct target *target,
				   const struct capture_request *request, struct err *err);
