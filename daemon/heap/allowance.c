/*
 * Memory that may be taken beside a graph
 */

#include "heap/allowance.h"

#include <errno.h>

#include "util/err.h"
#include "util/str.h"

int heap_allowance_check(const struct heap_allowance *allowance, uint64_t bytes, struct err *err)
{
	char needed[STR_UNIT_MAX], limit[STR_UNIT_MAX];

	if (allowance->max == 0 || allowance->taken + bytes <= allowance->max)
		return 0;
	return err_set(err, -EFBIG, "%s: they need more than %s of memory, %s may be taken",
		       allowance->what, str_format_bytes(needed, allowance->taken + bytes),
		       str_format_bytes(limit, allowance->max));
}
