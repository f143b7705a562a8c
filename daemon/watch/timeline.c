/* Options of timelines. */

#include "watch/timeline.h"

#include <errno.h>
#include <stddef.h>

#include "util/err.h"
#include "watch/rule.h"
#include "watch/sampling.h"

#define DURATION_DEFAULT_NS (10 * NS_PER_S)

uint64_t timeline_duration_ns(const struct sampling_settings *sampling)
{
	return sampling->timed ? sampling->duration_ns : DURATION_DEFAULT_NS;
}

int timeline_check_duration(int kind, const struct sampling_settings *sampling, struct err *err)
{
	if (timeline_duration_ns(sampling) <= TRACKING_MAX_NS)
		return 0;
	if (kind == CAPTURE_KIND_TRACKING)
		return err_set(err, -EINVAL,
			       "a tracking lasts at most 5m: the program keeps the list of its "
			       "first snapshot meanwhile");
	return err_set(err, -EINVAL,
		       "a timeline lasts at most 5m: the program is several times "
		       "slower meanwhile");
}

const struct option_desc timeline_options[] = {
	{ .name = "stacks",
	  .type = OPTION_BOOL,
	  .offset = offsetof(struct timeline_settings, stacks),
	  .present = offsetof(struct timeline_settings, given),
	  .def = "false",
	  .help = "Of `timeline`: keep the stack of each allocation. The program is some fifteen "
		  "times slower meanwhile, promises up to fifty." },
	{ 0 },
};
