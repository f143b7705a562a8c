/*
 * What `analyze` says besides classes
 */

#include "heap/extras.h"

#include <errno.h>

#include "heap/alloc.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/top.h"

/*
 * A text, what qsort() of glibc takes to sort it, and a value of two texts; a collection that
 * grows, of so many edges at least. Contexts and functions of a program are fewer than its texts,
 * and looked at when those are done.
 */
const struct heap_after heap_extras_after = {
	.node_bytes = 8 + 8 + sizeof(struct heap_duplicate) / 2,
	.edge_bytes = (3 * sizeof(struct heap_collection) + HEAP_COLLECTION_MIN - 1) /
		      HEAP_COLLECTION_MIN,
};

static bool is_detached(const struct heap_graph *graph, uint32_t node)
{
	return graph->type[node] == HEAP_NATIVE && (graph->flags[node] & HEAP_DETACHED) != 0;
}

/*
 * What has no size of its own gave it to its owner, and counts nowhere. What one of them dominates
 * goes with that one: inside has bits of these, the order being from the root downwards.
 */
static int find_detached(struct heap_detached *ret, const struct heap_analysis *analysis)
{
	const struct heap_graph *graph = &analysis->graph;
	const struct heap_dominators *dominators = &analysis->dominators;
	uint64_t *inside = heap_bits_alloc(graph->nodes);

	*ret = (struct heap_detached){ .told = !graph->foreign };
	if (inside == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < graph->nodes; i++) {
		uint32_t node = dominators->order[i], above = dominators->dominator[node];

		if (node != above && (heap_bit(inside, above) || is_detached(graph, above)))
			heap_bit_set(inside, node);
		if (!is_detached(graph, node))
			continue;
		ret->count += heap_size(graph, node) > 0;
		ret->self += heap_size(graph, node);
		ret->retained += heap_bit(inside, node) ? 0 : analysis->retained[node];
	}
	heap_bits_free(inside, graph->nodes);
	return 0;
}

/* Of a limit, which stays one. */
static uint64_t memory_left(uint64_t max, uint64_t taken)
{
	if (max == 0)
		return 0;
	return max > taken ? max - taken : 1;
}

int heap_extras_init(struct heap_extras *ret, const struct heap_analysis *analysis,
		     const struct v8_scopes *scopes, uint64_t memory_max, struct err *err)
{
	uint64_t taken;
	int r;

	*ret = (struct heap_extras){ .detached = { .told = false } };
	r = find_detached(&ret->detached, analysis);
	if (r == 0)
		r = heap_duplicates_find(&ret->duplicates, &analysis->graph);
	if (r == 0)
		r = heap_collections_find(&ret->collections, &analysis->graph, &analysis->classes,
					  analysis->retained);
	if (r < 0)
		return err_set(err, r, "out of memory");
	taken = ret->duplicates.n * sizeof(*ret->duplicates.items) +
		ret->collections.n * sizeof(*ret->collections.items);
	return heap_dead_variables_find(&ret->variables, analysis, scopes,
					memory_left(memory_max, taken), err);
}

void heap_extras_fini(struct heap_extras *extras)
{
	heap_duplicates_fini(&extras->duplicates);
	heap_collections_fini(&extras->collections);
	heap_dead_variables_fini(&extras->variables);
}

/* ---- JSON ---- */

static void json_strings(struct json_writer *w, const struct heap_duplicates *duplicates,
			 const struct heap_graph *graph, uint64_t top)
{
	static const char *const why[] = { NULL, "none", "redacted" };

	json_write_key(w, "strings");
	json_write_object(w);
	json_member_string(w, "unknown", why[duplicates->why]);
	json_member_uint(w, "count", duplicates->texts);
	json_member_uint(w, "duplicated", duplicates->n);
	json_member_uint(w, "wasted_bytes", duplicates->wasted);
	json_write_key(w, "values");
	json_write_array(w);
	for (size_t i = 0; i < top_of(duplicates->n, top); i++) {
		const struct heap_duplicate *item = &duplicates->items[i];
		struct buf value;

		buf_init(&value, SIZE_MAX / 2);
		heap_string_put(&graph->strings, item->string, &value);
		json_write_object(w);
		json_write_key(w, "value");
		json_write_span(w, value.data != NULL ? value.data : "", value.size);
		json_member_bool(w, "cut", heap_duplicate_is_cut(graph, item));
		json_member_uint(w, "count", item->count);
		json_member_uint(w, "bytes", item->bytes);
		json_member_uint(w, "wasted_bytes", item->wasted);
		json_member_uint(w, "example", heap_id(graph, item->example));
		json_write_object_end(w);
		buf_fini(&value);
	}
	json_write_array_end(w);
	json_write_object_end(w);
}

static void json_collections(struct json_writer *w, const struct heap_collections *collections,
			     const struct heap_analysis *analysis, uint64_t top)
{
	json_write_key(w, "collections");
	json_write_array(w);
	for (size_t i = 0; i < top_of(collections->n, top); i++) {
		const struct heap_collection *item = &collections->items[i];

		json_write_object(w);
		json_member_uint(w, "id", item->id);
		json_member_string(w, "class", analysis->classes.items[item->class].key);
		json_member_uint(w, "entries", item->entries);
		json_member_uint(w, "retained_bytes", item->retained);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static void json_detached(struct json_writer *w, const struct heap_detached *detached)
{
	json_write_key(w, "detached");
	if (!detached->told) {
		json_write_null(w);
		return;
	}
	json_write_object(w);
	json_member_uint(w, "count", detached->count);
	json_member_uint(w, "self_bytes", detached->self);
	json_member_uint(w, "retained_bytes", detached->retained);
	json_write_object_end(w);
}

/* "https://shop.example/app.js" of "system / Script / https://shop.example/app.js". */
static void member_script(struct json_writer *w, const struct heap_graph *graph, uint32_t node)
{
	struct buf url;

	buf_init(&url, SIZE_MAX / 2);
	heap_dead_variable_script(graph, node, &url);
	json_member_string(w, "script", url.size > 0 ? buf_text(&url) : NULL);
	buf_fini(&url);
}

static void json_variable(struct json_writer *w, const struct heap_dead_variable *item,
			  const struct heap_analysis *analysis)
{
	const struct heap_graph *graph = &analysis->graph;
	uint32_t start = heap_dead_variable_start(graph, item);
	struct buf name;

	buf_init(&name, SIZE_MAX / 2);
	heap_string_put(&graph->strings, item->name, &name);
	json_write_object(w);
	json_write_key(w, "name");
	json_write_span(w, name.data != NULL ? name.data : "", name.size);
	buf_fini(&name);
	member_script(w, graph, item->script);
	json_write_key(w, "start");
	if (start != UINT32_MAX)
		json_write_uint(w, start);
	else
		json_write_null(w);
	json_member_uint(w, "contexts", item->contexts);
	json_member_uint(w, "retained_bytes", item->retained);
	json_member_uint(w, "alone_bytes", item->alone);
	json_member_uint(w, "context", heap_id(graph, item->example));
	json_member_uint(w, "value", heap_id(graph, item->value));
	json_member_string(w, "class",
			   analysis->classes.items[analysis->classes.of[item->value]].key);
	json_write_object_end(w);
}

static void json_variables(struct json_writer *w, const struct heap_dead_variables *variables,
			   const struct heap_analysis *analysis, uint64_t top)
{
	static const char *const why[] = { NULL, "none", "redacted" };

	json_write_key(w, "variables");
	json_write_object(w);
	json_member_string(w, "unknown", why[variables->why]);
	json_member_uint(w, "dead", variables->n);
	json_write_key(w, "values");
	json_write_array(w);
	for (size_t i = 0; i < top_of(variables->n, top); i++)
		json_variable(w, &variables->items[i], analysis);
	json_write_array_end(w);
	json_write_object_end(w);
}

void heap_extras_json(struct json_writer *w, const struct heap_extras *extras,
		      const struct heap_analysis *analysis, uint64_t top)
{
	json_strings(w, &extras->duplicates, &analysis->graph, top);
	json_collections(w, &extras->collections, analysis, top);
	json_detached(w, &extras->detached);
	json_variables(w, &extras->variables, analysis, top);
}
