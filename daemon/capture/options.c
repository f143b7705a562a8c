/*
 * Options of captures.
 */

#include "capture/settings.h"

#include <stddef.h>

#include "inspect/download.h"
#include "util/clock.h"

#define AT(member) offsetof(struct capture_settings, member)

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)
#define MIB       (1ull << 20)
#define TIB       (1ull << 40)

const struct option_desc capture_options[] = {
	{ .name = "threads",
	  .type = OPTION_UINT,
	  .offset = AT(threads),
	  .min = 1,
	  .max = 64,
	  .def = "2",
	  .help = "Captures at once, each on a thread of its own. One is bound by its target and "
		  "by "
		  "the disk, so more than a few only share the disk." },
	{ .name = "per_host",
	  .type = OPTION_UINT,
	  .offset = AT(per_host),
	  .min = 1,
	  .max = 64,
	  .def = "2",
	  .help = "Snapshots at once of targets with one host address: each takes several times "
		  "the heap in memory there. 127.0.0.1, ::1, unix sockets and the addresses of "
		  "this host's own interfaces are one host." },
	{ .name = "queue",
	  .type = OPTION_UINT,
	  .offset = AT(queue_max),
	  .min = 1,
	  .max = 10000,
	  .def = "64",
	  .help = "Captures that may wait for a thread; one more is refused, visibly." },
	{ .name = "start_timeout",
	  .type = OPTION_TIME,
	  .offset = AT(start_timeout_ns),
	  .min = NS_PER_S,
	  .max = 24 * HOUR_NS,
	  .def = "1m",
	  .help = "Give up when the target has not begun for so long: its event loop is blocked, "
		  "and the snapshot would surprise it whenever that ends. One that does not answer "
		  "when its turn comes is waited for as long before." },
	{ .name = "idle_timeout",
	  .type = OPTION_TIME,
	  .offset = AT(idle_timeout_ns),
	  .min = 5 * NS_PER_S,
	  .max = 24 * HOUR_NS,
	  .def = "10m",
	  .help = "Give up when the target sends nothing for so long. It is silent while it builds "
		  "the snapshot, which takes minutes for heaps of gigabytes." },
	{ .name = "timeout",
	  .type = OPTION_TIME,
	  .offset = AT(timeout_ns),
	  .min = 10 * NS_PER_S,
	  .max = 24 * HOUR_NS,
	  .def = "1h",
	  .help = "Give up on a capture that takes longer in all." },
	{ .name = "file_max",
	  .type = OPTION_BYTES,
	  .offset = AT(file_max_bytes),
	  .min = MIB,
	  .max = 16 * TIB,
	  .def = "16GiB",
	  .help = "Give up on a capture that grows larger. A snapshot is about as large as the "
		  "heap; "
		  "V8's heaps end near 16 GiB." },
	{ .name = "gc_interval",
	  .type = OPTION_TIME,
	  .offset = AT(gc_interval_ns),
	  .min = NS_PER_S,
	  .max = 24 * HOUR_NS,
	  .def = "1m",
	  .help = "Shortest time between two forced collections of garbage of one target, whoever "
		  "asks: each stops the program, for 76 to 199 ms with 88 MB of small objects in "
		  "V8. A look at a sampling profile and the end of one make V8 collect, and are "
		  "such: a profile that would end before the time is over is not begun, be it "
		  "one of continuous ones, so a `profile_interval` that is shorter leaves gaps, "
		  "and one that is not longer leaves no time for other collections. A collection "
		  "before a snapshot (`gc_before`) does not count." },
	{ .name = "profile_sampling_interval",
	  .type = OPTION_BYTES,
	  .offset = AT(profile_sampling_bytes),
	  .min = SAMPLING_INTERVAL_MIN,
	  .max = SAMPLING_INTERVAL_MAX,
	  .def = "512KiB",
	  .help = "Of continuous profiles (`profile_interval` of a target): a sample in so many "
		  "bytes allocated, on average. Smaller is finer, and costs the programs more." },
	{ .name = "guards",
	  .type = OPTION_TABLE,
	  .offset = AT(guards),
	  .table = safety_guard_options,
	  .help = "What protects the targets: for captures that a person asks for, and where the "
		  "`guards` of a rule do not say otherwise. They judge when a capture is asked "
		  "for, and right before it begins again, by a poll made for that when the last "
		  "one is more than a second old." },
	{ .name = "scripts",
	  .type = OPTION_BOOL,
	  .offset = AT(scripts),
	  .def = "true",
	  .help = "Keep the list of the program's scripts beside a snapshot, by which functions "
		  "in it are told the names of their files." },
	{ .name = "diagnostics",
	  .type = OPTION_BOOL,
	  .offset = AT(diagnostics),
	  .def = "true",
	  .help = "Before each snapshot, timeline and sampling profile (of continuous ones none), "
		  "and where what protects the target forbids it, write what is known already: "
		  "versions, heap statistics and spaces, recent samples, process and control "
		  "group, command line without secrets. A few kilobytes, for which the target is "
		  "not asked." },
	{ .name = "allow_weaker",
	  .type = OPTION_BOOL,
	  .offset = AT(allow_weaker),
	  .def = "false",
	  .help = "A request over HTTP may ask for less redaction, or for other recipients, than "
		  "is configured here. Otherwise it may only ask for more." },
	{ .name = "recipe", .type = OPTION_INCLUDE, .offset = AT(recipe), .table = recipe_options },
	{ .name = "adopt",
	  .type = OPTION_LIST,
	  .offset = AT(adopt),
	  .table = adopt_options,
	  .item_size = sizeof(struct adopt_settings),
	  .help = "Directories from which snapshots and profiles that runtimes write by themselves "
		  "are taken over into the spool." },
	{ 0 },
};
