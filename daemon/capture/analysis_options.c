/*
 * Options of the analysis of snapshots and profiles.
 */

#include <stddef.h>

#include "capture/settings.h"
#include "util/clock.h"

#define AT(member) offsetof(struct analysis_settings, member)

#define MIB (1ull << 20)
#define TIB (1ull << 40)

const struct option_desc analysis_options[] = {
	{ .name = "enabled",
	  .type = OPTION_BOOL,
	  .offset = AT(enabled),
	  .def = "false",
	  .help = "After each snapshot or profile that is not encrypted, write a report of "
		  "what it holds beside it. Off, because it takes memory of a host on which a "
		  "program is short "
		  "of it." },
	{ .name = "max_memory",
	  .type = OPTION_BYTES,
	  .offset = AT(max_memory_bytes),
	  .min = 32 * MIB,
	  .max = TIB,
	  .def = "1GiB",
	  .help = "What the worker may take; a snapshot that needs more is skipped. A plain file "
		  "of Node takes 1.7 times its size, one that is compressed 3 times what it is "
		  "expanded. Under systemd it counts for `MemoryMax` of the unit." },
	{ .name = "headroom",
	  .type = OPTION_BYTES,
	  .offset = AT(headroom_bytes),
	  .max = TIB,
	  .def = "1GiB",
	  .help = "What the host must keep available beside the worker (MemAvailable): it may "
		  "take only what is more than that." },
	{ .name = "deadline",
	  .type = OPTION_TIME,
	  .offset = AT(deadline_ns),
	  .min = NS_PER_S,
	  .max = 24 * 3600 * NS_PER_S,
	  .def = "10m",
	  .help = "A worker that takes longer is killed. It gets only the time nobody else on the "
		  "host wants." },
	{ .name = "top",
	  .type = OPTION_UINT,
	  .offset = AT(top),
	  .min = 1,
	  .max = 1000,
	  .def = "100",
	  .help = "Classes in a report of a snapshot: those that retain most; functions in one of "
		  "a profile: those that allocated most." },
	{ 0 },
};
