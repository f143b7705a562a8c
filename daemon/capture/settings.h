#pragma once

/* What the configuration says about captures and the spool. */

#include <stdint.h>
#include "conf/option.h"

struct capture_settings {
	uint64_t threads; /* captures at once */
	uint64_t queue_max; /* captures waiting */
	uint64_t idle_timeout_ns; /* no byte from the target for so long: give up */
	uint64_t timeout_ns; /* over all */
	uint64_t file_max_bytes; /* of one capture */
};

struct spool_settings {
	uint64_t max_use_bytes;
	uint64_t keep_free_bytes;
	uint64_t max_files;
};

extern const struct option_desc capture_options[], spool_options[];
