/* What kinds of collections are called. */

#include "inspect/gc.h"

const char *gc_kind_name(enum gc_kind kind)
{
	static const char *const names[] = {
		[GC_MINOR] = "minor",
		[GC_MAJOR] = "major",
		[GC_INCREMENTAL] = "incremental",
	};

	return names[kind];
}
