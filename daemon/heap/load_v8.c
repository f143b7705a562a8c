/*
 * V8's heap snapshot to a graph
 */

#include "heap/load_v8.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/v8_head.h"
#include "heap/v8_places.h"
#include "heap/v8_rows.h"
#include "heap/v8_rules.h"
#include "heap/v8_walk.h"
#include "util/err.h"
#include "util/str.h"

enum { STRINGS_FIRST = 4096 };

struct load {
	struct v8_walk walk;
	struct heap_graph *graph;
	const struct heap_load_options *options;
	struct err *err;
	struct v8_head head;
	struct v8_rows rows;
	struct v8_places places;
	struct v8_array nodes, edges, locations;
	struct v8_pool *pool;
	uint64_t nodes_at, strings_at; /* bytes */
	bool has_nodes, has_edges, has_strings;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* How many strings there are the head does not tell. */
static int check_memory(const struct load *load, uint64_t strings)
{
	uint64_t cost = heap_graph_cost(load->head.nodes, load->head.edges, load->options->after) +
			strings * sizeof(*load->graph->strings.first);
	char needed[STR_UNIT_MAX], limit[STR_UNIT_MAX];

	if (load->options->memory_max == 0 || cost <= load->options->memory_max)
		return 0;
	return err_set(load->err, -EFBIG,
		       "%" PRIu64 " nodes and %" PRIu64 " edges%s: it needs about %s of memory, "
		       "%s may be taken",
		       load->head.nodes, load->head.edges, strings > 0 ? ", and many strings" : "",
		       str_format_bytes(needed, cost),
		       str_format_bytes(limit, load->options->memory_max));
}

/* ---- strings ---- */

static int grow_strings(struct load *load)
{
	struct heap_strings *strings = &load->graph->strings;
	uint32_t capacity = strings->capacity > 0 ? strings->capacity * 2 : STRINGS_FIRST;
	uint64_t *first;
	int r;

	if (capacity == 0)
		return err_set(load->err, -EOVERFLOW,
			       "%" PRIu32 " strings and more cannot be analysed",
			       strings->capacity);
	r = check_memory(load, capacity);
	if (r < 0)
		return r;
	first = heap_grow(strings->first, strings->capacity, capacity, sizeof(*first));
	if (first == NULL)
		return out_of_memory(load->err);
	strings->first = first;
	strings->capacity = capacity;
	return 0;
}

static int load_strings(struct load *load)
{
	struct heap_strings *strings = &load->graph->strings;
	struct v8_walk *walk = &load->walk;
	int r, more = v8_walk_array(walk, load->err);

	load->strings_at = walk->at;
	strings->data = walk->text->data;
	while (more > 0) {
		r = strings->n + 1 >= strings->capacity ? grow_strings(load) : 0;
		if (r < 0)
			return r;
		strings->first[strings->n++] = walk->at + 1;
		r = v8_walk_string(walk, load->err);
		if (r < 0)
			return r;
		strings->first[strings->n] = walk->at;
		more = v8_walk_more(walk, load->err);
	}
	load->has_strings = true;
	return more;
}

/* ---- the head ---- */

static int check_cost(struct load *load)
{
	if (load->head.nodes > HEAP_NODES_MAX || load->head.edges >= UINT32_MAX)
		return err_set(load->err, -EOVERFLOW,
			       "%" PRIu64 " nodes and %" PRIu64 " edges are more than can be "
			       "analysed (%d and %" PRIu32 ")",
			       load->head.nodes, load->head.edges, HEAP_NODES_MAX, UINT32_MAX);
	/* A row is two bytes a number at least: no array is made for what cannot be there. */
	if (load->head.nodes > load->walk.text->size || load->head.edges > load->walk.text->size)
		return err_set(load->err, -ENODATA,
			       "the file ends at byte %" PRIu64 ", but section \"snapshot\" "
			       "tells of %" PRIu64 " nodes and %" PRIu64 " edges: it is cut short",
			       load->walk.text->size, load->head.nodes, load->head.edges);
	return check_memory(load, 0);
}

static int load_head(struct load *load)
{
	struct heap_graph *graph = load->graph;
	int r = v8_head_read(&load->head, &load->walk, load->err);

	r = r == 0 ? check_cost(load) : r;
	if (r < 0)
		return r;
	r = heap_graph_init(graph, (uint32_t)load->head.nodes, (uint32_t)load->head.edges);
	if (r < 0)
		return out_of_memory(load->err);
	graph->root = (uint32_t)load->head.root;
	graph->extra_native_bytes = load->head.extra_native_bytes;
	graph->traced = load->head.trace.n > 0;
	memcpy(graph->type_names, load->head.type_names, sizeof(graph->type_names));
	return 0;
}

/* ---- sections ---- */

static int load_rows(struct load *load, const struct v8_array *array, bool *seen)
{
	int r;

	if (load->walk.text->data[load->walk.at] != '[')
		return v8_walk_unexpected(&load->walk, load->err, "an array");
	if (*seen)
		return v8_walk_twice(&load->walk, load->err);
	*seen = true;
	load->walk.at++;
	r = v8_array_read(load->pool, array, &load->walk.at, load->err);
	return r;
}

/* They refer to types of nodes. */
static int load_locations(struct load *load)
{
	bool seen = load->graph->place != NULL;
	int r = v8_pool_finish(load->pool, load->err);

	v8_pool_free(load->pool);
	load->pool = NULL;
	if (r == 0 && v8_pool_new(&load->pool, load->walk.text, 1) < 0)
		return out_of_memory(load->err);
	if (r < 0)
		return r;
	if (!seen)
		r = v8_places_init(&load->places, &load->head, load->graph);
	if (r < 0)
		return r == -ENOMEM ? out_of_memory(load->err)
				    : err_set(load->err, r, "%s", strerror(-r));
	return load_rows(load, &load->locations, &seen);
}

static int load_section(struct load *load)
{
	struct v8_walk *walk = &load->walk;

	if (v8_walk_is(walk, "nodes"))
		load->nodes_at = walk->at;
	if (v8_walk_is(walk, "nodes"))
		return load_rows(load, &load->nodes, &load->has_nodes);
	if (v8_walk_is(walk, "edges"))
		return load_rows(load, &load->edges, &load->has_edges);
	if (v8_walk_is(walk, "locations") && load->head.location.n > 0 && load->has_nodes)
		return load_locations(load);
	if (v8_walk_is(walk, "strings") && !load->has_strings)
		return load_strings(load);
	return v8_walk_skip(walk, load->err);
}

static void prepare(struct load *load)
{
	load->rows = (struct v8_rows){ .head = &load->head, .graph = load->graph };
	pthread_mutex_init(&load->rows.lock, NULL);
	load->nodes = (struct v8_array){ "nodes",      load->head.node.n, load->head.nodes,
					 v8_node_rows, &load->rows,       load->options->progress };
	load->edges = (struct v8_array){ "edges",      load->head.edge.n, load->head.edges,
					 v8_edge_rows, &load->rows,       load->options->progress };
	load->edges.with_signs = true; /* as V8 writes numbers of elements from 2^31 on */
	load->locations = (struct v8_array){ "locations",   load->head.location.n,
					     UINT64_MAX,    v8_location_rows,
					     &load->places, load->options->progress };
}

static int load_sections(struct load *load)
{
	int r, more;

	r = v8_pool_new(&load->pool, load->walk.text, load->options->threads);
	if (r < 0)
		return err_set(load->err, r, "no thread: %s", strerror(-r));
	while ((more = v8_walk_more(&load->walk, load->err)) > 0) {
		r = v8_walk_key(&load->walk, load->err);
		if (r == 0)
			r = load_section(load);
		if (r < 0)
			return r;
	}
	r = more < 0 ? more : v8_walk_end(&load->walk, load->err);
	return r < 0 ? r : v8_pool_finish(load->pool, load->err);
}

static int check(struct load *load)
{
	const char *missing = !load->has_nodes     ? "nodes"
			      : !load->has_edges   ? "edges"
			      : !load->has_strings ? "strings"
						   : NULL;
	int r;

	if (missing != NULL)
		return v8_walk_missing(load->walk.text, missing, load->err);
	if (v8_rows_sum(load->graph) < 0)
		return err_set(load->err, -EBADMSG,
			       "section \"nodes\", byte %" PRIu64
			       ": the edges of all nodes are not the %" PRIu64 " there are",
			       load->nodes_at, load->head.edges);
	if (load->rows.name_max >= load->graph->strings.n)
		return err_set(load->err, -EBADMSG,
			       "section \"strings\", byte %" PRIu64
			       ": something is named by string %" PRIu32 " of %" PRIu32,
			       load->strings_at, load->rows.name_max, load->graph->strings.n);
	r = v8_places_scripts(load->graph);
	return r < 0 ? err_set(load->err, r, "out of memory") : 0;
}

int heap_load_v8(struct heap_graph *ret, const struct v8_text *text,
		 const struct heap_load_options *options, struct err *err)
{
	struct load load = { .walk = { .text = text, .section = "snapshot" },
			     .graph = ret,
			     .options = options,
			     .err = err };
	int r = v8_walk_begin(&load.walk, err);

	*ret = (struct heap_graph){ .nodes = 0 };
	if (r == 0)
		r = load_head(&load);
	if (r < 0)
		return r;
	prepare(&load);
	r = load_sections(&load);
	v8_pool_free(load.pool);
	v8_places_fini(&load.places);
	pthread_mutex_destroy(&load.rows.lock);
	if (r == 0)
		r = check(&load);
	if (r == 0 && v8_rules_names(ret, load.head.node.detachedness != V8_NO_FIELD) < 0)
		r = out_of_memory(err);
	return r;
}
