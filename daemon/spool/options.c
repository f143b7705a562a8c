/*
 * Options of the spool, in systemd-coredump's words.
 */

#include "spool/settings.h"

#include <stddef.h>

#include "util/clock.h"

#define AT(member) offsetof(struct spool_settings, member)
#define TIB        (1ull << 40)
#define DAY_NS     (24 * 60 * 60 * NS_PER_S)

const struct option_desc spool_options[] = {
	{ .name = "max_use",
	  .type = OPTION_BYTES,
	  .offset = AT(max_use_bytes),
	  .max = 1024 * TIB,
	  .def = "32GiB",
	  .help = "What all captures together may take. After each capture that succeeded older "
		  "ones are deleted until it holds; one that could not fit even so is refused. 0 "
		  "is "
		  "no limit." },
	{ .name = "keep_free",
	  .type = OPTION_BYTES,
	  .offset = AT(keep_free_bytes),
	  .max = 1024 * TIB,
	  .def = "2GiB",
	  .help = "What must stay free on the file system, for its other users." },
	{ .name = "max_files",
	  .type = OPTION_UINT,
	  .offset = AT(max_files),
	  .max = 1000000,
	  .def = "200",
	  .help = "How many captures are kept, diagnostics and continuous profiles not counted; "
		  "the "
		  "oldest go first. 0 is no limit." },
	{ .name = "max_diagnostics",
	  .type = OPTION_UINT,
	  .offset = AT(max_diagnostics),
	  .max = 1000000,
	  .def = "1000",
	  .help = "How many diagnostics are kept: they are small and must not push out snapshots. "
		  "0 is no limit." },
	{ .name = "max_profiles",
	  .type = OPTION_UINT,
	  .offset = AT(max_profiles),
	  .max = 10000,
	  .def = "24",
	  .help = "How many continuous profiles of each target are kept, the newest; 0 is no "
		  "limit. Where bytes are short they go before any other capture." },
	{ .name = "max_age",
	  .type = OPTION_TIME,
	  .offset = AT(max_age_ns),
	  .max = 3650 * DAY_NS,
	  .def = "14d",
	  .help = "Captures older than this are deleted when another one has succeeded, also those "
		  "that keep_* protects; pinned ones and the newest stay. A clock that is put on "
		  "while heapwatchd runs makes "
		  "none older. 0 is no limit." },
	{ .name = "keep_first",
	  .type = OPTION_BOOL,
	  .offset = AT(keep_first),
	  .def = "true",
	  .help = "Protect the first capture of each target since its process started, to compare "
		  "with. What keep_* protects is deleted only when nothing else is left to "
		  "delete." },
	{ .name = "keep_last",
	  .type = OPTION_BOOL,
	  .offset = AT(keep_last),
	  .def = "true",
	  .help = "Protect the last capture of each target." },
	{ .name = "keep_max",
	  .type = OPTION_BOOL,
	  .offset = AT(keep_max),
	  .def = "true",
	  .help = "Protect the capture of each target with the largest heap." },
	{ .name = "keep_ramp_up",
	  .type = OPTION_UINT,
	  .offset = AT(keep_ramp_up),
	  .max = 1000,
	  .def = "5",
	  .help = "Protect so many captures of the last ramp-up of each target: the last run of "
		  "two or more of one process whose heaps grew from each to the next. 0 is none." },
	{ 0 },
};
