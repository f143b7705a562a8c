/*
 * What a snapshot holds, for programs
 */

#include "heap/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json/write.h"
#include "util/buf.h"
#include "util/top.h"

static int by_retained(const void *a, const void *b, void *arg)
{
	const struct heap_analysis *analysis = arg;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct heap_row *x = &analysis->rows[i], *y = &analysis->rows[k];

	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	if (x->self != y->self)
		return x->self > y->self ? -1 : 1;
	return strcmp(analysis->classes.items[i].key, analysis->classes.items[k].key);
}

int heap_report_init(struct heap_report *ret, const struct heap_analysis *analysis,
		     const char *path, const char *class, uint64_t top)
{
	const struct heap_classes *classes = &analysis->classes;

	*ret = (struct heap_report){ .analysis = analysis, .path = path, .node = UINT32_MAX };
	ret->classes = calloc((size_t)classes->n + 1, sizeof(*ret->classes));
	if (ret->classes == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < classes->n; i++) {
		ret->all_n += analysis->rows[i].count > 0;
		if (analysis->rows[i].count > 0 &&
		    (class == NULL || strcmp(classes->items[i].name, class) == 0))
			ret->classes[ret->classes_n++] = i;
	}
	qsort_r(ret->classes, ret->classes_n, sizeof(*ret->classes), by_retained, (void *)analysis);
	ret->classes_n = (uint32_t)top_of(ret->classes_n, top);
	return 0;
}

void heap_report_fini(struct heap_report *report)
{
	free(report->classes);
	report->classes = NULL;
}

static void json_name(struct json_writer *w, const char *key, const struct heap_graph *graph,
		      uint32_t node)
{
	struct buf name;

	buf_init(&name, SIZE_MAX / 2);
	heap_node_name(graph, node, &name);
	json_write_key(w, key);
	json_write_span(w, name.data != NULL ? name.data : "", name.size);
	buf_fini(&name);
}

static void json_node(struct json_writer *w, const struct heap_report *report)
{
	const struct heap_analysis *analysis = report->analysis;
	const struct heap_graph *graph = &analysis->graph;
	uint32_t node = report->node, dominator = analysis->dominators.dominator[node];

	json_write_object(w);
	json_member_uint(w, "id", heap_id(graph, node));
	json_name(w, "name", graph, node);
	json_member_string(w, "type", graph->type_names[graph->type[node]]);
	json_member_string(w, "class", analysis->classes.items[analysis->classes.of[node]].key);
	json_member_uint(w, "self_bytes", heap_size(graph, node));
	json_member_uint(w, "retained_bytes", analysis->retained[node]);
	json_write_key(w, "distance");
	json_write_int(w, analysis->distances[node]);
	json_member_uint(w, "dominator", heap_id(graph, dominator));
	if (report->put_node != NULL)
		report->put_node(w, report->owner);
	json_write_object_end(w);
}

static void json_statistics(struct json_writer *w, const struct heap_statistics *statistics)
{
	json_write_key(w, "statistics");
	json_write_object(w);
	json_member_uint(w, "total_bytes", statistics->total);
	json_member_uint(w, "native_bytes", statistics->native);
	json_member_uint(w, "typed_array_bytes", statistics->typed_arrays);
	json_member_uint(w, "code_bytes", statistics->code);
	json_member_uint(w, "js_array_bytes", statistics->js_arrays);
	json_member_uint(w, "string_bytes", statistics->strings);
	json_member_uint(w, "system_bytes", statistics->system);
	json_write_object_end(w);
}

static void json_classes(struct json_writer *w, const struct heap_report *report)
{
	const struct heap_analysis *analysis = report->analysis;

	json_write_key(w, "classes");
	json_write_array(w);
	for (uint32_t i = 0; i < report->classes_n; i++) {
		const struct heap_class *class = &analysis->classes.items[report->classes[i]];
		const struct heap_row *row = &analysis->rows[report->classes[i]];

		json_write_object(w);
		json_member_string(w, "key", class->key);
		json_member_string(w, "name", class->name);
		json_member_uint(w, "count", row->count);
		json_member_uint(w, "self_bytes", row->self);
		json_member_uint(w, "retained_bytes", row->retained);
		json_write_key(w, "distance");
		json_write_int(w, row->distance);
		if (report->put_class != NULL)
			report->put_class(w, report->owner, class);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static void json_digest(struct json_writer *w, const struct heap_analysis *analysis)
{
	struct heap_digest digest = heap_analysis_digest(analysis);

	json_write_key(w, "digest");
	json_write_object(w);
	json_member_uint(w, "idRetained", digest.id_retained);
	json_member_uint(w, "domDistance", digest.dom_distance);
	json_write_object_end(w);
}

void heap_report_write(const struct heap_report *report, struct json_writer *w)
{
	const struct heap_analysis *analysis = report->analysis;

	json_member_string(w, "file", report->path);
	json_member_uint(w, "nodes", analysis->graph.nodes);
	json_member_uint(w, "edges", analysis->graph.edges_n);
	json_statistics(w, &analysis->statistics);
	json_digest(w, analysis);
	json_member_uint(w, "classes_in_all", report->all_n);
	if (report->node != UINT32_MAX) {
		json_write_key(w, "node");
		json_node(w, report);
	}
	json_classes(w, report);
}
