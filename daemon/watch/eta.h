#pragma once

/*
 * When memory that grows will be at its limit: of the heap, where the runtime aborts, and of the
 * control group, where the kernel kills. Both from the slopes that watch/leak.h found.
 */

#include <stdbool.h>
#include "watch/series.h"

struct isolate;
struct target;

/* Seconds; INFINITY while nothing grows for sure. False: no limit, or nothing judged yet. */
bool eta_of_heap(const struct isolate *isolate, double *ret);

/* Of the process, and hence for its main isolate only. */
bool eta_of_cgroup(const struct target *target, const struct isolate *isolate, double *ret);

/* Is there anything to be near to? Of a worker the limit of its process counts here, too. */
bool eta_has_limit(const struct target *target, const struct isolate *isolate);

/* The window whose slopes they go by; the slow one when nothing grows. */
enum series_window eta_window(const struct isolate *isolate);

/* The sooner of both; INFINITY when neither is known. */
double eta_of(const struct target *target, const struct isolate *isolate);
