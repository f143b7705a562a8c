#pragma once

/* The level a rule compares with, as people write it in the unit of what is compared. */

#include "util/err.h"
#include "watch/value.h"

/*
 * RATIO: 80%, 0.8, 150%. BYTES: 1GiB, 4096. SECONDS: 500ms, 0.5. COUNT: 10. 0, or -EINVAL with what
 * was expected in err.
 */
int threshold_parse(const char *text, enum value_unit unit, double *ret, struct err *err);
