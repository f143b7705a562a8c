#pragma once

/* What the configuration says about the spool. */

#include <stdbool.h>
#include <stdint.h>
#include "conf/option.h"

struct spool_settings {
	uint64_t max_use_bytes;
	uint64_t keep_free_bytes;
	uint64_t max_files; /* without diagnostics and continuous profiles */
	uint64_t max_diagnostics;
	uint64_t max_profiles; /* continuous ones, of each target */
	uint64_t max_age_ns; /* 0: no limit */
	bool keep_first, keep_last, keep_max; /* of each target */
	uint64_t keep_ramp_up; /* of the last ramp-up of each target, so many; 0: none */
};

extern const struct option_desc spool_options[];
