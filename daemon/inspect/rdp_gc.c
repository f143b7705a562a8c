/* An event tells one collection with all of its slices. */

#include "inspect/rdp_gc.h"

#include <string.h>

#include "inspect/gc.h"
#include "json/tree.h"

size_t rdp_gc_slices(const struct tree *packet)
{
	const struct tree *slices = tree_get(packet, "data.collections");
	const char *type;

	if (!tree_string(packet, "type", &type) || strcmp(type, "garbage-collection") != 0 ||
	    !tree_is_array(slices))
		return 0;
	return tree_size(slices);
}

/* Between the slices of an incremental one the page has run. Times are in milliseconds. */
bool rdp_gc_read(const struct tree *packet, size_t i, struct gc_event *ret)
{
	const struct tree *slice = tree_at(tree_get(packet, "data.collections"), i);
	const char *reason = "None";
	double start, end, ns;

	tree_string(packet, "data.nonincrementalReason", &reason);
	if (!tree_double(slice, "startTimestamp", &start) ||
	    !tree_double(slice, "endTimestamp", &end))
		return false;
	ns = (end - start) * 1e6;
	if (!(ns >= 0) || !(ns <= (double)GC_DURATION_MAX_NS))
		return false;
	*ret = (struct gc_event){
		.kind = strcmp(reason, "None") == 0 ? GC_INCREMENTAL : GC_MAJOR,
		.is_end = i + 1 == rdp_gc_slices(packet),
		.duration_ns = (uint64_t)ns,
	};
	return true;
}
