#pragma once

/*
 * What the answers to a poll over CDP say, as values of a sample: the engine's own words
 * (Runtime.getHeapUsage) and what a program's runtime tells when asked by an expression
 * (inspect/cdp_words.h).
 */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/sample.h"
#include "inspect/session.h"

struct tree;

/* Of the process: what its command line set, and what V8 does by default. */
struct cdp_heap_limits {
	uint64_t old_bytes, young_bytes; /* 0: not known */
};

/* What that version of V8 gives the young generation unless it is told otherwise. */
uint64_t cdp_young_bytes(const char *v8_version);

/* What tells a thread that turns its event loop from one that stands still. */
struct cdp_liveness {
	bool known;
	double cpu_us, idle_ms, turns;
	uint64_t mono_ns;
};

/* The value of the identity expression; NULL is fine. */
void cdp_take_identity(struct identity *identity, struct cdp_heap_limits *limits,
		       const struct tree *value);

/* The result of Runtime.getHeapUsage. */
void cdp_take_usage(struct sample *sample, const struct tree *result);

/* The value of the expression of values. */
void cdp_take_values(struct sample *sample, const struct cdp_heap_limits *limits,
		     const struct tree *value, bool is_main);

/* The same value: has the main thread moved since `last`, which becomes this one? */
enum session_activity cdp_judge_activity(struct cdp_liveness *last, const struct tree *value);

/* Only characters that need no quoting in JSON, which is what ids and kinds consist of. */
bool cdp_is_plain(const char *text);
