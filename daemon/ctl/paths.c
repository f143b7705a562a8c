/*
 * Paths to an object, shown
 */

#include "ctl/paths.h"

#include <inttypes.h>

#include "ctl/show.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/str.h"

/* ---- for people ---- */

static void put_edge(struct buf *buf, const struct heap_graph *graph, uint32_t edge)
{
	enum heap_edge_kind kind = heap_edge_kind(graph->edges[edge]);
	struct buf name;

	buf_init(&name, SIZE_MAX / 2);
	heap_edge_name(graph, edge, &name);
	if (kind == HEAP_ELEMENT || kind == HEAP_EDGE_HIDDEN)
		buf_printf(buf, "[%s]", buf_text(&name));
	else if (buf_text(&name) != NULL)
		show_text(buf, buf_text(&name));
	if (kind == HEAP_CONTEXT)
		buf_puts(buf, " (variable)");
	else if (kind == HEAP_INTERNAL || kind == HEAP_HALF)
		buf_puts(buf, " (internal)");
	buf_fini(&name);
}

void step_put_node(struct buf *buf, const struct heap_analysis *analysis, uint32_t node)
{
	char text[STR_UNIT_MAX];

	show_text(buf, analysis->classes.items[analysis->classes.of[node]].name);
	buf_printf(buf, " @%" PRIu64 ", %s", heap_id(&analysis->graph, node),
		   str_format_bytes(text, analysis->retained[node]));
}

void path_put(struct buf *buf, const struct heap_analysis *analysis, const struct heap_path *path)
{
	for (size_t i = 1; i < path->n; i++) {
		const struct heap_step *step = &path->steps[i];

		buf_printf(buf, "%*s", (int)(2 * (i < 20 ? i : 20)), "");
		if (step->edge != UINT32_MAX)
			put_edge(buf, &analysis->graph, step->edge);
		else
			buf_puts(buf, "...");
		if (step->times > 1)
			buf_printf(buf, " \u00d7%" PRIu32, step->times);
		buf_puts(buf, " of ");
		step_put_node(buf, analysis, step->node);
		buf_puts(buf, "\n");
	}
}

/* ---- for programs ---- */

static void json_step(struct json_writer *w, const struct heap_analysis *analysis,
		      const struct heap_step *step)
{
	const struct heap_graph *graph = &analysis->graph;
	struct buf name;

	buf_init(&name, SIZE_MAX / 2);
	if (step->edge != UINT32_MAX)
		heap_edge_name(graph, step->edge, &name);
	json_write_object(w);
	json_member_uint(w, "id", heap_id(graph, step->node));
	json_member_string(w, "class",
			   analysis->classes.items[analysis->classes.of[step->node]].key);
	json_member_uint(w, "retained_bytes", analysis->retained[step->node]);
	json_member_string(w, "edge", step->edge != UINT32_MAX ? buf_text(&name) : NULL);
	json_member_uint(w, "times", step->times);
	json_write_object_end(w);
	buf_fini(&name);
}

void path_put_json(struct json_writer *w, const struct heap_analysis *analysis, const char *member,
		   const struct heap_path *path)
{
	json_write_key(w, member);
	json_write_array(w);
	for (size_t i = 0; i < path->n; i++)
		json_step(w, analysis, &path->steps[i]);
	json_write_array_end(w);
}
