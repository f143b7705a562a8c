/*
 * retainers: why an object of a heap snapshot is there
 *
 * The dominators come first: they name the holder. The shortest path is second, since it may lead
 * through what only happens to be near a root.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/heap_file.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "heap/retain.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

typedef int path_fn(struct heap_path *ret, const struct heap_analysis *analysis, uint32_t node);

static const struct {
	const char *title, *member;
	path_fn *find;
} paths[] = {
	{ "held by", "dominators", heap_path_dominators },
	{ "shortest path", "shortest_path", heap_path_shortest },
};

enum { PATHS = sizeof(paths) / sizeof(paths[0]) };

/* The node of this id, or the one of the class that retains most. */
static uint32_t find(const struct heap_analysis *analysis, const struct heap_wish *wish)
{
	const struct heap_classes *classes = &analysis->classes;
	uint32_t best = UINT32_MAX;
	uint64_t id;

	if (wish->node != NULL)
		return str_parse_uint(wish->node + (wish->node[0] == '@'), &id) == 0
			       ? heap_node_find(&analysis->graph, id)
			       : UINT32_MAX;
	for (uint32_t node = 0; node < analysis->graph.nodes; node++) {
		if (strcmp(classes->items[classes->of[node]].name, wish->class) == 0 &&
		    (best == UINT32_MAX || analysis->retained[node] > analysis->retained[best]))
			best = node;
	}
	return best;
}

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

static void put_node(struct buf *buf, const struct heap_analysis *analysis, uint32_t node)
{
	char text[STR_UNIT_MAX];

	show_text(buf, analysis->classes.items[analysis->classes.of[node]].name);
	buf_printf(buf, " @%" PRIu64 ", %s", heap_id(&analysis->graph, node),
		   str_format_bytes(text, analysis->retained[node]));
}

static void put_path(struct buf *buf, const struct heap_analysis *analysis,
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
		put_node(buf, analysis, step->node);
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

static void json_path(struct json_writer *w, const struct heap_analysis *analysis,
		      const char *member, const struct heap_path *path)
{
	json_write_key(w, member);
	json_write_array(w);
	for (size_t i = 0; i < path->n; i++)
		json_step(w, analysis, &path->steps[i]);
	json_write_array_end(w);
}

static int put_all(struct buf *buf, const struct heap_analysis *analysis, uint32_t node,
		   bool as_json)
{
	struct json_writer w;
	int r = 0;

	json_write_init(&w, buf);
	if (as_json)
		json_write_object(&w);
	else
		put_node(buf, analysis, node);
	for (size_t i = 0; i < PATHS && r == 0; i++) {
		struct heap_path path;

		r = paths[i].find(&path, analysis, node);
		if (r == 0 && as_json) {
			json_path(&w, analysis, paths[i].member, &path);
		} else if (r == 0) {
			buf_printf(buf, "\n%s:\n", paths[i].title);
			put_path(buf, analysis, &path);
		}
		heap_path_fini(&path);
	}
	if (as_json)
		json_write_object_end(&w);
	return r != 0 ? r : buf->error;
}

static int say(const struct heap_analysis *analysis, const struct ctl_options *options,
	       struct err *err)
{
	uint32_t node = find(analysis, &options->heap);
	struct buf buf, out;
	int r;

	if (node == UINT32_MAX)
		return source_fail(err, CTL_FAILURE, -ENOENT, "no object '%.64s'",
				   options->heap.node != NULL ? options->heap.node
							      : options->heap.class);
	buf_init(&buf, SHOW_MAX_BYTES);
	buf_init(&out, SHOW_MAX_BYTES);
	r = put_all(&buf, analysis, node, options->json != JSON_OFF);
	if (r == 0 && options->json != JSON_OFF && buf_text(&buf) != NULL)
		show_json_text(&out, buf_text(&buf), options->json);
	else if (r == 0)
		buf_append(&out, buf.data, buf.size);
	buf_fini(&buf);
	if (r == 0)
		return show_out(&out, options->pager);
	buf_fini(&out);
	return source_fail(err, CTL_FAILURE, r, "out of memory");
}

int command_retainers(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct heap_load_options load = heap_file_load_options(options);
	struct heap_analysis analysis = { .retained = NULL };
	struct heap_file file = { .mapped = 0 };
	struct err why;
	int r, exit = CTL_OK;

	(void)source;
	if (options->heap.node == NULL && options->heap.class == NULL)
		return source_fail(err, CTL_USAGE, -EINVAL, "--node=@ID or --class=NAME is wanted");
	exit = heap_file_open(&file, options->args[0], options, err);
	if (exit == CTL_OK) {
		r = heap_analyse(&analysis, &file.text, &load, &why);
		if (r < 0)
			exit = source_fail(err, r == -EFBIG ? CTL_REFUSED : CTL_FAILURE, r,
					   "%s: %s", options->args[0], why.text);
	}
	if (exit == CTL_OK)
		exit = say(&analysis, options, err);
	heap_analysis_fini(&analysis);
	heap_file_fini(&file);
	return exit;
}
