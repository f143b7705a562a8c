/*
 * Paths to an object, for programs
 */

#include "heap/path_json.h"

#include "json/write.h"
#include "util/buf.h"

/* What there is to say of a node, and of its edge to the one before; the object stays open. */
static void json_node(struct json_writer *w, const struct heap_analysis *analysis,
		      struct places *places, uint32_t node, uint32_t edge)
{
	const struct heap_graph *graph = &analysis->graph;
	struct buf name, place;

	buf_init(&name, SIZE_MAX / 2);
	buf_init(&place, SIZE_MAX / 2);
	places_put(&place, places, graph, node);
	if (edge != UINT32_MAX)
		heap_edge_name(graph, edge, &name);
	json_write_object(w);
	json_member_uint(w, "id", heap_id(graph, node));
	json_member_string(w, "class", analysis->classes.items[analysis->classes.of[node]].key);
	json_member_uint(w, "retained_bytes", analysis->retained[node]);
	json_member_string(w, "edge", edge != UINT32_MAX ? buf_text(&name) : NULL);
	json_member_string(w, "place", place.size > 0 ? buf_text(&place) : NULL);
	buf_fini(&place);
	buf_fini(&name);
}

void path_put_json(struct json_writer *w, const struct heap_analysis *analysis,
		   struct places *places, const char *member, const struct heap_path *path)
{
	json_write_key(w, member);
	json_write_array(w);
	for (size_t i = 0; i < path->n; i++) {
		json_node(w, analysis, places, path->steps[i].node, path->steps[i].edge);
		json_member_uint(w, "times", path->steps[i].times);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

void retainers_put_json(struct json_writer *w, const struct heap_analysis *analysis,
			struct places *places, const struct heap_retainers *retainers)
{
	json_write_key(w, "retainers");
	json_write_array(w);
	for (size_t i = 0; i < retainers->n; i++) {
		const struct heap_retainer *item = &retainers->items[i];

		json_node(w, analysis, places, item->node, item->edge);
		json_member_uint(w, "depth", item->depth);
		json_member_uint(w, "more", item->more);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}
