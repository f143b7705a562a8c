/*
 * When a program began, of what it tells
 *
 * What it tells comes from outside: a number is only taken when it can be a time at all.
 */

#include <stddef.h>

#include "inspect/sample.h"
#include "json/tree.h"
#include "util/clock.h"

/* A thousand years, so that sums of times stay far from overflow. */
static const double age_max_ms = 1000 * 365.25 * 86400e3;

void identity_take_start(struct identity *identity, const struct tree *value)
{
	double start, age;

	if (tree_double(value, "start", &start) && start > 0 && start < INT64_MAX)
		identity->start_wall_ms = (int64_t)start;
	if (tree_double(value, "age", &age) && age > 0 && age < age_max_ms)
		identity->start_mono_ms = (int64_t)(clock_mono_ns() / NS_PER_MS) - (int64_t)age;
}
