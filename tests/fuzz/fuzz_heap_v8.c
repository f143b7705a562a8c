/*
 * V8 heap snapshots of hostile bytes: they are read or refused with a reason, on one thread and on
 * two alike, and what was read can be analysed to the end. The root retains all there is. The same
 * of the scopes of its sources, and of what `analyze --extras` looks for, as the variables that
 * none of these can use; and of the stacks of its allocations. It is of the process that it is of.
 */

#include <errno.h>
#include <stdint.h>

#include "heap/analysis.h"
#include "heap/extras.h"
#include "heap/seed.h"
#include "heap/stacks.h"
#include "heap/v8_scopes.h"
#include "heap_sane.h"
#include "util/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes that scopes and dead variables may take; and stacks of allocations. */
enum { VARIABLES_MAX = 4 << 20, STACKS_MAX = 64 << 20 };

static void look_for_extras(const struct heap_analysis *analysis, const struct v8_text *text)
{
	struct heap_extras extras = { .detached = { .told = false } };
	const struct heap_dead_variables *dead = &extras.variables;
	struct err err = { .text = "" };
	struct v8_scopes scopes;
	int r = v8_scopes_read(&scopes, text, VARIABLES_MAX, &err);

	heap_sane_reason(r, &err);
	if (r == 0) {
		must(v8_scopes_taken(&scopes) <= VARIABLES_MAX);
		r = heap_extras_init(&extras, analysis, &scopes, VARIABLES_MAX, &err);
		must(r == 0 || (r == -EFBIG && err.text[0] != '\0'));
	}
	for (size_t i = 0; i < extras.collections.n; i++)
		must(extras.collections.items[i].node < analysis->graph.nodes);
	must(dead->n * sizeof(*dead->items) <= VARIABLES_MAX);
	for (size_t i = 0; i < dead->n; i++) {
		must(dead->items[i].alone <= dead->items[i].retained);
		must(dead->items[i].contexts <= analysis->graph.nodes);
		must(dead->items[i].example < analysis->graph.nodes);
	}
	heap_extras_fini(&extras);
	v8_scopes_fini(&scopes);
}

static void read_stacks(const struct heap_analysis *analysis, const struct v8_text *text)
{
	struct heap_stacks stacks;
	struct err err = { .text = "" };
	int r = heap_stacks_read(&stacks, &analysis->graph, text, STACKS_MAX, &err);

	heap_sane_reason(r, &err);
	if (r == 0)
		heap_sane_stacks(&stacks, &analysis->graph);
	heap_stacks_fini(&stacks);
}

static void look_for_seed(const struct heap_graph *graph)
{
	struct heap_seed seed;

	must(heap_seed_init(&seed, graph) == 0);
	must(heap_seeds_differ(&seed, &seed) == 0);
	heap_seed_fini(&seed);
}

static void look(const struct heap_analysis *analysis, const struct v8_text *text)
{
	look_for_extras(analysis, text);
	read_stacks(analysis, text);
	look_for_seed(&analysis->graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	heap_sane_bytes(data, size, look);
	return 0;
}
