#pragma once

/* What the configuration says about captures. */

#include <stdbool.h>
#include <stdint.h>
#include "conf/option.h"
#include "pipeline/recipe.h"
#include "watch/rule.h"

/* Where runtimes write files by themselves, to be taken over. */
struct adopt_settings {
	char *directory; /* absolute */
	char *target; /* whose they are; NULL: by the pid in the file's name, else "unknown" */
	bool keep; /* leave the original where it is */
	uint64_t settle_ns; /* not written to for so long: complete */
};

struct capture_settings {
	uint64_t threads; /* captures at once */
	uint64_t per_host; /* of targets on one host */
	uint64_t queue_max; /* captures waiting */
	uint64_t start_timeout_ns; /* not begun for so long: its event loop is blocked, give up */
	uint64_t idle_timeout_ns; /* no byte from the target for so long: give up */
	uint64_t timeout_ns; /* over all */
	uint64_t file_max_bytes; /* of one capture */
	uint64_t profile_sampling_bytes; /* between samples of continuous profiles */
	uint64_t gc_interval_ns; /* between two forced collections of a target */
	bool scripts; /* keep the list of scripts beside a snapshot */
	bool diagnostics; /* take them before what the target is asked for */
	bool allow_weaker; /* requests over HTTP may redact less and seal for others */
	struct recipe recipe;
	struct safety_guards guards; /* where a rule does not say, and for persons */
	struct item_list adopt; /* struct adopt_settings */
};

/* Snapshots that lie in the spool, analysed by a worker. */
struct analysis_settings {
	bool enabled;
	uint64_t max_memory_bytes; /* of the worker */
	uint64_t headroom_bytes; /* what the host keeps available beside it */
	uint64_t deadline_ns;
	uint64_t top; /* classes in a report */
};

extern const struct option_desc analysis_options[];
extern const struct option_desc adopt_options[];
extern const struct option_desc capture_options[];
