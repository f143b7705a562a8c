#pragma once

/*
 * What is said over CDP to one kind of runtime and not to the others: the expressions that are
 * evaluated in it, and which domains it has.
 */

#include <stdbool.h>

struct cdp_words {
	/* Constant texts that stand in JSON as they are; NULL: nothing is evaluated. */
	const char *identity; /* {pid, version, v8, start, old, semi} */
	const char *values; /* {memory, heap, spaces, cpu, idle, turns, old} */
	/* Closes the inspector 300 ms later, when whoever asked for it must have left. */
	const char *shut;
	bool node; /* has NodeRuntime and NodeWorker */
	bool browser; /* its isolates are targets of a browser, in flat sessions */
	bool collects_idle; /* begins HeapProfiler.collectGarbage also when nothing runs */
};

/* runtime->words of those that speak CDP. */
extern const struct cdp_words cdp_words_node, cdp_words_deno, cdp_words_workerd, cdp_words_chromium;
