#pragma once

/*
 * Continuous profiles: of a target with `profile_interval` what its main isolate allocates is
 * sampled all the time, at a low rate, in one sampling profile after the other. Each is a capture
 * like any other, but for this: it never stands in the way of another capture of the target, for
 * which it ends early, with what it has; it is nobody's request, so no cooldown counts it; and the
 * spool has a number of its own for them.
 */

#include <stdbool.h>
#include <stdint.h>
#include "capture/capture.h"

struct target;

/* A target has been polled: it may be one to be profiled from now on. */
void continuous_polled(struct captures *captures, const struct target *target);

/* Begin what is due, end what is no longer wanted. Once a second, and when something has ended. */
void continuous_run(struct captures *captures);

/* Another capture of this target waits: the profile ends. */
void continuous_yield(struct captures *captures, uint64_t target_id);

/* Is one of this target still connected to it? */
bool continuous_is_there(const struct captures *captures, uint64_t target_id);

/* Is another capture of this target wanted, or one to come, which comes first? */
bool continuous_must_wait(const struct captures *captures, uint64_t target_id);

/* One is whole: bytes is what it says was allocated. */
void continuous_made(struct captures *captures, const struct capture *capture, uint64_t bytes);

/* One came to nothing. */
void continuous_failed(struct captures *captures, const struct capture *capture);

/* One was refused by a guard, which has been told: at its beginning, or right before its end. */
void continuous_refused(struct captures *captures, const struct capture *capture,
			enum capture_refusal refusal);

void continuous_forget_all(struct captures *captures);
