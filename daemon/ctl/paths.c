/*
 * Paths to an object, shown
 */

#include "ctl/paths.h"

#include <inttypes.h>

#include "ctl/show.h"
#include "util/buf.h"
#include "util/str.h"

enum { VARIABLES_MAX = 4 };

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

/* "{bus, sessions, log, ...}" */
static void put_variables(struct buf *buf, const struct heap_graph *graph, uint32_t node)
{
	unsigned n = 0;

	for (uint32_t i = graph->edge_first[node]; i < graph->edge_first[node + 1]; i++) {
		struct buf name;

		if (heap_edge_kind(graph->edges[i]) != HEAP_CONTEXT)
			continue;
		if (n == VARIABLES_MAX) {
			buf_puts(buf, ", ...");
			break;
		}
		buf_init(&name, SIZE_MAX / 2);
		heap_edge_name(graph, i, &name);
		buf_puts(buf, n++ == 0 ? " {" : ", ");
		show_text(buf, buf_text(&name) != NULL ? buf_text(&name) : "?");
		buf_fini(&name);
	}
	if (n > 0)
		buf_puts(buf, "}");
}

/* What the class does not say: the name of a function, and where it is. */
static void put_more(struct buf *buf, const struct heap_graph *graph, struct places *places,
		     uint32_t node)
{
	struct buf name, place;

	buf_init(&name, SIZE_MAX / 2);
	buf_init(&place, SIZE_MAX / 2);
	if (graph->type[node] == HEAP_CLOSURE) {
		places_put_name(&name, places, graph, node);
		if (name.size == 0)
			heap_node_name(graph, node, &name);
	}
	places_put(&place, places, graph, node);
	if (name.size > 0 && buf_text(&name) != NULL) {
		buf_puts(buf, " ");
		show_text(buf, buf_text(&name));
	}
	if (place.size > 0 && buf_text(&place) != NULL) {
		buf_puts(buf, " (");
		show_text(buf, buf_text(&place));
		buf_puts(buf, ")");
	}
	buf_fini(&name);
	buf_fini(&place);
}

void step_put_node(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
		   uint32_t node)
{
	char text[STR_UNIT_MAX];

	show_text(buf, analysis->classes.items[analysis->classes.of[node]].name);
	put_more(buf, &analysis->graph, places, node);
	put_variables(buf, &analysis->graph, node);
	buf_printf(buf, " @%" PRIu64 ", %s", heap_id(&analysis->graph, node),
		   str_format_bytes(text, analysis->retained[node]));
}

void path_put(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
	      const struct heap_path *path)
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
		step_put_node(buf, analysis, places, step->node);
		buf_puts(buf, "\n");
	}
}

void retainers_put(struct buf *buf, const struct heap_analysis *analysis, struct places *places,
		   const struct heap_retainers *retainers)
{
	for (size_t i = 0; i < retainers->n; i++) {
		const struct heap_retainer *item = &retainers->items[i];

		if (item->edge != UINT32_MAX) {
			buf_printf(buf, "%*s", (int)(2 * item->depth), "");
			put_edge(buf, &analysis->graph, item->edge);
			buf_puts(buf, " of ");
			step_put_node(buf, analysis, places, item->node);
			buf_puts(buf, "\n");
		}
		if (item->more > 0)
			buf_printf(buf, "%*s... %" PRIu32 " more\n", (int)(2 * item->depth + 2), "",
				   item->more);
	}
}
