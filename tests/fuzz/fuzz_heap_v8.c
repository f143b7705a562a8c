/*
 * V8 heap snapshots of hostile bytes: they are read or refused with a reason, on one thread and on
 * two alike, and what was read can be analysed to the end. The root retains all there is. The same
 * of the scopes of its sources, and of the variables that none of these can use; and of the stacks
 * of its allocations.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "heap/analysis.h"
#include "heap/dead_variables.h"
#include "heap/stacks.h"
#include "heap/v8_scopes.h"
#include "heap_sane.h"
#include "util/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_for_dead(const struct heap_analysis *analysis, const struct v8_text *text)
{
	struct heap_dead_variables dead = { .n = 0 };
	struct err err = { .text = "" };
	struct v8_scopes scopes;
	int r = v8_scopes_read(&scopes, text, &err);

	must(r == 0 || (err.text[0] != '\0' && r != -ENOMEM));
	if (r == 0)
		must(heap_dead_variables_find(&dead, analysis, &scopes) == 0);
	for (size_t i = 0; i < dead.n; i++) {
		must(dead.items[i].alone <= dead.items[i].retained);
		must(dead.items[i].contexts <= analysis->graph.nodes);
		must(dead.items[i].example < analysis->graph.nodes);
	}
	heap_dead_variables_fini(&dead);
	v8_scopes_fini(&scopes);
}

static void read_stacks(const struct heap_analysis *analysis, const struct v8_text *text)
{
	struct heap_stacks stacks;
	struct err err = { .text = "" };
	int r = heap_stacks_read(&stacks, &analysis->graph, text, 64 << 20, &err);

	must(r == 0 || (err.text[0] != '\0' && r != -ENOMEM));
	if (r == 0)
		heap_sane_stacks(&stacks, &analysis->graph);
	heap_stacks_fini(&stacks);
}

static int run(const char *data, size_t size, unsigned threads, struct heap_digest *ret)
{
	struct v8_text text = { .data = data, .size = size };
	struct heap_load_options options = { .threads = threads, .memory_max = 64 << 20 };
	struct heap_analysis analysis;
	struct err err = { .text = "" };
	int r = heap_analyse(&analysis, &text, &options, &err);

	if (r == 0) {
		heap_sane(&analysis);
		look_for_dead(&analysis, &text);
		read_stacks(&analysis, &text);
		*ret = heap_digest(&analysis.graph, &analysis.dominators, analysis.retained,
				   analysis.distances);
	} else {
		must(err.text[0] != '\0' && r != -ENOMEM);
	}
	heap_analysis_fini(&analysis);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heap_digest one = { 0, 0 }, two = { 0, 0 };
	char *copy = malloc(size > 0 ? size : 1);

	must(copy != NULL);
	memcpy(copy, data, size);
	must((run(copy, size, 1, &one) == 0) == (run(copy, size, 2, &two) == 0));
	must(one.id_retained == two.id_retained && one.dom_distance == two.dom_distance);
	free(copy);
	return 0;
}
