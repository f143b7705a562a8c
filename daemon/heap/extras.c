/*
 * What `analyze` says besides classes
 */

#include "heap/extras.h"

#include <string.h>

#include "json/write.h"
#include "util/buf.h"
#include "util/top.h"

/*
 * A text, what qsort() of glibc takes to sort it, and a value of two texts; a collection that
 * grows, of so many edges at least.
 */
const struct heap_after heap_extras_after = {
	.node_bytes = 8 + 8 + sizeof(struct heap_duplicate) / 2,
	.edge_bytes = (3 * sizeof(struct heap_collection) + HEAP_COLLECTION_MIN - 1) /
		      HEAP_COLLECTION_MIN,
};

bool heap_class_is_detached(const struct heap_class *class)
{
	static const char begin[] = "Detached ";

	return strncmp(class->name, begin, strlen(begin)) == 0;
}

static void find_detached(struct heap_detached *ret, const struct heap_analysis *analysis)
{
	*ret = (struct heap_detached){ .told = !analysis->graph.foreign };
	for (uint32_t i = 0; i < analysis->classes.n; i++) {
		const struct heap_row *row = &analysis->rows[i];

		if (!heap_class_is_detached(&analysis->classes.items[i]))
			continue;
		ret->count += row->count;
		ret->self += row->self;
		ret->retained += row->retained;
	}
}

int heap_extras_init(struct heap_extras *ret, const struct heap_analysis *analysis)
{
	int r;

	*ret = (struct heap_extras){ .detached = { .told = false } };
	find_detached(&ret->detached, analysis);
	r = heap_duplicates_find(&ret->duplicates, &analysis->graph);
	return r == 0 ? heap_collections_find(&ret->collections, &analysis->graph,
					      &analysis->classes, analysis->retained)
		      : r;
}

void heap_extras_fini(struct heap_extras *extras)
{
	heap_duplicates_fini(&extras->duplicates);
	heap_collections_fini(&extras->collections);
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

void heap_extras_json(struct json_writer *w, const struct heap_extras *extras,
		      const struct heap_analysis *analysis, uint64_t top)
{
	json_strings(w, &extras->duplicates, &analysis->graph, top);
	json_collections(w, &extras->collections, analysis, top);
	json_detached(w, &extras->detached);
}
