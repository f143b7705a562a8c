/* Times are in seconds, on the clock of the inspector. */

#include "inspect/webkit_gc.h"

#include <string.h>

#include "inspect/gc.h"
#include "json/tree.h"

bool webkit_gc_read(const struct tree *params, struct gc_event *ret)
{
	const char *type;
	double start, end, ns;

	if (!tree_string(params, "collection.type", &type) ||
	    !tree_double(params, "collection.startTime", &start) ||
	    !tree_double(params, "collection.endTime", &end))
		return false;
	ns = (end - start) * 1e9;
	if (!(end > 0) || !(ns >= 0) || !(ns <= (double)GC_DURATION_MAX_NS))
		return false;
	*ret = (struct gc_event){
		.kind = strcmp(type, "full") == 0 ? GC_MAJOR : GC_MINOR,
		.is_span = true,
		.is_end = true,
		.duration_ns = (uint64_t)ns,
	};
	return true;
}
