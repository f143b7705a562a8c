/*
 * Series in the state file. What is read is judged as the work of a stranger: a plan that lacks
 * what says how its captures are to be sealed is not resumed.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/series.h"
#include "json/tree.h"
#include "json/write.h"
#include "util/clock.h"
#include "util/str.h"
